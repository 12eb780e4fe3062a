//! Telling the service manager (sd_notify(3)), in the twenty lines that it takes. (Rejected: a
//! crate for it. It would bring as many lines again for what is not used here.)

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::{env, io};

use crate::mask;

/// Tells the service manager that the program is ready to serve; whether there is one.
///
/// That is systemd, or another one that sets `NOTIFY_SOCKET` for a service of `Type=notify`. A
/// program that was started by hand tells nobody.
///
/// ```
/// eintr::termination::ready()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// If the service manager cannot be told.
///
/// # Interruption
///
/// Not interruptible.
///
/// See [sd_notify(3)](https://man7.org/linux/man-pages/man3/sd_notify.3.html).
pub fn ready() -> io::Result<bool> {
    tell(b"READY=1")
}

/// Tells the service manager that the program is about to end; whether there is one. What
/// [`interrupt_on`](super::interrupt_on) does by itself at the first signal.
///
/// # Errors
///
/// If the service manager cannot be told.
///
/// # Interruption
///
/// Not interruptible: by now the thread may well be interrupted.
///
/// See [sd_notify(3)](https://man7.org/linux/man-pages/man3/sd_notify.3.html).
pub fn stopping() -> io::Result<bool> {
    tell(b"STOPPING=1")
}

fn tell(state: &[u8]) -> io::Result<bool> {
    let Some(socket) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
        return Ok(false);
    };
    let address = address(&socket)?;
    mask(|| UnixDatagram::unbound()?.send_to_addr(state, &address))?;
    Ok(true)
}

/// A path, or an abstract name with `@` in the place of its zero.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(name),
    }
}
