//! An alternate stack of ours, lent to a thread while dispatch is on.
//!
//! SIGSYS comes at every syscall, wherever the thread makes it: on a goroutine's stack of 2 KB, or in
//! a handler of the application's on the 8 KB that std gives each thread, where a signal's frame is
//! 3.4 KB with AVX-512. On neither is there room for its frame and for what we put on top. So its
//! handler has SA_ONSTACK, and the thread is lent a stack that holds some of these frames (S2).
//!
//! * It is lent before dispatch begins, and the thread's own is put in force when dispatch ends. What
//!   the program asks about its alternate stack meanwhile, and what it sets, is about its own.
//! * The kernel refuses to change the stack that one stands on. Our signal's handler does, often: it
//!   steps aside for the length of that one syscall, with signals blocked.
//! * It has SS_AUTODISARM: while a handler runs, whichever it is, none is in force. So a handler of
//!   the application's that goes on with another context (swapcontext) does not have its frames
//!   overwritten by the next SIGSYS, and ours may say in its context what is to be in force after it.
//!   SIGSYS meets such code on the stack that it runs on. (Limit: a handler with SA_ONSTACK that is
//!   still away when dispatch ends and begins anew. Then that stack is put in force again.)
//! * With SS_AUTODISARM the kernel does not look whether code runs on that stack before it begins
//!   there at the top. So we look: it is never put in force for code that stands on it.
//! * An application's handler may have been interrupted with the thread's own alternate stack in its
//!   frame. Its return is a syscall, and is stopped: ours stays in force.
//!
//! A thread keeps it to its end: what is put in force by the return of a handler that outlived
//! dispatch is there still. Then it is left to another ([`spare_stacks`]). (Rejected: to lend it at each managed thread's beginning, which would cost
//! every thread what few need.)
//!
//! # Safety
//!
//! The mappings are this thread's alone, and given up at its end only, when none is in force any more.

#![allow(unsafe_code)]

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use libc::{c_int, c_void, stack_t, ucontext_t};

use super::spare_stacks;
use crate::arch;
use crate::kernel::raw::syscall;
use crate::kernel::{memory, signals};
use crate::thread::block::AlternateStack;

/// Room for the handlers, ours and the application's.
const FOR_HANDLERS: usize = 64 * 1024;
/// So many frames may nest on it.
const FRAMES: usize = 16;
const PAGE: usize = 4096;
/// Below it, where nobody may write.
const GUARD: usize = PAGE;
/// Less is too little for our signal's handler, built without optimisation.
const ENOUGH_FOR_OURS: usize = 4096;
/// What libc lacks: the kernel takes the stack out of force while a handler runs.
const SS_AUTODISARM: c_int = 1 << 31;
/// The kernel's word for how large a signal's frame may be.
const AT_MINSIGSTKSZ: libc::c_ulong = 51;

/// How large a signal's frame may be, on this machine.
static FRAME: AtomicUsize = AtomicUsize::new(16 * 1024);

/// Asks how large a signal's frame may be: 10 KB on some processors. (Older kernels do not say.)
pub(crate) fn learn_frame() {
    // SAFETY: no pointers.
    match unsafe { libc::getauxval(AT_MINSIGSTKSZ) } as usize {
        0 => {}
        frame => FRAME.store(frame, Relaxed),
    }
}

const NONE: stack_t =
    stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };

/// Where a mapping begins, and its size. At the lowest words of one that was too small stands the one before it; of
/// the one in use that stands in the block, for most are never touched: their threads make no call that is stopped.
type Mapping = [usize; 2];

impl AlternateStack {
    /// Puts it in force on this thread, on the way out of a handler; false if it cannot be. The
    /// handler is ours, or called by another's, which may let signals in.
    pub(crate) fn lend(&self, context: &mut ucontext_t, lets_signals_in: bool) -> bool {
        if self.holds(arch::sp(context)) {
            return false;
        }
        self.note(&context.uc_stack);
        let Some(ours) = self.ours() else { return false };
        // (Where we stand on it ourselves, it is in force with our return.)
        if !self.holds(here()) && !put_in_force_aside(&ours, lets_signals_in) {
            return false;
        }
        context.uc_stack = ours;
        true
    }

    /// The same for the thread's own code. Where that runs on its alternate stack already, which
    /// cannot be changed now, it is not lent.
    pub(crate) fn lend_here(&self) -> bool {
        if self.holds(here()) {
            return false;
        }
        // Ours is to be as large as the thread's own.
        if !self.is_there() {
            self.note(&in_force());
        }
        let Some(Ok(before)) = self.ours().map(|ours| put_in_force(&ours)) else { return false };
        self.note(&before);
        before.ss_size <= self.size.load(Relaxed)
            || self.ours().is_some_and(|larger| put_in_force(&larger).is_ok())
    }

    /// Dispatch has ended, by the thread's own code: the thread's own stack is in force. (Code on
    /// ours is a handler of the application's, at whose return ours is put in force once more. Its own
    /// may be in use below that one.)
    pub(crate) fn take_back(&self) {
        if self.is_there() && !self.holds(here()) {
            let _ = put_in_force(&self.own());
        }
    }

    /// The same with the return of a handler.
    pub(crate) fn take_back_after(&self, context: &mut ucontext_t) {
        if self.is_there() && !self.holds(arch::sp(context)) {
            context.uc_stack = self.own();
        }
    }

    /// `sigaltstack` of a reached thread: about its own. The result.
    pub(crate) fn change(&self, context: &mut ucontext_t, [new, old, ..]: [usize; 6]) -> isize {
        let own = self.own();
        let sp = arch::sp(context);
        let stands_in = !disarms(&own) && own.ss_size > 0;
        let is_on_own = stands_in && sp.wrapping_sub(own.ss_sp as usize) < own.ss_size;
        let lent = self.find(sp).filter(|_| !disarms(&own));
        if new != 0 {
            let Some([start, flags, size]) = memory::peek(new) else {
                return -libc::EFAULT as isize;
            };
            if is_on_own || (lent.is_some() && stands_in) {
                return -libc::EPERM as isize;
            }
            let wanted =
                stack_t { ss_sp: start as *mut c_void, ss_flags: flags as c_int, ss_size: size };
            // The kernel knows what is valid. None is in force while our handler runs.
            if let Err(errno) = put_in_force(&wanted) {
                return -(errno as isize);
            }
            let set = in_force();
            let _ = put_in_force(&NONE);
            self.note(&set);
            if self.is_ours(&context.uc_stack) {
                // As large as that one, if there is room; what is in force is wide enough for ours.
                context.uc_stack = self.ours().unwrap_or(context.uc_stack);
            }
        }
        let told = match lent {
            // What a handler of the application's runs on.
            Some([base, size]) => {
                stack_t { ss_sp: base as *mut c_void, ss_flags: libc::SS_ONSTACK, ss_size: size }
            }
            None if is_on_own => stack_t { ss_flags: own.ss_flags | libc::SS_ONSTACK, ..own },
            None => own,
        };
        let words = [told.ss_sp as usize, told.ss_flags as u32 as usize, told.ss_size];
        if old != 0 && !memory::poke(old, &words) {
            return -libc::EFAULT as isize;
        }
        0
    }

    /// Before an `rt_sigreturn` of a reached thread, which restores the stack that was in force before
    /// the handler: ours stays in force, and never for code that stands on it.
    pub(crate) fn prepare_return(&self, context: &ucontext_t) {
        let address = arch::stack_to_restore(context);
        let (Some([start, flags, size]), Some([sp])) =
            (memory::peek(address), memory::peek(arch::sp_to_restore(context)))
        else {
            return;
        };
        let restored =
            stack_t { ss_sp: start as *mut c_void, ss_flags: flags as c_int, ss_size: size };
        if self.holds(sp) || self.is_ours(&restored) && self.is_ours(&context.uc_stack) {
            return;
        }
        if restored.ss_size > 0 {
            self.note(&restored);
        }
        let after = match () {
            () if self.is_ours(&context.uc_stack) => context.uc_stack,
            () if self.is_ours(&restored) => restored,
            () => NONE,
        };
        let words = [after.ss_sp as usize, after.ss_flags as u32 as usize, after.ss_size];
        memory::poke(address, &words);
    }

    /// Whether that address lies on it.
    pub(crate) fn holds(&self, address: usize) -> bool {
        self.find(address).is_some()
    }

    /// Whether the code that runs now stands on it: a handler of the application's.
    pub(crate) fn is_in_use(&self) -> bool {
        self.holds(here())
    }

    /// The context of a syscall is answered by `f`.
    pub(crate) fn answering(&self, context: &mut ucontext_t, f: impl FnOnce(&mut ucontext_t)) {
        let outer = self.answered.swap(&raw mut *context as usize, Relaxed);
        f(context);
        self.answered.store(outer, Relaxed);
    }

    /// Where the interrupted thread stands, for a report: at its syscall, if that is being answered.
    /// The stack of that is another than ours, where a copy of it would end.
    pub(crate) fn beneath<'a>(&self, context: &'a ucontext_t) -> &'a ucontext_t {
        let sp = arch::sp(context);
        let answered = self.answered.load(Relaxed);
        let is_below = answered > sp && self.holds(sp) && self.find(answered) == self.find(sp);
        if !is_below {
            return context;
        }
        // SAFETY: the kernel's context, of a handler that has not returned. (One that was left by a
        // siglongjmp leaves numbers there: a wrong report.)
        unsafe { &*(answered as *const ucontext_t) }
    }

    /// Whether that address lies on the one that the thread has set itself, as far as is known.
    pub(crate) fn own_holds(&self, address: usize) -> bool {
        let own = self.own();
        self.is_there() && address.wrapping_sub(own.ss_sp as usize) < own.ss_size
    }

    /// Gives it up, at the thread's end. A thread that ends inside of a handler may stand on it, and
    /// leaves it.
    pub(crate) fn give_up(&self) {
        if !self.is_there() || self.holds(here()) {
            return;
        }
        if self.is_ours(&in_force()) {
            let _ = put_in_force(&self.own());
        }
        for [base, size] in self.mappings(self.base.swap(0, Relaxed)) {
            if size != usual() || !spare_stacks::keep(base) {
                // SAFETY: our own mapping, in force no more.
                let _ = unsafe { syscall(libc::SYS_munmap, [base - GUARD, GUARD + size]) };
            }
        }
    }

    /// That which begins there and is in use, and those before it.
    fn mappings(&self, base: usize) -> impl Iterator<Item = Mapping> {
        let [newest, before] = [[base, self.size.load(Relaxed)], self.before()];
        let is_there = |mapping: Mapping| (mapping[0] != 0).then_some(mapping);
        std::iter::successors(is_there(newest), move |[at, _]| match *at {
            // (A handler may look while one is added.)
            at if at == base => is_there(before).filter(|before| before[0] != base),
            // SAFETY: our own mapping.
            at => is_there(unsafe { *(at as *const Mapping) }),
        })
    }

    fn before(&self) -> Mapping {
        [0, 1].map(|index| self.before[index].load(Relaxed))
    }

    fn is_there(&self) -> bool {
        self.base.load(Relaxed) != 0
    }

    fn is_ours(&self, stack: &stack_t) -> bool {
        self.holds(stack.ss_sp as usize)
    }

    /// The mapping that the address lies in: where it begins, and how large it is.
    fn find(&self, address: usize) -> Option<Mapping> {
        let holds = |[base, size]: &Mapping| address.wrapping_sub(*base) < *size;
        self.mappings(self.base.load(Relaxed)).find(holds)
    }

    /// Remembers the thread's own.
    fn note(&self, stack: &stack_t) {
        if !self.is_ours(stack) {
            let words = [stack.ss_sp as usize, stack.ss_flags as u32 as usize, stack.ss_size];
            self.own.iter().zip(words).for_each(|(word, is)| word.store(is, Relaxed));
        }
    }

    fn own(&self) -> stack_t {
        let [start, flags, size] = [0, 1, 2].map(|index| self.own[index].load(Relaxed));
        let kept = flags as c_int & SS_AUTODISARM;
        let flags = if size == 0 { libc::SS_DISABLE } else { 0 };
        stack_t { ss_sp: start as *mut c_void, ss_flags: kept | flags, ss_size: size }
    }

    /// Ours: not smaller than the thread's own, for the application's handlers run on it.
    fn ours(&self) -> Option<stack_t> {
        let size = usual().max(self.own().ss_size.next_multiple_of(PAGE));
        if !self.is_there() || self.size.load(Relaxed) < size {
            let spare = if size == usual() { spare_stacks::take() } else { None };
            self.add(spare.or_else(|| map(size))?, size);
        }
        Some(stack_t {
            ss_sp: self.base.load(Relaxed) as *mut c_void,
            ss_flags: SS_AUTODISARM,
            ss_size: self.size.load(Relaxed),
        })
    }

    fn add(&self, base: usize, size: usize) {
        let outgrown = [self.base.load(Relaxed), self.size.load(Relaxed)];
        if outgrown[0] != 0 {
            // SAFETY: our own mapping, at its lowest words, which nobody uses.
            unsafe { *(outgrown[0] as *mut Mapping) = self.before() };
        }
        self.before.iter().zip(outgrown).for_each(|(word, is)| word.store(is, Relaxed));
        self.size.store(size, Relaxed);
        self.base.store(base, Relaxed);
    }
}

/// How large stacks of ours are, but for a thread whose own is larger.
fn usual() -> usize {
    (FOR_HANDLERS + FRAMES * FRAME.load(Relaxed)).next_multiple_of(PAGE)
}

/// A new one, of that size: where it begins.
fn map(size: usize) -> Option<usize> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
    let anywhere = [0, GUARD + size, libc::PROT_NONE as usize, flags as usize, usize::MAX, 0];
    // SAFETY: a new mapping, wherever the kernel likes.
    let start = unsafe { syscall(libc::SYS_mmap, anywhere) }.ok()?;
    let base = start + GUARD;
    let access = (libc::PROT_READ | libc::PROT_WRITE) as usize;
    // SAFETY: the new mapping, which nobody uses yet.
    if unsafe { syscall(libc::SYS_mprotect, [base, size, access]) }.is_err() {
        // SAFETY: as above.
        let _ = unsafe { syscall(libc::SYS_munmap, [start, GUARD + size]) };
        return None;
    }
    Some(base)
}

fn disarms(stack: &stack_t) -> bool {
    stack.ss_flags & SS_AUTODISARM != 0
}

/// Where the stack is.
fn here() -> usize {
    let on_it = 0_u8;
    std::hint::black_box(&raw const on_it) as usize
}

/// This thread's alternate stack.
fn in_force() -> stack_t {
    let mut now = NONE;
    // SAFETY: the kernel writes which stack it is.
    let _ = unsafe { syscall(libc::SYS_sigaltstack, [0, &raw mut now as usize]) };
    now
}

/// Makes it that one: ours, or the one that the thread had set and that nobody but it gives up. Which it
/// was.
fn put_in_force(stack: &stack_t) -> Result<stack_t, i32> {
    let mut before = NONE;
    let arguments = [&raw const *stack as usize, &raw mut before as usize];
    // SAFETY: the kernel writes which it was, reads the other, and writes to it from then on, as it may.
    unsafe { syscall(libc::SYS_sigaltstack, arguments) }.map(|_| before)
}

/// The same from a handler that may run on the one which is in force: from the new one, on which
/// nobody stands. A handler that came between would begin at the top of the one that we stand on.
fn put_in_force_aside(stack: &stack_t, lets_signals_in: bool) -> bool {
    let change = || {
        let top = stack.ss_sp as usize + stack.ss_size;
        // SAFETY: as above; the stack is ours, and its top free.
        unsafe { arch::eintr_set_alternate_stack(stack, top) == 0 }
    };
    if !lets_signals_in {
        return change();
    }
    let before = signals::change_mask(libc::SIG_BLOCK, signals::ALL_BUT_SIGSYS);
    let is_set = change();
    signals::change_mask(libc::SIG_UNBLOCK, signals::ALL_BUT_SIGSYS & !before);
    is_set
}

/// Runs a part of our signal's handler, on a stack of its own if it runs on an alternate one that has
/// little room left: programs have some of 2 KB, of which the kernel has taken most. Such a stack is
/// mapped for the time.
#[inline]
pub(crate) fn with_room(stack: &stack_t, mut f: impl FnMut()) {
    let room = here().wrapping_sub(stack.ss_sp as usize);
    if room < stack.ss_size && room < ENOUGH_FOR_OURS {
        elsewhere(&mut f);
    } else {
        f();
    }
}

#[cold]
fn elsewhere<F: FnMut()>(f: &mut F) {
    unsafe extern "C" fn run<F: FnMut()>(f: *mut c_void) {
        // SAFETY: it is `f`, borrowed for the time of the call.
        unsafe { (*f.cast::<F>())() };
    }
    // A handler that came in there (another's, which has called ours, may let it) would begin at the top of the
    // one that we have left.
    let before = signals::change_mask(libc::SIG_BLOCK, signals::ALL_BUT_SIGSYS);
    // SAFETY: `run` is called once, with `f`, and does not unwind.
    unsafe { arch::eintr_with_room(run::<F>, (&raw mut *f).cast(), usual()) };
    signals::change_mask(libc::SIG_UNBLOCK, signals::ALL_BUT_SIGSYS & !before);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::raw;

    #[test]
    fn nobody_comes_in_on_another_stack() {
        let around = stack_t {
            ss_sp: (here() - ENOUGH_FOR_OURS) as *mut c_void,
            ss_flags: 0,
            ss_size: 1 << 20,
        };
        let before = signals::mask();
        learn_frame();
        let mut runs = Vec::with_capacity(1);
        let room_below = |place| {
            let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
            let mut starts = maps.lines().map(|line| {
                let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
                [start, end].map(|address| usize::from_str_radix(address, 16).unwrap())
            });
            let [start, _] = starts.find(|[start, end]| (*start..*end).contains(&place)).unwrap();
            place - start
        };
        with_room(&around, || runs.push((here(), signals::mask(), room_below(here()))));
        let [(place, mask, room)] = runs[..] else { panic!("{runs:?}") };
        assert!(room > FRAMES * FRAME.load(Relaxed), "{room}");
        assert!(place.abs_diff(here()) > around.ss_size, "it ran here");
        // An emulator keeps the last two to itself.
        let never =
            [libc::SIGKILL, libc::SIGSTOP, 63, 64].into_iter().map(signals::bit).sum::<u64>();
        assert_eq!(mask | never, signals::ALL_BUT_SIGSYS);
        assert_eq!(signals::mask(), before);
    }

    static USED: AtomicUsize = AtomicUsize::new(0);

    /// How far below the top of the alternate stack a handler runs.
    extern "C" fn on_signal(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
        // SAFETY: the kernel's context.
        let stack = unsafe { &*context.cast::<ucontext_t>() }.uc_stack;
        let top = stack.ss_sp as usize + stack.ss_size;
        USED.store(top - context as usize, Relaxed);
    }

    #[test]
    fn a_frame_is_no_larger_than_the_machine_says() {
        learn_frame();
        std::thread::spawn(|| {
            let base = map(usual()).unwrap();
            let ours = stack_t { ss_sp: base as *mut c_void, ss_flags: 0, ss_size: usual() };
            let before = put_in_force(&ours).unwrap();
            let flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            let action = signals::Action::new(on_signal as *const () as usize, flags, 0);
            let us = [raw::getpid(), raw::gettid(), libc::SIGIO].map(|number| number as usize);
            // SAFETY: the handler stores a number.
            unsafe {
                signals::set_action(libc::SIGIO, &action).unwrap();
                syscall(libc::SYS_tgkill, us).unwrap();
            }
            put_in_force(&before).unwrap();
        })
        .join()
        .unwrap();
        let [used, frame] = [USED.load(Relaxed), FRAME.load(Relaxed)];
        assert!(used > 0 && used <= frame, "{used} {frame}");
    }
}
