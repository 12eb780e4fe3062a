//! POSIX message queues.
//!
//! # Safety
//!
//! The kernel is handed a message, a priority and a time that are borrowed for the length of the call.

#![allow(unsafe_code)]

use std::os::fd::AsFd;
use std::time::Duration;

use crate::calls::{Limit, number};
use crate::kernel::address_of;
use crate::kernel::clock::wall_clock_in;
use crate::thread::call;
use crate::{Error, complete};

/// Waits for a message and takes the oldest of the highest priority: its length and its priority.
///
/// The kernel tells the time of these queues by the wall clock. Where that is set back while the
/// call waits, it waits longer by as much.
///
/// # Examples
///
/// ```
/// use eintr::ipc::{mq_receive, mq_send};
/// use nix::mqueue::{MQ_OFlag, MqAttr, mq_open, mq_unlink};
/// use nix::sys::stat::Mode;
///
/// let name = format!("/eintr-doc-{}", std::process::id());
/// let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_RDWR;
/// let queue = mq_open(name.as_str(), flags, Mode::S_IRWXU, Some(&MqAttr::new(0, 4, 64, 0)))?;
/// # mq_unlink(name.as_str())?;
/// mq_send(&queue, b"ping", 3, None)?;
/// let mut buffer = [0; 64];
/// assert_eq!(mq_receive(&queue, &mut buffer, None)?, (4, 3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error: of the kind `TimedOut` if the time is up,
/// EMSGSIZE if the buffer is smaller than the queue's largest message may be.
///
/// # Interruption
///
/// On `Interrupted` no message was taken.
///
/// See [mq_receive(3)](https://man7.org/linux/man-pages/man3/mq_receive.3.html).
pub fn mq_receive(
    queue: impl AsFd,
    buffer: &mut [u8],
    timeout: Option<Duration>,
) -> Result<(usize, u32), Error> {
    let limit = Limit::new(timeout);
    let mut priority = 0;
    let [queue, address, room] =
        [number(queue.as_fd()), buffer.as_mut_ptr() as usize, buffer.len()];
    let length = complete(|| {
        let until = limit.remaining().map(wall_clock_in);
        let arguments = [queue, address, room, &raw mut priority as usize, address_of(&until)];
        // SAFETY: the kernel writes into the buffer and the priority, and reads the time.
        unsafe { call(libc::SYS_mq_timedreceive, arguments) }
            .map_err(|stop| limit.unless_early(stop))
    })?;
    Ok((length, priority))
}

/// Sends a message with a priority. A queue that is full is waited for. For the time, see
/// [`mq_receive`].
///
/// # Examples
///
/// ```
/// use nix::mqueue::{MQ_OFlag, MqAttr, mq_open, mq_unlink};
/// use nix::sys::stat::Mode;
/// use std::time::Duration;
///
/// # let name = format!("/eintr-doc-send-{}", std::process::id());
/// # let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_WRONLY;
/// // Room for one message.
/// let queue = mq_open(name.as_str(), flags, Mode::S_IRWXU, Some(&MqAttr::new(0, 1, 64, 0)))?;
/// # mq_unlink(name.as_str())?;
/// eintr::ipc::mq_send(&queue, b"ping", 0, None)?;
/// assert!(eintr::ipc::mq_send(&queue, b"pong", 0, Some(Duration::ZERO)).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error: of the kind `TimedOut` if the time is up,
/// EMSGSIZE if the message is too long for the queue.
///
/// # Interruption
///
/// On `Interrupted` nothing was sent.
///
/// See [mq_send(3)](https://man7.org/linux/man-pages/man3/mq_send.3.html).
pub fn mq_send(
    queue: impl AsFd,
    message: &[u8],
    priority: u32,
    timeout: Option<Duration>,
) -> Result<(), Error> {
    let limit = Limit::new(timeout);
    let [queue, address, length] =
        [number(queue.as_fd()), message.as_ptr() as usize, message.len()];
    complete(|| {
        let until = limit.remaining().map(wall_clock_in);
        let arguments = [queue, address, length, priority as usize, address_of(&until)];
        // SAFETY: the kernel reads the message and the time.
        unsafe { call(libc::SYS_mq_timedsend, arguments) }
            .map(drop)
            .map_err(|stop| limit.unless_early(stop))
    })
}
