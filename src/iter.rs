//! Iterators that stop on an interrupt.

use std::iter::FusedIterator;

use crate::{Interrupted, checkpoint};

/// [`interruptible`](IteratorExt::interruptible) for every iterator.
pub trait IteratorExt: Iterator + Sized {
    /// A [checkpoint](crate::checkpoint()) before each item: one `Err`, then `None`.
    ///
    /// Between items only: an iterator that blocks in `next` is not woken by this.
    ///
    /// # Examples
    ///
    /// ```
    /// use eintr::IteratorExt;
    ///
    /// let sum: Result<u64, eintr::Interrupted> =
    ///     (1..=4).interruptible().map(|n| n.map(|n: u64| n * n)).sum();
    /// assert_eq!(sum.unwrap(), 30);
    /// ```
    fn interruptible(self) -> Interruptible<Self> {
        Interruptible { items: Some(self) }
    }
}

impl<I: Iterator> IteratorExt for I {}

/// An iterator with a checkpoint before each item. See [`IteratorExt::interruptible`].
#[derive(Debug, Clone)]
#[must_use = "iterators do nothing unless they are consumed"]
pub struct Interruptible<I> {
    items: Option<I>,
}

impl<I: Iterator> Iterator for Interruptible<I> {
    type Item = Result<I::Item, Interrupted>;

    fn next(&mut self) -> Option<Self::Item> {
        let items = self.items.as_mut()?;
        let next = checkpoint().map(|()| items.next()).transpose();
        if !matches!(next, Some(Ok(_))) {
            self.items = None;
        }
        next
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // An interrupt may come in place of the first item, or after the last.
        let upper =
            self.items.as_ref().map_or(Some(0), |items| items.size_hint().1?.checked_add(1));
        (0, upper)
    }
}

impl<I: Iterator> FusedIterator for Interruptible<I> {}
