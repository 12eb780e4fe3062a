//! [`CleanupOnDrop`]: a destructor with a limit of its own.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use crate::deadline::open::{Limit, Open};
use crate::entry::install;
use crate::mask;

/// Holds a value whose destructor may wait, and runs it inside of a [`cleanup`](crate::cleanup): it is not
/// interrupted by what has interrupted the thread, and it has so much time, after which its calls
/// return.
///
/// For values of others whose end is a conversation: a client that says goodbye, a context that
/// waits for its threads, a temporary folder on a server.
///
/// # Examples
///
/// ```
/// use std::io::Write;
/// use std::os::unix::net::UnixStream;
/// use std::time::Duration;
///
/// /// Says goodbye, by plain calls of std's.
/// struct Client(UnixStream);
///
/// impl Drop for Client {
///     fn drop(&mut self) {
///         self.0.write_all(b"bye").unwrap();
///     }
/// }
///
/// let (ours, theirs) = UnixStream::pair()?;
/// let worker = eintr::spawn(move || {
///     let client = eintr::CleanupOnDrop::new(Duration::from_secs(1), Client(ours));
///     client.0.set_nonblocking(false)?;
///     eintr::time::sleep(Duration::from_secs(3600))
/// });
/// worker.interrupt();
/// assert!(worker.join().unwrap().is_err());
/// assert_eq!(eintr::io::read(&theirs, &mut [0; 3]).unwrap(), 3);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct CleanupOnDrop<T> {
    limit: Duration,
    /// None once it has been given back.
    value: Option<T>,
}

impl<T> CleanupOnDrop<T> {
    /// Holds a value, whose destructor is to have so much time.
    #[track_caller]
    pub fn new(limit: Duration, value: T) -> Self {
        install::ensure();
        Self { limit, value: Some(value) }
    }

    /// Gives the value back. Its destructor has no limit any more.
    pub fn into_inner(mut self) -> T {
        self.value.take().expect(THERE)
    }
}

const THERE: &str = "it is there until it is given back, which ends this";

impl<T> Deref for CleanupOnDrop<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect(THERE)
    }
}

impl<T> DerefMut for CleanupOnDrop<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect(THERE)
    }
}

impl<T> Drop for CleanupOnDrop<T> {
    /// Where no deadline can be had, the destructor runs as without us. (Rejected: [`cleanup`](crate::cleanup)
    /// itself, which panics then: in a thread that unwinds already, that is the end of the program.)
    fn drop(&mut self) {
        let Some(value) = self.value.take() else { return };
        let limit = self.limit;
        let left = mask(|| match Open::begin(Limit::after(limit)) {
            Ok(open) => {
                drop(value);
                open.end();
                None
            }
            Err(_) => Some(value),
        });
        drop(left);
    }
}
