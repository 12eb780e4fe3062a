//! System V message queues.
//!
//! # Safety
//!
//! The kernel is handed a message that is borrowed for the length of the call.

#![allow(unsafe_code)]

use std::io;

use libc::{c_int, c_long};

use crate::thread::call;
use crate::{Error, complete};

/// The type that precedes a message's text.
const TYPE_SIZE: usize = size_of::<c_long>();

/// Which message [`msgrcv`] takes. The type of a message is a number above 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MsgKind {
    /// The first.
    Any,
    /// The first of this type.
    Is(i64),
    /// The first of any other type.
    IsNot(i64),
    /// The first of the lowest type that is not above this one.
    AtMost(i64),
}

impl MsgKind {
    /// The type and the flags that say so.
    fn arguments(self) -> io::Result<(c_long, c_int)> {
        match self {
            MsgKind::Any => Ok((0, 0)),
            MsgKind::Is(kind @ 1..) => Ok((kind, 0)),
            MsgKind::IsNot(kind @ 1..) => Ok((kind, libc::MSG_EXCEPT)),
            MsgKind::AtMost(kind @ 1..) => Ok((-kind, 0)),
            _ => Err(io::Error::from_raw_os_error(libc::EINVAL)),
        }
    }
}

/// Waits for a message and takes it: the length of its text, which is in the buffer, and its type.
///
/// # Examples
///
/// ```
/// use eintr::ipc::{MsgKind, msgrcv, msgsnd};
///
/// let id = unsafe { libc::msgget(libc::IPC_PRIVATE, 0o600) };
/// msgsnd(id, 7, b"ping")?;
/// let mut buffer = [0; 64];
/// let (length, kind) = msgrcv(id, &mut buffer, MsgKind::Any)?;
/// assert_eq!((&buffer[..length], kind), (&b"ping"[..], 7));
/// # unsafe { libc::msgctl(id, libc::IPC_RMID, std::ptr::null_mut()) };
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error: E2BIG if the text is longer than the buffer (it
/// stays in the queue), EIDRM if the queue was removed meanwhile, EINVAL for a type that is not
/// above 0.
///
/// # Interruption
///
/// On `Interrupted` no message was taken.
///
/// See [msgrcv(2)](https://man7.org/linux/man-pages/man2/msgrcv.2.html).
pub fn msgrcv(id: i32, buffer: &mut [u8], kind: MsgKind) -> Result<(usize, i64), Error> {
    let (which, flags) = kind.arguments()?;
    // The kernel wants the type in front of the text.
    let mut message = vec![0; TYPE_SIZE + buffer.len()];
    let address = message.as_mut_ptr() as usize;
    let arguments = [id as usize, address, buffer.len(), which as usize, flags as usize];
    // SAFETY: the kernel writes the type, and at most as much text after it as there is room for.
    let length = complete(|| unsafe { call(libc::SYS_msgrcv, arguments) })?;
    let (kind, text) = message.split_first_chunk::<TYPE_SIZE>().expect("room for a type");
    buffer[..length].copy_from_slice(&text[..length]);
    Ok((length, c_long::from_ne_bytes(*kind)))
}

/// Sends a message of a type above 0. A queue that is full is waited for.
///
/// # Examples
///
/// ```
/// use eintr::ipc::msgsnd;
///
/// let id = unsafe { libc::msgget(libc::IPC_PRIVATE, 0o600) };
/// msgsnd(id, 7, b"ping")?;
/// # unsafe { libc::msgctl(id, libc::IPC_RMID, std::ptr::null_mut()) };
/// # Ok::<(), eintr::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Interrupted`], or the kernel's error: EINVAL for a text that is too long or a type that
/// is not above 0, EIDRM if the queue was removed meanwhile.
///
/// # Interruption
///
/// On `Interrupted` nothing was sent.
///
/// See [msgsnd(2)](https://man7.org/linux/man-pages/man2/msgsnd.2.html).
pub fn msgsnd(id: i32, kind: i64, text: &[u8]) -> Result<(), Error> {
    let message = [&kind.to_ne_bytes(), text].concat();
    let arguments = [id as usize, message.as_ptr() as usize, text.len(), 0];
    // SAFETY: the kernel reads the type, and the text after it.
    complete(|| unsafe { call(libc::SYS_msgsnd, arguments) }.map(drop))
}
