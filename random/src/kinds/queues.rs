//! Queues of messages, System V's and POSIX's: short ones, which are soon full.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{self, null_mut};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use eintr::ipc::MsgKind;

use super::{Done, Row, row};
use crate::operation::Call;
use crate::operation::Whose::{C, Own};
use crate::plant::planted;
use crate::worker::{Readiness, Worker};
use crate::wrong;

pub const ROWS: &[Row] = &[
    row("msgrcv", &[Own, C], &[], |worker, call| receive(worker, call, SYSTEM_V)),
    row("msgsnd", &[Own, C], &[], |worker, call| send(worker, call, SYSTEM_V)),
    row("mq_receive", &[Own, C], &[], |worker, call| receive(worker, call, POSIX)),
    row("mq_send", &[Own, C], &[], |worker, call| send(worker, call, POSIX)),
];

const SYSTEM_V: usize = 0;
const POSIX: usize = 1;

/// How many messages a queue has room for.
const ROOM: usize = 4;

const TEXT: [u8; 8] = *b"message.";

#[repr(C)]
struct Message {
    kind: libc::c_long,
    text: [u8; 8],
}

enum Id {
    SystemV(i32),
    Posix(OwnedFd),
}

pub struct Queue {
    id: Id,
    sent: AtomicU64,
    received: AtomicU64,
}

/// Those of System V, which outlive a process that does not remove them.
static MADE: Mutex<Vec<i32>> = Mutex::new(Vec::new());

fn made() -> std::sync::MutexGuard<'static, Vec<i32>> {
    MADE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Before the process is ended.
pub fn remove_all() {
    for id in made().drain(..) {
        remove(id);
    }
}

fn remove(id: i32) {
    // SAFETY: no pointer is looked at.
    unsafe { libc::msgctl(id, libc::IPC_RMID, null_mut()) };
}

impl Queue {
    pub fn new(kind: usize) -> io::Result<Arc<Self>> {
        let id = if kind == SYSTEM_V { system_v()? } else { posix()? };
        Ok(Arc::new(Self { id, sent: AtomicU64::new(0), received: AtomicU64::new(0) }))
    }

    /// By a call that does not wait, whether or not it did anything.
    fn at_once(&self, sends: bool) -> bool {
        let mut message = Message { kind: 1, text: TEXT };
        let (at, text) = ((&raw mut message).cast(), message.text.as_mut_ptr().cast());
        loop {
            // SAFETY: the message is borrowed, and so is a time that has passed.
            let done = crate::answer(unsafe {
                let past = std::mem::zeroed();
                match (&self.id, sends) {
                    (Id::SystemV(id), true) => libc::msgsnd(*id, at, 8, libc::IPC_NOWAIT) as isize,
                    (Id::SystemV(id), false) => libc::msgrcv(*id, at, 8, 0, libc::IPC_NOWAIT),
                    (Id::Posix(fd), true) => {
                        libc::mq_timedsend(fd.as_raw_fd(), text, 8, 0, &past) as isize
                    }
                    (Id::Posix(fd), false) => {
                        libc::mq_timedreceive(fd.as_raw_fd(), text, 8, null_mut(), &past)
                    }
                }
            });
            let count = if sends { &self.sent } else { &self.received };
            match done.map_err(|error| error.raw_os_error()) {
                Ok(_) => return count.fetch_add(1, SeqCst) < u64::MAX,
                Err(Some(libc::EINTR)) => {}
                Err(Some(libc::EAGAIN | libc::ENOMSG | libc::ETIMEDOUT)) => return false,
                Err(_) => wrong(format_args!("a queue: {}", io::Error::last_os_error())),
            }
        }
    }

    /// How many messages went through.
    pub fn balance(&self) -> u64 {
        let received = self.received.load(SeqCst);
        while self.at_once(false) {}
        let (sent, all) = (self.sent.load(SeqCst), self.received.load(SeqCst));
        if sent != all {
            let left = all - received;
            wrong(format_args!("a queue: {sent} sent, {received} received, {left} left"));
        }
        sent
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        if let Id::SystemV(id) = self.id {
            made().retain(|made| *made != id);
            remove(id);
        }
    }
}

fn system_v() -> io::Result<Id> {
    // SAFETY: no pointers.
    let id = crate::answer(unsafe { libc::msgget(libc::IPC_PRIVATE, 0o600) } as isize)? as i32;
    made().push(id);
    // SAFETY: all bytes zero are an answer, which is borrowed.
    let set = unsafe {
        let mut state: libc::msqid_ds = std::mem::zeroed();
        libc::msgctl(id, libc::IPC_STAT, &mut state);
        state.msg_qbytes = ROOM as libc::msglen_t * 8;
        libc::msgctl(id, libc::IPC_SET, &mut state)
    };
    crate::answer(set as isize).map(|_| Id::SystemV(id))
}

fn posix() -> io::Result<Id> {
    let name = format!("/eintr-random-{}-{}", std::process::id(), test_support::gettid());
    let name = CString::new(name).expect("our names have no zero");
    // SAFETY: all bytes zero are attributes; they are borrowed, and so is the name. The descriptor is new.
    unsafe {
        let mut attributes: libc::mq_attr = std::mem::zeroed();
        (attributes.mq_maxmsg, attributes.mq_msgsize) = (ROOM as _, 8);
        let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR | libc::O_CLOEXEC;
        let fd = libc::mq_open(name.as_ptr(), flags, 0o600, &raw mut attributes);
        let fd = crate::answer(fd as isize)?;
        libc::mq_unlink(name.as_ptr());
        Ok(Id::Posix(OwnedFd::from_raw_fd(fd as i32)))
    }
}

/// As a call finds it that receives, or that sends.
#[derive(Clone)]
struct Found(Arc<Queue>, bool);

impl Found {
    fn move_some(&self, sends: bool) {
        for _ in 0..2 * ROOM {
            if !self.0.at_once(sends) {
                return;
            }
        }
    }
}

impl Readiness for Found {
    fn ready(&self) {
        // One message will do, and room for one.
        self.0.at_once(self.1);
    }

    fn unready(&self) {
        self.move_some(!self.1);
    }
}

fn receive(worker: &Worker, call: &Call, kind: usize) -> Done {
    let queue = worker.queue(call, kind);
    let mut message = Message { kind: 0, text: [0; 8] };
    let length =
        worker.meets(call, Found(queue.clone(), true), || match (call.whose, &queue.id) {
            (Own, Id::SystemV(id)) => {
                let received = eintr::ipc::msgrcv(*id, &mut message.text, MsgKind::Any);
                worker.own(received).map(|(length, _)| length)
            }
            (Own, Id::Posix(fd)) => {
                let received = eintr::ipc::mq_receive(fd, &mut message.text, None);
                worker.own(received).map(|(length, _)| length)
            }
            // SAFETY: the message is borrowed.
            (_, Id::SystemV(id)) => {
                let at = (&raw mut message).cast();
                // SAFETY: the message is borrowed.
                worker.c_once(unsafe { libc::msgrcv(*id, at, 8, 0, 0) })
            }
            (_, Id::Posix(fd)) => {
                let text = message.text.as_mut_ptr().cast();
                // SAFETY: the text is borrowed.
                worker.c(unsafe { libc::mq_receive(fd.as_raw_fd(), text, 8, null_mut()) })
            }
        })?;
    if length != 8 || message.text != TEXT {
        wrong("a queue has a message that nobody sent");
    }
    if !planted("queued", call.number) {
        queue.received.fetch_add(1, SeqCst);
    }
    Ok(())
}

fn send(worker: &Worker, call: &Call, kind: usize) -> Done {
    let queue = worker.queue(call, kind);
    let message = Message { kind: 1, text: TEXT };
    worker.meets(call, Found(queue.clone(), false), || match (call.whose, &queue.id) {
        (Own, Id::SystemV(id)) => worker.own(eintr::ipc::msgsnd(*id, 1, &TEXT)),
        (Own, Id::Posix(fd)) => worker.own(eintr::ipc::mq_send(fd, &TEXT, 0, None)),
        (_, Id::SystemV(id)) => {
            // SAFETY: the message is borrowed.
            worker
                .c_once(unsafe { libc::msgsnd(*id, ptr::from_ref(&message).cast(), 8, 0) } as isize)
                .map(drop)
        }
        (_, Id::Posix(fd)) => {
            // SAFETY: the text is borrowed.
            let sent = unsafe { libc::mq_send(fd.as_raw_fd(), TEXT.as_ptr().cast(), 8, 0) };
            worker.c(sent as isize).map(drop)
        }
    })?;
    queue.sent.fetch_add(1, SeqCst);
    Ok(())
}
