//! Iterators over what is received.

use std::iter::FusedIterator;

use crate::interrupted::Interrupted;

use super::Receiver;

/// See [`Receiver::iter`].
#[derive(Debug)]
pub struct Iter<'a, T>(pub(super) &'a Receiver<T>);

/// See [`Receiver::try_iter`].
#[derive(Debug)]
pub struct TryIter<'a, T>(pub(super) &'a Receiver<T>);

/// What a [`Receiver`] becomes in a `for`.
#[derive(Debug)]
pub struct IntoIter<T>(pub(super) Receiver<T>);

/// See [`Receiver::iter_interruptible`].
#[derive(Debug)]
#[must_use = "iterators do nothing unless they are consumed"]
pub struct IterInterruptible<'a, T> {
    /// None once it has ended.
    receiver: Option<&'a Receiver<T>>,
}

impl<'a, T> IterInterruptible<'a, T> {
    pub(super) fn new(receiver: &'a Receiver<T>) -> Self {
        Self { receiver: Some(receiver) }
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
        let next = match self.receiver?.recv_interruptible() {
            Ok(Ok(message)) => return Some(Ok(message)),
            Ok(Err(_disconnected)) => None,
            Err(interrupted) => Some(Err(interrupted)),
        };
        self.receiver = None;
        next
    }
}

impl<T> FusedIterator for IterInterruptible<'_, T> {}
