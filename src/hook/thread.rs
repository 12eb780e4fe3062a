//! Closures that other threads call, a thread's place for its hooks, and the hook threads, which run them at
//! deadlines, and beside a requester of many.
//!
//! The first hook thread is started where a hook and a deadline first meet; what it is to look at comes by
//! `thread/hook_queue.rs`. One that has something to run starts the next, if no other is idle.
//!
//! # Safety
//!
//! A [`Hook`] is a closure on the stack of `with_hook`. It is called between its registration and
//! its removal only, which waits for a call that is under way, and by one thread at a time: both by
//! the marks that are kept under the hooks' lock. A [`HookedThread`] points to the block of a
//! thread inside of `with_hook`; it is used under that lock, while a hook is registered. The block
//! owns one count of its thread's hooks, and what is on the list owns one.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::io;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::list::Hooks;
use crate::interrupted::Interrupted;
use crate::kernel::clock::Moment;
use crate::thread::block::{self, Block};
use crate::thread::hook_queue::{self, Queued};
use crate::thread::{fork_gate, helper_thread, number, registry};

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
    /// The number of the last arming.
    pub(crate) fn armings(&self) -> u32 {
        self.block().hooked.armings()
    }

    /// The same, and whether it stands. A handler may come between, and make the next.
    pub(crate) fn arming(&self) -> (u32, bool) {
        loop {
            let arming = (self.armings(), self.block().word.is_armed());
            if self.armings() == arming.0 {
                return arming;
            }
        }
    }

    /// Whether there is a hook that is not hidden. For its own thread.
    pub(crate) fn set_shown(&self, shown: bool) {
        self.block().hooked.is_unmasked.store(shown, Release);
    }

    fn block(&self) -> &Block {
        // SAFETY: the hooks' lock is held and there is a hook, so the thread is inside of
        // `with_hook`.
        unsafe { self.0.as_ref() }
    }
}

thread_local! {
    /// How many hooks run on this thread, others' or its own.
    static RUNNING: Cell<u32> = const { Cell::new(0) };
}

/// A hook runs on the thread of that number.
pub(crate) struct Running(u64);

impl Running {
    pub(crate) fn begin() -> Self {
        RUNNING.set(RUNNING.get() + 1);
        Self(number::number())
    }

    pub(crate) fn is_any_here() -> bool {
        RUNNING.get() != 0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has gone on elsewhere runs there for ever.
        if self.0 == number::number() {
            RUNNING.set(RUNNING.get() - 1);
        }
    }
}

/// Counts one more owner.
///
/// # Safety
///
/// The place is that of hooks that are owned by somebody.
pub(super) unsafe fn retain(place: *const Queued) {
    // SAFETY: hooks begin with their place, and came from `Arc::into_raw`.
    unsafe { Arc::increment_strong_count(place.cast::<Hooks>()) };
}

/// The calling thread's hooks, which are made if there are none yet. The thread has a record then.
pub(crate) fn register() -> Arc<Hooks> {
    hook_queue::use_it();
    let record = registry::register();
    block::with(|block| {
        of(block).unwrap_or_else(|| {
            let hooks = Arc::new(Hooks::new(HookedThread(NonNull::from(block)), record));
            block.hooked.hooks.store(Arc::into_raw(hooks.clone()).cast_mut().cast(), Release);
            hooks
        })
    })
}

/// Those of a thread that is there, or is kept from going.
pub(crate) fn of(block: &Block) -> Option<Arc<Hooks>> {
    let hooks = NonNull::new(block.hooked.hooks.load(Acquire))?.cast::<Hooks>();
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
    block.hooked.is_unmasked.store(false, Relaxed);
    if let Some(hooks) = NonNull::new(block.hooked.hooks.swap(ptr::null_mut(), AcqRel)) {
        // SAFETY: the count that `register` gave to the block.
        let hooks = unsafe { Arc::from_raw(hooks.cast::<Hooks>().as_ptr()) };
        hooks.end();
    }
}

/// A deadline has begun on this thread, which has a hook; or a hook, and there may be a deadline. It fails
/// where a hook thread is needed, and cannot be had (S28).
pub(crate) fn meet_deadline() -> io::Result<()> {
    let any = block::with(|block| block.deadlines.earliest.get() != Moment::NEVER);
    if any { start() } else { Ok(()) }
}

/// The generation of processes that the hook threads are of, plus one.
static STARTED: AtomicU32 = AtomicU32::new(0);
/// How many hook threads run no hook.
static IDLE: AtomicU32 = AtomicU32::new(0);
/// How many of these are kept.
const KEPT: u32 = 2;

/// Starts a hook thread, if there is none.
pub(super) fn start() -> io::Result<()> {
    let generation = fork_gate::generation() + 1;
    if STARTED.load(Relaxed) == generation || STARTED.swap(generation, Relaxed) == generation {
        return Ok(());
    }
    IDLE.store(0, Relaxed);
    // The next deadline tries again.
    start_another().inspect_err(|_| STARTED.store(0, Relaxed))
}

fn start_another() -> io::Result<()> {
    IDLE.fetch_add(1, Relaxed);
    helper_thread::start("eintr-hooks", run).inspect_err(|_| {
        IDLE.fetch_sub(1, Relaxed);
    })
}

fn run() {
    loop {
        // SAFETY: the list's count, of hooks that begin with that place.
        let hooks = unsafe { Arc::from_raw(hook_queue::take().cast::<Hooks>().as_ptr()) };
        // One that is slow keeps nobody else waiting, if another thread is to be had.
        if IDLE.fetch_sub(1, Relaxed) == 1 {
            let _ = start_another();
        }
        hooks.run_handed_out();
        if IDLE.fetch_add(1, Relaxed) >= KEPT {
            IDLE.fetch_sub(1, Relaxed);
            return;
        }
    }
}
