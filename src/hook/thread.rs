//! What hooks need of the machine room: closures that other threads call, a thread's place for its
//! hooks, and the hook thread that runs them at deadlines.
//!
//! A deadline is noticed by a handler, which runs nothing of the user's. It puts its thread's hooks
//! on a list and wakes the hook thread. The list is a stack of what is linked through itself, and
//! the hook thread takes it as a whole, so the handler needs a swap and nothing else: no lock, no
//! allocation. That thread is started where a hook and a deadline first meet.
//!
//! # Safety
//!
//! A [`Hook`] is a closure on the stack of `with_hook`. It is called between its registration and
//! its removal only, which waits for a call that is under way, and by one thread at a time: both by
//! the marks that are kept under the hooks' lock. A [`HookedThread`] points to the block of a
//! thread inside of `with_hook`; it is used under that lock, while a hook is registered. The block
//! owns one count of its thread's hooks, and what is on the list owns one.

#![allow(unsafe_code)]

use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32};

use super::Hooks;
use crate::interrupted::{Interrupted, Reason};
use crate::kernel::clock::Moment;
use crate::kernel::{futex, helper_thread};
use crate::thread::block::{self, Block};
use crate::thread::{fork_gate, target};

/// A hook of the user's, borrowed from `with_hook`.
#[derive(Clone, Copy)]
pub(crate) struct Hook(NonNull<dyn FnMut(&Interrupted) + Send>);

// SAFETY: the closure is `Send`, and is called by one thread at a time.
unsafe impl Send for Hook {}

impl Hook {
    /// The caller keeps to the module's rules: it is `with_hook`.
    pub(crate) fn new<'a>(hook: &'a mut (dyn FnMut(&Interrupted) + Send + 'a)) -> Self {
        let hook: NonNull<dyn FnMut(&Interrupted) + Send + 'a> = NonNull::from(hook);
        // SAFETY: only the lifetime differs, for which the module's rules stand in.
        Self(unsafe {
            std::mem::transmute::<NonNull<_>, NonNull<dyn FnMut(&Interrupted) + Send>>(hook)
        })
    }

    /// By whoever has marked it as running.
    pub(crate) fn run(mut self, cause: &Interrupted) {
        // SAFETY: it is registered, and its removal waits for the mark to go, which nobody else can
        // set meanwhile.
        unsafe { self.0.as_mut()(cause) }
    }
}

/// A thread inside of `with_hook`.
pub(crate) struct HookedThread(NonNull<Block>);

// SAFETY: a block is made of atomics; for its being there see the module.
unsafe impl Send for HookedThread {}

impl HookedThread {
    pub(crate) fn is_armed(&self) -> bool {
        self.block().word.is_armed()
    }

    /// The number of the last arming.
    pub(crate) fn armings(&self) -> u32 {
        self.block().hooked.armings()
    }

    fn block(&self) -> &Block {
        // SAFETY: the hooks' lock is held and there is a hook, so the thread is inside of
        // `with_hook`.
        unsafe { self.0.as_ref() }
    }
}

/// A hook runs on this thread.
pub(crate) struct Running(());

impl Running {
    pub(crate) fn begin() -> Self {
        block::with(|block| block.running_hooks.fetch_add(1, Relaxed));
        Self(())
    }

    pub(crate) fn is_any_here() -> bool {
        block::with(|block| block.running_hooks.load(Relaxed) != 0)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        block::with(|block| block.running_hooks.fetch_sub(1, Relaxed));
    }
}

static IN_USE: AtomicBool = AtomicBool::new(false);

/// Whether any thread has ever had a hook.
pub(crate) fn in_use() -> bool {
    IN_USE.load(Relaxed)
}

/// The calling thread's hooks, which are made if there are none yet. The thread has a record then.
pub(crate) fn register() -> Arc<Hooks> {
    IN_USE.store(true, Relaxed);
    target::register();
    block::with(|block| {
        of(block).unwrap_or_else(|| {
            let hooks = Arc::new(Hooks::new(HookedThread(NonNull::from(block))));
            block.hooked.hooks.store(Arc::into_raw(hooks.clone()).cast_mut(), Release);
            hooks
        })
    })
}

/// Those of a thread that is there, or is kept from going.
pub(crate) fn of(block: &Block) -> Option<Arc<Hooks>> {
    let hooks = NonNull::new(block.hooked.hooks.load(Acquire))?;
    // SAFETY: the pointer came from `Arc::into_raw` in `register`, and the block owns one count as
    // long as its thread is there.
    unsafe {
        Arc::increment_strong_count(hooks.as_ptr());
        Some(Arc::from_raw(hooks.as_ptr()))
    }
}

/// The calling thread's, if it is inside of `with_hook`.
pub(crate) fn own() -> Option<Arc<Hooks>> {
    block::with(|block| block.hooked.is_inside.load(Relaxed).then(|| of(block)).flatten())
}

/// Whether the calling thread is inside of `with_hook`.
pub(crate) fn set_hooked(hooked: bool) {
    block::with(|block| block.hooked.is_inside.store(hooked, Relaxed));
}

/// The thread ends; its record is closed.
pub(crate) fn end(block: &Block) {
    block.hooked.is_inside.store(false, Relaxed);
    if let Some(hooks) = NonNull::new(block.hooked.hooks.swap(ptr::null_mut(), AcqRel)) {
        // SAFETY: the count that `register` gave to the block.
        let hooks = unsafe { Arc::from_raw(hooks.as_ptr()) };
        hooks.end();
    }
}

/// The thread of that block has become armed, at a deadline: the hook thread is to look. For its
/// handler. Async-signal-safe.
pub(crate) fn deadline_passed(block: &Block) {
    if block.hooked.recounting.load(Relaxed) {
        return;
    }
    block.hooked.count_arming();
    if block.hooked.is_inside.load(Relaxed) {
        enqueue(block.hooked.hooks.load(Relaxed));
    }
}

/// A deadline has begun on this thread, which has a hook; or a hook, and there may be a deadline.
pub(crate) fn meet_deadline() {
    let any = block::with(|block| block.deadlines.earliest.get() != Moment::NEVER);
    if any {
        start();
    }
}

/// Hooks that the hook thread is to look at, the last one first.
static LIST: AtomicPtr<Hooks> = AtomicPtr::new(ptr::null_mut());
/// Counts what was put on the list; a futex.
static ADDITIONS: AtomicU32 = AtomicU32::new(0);
/// The generation of processes that the hook thread is of, plus one.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// A place on the list.
pub(crate) struct Queued {
    is_there: AtomicBool,
    next: AtomicPtr<Hooks>,
}

impl Queued {
    pub(crate) const fn new() -> Self {
        Self { is_there: AtomicBool::new(false), next: AtomicPtr::new(ptr::null_mut()) }
    }

    /// In the child of a fork, where nobody takes anything off the list yet.
    pub(crate) fn forget(&self) {
        LIST.store(ptr::null_mut(), Relaxed);
        self.is_there.store(false, Relaxed);
    }
}

/// Puts a thread's hooks on the list. Async-signal-safe.
fn enqueue(hooks: *mut Hooks) {
    // SAFETY: the handler's own thread's, which is there.
    let Some(queued) = (unsafe { hooks.as_ref() }).map(|hooks| &hooks.queued) else { return };
    // If it is on the list still, it has not been looked at yet, and will be after this.
    if !queued.is_there.swap(true, AcqRel) {
        // SAFETY: from `Arc::into_raw`; the count is the list's.
        unsafe { Arc::increment_strong_count(hooks) };
        let mut first = LIST.load(Relaxed);
        loop {
            queued.next.store(first, Relaxed);
            match LIST.compare_exchange_weak(first, hooks, Release, Relaxed) {
                Ok(_) => break,
                Err(now) => first = now,
            }
        }
    }
    ADDITIONS.fetch_add(1, Release);
    futex::wake_all(&ADDITIONS);
}

/// Starts the hook thread, if there is none.
fn start() {
    let generation = fork_gate::generation() + 1;
    if STARTED.load(Relaxed) == generation || STARTED.swap(generation, Relaxed) == generation {
        return;
    }
    if helper_thread::start("eintr-hooks", run).is_err() {
        // The next deadline tries again.
        STARTED.store(0, Relaxed);
    }
}

fn run() {
    let cause = Interrupted::new(Reason::Deadline);
    loop {
        let seen = ADDITIONS.load(Acquire);
        let mut next = LIST.swap(ptr::null_mut(), Acquire);
        if next.is_null() {
            futex::wait(&ADDITIONS, seen, Moment::NEVER);
        }
        while let Some(hooks) = NonNull::new(next) {
            // SAFETY: the count that `enqueue` gave to the list.
            let hooks = unsafe { Arc::from_raw(hooks.as_ptr()) };
            next = hooks.queued.next.load(Relaxed);
            // Before they are looked at: a handler that comes after puts them on the list again.
            hooks.queued.is_there.store(false, Release);
            hooks.run_due(&cause);
        }
    }
}
