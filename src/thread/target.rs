//! Registering a thread: its record, who may signal it, and what is undone when it ends.
//!
//! # Safety
//!
//! A [`Target`] points to the block of a thread. It is used under one of the record's locks only,
//! and the record is closed under both before the thread's memory goes: by a pthread key, whose
//! destructors run after those of Rust's thread-locals.

#![allow(unsafe_code)]

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use libc::c_int;

use super::block::{self, Block};
use super::record::{Record, Thread};
use super::word::Word;
use super::{fork_gate, registry, repeat_timer, sighting, wanted};
use crate::deadline::{frames, timer};
use crate::hook::{self, Hooks, thread};
use crate::kernel::{futex, raw, signals};
use crate::reach::dispatch;
use crate::signal::ours;
use crate::task::node::Node;

/// The record of one thread.
pub(crate) type ThreadRecord = Record<Target, Node>;

/// A thread that can be armed and signalled.
#[derive(Clone)]
pub(crate) struct Target {
    block: NonNull<Block>,
}

// SAFETY: a block is made of atomics; the pointer is valid wherever a record hands a target out,
// see the module.
unsafe impl Send for Target {}

impl Target {
    /// The kernel's id of the thread.
    pub(crate) fn tid(&self) -> i32 {
        self.block().tid.load(Ordering::Relaxed)
    }

    /// The thread's hooks, if it has ever had any.
    pub(crate) fn hooks(&self) -> Option<Arc<Hooks>> {
        thread::of(self.block())
    }

    pub(crate) fn block(&self) -> &Block {
        // SAFETY: one of the record's locks is held and it is not closed, so the thread and its
        // block are there.
        unsafe { self.block.as_ref() }
    }
}

impl Thread<Node> for Target {
    fn word(&self) -> &Word {
        &self.block().word
    }

    fn announce(&self) -> bool {
        announce(self.block())
    }

    fn send(&self) -> io::Result<()> {
        sighting::look(self.block(), self.tid());
        send_announced(self.block(), self.tid())
    }

    fn became_armed(&self) {
        self.block().hooked.count_arming();
    }

    fn tell(&self) -> io::Result<()> {
        let wake = || futex::wake(&self.block().word.0, 1) == 1;
        if self.block().delivery.tell_by(wake) { Ok(()) } else { self.send() }
    }

    fn point_at(&self, cause: Option<&Node>) {
        let refusals = cause.map_or(ptr::null_mut(), |node| (&raw const node.refusals).cast_mut());
        self.block().refusals.store(refusals, Ordering::Release);
    }
}

/// Sends our signal to the thread of that block, unless one is on its way already (S5).
pub(crate) fn signal_block(block: &Block, tid: i32) -> io::Result<()> {
    if announce(block) { send_announced(block, tid) } else { Ok(()) }
}

fn announce(block: &Block) -> bool {
    block.delivery.announce()
}

fn send_announced(block: &Block, tid: i32) -> io::Result<()> {
    if is_hushed(block) {
        block.delivery.take_back();
        return Ok(());
    }
    let sent = match ours::number() {
        Some(number) => send(block, tid, number).map_err(io::Error::from_raw_os_error),
        // Without a text, which would be allocated: the outcome has one.
        None => Err(io::ErrorKind::Unsupported.into()),
    };
    sent.inspect_err(|_| block.delivery.take_back())
}

/// Whether that is the calling thread, and it sends itself nothing and sets no timer: it is that of
/// a child of a fork, with our signal blocked ever since. Such a child is often about to run another
/// program, and before that takes its handlers out and opens everything: what is pending then is its
/// end (S23). What others of its threads ask it for, it is told as ever.
pub(crate) fn is_hushed(block: &Block) -> bool {
    let is_here = || ptr::eq(block, block::address());
    block.delivery.hushed.load(Ordering::Relaxed) && is_here() && our_signal_is_blocked()
}

fn our_signal_is_blocked() -> bool {
    ours::number().is_some_and(|number| signals::mask() & signals::bit(number) != 0)
}

/// Makes up for what was left undone, once the signal is open: where a task or a deadline begins,
/// which opens it, and where the thread changes its stack or its reach. Until then checkpoints and
/// calls of our own find a request, and a deadline that had passed by the fork. (A child that opens
/// the signal by itself and then waits in a deadline of its parent's, with nothing begun or ended
/// since, waits on.)
fn end_hush(block: &Block) {
    if block.delivery.hushed.load(Ordering::Relaxed) && !our_signal_is_blocked() {
        block.delivery.hushed.store(false, Ordering::Relaxed);
        frames::resume();
        dispatch::settle(block);
    }
}

/// Sends our signal, or has the thread's timer send it (S5). Async-signal-safe.
pub(crate) fn send(block: &Block, tid: i32, number: c_int) -> Result<(), i32> {
    match signals::send(tid, number) {
        Err(libc::EAGAIN) if repeat_timer::shoot(block) => Ok(()),
        sent => sent,
    }
}

/// A number that no other thread has. (Not the block's address: the next thread often gets the place
/// of one that has ended.)
pub(crate) fn number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    block::with(|block| {
        let known = block.number.load(Ordering::Relaxed);
        if known != 0 {
            return known;
        }
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        block.number.store(number, Ordering::Relaxed);
        number
    })
}

/// The kernel's id of the calling thread.
pub(crate) fn id() -> i32 {
    raw::gettid()
}

/// The calling thread's record, if it has one.
pub(crate) fn registered() -> Option<Arc<ThreadRecord>> {
    let record = NonNull::new(block::with(|block| block.record.load(Ordering::Relaxed)))?;
    // SAFETY: the pointer came from `Arc::into_raw` in `register`, and the block owns one count
    // until the thread ends.
    unsafe {
        Arc::increment_strong_count(record.as_ptr());
        Some(Arc::from_raw(record.as_ptr()))
    }
}

/// Looks at the calling thread's record, if it has one.
pub(crate) fn with_registered<T>(look: impl FnOnce(&ThreadRecord) -> T) -> Option<T> {
    let record = block::with(|block| block.record.load(Ordering::Relaxed));
    // SAFETY: null, or a record of which the block owns one count until the thread ends, which is not
    // meanwhile.
    unsafe { record.as_ref() }.map(look)
}

/// Whether that is the calling thread's record.
pub(crate) fn is_registered_as(record: &Arc<ThreadRecord>) -> bool {
    ptr::eq(block::with(|block| block.record.load(Ordering::Relaxed)), Arc::as_ptr(record))
}

/// The calling thread's record, which is made if there is none. A record that is another thread's
/// (in the child of a raw `clone`, S6) becomes this one's.
pub(crate) fn register() -> Arc<ThreadRecord> {
    if let Some(record) = registered() {
        if block::with(|block| block.tid.load(Ordering::Relaxed)) != raw::gettid() {
            settle_in();
        }
        return record;
    }
    fork_gate::watch();
    let tid = raw::gettid();
    let record = block::with(|block| {
        let record = Arc::new(Record::new(Target { block: NonNull::from(block) }));
        block.record.store(Arc::into_raw(record.clone()).cast_mut(), Ordering::Relaxed);
        // Last: from here on a handler on this thread believes the block.
        block.tid.store(tid, Ordering::Release);
        repeat_timer::prepare(block);
        record
    });
    registry::enter(&record);
    at_thread_end();
    record
}

/// In the child of a fork: the thread that forked is this process's only one, under another id.
pub(crate) fn adopt() {
    if let Some(record) = registered() {
        settle_in();
        registry::adopt();
        // Without an allocation: the child's turn of a foreign allocator may be still to come.
        record.each_task(|task| task.adopt(&record));
        if let Some(hooks) = block::with(thread::of) {
            hooks.adopt();
            // Not freed here either.
            std::mem::forget(hooks);
        }
    }
}

/// Gives the block the id that the thread has now. The old thread's timer and signals are not ours.
fn settle_in() {
    let tid = raw::gettid();
    block::with(|block| {
        repeat_timer::forget(block);
        timer::forget(block);
        dispatch::forget(block);
        wanted::forget(block);
        block.delivery.reset();
        block.tid.store(tid, Ordering::Release);
        repeat_timer::prepare(block);
        block.delivery.hushed.store(our_signal_is_blocked(), Ordering::Relaxed);
        if block.word.is_armed() {
            let _ = signal_block(block, tid);
        }
    });
}

static KEY: OnceLock<Option<libc::pthread_key_t>> = OnceLock::new();

/// Whether this thread may have registered, asked without touching its block: in a library that was
/// loaded while the program ran, the first touch allocates it. Async-signal-safe.
pub(crate) fn is_known() -> bool {
    KEY.get().is_some_and(|key| {
        // SAFETY: the key exists.
        key.is_none_or(|key| !unsafe { libc::pthread_getspecific(key) }.is_null())
    })
}

/// Has `end` called when this thread ends. Where the system has no key left, a record of a few
/// dozen bytes is leaked for each thread; nobody can reach the thread through it, since its tasks
/// have ended.
fn at_thread_end() {
    mark_as_known(block::address().cast());
}

/// Marks the calling thread as one that [`is_known`], or by null as one that is not.
fn mark_as_known(value: *const libc::c_void) {
    if let Some(key) = prepare() {
        // SAFETY: the key exists; the value only has to differ from null for `end` to be called.
        unsafe { libc::pthread_setspecific(key, value) };
    }
}

/// Makes the key by which threads' ends are noticed, once.
pub(crate) fn prepare() -> Option<libc::pthread_key_t> {
    *KEY.get_or_init(|| {
        let mut key = 0;
        // SAFETY: `key` is ours to write, and `end` is a plain function.
        (unsafe { libc::pthread_key_create(&mut key, Some(end)) } == 0).then_some(key)
    })
}

/// Closes the record: nobody signals this thread any more. If another destructor registers it
/// again, this one is called again. What did not end before, since the thread was ended without
/// unwinding (musl's `pthread_exit`), ends here.
extern "C" fn end(value: *mut libc::c_void) {
    block::with(|block| {
        let Some(record) = registered() else { return };
        // libc has taken it off. Handlers are to know the thread as long as it can be signalled.
        mark_as_known(value);
        let gate = fork_gate::gate();
        let left = record.close();
        drop(gate);
        registry::leave();
        wanted::refuse(block);
        frames::forget(block);
        left.iter().for_each(|frame| frame.task().give_up_on(&record));
        dispatch::end(block);
        block.alternate_stack.give_back();
        repeat_timer::delete(block);
        timer::delete(block);
        thread::end(block);
        block.tid.store(0, Ordering::Relaxed);
        let owned = block.record.swap(ptr::null_mut(), Ordering::Relaxed);
        mark_as_known(ptr::null());
        // SAFETY: the count that `register` gave to the block.
        drop(unsafe { Arc::from_raw(owned) });
    });
}

/// Signals that were blocked on this thread, and are to be again.
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub(crate) struct Unblocked(signals::Set);

impl Unblocked {
    /// Whether there are any.
    #[inline]
    pub(crate) fn any(self) -> bool {
        self.0 != 0
    }
}

/// Unblocks our signal on this thread, and SIGSYS: where that is blocked, dispatch cannot begin
/// (S2).
pub(crate) fn unblock_signals() -> Unblocked {
    let Some(number) = ours::number() else { return Unblocked(0) };
    let sigsys = if dispatch::is_available() { signals::bit(libc::SIGSYS) } else { 0 };
    let needed = signals::bit(number) | sigsys;
    // What we have blocked ourselves (S3) is not to be again.
    let by_us = block::with(|block| block.delivery.set_deferred(false));
    let by_us = if by_us { signals::bit(number) } else { 0 };
    let blocked = signals::change_mask(libc::SIG_UNBLOCK, needed) & needed & !by_us;
    block::with(end_hush);
    Unblocked(blocked)
}

/// Blocks them again. One that is on its way is let in first, so that it does not stay pending.
pub(crate) fn block_again(Unblocked(signals): Unblocked) {
    if signals & signals::bit(libc::SIGSYS) != 0 {
        block::with(dispatch::block_sigsys);
    }
    let ours = signals & !signals::bit(libc::SIGSYS);
    if ours != 0 {
        block::with(timer::rest_if_idle);
        raw::gettid();
        signals::change_mask(libc::SIG_BLOCK, ours);
    }
}

/// To be called before a thread's outermost task or deadline begins, with our signal open: a signal
/// that is still on its way here was lost (to a sigwait of the application's, or to a handler that
/// replaced ours), and must not keep others from being sent. What the keeper has just sent is let in
/// first. (Unannounced it would pass for somebody else's: it has no siginfo where there is a
/// keeper.)
pub(crate) fn forget_lost_signal(record: &ThreadRecord) {
    block::with(|block| {
        if block.delivery.is_announced() {
            let _gate = fork_gate::gate();
            if record.innermost().is_none() {
                record.undisturbed(|| {
                    raw::gettid();
                    block.delivery.take_back();
                });
            }
        }
    });
}

/// To be called after the thread changed its own stack or its reach, with no lock of ours held: the
/// timer, dispatch and hooks follow. If nothing stands any more, a signal that is still on its way is let
/// in: what runs next is not who was asked (P6).
pub(crate) fn settle() {
    settle_signals();
    if let Some(hooks) = thread::own() {
        hook::settle(&hooks);
    }
}

fn settle_signals() {
    block::with(|block| {
        end_hush(block);
        dispatch::settle(block);
        if block.word.is_armed() {
            return;
        }
        if block.delivery.set_deferred(false) {
            // The handler has put it off. (What looked like a handler of the application's, whose
            // end would unblock it, may have been code below a call that was left by siglongjmp.)
            let ours = ours::set();
            signals::change_mask(libc::SIG_UNBLOCK, ours);
        }
        if block.delivery.is_announced() {
            let_signal_in(block);
        }
    });
}

/// On the way out of any syscall, the kernel delivers what was sent before. What was announced and
/// not sent is waited for.
#[cold]
fn let_signal_in(block: &Block) {
    raw::gettid();
    if block.delivery.is_announced() {
        let gate = fork_gate::gate();
        if let Some(record) = registered() {
            record.undisturbed(|| block.delivery.acknowledge_futex());
        }
        drop(gate);
        raw::gettid();
    }
}
