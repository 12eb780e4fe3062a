//! Wrong implementations of an interruptible read.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Case;
use super::io::{libc_read, reading};

/// What they look at. Set by the requester, before it sends a signal.
pub static FLAG: AtomicBool = AtomicBool::new(false);

fn look() -> io::Result<()> {
    let asked = FLAG.load(Ordering::SeqCst);
    if asked { Err(io::Error::from_raw_os_error(libc::EINTR)) } else { Ok(()) }
}

/// The obvious one: it looks before the call, and again after EINTR.
pub fn flag(ready: bool) -> Case {
    reading(ready, |fd| {
        loop {
            look()?;
            match libc_read(fd) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return Ok(result?),
            }
        }
    })
}

/// It looks after the call.
pub fn after(ready: bool) -> Case {
    reading(ready, |fd| {
        let result = libc_read(fd);
        look()?;
        Ok(result?)
    })
}
