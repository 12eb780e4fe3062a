//! Channels: [`std::sync::mpsc`], with receivers that can be cloned and shared, and with waits that
//! can be interrupted.
//!
//! Whatever has std's name does what std's does, and the errors are std's own: a program may change
//! its import and is the same. Beside it stand
//! [`recv_interruptible`](Receiver::recv_interruptible),
//! [`iter_interruptible`](Receiver::iter_interruptible) and
//! [`send_interruptible`](SyncSender::send_interruptible). (The module has std's name as well; it
//! could be called mpmc.)
//!
//! A message is in one place at any time: the sender has it, or the channel, or one receiver. So an
//! interrupt loses none: a `send_interruptible` that is interrupted gives it back, and a
//! `recv_interruptible` that is interrupted has not taken any.
//!
//! # Order and fairness
//!
//! Messages of one sender are received in the order in which they were sent; among receivers, each
//! goes to whoever comes first. One message wakes one receiver that sleeps, and a receiver that is
//! already running may be faster. Nobody is served in the order of arrival, and nobody is kept out
//! for ever either, as long as the others do something else between their calls.
//!
//! # Examples
//!
//! Workers on one receiver, which stop when they are interrupted, or when there will be no more
//! jobs:
//!
//! ```
//! use eintr::sync::mpsc;
//!
//! let (jobs, receiver) = mpsc::channel::<u32>();
//! let workers: Vec<_> = (0..4)
//!     .map(|_| {
//!         let receiver = receiver.clone();
//!         eintr::spawn(move || -> Result<u32, eintr::Interrupted> {
//!             let mut sum = 0;
//!             for job in receiver.iter_interruptible() {
//!                 sum += job?;
//!             }
//!             Ok(sum)
//!         })
//!     })
//!     .collect();
//! (1..=100).for_each(|job| jobs.send(job).unwrap());
//! drop(jobs);
//! let mut sum = 0;
//! for worker in workers {
//!     sum += worker.join().unwrap()?;
//! }
//! assert_eq!(sum, 5050);
//! # Ok::<(), eintr::Interrupted>(())
//! ```

mod channel;
mod interrupted_send;
mod iter;
mod receiver;
mod rendezvous;
mod sender;
mod shared;
mod unsent;

pub use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};

pub use interrupted_send::InterruptedSend;
pub use iter::{IntoIter, Iter, IterInterruptible, TryIter};
pub use receiver::Receiver;
pub use sender::{Sender, SyncSender};

use channel::Channel;
use unsent::Unsent;

/// A channel that holds any number of messages: to send never waits.
///
/// ```
/// let (sender, receiver) = eintr::sync::channel();
/// sender.send("hello")?;
/// assert_eq!(receiver.recv()?, "hello");
/// drop(sender);
/// assert!(receiver.recv().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let channel = Channel::unbounded();
    (Sender(channel.handle()), Receiver(channel))
}

/// A channel that holds so many messages: to send waits while it is full. One that holds none hands
/// each message over in person.
///
/// ```
/// let (sender, receiver) = eintr::sync::sync_channel(1);
/// sender.send(1)?;
/// assert!(sender.try_send(2).is_err());
/// assert_eq!(receiver.recv()?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn sync_channel<T>(bound: usize) -> (SyncSender<T>, Receiver<T>) {
    let channel = Channel::bounded(bound);
    (SyncSender(channel.handle()), Receiver(channel))
}
