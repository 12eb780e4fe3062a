//! Helper threads: few, and only where something cannot be done without.

use std::io;
use std::thread::Builder;

use super::block;
use crate::kernel::signals;

/// Starts one. Signals are blocked in it: an application's are meant for the application's threads.
/// But for SIGSYS: the thread that starts it may be reached, and a syscall of its would be death
/// (S2).
///
/// What waits there for a look at all handlers is not to be blocked again: std's first syscall in here
/// would have let it in.
pub(crate) fn start(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let blocked = signals::change_mask(libc::SIG_SETMASK, signals::ALL_BUT_SIGSYS);
    let before = blocked & !block::with(|block| block.dispatch.look_and_let_in(blocked));
    let started = Builder::new().name(name.into()).spawn(run);
    signals::change_mask(libc::SIG_SETMASK, before);
    started.map(drop)
}

/// Panics where one could not be had, as `std::thread::spawn` does: what waits would wait for ever, and
/// those who begin a hook or a deadline have no error to return (S28).
#[inline]
#[track_caller]
pub(crate) fn needed<T>(begun: io::Result<T>) -> T {
    begun.unwrap_or_else(|error| {
        panic!("the thread that sees to this thread's deadline cannot be started: {error}")
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

    use super::*;
    use crate::signal::ours;
    use crate::{Task, checkpoint};

    static BLOCKED: AtomicU64 = AtomicU64::new(0);

    fn look() {
        BLOCKED.store(signals::mask(), SeqCst);
    }

    /// As where a requester has told this thread, and has not looked at the handlers yet.
    #[test]
    fn signals_that_wait_wait_no_longer() {
        let task = Task::new();
        let interrupter = task.interrupter();
        task.run(|| {
            let _ = interrupter.interrupt();
            // Not to be asked again meanwhile: that puts them off once more, for a look that is promised and does not come.
            signals::change_mask(libc::SIG_BLOCK, ours::set());
            let before = signals::mask();
            let waiting = block::with(|block| {
                block.dispatch.promise_look();
                signals::change_mask(libc::SIG_BLOCK, signals::MAY_WAIT);
                // (An emulator keeps some to itself.)
                let added = signals::mask() & !before;
                assert!(block.dispatch.block_until_look(added, before));
                added
            });
            start("eintr-test", look).unwrap();
            assert_eq!(signals::mask() & waiting, 0);
            block::with(|block| {
                assert_eq!(block.dispatch.waiting() & waiting, 0);
                block.dispatch.keep_promise();
            });
            signals::change_mask(libc::SIG_UNBLOCK, ours::set());
            assert!(checkpoint().is_err());
        });
        while BLOCKED.load(SeqCst) == 0 {
            std::thread::yield_now();
        }
        // What cannot be blocked is not; libc keeps some to itself, and an emulator the last two.
        let libcs = (32..libc::SIGRTMIN()).chain([libc::SIGKILL, libc::SIGSTOP, 63, 64]);
        let never = libcs.map(signals::bit).sum::<u64>();
        assert_eq!(BLOCKED.load(SeqCst) | never, signals::ALL_BUT_SIGSYS);
    }
}
