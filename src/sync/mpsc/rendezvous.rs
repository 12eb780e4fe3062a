//! The channel that holds nothing: a sender offers its message, and waits until a receiver has
//! taken it.
//!
//! All under one lock, so that there is an order of events: an offer was taken, or it is withdrawn.
//! An offer without a sender behind it (`try_send`) is made only to a receiver that waits. Should
//! that one give up, it looks first, and takes what it finds.

use std::collections::VecDeque;
use std::sync::mpsc::{RecvError, TryRecvError, TrySendError};

use super::unsent::Unsent;
use crate::sync::Condvar;
use crate::sync::locks::Mutex;
use crate::sync::raw::How;

pub(super) struct Rendezvous<T> {
    state: Mutex<State<T>>,
    /// For receivers: there is an offer.
    offered: Condvar,
    /// For senders: an offer was taken.
    taken: Condvar,
}

struct State<T> {
    offers: VecDeque<Offer<T>>,
    last_id: u64,
    /// How many receivers wait.
    waiting: usize,
    senders: usize,
    receivers: usize,
}

struct Offer<T> {
    id: u64,
    message: T,
}

impl<T> State<T> {
    fn offer(&mut self, message: T) -> u64 {
        self.last_id += 1;
        self.offers.push_back(Offer { id: self.last_id, message });
        self.last_id
    }

    /// Where the offer of that id is. They ascend.
    fn find(&self, id: u64) -> Option<usize> {
        self.offers.binary_search_by_key(&id, |offer| offer.id).ok()
    }

    /// Takes an offer back; none if it was taken.
    fn withdraw(&mut self, id: u64) -> Option<T> {
        let offer = self.offers.remove(self.find(id)?)?;
        Some(offer.message)
    }
}

impl<T> Rendezvous<T> {
    pub(super) fn new() -> Self {
        let state =
            State { offers: VecDeque::new(), last_id: 0, waiting: 0, senders: 1, receivers: 1 };
        Self { state: Mutex::new(state), offered: Condvar::new(), taken: Condvar::new() }
    }

    pub(super) fn send<H: How>(&self, message: T, how: &H) -> Result<(), Unsent<T, H::Stop>> {
        let mut state = self.state.lock();
        if state.receivers == 0 {
            return Err(Unsent::Disconnected(message));
        }
        let id = state.offer(message);
        self.offered.notify_one();
        let stands = |state: &mut State<T>| state.receivers > 0 && state.find(id).is_some();
        let waited = self.taken.sleep_while(&mut state, how, stands);
        match (state.withdraw(id), waited) {
            (None, _) => Ok(()),
            (Some(message), Ok(())) => Err(Unsent::Disconnected(message)),
            (Some(message), Err(stop)) => Err(Unsent::Stopped(message, stop)),
        }
    }

    pub(super) fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let mut state = self.state.lock();
        if state.receivers == 0 {
            return Err(TrySendError::Disconnected(message));
        }
        if state.waiting <= state.offers.len() {
            return Err(TrySendError::Full(message));
        }
        state.offer(message);
        self.offered.notify_one();
        Ok(())
    }

    fn take(&self, state: &mut State<T>) -> Option<Result<T, RecvError>> {
        match state.offers.pop_front() {
            Some(offer) => {
                self.taken.notify_all();
                Some(Ok(offer.message))
            }
            None => (state.senders == 0).then_some(Err(RecvError)),
        }
    }

    pub(super) fn recv<H: How>(&self, how: &H) -> Result<Result<T, RecvError>, H::Stop> {
        let mut state = self.state.lock();
        let nothing = |state: &mut State<T>| state.offers.is_empty() && state.senders > 0;
        state.waiting += 1;
        let waited = self.offered.sleep_while(&mut state, how, nothing);
        state.waiting -= 1;
        waited.map(|()| self.take(&mut state).unwrap_or(Err(RecvError)))
    }

    pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
        let taken = self.take(&mut self.state.lock());
        taken.ok_or(TryRecvError::Empty)?.map_err(|RecvError| TryRecvError::Disconnected)
    }

    pub(super) fn add_sender(&self) {
        self.state.lock().senders += 1;
    }

    pub(super) fn remove_sender(&self) {
        self.state.lock().senders -= 1;
        self.offered.notify_all();
    }

    pub(super) fn add_receiver(&self) {
        self.state.lock().receivers += 1;
    }

    /// An offer that nobody will take goes back to its sender.
    pub(super) fn remove_receiver(&self) {
        self.state.lock().receivers -= 1;
        self.taken.notify_all();
    }
}
