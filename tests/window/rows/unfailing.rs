//! Calls whose callers take an error for done, or for not done, and never look for EINTR.

use std::cell::Cell;
use std::ffi::{CString, c_int};
use std::rc::Rc;
use std::{io, ptr};

use eintr::Error;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::{Case, equal};

fn done(result: c_int) -> Result<c_int, Error> {
    if result < 0 { Err(Error::Io(io::Error::last_os_error())) } else { Ok(result) }
}

/// One after another: `mmap`, `munmap`, `dup2`, `close`, `rename`, `fsync` and a fork.
pub fn calls(_ready: bool) -> Case {
    let name = |what| {
        let path = std::env::temp_dir().join(format!("eintr-{what}-{}", std::process::id()));
        CString::new(path.into_os_string().into_encoded_bytes()).unwrap()
    };
    let [from, to] = ["unfailing", "renamed"].map(name);
    // SAFETY: a path.
    let made = unsafe { libc::open(from.as_ptr(), libc::O_CREAT | libc::O_RDWR, 0o600) };
    assert!(made >= 0);
    let child = Rc::new(Cell::new(0));
    let forked = child.clone();
    let place = to.clone();
    Case {
        call: Box::new(move || {
            let access = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            // SAFETY: a mapping of our own, which nobody uses, descriptors of our own, and paths. The child
            // makes one call.
            unsafe {
                let page = libc::mmap(ptr::null_mut(), 4096, access, flags, -1, 0);
                done(if page == libc::MAP_FAILED { -1 } else { 0 })?;
                done(libc::munmap(page, 4096))?;
                let copy = done(libc::dup2(made, 60))?;
                done(libc::close(copy))?;
                done(libc::rename(from.as_ptr(), place.as_ptr()))?;
                done(libc::fsync(made))?;
                // libc's own runs handlers, which hold locks that the requester needs.
                let fork = libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0);
                if fork == 0 {
                    libc::syscall(libc::SYS_exit_group, 7);
                }
                forked.set(done(fork as c_int)?);
            }
            Ok(7)
        }),
        intact: Box::new(move |result| {
            // SAFETY: numbers and a path.
            let [closed, again, removed] =
                unsafe { [libc::close(made), libc::close(60), libc::unlink(to.as_ptr())] };
            let status = waitpid(Pid::from_raw(child.get()), None).map_err(|e| e.to_string())?;
            equal("its end", matches!(status, WaitStatus::Exited(_, 7)), true)?;
            equal("closed, closed again, removed", [closed, again, removed], [0, -1, 0])?;
            equal("the result", result, Some(7))
        }),
    }
}
