//! Signals at the level of the kernel: sets, masks, dispositions.
//!
//! Through raw syscalls, not libc: libc keeps signals of its own out of sets, its `sigaction` is
//! wrapped by sanitizers, and its `pthread_kill` blocks and restores all signals around the syscall
//! (S1, S5).
//!
//! # Safety
//!
//! Each block hands the kernel structures of this module's own, laid out as the kernel has them.

#![allow(unsafe_code)]

use libc::{c_int, ucontext_t};

use super::raw;
use crate::arch;

/// A set of signals as the kernel has it.
pub(crate) type Set = u64;

/// All signals.
pub(crate) const ALL: Set = !0;

/// All that may be blocked around syscalls that are not our own: where dispatch is on, or where a
/// sandbox traps them, a blocked SIGSYS is death (S2).
pub(crate) const ALL_BUT_SIGSYS: Set = ALL & !bit(libc::SIGSYS);

/// What our handler of SIGSYS blocks, and no code of the program's does for our sake: SIGSTKFLT, which the
/// kernel never sends.
pub(crate) const MARK: Set = bit(libc::SIGSTKFLT);

/// All but those that a thread's own instructions cause, those that cannot be blocked, SIGSYS, and the mark.
pub(crate) const MAY_WAIT: Set = ALL_BUT_SIGSYS
    & !(MARK | bit(libc::SIGKILL) | bit(libc::SIGSTOP))
    & !(bit(libc::SIGSEGV) | bit(libc::SIGBUS) | bit(libc::SIGFPE))
    & !(bit(libc::SIGILL) | bit(libc::SIGTRAP));

/// NPTL's own two, by which it cancels a thread and changes its user.
pub(crate) const CANCELLATION: Set = bit(32) | bit(33);

/// The set of one signal.
pub(crate) const fn bit(signal: c_int) -> Set {
    1 << (signal - 1)
}

/// The kernel's `struct sigaction`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Action {
    /// `SIG_DFL`, `SIG_IGN` or a function.
    pub(crate) handler: usize,
    pub(crate) flags: u64,
    pub(crate) restorer: usize,
    /// What is blocked while the handler runs.
    pub(crate) mask: Set,
}

impl Action {
    /// An action with our own restorer.
    pub(crate) fn new(handler: usize, flags: c_int, mask: Set) -> Self {
        let flags = (flags | arch::RESTORER_FLAG) as u32 as u64;
        Self { handler, flags, restorer: arch::restorer(), mask }
    }

    /// The same, with these signals not in its mask.
    pub(crate) fn without(self, signals: Set) -> Self {
        Self { mask: self.mask & !signals, ..self }
    }

    /// Whether a flag is set.
    pub(crate) fn has(&self, flag: c_int) -> bool {
        self.flags & flag as u32 as u64 != 0
    }

    /// Whether there is a handler.
    pub(crate) fn is_caught(&self) -> bool {
        self.handler != libc::SIG_DFL && self.handler != libc::SIG_IGN
    }

    /// An action in the kernel's layout, in words.
    pub(crate) const WORDS: usize = 3 + arch::HAS_RESTORER as usize;

    pub(crate) fn from_words(words: [usize; Self::WORDS]) -> Self {
        let [handler, flags, restorer, ..] = words;
        // Where there is no restorer, the mask stands there; and nobody asks.
        Self { handler, flags: flags as u64, restorer, mask: words[Self::WORDS - 1] as Set }
    }

    pub(crate) fn words(&self) -> [usize; Self::WORDS] {
        let mut words = [0; Self::WORDS];
        words[..3].copy_from_slice(&[self.handler, self.flags as usize, self.restorer]);
        words[Self::WORDS - 1] = self.mask as usize;
        words
    }
}

/// What the kernel is told about the size of a set.
pub(crate) const SET_SIZE: usize = size_of::<Set>();

/// Where the kernel does not look: a copy of this library asks, and another copy that reaches the thread
/// tells it what stands, and not what the program has set (S29).
pub(crate) const ASKED_BY_A_COPY: usize = 0x72_746e_6965;

/// Asks for a signal's disposition.
pub(crate) fn action(signal: c_int) -> Result<Action, i32> {
    let mut old = [0; Action::WORDS];
    let arguments = [signal as usize, 0, &raw mut old as usize, SET_SIZE, ASKED_BY_A_COPY];
    // SAFETY: the kernel writes an action into `old`.
    unsafe { raw::syscall(libc::SYS_rt_sigaction, arguments) }?;
    Ok(Action::from_words(old))
}

/// Sets a signal's disposition and returns the one before.
///
/// # Safety
///
/// The handler must be one that may run at any instruction of any thread.
pub(crate) unsafe fn set_action(signal: c_int, new: &Action) -> Result<Action, i32> {
    let [new, mut old] = [new.words(), [0; Action::WORDS]];
    let arguments = [signal as usize, &raw const new as usize, &raw mut old as usize, SET_SIZE];
    // SAFETY: the kernel reads `new` and writes `old`; the caller vouches for the handler.
    unsafe { raw::syscall(libc::SYS_rt_sigaction, arguments) }?;
    Ok(Action::from_words(old))
}

/// Changes the calling thread's mask and returns the one before.
pub(crate) fn change_mask(how: c_int, set: Set) -> Set {
    let mut old: Set = 0;
    let arguments = [how as usize, &raw const set as usize, &raw mut old as usize, SET_SIZE];
    // SAFETY: the kernel reads one set and writes the other. It cannot fail with these arguments.
    let _ = unsafe { raw::syscall(libc::SYS_rt_sigprocmask, arguments) };
    old
}

/// Signals wait until this is dropped, unless another thread takes them.
#[must_use]
pub(crate) struct BlockedHere(Set);

/// The calling thread takes signals later, and the threads that it makes meanwhile take none:
/// but for those that the thread's own instructions cause, and SIGSYS (S2).
pub(crate) fn block_here() -> BlockedHere {
    BlockedHere(MAY_WAIT & !change_mask(libc::SIG_BLOCK, MAY_WAIT))
}

impl BlockedHere {
    /// And those of what was blocked already.
    pub(crate) fn and(mut self, those: impl FnOnce(Set) -> Set) -> Self {
        self.0 |= those(mask() & !self.0);
        self
    }
}

impl Drop for BlockedHere {
    fn drop(&mut self) {
        change_mask(libc::SIG_UNBLOCK, self.0);
    }
}

/// Asks for the calling thread's mask.
pub(crate) fn mask() -> Set {
    change_mask(libc::SIG_BLOCK, 0)
}

/// The mask that the interrupted code goes on with.
pub(crate) fn mask_in(context: &ucontext_t) -> Set {
    // SAFETY: as in `saved_mask`.
    unsafe { *(&raw const context.uc_sigmask).cast::<Set>() }
}

/// The same, to be changed. libc's type is larger than the kernel's; the first word is the whole of it.
pub(crate) fn saved_mask(context: &mut ucontext_t) -> &mut Set {
    // SAFETY: the kernel's set lies at the start of libc's, and is borrowed with the context.
    unsafe { &mut *(&raw mut context.uc_sigmask).cast::<Set>() }
}

/// Whether a signal is one of the real-time ones.
pub(crate) fn is_real_time(signal: c_int) -> bool {
    signal >= libc::SIGRTMIN()
}
