//! A model of `src/thread/record.rs`, checked in every interleaving (within a bound on preemptions) by
//! loom.
//!
//! The file itself is compiled in, over loom's lock and atomics. What is around it is written again
//! here, as small as it can be: the kernel's queue of signals, a thread that can be interrupted
//! between any two of its steps, the trampoline and the handler ([`Cpu`]), and the lock that a
//! task's requests are kept under ([`Job`]).
//!
//! A lost wake-up is a thread that sleeps for ever, which loom reports as a deadlock. The checker
//! is checked: with each of the [`Mistake`]s that one could make here, the model must find one.

use std::io;
use std::sync::Arc;

use loom::sync::atomic::AtomicBool;
use loom::sync::{Condvar, Mutex};
use loom::thread as loom_thread;

mod kernel {
    pub(crate) mod primitives {
        pub(crate) use loom::sync::atomic::{AtomicU32, Ordering};
        pub(crate) use loom::sync::{Mutex, MutexGuard};
    }
}

#[allow(dead_code, reason = "the crate uses all of it")]
#[path = "../../src/room.rs"]
mod room;
#[allow(dead_code, reason = "the crate uses all of it")]
#[path = "../../src/thread"]
mod thread {
    pub(crate) mod record;
    pub(crate) mod word;
}

use kernel::primitives::{AtomicU32, Ordering};
use room::MakeRoom;
use thread::record::{Asked, Delivery, Floor, Record, RoomToEnter, Thread};
use thread::word::Word;

/// What one could get wrong, outside of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    None,
    /// The handler does nothing, and the thread relies on EINTR: the flag that everybody writes
    /// first.
    FlagAndEintr,
    /// The requester signals, then stores.
    SignalFirst,
    /// The handler looks at the word, then says that no signal is in flight any more.
    LooksFirst,
    /// The swaps of `in_flight` order nothing.
    RelaxedSwaps,
    /// The thread goes on to its next task while a signal is announced and not sent.
    GoesOn,
    /// A signal is given up for lost that was announced a moment ago.
    ForgetsAtOnce,
    /// The requester relies on what the thread says of its sleep, and does not ask the kernel whom it
    /// woke.
    Believes,
    /// The thread has its result, and does not look whether it was told as well.
    LooksAway,
    /// The signal waits for a hook, and no timer would send it.
    TrustsTheHook,
    /// The thread goes on to its next task while the signal of the last waits for a hook.
    LeavesTheHold,
}

/// A thread, with its share of the kernel.
struct Cpu {
    word: Word,
    in_flight: AtomicBool,
    /// As the block's.
    on_futex: AtomicBool,
    told_by_futex: AtomicBool,
    /// It has a hook.
    is_shown: AtomicBool,
    /// The signal that was announced waits for it.
    is_held: AtomicBool,
    /// And has for 10 ms.
    is_over: AtomicBool,
    /// The thread has been made to look at its queue. A thread that goes to sleep looks anyway.
    kicked: AtomicBool,
    queue: Mutex<Queue>,
    woken: Condvar,
    mistake: Mistake,
}

/// The kernel's queue of signals for one thread. Its lock is the edge from the requester to the
/// handler.
#[derive(Default)]
struct Queue {
    pending: bool,
    sent: u32,
    /// How many signals it will refuse.
    refusals: u32,
    /// The timer is set.
    timer: bool,
    /// The thread has ended, and its memory with it.
    gone: bool,
    /// What the thread waits for has happened.
    has_result: bool,
    /// On which of its two words it sleeps: those that were woken are off the list.
    on_own: bool,
    on_other: bool,
    /// It sleeps on both, or has not seen yet that it was woken.
    asleep: bool,
}

/// Why a sleep on two words has ended.
#[derive(Debug, PartialEq, Eq)]
enum Waited {
    /// It was cancelled, or not begun, for the thread is armed.
    Cancelled,
    /// The thread's own word was woken, and not the other.
    Own,
    /// The other was.
    Other,
}

impl Cpu {
    fn new(mistake: Mistake) -> Arc<Self> {
        Arc::new(Self {
            word: Word(AtomicU32::new(0)),
            in_flight: AtomicBool::new(false),
            on_futex: AtomicBool::new(false),
            told_by_futex: AtomicBool::new(false),
            is_shown: AtomicBool::new(false),
            is_held: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            kicked: AtomicBool::new(false),
            queue: Mutex::default(),
            woken: Condvar::new(),
            mistake,
        })
    }

    fn swap_in_flight(&self, to: bool) -> bool {
        let relaxed = self.mistake == Mistake::RelaxedSwaps;
        self.in_flight.swap(to, if relaxed { Ordering::Relaxed } else { Ordering::AcqRel })
    }

    /// As `signal::ours::send`.
    fn send(&self) -> io::Result<()> {
        let mut queue = self.queue.lock().unwrap();
        assert!(!queue.gone, "a signal for a thread that is gone");
        if queue.refusals > 0 {
            queue.refusals -= 1;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        queue.sent += 1;
        queue.pending = true;
        self.woken.notify_one();
        Ok(())
    }

    /// As `entry::signal::answer`: whether a call that stands in the window is cancelled.
    fn handler(&self) -> bool {
        if self.mistake == Mistake::LooksFirst {
            let armed = self.word.is_armed();
            self.swap_in_flight(false);
            return armed;
        }
        if self.is_early() {
            return false;
        }
        self.swap_in_flight(false);
        self.word.is_armed()
    }

    /// As `thread::hold::is_early`.
    fn is_early(&self) -> bool {
        let is_held = self.is_held.load(Ordering::Relaxed);
        let is_early = is_held && !self.is_over.load(Ordering::Relaxed);
        if is_held && !is_early {
            self.is_held.store(false, Ordering::Relaxed);
        }
        is_early
    }

    /// As `thread::hold::begin`.
    fn hold(&self) {
        self.is_held.store(true, Ordering::Relaxed);
        self.queue.lock().unwrap().timer = self.mistake != Mistake::TrustsTheHook;
    }

    /// As `thread::hold::give_up`.
    fn give_up_hold(&self) -> bool {
        let was_held = self.is_held.swap(false, Ordering::Relaxed);
        if was_held {
            self.queue.lock().unwrap().timer = false;
        }
        was_held
    }

    /// As `thread::hold::let_follow`.
    fn let_follow(&self) {
        if self.is_held.load(Ordering::Relaxed) {
            self.queue.lock().unwrap().timer = true;
            self.time_passes();
        }
    }

    /// The 10 ms are over. A timer that is not set yet has all its time left.
    fn time_passes(&self) {
        let mut queue = self.queue.lock().unwrap();
        if std::mem::take(&mut queue.timer) {
            self.is_over.store(true, Ordering::Relaxed);
            queue.sent += 1;
            queue.pending = true;
            self.woken.notify_one();
            self.kicked.store(true, Ordering::Relaxed);
        }
    }

    fn take_signal(&self) -> bool {
        std::mem::take(&mut self.queue.lock().unwrap().pending)
    }

    /// Between two instructions: whether the handler found the word armed.
    fn tick(&self) -> bool {
        self.kicked.load(Ordering::Relaxed) && self.take_signal() && self.handler()
    }

    /// The trampoline around a syscall that never has a result: returns when it is cancelled.
    fn sleep(&self) {
        if self.word.is_armed() {
            return;
        }
        if self.mistake == Mistake::FlagAndEintr {
            self.tick();
        }
        loop {
            let mut queue = self.queue.lock().unwrap();
            while !queue.pending {
                queue = self.woken.wait(queue).unwrap();
            }
            queue.pending = false;
            drop(queue);
            if self.handler() {
                return;
            }
            // The kernel restarts the call at the syscall instruction, which is after the test.
        }
    }

    /// The trampoline around `futex_waitv`, on the thread's own word and on another.
    fn sleep_on_two(&self) -> Waited {
        if self.word.is_armed() {
            return Waited::Cancelled;
        }
        loop {
            let mut queue = self.queue.lock().unwrap();
            if self.word.is_armed() {
                return Waited::Cancelled;
            }
            (queue.asleep, queue.on_own, queue.on_other) = (true, true, true);
            // The object's own word, which was changed and woken before.
            if queue.has_result {
                queue.on_other = false;
            }
            while queue.on_own && queue.on_other && !queue.pending {
                queue = self.woken.wait(queue).unwrap();
            }
            queue.asleep = false;
            // The last one counts, and a wake-up comes before a signal.
            match (queue.on_own, queue.on_other) {
                (_, false) => return Waited::Other,
                (false, true) => return Waited::Own,
                (true, true) => queue.pending = false,
            }
            drop(queue);
            if self.handler() {
                return Waited::Cancelled;
            }
        }
    }

    /// Whether the thread slept on its own word.
    fn wake_own(&self) -> bool {
        let mut queue = self.queue.lock().unwrap();
        let slept = queue.asleep && std::mem::replace(&mut queue.on_own, false);
        self.woken.notify_one();
        slept
    }

    /// What the thread waits for happens.
    fn bring_result(&self) {
        let mut queue = self.queue.lock().unwrap();
        queue.has_result = true;
        queue.on_other = false;
        self.woken.notify_one();
    }

    /// As `thread::block::Delivery::acknowledge_futex`.
    fn notice(&self) -> bool {
        let was_told = self.told_by_futex.swap(false, Ordering::AcqRel);
        if was_told {
            self.swap_in_flight(false);
        }
        was_told
    }

    /// The trampoline around a syscall that has its result at once: whether it is cancelled
    /// instead.
    fn cancels(&self) -> bool {
        if self.word.is_armed() {
            return true;
        }
        self.tick()
    }
}

impl Thread<Task> for Arc<Cpu> {
    fn word(&self) -> &Word {
        &self.word
    }

    /// As `thread::block::Delivery::announce`, and `send` below.
    fn announce(&self) -> bool {
        // With that mistake, `Target::ask` has sent it.
        self.mistake != Mistake::SignalFirst && !self.swap_in_flight(true)
    }

    fn send(&self) -> io::Result<()> {
        Cpu::send(self).inspect_err(|_| self.in_flight.store(false, Ordering::Release))
    }

    /// As `thread::block::Delivery::tell_by`.
    fn notify(&self) -> io::Result<()> {
        if self.is_shown.load(Ordering::Relaxed) {
            self.hold();
            return Ok(());
        }
        if !self.on_futex.load(Ordering::Relaxed) {
            return Thread::send(self);
        }
        self.told_by_futex.store(true, Ordering::Release);
        if self.wake_own() || self.mistake == Mistake::Believes {
            return Ok(());
        }
        self.told_by_futex.store(false, Ordering::Release);
        Thread::send(self)
    }

    /// Which task counts refusals is no part of the model: it is written under the lock, and read
    /// by the thread itself.
    fn point_at(&self, _cause: Option<&Task>) {}
}

/// A task, by name.
#[derive(Debug, PartialEq, Eq)]
struct Task(&'static str);

type TaskRecord = Record<Arc<Cpu>, Task>;

/// A thread and its record, as both sides see them.
#[derive(Clone)]
struct Target {
    cpu: Arc<Cpu>,
    record: Arc<TaskRecord>,
}

impl Target {
    fn new(mistake: Mistake) -> Self {
        let cpu = Cpu::new(mistake);
        Self { record: Arc::new(Record::new(cpu.clone())), cpu }
    }

    /// The requester's side of one request.
    fn ask(&self, task: &Arc<Task>) -> Delivery {
        self.notify(self.request(task))
    }

    fn request(&self, task: &Arc<Task>) -> Asked<'_, Arc<Cpu>, Task> {
        if self.cpu.mistake == Mistake::SignalFirst {
            self.cpu.send().unwrap();
        }
        self.record.request(task)
    }

    fn notify(&self, asked: Asked<'_, Arc<Cpu>, Task>) -> Delivery {
        let delivery = asked.notify();
        // On real machines, too, this comes some time after the signal was queued.
        self.cpu.kicked.store(true, Ordering::Relaxed);
        delivery
    }

    /// As `hook::list::Hooks::let_signal_follow`: its hook has returned.
    fn let_signal_follow(&self) {
        self.record.as_requester(|cpu| cpu.let_follow());
    }

    fn asked_by_another_thread(&self, task: &Arc<Task>) -> loom_thread::JoinHandle<Delivery> {
        let (target, task) = (self.clone(), task.clone());
        loom_thread::spawn(move || target.ask(&task))
    }

    fn enter(&self, task: &Arc<Task>) {
        self.enter_as(task, false, false);
    }

    /// As `thread::fork_gate::with_room`, with no gate.
    fn enter_as(&self, task: &Arc<Task>, pending: bool, root: bool) {
        let mut room = RoomToEnter::default();
        while self.record.enter(task, pending, root, &mut room).is_err() {
            room.make();
        }
    }

    /// The task at that place ends, and nothing is masked.
    fn leave(&self, place: usize) {
        let _task = self.record.leave(place, Floor(0));
    }

    /// A call of ours that blocks until it is interrupted: as `calls::complete`, with the task that
    /// raises.
    fn blocking_call(&self) -> Arc<Task> {
        loop {
            self.cpu.tick();
            self.cpu.sleep();
            if let Some(task) = self.record.outermost_cause(usize::MAX) {
                return task;
            }
        }
    }

    /// A wait of `sync`'s: as `entry::futex_wait::wait`, in a loop. The task that raises, or none if
    /// there is a result.
    fn wait_by_futex(&self) -> Option<Arc<Task>> {
        loop {
            self.cpu.tick();
            self.cpu.on_futex.store(true, Ordering::Relaxed);
            let waited = self.cpu.sleep_on_two();
            self.cpu.on_futex.store(false, Ordering::Relaxed);
            match waited {
                Waited::Other => {
                    let looks_away = self.cpu.mistake == Mistake::LooksAway;
                    if !looks_away && self.cpu.told_by_futex.load(Ordering::Relaxed) {
                        self.record.under_signal_lock(|| self.cpu.notice());
                    }
                    return None;
                }
                Waited::Own => assert!(self.cpu.notice(), "woken, and not told"),
                Waited::Cancelled => {}
            }
            if let Some(task) = self.record.outermost_cause(usize::MAX) {
                return Some(task);
            }
        }
    }

    /// As `after_change::sync_to_word`: an unarmed thread lets in what is on its way.
    fn rest(&self) {
        let awaits = || self.cpu.in_flight.load(Ordering::Relaxed) && !self.cpu.word.is_armed();
        if awaits() {
            self.let_in();
        }
        if awaits() && self.cpu.mistake != Mistake::GoesOn {
            self.record.under_signal_lock(|| {
                self.cpu.notice();
                if self.cpu.mistake != Mistake::LeavesTheHold && self.cpu.give_up_hold() {
                    self.cpu.swap_in_flight(false);
                }
            });
            self.let_in();
        }
    }

    /// As `unblocked::forget_lost_signal`.
    fn forget_lost_signal(&self) {
        let in_flight = &self.cpu.in_flight;
        if self.cpu.mistake == Mistake::ForgetsAtOnce {
            in_flight.store(false, Ordering::Relaxed);
        } else if in_flight.load(Ordering::Relaxed) {
            self.record.under_signal_lock(|| {
                self.let_in();
                in_flight.store(false, Ordering::Relaxed);
            });
        }
    }

    fn let_in(&self) {
        if self.cpu.take_signal() {
            self.cpu.handler();
        }
    }

    /// The end of a test: every signal is let in. Nothing is in flight, and the word says what the
    /// stack says.
    fn sync_to_word(&self) {
        self.let_in();
        assert!(!self.cpu.in_flight.load(Ordering::Relaxed), "a signal in flight that nobody sent");
        assert_eq!(self.cpu.word.is_armed(), self.record.outermost_cause(usize::MAX).is_some());
    }

    fn sent(&self) -> u32 {
        self.cpu.queue.lock().unwrap().sent
    }
}

/// A task with its requests, as `node::Node` keeps them.
struct Job {
    task: Arc<Task>,
    life: Mutex<Life>,
}

#[derive(Default)]
struct Life {
    running: bool,
    pending: u32,
}

impl Job {
    fn new() -> Arc<Self> {
        Arc::new(Self { task: Arc::new(Task("job")), life: Mutex::default() })
    }

    fn begin(&self, target: &Target) {
        let mut life = self.life.lock().unwrap();
        life.running = true;
        target.enter_as(&self.task, life.pending > 0, false);
    }

    fn ask(&self, target: &Target) {
        let mut life = self.life.lock().unwrap();
        life.pending += 1;
        if life.running {
            let asked = target.request(&self.task);
            drop(life);
            assert!(matches!(target.notify(asked), Delivery::Armed));
        }
    }

    fn take(&self, target: &Target) {
        let mut life = self.life.lock().unwrap();
        life.pending -= 1;
        if life.pending == 0 {
            target.record.clear(&self.task);
        }
    }

    fn asked_by_another_thread(self: &Arc<Self>, target: &Target) -> loom_thread::JoinHandle<()> {
        let (job, target) = (self.clone(), target.clone());
        loom_thread::spawn(move || job.ask(&target))
    }
}

/// Runs `body` in every interleaving of at most two preemptions; of more, where
/// `LOOM_MAX_PREEMPTIONS` says so.
fn check(body: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = model.preemption_bound.or(Some(2));
    model.check(body);
}

fn asked_at_any_time(mistake: Mistake) {
    check(move || {
        let target = Target::new(mistake);
        let task = Arc::new(Task("task"));
        target.enter(&task);
        let requester = target.asked_by_another_thread(&task);
        assert_eq!(target.blocking_call(), task);
        assert!(matches!(requester.join().unwrap(), Delivery::Armed));
        target.leave(0);
        target.sync_to_word();
    });
}

#[test]
fn a_request_wakes_a_call() {
    asked_at_any_time(Mistake::None);
}

#[test]
#[should_panic(expected = "deadlock")]
fn finds_the_flag_that_relies_on_eintr() {
    asked_at_any_time(Mistake::FlagAndEintr);
}

#[test]
#[should_panic(expected = "deadlock")]
fn finds_the_signal_before_the_store() {
    asked_at_any_time(Mistake::SignalFirst);
}

/// The inner task ends with a signal in flight, on which the request to the outer one then relies.
fn two_requesters_share_a_signal(mistake: Mistake) {
    check(move || {
        let target = Target::new(mistake);
        let [outer, inner] = ["outer", "inner"].map(|name| Arc::new(Task(name)));
        target.enter(&outer);
        target.enter(&inner);
        let requesters = [&inner, &outer].map(|task| target.asked_by_another_thread(task));
        target.cpu.tick();
        target.leave(1);
        assert_eq!(target.blocking_call(), outer);
        let [to_inner, to_outer] = requesters.map(|requester| requester.join().unwrap());
        assert!(matches!(to_inner, Delivery::Armed | Delivery::Absent));
        assert!(matches!(to_outer, Delivery::Armed));
        target.leave(0);
        target.sync_to_word();
    });
}

#[test]
fn one_signal_in_flight_is_enough() {
    two_requesters_share_a_signal(Mistake::None);
}

#[test]
#[should_panic(expected = "deadlock")]
fn finds_the_handler_that_looks_first() {
    two_requesters_share_a_signal(Mistake::LooksFirst);
}

#[test]
#[should_panic(expected = "deadlock")]
fn finds_swaps_that_order_nothing() {
    two_requesters_share_a_signal(Mistake::RelaxedSwaps);
}

#[test]
fn an_armed_thread_is_signalled_once() {
    check(|| {
        let target = Target::new(Mistake::None);
        let task = Arc::new(Task("task"));
        target.enter(&task);
        let requesters = [(); 2].map(|()| target.asked_by_another_thread(&task));
        assert_eq!(target.blocking_call(), task);
        for requester in requesters {
            assert!(matches!(requester.join().unwrap(), Delivery::Armed));
        }
        assert_eq!(target.sent(), 1);
        target.leave(0);
        target.sync_to_word();
    });
}

#[test]
fn a_request_before_the_start_is_raised_after_it() {
    check(|| {
        let target = Target::new(Mistake::None);
        let job = Job::new();
        let requester = job.asked_by_another_thread(&target);
        job.begin(&target);
        assert_eq!(target.blocking_call(), job.task);
        target.leave(0);
        requester.join().unwrap();
        target.sync_to_word();
    });
}

#[test]
fn each_request_is_raised_until_it_is_taken() {
    check(|| {
        let target = Target::new(Mistake::None);
        let job = Job::new();
        job.begin(&target);
        let requesters = [(); 2].map(|()| job.asked_by_another_thread(&target));
        for _ in &requesters {
            assert_eq!(target.blocking_call(), job.task);
            job.take(&target);
        }
        assert!(!target.cpu.cancels());
        for requester in requesters {
            requester.join().unwrap();
        }
        target.sync_to_word();
        target.leave(0);
    });
}

#[test]
fn a_mask_puts_a_request_off() {
    check(|| {
        let target = Target::new(Mistake::None);
        let task = Arc::new(Task("task"));
        target.enter(&task);
        let requester = target.asked_by_another_thread(&task);
        target.record.mask(Floor(1));
        assert!(!target.cpu.cancels());
        target.record.mask(Floor(0));
        assert_eq!(target.blocking_call(), task);
        assert!(matches!(requester.join().unwrap(), Delivery::Armed | Delivery::Masked));
        target.leave(0);
        target.sync_to_word();
    });
}

#[test]
fn a_strangers_job_inside_is_left_alone() {
    check(|| {
        let target = Target::new(Mistake::None);
        let [ours, strangers] = ["ours", "a stranger's"].map(|name| Arc::new(Task(name)));
        target.enter(&ours);
        let requester = target.asked_by_another_thread(&ours);
        target.enter_as(&strangers, false, true);
        assert!(!target.cpu.cancels());
        target.leave(1);
        assert_eq!(target.blocking_call(), ours);
        assert!(matches!(requester.join().unwrap(), Delivery::Armed | Delivery::Masked));
        target.leave(0);
        target.sync_to_word();
    });
}

fn asked_while_it_waits_by_futex(mistake: Mistake) {
    check(move || {
        let target = Target::new(mistake);
        let task = Arc::new(Task("task"));
        target.enter(&task);
        let requester = target.asked_by_another_thread(&task);
        assert_eq!(target.wait_by_futex(), Some(task));
        assert!(matches!(requester.join().unwrap(), Delivery::Armed));
        target.leave(0);
        target.sync_to_word();
    });
}

#[test]
fn a_request_wakes_a_wait_by_futex() {
    asked_while_it_waits_by_futex(Mistake::None);
}

#[test]
#[should_panic(expected = "a signal in flight that nobody sent")]
fn finds_the_requester_that_believes() {
    asked_while_it_waits_by_futex(Mistake::Believes);
}

/// The inner task ends while its requester tells it, and the outer one waits by futex.
#[test]
fn one_way_of_telling_does_not_stand_in_the_other_s() {
    check(|| {
        let target = Target::new(Mistake::None);
        let [outer, inner] = ["outer", "inner"].map(|name| Arc::new(Task(name)));
        target.enter(&outer);
        target.enter(&inner);
        let requesters = [&inner, &outer].map(|task| target.asked_by_another_thread(task));
        target.cpu.tick();
        target.leave(1);
        target.rest();
        assert_eq!(target.wait_by_futex(), Some(outer));
        requesters.into_iter().for_each(|requester| drop(requester.join().unwrap()));
        target.leave(0);
        target.sync_to_word();
    });
}

/// The result and the request come at once. The next request must find nothing in flight.
fn a_result_while_it_is_told(mistake: Mistake) {
    check(move || {
        let target = Target::new(mistake);
        let task = Arc::new(Task("task"));
        target.enter(&task);
        let requester = target.asked_by_another_thread(&task);
        let cpu = target.cpu.clone();
        let bringer = loom_thread::spawn(move || cpu.bring_result());
        if let Some(raised) = target.wait_by_futex() {
            assert_eq!(raised, task);
        }
        requester.join().unwrap();
        bringer.join().unwrap();
        target.let_in();
        assert!(!target.cpu.in_flight.load(Ordering::Relaxed), "told, and not noticed");
        target.leave(0);
        target.sync_to_word();
    });
}

#[test]
fn a_result_and_a_request_at_once_leave_nothing_behind() {
    a_result_while_it_is_told(Mistake::None);
}

#[test]
#[should_panic(expected = "told, and not noticed")]
fn finds_the_thread_that_looks_away() {
    a_result_while_it_is_told(Mistake::LooksAway);
}

fn the_next_task_sees_nothing(mistake: Mistake) {
    check(move || {
        let target = Target::new(mistake);
        let [first, next] = ["first", "next"].map(|name| Arc::new(Task(name)));
        target.enter(&first);
        let requester = target.asked_by_another_thread(&first);
        target.leave(0);
        target.rest();
        target.enter(&next);
        assert!(!target.cpu.cancels());
        target.leave(0);
        match requester.join().unwrap() {
            Delivery::Armed => assert_eq!(target.sent(), 1),
            Delivery::Absent => assert_eq!(target.sent(), 0),
            other => panic!("{other:?}"),
        }
        assert!(!target.cpu.take_signal(), "the signal came late");
        target.sync_to_word();
    });
}

#[test]
fn the_next_task_is_left_alone() {
    the_next_task_sees_nothing(Mistake::None);
}

#[test]
#[should_panic(expected = "the signal came late")]
fn finds_the_thread_that_goes_on() {
    the_next_task_sees_nothing(Mistake::GoesOn);
}

/// The helper thread signals a thread whose deadline has ended meanwhile, and which begins the next.
fn the_helpers_signal_comes_late(mistake: Mistake) {
    check(move || {
        let target = Target::new(mistake);
        let helper = target.clone();
        let helper = loom_thread::spawn(move || {
            helper.record.thread(|cpu| cpu.signal()).unwrap().unwrap();
        });
        target.forget_lost_signal();
        helper.join().unwrap();
        let is_pending = target.cpu.queue.lock().unwrap().pending;
        let is_in_flight = target.cpu.in_flight.load(Ordering::Relaxed);
        assert_eq!(is_pending, is_in_flight, "a signal on its way was forgotten");
        target.sync_to_word();
    });
}

#[test]
fn the_helpers_signal_is_not_forgotten() {
    the_helpers_signal_comes_late(Mistake::None);
}

#[test]
#[should_panic(expected = "a signal on its way was forgotten")]
fn finds_the_signal_that_is_forgotten() {
    the_helpers_signal_comes_late(Mistake::ForgetsAtOnce);
}

#[test]
fn a_thread_that_is_gone_is_not_signalled() {
    check(|| {
        let target = Target::new(Mistake::None);
        let task = Arc::new(Task("task"));
        target.enter(&task);
        let requester = target.asked_by_another_thread(&task);
        target.leave(0);
        target.record.close();
        target.cpu.queue.lock().unwrap().gone = true;
        assert!(matches!(requester.join().unwrap(), Delivery::Armed | Delivery::Absent));
        assert!(target.record.thread(|_| ()).is_none());
    });
}

#[test]
fn a_signal_that_could_not_be_sent_is_sent_by_the_next_request() {
    check(|| {
        let target = Target::new(Mistake::None);
        target.cpu.queue.lock().unwrap().refusals = 1;
        let task = Arc::new(Task("task"));
        target.enter(&task);
        let requesters = [(); 2].map(|()| target.asked_by_another_thread(&task));
        assert_eq!(target.blocking_call(), task);
        let undelivered = requesters
            .map(|requester| matches!(requester.join().unwrap(), Delivery::Undelivered(_)));
        assert_ne!(undelivered[0], undelivered[1]);
        assert_eq!(target.sent(), 1);
        target.leave(0);
        target.sync_to_word();
    });
}

/// A thread with a hook is asked, and the hook returns or does not, before the 10 ms are over or after.
fn asked_behind_a_hook(mistake: Mistake, returns: bool, another_signal: bool) {
    check(move || {
        let target = Target::new(mistake);
        let task = Arc::new(Task("task"));
        target.enter(&task);
        target.cpu.is_shown.store(true, Ordering::Relaxed);
        let (requesters, asked) = (target.clone(), task.clone());
        let requester = loom_thread::spawn(move || {
            assert!(matches!(requesters.ask(&asked), Delivery::Armed));
            if another_signal {
                // Nobody has announced it.
                requesters.cpu.send().unwrap();
            }
            if !returns {
                return requesters.cpu.time_passes();
            }
            requesters.let_signal_follow();
        });
        let cpu = target.cpu.clone();
        let clock =
            (returns && !another_signal).then(|| loom_thread::spawn(move || cpu.time_passes()));
        assert_eq!(target.blocking_call(), task);
        requester.join().unwrap();
        clock.into_iter().for_each(|clock| clock.join().unwrap());
        target.leave(0);
        target.sync_to_word();
    });
}

#[test]
fn the_signal_follows_the_hook() {
    asked_behind_a_hook(Mistake::None, true, false);
}

#[test]
fn the_signal_comes_though_the_hook_hangs() {
    asked_behind_a_hook(Mistake::None, false, false);
}

#[test]
fn another_signal_does_not_take_its_place() {
    asked_behind_a_hook(Mistake::None, true, true);
}

#[test]
#[should_panic(expected = "deadlock")]
fn finds_the_requester_that_trusts_the_hook() {
    asked_behind_a_hook(Mistake::TrustsTheHook, false, false);
}

/// The task ends while its signal waits for a hook.
fn the_next_task_after_a_hook(mistake: Mistake) {
    check(move || {
        let target = Target::new(mistake);
        let [first, next] = ["first", "next"].map(|name| Arc::new(Task(name)));
        target.enter(&first);
        target.cpu.is_shown.store(true, Ordering::Relaxed);
        let (requesters, asked) = (target.clone(), first.clone());
        let requester = loom_thread::spawn(move || {
            let _ = requesters.ask(&asked);
            requesters.let_signal_follow();
        });
        target.leave(0);
        target.rest();
        target.enter(&next);
        let before = target.sent();
        assert!(!target.cpu.cancels());
        target.leave(0);
        requester.join().unwrap();
        assert_eq!(target.sent(), before, "the signal came late");
        target.sync_to_word();
    });
}

#[test]
fn the_next_task_is_left_alone_by_what_waits_for_a_hook() {
    the_next_task_after_a_hook(Mistake::None);
}

#[test]
#[should_panic(expected = "the signal came late")]
fn finds_the_thread_that_leaves_the_hold() {
    the_next_task_after_a_hook(Mistake::LeavesTheHold);
}
