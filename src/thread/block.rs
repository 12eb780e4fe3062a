//! The per-thread block: what the trampoline, the handlers and the requesters of one thread look at.
//!
//! Data only, one struct for each owner, so that this file imports nothing from above. What only the
//! thread itself looks at, and no handler, is not here: it is a `Cell` in its owner's file.
//!
//! A thread-local without destructor and without lazy initialisation, so that a handler may touch
//! it. Rust's standard library does not promise that of thread-locals in general; the argument here
//! is that a `const` one without a destructor is plain memory of the thread's static TLS block, and
//! that only a thread which has touched its block is ever a target (S6).
//!
//! # Layout
//!
//! The trampolines know it: the word stands at 0, the mark of the open call at 8.
//!
//! # Safety
//!
//! A thread-local without a destructor is memory of its thread's, to which the thread itself may have
//! a reference at any time.

#![allow(unsafe_code)]

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicI64, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize,
};
use std::thread::LocalKey;
use std::{mem, ptr};

use libc::c_int;

use super::Word;
use super::ended_waits::EndedWaits;
use super::hook_queue::Queued;
use super::retries::Retries;
use super::runs::Runs;
use super::wanted::Wanted;
use crate::kernel::{AtomicMoment, KernelTimer, Moment, Set, futex, signals};
use crate::signal::{handlers, ours};

/// One thread's block.
#[repr(C)]
pub(crate) struct Block {
    /// Armed or not.
    pub(crate) word: Word,
    /// The stack pointer of the trampolined call that is open, or 0.
    pub(crate) open: AtomicUsize,
    /// The kernel's id of the thread that registered this block, or 0.
    pub(crate) tid: AtomicI32,
    pub(crate) delivery: Delivery,
    pub(crate) repeat: Repeat,
    pub(crate) dispatch: Dispatch,
    pub(crate) answering: Answering,
    /// Errors handed out since the last checkpoint, take or task end: what the back-off goes by.
    pub(crate) errors_in_a_row: AtomicU32,
    /// Which call it was that they were handed out by.
    pub(crate) retries: Retries,
    pub(crate) reach: Reach,
    /// The alternate stack that it is lent while dispatch is on.
    pub(crate) alternate_stack: AlternateStack,
    /// Where a requester saw this thread sleep.
    pub(crate) proc_syscall: ProcSyscall,
    /// What counts the refusals of the outermost cause. It lives as long as its task is on this
    /// thread's stack.
    pub(crate) refusals: AtomicPtr<Refusals>,
    /// What a reporter wants to know of this thread, or null.
    pub(crate) snapshot: AtomicPtr<Wanted>,
    /// What this thread is to have done by when.
    pub(crate) deadlines: Deadlines,
    pub(crate) hooked: Hooked,
    /// Where the frame lies behind which a call runs that may be left, or 0.
    pub(crate) abandonable: AtomicUsize,
}

thread_local! {
    static BLOCK: Block = const {
        Block {
            word: Word(AtomicU32::new(0)),
            open: AtomicUsize::new(0),
            tid: AtomicI32::new(0),
            delivery: Delivery::new(),
            repeat: Repeat::new(),
            dispatch: Dispatch::new(),
            answering: Answering::new(),
            errors_in_a_row: AtomicU32::new(0),
            retries: Retries::new(),
            reach: Reach::new(),
            alternate_stack: AlternateStack::new(),
            proc_syscall: ProcSyscall::new(),
            refusals: AtomicPtr::new(std::ptr::null_mut()),
            snapshot: AtomicPtr::new(std::ptr::null_mut()),
            deadlines: Deadlines::new(),
            hooked: Hooked::new(),
            abandonable: AtomicUsize::new(0),
        }
    };
}

const _: () = {
    assert!(std::mem::offset_of!(Block, word) == 0);
    assert!(std::mem::offset_of!(Block, open) == 8);
    assert!(!std::mem::needs_drop::<Block>());
};

/// Looks at the calling thread's block.
#[inline]
pub(crate) fn with<T>(f: impl FnOnce(&Block) -> T) -> T {
    look(&BLOCK, f)
}

/// Whether the calling thread is armed: one load and a branch. (A look at the block first finds out
/// where it is, which is one load more.)
#[inline(always)]
pub(crate) fn is_armed() -> bool {
    BLOCK.with(|block| block.word.is_armed())
}

/// Looks at what the calling thread has of something, in line. (`LocalKey::with` is a call of its own
/// as soon as `f` is longer than a line or two, and half of what a deadline costs.)
#[inline(always)]
pub(super) fn look<V: 'static, T>(key: &'static LocalKey<V>, f: impl FnOnce(&V) -> T) -> T {
    const { assert!(!mem::needs_drop::<V>()) };
    let value = key.with(ptr::from_ref);
    // SAFETY: it has no destructor, and is there as long as the calling thread.
    f(unsafe { &*value })
}

/// Where the calling thread's block is.
#[inline]
pub(crate) fn address() -> *const Block {
    BLOCK.with(|block| &raw const *block)
}

impl Block {
    /// In the child of a fork, whose one thread this is: what the kernel has not taken along, and what
    /// others were about to do.
    pub(crate) fn reset_in_child(&self) {
        self.repeat.reset();
        self.answering.runs.is_watched.store(false, Relaxed);
        self.deadlines.timer.reset();
        self.dispatch.change(Dispatching::On, Dispatching::Off);
        self.dispatch.waiting.fetch_and(!REQUESTER_LOOKS, Relaxed);
        self.delivery.reset();
    }
}

/// How a thread that was armed is told: by our signal, or by waking what it sleeps on.
///
/// What a requester does, who has armed the thread and holds the signal lock:
///
/// * *Nothing on its way.* It announces, and sends.
/// * *Announced*: a signal was sent, or is about to be, and no handler has acknowledged it. It sends
///   nothing: that handler looks at the word after acknowledging, and so sees what it stored.
/// * *Announced, and asleep*: the thread sleeps, or is about to, where waking its word wakes it. The
///   one who announced wakes the word. If the kernel says that it woke somebody, the thread has been
///   told; if not, the signal is sent.
/// * *Held*: the thread is inside of `with_hook`, and the signal waits for its hooks (`thread/hold.rs`). It is
///   announced, and its timer is set.
/// * *Deferred*: our signal waits, blocked, for the end of a handler of the application's (S3). That is
///   announced as well, so it sends nothing.
pub(crate) struct Delivery {
    in_flight: AtomicBool,
    asleep: AtomicBool,
    woken_by_futex: AtomicBool,
    /// Until when the announced signal waits for the thread's hooks; long ago if it does not.
    pub(crate) held_until: AtomicMoment,
    /// The signal that waits until the handler in which it came returns (S3), or 0.
    deferred: AtomicI32,
    /// In this child of a fork our signal has been blocked from the start (S23).
    pub(crate) hushed: AtomicBool,
}

impl Delivery {
    const fn new() -> Self {
        Self {
            in_flight: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            woken_by_futex: AtomicBool::new(false),
            held_until: AtomicMoment::new(Moment::LONG_AGO),
            deferred: AtomicI32::new(0),
            hushed: AtomicBool::new(false),
        }
    }

    /// A signal is about to be sent; false if one was announced before and not acknowledged since.
    ///
    /// The swap pairs with the handler's (E2 of `README.md`). If it finds the flag set, a handler is still to
    /// run, and its swap, which comes after ours, makes it see all that we did before.
    pub(crate) fn announce(&self) -> bool {
        !self.in_flight.swap(true, AcqRel)
    }

    /// It could not be sent.
    pub(crate) fn take_back(&self) {
        self.in_flight.store(false, Release);
    }

    /// The handler runs; whether it was announced. Before the look at the word, and at whatever else a
    /// requester may have left: one that finds the flag set relies on that look.
    pub(crate) fn acknowledge(&self) -> bool {
        self.in_flight.swap(false, AcqRel)
    }

    pub(crate) fn is_announced(&self) -> bool {
        self.in_flight.load(Relaxed)
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held_until.get() != Moment::LONG_AGO
    }

    /// Whether the thread may leave the word alone, since the signal follows its hooks. (A handler that had
    /// acknowledged it when it came to be held back must do its part: none will follow.)
    pub(crate) fn waits_for_hooks(&self) -> bool {
        self.is_held() && self.is_announced()
    }

    /// The thread is about to sleep where it is woken by its word, or not any more; what was so before.
    pub(crate) fn set_asleep(&self, asleep: bool) -> bool {
        self.asleep.swap(asleep, Relaxed)
    }

    /// Tells the thread by `wake`, which says whether it woke somebody, if it may be asleep there. For
    /// a requester who holds the signal lock.
    pub(crate) fn notify_by(&self, wake: impl FnOnce() -> bool) -> bool {
        if !self.asleep.load(Relaxed) {
            return false;
        }
        self.woken_by_futex.store(true, Release);
        let was_woken = wake();
        if !was_woken {
            self.woken_by_futex.store(false, Release);
        }
        was_woken
    }

    pub(crate) fn may_be_woken_by_futex(&self) -> bool {
        self.woken_by_futex.load(Relaxed)
    }

    /// Acknowledges, if the thread was told by futex; whether it was. That must be certain: by the
    /// kernel's word, or with the signal lock held.
    pub(crate) fn acknowledge_futex(&self) -> bool {
        let was_woken = self.woken_by_futex.load(Acquire);
        if was_woken {
            self.woken_by_futex.store(false, Relaxed);
            self.acknowledge();
        }
        was_woken
    }

    /// That signal is to wait; false if one does already.
    pub(crate) fn defer(&self, signal: c_int) -> bool {
        self.deferred.compare_exchange(0, signal, Relaxed, Relaxed).is_ok()
    }

    /// None is to wait any more; which one did.
    pub(crate) fn take_deferred(&self) -> Option<c_int> {
        let signal = self.deferred.swap(0, Relaxed);
        (signal != 0).then_some(signal)
    }

    /// A child of a fork has nothing on its way.
    pub(crate) fn reset(&self) {
        self.in_flight.store(false, Relaxed);
        self.asleep.store(false, Relaxed);
        self.woken_by_futex.store(false, Relaxed);
        self.held_until.set(Moment::LONG_AGO);
        self.deferred.store(0, Relaxed);
    }
}

/// The timer that asks the thread again.
pub(crate) struct Repeat {
    pub(crate) timer: KernelTimer,
    /// How long it was last set for, in microseconds; 0 if it stands still.
    pub(crate) pause: AtomicU32,
}

impl Repeat {
    const fn new() -> Self {
        Self { timer: KernelTimer::none(), pause: AtomicU32::new(0) }
    }

    /// A child of a fork has no timer.
    pub(crate) fn reset(&self) {
        self.timer.forget();
        self.pause.store(0, Relaxed);
    }
}

/// Whether the kernel stops this thread at its syscalls.
pub(crate) struct Dispatch {
    state: AtomicU8,
    /// Whether the thread has asked to have SIGSYS blocked, which waits until dispatch is off (S2).
    pub(crate) sigsys_blocked: AtomicBool,
    /// Somebody else has it stop this thread: a syscall of ours was stopped when we had not begun it.
    pub(crate) is_anothers: AtomicBool,
    /// Signals that wait, blocked by us, until the masks of all handlers have been looked at (S2); and
    /// SIGSYS in their set, as long as a requester is going to do so.
    waiting: AtomicU64,
    /// The mask of the code that has them blocked. A handler that runs on top of that has more in its own.
    waiting_in: AtomicU64,
}

/// A requester is going to look.
const REQUESTER_LOOKS: Set = signals::bit(libc::SIGSYS);

/// What the thread's own code and its handlers may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Dispatching {
    /// The kernel lets all syscalls through. A handler that wants them stopped turns it on.
    Off,
    /// The thread's own code is turning it on, and is not through. A handler that comes between has the
    /// kernel do what it wants, on or off, and leaves this state as it is: that code looks in the end.
    Beginning,
    /// The kernel stops them all; or a handler of ours is about to have it stop them.
    On,
}

impl Dispatch {
    const fn new() -> Self {
        Self {
            state: AtomicU8::new(Dispatching::Off as u8),
            sigsys_blocked: AtomicBool::new(false),
            is_anothers: AtomicBool::new(false),
            waiting: AtomicU64::new(0),
            waiting_in: AtomicU64::new(0),
        }
    }

    /// A requester, before it tells the thread: it is going to look at all handlers.
    pub(crate) fn promise_look(&self) {
        self.waiting.fetch_or(REQUESTER_LOOKS, Relaxed);
    }

    /// It has; whether signals wait for that, and the thread is to hear of it.
    pub(crate) fn keep_promise(&self) -> bool {
        self.waiting.fetch_and(!REQUESTER_LOOKS, Relaxed) & !REQUESTER_LOOKS != 0
    }

    /// These signals wait for that, of code with that mask; false if nobody is going to look.
    pub(crate) fn block_until_look(&self, signals: Set, mask: Set) -> bool {
        let after = REQUESTER_LOOKS | signals;
        let waits = self.waiting.compare_exchange(REQUESTER_LOOKS, after, Relaxed, Relaxed).is_ok();
        if waits {
            self.waiting_in.store(mask | signals, Relaxed);
        }
        waits
    }

    pub(crate) fn waiting(&self) -> Set {
        self.waiting.load(Relaxed)
    }

    /// Whether signals wait.
    pub(crate) fn has_waiting(&self) -> bool {
        self.waiting() & !REQUESTER_LOOKS != 0
    }

    /// Whether they wait for a requester that has not looked.
    pub(crate) fn waits_for_requester(&self) -> bool {
        self.has_waiting() && self.waiting() & REQUESTER_LOOKS != 0
    }

    /// Whether code with that mask has them blocked by us. (The bits of our own signals say nothing.)
    pub(crate) fn wait_in(&self, mask: Set) -> bool {
        (mask ^ self.waiting_in.load(Relaxed)) & !ours::set() == 0
    }

    /// Those of code with that mask that wait no longer: where they are blocked by us, or are not blocked.
    /// Elsewhere they wait on: that is a handler on top, or what had them blocked is another's business now.
    pub(crate) fn let_in(&self, mask: Set) -> Set {
        match mask & self.waiting() == 0 || self.wait_in(mask) {
            true => self.waiting.fetch_and(REQUESTER_LOOKS, Relaxed) & !REQUESTER_LOOKS,
            false => 0,
        }
    }

    /// The same after a look at all handlers.
    pub(crate) fn look_and_let_in(&self, mask: Set) -> Set {
        if !self.has_waiting() {
            return 0;
        }
        handlers::open_to_begin(Moment::now_in_handler());
        self.let_in(mask)
    }

    pub(crate) fn state(&self) -> Dispatching {
        match self.state.load(Relaxed) {
            0 => Dispatching::Off,
            1 => Dispatching::Beginning,
            _ => Dispatching::On,
        }
    }

    pub(crate) fn set(&self, state: Dispatching) {
        self.state.store(state as u8, Relaxed);
    }

    /// From one state to another, if it is that one.
    pub(crate) fn change(&self, from: Dispatching, to: Dispatching) {
        if self.state() == from {
            self.set(to);
        }
    }
}

/// Whether plain calls of this stretch of the thread are reached, and who has said so.
pub(crate) struct Reach {
    choice: AtomicU8,
    loops: AtomicBool,
}

/// What the last who has said something has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Choice {
    /// Nobody has. Plain calls are not reached; a deadline that begins has them reached.
    Undecided,
    /// A task, or a call of `without_reach`: they are not.
    Off,
    /// A deadline where nobody has said anything: they are.
    ByDeadline,
    /// A task, or a call of `reach`: they are.
    On,
}

impl Reach {
    const fn new() -> Self {
        Self { choice: AtomicU8::new(Choice::Undecided as u8), loops: AtomicBool::new(false) }
    }

    #[inline]
    pub(crate) fn choice(&self) -> Choice {
        match self.choice.load(Relaxed) {
            0 => Choice::Undecided,
            1 => Choice::Off,
            2 => Choice::ByDeadline,
            _ => Choice::On,
        }
    }

    #[inline]
    pub(crate) fn choose(&self, choice: Choice) {
        self.choice.store(choice as u8, Relaxed);
    }

    /// Whether event loops are refused like anything else.
    pub(crate) fn refuses_loops(&self) -> bool {
        self.loops.load(Relaxed)
    }

    /// Says whether they are; whether they were.
    #[cfg(feature = "capi")]
    pub(crate) fn refuse_loops(&self, on: bool) -> bool {
        self.loops.swap(on, Relaxed)
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.choice.load(Relaxed) >= Choice::ByDeadline as u8
    }
}

/// The time in which the thread's calls are answered, and what is remembered of it.
pub(crate) struct Answering {
    /// When it began; long ago if it has not.
    pub(crate) since: AtomicMoment,
    /// Up to when it is counted in `spent`.
    pub(crate) counted_to: AtomicMoment,
    /// The cause for which it is counted.
    pub(crate) cause: AtomicU64,
    /// How long the last causes have stood, less what was masked: see `reach/allowance.rs`.
    pub(crate) spent: [Spent; 4],
    /// The polls that were told EINTR: see `reach/patience.rs`.
    pub(crate) polls: [InterruptedPoll; 8],
    /// The last child that the thread has made since; -1 in that child.
    pub(crate) last_fork: AtomicI32,
    /// The last child that the thread has sent SIGKILL since, or that could not exec.
    pub(crate) last_killed: AtomicI32,
    /// A call of the thread's is under way that poll has called ready, which the next signal of ours
    /// is to end.
    pub(crate) in_bounded_write: AtomicBool,
    pub(crate) ended_waits: EndedWaits,
    pub(crate) runs: Runs,
}

/// For how long a cause has stood, in nanoseconds.
pub(crate) struct Spent {
    pub(crate) cause: AtomicU64,
    pub(crate) time: AtomicU64,
}

/// A poll that was told EINTR.
pub(crate) struct InterruptedPoll {
    /// Its descriptors and the cause, as a number.
    pub(crate) number: AtomicU64,
    /// From when on.
    pub(crate) since: AtomicMoment,
    /// How often it was refused since, and something was done; and its descriptor, if it has one only.
    pub(crate) refused: AtomicU32,
    pub(crate) only: AtomicI32,
}

impl InterruptedPoll {
    const fn none() -> Self {
        Self {
            number: AtomicU64::new(0),
            since: AtomicMoment::new(Moment::LONG_AGO),
            refused: AtomicU32::new(0),
            only: AtomicI32::new(-1),
        }
    }
}

impl Answering {
    const fn new() -> Self {
        Self {
            since: AtomicMoment::new(Moment::LONG_AGO),
            counted_to: AtomicMoment::new(Moment::LONG_AGO),
            cause: AtomicU64::new(0),
            spent: [const { Spent { cause: AtomicU64::new(0), time: AtomicU64::new(0) } }; 4],
            polls: [const { InterruptedPoll::none() }; 8],
            last_fork: AtomicI32::new(0),
            last_killed: AtomicI32::new(0),
            in_bounded_write: AtomicBool::new(false),
            ended_waits: EndedWaits::new(),
            runs: Runs::new(),
        }
    }

    /// Something has been done, or an event loop looks: no poll is ignored.
    pub(crate) fn get_on(&self) {
        self.polls.iter().for_each(|poll| poll.refused.store(0, Relaxed));
    }

    /// It ends. (A call may have been left by a siglongjmp.)
    pub(crate) fn reset(&self) {
        self.since.set(Moment::LONG_AGO);
        self.last_fork.store(0, Relaxed);
        self.last_killed.store(0, Relaxed);
        self.in_bounded_write.store(false, Relaxed);
        self.ended_waits.forget();
        self.runs.reset();
        self.get_on();
    }
}

/// An alternate stack that is lent to the thread.
pub(crate) struct AlternateStack {
    /// Where it begins, or 0.
    pub(crate) base: AtomicUsize,
    pub(crate) size: AtomicUsize,
    /// The same of one that was too small, or 0.
    pub(crate) before: [AtomicUsize; 2],
    /// The thread's own: where it begins, the kernel's flags, its size.
    pub(crate) own: [AtomicUsize; 3],
    /// Where the context is of the syscall that is answered on it, or was.
    pub(crate) answered: AtomicUsize,
}

impl AlternateStack {
    const fn new() -> Self {
        Self {
            base: AtomicUsize::new(0),
            size: AtomicUsize::new(0),
            before: [const { AtomicUsize::new(0) }; 2],
            own: [const { AtomicUsize::new(0) }; 3],
            answered: AtomicUsize::new(0),
        }
    }
}

/// Where a requester saw a thread sleep: the syscall, its first arguments, the stack pointer and the
/// program counter.
pub(crate) struct ProcSyscall {
    pub(crate) number: AtomicI64,
    pub(crate) place: [AtomicUsize; 4],
}

impl ProcSyscall {
    /// No syscall.
    pub(crate) const NONE: i64 = -1;

    const fn new() -> Self {
        Self { number: AtomicI64::new(Self::NONE), place: [const { AtomicUsize::new(0) }; 4] }
    }
}

/// What the SIGSYS handler may touch of a task.
pub(crate) struct Refusals {
    /// The task's, which no other has.
    pub(crate) id: u64,
    /// How many requests of the task's have been taken.
    pub(crate) taken: AtomicU64,
    /// Syscalls that were cut short because of this task.
    pub(crate) count: AtomicU64,
    /// Counts whatever a waiter might wait for; a futex.
    pub(crate) changes: AtomicU32,
    /// Who waits there, or is about to.
    pub(crate) waiters: AtomicU32,
}

impl Refusals {
    pub(crate) fn of(id: u64) -> Self {
        let [taken, count] = [0; 2].map(AtomicU64::new);
        let [changes, waiters] = [0; 2].map(AtomicU32::new);
        Self { id, taken, count, changes, waiters }
    }

    /// Wakes the waiters, if there are any. A waiter counts itself, and then has the kernel look whether
    /// there was a change; here it is the other way round. Async-signal-safe.
    pub(crate) fn notify_waiters(&self) {
        self.changes.fetch_add(1, SeqCst);
        if self.waiters.load(SeqCst) > 0 {
            futex::wake_all(&self.changes);
        }
    }
}

/// What hooks need to know of the thread.
pub(crate) struct Hooked {
    /// How often the thread has become armed.
    armings: AtomicU32,
    /// The thread is about to find out whether a deadline still stands: its handler leaves it to the
    /// thread to count.
    pub(crate) recounting: AtomicBool,
    /// The thread is inside of a `with_hook`.
    pub(crate) is_inside: AtomicBool,
    /// And it is not masked.
    pub(crate) is_unmasked: AtomicBool,
    /// The place in the queue of the thread's hooks, of which the block owns a count; or null.
    pub(crate) hooks: AtomicPtr<Queued>,
    /// Counts the requests that another thread has taken from this one.
    taken_elsewhere: AtomicU32,
}

impl Hooked {
    const fn new() -> Self {
        Self {
            armings: AtomicU32::new(0),
            recounting: AtomicBool::new(false),
            is_inside: AtomicBool::new(false),
            is_unmasked: AtomicBool::new(false),
            hooks: AtomicPtr::new(std::ptr::null_mut()),
            taken_elsewhere: AtomicU32::new(0),
        }
    }

    /// A request is about to be taken from the thread by another one: what arms it next is another
    /// arming, also to hooks outside of a mask.
    pub(crate) fn note_taken_elsewhere(&self) {
        self.taken_elsewhere.fetch_add(1, Release);
    }

    pub(crate) fn taken_elsewhere(&self) -> u32 {
        self.taken_elsewhere.load(Acquire)
    }

    /// The number of the last arming. Who sees it sees that the thread was armed.
    pub(crate) fn armings(&self) -> u32 {
        self.armings.load(Acquire)
    }

    /// The thread has become armed. Counted before the hooks are looked at.
    pub(crate) fn count_arming(&self) {
        self.armings.fetch_add(1, Release);
    }
}

/// What a handler needs to know of the thread's deadlines. The deadlines themselves are in
/// `deadline/standing.rs`.
pub(crate) struct Deadlines {
    /// The moment of the first deadline that no mask hides.
    pub(crate) earliest: AtomicMoment,
    /// A syscall was refused while one was armed, and it has not been marked for that yet.
    refused: AtomicBool,
    pub(crate) timer: DeadlineTimer,
}

impl Deadlines {
    const fn new() -> Self {
        Self {
            earliest: AtomicMoment::new(Moment::NEVER),
            refused: AtomicBool::new(false),
            timer: DeadlineTimer::new(),
        }
    }

    /// To be called by the handler that refuses a syscall while a deadline is armed: an error was handed
    /// out, and the deadline will know.
    pub(crate) fn note_refusal(&self) {
        self.refused.store(true, Relaxed);
    }

    /// Whether one was, since this was last asked.
    pub(crate) fn take_refusal(&self) -> bool {
        self.refused.swap(false, Relaxed)
    }
}

/// What tells the thread that a deadline has passed.
pub(crate) struct DeadlineTimer {
    pub(crate) kernel: KernelTimer,
    /// The moment at which it fires next; a moment of the past until that shot is seen.
    pub(crate) stands_at: AtomicMoment,
    /// Whether it goes on from there.
    pub(crate) repeats: AtomicBool,
    /// The moment at which the helper thread has been told to signal.
    pub(crate) kept_at: AtomicMoment,
}

impl DeadlineTimer {
    const fn new() -> Self {
        Self {
            kernel: KernelTimer::none(),
            stands_at: AtomicMoment::new(Moment::NEVER),
            repeats: AtomicBool::new(false),
            kept_at: AtomicMoment::new(Moment::NEVER),
        }
    }

    /// A child of a fork has no timer.
    pub(crate) fn reset(&self) {
        self.kernel.forget();
        self.stands_at.set(Moment::NEVER);
        self.kept_at.set(Moment::NEVER);
    }
}
