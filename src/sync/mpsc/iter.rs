//! Iterators over what is received.

use std::iter::FusedIterator;

use super::receiver::Receiver;
use crate::Interrupted;

/// See [`Receiver::iter`].
#[derive(Debug)]
pub struct Iter<'a, T>(&'a Receiver<T>);

/// See [`Receiver::try_iter`].
#[derive(Debug)]
pub struct TryIter<'a, T>(&'a Receiver<T>);

/// What a [`Receiver`] becomes in a `for`.
#[derive(Debug)]
pub struct IntoIter<T>(Receiver<T>);

/// See [`Receiver::iter_interruptible`].
#[derive(Debug)]
#[must_use = "iterators do nothing unless they are consumed"]
pub struct IterInterruptible<'a, T> {
    /// None once it has ended.
    receiver: Option<&'a Receiver<T>>,
}

impl<T> Receiver<T> {
    /// Messages, as [`recv`](Self::recv) receives them, until all senders have gone.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter(self)
    }

    /// The messages that need no wait.
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter(self)
    }

    /// Messages, as [`recv_interruptible`](Self::recv_interruptible) receives them, until all
    /// senders have gone or the thread is interrupted: then one `Err`, and no more.
    ///
    /// ```
    /// let (sender, receiver) = eintr::sync::channel();
    /// sender.send(1).unwrap();
    /// let (task, interrupter) = eintr::task();
    /// task.run(|| {
    ///     let mut jobs = receiver.iter_interruptible();
    ///     assert_eq!(jobs.next().unwrap().unwrap(), 1);
    ///     interrupter.interrupt();
    ///     assert!(jobs.next().unwrap().is_err());
    ///     assert!(jobs.next().is_none());
    /// });
    /// ```
    pub fn iter_interruptible(&self) -> IterInterruptible<'_, T> {
        IterInterruptible { receiver: Some(self) }
    }
}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter(self)
    }
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.try_recv().ok()
    }
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

impl<T> Iterator for IterInterruptible<'_, T> {
    type Item = Result<T, Interrupted>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.receiver?.recv_interruptible().map(Result::ok).transpose();
        if !matches!(next, Some(Ok(_))) {
            self.receiver = None;
        }
        next
    }
}

impl<T> FusedIterator for IterInterruptible<'_, T> {}
