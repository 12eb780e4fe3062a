//! Semaphores and message queues.

use std::rc::Rc;

use eintr::Error;
use eintr::ipc::SemOp;
use nix::mqueue::{
    MQ_OFlag, MqAttr, MqdT, mq_attr_member_t, mq_close, mq_open, mq_receive as receive, mq_unlink,
};
use nix::sys::stat::Mode;

use super::{Case, equal, turn};

pub fn semop(ready: bool) -> Case {
    taking(ready, |set| eintr::ipc::semop(set, &[SemOp::new(0, -1)], None))
}

/// A semaphore that can be taken or not.
pub fn taking(ready: bool, take: fn(i32) -> Result<(), Error>) -> Case {
    // SAFETY: no pointers.
    let set = unsafe { libc::semget(libc::IPC_PRIVATE, 1, 0o600) };
    assert!(set >= 0);
    // SAFETY: SETVAL takes a number.
    assert_eq!(unsafe { libc::semctl(set, 0, libc::SETVAL, i32::from(ready)) }, 0);
    turn::is(move || {
        let by = if ready { -1 } else { 1 };
        let mut turn = libc::sembuf { sem_num: 0, sem_op: by, sem_flg: libc::IPC_NOWAIT as i16 };
        // SAFETY: one operation.
        if unsafe { libc::semop(set, &mut turn, 1) } == 0 { by.into() } else { 0 }
    });
    Case {
        call: Box::new(move || take(set).map(|()| 1)),
        intact: Box::new(move |result| {
            // SAFETY: neither takes a fourth argument.
            let [left, _] =
                [libc::GETVAL, libc::IPC_RMID].map(|op| unsafe { libc::semctl(set, 0, op) });
            let there = i32::from(ready) + turn::by() as i32;
            equal("the semaphore", left, there - i32::from(result.is_some()))
        }),
    }
}

/// A queue with room for one message of eight bytes.
pub fn queue() -> MqdT {
    let name = format!("/eintr-window-{}", std::process::id());
    let [messages, size]: [mq_attr_member_t; 2] = [1, 8];
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_RDWR | MQ_OFlag::O_CLOEXEC;
    let attributes = MqAttr::new(0, messages, size, 0);
    let queue = mq_open(name.as_str(), flags, Mode::S_IRWXU, Some(&attributes)).unwrap();
    mq_unlink(name.as_str()).unwrap();
    queue
}

/// A queue with a message or without.
pub fn mq_receive(ready: bool) -> Case {
    let queue = queue();
    if ready {
        nix::mqueue::mq_send(&queue, b"x", 5).unwrap();
    }
    let queue = Rc::new(queue);
    let from = queue.clone();
    Case {
        call: Box::new(move || {
            let (length, priority) = eintr::ipc::mq_receive(&*from, &mut [0; 8], None)?;
            Ok(length as u64 * 10 + u64::from(priority))
        }),
        intact: Box::new(move |result| {
            nix::mqueue::mq_set_nonblock(&queue).unwrap();
            let left = receive(&queue, &mut [0; 8], &mut 0).is_ok();
            mq_close(Rc::into_inner(queue).unwrap()).unwrap();
            equal("the message", result.unwrap_or(15), 15)?;
            equal("a message is left", left, ready && result.is_none())
        }),
    }
}
