//! Turning Syscall User Dispatch on and off: the gate through which an armed thread's plain calls
//! are answered.
//!
//! On means that the kernel stops this thread at the entry of every syscall that is not made from
//! our own stub, and delivers SIGSYS ([`sigsys`](crate::entry::sigsys)). It is on only while the thread is armed, so that
//! it costs nothing before, and there is no window between a check and the entry: the entry is the
//! check.
//!
//! No selector byte (S11): a wrong or unmapped byte is death, and the word already says what it
//! would say.
//!
//! # Safety
//!
//! A SIGSYS that is forced while it is blocked or ignored ends the process. So dispatch begins only
//! with our handler in place and SIGSYS open, in the interrupted code's mask and in those of all
//! handlers (S2).

#![allow(unsafe_code)]

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, compiler_fence};
use std::time::Duration;

use libc::{c_int, ucontext_t};

use super::{allowance, alternate_stack};
use crate::arch;
use crate::kernel::clock::Moment;
use crate::kernel::raw::syscall;
use crate::kernel::signals::{self, Action};
use crate::kernel::{memory, process};
use crate::obstacle::Obstacle;
use crate::signal::previous::Previous;
use crate::signal::{handlers, ours};
use crate::thread::block::{Block, Dispatching};
use crate::thread::{proc_syscall, repeat_timer, target};

const PR_SET_SYSCALL_USER_DISPATCH: usize = 59;
const OFF: usize = 0;
const ON: usize = 1;

/// What was there before our SIGSYS handler.
pub(crate) static PREVIOUS: Previous = Previous::nothing();

static AVAILABLE: AtomicBool = AtomicBool::new(false);
/// Whether the kernel does not know what it was asked for.
static IS_UNKNOWN: AtomicBool = AtomicBool::new(false);

/// Whether this process can be reached by dispatch.
pub(crate) fn is_available() -> bool {
    AVAILABLE.load(Relaxed)
}

/// Why it cannot be, as things are: the application may have taken SIGSYS for itself since, or a
/// sandbox have come (S27). None if it can.
pub(crate) fn obstacle() -> Option<Obstacle> {
    if arch::on_valgrind() {
        return Some(Obstacle::Valgrind);
    }
    match is_available() {
        true if !handler_is_ours() => Some(Obstacle::HandlerReplaced),
        true => (!kernel_has_it()).then_some(Obstacle::Sandbox),
        false if !IS_UNKNOWN.load(Relaxed) => Some(Obstacle::Sandbox),
        false if !cfg!(target_arch = "x86_64") => Some(Obstacle::Architecture),
        // One that has it does not say so.
        false if process::release() >= [5, 11] => Some(Obstacle::Sandbox),
        false => Some(Obstacle::Kernel),
    }
}

/// Installs the SIGSYS handler: before anything else is asked, since a sandbox may trap the question
/// (S27). Then finds out whether there is dispatch. Under valgrind the kernel says so and the program
/// dies: asked first (S12).
pub(crate) fn prepare(handler: usize) {
    alternate_stack::learn_frame();
    if arch::on_valgrind() {
        return;
    }
    // SA_SIGINFO: the handler needs the context and the siginfo. SA_RESTART: does not matter to a
    // syscall that was not begun, but a SIGSYS that somebody sends must not interrupt. SA_NODEFER
    // and nearly an empty mask: a second SIGSYS inside the handler (a seccomp trap) is death if
    // blocked. libc's cancellation is: it unwinds from where it lands. And a signal that nobody sends: by
    // that this handler's mask is told from that of the code below it.
    // SA_ONSTACK: the code's own stack may have 2 KB; while dispatch is on, the alternate one is ours,
    // and wide enough. Unless we pass a sandbox's traps on to a handler that does not ask for it: std's
    // alternate stack, which is in force then, is too small for what was made for the thread's.
    let flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_NODEFER;
    PREVIOUS.stands_before(handler);
    let Ok(before) = signals::action(libc::SIGSYS) else { return };
    PREVIOUS.remember(&before);
    let is_on_stack = !before.is_caught() || before.has(libc::SA_ONSTACK);
    let on_stack = if is_on_stack { libc::SA_ONSTACK } else { 0 };
    let ours = Action::new(handler, flags | on_stack, signals::CANCELLATION | signals::MARK);
    // SAFETY: the handler is made to run at any instruction.
    let Ok(before) = (unsafe { signals::set_action(libc::SIGSYS, &ours) }) else { return };
    PREVIOUS.remember(&before);
    match ask() {
        Err(libc::EFAULT) => {
            AVAILABLE.store(true, Relaxed);
            proc_syscall::is_needed_if(false);
        }
        Err(libc::EINVAL) => IS_UNKNOWN.store(true, Relaxed),
        _ => {}
    }
}

/// Asks the kernel, which finds fault with the selector before it changes anything. (Rejected: to
/// turn it off. On this thread it may be on for somebody else.)
fn kernel_has_it() -> bool {
    ask() == Err(libc::EFAULT)
}

fn ask() -> Result<usize, i32> {
    let arguments = [PR_SET_SYSCALL_USER_DISPATCH, ON, 0, 0, usize::MAX];
    // SAFETY: there is no byte at that address, so nothing is kept.
    unsafe { syscall(libc::SYS_prctl, arguments) }
}

fn set(mode: usize) -> Result<usize, i32> {
    let (start, length) = if mode == ON { arch::stub() } else { (0, 0) };
    // SAFETY: with no selector the kernel keeps two numbers.
    unsafe { syscall(libc::SYS_prctl, [PR_SET_SYSCALL_USER_DISPATCH, mode, start, length, 0]) }
}

/// Whether it could begin on this thread, as far as that lies with the thread: its reach is on, and
/// SIGSYS open.
pub(crate) fn may_begin(block: &Block) -> bool {
    block.reach.is_on() && is_available() && signals::mask() & signals::bit(libc::SIGSYS) == 0
}

/// The same as [`begin`] from outside of a handler, on a thread that may.
///
/// To block all signals meanwhile would take two more syscalls, and this one is waited for. So a
/// handler may come at any point, of ours or of the application's, and begin it, or end it if the
/// cause has been taken. While the state is `Beginning`, each of them has the kernel do what it wants, and
/// leaves the state as it is. At its end this function looks whether dispatch is still wanted.
pub(crate) fn begin_here(block: &Block) -> bool {
    if !is_ours_to_begin(block) {
        return false;
    }
    let now = Moment::now();
    if !handlers::are_open(now) {
        let others = others();
        let before = signals::change_mask(libc::SIG_BLOCK, others);
        let added = others & !before;
        if !block.dispatch.block_until_look(added, before) {
            signals::change_mask(libc::SIG_UNBLOCK, added);
            handlers::open_to_begin(now);
        }
    }
    block.dispatch.set(Dispatching::Beginning);
    allowance::begin(block, now);
    compiler_fence(SeqCst);
    let is_on = block.alternate_stack.lend_here() && set(ON).is_ok();
    compiler_fence(SeqCst);
    block.dispatch.set(Dispatching::On);
    compiler_fence(SeqCst);
    if !is_on {
        let _ = set(OFF);
        block.alternate_stack.take_back();
        let_in_here(block);
        forget(block);
        allowance::rest(block);
    } else if is_wanted(block) {
        allowance::begin(block, now);
    } else {
        sync_to_word(block);
    }
    is_on
}

/// Begins dispatch on this armed thread, from the handler; whether it is on.
pub(crate) fn begin(block: &Block, context: &mut ucontext_t) -> bool {
    if block.dispatch.state() == Dispatching::On {
        if !block.dispatch.waits_for_requester() {
            let_in(block, context);
            // Not here, in a handler of SIGSYS's or of a fault.
            if block.dispatch.has_waiting() {
                repeat_timer::repeat(block);
            }
        }
        return true;
    }
    if !block.reach.is_on() || !is_available() {
        return false;
    }
    let sigsys_is_blocked = *signals::saved_mask(context) & signals::bit(libc::SIGSYS) != 0;
    if sigsys_is_blocked || !is_ours_to_begin(block) {
        return false;
    }
    // A handler that came after ours has called it: with its own mask, and goes on with that.
    // SAFETY: the kernel's context, which such a handler hands on: a copy would be of no use to it.
    let is_ours = unsafe { arch::is_frame_of_ours(context) };
    // Where it cannot be lent (on the stack that is to be lent, without memory), the timer tries again.
    if !block.alternate_stack.lend(context, !is_ours) {
        return false;
    }
    let now = Moment::now();
    if !is_ours {
        signals::change_mask(libc::SIG_UNBLOCK, signals::bit(libc::SIGSYS));
        handlers::open_to_begin(now);
    } else if !handlers::are_open(now) {
        let mask = signals::saved_mask(context);
        let added = others() & !*mask;
        match block.dispatch.block_until_look(added, *mask) {
            true => *mask |= added,
            false => handlers::open_to_begin(now),
        }
    }
    // First: under another's mask a handler may come between, whose calls are stopped.
    block.dispatch.change(Dispatching::Off, Dispatching::On);
    compiler_fence(SeqCst);
    if set(ON).is_err() {
        let_in(block, context);
        forget(block);
        block.alternate_stack.take_back_after(context);
        return false;
    }
    allowance::begin(block, now);
    true
}

/// The signals that wait until all handlers have been looked at: not ours, nor what the thread's own
/// instructions cause.
fn others() -> signals::Set {
    signals::MAY_WAIT & !ours::set()
}

/// They wait no longer, from the handler's return on: in the code that has them blocked, or if the code
/// here has none of them blocked. A handler in between (of a fault, or ours of SIGSYS) has a mask of its own,
/// and what it returns to would have them blocked for good. So has code on the stack that we have lent.
pub(crate) fn let_in(block: &Block, context: &mut ucontext_t) {
    if !block.alternate_stack.holds(arch::sp(context)) {
        let mask = signals::saved_mask(context);
        *mask &= !block.dispatch.let_in(*mask);
    }
}

/// The same after a look at all handlers.
pub(crate) fn look_and_let_in(block: &Block, context: &mut ucontext_t) {
    if !block.alternate_stack.holds(arch::sp(context)) {
        let mask = signals::saved_mask(context);
        *mask &= !block.dispatch.look_and_let_in(*mask);
    }
}

/// Before an `rt_sigreturn` of the code that has them blocked: its mask goes, and they wait no longer.
pub(crate) fn forget_if_blocked_in(block: &Block, context: &ucontext_t) {
    let mask = signals::mask_in(context);
    if block.dispatch.has_waiting() && block.dispatch.wait_in(mask) {
        block.dispatch.let_in(mask);
    }
}

/// They wait no longer in the thread's own code.
fn let_in_here(block: &Block) {
    if block.dispatch.has_waiting() {
        signals::change_mask(libc::SIG_UNBLOCK, block.dispatch.let_in(signals::mask()));
    }
}

/// Whether we have begun it on this thread, or are about to.
pub(crate) fn has_begun(block: &Block) -> bool {
    block.dispatch.state() != Dispatching::Off
}

/// Whether our handler stands, and nobody else has dispatch stop this thread: to ask for the one is a
/// syscall of ours, which is stopped then. Who has been found at it is left alone until the thread is
/// armed anew: a selector may let ours through the next time.
fn is_ours_to_begin(block: &Block) -> bool {
    let is_anothers = || block.dispatch.is_anothers.load(Relaxed);
    !is_anothers() && handler_is_ours() && !is_anothers()
}

fn handler_is_ours() -> bool {
    let is_ours = PREVIOUS.is_ours_in_force(libc::SIGSYS);
    proc_syscall::is_needed_if(!is_ours);
    is_ours
}

/// How long before a moment a thread should begin to be made ready, that is to be reached from that
/// moment on.
pub(crate) fn setup_time(block: &Block) -> Duration {
    let is_to_be = block.reach.is_on() && is_available();
    if is_to_be { handlers::look_takes() } else { Duration::ZERO }
}

/// Ends dispatch, on the thread itself. The flag last: a handler that comes between finds it on,
/// and leaves it to the caller to look whether it is wanted again. (The other order: the handler
/// turns it on, we turn it off, and the flag says for ever that it is on.)
///
/// A sandbox that has come meanwhile may forbid it. Then it stays on, and what is stopped is made as
/// asked (S27).
pub(crate) fn end(block: &Block) {
    if block.dispatch.state() == Dispatching::Off {
        // A handler on top of the code that has them blocked may have ended it.
        let_in_here(block);
    } else if set(OFF).is_ok() {
        block.alternate_stack.take_back();
        let_in_here(block);
        forget(block);
    }
}

/// The same in the handler of SIGSYS; whether it is off.
pub(crate) fn end_after(block: &Block, context: &mut ucontext_t) -> bool {
    let is_off = set(OFF).is_ok();
    if is_off && block.dispatch.state() != Dispatching::Off {
        block.alternate_stack.take_back_after(context);
        let_in(block, context);
        forget(block);
    }
    is_off
}

/// The thread's work is done, and no handler is to return that outlived dispatch: it gives up the stack
/// that it was lent.
pub(crate) fn give_up_stack(block: &Block) {
    if !has_begun(block) {
        block.alternate_stack.give_up();
    }
}

/// Whether the thread's calls are to be stopped. While its signal waits for its hooks they are not: that
/// comes after, and begins it again.
pub(crate) fn is_wanted(block: &Block) -> bool {
    block.word.is_armed() && block.reach.is_on() && !block.delivery.waits_for_hooks()
}

/// Forgets that it was on: in a child of a fork it is not.
pub(crate) fn forget(block: &Block) {
    block.dispatch.change(Dispatching::On, Dispatching::Off);
}

/// Makes dispatch and the repeat timer follow from the word, after the thread changed its own stack
/// or its reach.
pub(crate) fn sync_to_word(block: &Block) {
    repeat_timer::rest_if_unarmed(block);
    if !is_wanted(block) {
        end(block);
        block.dispatch.is_anothers.store(false, Relaxed);
        allowance::rest(block);
        // A request that came between has found it begun.
        if is_wanted(block) && has_begun(block) {
            allowance::begin(block, Moment::now());
        }
        if block.dispatch.sigsys_blocked.load(Relaxed) {
            block_sigsys(block);
        }
    }
    // Only the handler begins it, or the repeat timer where it is not to begin (P11). A request
    // that came between the look and the end is made good here as well.
    if block.word.is_armed() && block.dispatch.state() == Dispatching::Off {
        let _ = target::signal_block(block, block.tid.load(Relaxed));
    }
}

/// Blocks SIGSYS on this thread: now, or once dispatch has ended. With everything blocked
/// meanwhile: a handler that began dispatch between the look and the block would leave it on with
/// SIGSYS blocked.
pub(crate) fn block_sigsys(block: &Block) {
    let before = signals::change_mask(libc::SIG_SETMASK, signals::ALL);
    let is_on = block.dispatch.state() != Dispatching::Off;
    block.dispatch.sigsys_blocked.store(is_on, Relaxed);
    let sigsys = if is_on { 0 } else { signals::bit(libc::SIGSYS) };
    signals::change_mask(libc::SIG_SETMASK, before | sigsys);
}

/// Whether a `prctl` is about dispatch.
pub(crate) fn is_about_dispatch(arguments: [usize; 6]) -> bool {
    arguments[0] as c_int as usize == PR_SET_SYSCALL_USER_DISPATCH
}

/// The result of a reached thread's own `prctl` about dispatch. The kernel has room for one user of it on a thread, and
/// we are that one. (EFAULT, since a copy of this library asks as [`ask`] does whether there is dispatch.)
pub(crate) fn answer_prctl([_, mode, _, _, selector, _]: [usize; 6]) -> isize {
    let is_fault = selector != 0 && !memory::is_readable(selector);
    match mode {
        OFF => 0,
        ON if is_fault => -libc::EFAULT as isize,
        ON => -libc::EBUSY as isize,
        _ => -libc::EINVAL as isize,
    }
}

/// Whether `rt_sigaction` is the program's, about SIGSYS.
pub(crate) fn is_about_sigsys(arguments: [usize; 6]) -> bool {
    arguments[0] as c_int == libc::SIGSYS && arguments[4] != signals::ASKED_BY_A_COPY
}

/// An armed thread's `rt_sigaction` on SIGSYS: recorded, and not installed (S2). The result.
pub(crate) fn record_action([_, new, old, size, ..]: [usize; 6]) -> isize {
    if size != signals::SET_SIZE {
        return -libc::EINVAL as isize;
    }
    let before = PREVIOUS.recall();
    if new != 0 {
        let Some(new) = memory::peek::<{ Action::WORDS }>(new) else {
            return -libc::EFAULT as isize;
        };
        PREVIOUS.remember(&Action::from_words(new));
    }
    if old != 0 && !memory::poke(old, &before.words()) {
        return -libc::EFAULT as isize;
    }
    0
}
