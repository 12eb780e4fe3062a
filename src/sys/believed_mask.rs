//! The mask that a reached thread believes it has: the kernel's, and SIGSYS if the thread has asked
//! to have it blocked (S2).
//!
//! Nothing here changes the kernel's mask by a syscall. What the thread asks for is worked out and
//! written into the saved context, and our handler's return puts it in force, all at once.
//! (Rejected: to make the syscall and strike SIGSYS from what it did. A signal that it lets in runs
//! its handler before the second step, with SIGSYS blocked, and its first syscall is death.)
//!
//! The thread's pointers go through the kernel: see [`ask`].

use std::sync::atomic::Ordering;

use libc::{c_int, ucontext_t};

use super::block::Block;
use super::signal::{self, Set};
use super::{arch, ask};

const SIGSYS: Set = signal::bit(libc::SIGSYS);

fn get(block: &Block, context: &mut ucontext_t) -> Set {
    let is_blocked = block.dispatch.sigsys_blocked.load(Ordering::Relaxed);
    *signal::saved_mask(context) | if is_blocked { SIGSYS } else { 0 }
}

fn set(block: &Block, context: &mut ucontext_t, mask: Set) {
    block.dispatch.sigsys_blocked.store(mask & SIGSYS != 0, Ordering::Relaxed);
    *signal::saved_mask(context) = mask & !SIGSYS;
}

/// `rt_sigprocmask` of a reached thread. The result.
pub(super) fn change(
    block: &Block,
    context: &mut ucontext_t,
    [how, new, old, size, ..]: [usize; 6],
) -> isize {
    if size != signal::SET_SIZE {
        return -libc::EINVAL as isize;
    }
    let before = get(block, context);
    if new != 0 {
        let Some([new]) = ask::peek(new) else { return -libc::EFAULT as isize };
        let new = new as Set;
        let after = match how as c_int {
            libc::SIG_BLOCK => before | new,
            libc::SIG_UNBLOCK => before & !new,
            libc::SIG_SETMASK => new,
            _ => return -libc::EINVAL as isize,
        };
        set(block, context, after);
    }
    if old != 0 && !ask::poke(old, &[before as usize]) {
        return -libc::EFAULT as isize;
    }
    0
}

/// Before an `rt_sigreturn` of a reached thread: the mask that it restores must not hold SIGSYS. It
/// does where the handler ran inside a ppoll or a sigsuspend that had opened it. One that does not
/// hold it tells nothing: SIGSYS was struck from the mask that the handler interrupted. (So a
/// handler that blocks SIGSYS and returns leaves it blocked, where the kernel would not.)
pub(super) fn prepare_return(block: &Block, context: &ucontext_t) {
    let address = arch::mask_to_restore(context);
    let Some([mask]) = ask::peek(address) else { return };
    if mask as Set & SIGSYS != 0 {
        ask::poke(address, &[mask & !SIGSYS as usize]);
        block.dispatch.sigsys_blocked.store(true, Ordering::Relaxed);
    }
}
