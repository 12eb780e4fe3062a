//! The tasks that run on one thread, and who may signal it: StoreWord, Announce and the two locks of the
//! argument (see the module).

use std::io;
use std::ptr;
use std::sync::{Arc, PoisonError};

use super::word::{REQUEST, Word};
use crate::kernel::primitives::{Mutex, MutexGuard};
use crate::room::{Full, Room};

/// A thread as the record sees it.
pub(crate) trait Thread<N: ?Sized> {
    /// The thread's word.
    fn word(&self) -> &Word;

    /// Says that a signal is about to be sent; false if that was said before and no handler has run
    /// since. That signal will do: its handler runs after everything that the caller did before.
    fn announce(&self) -> bool;

    /// Sends the signal that was announced: makes the thread's handler run, at once or as soon as
    /// it can.
    fn send(&self) -> io::Result<()>;

    /// As [`send`](Self::send), to a thread that is armed, and by a requester who holds the signal lock:
    /// where the thread sleeps in a call that a futex wakes, that will do in the place of the
    /// signal.
    fn notify(&self) -> io::Result<()> {
        self.send()
    }

    /// Announces and sends.
    fn signal(&self) -> io::Result<()> {
        if self.announce() { self.send() } else { Ok(()) }
    }

    /// Says that the thread has become armed, after the word says so.
    fn became_armed(&self) {}

    /// Tells the thread's handler which task stands outermost among those with requests. The task
    /// stays on the stack until the handler has been told of another.
    fn point_at(&self, cause: Option<&N>);
}

/// What became of a request that was brought to a thread.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// The thread is armed and has been told.
    Armed,
    /// A mask stands between, or it cannot be told now: it will be armed at the end of that.
    Masked,
    /// The thread is armed, but the signal could not be sent: it will see it at its next checkpoint
    /// or call.
    Undelivered(io::Error),
    /// The task does not run here.
    Absent,
}

/// The tasks that run on one thread, innermost last, and which of them are masked.
pub(crate) struct Record<T, N: ?Sized> {
    /// The thread, for those who signal it; none while it is taken from them, and once it has gone.
    signal_lock: Mutex<Option<T>>,
    stack: Mutex<Stack<T, N>>,
}

struct Stack<T, N: ?Sized> {
    /// The same, for those who arm it or look at it.
    thread: Option<T>,
    frames: Vec<Frame<N>>,
    /// Frames below this index are masked.
    floor: usize,
    /// The last signal could not be sent.
    undelivered: bool,
}

/// A task on a thread's stack.
pub(crate) struct Frame<N: ?Sized> {
    task: Arc<N>,
    pending: bool,
}

/// Room for what runs on a thread.
pub(crate) type RoomToEnter<N> = Room<Vec<Frame<N>>>;
/// Room for a copy of it.
pub(crate) type RoomToCopy<N> = Room<Vec<Arc<N>>>;

/// How many tasks are masked, from the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Floor(pub(crate) usize);

/// A request that was brought to a thread, which remains to be told.
#[must_use = "the thread is to be notified"]
pub(crate) struct Asked<'a, T, N: ?Sized> {
    record: &'a Record<T, N>,
    signal_lock: MutexGuard<'a, Option<T>>,
    found: Found,
}

/// What a request found.
enum Found {
    /// A thread that it armed, or that could not be told before. The signal is announced.
    Undelivered,
    /// A thread that was armed and told, or will find the signal that is on its way.
    Told,
    Masked,
    Absent,
}

impl<T: Thread<N> + Clone, N: ?Sized> Record<T, N> {
    /// A record with nothing on its stack.
    pub(crate) fn new(thread: T) -> Self {
        let signal_lock = Mutex::new(Some(thread.clone()));
        // Few threads nest tasks.
        let frames = Vec::with_capacity(1);
        let stack = Stack { thread: Some(thread), frames, floor: 0, undelivered: false };
        Self { signal_lock, stack: Mutex::new(stack) }
    }

    fn signal_lock(&self) -> MutexGuard<'_, Option<T>> {
        self.signal_lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn locked<R>(&self, f: impl FnOnce(&mut Stack<T, N>) -> R) -> R {
        f(&mut self.stack.lock().unwrap_or_else(PoisonError::into_inner))
    }

    // The thread's own side.

    /// A task begins on this thread. A root masks what lies below it.
    pub(crate) fn enter(
        &self,
        task: &Arc<N>,
        pending: bool,
        root: bool,
        room: &mut RoomToEnter<N>,
    ) -> Result<(), Full> {
        self.locked(|stack| {
            room.for_one_more(&mut stack.frames)?;
            if root {
                stack.floor = stack.frames.len();
            }
            stack.frames.push(Frame { task: task.clone(), pending });
            stack.refresh();
            Ok(())
        })
    }

    /// Takes the task at `place` off the stack (0 is the outermost; mostly it is the innermost that ends). Those below
    /// `floor` are masked from then on. Returns the task's `Arc`, whose destructor must not run under our lock.
    pub(crate) fn leave(&self, place: usize, floor: Floor) -> Option<Arc<N>> {
        self.locked(|stack| {
            let frame = (place < stack.frames.len()).then(|| stack.frames.remove(place));
            stack.floor = floor.0;
            stack.refresh();
            frame.map(|frame| frame.task)
        })
    }

    /// Masks so many tasks, and no others.
    pub(crate) fn mask(&self, floor: Floor) {
        self.locked(|stack| {
            stack.floor = floor.0;
            stack.refresh();
        });
    }

    /// The tasks that are not masked, outermost first, and how many are.
    pub(crate) fn unmasked(&self, room: &mut RoomToCopy<N>) -> Result<(Vec<Arc<N>>, usize), Full> {
        self.locked(|stack| Ok((copy(stack.unmasked(), room)?, stack.floor)))
    }

    /// The innermost task, masked or not.
    pub(crate) fn innermost(&self) -> Option<Arc<N>> {
        self.locked(|stack| stack.frames.last().map(|frame| frame.task.clone()))
    }

    /// Looks at all tasks, outermost first.
    pub(crate) fn each_task(&self, f: impl Fn(&N)) {
        self.locked(|stack| stack.frames.iter().for_each(|frame| f(&frame.task)));
    }

    /// All tasks, outermost first.
    pub(crate) fn tasks(&self, room: &mut RoomToCopy<N>) -> Result<Vec<Arc<N>>, Full> {
        self.locked(|stack| copy(&stack.frames, room))
    }

    /// The task whose request is to be raised: the outermost unmasked one that has any, among so
    /// many tasks from the outside (which may be more than there are).
    pub(crate) fn outermost_cause(&self, among: usize) -> Option<Arc<N>> {
        self.locked(|stack| {
            let mut candidates = stack.frames.iter().take(among).skip(stack.floor);
            candidates.find(|frame| frame.pending).map(|frame| frame.task.clone())
        })
    }

    /// The innermost task, if it may take a request of its own: it is not masked, has one, and
    /// nothing outside it has.
    pub(crate) fn taker(&self) -> Option<Arc<N>> {
        self.locked(|stack| {
            let (innermost, outer) = stack.unmasked().split_last()?;
            let own_only = innermost.pending && !outer.iter().any(|frame| frame.pending);
            own_only.then(|| innermost.task.clone())
        })
    }

    /// A task of this thread has no more requests.
    pub(crate) fn clear(&self, task: &N) {
        self.locked(|stack| {
            stack.mark(task, false);
            stack.refresh();
        });
    }

    /// Runs `f` while nobody announces a signal to this thread or sends one: not a requester, which
    /// holds the signal lock, nor who looks at the thread, which holds the stack. What was announced before
    /// has been sent.
    pub(crate) fn under_signal_lock<R>(&self, f: impl FnOnce() -> R) -> R {
        let _signal_lock = self.signal_lock();
        self.locked(|_| f())
    }

    /// Looks at the thread while nobody announces a signal to it or sends one.
    pub(crate) fn thread_under_signal_lock(&self, f: impl FnOnce(&T)) {
        let _signal_lock = self.signal_lock();
        self.thread(f);
    }

    /// Looks at the thread as one who may signal it, and keeps others from doing so meanwhile; none once it
    /// has gone.
    pub(crate) fn as_requester<R>(&self, f: impl FnOnce(&T) -> R) -> Option<R> {
        self.signal_lock().as_ref().map(f)
    }

    /// Takes the thread from those who would signal it, until it is [given back](Self::give_back):
    /// meanwhile its tasks count as masked. What was announced before has been sent. None if somebody has
    /// taken it before.
    pub(crate) fn take_thread(&self) -> Option<T> {
        let mut signal_lock = self.signal_lock();
        self.locked(|stack| stack.thread = None);
        signal_lock.take()
    }

    /// Gives it back; what has been asked meanwhile arms it.
    pub(crate) fn give_back(&self, thread: T) {
        let mut signal_lock = self.signal_lock();
        self.locked(|stack| {
            stack.thread = Some(thread.clone());
            stack.refresh();
        });
        *signal_lock = Some(thread);
    }

    /// The thread ends. The tasks that have not ended before are handed out: what ended the thread
    /// did not unwind.
    pub(crate) fn close(&self) -> Vec<Frame<N>> {
        let mut signal_lock = self.signal_lock();
        let left = self.locked(|stack| {
            let frames = std::mem::take(&mut stack.frames);
            stack.refresh();
            stack.thread = None;
            frames
        });
        *signal_lock = None;
        left
    }

    // The requester's side.

    /// A task has been asked: arms its thread, if it runs here. To be followed by [`Asked::notify`],
    /// once the caller has let go of whatever the thread may need to raise.
    pub(crate) fn request(&self, task: &N) -> Asked<'_, T, N> {
        let signal_lock = self.signal_lock();
        let found = self.locked(|stack| stack.request(task));
        Asked { record: self, signal_lock, found }
    }

    /// Whether a mask stands between a task and the top of the stack.
    pub(crate) fn is_masked(&self, task: &N) -> bool {
        self.locked(|stack| {
            let floor = stack.floor;
            stack.find(task).is_some_and(|index| index < floor)
        })
    }

    /// Whether the thread runs that task.
    pub(crate) fn runs(&self, task: &N) -> bool {
        self.locked(|stack| stack.find(task).is_some())
    }

    /// Looks at the thread while it runs that task; none if it does not.
    pub(crate) fn thread_of<R>(&self, task: &N, f: impl FnOnce(&T) -> R) -> Option<R> {
        self.locked(|stack| {
            stack.find(task)?;
            stack.thread.as_ref().map(f)
        })
    }

    /// Looks at the thread, and perhaps signals it; none once it has gone.
    pub(crate) fn thread<R>(&self, f: impl FnOnce(&T) -> R) -> Option<R> {
        self.locked(|stack| stack.thread.as_ref().map(f))
    }
}

fn copy<N: ?Sized>(frames: &[Frame<N>], room: &mut RoomToCopy<N>) -> Result<Vec<Arc<N>>, Full> {
    let mut tasks = room.for_all(frames.len())?;
    tasks.extend(frames.iter().map(|frame| frame.task.clone()));
    Ok(tasks)
}

impl<N: ?Sized> Frame<N> {
    pub(crate) fn task(&self) -> &Arc<N> {
        &self.task
    }

    fn is_of(&self, task: &N) -> bool {
        ptr::addr_eq(Arc::as_ptr(&self.task), task)
    }
}

impl<T: Thread<N> + Clone, N: ?Sized> Asked<'_, T, N> {
    /// Sends the signal, if one was announced. The thread is there, for the signal lock is held.
    pub(crate) fn notify(self) -> Delivery {
        let sent = match (self.found, &*self.signal_lock) {
            (Found::Undelivered, Some(thread)) => thread.notify(),
            (Found::Undelivered, None) | (Found::Told, _) => Ok(()),
            (Found::Masked, _) => return Delivery::Masked,
            (Found::Absent, _) => return Delivery::Absent,
        };
        match sent {
            Ok(()) => Delivery::Armed,
            Err(error) => {
                // Under the signal lock still: the next requester sees it.
                self.record.locked(|stack| stack.undelivered = true);
                Delivery::Undelivered(error)
            }
        }
    }
}

impl<T: Thread<N>, N: ?Sized> Stack<T, N> {
    fn unmasked(&self) -> &[Frame<N>] {
        &self.frames[self.floor.min(self.frames.len())..]
    }

    /// The innermost place of a task. (In a pool that runs one job inside of another it has several.)
    fn find(&self, task: &N) -> Option<usize> {
        self.frames.iter().rposition(|frame| frame.is_of(task))
    }

    /// Notes in all its places whether a task has requests.
    fn mark(&mut self, task: &N, pending: bool) {
        for frame in self.frames.iter_mut().filter(|frame| frame.is_of(task)) {
            frame.pending = pending;
        }
    }

    /// Makes the word say what the stack says. A thread that arms itself signals itself as well:
    /// that is what reaches its plain calls (P11).
    fn refresh(&mut self) {
        let stands = self.point();
        let Some(thread) = &self.thread else { return };
        if !stands {
            thread.word().disarm(REQUEST);
            return;
        }
        let is_edge = thread.word().arm(REQUEST);
        if is_edge {
            thread.became_armed();
        }
        if is_edge || self.undelivered {
            // What cannot be sent is made good by the next request; our own calls and checkpoints
            // do not need it.
            self.undelivered = thread.signal().is_err();
        }
    }

    /// The handler counts its refusals where they belong; whether there is such a place.
    fn point(&self) -> bool {
        let cause = self.unmasked().iter().find(|frame| frame.pending);
        if let Some(thread) = &self.thread {
            thread.point_at(cause.map(|frame| &*frame.task));
        }
        cause.is_some()
    }

    /// Notes a request and arms the thread: the word first, then the signal (S4; E1 of `README.md`), on the edge only
    /// (S5). What announces the signal here is seen by a thread that leaves the task after.
    fn request(&mut self, task: &N) -> Found {
        let floor = self.floor;
        let Some(index) = self.find(task) else { return Found::Absent };
        self.mark(task, true);
        if index < floor {
            return Found::Masked;
        }
        self.point();
        // It is to be armed where it is given back.
        let Some(thread) = &self.thread else { return Found::Masked };
        let was_undelivered = std::mem::take(&mut self.undelivered);
        let is_edge = thread.word().arm(REQUEST);
        if is_edge {
            thread.became_armed();
        }
        if (is_edge || was_undelivered) && thread.announce() {
            Found::Undelivered
        } else {
            Found::Told
        }
    }
}
