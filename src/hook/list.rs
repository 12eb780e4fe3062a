//! The hooks of one thread, and when they are run.
//!
//! A thread that waits for another in some primitive of its own (a channel, a condition variable, a
//! database, an event loop) is woken by neither signal nor refusal: reach leaves such waits alone
//! on purpose. But whoever made the primitive has a way to wake it. The hook is that way, and this
//! is who runs it.
//!
//! # Once per arming
//!
//! A thread becomes armed on an edge of its word, and each edge has a maker: a requester, the thread
//! itself (a mask ends, a task begins that was asked before), or the handler at a deadline. Edges
//! are counted in the thread's block. A hook remembers the number of the edge that it was last run
//! for, and is due while that is another. Whoever makes an edge counts it, and then has the hooks looked at,
//! under their lock: a requester by itself, the thread after its change, the handler by handing the thread to
//! the hook threads, which exist only where a hook and a deadline have met. So of two that come together
//! one runs the hook, and nobody relies on another's having seen what is not visible yet.
//!
//! A thread that ends what has armed it (a task, a deadline, a hook's body) runs the hooks that are due
//! before: it may be quicker than whoever has made the edge. An edge that comes in between is found
//! after that.
//!
//! A hook that is registered while the thread is armed is due at once. It may be that a requester did
//! not see it: then the requester was through with the record's lock before the hook's thread took it,
//! after registering, and so that thread sees that it is armed.
//!
//! # Before the signal
//!
//! The signal of a thread that has hooks waits for them (`thread/hold.rs`). Whoever has looked at the hooks of another
//! thread, and finds that none is due and none runs, has it follow.
//!
//! # Nobody waits behind another's
//!
//! A requester of several threads has asked all of them before it runs any hook, so those without hooks have been
//! signalled. The others' it runs one by one, and the hook threads do so from the other end. Of these there is
//! always one that is idle, if threads are to be had.
//!
//! # Masks
//!
//! Hooks outside of a mask, or of a root task, are masked as the causes outside of it are: what
//! runs inside is none of their business. At its end they are looked at again. If the thread was
//! armed before the mask and is after, that is one arming to them: else every cleanup of an
//! interrupted thread would have them run again.
//!
//! # No lock, no deadlock of ours
//!
//! A hook runs with no lock of ours held. It runs under a [mask](crate::mask()) of whoever runs it,
//! since a requester that is interrupted itself must not fail to wake another. It is marked as running
//! meanwhile, so that its end waits for it, and so does the end of the stretch that was interrupted
//! (the thread goes on unarmed): a wake-up must not come to what follows (P6). A thread that is
//! running a hook itself does not wait for its own: two that interrupt each other would both do so.
//!
//! # A panic
//!
//! It is not the requester's, who may be a stranger, and must not be lost: a hook that has panicked may
//! not have woken anybody. So it is caught, and goes on where the hook was given: at the end of
//! [`with_hook`](crate::with_hook), as a panic of a scope's thread does at the scope's end. The hook is not run
//! again. (Rejected: a field of the report, which nobody looks at whose program hangs; printing,
//! which is the panic hook's, and has been done by then.)

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::masked::Masked;
use super::thread;
use super::thread::{Hook, HookedThread};
use crate::interrupted::{Interrupted, Reason};
use crate::kernel::clock::Moment;
use crate::kernel::futex;
use crate::rest;
use crate::room::{Full, Room};
use crate::task::node::{self, Armed};
use crate::thread::hook_queue::{self, Queued};
use crate::thread::stretches::{self, Ended, Stretch};
use crate::thread::target::ThreadRecord;
use crate::thread::{block, fork_gate, hold, number};

/// The hooks of one thread.
#[repr(C)]
pub(crate) struct Hooks {
    /// Its place in what there is for the hook threads: at the beginning, by which it is known there.
    queued: Queued,
    /// Of their thread, to whom the signal is to follow.
    record: Arc<ThreadRecord>,
    stack: Mutex<Stack>,
    /// Of the process that they belong to.
    generation: AtomicU32,
    /// Counts the hooks that have returned; a futex.
    returns: AtomicU32,
}

struct Stack {
    /// Valid while there is a hook, which is while its thread is inside of `with_hook`.
    thread: HookedThread,
    /// Innermost last.
    hooks: Vec<Registration>,
    /// Those below this index are masked.
    floor: usize,
    last_id: u64,
    /// Why a hook thread is to run them, if not for a deadline.
    handed_out_for: Option<Interrupted>,
}

struct Registration {
    id: u64,
    hook: Hook,
    /// The number of the arming that it was run for, or that it has nothing to do with.
    told: u32,
    /// The number of the thread that runs it.
    runner: Option<u64>,
    panicked: Option<Panicked>,
    /// It is ending, and is not run any more.
    is_over: bool,
}

/// A payload; none if a fork has lost it, with the thread that was running the hook.
type Panicked = Option<Box<dyn Any + Send>>;

/// A hook that is to be run.
struct Call {
    id: u64,
    hook: Hook,
}

/// What was in force before a mask.
#[derive(Debug)]
#[must_use]
pub(crate) struct MaskedHooks {
    /// The arming that stood.
    arming: Option<u32>,
    taken_elsewhere: u32,
}

impl Hooks {
    pub(crate) fn new(thread: HookedThread, record: Arc<ThreadRecord>) -> Self {
        let hooks = Vec::new();
        let stack = Stack { thread, hooks, floor: 0, last_id: 0, handed_out_for: None };
        Self {
            record,
            stack: Mutex::new(stack),
            generation: AtomicU32::new(fork_gate::generation()),
            returns: AtomicU32::new(0),
            queued: Queued::new(thread::retain),
        }
    }

    /// Under the gate, so that no fork sees it locked. Not for a process that it does not belong
    /// to. What is to be dropped is handed out.
    fn locked<T>(&self, f: impl FnOnce(&mut Stack) -> T) -> Option<T> {
        let _gate = fork_gate::gate();
        self.is_native().then(|| f(&mut self.stack()))
    }

    fn is_native(&self) -> bool {
        self.generation.load(Ordering::Relaxed) == fork_gate::generation()
    }

    fn stack(&self) -> MutexGuard<'_, Stack> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a hook; its number.
    fn add(&self, hook: Hook) -> Option<u64> {
        fork_gate::with_room(|_, room| {
            if !self.is_native() {
                return Ok(None);
            }
            let mut stack = self.stack();
            let arming = self.arming(&stack);
            stack.add(hook, arming, room).map(Some)
        })
    }

    /// The last arming, and whether it stands. A requester sets the word and then counts, under the record's lock.
    fn arming(&self, stack: &Stack) -> (u32, bool) {
        let arming = self.record.thread(|_| stack.thread.arming());
        arming.unwrap_or_else(|| stack.thread.arming())
    }

    /// Runs those that are due, and tells them why. To be called with no lock of ours held.
    fn run_due(&self, cause: impl Fn() -> Interrupted) {
        while let Some(Call { id, hook }) = self.locked(Stack::next_due).flatten() {
            let cause = cause();
            let running = thread::Running::begin();
            let mut panicked = run_masked(|| hook.run(&cause)).err().map(Some);
            drop(running);
            self.locked(|stack| {
                if let Some(registration) = stack.hooks.iter_mut().find(|hook| hook.id == id) {
                    registration.runner = None;
                    std::mem::swap(&mut registration.panicked, &mut panicked);
                }
            });
            self.returns.fetch_add(1, Ordering::Relaxed);
            futex::wake_all(&self.returns);
        }
    }

    /// Runs those that are due, and has the signal follow that waits for them. For another thread than theirs, with no
    /// lock of ours held.
    fn run_for_other(&self, cause: &Interrupted) {
        self.run_due(|| cause.clone());
        self.let_signal_follow();
    }

    /// The same by a hook thread.
    pub(super) fn run_handed_out(&self) {
        let cause = self.locked(|stack| stack.handed_out_for.take()).flatten();
        self.run_for_other(&cause.unwrap_or_else(|| Interrupted::new(Reason::Deadline)));
    }

    /// Lets a hook thread run those that are due, if there is one to be had.
    fn hand_out(&self, cause: &Interrupted) {
        if thread::start().is_ok() {
            self.locked(|stack| {
                stack.handed_out_for.get_or_insert_with(|| cause.clone());
            });
            hook_queue::enqueue(&self.queued);
        }
    }

    /// If none of them is due, or runs. (Whoever runs one comes here after. The signal lock keeps others from holding back
    /// the next signal meanwhile.)
    fn let_signal_follow(&self) {
        let _gate = fork_gate::gate();
        if self.is_native() {
            self.record.as_requester(|thread| {
                if thread.block().delivery.is_held() && self.stack().is_idle() {
                    hold::let_follow(thread.block());
                }
            });
        }
    }

    /// Waits until `is_done`, which is asked again whenever a hook has returned.
    fn wait_until(&self, is_done: impl Fn(&mut Stack) -> bool) {
        loop {
            let seen = self.returns.load(Ordering::Relaxed);
            if self.locked(&is_done).unwrap_or(true) {
                return;
            }
            futex::wait(&self.returns, seen, Moment::NEVER);
        }
    }

    /// Takes off the hook that has ended on its thread, which is this one.
    fn remove(&self, ended: Ended) -> Option<(Registration, bool)> {
        let floor = stretches::hidden_hooks();
        self.locked(|stack| stack.remove(ended.place(), floor)).flatten()
    }

    /// The thread ends. There are hooks left if what ended it did not unwind: they are gone with
    /// its stack.
    pub(crate) fn end(&self) {
        self.wait_until(Stack::is_at_rest);
        // Their panics are of no use any more, and are dropped where no lock is held.
        let _left = self.locked(|stack| std::mem::take(&mut stack.hooks));
    }

    /// In the child of a fork, on the thread whose hooks these are. What another thread was running
    /// is left in the middle. Allocates nothing and frees nothing.
    pub(crate) fn adopt(&self) {
        self.generation.store(fork_gate::generation(), Ordering::Relaxed);
        self.queued.forget();
        let mut stack = self.stack();
        std::mem::forget(stack.handed_out_for.take());
        let (arming, is_armed) = stack.thread.arming();
        for hook in &mut stack.hooks {
            if !is_armed {
                // Its requester is not here.
                hook.told = arming;
            }
            if hook.runner.is_some_and(|runner| runner != number::number()) {
                hook.runner = None;
                hook.panicked = Some(None);
            }
        }
    }
}

impl Stack {
    fn add(
        &mut self,
        hook: Hook,
        (arming, is_armed): (u32, bool),
        room: &mut Room<Vec<Registration>>,
    ) -> Result<u64, Full> {
        room.for_one_more(&mut self.hooks)?;
        self.last_id += 1;
        let id = self.last_id;
        // It is due at once if the thread is armed.
        let told = arming.wrapping_sub(u32::from(is_armed));
        self.hooks.push(Registration {
            id,
            hook,
            told,
            runner: None,
            panicked: None,
            is_over: false,
        });
        self.thread.set_shown(true);
        Ok(id)
    }

    /// The innermost hook that is due, which is marked as running here.
    fn next_due(&mut self) -> Option<Call> {
        let index = self.find_due()?;
        let due = &mut self.hooks[index];
        due.told = self.thread.armings();
        due.runner = Some(number::number());
        Some(Call { id: due.id, hook: due.hook })
    }

    fn find_due(&self) -> Option<usize> {
        let is_due = |hook: &Registration| {
            let may_run = hook.runner.is_none() && hook.panicked.is_none() && !hook.is_over;
            may_run && hook.told != self.thread.armings()
        };
        (self.floor..self.hooks.len()).rfind(|index| is_due(&self.hooks[*index]))
    }

    /// Whether none is due, or runs.
    fn is_idle(&self) -> bool {
        self.find_due().is_none() && self.hooks.iter().all(|hook| hook.runner.is_none())
    }

    /// So many are masked, of those that there are.
    fn mask_below(&mut self, floor: usize) {
        self.floor = floor;
        self.thread.set_shown(floor < self.hooks.len());
    }

    /// So many are masked, and perhaps fewer than before. What is over by now was not for those that come to light.
    /// Nor is it another arming to them if the one that stood when they were masked still stands.
    fn unmask_above(&mut self, floor: usize, still_stands: Option<u32>) {
        let before = self.floor;
        self.mask_below(floor);
        let (arming, is_armed) = self.thread.arming();
        for hook in self.hooks.iter_mut().take(before).skip(floor) {
            if !is_armed || still_stands == Some(hook.told) {
                hook.told = arming;
            }
        }
    }

    /// Takes off a hook of the thread's own, and masks so many of those that are left; whether there
    /// are any.
    fn remove(&mut self, index: usize, floor: usize) -> Option<(Registration, bool)> {
        let registration = (index < self.hooks.len()).then(|| self.hooks.remove(index));
        self.mask_below(floor);
        Some((registration?, !self.hooks.is_empty()))
    }

    /// A hook is not run any more from here on, if none is due.
    fn retire(&mut self, id: u64) -> bool {
        let may_end = self.find_due().is_none();
        if let Some(hook) = self.hooks.iter_mut().find(|hook| may_end && hook.id == id) {
            hook.is_over = true;
        }
        may_end
    }

    /// Whether no other thread runs a hook.
    fn is_at_rest(&mut self) -> bool {
        let here = number::number();
        self.hooks.iter().all(|hook| hook.runner.is_none_or(|runner| runner == here))
    }
}

/// A hook that is registered.
pub(crate) struct Registered {
    hooks: Arc<Hooks>,
    /// Its number. None once it has been taken off again.
    hook: Option<(u64, Stretch)>,
}

impl Registered {
    /// Fails where a hook thread is needed that cannot be had: then it has not begun.
    #[inline(never)] // See `stretches`.
    pub(crate) fn begin(hook: &mut (dyn FnMut(&Interrupted) + Send)) -> io::Result<Self> {
        let hooks = thread::register();
        let hook = hooks.add(Hook::new(hook)).map(|id| (id, stretches::begin_hook()));
        thread::set_hooked(true);
        let registered = Self { hooks, hook };
        thread::meet_deadline()?;
        // This takes the record's lock in any case.
        run_due_here(&registered.hooks);
        Ok(registered)
    }

    /// Takes it off again, once it is not running; what it panicked with.
    pub(crate) fn end(mut self) -> Option<Box<dyn Any + Send>> {
        self.remove().flatten()
    }

    /// Runs it if it is due, waits until it is not running, and from then on it is not run any more: under one
    /// lock, or a requester that came between would run what is gone.
    fn retire(&self) {
        let Some((id, _)) = self.hook else { return };
        let mut is_over = false;
        while !is_over {
            run_due_here(&self.hooks);
            let over = Cell::new(true);
            self.hooks.wait_until(|stack| {
                let is_at_rest = stack.is_at_rest();
                if is_at_rest {
                    over.set(stack.retire(id));
                }
                is_at_rest
            });
            is_over = over.get();
        }
    }

    #[inline(never)] // See `stretches`.
    fn remove(&mut self) -> Option<Panicked> {
        self.retire();
        let (_, stretch) = self.hook.take()?;
        let Some(ended) = stretches::end(stretch) else {
            // Its place is left, for its own thread to take away.
            stretches::tell_of_stray("a hook");
            return None;
        };
        let (registration, any) = self.hooks.remove(ended)?;
        thread::set_hooked(any);
        if block::with(|block| block.delivery.is_held()) {
            self.hooks.let_signal_follow();
        }
        rest::block_again(ended.unblocked());
        registration.panicked
    }
}

impl Drop for Registered {
    /// If the body has panicked, it is that panic which goes on. The hook's is not even dropped: a
    /// payload whose destructor panics would end the process here.
    fn drop(&mut self) {
        std::mem::forget(self.remove());
    }
}

/// Dispatch, the timer and the hooks of this thread follow, after it changed its own stack. With no lock
/// of ours held. (All but what [`sync_to_word`](crate::after_change::sync_to_word) does in the child of a fork.)
pub(crate) fn sync_to_word() {
    rest::sync_signals_to_word();
    if let Some(hooks) = thread::own() {
        sync_hooks_to_word(&hooks);
    }
}

/// Runs what is the program's, with the causes outside of it masked; what it has panicked with. With no lock of ours held.
pub(crate) fn run_masked(run: impl FnOnce()) -> std::thread::Result<()> {
    let mut masked = Masked::begin();
    sync_to_word();
    let outcome = catch_unwind(AssertUnwindSafe(run));
    // What has gone on elsewhere, on a coroutine, is found out here.
    let ended = catch_unwind(AssertUnwindSafe(|| masked.end()));
    if let Ok(true) = ended {
        sync_to_word();
    }
    outcome.and(ended.map(drop))
}

/// To be called after this thread, which has hooks, changed its own stack: those that are due are
/// run, and those that somebody else runs are waited for if the thread is not armed any more.
fn sync_hooks_to_word(hooks: &Hooks) {
    run_due_here(hooks);
    if !block::is_armed() && !thread::Running::is_any_here() {
        hooks.wait_until(|stack| stack.is_at_rest() || block::is_armed());
    }
}

/// Runs those of this thread's that are due. Takes the record's lock in any case.
fn run_due_here(hooks: &Hooks) {
    let _seen = node::cause();
    // Asked once one is due: a deadline may have passed since. What a requester has armed it by may be over before
    // that one comes to tell the hooks.
    let cause = || node::cause().unwrap_or_else(|| Interrupted::new(Reason::Requested));
    hooks.run_due(cause);
}

/// To be called before this thread ends what may arm it: hooks that are due hear what it is.
pub(crate) fn run_before_end() {
    if block::is_armed() {
        if let Some(hooks) = thread::own() {
            run_due_here(&hooks);
        }
    }
}

/// Hides the hooks that this thread has. Before the causes are masked.
pub(crate) fn mask() -> Option<MaskedHooks> {
    let hooks = thread::own()?;
    hooks.locked(|stack| {
        stack.mask_below(stack.hooks.len());
        let (arming, is_armed) = hooks.arming(stack);
        let arming = is_armed.then_some(arming);
        MaskedHooks { arming, taken_elsewhere: block::with(|block| block.hooked.taken_elsewhere()) }
    })
}

/// Ends the hiding. After the causes have come to light. To be followed by a
/// [`sync_to_word`].
pub(crate) fn unmask(masked: Option<MaskedHooks>) {
    let (Some(masked), Some(hooks)) = (masked, thread::own()) else { return };
    let floor = stretches::hidden_hooks();
    hooks.locked(|stack| {
        let taken_elsewhere = block::with(|block| block.hooked.taken_elsewhere());
        let goes_on = taken_elsewhere == masked.taken_elsewhere;
        stack.unmask_above(floor, masked.arming.filter(|_| goes_on));
    });
}

/// Something that has ended on another thread is off this one's list: a hook, or what has masked
/// some.
pub(crate) fn forget_stray(ended: Ended) {
    let Some(hooks) = thread::own() else { return };
    if !ended.was_hook() {
        let floor = stretches::hidden_hooks();
        hooks.locked(|stack| stack.unmask_above(floor, None));
    } else if let Some((registration, any)) = hooks.remove(ended) {
        thread::set_hooked(any);
        // As where the body has panicked.
        std::mem::forget(registration.panicked);
    }
}

/// Runs the hooks of those threads, for a requester that holds no lock of ours. Where several threads have any, hook threads help:
/// nobody waits behind another's that is slow.
pub(crate) fn run_due(armed: &Armed, cause: &Interrupted) {
    let hooks = |record: &Arc<ThreadRecord>| {
        let gate = fork_gate::gate();
        let hooks = record.thread(|thread| thread::of(thread.block())).flatten();
        drop(gate);
        hooks
    };
    // Before the first is run, which may be slow: the threads may end meanwhile.
    let all: Vec<_> = armed.threads().iter().filter_map(hooks).collect();
    let is_due =
        |hooks: &&Arc<Hooks>| hooks.locked(|stack| stack.find_due().is_some()) == Some(true);
    all.iter().filter(is_due).skip(1).for_each(|hooks| hooks.hand_out(cause));
    all.iter().for_each(|hooks| hooks.run_for_other(cause));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A requester that comes when its end has found it at rest.
    #[test]
    fn a_hook_that_ends_is_not_run() {
        let (task, interrupter) = crate::task();
        let mut runs = 0;
        task.run(|| {
            let mut hook = |_: &Interrupted| runs += 1;
            let registered = Registered::begin(&mut hook).unwrap();
            registered.retire();
            interrupter.interrupt();
            assert!(registered.end().is_none());
        });
        assert_eq!(runs, 0);
    }
}
