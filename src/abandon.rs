//! Road 4: leaving a plain call that computes and never comes back.
//!
//! The call runs behind a frame of assembler, which saves what a callee must keep and notes in the
//! thread's block where it lies. When the thread is armed, the handler puts the saved stack pointer
//! back to that frame and the counter to its label `cancelled`: the call is gone, as after a
//! `longjmp`, and the frame returns to us. (Rejected: `siglongjmp` from the handler. It would leave
//! our own handler by the same jump, with the mask to be set right by hand, and it knows nothing of
//! a result that is in hand already.)
//!
//! When the handler leaves the call is told in [`leave`](crate::entry::leave).
//!
//! # Safety
//!
//! What is left must be nothing but frames of plain C code; that is for the caller of [`abandon()`].

#![allow(unsafe_code)]

use std::ffi::c_void;

use crate::entry::install;
use crate::kernel::{raw, signals};
use crate::thread::block;
use crate::{Interrupted, Reason, arch, checkpoint};

/// Runs `f(arg)` on this thread so that a request or a deadline ends it, wherever it is: for a
/// plain C call that computes for hours and has no checkpoint.
///
/// The call is not unwound and does not return: its frames are dropped from the stack as by
/// `longjmp`, and what it was about to do stays half done. So this is for code that meets the list
/// below. For code that does not, run it in a child process, which
/// [`process::waitpid`](crate::process::waitpid) waits for and a signal ends.
///
/// Causes from outside a [mask](crate::mask()) wait for the mask's end as ever; inside one, `f` runs
/// until it returns. So it does where no signal was free for us ([`support`](crate::support())).
///
/// # Examples
///
/// ```
/// use std::ffi::c_void;
///
/// unsafe extern "C" fn endless(count: *mut c_void) -> isize {
///     loop {
///         unsafe { *count.cast::<u64>() += 1 };
///         std::hint::spin_loop();
///     }
/// }
///
/// let worker = eintr::spawn(|| {
///     let mut count = 0_u64;
///     // SAFETY: `endless` has nothing but a number, which may stand at any value.
///     unsafe { eintr::abandon(endless, (&raw mut count).cast()) }
/// });
/// worker.interrupt();
/// assert!(worker.join().unwrap().is_err());
/// ```
///
/// # Errors
///
/// [`Interrupted`]: `f` was abandoned, or the thread was interrupted before it began. A result that
/// is there is returned, and the cause is raised by what comes next.
///
/// # Panics
///
/// On an alternate signal stack, where a call cannot be left.
///
/// # Safety
///
/// For `f`, and for all that it calls, at any instruction:
///
/// - [ ] No frame has something to undo: no Rust frame with a destructor, no C++ frame with one, no
///   `__attribute__((cleanup))`, no `pthread_cleanup_push`.
/// - [ ] It holds no lock, and calls nothing that may: no `malloc`, no `stdio`, no `localtime`. Nor
///   the dynamic loader, which the first call of a function in another library goes through unless
///   the program is linked with `-z now`.
/// - [ ] What it has acquired (memory, descriptors) is leaked, and that is all right.
/// - [ ] What it was writing is used by nobody afterwards, or is of use half written.
/// - [ ] It does not unwind: no panic or exception leaves it. Nor is it left by `longjmp`,
///   `pthread_exit` or `pthread_cancel`, and it stays on the stack that it was called on.
/// - [ ] It calls nothing of this crate, but the functions of `eintr.h`: those come to their end
///   before `f` is left.
/// - [ ] A handler of the program's that may run meanwhile, and must not be left halfway, blocks at
///   least one signal while it runs, as every handler does that has no `SA_NODEFER`.
///
/// See [longjmp(3)](https://man7.org/linux/man-pages/man3/longjmp.3.html), and "Async-cancel-safe"
/// in [pthreads(7)](https://man7.org/linux/man-pages/man7/pthreads.7.html) for what little libc
/// itself promises.
#[track_caller]
pub unsafe fn abandon(
    f: unsafe extern "C" fn(*mut c_void) -> isize,
    arg: *mut c_void,
) -> Result<isize, Interrupted> {
    // SAFETY: the caller's promise, unchanged.
    match unsafe { run(f, arg) } {
        Ok(value) => Ok(value),
        Err(Abandoned::Interrupted(interrupted)) => Err(interrupted),
        Err(Abandoned::OnAlternateStack) => {
            panic!("eintr::abandon was called on an alternate signal stack")
        }
    }
}

/// Why there is no result.
pub(crate) enum Abandoned {
    /// The call was left, or did not begin.
    Interrupted(Interrupted),
    /// It was refused.
    OnAlternateStack,
}

/// As [`abandon`].
///
/// # Safety
///
/// As [`abandon`].
#[track_caller]
pub(crate) unsafe fn run(
    f: unsafe extern "C" fn(*mut c_void) -> isize,
    arg: *mut c_void,
) -> Result<isize, Abandoned> {
    install::ensure();
    if is_on_alternate_stack() {
        return Err(Abandoned::OnAlternateStack);
    }
    let [word, slot] = block::with(|block| {
        [(&raw const block.word).cast::<c_void>(), (&raw const block.abandonable).cast()]
    });
    // SAFETY: the word and the slot are this thread's, and the rest is the caller's promise. What
    // is skipped on the way out of `f` is none of ours: this frame holds nothing.
    let ended = unsafe { arch::eintr_abandon(word, slot, signals::mask(), f, arg) };
    if ended.abandoned == 0 {
        return Ok(ended.value);
    }
    let raised = checkpoint::raise_in_call().err();
    // A cause is taken away by its own thread only, and that has been here.
    let interrupted = raised.unwrap_or_else(|| Interrupted::new(Reason::Requested));
    Err(Abandoned::Interrupted(interrupted))
}

fn is_on_alternate_stack() -> bool {
    if block::with(|block| block.alternate_stack.is_in_use()) {
        return true;
    }
    let mut stack = libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: 0, ss_size: 0 };
    // SAFETY: the kernel writes a description of the stack.
    let asked = unsafe { raw::syscall(libc::SYS_sigaltstack, [0, &raw mut stack as usize]) };
    asked.is_ok() && stack.ss_flags & libc::SS_ONSTACK != 0
}
