//! Sending our signal to a thread, and whose a signal is that has come.
//!
//! # Safety
//!
//! The kernel is handed a siginfo of ours, laid out as it has them; any bytes are valid for its fields.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

use libc::{c_int, siginfo_t};

use crate::kernel::{pid, raw};

/// The kernel's `siginfo_t` of a queued signal.
#[repr(C)]
struct Queued {
    signal: c_int,
    errno: c_int,
    code: c_int,
    _pad: c_int,
    pid: i32,
    uid: u32,
    value: usize,
    _rest: [u64; 12],
}

const _: () = assert!(size_of::<Queued>() == size_of::<siginfo_t>());

/// Marks what is ours: the address of this byte, which nothing else in the process has. It is
/// compared, never followed.
pub(crate) fn magic() -> usize {
    static MAGIC: u8 = 0;
    &raw const MAGIC as usize
}

/// A signal of ours has been sent by tgkill, and could not be marked.
static UNMARKED: AtomicBool = AtomicBool::new(false);

/// No siginfo can be sent, and none is any more: a sandbox may have trapped it, and a trap has a frame,
/// for which a handler may have no room.
static CANNOT_QUEUE: AtomicBool = AtomicBool::new(false);

/// Sends our signal to a thread of this process. (0 is no signal: it asks whether one could be.)
///
/// At the limit on queued signals a real-time signal is refused with EAGAIN. A standard one is
/// delivered without its siginfo, and by S4 that is enough. (Rejected: sending a real-time signal
/// as `kill` sends, which is never refused; only the thread itself may do that.)
///
/// A sandbox, which may have come after us, may refuse what few programs need. tgkill, by which
/// threads raise signals, brings ours just as well, but without our mark (S27).
pub(crate) fn send(tid: i32, signal: c_int) -> Result<(), i32> {
    let pid = pid::get();
    let code = libc::SI_QUEUE;
    let info =
        Queued { signal, errno: 0, code, _pad: 0, pid, uid: 0, value: magic(), _rest: [0; 12] };
    let [process, thread, number] = [pid as usize, tid as usize, signal as usize];
    let arguments = [process, thread, number, &raw const info as usize];
    let queued = match CANNOT_QUEUE.load(Ordering::Relaxed) {
        true => Err(libc::ENOSYS),
        // SAFETY: the kernel reads a siginfo.
        false => unsafe { raw::syscall(libc::SYS_rt_tgsigqueueinfo, arguments) },
    };
    match queued {
        Err(errno) if errno != libc::ESRCH && errno != libc::EAGAIN => {
            CANNOT_QUEUE.store(errno == libc::ENOSYS, Ordering::Relaxed);
            UNMARKED.store(true, Ordering::Relaxed);
            // SAFETY: no pointers.
            unsafe { raw::syscall(libc::SYS_tgkill, [process, thread, number]) }.map(drop)
        }
        sent => sent.map(drop),
    }
}

/// Whose a signal is, as far as its siginfo tells. It decides about chaining only (S4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    /// A requester, or a thread's timer.
    Ours,
    /// The kernel had no room for a siginfo: ours, if one was on its way.
    Unknown,
    /// This process, as it sends ours where they cannot be marked: ours, if one was on its way.
    Unmarked,
    /// Somebody else.
    Other,
}

/// Whose a delivered signal is.
pub(crate) fn sender(info: &siginfo_t) -> Sender {
    // SAFETY: a siginfo is as large as `Queued`, whose fields are plain numbers: any bytes are
    // valid for them.
    let info = unsafe { &*(&raw const *info).cast::<Queued>() };
    match info.code {
        libc::SI_QUEUE | libc::SI_TIMER if info.value == magic() => Sender::Ours,
        libc::SI_USER if info.pid == 0 => Sender::Unknown,
        libc::SI_TKILL if UNMARKED.load(Ordering::Relaxed) && info.pid == pid::get() => {
            Sender::Unmarked
        }
        _ => Sender::Other,
    }
}
