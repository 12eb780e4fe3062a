//! Tasks that come and go beside forks of every kind. Each allocator runs it in a program of its
//! own.

use std::error::Error;
use std::ffi::c_char;
use std::hint::black_box;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;
use std::thread;

use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{ForkResult, fork};

use crate::{Company, Mode, wrong};

unsafe extern "C" {
    fn popen(command: *const c_char, mode: *const c_char) -> *mut libc::FILE;
    fn pclose(file: *mut libc::FILE) -> i32;
}

pub fn run(company: &Company) {
    let short = || {
        if company.mode == Mode::Without {
            thread::spawn(allocate).join().unwrap_or_else(|_| wrong("a thread panicked"));
        } else {
            eintr::spawn(allocate).join().unwrap_or_else(|_| wrong("a task panicked"));
        }
        Ok(())
    };
    company.beside(&[&forks, &short, &short]);
}

fn allocate() {
    black_box((1..50).map(|size| vec![0u8; size * 100]).collect::<Vec<_>>());
}

/// A wait that is refused leaves a child: it is waited for at the next round. Only this thread has
/// any.
fn forks() -> Result<(), Box<dyn Error>> {
    while waitpid(None, Some(WaitPidFlag::WNOHANG)).is_ok_and(|status| status.pid().is_some()) {}

    // SAFETY: as after a fork of many threads' program nothing is done in the child; but an allocator's
    // handlers are there so that it may allocate, and so it does.
    match unsafe { fork()? } {
        ForkResult::Child => {
            allocate();
            // SAFETY: ends the child.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => {
            waitpid(child, None)?;
        }
    }

    let mut command = Command::new("true");
    // SAFETY: nothing is done in it; that there is one makes std fork.
    unsafe { command.pre_exec(|| Ok(())) };
    let status = command.status()?;
    if !status.success() {
        wrong(format!("a command with pre_exec: {status}"));
    }

    // SAFETY: the stream is closed once.
    unsafe {
        let file = popen(c"exit 3".as_ptr(), c"r".as_ptr());
        if ptr::eq(file, ptr::null()) {
            return Err(io::Error::last_os_error().into());
        }
        match pclose(file) {
            -1 => Err(io::Error::last_os_error().into()),
            0x300 => Ok(()),
            status => wrong(format!("pclose: status {status:#x}")),
        }
    }
}
