//! Waiting for other threads, interruptibly.
//!
//! A wait on somebody else's lock, condition variable or channel is not broken by an interrupt:
//! std's, the C library's and most others' aborts or corrupts on an error that it does not know. So
//! threads that wait for one another use the types of this module.
//!
//! What has std's name does what std's does, to the letter: [`Mutex`], [`Condvar`], [`RwLock`],
//! [`Barrier`] and [`mpsc`] can take the place of std's by a change of the import. Their `lock`,
//! `wait` and `recv` cannot be interrupted, for std's cannot, and nothing in their signature could
//! say so. Beside each stands one that can: `lock_interruptible`, `wait_interruptible`,
//! `recv_interruptible` ... [`Semaphore`], [`Event`] and [`Parker`] are made the same way. The
//! result of most is two in one: `?` the interrupt, then `unwrap` the poison, or look at the
//! disconnection. The rest of `std::sync` that is stable ([`Arc`], [`Once`], [`OnceLock`], [`atomic`]
//! ...) is std's own, handed on: no wait for a [`Once`] is interrupted.
//!
//! ```
//! # use eintr::sync::Mutex;
//! # fn work(balance: &Mutex<u32>) -> Result<u32, eintr::Interrupted> {
//! let balance = balance.lock_interruptible()?.unwrap();
//! # Ok(*balance)
//! # }
//! # assert_eq!(work(&Mutex::new(1))?, 1);
//! # Ok::<(), eintr::Interrupted>(())
//! ```
//!
//! All honour [deadlines](crate::timeout()), [masks](crate::mask()) and nested
//! [tasks](crate::Task), as the other calls do. For a primitive that is none of these there is the
//! futex call itself, [`futex_wait`] and [`futex_wake`].
//!
//! # Interruption
//!
//! On `Interrupted` nothing was locked, taken or received, and no wake-up was lost: of those who
//! wait, the kernel wakes one that sleeps, or all look again that are about to. A thread whose wait
//! is interrupted was not woken, so it has nothing to pass on; one that was woken as well returns
//! its result, and the next call raises.
//!
//! A thread that was interrupted before the call does not begin, be there a need to wait or not.
//! (Otherwise a loop that never has to wait would never notice.)
//!
//! A waiter that sleeps is told by futex, in half the time that a signal takes, and also if it
//! blocks every signal. Where the kernel does not offer that (`futex_waitv`, since Linux 5.16), it
//! is told by signal, as in all other calls.
//!
//! # Fairness
//!
//! None of these serves in the order of arrival. Whoever is woken competes with those who come just
//! then, and these are often faster, for they are running. So a lock that is busy changes hands
//! without a switch of threads, which is what makes it fast, and a thread may have bad luck several
//! times in a row. This is std's policy as well. [`RwLock`] lets no new reader pass while somebody
//! waits, so that readers cannot keep a writer out for ever.
//!
//! # Wake-ups
//!
//! An unlock, a notification, a message or a permit wakes one sleeper, and only if there may be
//! one; what concerns all wakes all: [`Event::set`], [`Condvar::notify_all`], the last thread at a
//! barrier, the end of a channel. Whoever has to wait looks again for a moment before it sleeps, for
//! less than the sleep would cost; at a channel about as long as that, and then it gives its turn
//! away a few times, for the other side may be waiting for the CPU.
//!
//! # fork
//!
//! As with std's: a lock that another thread held is locked for ever in the child, and what another
//! thread was about to send never comes.

mod barrier;
mod condvar;
mod event;
mod futex;
mod locks;
pub mod mpsc;
mod mutex;
mod parker;
mod poison;
mod raw;
mod rwlock;
mod semaphore;
mod traits;
mod wait_mode;

#[doc(no_inline)]
pub use std::sync::{
    Arc, LazyLock, LockResult, Once, OnceLock, OnceState, PoisonError, TryLockError, TryLockResult,
    Weak, atomic,
};

use poison::{Poison, Watch};
pub(crate) use raw::Held;
use raw::{How, RawCondvar, RawEvent, RawMutex, RawRwLock, Sleepers, Slept, Token};
use traits::{guard_traits, lock_traits, opaque};
use wait_mode::{Interruptibly, ToTheEnd, Until, ended};

pub use barrier::{Barrier, BarrierWaitResult};
pub use condvar::{Condvar, WaitTimeoutResult};
pub use event::Event;
pub use futex::{FutexWait, futex_wait, futex_wake};
#[doc(no_inline)]
pub use mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
pub use mutex::{Mutex, MutexGuard};
pub use parker::{Parker, Unparker};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{Semaphore, SemaphorePermit};
