//! The three kinds of channels behind one handle.

use std::sync::Arc;
use std::sync::mpsc::{RecvError, TryRecvError, TrySendError};

use crossbeam_queue::{ArrayQueue, SegQueue};

use super::rendezvous::Rendezvous;
use super::shared::Shared;
use super::unsent::Unsent;
use crate::sync::raw::How;

/// A count on a channel. Which side it is counted on is its owner's business.
pub(super) enum Channel<T> {
    Unbounded(Arc<Shared<SegQueue<T>>>),
    Bounded(Arc<Shared<ArrayQueue<T>>>),
    InPerson(Arc<Rendezvous<T>>),
}

/// The same for each kind.
macro_rules! each {
    ($self:expr, $channel:ident => $value:expr) => {
        match $self {
            Channel::Unbounded($channel) => $value,
            Channel::Bounded($channel) => $value,
            Channel::InPerson($channel) => $value,
        }
    };
}

impl<T> Channel<T> {
    pub(super) fn unbounded() -> Self {
        Self::Unbounded(Arc::new(Shared::new(SegQueue::new())))
    }

    pub(super) fn bounded(bound: usize) -> Self {
        match bound {
            0 => Self::InPerson(Arc::new(Rendezvous::new())),
            _ => Self::Bounded(Arc::new(Shared::new(ArrayQueue::new(bound)))),
        }
    }

    /// Another handle, which counts for nothing yet.
    pub(super) fn handle(&self) -> Self {
        match self {
            Self::Unbounded(channel) => Self::Unbounded(channel.clone()),
            Self::Bounded(channel) => Self::Bounded(channel.clone()),
            Self::InPerson(channel) => Self::InPerson(channel.clone()),
        }
    }

    #[inline]
    pub(super) fn send<H: How>(&self, message: T, how: &H) -> Result<(), Unsent<T, H::Stop>> {
        each!(self, channel => channel.send(message, how))
    }

    pub(super) fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        each!(self, channel => channel.try_send(message))
    }

    #[inline]
    pub(super) fn recv<H: How>(&self, how: &H) -> Result<Result<T, RecvError>, H::Stop> {
        each!(self, channel => channel.recv(how))
    }

    #[inline]
    pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
        each!(self, channel => channel.try_recv())
    }

    pub(super) fn add_sender(&self) {
        each!(self, channel => channel.add_sender());
    }

    pub(super) fn remove_sender(&self) {
        each!(self, channel => channel.remove_sender());
    }

    pub(super) fn add_receiver(&self) {
        each!(self, channel => channel.add_receiver());
    }

    pub(super) fn remove_receiver(&self) {
        each!(self, channel => channel.remove_receiver());
    }
}
