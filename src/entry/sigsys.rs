//! The handler of SIGSYS: a reached thread's syscall has been stopped at the kernel's entry, and is
//! answered.
//!
//! It knows the number and the arguments, goes by one table (`reach::table`), and either writes a
//! result into the saved context or has the thread make the syscall by our stub, which the kernel
//! lets through, when we have returned (S24). Some we make ourselves (see `is_run_there`).
//! Some syscalls act on the very context that we stand on, or return twice; they have paths of
//! their own (S13). The same rules hold as for our signal's handler (P10).
//!
//! # Safety
//!
//! A syscall that is run as asked has the interrupted code's own arguments: it does to memory what
//! it would have done.

#![allow(unsafe_code)]

use std::sync::atomic::Ordering;

use libc::{c_int, c_long, c_void, siginfo_t, ucontext_t};

use super::signal::ErrnoGuard;
use super::{futex_wait, leave};
use crate::arch;
use crate::kernel::clock::Moment;
use crate::kernel::signals::{self, Action};
use crate::kernel::{memory, raw};
use crate::reach::table::{self, MaskAt, Unless};
use crate::reach::{allowance, answer, dispatch, run_calls, sigmask};
use crate::signal::handlers;
use crate::thread::block::{self, Block};
use crate::thread::{registry, repeat_timer, target, wanted};

/// `SYS_SECCOMP` and `SYS_USER_DISPATCH`, the codes of SIGSYS's.
const SECCOMP: c_int = 1;
const USER_DISPATCH: c_int = 2;

/// The kernel's siginfo of a SIGSYS.
#[repr(C)]
struct Trapped {
    signal: c_int,
    errno: c_int,
    code: c_int,
    _pad: c_int,
    address: usize,
    syscall: c_int,
    arch: u32,
}

/// The function that `rt_sigaction` is given.
///
/// # Safety
///
/// For the kernel to call.
pub(crate) unsafe extern "C" fn on_sigsys(
    number: c_int,
    info: *mut siginfo_t,
    context: *mut c_void,
) {
    let _errno = ErrnoGuard::new();
    // SAFETY: the kernel's siginfo, whose first words are plain numbers.
    let trapped = unsafe { &*info.cast::<Trapped>() };
    // SAFETY: the kernel's context, ours alone until we return.
    let saved = unsafe { &mut *context.cast::<ucontext_t>() };
    if trapped.code == SECCOMP && is_only_ours(trapped, saved) {
        return refuse(number, info, saved);
    }
    if trapped.code != USER_DISPATCH {
        dispatch::PREVIOUS.forward(number, info, context, true);
        return;
    }
    // Another's dispatch, on a thread for which we have not begun it: our own syscalls would be
    // stopped as well, without end (S26).
    let is_known = registry::is_known();
    if !(is_known && block::with(dispatch::has_begun)) {
        if is_known && arch::trapped_in_raw(saved) {
            block::with(|block| block.dispatch.is_anothers.store(true, Ordering::Relaxed));
        }
        if dispatch::PREVIOUS.hand_over(number, info, context) {
            return;
        }
        // A later handler of another's has called ours. If not, dispatch was ours, and has been
        // ended by a `take` in a handler that the kernel ran between the stop and this one: the
        // syscall is to be made again. (Where a handler was there before ours, that one was told.)
        // SAFETY: the kernel's context, which such a handler hands on.
        if !unsafe { arch::is_frame_of_ours(context.cast()) } {
            return;
        }
    }
    block::with(|block| {
        leave::here_or(block, saved, |saved| match trapped.arch {
            arch::AUDIT_ARCH => {
                block.alternate_stack.answering(saved, |saved| answer_call(block, saved));
            }
            // A 32-bit `int 0x80` has other numbers.
            _ => let_through(block, saved),
        });
    });
}

/// Whether a syscall that a sandbox has trapped is one that only we have asked for. One of the program's
/// own, for which the sandbox has no handler, is its end.
fn is_only_ours(trapped: &Trapped, context: &ucontext_t) -> bool {
    arch::trapped_in_raw(context)
        || futex_wait::is_made_by(trapped.syscall) && arch::trapped_in_trampoline(context)
}

/// The sandbox's handler answers it. Where there is none, or it leaves it (that of another copy of us
/// does), there is no such syscall: we do without it (S27).
fn refuse(number: c_int, info: *mut siginfo_t, context: &mut ucontext_t) {
    let before = arch::result(context);
    dispatch::PREVIOUS.forward(number, info, (&raw mut *context).cast(), false);
    if arch::result(context) == before {
        arch::set_result(context, -libc::ENOSYS as isize);
    }
}

fn answer_call(block: &Block, context: &mut ucontext_t) {
    let is_wanted = dispatch::is_wanted(block);
    if !is_wanted && step_aside(block, context) {
        // A request that came meanwhile found it on; and on this stack its handler cannot begin it.
        // Nor are others' handlers kept out until our return.
        if dispatch::is_wanted(block) {
            handlers::open_to_begin(Moment::now_in_handler());
            if !dispatch::begin(block, context) {
                let _ = target::signal_block(block, block.tid.load(Ordering::Relaxed));
            }
        }
        return;
    }
    let number = arch::number(context);
    // A requester has signalled this thread, and is about to look at the handlers' masks. Until then we do not.
    let is_at_once = block.dispatch.waits_for_requester() && leaves_masks_alone(number);
    let now = match is_at_once {
        true => block.answering.counted_to.get(),
        false => Moment::now_in_handler(),
    };
    if !is_at_once {
        handlers::open_all(now);
        // What a handler returns to has a mask of its own.
        match number {
            libc::SYS_rt_sigreturn => dispatch::forget_if_blocked_in(block, context),
            _ => dispatch::look_and_let_in(block, context),
        }
    }
    if is_wanted && arch::trapped_in_trampoline(context) {
        arch::cancel(context);
        return;
    }
    let arguments = arch::arguments(context);
    match number {
        libc::SYS_rt_sigreturn => {
            sigmask::prepare_return(block, context);
            block.alternate_stack.prepare_return(context);
            arch::go_to_restorer(context);
        }
        libc::SYS_sigaltstack => {
            let result = block.alternate_stack.change(context, arguments);
            arch::set_result(context, result);
        }
        libc::SYS_rt_sigprocmask => {
            let result = sigmask::change(block, context, arguments);
            arch::set_result(context, result);
        }
        libc::SYS_rt_sigaction if dispatch::is_about_sigsys(arguments) => {
            arch::set_result(context, dispatch::record_action(arguments));
        }
        libc::SYS_prctl if dispatch::is_about_dispatch(arguments) => {
            arch::set_result(context, dispatch::answer_prctl(arguments));
        }
        // On our memory, or on a stack of its own: it must return there, and not from here.
        libc::SYS_clone if arguments[0] & libc::CLONE_VM as usize != 0 || arguments[1] != 0 => {
            let_through(block, context);
        }
        libc::SYS_clone3 => let_through(block, context),
        _ if is_vfork(number) => let_through(block, context),
        _ if !is_wanted => make_as_asked(block, context, number, arguments, None, false),
        _ => answer_by_table(block, context, now, number, arguments),
    }
}

/// Whether a syscall is refused as a rule, and has no mask: it is answered while signals wait for a requester
/// that has told this thread, and is about to look at the handlers.
fn leaves_masks_alone(number: c_long) -> bool {
    use table::Answer::{Run, WakeTwice};
    table::row(number)
        .is_some_and(|row| row.mask_at.is_none() && !matches!(row.answer, Run | WakeTwice))
}

#[cfg(target_arch = "x86_64")]
fn is_fork(number: c_long) -> bool {
    matches!(number, libc::SYS_clone | libc::SYS_fork)
}

#[cfg(not(target_arch = "x86_64"))]
fn is_fork(number: c_long) -> bool {
    number == libc::SYS_clone
}

#[cfg(target_arch = "x86_64")]
fn is_vfork(number: c_long) -> bool {
    number == libc::SYS_vfork
}

#[cfg(not(target_arch = "x86_64"))]
fn is_vfork(_number: c_long) -> bool {
    false
}

fn answer_by_table(
    block: &Block,
    context: &mut ucontext_t,
    now: Moment,
    number: c_long,
    arguments: [usize; 6],
) {
    let answer = answer::by_table(block, now, number, &arguments);
    match answer.or_else(|e| answer::wake(block, now, number, &arguments).ok_or(e)) {
        Ok(result) => {
            wanted::serve_at_call(block, number, context);
            let_signals_in(number, arguments);
            arch::set_result(context, result);
        }
        Err(exception) => make_as_asked(block, context, number, arguments, exception, true),
    }
}

/// Makes the syscall, or has it made where the thread stands. If it waits, it is to be ended.
fn make_as_asked(
    block: &Block,
    context: &mut ucontext_t,
    number: c_long,
    arguments: [usize; 6],
    exception: Option<&Unless>,
    may_end: bool,
) {
    let runs_there = is_run_there(block, context, number, arguments, exception);
    if may_end && (runs_there || !arch::RUNS_THERE) {
        run_calls::begin(block, number);
    }
    if runs_there {
        return arch::run_there(context);
    }
    let result = run(block, context, number, arguments);
    if matches!(exception, Some(Unless::ExecStatus { .. })) && result >= 0 {
        // That is all that there is to hear of this child.
        let child = block.answering.last_fork.swap(0, Ordering::Relaxed);
        if result > 0 {
            // It could not exec, says so, and ends.
            block.answering.last_killed.store(child, Ordering::Relaxed);
        }
    }
    tell(context, result);
}

/// What a call that was made here is told. One that our signal has found is asked about anew.
fn tell(context: &mut ucontext_t, result: isize) {
    match result {
        arch::ASK_AGAIN => arch::retry(context),
        _ => arch::set_result(context, result),
    }
}

/// Whether a syscall is made where the thread stands, when we have returned (S24): a cancellation
/// unwinds from there, and an application's handler that comes in goes wherever it likes.
///
/// Here are made: all, where no register can say where the thread goes on; those with a mask that is copied, and those after which there is more to do; and those
/// that may take away the stack on which the thread stands, for that is written to.
fn is_run_there(
    block: &Block,
    context: &ucontext_t,
    number: c_long,
    arguments: [usize; 6],
    exception: Option<&Unless>,
) -> bool {
    let kills = number == libc::SYS_kill && arguments[1] as c_int == libc::SIGKILL;
    let changes_memory = changes_memory(number);
    if changes_memory {
        block.answering.runs.room.store(0, Ordering::Relaxed);
    }
    let is_made_here = is_fork(number)
        || kills
        || changes_memory
        || mask_at(number).is_some()
        || matches!(exception, Some(Unless::ExecStatus { .. }));
    arch::RUNS_THERE && !is_made_here && has_room_below(block, arch::sp(context))
}

fn changes_memory(number: c_long) -> bool {
    matches!(
        number,
        libc::SYS_mmap
            | libc::SYS_munmap
            | libc::SYS_mremap
            | libc::SYS_madvise
            | libc::SYS_mprotect
            | libc::SYS_pkey_mprotect
            | libc::SYS_shmat
            | libc::SYS_shmdt
            | libc::SYS_brk
    )
}

/// Whether the stub may write there. Our own frame need not be on that stack, nor anything be at the stack
/// pointer: musl's threads unmap their stack and then end. The last page is remembered for as long as the
/// thread's calls are stopped and change no memory: where another thread unmaps it under this one's
/// feet, that dies without us.
fn has_room_below(block: &Block, sp: usize) -> bool {
    let lowest = sp.wrapping_sub(arch::RUN_DEPTH);
    let known = &block.answering.runs.room;
    let has_room = known.load(Ordering::Relaxed) == lowest & !0xfff || memory::is_readable(lowest);
    if has_room {
        known.store(lowest & !0xfff, Ordering::Relaxed);
    }
    has_room
}

/// Makes the syscall as asked.
fn run(block: &Block, context: &mut ucontext_t, number: c_long, arguments: [usize; 6]) -> isize {
    let result = make_masked(number, arguments);
    match number {
        _ if is_fork(number) && result == 0 => in_child(block, context),
        _ if is_fork(number) && result > 0 => {
            block.answering.last_fork.store(result as i32, Ordering::Relaxed);
        }
        libc::SYS_kill if result == 0 && arguments[1] as c_int == libc::SIGKILL => {
            block.answering.last_killed.store(arguments[0] as i32, Ordering::Relaxed);
        }
        _ => {}
    }
    result
}

/// In the child of a fork there is no dispatch any more.
fn in_child(block: &Block, context: &mut ucontext_t) {
    dispatch::forget(block);
    block.alternate_stack.take_back_after(context);
    allowance::forget(block);
    // It has not made a child, and is one.
    block.answering.last_fork.store(-1, Ordering::Relaxed);
    if block.dispatch.sigsys_blocked.swap(false, Ordering::Relaxed) {
        *signals::saved_mask(context) |= signals::bit(libc::SIGSYS);
    }
}

/// Makes the syscall. A mask for the time of the call must not hold SIGSYS, or the handlers that it
/// lets in would die of it; nor must that of a handler (S2).
fn make_masked(number: c_long, mut arguments: [usize; 6]) -> isize {
    let less_sigsys = |set: usize| set & !signals::bit(libc::SIGSYS) as usize;
    let mask: usize;
    let mask_and_size: [usize; 2];
    let mut action: [usize; Action::WORDS];
    match mask_at(number) {
        Some(MaskAt::Pointer(index)) => {
            if let Some([set]) = memory::peek(arguments[index]) {
                mask = less_sigsys(set);
                arguments[index] = &raw const mask as usize;
            }
        }
        Some(MaskAt::Pair(index)) => {
            if let Some([address, size]) = memory::peek(arguments[index]) {
                if let Some([set]) = memory::peek(address) {
                    mask = less_sigsys(set);
                    mask_and_size = [&raw const mask as usize, size];
                    arguments[index] = mask_and_size.as_ptr() as usize;
                }
            }
        }
        Some(MaskAt::Action(index)) => {
            if let Some(asked) = memory::peek(arguments[index]) {
                action = asked;
                let set = &mut action[Action::WORDS - 1];
                if *set != less_sigsys(*set) {
                    handlers::note_mask_with_sigsys();
                }
                *set = less_sigsys(*set);
                arguments[index] = action.as_ptr() as usize;
            }
        }
        None => {}
    }
    make(number, arguments)
}

fn mask_at(number: c_long) -> Option<MaskAt> {
    table::row(number)?.mask_at
}

/// A wait with a mask of its own is where a program lets in what it blocks elsewhere. Refused for
/// ever, it would never see those signals: they are let in all the same. A cancellation is not: it would
/// unwind from here (S24). It comes at the handler's return.
fn let_signals_in(number: c_long, arguments: [usize; 6]) {
    let mask = match mask_at(number) {
        Some(MaskAt::Pointer(index)) => arguments[index],
        Some(MaskAt::Pair(index)) => memory::peek(arguments[index]).map_or(0, |[mask]| mask),
        Some(MaskAt::Action(_)) | None => 0,
    };
    if mask == 0 {
        return;
    }
    if let Some([set]) = memory::peek(mask) {
        let set = set | signals::CANCELLATION as usize;
        let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let [time, mask] = [&raw const at_once as usize, &raw const set as usize];
        make_masked(libc::SYS_ppoll, [0, 0, time, mask, signals::SET_SIZE, 0]);
    }
}

fn make(number: c_long, arguments: [usize; 6]) -> isize {
    // SAFETY: the interrupted code's own syscall.
    unsafe { raw::syscall_for_program(number, arguments) }
}

/// Makes the syscall again with dispatch off: one that returns twice, on our memory, and one
/// whose numbers are not ours. Dispatch must begin again: libc blocks all signals around such a
/// syscall, so one of ours fires at its unblock, exactly; else the timer asks again (S13). So it does
/// in a child that sends itself nothing while the signal is blocked (S23).
fn let_through(block: &Block, context: &mut ucontext_t) {
    if !step_aside(block, context) {
        return let_through_stopped(block, context);
    }
    let ours = crate::signal::ours::set();
    let is_blocked = *signals::saved_mask(context) & ours != 0;
    if is_blocked && !target::is_hushed(block) {
        let _ = target::signal_block(block, block.tid.load(Ordering::Relaxed));
    } else {
        repeat_timer::repeat(block);
    }
}

/// The same where a sandbox keeps dispatch on. A thread begins behind the stub; a child that would run
/// on our stack gets memory of its own; and what libc can do without is not there.
fn let_through_stopped(block: &Block, context: &mut ucontext_t) {
    let mut arguments = arch::arguments(context);
    let vfork = [(libc::CLONE_VFORK | libc::SIGCHLD) as usize, 0, 0, 0, 0, 0];
    let result = match arch::number(context) {
        libc::SYS_clone if arguments[1] != 0 => {
            let place = arguments[1].wrapping_sub(arch::RUN_DEPTH);
            if arch::RUNS_THERE && memory::poke(place, &[arch::pc(context)]) {
                return arch::clone_there(context);
            }
            // There is no way to begin one.
            -libc::EAGAIN as isize
        }
        libc::SYS_clone => {
            arguments[0] &= !libc::CLONE_VM as usize;
            run(block, context, libc::SYS_clone, arguments)
        }
        number if is_vfork(number) => run(block, context, libc::SYS_clone, vfork),
        _ => -libc::ENOSYS as isize,
    };
    tell(context, result);
}

/// Ends dispatch and has the syscall made again; not where a sandbox forbids that. A SIGSYS that the
/// thread believes blocked is blocked from then on.
fn step_aside(block: &Block, context: &mut ucontext_t) -> bool {
    if !dispatch::end_after(block, context) {
        return false;
    }
    block.answering.runs.room.store(0, Ordering::Relaxed);
    if block.dispatch.sigsys_blocked.swap(false, Ordering::Relaxed) {
        *signals::saved_mask(context) |= signals::bit(libc::SIGSYS);
    }
    arch::retry(context);
    true
}
