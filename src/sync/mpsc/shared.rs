//! What the two sides of a channel share: a queue, a count of each side, and those who sleep.
//!
//! The queues are crossbeam's, without locks. What one side does to be seen by the other follows
//! one rule: first the deed (a message in the queue, room in it, a count that is zero), then the
//! look at who sleeps. See [`Sleepers`].
//!
//! When the last receiver goes, the messages that are left are dropped at once: one may hold the
//! other end of somebody's wait. A sender that put one in at that moment drops them as well.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use std::sync::atomic::{AtomicUsize, fence};
use std::sync::mpsc::{RecvError, TryRecvError, TrySendError};

use crossbeam_queue::{ArrayQueue, SegQueue};

use crate::primitives::AtomicU32;
use crate::sync::raw::{How, Sleepers};

use super::rendezvous::Rendezvous;

pub(super) struct Shared<T> {
    queue: Queue<T>,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    /// Those who wait for a message.
    takers: Sleepers,
    /// Those who wait for room.
    givers: Sleepers,
}

enum Queue<T> {
    Unbounded(SegQueue<T>),
    Bounded(ArrayQueue<T>),
    None(Rendezvous<T>),
}

/// Why a message was not sent, and the message.
pub(super) enum Unsent<T, S> {
    Disconnected(T),
    Stopped(T, S),
}

impl<T> Shared<T> {
    fn new(queue: Queue<T>) -> Self {
        let nobody = || Sleepers { announced: AtomicU32::new(0), wakeups: AtomicU32::new(0) };
        Self {
            queue,
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(1),
            takers: nobody(),
            givers: nobody(),
        }
    }

    pub(super) fn unbounded() -> Self {
        Self::new(Queue::Unbounded(SegQueue::new()))
    }

    pub(super) fn bounded(bound: usize) -> Self {
        Self::new(match bound {
            0 => Queue::None(Rendezvous::new()),
            _ => Queue::Bounded(ArrayQueue::new(bound)),
        })
    }

    // The senders' side.

    /// Sends, and waits for room.
    #[inline]
    pub(super) fn send<H: How>(&self, message: T, how: &H) -> Result<(), Unsent<T, H::Stop>> {
        if self.receivers_are_gone() {
            return Err(Unsent::Disconnected(message));
        }
        match &self.queue {
            Queue::Unbounded(queue) => queue.push(message),
            Queue::Bounded(queue) => self.push(queue, message, how)?,
            Queue::None(rendezvous) => return rendezvous.send(message, how),
        }
        self.sent();
        Ok(())
    }

    /// Puts a message into a queue, and waits for room.
    fn push<H: How>(
        &self,
        queue: &ArrayQueue<T>,
        message: T,
        how: &H,
    ) -> Result<(), Unsent<T, H::Stop>> {
        let Err(message) = queue.push(message) else { return Ok(()) };
        // The attempts hand it back and forth.
        let mut unsent = Some(message);
        let attempt = || {
            if self.receivers_are_gone() {
                return Some(false);
            }
            unsent = queue.push(unsent.take()?).err();
            unsent.is_none().then_some(true)
        };
        let result = self.givers.wait_for(how, attempt);
        match (unsent, result) {
            (None, _) => Ok(()),
            (Some(message), Ok(_)) => Err(Unsent::Disconnected(message)),
            (Some(message), Err(stop)) => Err(Unsent::Stopped(message, stop)),
        }
    }

    pub(super) fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        if self.receivers_are_gone() {
            return Err(TrySendError::Disconnected(message));
        }
        match &self.queue {
            Queue::Unbounded(queue) => queue.push(message),
            Queue::Bounded(queue) => queue.push(message).map_err(TrySendError::Full)?,
            Queue::None(rendezvous) => return rendezvous.try_send(message),
        }
        self.sent();
        Ok(())
    }

    /// A message is in the queue.
    #[inline]
    fn sent(&self) {
        self.takers.wake_one();
        // After the fence in there: either the last receiver finds the message, or we find that it
        // has gone.
        if self.receivers_are_gone() {
            self.discard();
        }
    }

    #[inline]
    fn receivers_are_gone(&self) -> bool {
        self.receivers.load(Acquire) == 0
    }

    pub(super) fn add_sender(&self) {
        self.senders.fetch_add(1, Relaxed);
    }

    pub(super) fn remove_sender(&self) {
        if self.senders.fetch_sub(1, AcqRel) == 1 {
            match &self.queue {
                Queue::Unbounded(_) | Queue::Bounded(_) => self.takers.wake_all(),
                Queue::None(rendezvous) => rendezvous.disconnect(),
            }
        }
    }

    // The receivers' side.

    #[inline]
    fn pop(&self) -> Option<T> {
        match &self.queue {
            Queue::Unbounded(queue) => queue.pop(),
            Queue::Bounded(queue) => {
                let message = queue.pop()?;
                self.givers.wake_one();
                Some(message)
            }
            Queue::None(_) => None,
        }
    }

    /// A message, or that there will be none.
    #[inline]
    fn take(&self) -> Option<Result<T, RecvError>> {
        if let Some(message) = self.pop() {
            return Some(Ok(message));
        }
        // The last sender may have sent one just before it went.
        let senders_are_gone = self.senders.load(Acquire) == 0;
        senders_are_gone.then(|| self.pop().ok_or(RecvError))
    }

    /// Receives, and waits for a message.
    #[inline]
    pub(super) fn recv<H: How>(&self, how: &H) -> Result<Result<T, RecvError>, H::Stop> {
        match &self.queue {
            Queue::None(rendezvous) => rendezvous.recv(how),
            _ => self.takers.wait_for(how, || self.take()),
        }
    }

    pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
        let taken = match &self.queue {
            Queue::None(rendezvous) => return rendezvous.try_recv(),
            _ => self.take(),
        };
        taken.ok_or(TryRecvError::Empty)?.map_err(|RecvError| TryRecvError::Disconnected)
    }

    pub(super) fn add_receiver(&self) {
        self.receivers.fetch_add(1, Relaxed);
    }

    pub(super) fn remove_receiver(&self) {
        if self.receivers.fetch_sub(1, AcqRel) == 1 {
            fence(SeqCst);
            match &self.queue {
                Queue::Unbounded(_) | Queue::Bounded(_) => self.givers.wake_all(),
                Queue::None(rendezvous) => rendezvous.disconnect(),
            }
            self.discard();
        }
    }

    /// Drops what is left.
    #[cold]
    fn discard(&self) {
        while self.pop().is_some() {}
    }
}
