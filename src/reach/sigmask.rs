//! The mask that a reached thread believes it has: the kernel's, and SIGSYS if the thread has asked
//! to have it blocked (S2).
//!
//! Nothing here changes the kernel's mask by a syscall. What the thread asks for is worked out and
//! written into the saved context, and our handler's return puts it in force, all at once.
//! (Rejected: to make the syscall and strike SIGSYS from what it did. A signal that it lets in runs
//! its handler before the second step, with SIGSYS blocked, and its first syscall is death.)
//!
//! The thread's pointers go through the kernel: see [`memory`].

use std::sync::atomic::Ordering;

use libc::{c_int, ucontext_t};

use crate::arch;
use crate::kernel::{Set, memory, signals};
use crate::thread::Block;

const SIGSYS: Set = signals::bit(libc::SIGSYS);

fn get(block: &Block, context: &mut ucontext_t) -> Set {
    let is_blocked = block.dispatch.sigsys_blocked.load(Ordering::Relaxed);
    *signals::saved_mask(context) | if is_blocked { SIGSYS } else { 0 }
}

fn set(block: &Block, context: &mut ucontext_t, mask: Set) {
    block.dispatch.sigsys_blocked.store(mask & SIGSYS != 0, Ordering::Relaxed);
    *signals::saved_mask(context) = mask & !SIGSYS;
}

/// `rt_sigprocmask` of a reached thread. The result.
pub(crate) fn change(
    block: &Block,
    context: &mut ucontext_t,
    [how, new, old, size, ..]: [usize; 6],
) -> isize {
    if size != signals::SET_SIZE {
        return -libc::EINVAL as isize;
    }
    let before = get(block, context);
    if new != 0 {
        let Some([new]) = memory::peek(new) else { return -libc::EFAULT as isize };
        let new = new as Set;
        let after = match how as c_int {
            libc::SIG_BLOCK => before | new,
            libc::SIG_UNBLOCK => before & !new,
            libc::SIG_SETMASK => new,
            _ => return -libc::EINVAL as isize,
        };
        set(block, context, after);
    }
    if old != 0 && !memory::poke(old, &[before as usize]) {
        return -libc::EFAULT as isize;
    }
    0
}

/// Before an `rt_sigreturn` of a reached thread: the mask that it restores must not hold SIGSYS. It
/// does where the handler ran inside a ppoll or a sigsuspend that had opened it. One that does not
/// hold it tells nothing: SIGSYS was struck from the mask that the handler interrupted. (So a
/// handler that blocks SIGSYS and returns leaves it blocked, where the kernel would not.)
pub(crate) fn prepare_return(block: &Block, context: &ucontext_t) {
    let address = arch::mask_to_restore(context);
    let Some([mask]) = memory::peek(address) else { return };
    if mask as Set & SIGSYS != 0 {
        memory::poke(address, &[mask & !SIGSYS as usize]);
        block.dispatch.sigsys_blocked.store(true, Ordering::Relaxed);
    }
}
