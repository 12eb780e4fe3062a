//! Semaphores and message queues. The tests work like this: each makes a queue or a set of its own,
//! removed at its end, and fills or empties it until the call blocks.

use std::process;
use std::time::Duration;

use eintr::ipc::{MsgKind, SemOp, mq_receive, mq_send, msgrcv, msgsnd, semop};
use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_open, mq_unlink};
use nix::sys::stat::Mode;
use test_support::asked::{asked_before, asked_while_blocked, disturbed, ends_in_time};
use test_support::watched;

const NOW: Option<Duration> = Some(Duration::ZERO);

fn errno(error: eintr::Error) -> Option<i32> {
    std::io::Error::from(error).raw_os_error()
}

/// A set of two semaphores, both 0.
struct Semaphores(i32);

impl Semaphores {
    fn new() -> Self {
        // SAFETY: no pointers.
        let id = unsafe { libc::semget(libc::IPC_PRIVATE, 2, 0o600) };
        assert!(id >= 0, "{}", std::io::Error::last_os_error());
        Self(id)
    }

    fn values(&self) -> [i32; 2] {
        // SAFETY: no pointers for this command.
        [0, 1].map(|semaphore| unsafe { libc::semctl(self.0, semaphore, libc::GETVAL) })
    }
}

impl Drop for Semaphores {
    fn drop(&mut self) {
        // SAFETY: no pointers for this command.
        unsafe { libc::semctl(self.0, 0, libc::IPC_RMID) };
    }
}

#[test]
fn semop_at_its_points() {
    watched("semop", || {
        let set = Semaphores::new();
        // The first could be done at once, the second not.
        let both = [SemOp::new(0, 5), SemOp::new(1, -1)];
        asked_before(|| semop(set.0, &both, None));
        asked_while_blocked(libc::SYS_semtimedop, || semop(set.0, &both, None));
        asked_while_blocked(libc::SYS_semtimedop, || semop(set.0, &both, Some(Duration::MAX)));
        let timed = |limit| match semop(set.0, &both, Some(limit)).map_err(errno) {
            Err(Some(libc::EAGAIN)) => Ok(()),
            other => panic!("{other:?}"),
        };
        ends_in_time(libc::SYS_semtimedop, timed);
        assert_eq!(set.values(), [0, 0], "nothing done");
        let adds = || semop(set.0, &[SemOp::new(1, 1)], None).unwrap();
        disturbed(libc::SYS_semtimedop, || semop(set.0, &both, None), adds);
        assert_eq!(set.values(), [5, 0]);

        let zero = [SemOp::new(0, 0)];
        assert_eq!(semop(set.0, &zero, NOW).map_err(errno), Err(Some(libc::EAGAIN)));
        assert_eq!(
            semop(set.0, &[zero[0].no_wait()], None).map_err(errno),
            Err(Some(libc::EAGAIN))
        );
        semop(set.0, &[SemOp::new(0, -5).undo(), zero[0]], NOW).unwrap();
        asked_before(|| semop(set.0, &zero, None));
        assert_eq!(semop(set.0, &[], NOW).map_err(errno), Err(Some(libc::EINVAL)));
    });
}

/// A message queue of System V's.
struct Queue(i32);

impl Queue {
    fn new() -> Self {
        // SAFETY: no pointers.
        let id = unsafe { libc::msgget(libc::IPC_PRIVATE, 0o600) };
        assert!(id >= 0, "{}", std::io::Error::last_os_error());
        Self(id)
    }

    fn status(&self) -> libc::msqid_ds {
        // SAFETY: the status is plain numbers, all zeros among them, and the kernel writes it.
        unsafe {
            let mut status = std::mem::zeroed();
            assert_eq!(libc::msgctl(self.0, libc::IPC_STAT, &mut status), 0);
            status
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: no pointers for this command.
        unsafe { libc::msgctl(self.0, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}

#[test]
fn msgrcv_at_its_points() {
    watched("msgrcv", || {
        let queue = Queue::new();
        let mut buffer = [0; 8];
        asked_before(|| msgrcv(queue.0, &mut buffer, MsgKind::Any));
        asked_while_blocked(libc::SYS_msgrcv, || msgrcv(queue.0, &mut buffer, MsgKind::Any));
        msgsnd(queue.0, 7, b"seven").unwrap();
        asked_before(|| msgrcv(queue.0, &mut buffer, MsgKind::Any));
        asked_while_blocked(libc::SYS_msgrcv, || msgrcv(queue.0, &mut buffer, MsgKind::Is(3)));
        asked_while_blocked(libc::SYS_msgrcv, || msgrcv(queue.0, &mut buffer, MsgKind::IsNot(7)));
        assert_eq!(queue.status().msg_qnum, 1, "not taken");

        let call = || msgrcv(queue.0, &mut buffer, MsgKind::AtMost(6));
        let received = disturbed(libc::SYS_msgrcv, call, || msgsnd(queue.0, 6, b"six").unwrap());
        assert_eq!((received, &buffer[..3]), ((3, 6), &b"six"[..]));
        let small = msgrcv(queue.0, &mut [0; 4], MsgKind::Any);
        assert_eq!(small.map_err(errno), Err(Some(libc::E2BIG)));
        assert_eq!(msgrcv(queue.0, &mut buffer, MsgKind::IsNot(6)).unwrap(), (5, 7));
        assert_eq!(&buffer[..5], b"seven");
        for none in [MsgKind::Is(0), MsgKind::IsNot(-1), MsgKind::AtMost(i64::MIN)] {
            let none = msgrcv(queue.0, &mut buffer, none);
            assert_eq!(none.map_err(errno), Err(Some(libc::EINVAL)));
        }
    });
}

#[test]
fn msgsnd_at_its_points() {
    watched("msgsnd", || {
        let queue = Queue::new();
        let mut room = queue.status();
        room.msg_qbytes = 8;
        // SAFETY: the kernel reads the status.
        assert_eq!(unsafe { libc::msgctl(queue.0, libc::IPC_SET, &mut room) }, 0);
        asked_before(|| msgsnd(queue.0, 1, b"one"));
        assert_eq!(queue.status().msg_qnum, 0, "not sent");
        msgsnd(queue.0, 1, b"one").unwrap();
        asked_while_blocked(libc::SYS_msgsnd, || msgsnd(queue.0, 2, b"second"));
        assert_eq!(queue.status().msg_qnum, 1, "not sent");

        let mut buffer = [0; 8];
        let takes = || assert_eq!(msgrcv(queue.0, &mut buffer, MsgKind::Any).unwrap(), (3, 1));
        disturbed(libc::SYS_msgsnd, || msgsnd(queue.0, 2, b"second"), takes);
        assert_eq!(msgrcv(queue.0, &mut buffer, MsgKind::Any).unwrap(), (6, 2));
        assert_eq!(msgsnd(queue.0, 0, b"").map_err(errno), Err(Some(libc::EINVAL)));
    });
}

/// A POSIX message queue for one message of 8 bytes.
fn mqueue(name: &str) -> MqdT {
    let name = format!("/eintr-{}-{name}", process::id());
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_RDWR;
    let queue = mq_open(name.as_str(), flags, Mode::S_IRWXU, Some(&MqAttr::new(0, 1, 8, 0)));
    mq_unlink(name.as_str()).unwrap();
    queue.unwrap()
}

/// The end of the time as a value.
fn timed_out<T: std::fmt::Debug>(result: Result<T, eintr::Error>) -> Result<(), eintr::Error> {
    match result.map_err(std::io::Error::from) {
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => Ok(()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn mq_receive_at_its_points() {
    watched("mq_receive", || {
        let queue = mqueue("receive");
        let receive = |timeout| mq_receive(&queue, &mut [0; 8], timeout);
        asked_before(|| receive(None));
        asked_while_blocked(libc::SYS_mq_timedreceive, || receive(None));
        asked_while_blocked(libc::SYS_mq_timedreceive, || receive(Some(Duration::MAX)));
        ends_in_time(libc::SYS_mq_timedreceive, |limit| timed_out(receive(Some(limit))));
        timed_out(receive(NOW)).unwrap();
        mq_send(&queue, b"ping", 3, None).unwrap();
        asked_before(|| receive(None));
        let mut buffer = [0; 8];
        assert_eq!(mq_receive(&queue, &mut buffer, NOW).unwrap(), (4, 3), "not taken");
        assert_eq!(&buffer[..4], b"ping");
        let sends = || mq_send(&queue, b"", 0, None).unwrap();
        assert_eq!(disturbed(libc::SYS_mq_timedreceive, || receive(None), sends), (0, 0));
        let small = mq_receive(&queue, &mut [0; 7], NOW);
        assert_eq!(small.map_err(errno), Err(Some(libc::EMSGSIZE)));
    });
}

#[test]
fn mq_send_at_its_points() {
    watched("mq_send", || {
        let queue = mqueue("send");
        let send = |priority, timeout| mq_send(&queue, b"pong", priority, timeout);
        let receive = |timeout| mq_receive(&queue, &mut [0; 8], timeout);
        asked_before(|| send(1, None));
        timed_out(receive(NOW)).expect("not sent");
        send(1, NOW).unwrap();
        asked_while_blocked(libc::SYS_mq_timedsend, || send(2, None));
        asked_while_blocked(libc::SYS_mq_timedsend, || send(2, Some(Duration::MAX)));
        ends_in_time(libc::SYS_mq_timedsend, |limit| timed_out(send(2, Some(limit))));
        timed_out(send(2, NOW)).unwrap();
        let takes = || assert_eq!(receive(NOW).unwrap(), (4, 1));
        disturbed(libc::SYS_mq_timedsend, || send(3, None), takes);
        assert_eq!(receive(NOW).unwrap(), (4, 3));
        timed_out(receive(NOW)).expect("nothing else was sent");
    });
}
