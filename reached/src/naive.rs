//! The way that is tried first: a flag, and a signal with an empty handler, sent once.

use std::cell::Cell;
use std::sync::Once;

use libc::c_int;

/// Not the one that `eintr` chooses.
const SIGNAL: c_int = libc::SIGUSR2;

thread_local! {
    static SIGNALLED: Cell<bool> = const { Cell::new(false) };
}

/// The handler does next to nothing: that it runs is what ends a call with EINTR.
extern "C" fn handler(_: c_int) {
    SIGNALLED.set(true);
}

/// Whether this thread's handler has run.
pub fn was_signalled() -> bool {
    SIGNALLED.get()
}

/// Sends a thread of this process the signal.
pub fn signal(tid: i32) {
    static INSTALLED: Once = Once::new();
    // SAFETY: an action without SA_RESTART, and no pointer but to it; the handler touches a
    // thread-local that needs no initialisation.
    unsafe {
        INSTALLED.call_once(|| {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as extern "C" fn(c_int) as usize;
            assert_eq!(libc::sigaction(SIGNAL, &action, std::ptr::null_mut()), 0);
        });
        libc::syscall(libc::SYS_tgkill, std::process::id(), tid, SIGNAL);
    }
}
