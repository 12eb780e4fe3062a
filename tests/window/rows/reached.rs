//! Calls of std's, which retry on EINTR: what reaches them is an answer in the kernel's place.

use std::fs::File;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag};

use super::{Case, fs, net, process};
use crate::rows::io::reading;

pub fn read_exact(ready: bool) -> Case {
    reading(ready, |mut file| {
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        Ok(byte[0].into())
    })
}

pub fn accept(ready: bool) -> Case {
    net::accepting(ready, |listener| Ok(listener.accept()?.0))
}

pub fn open(ready: bool) -> Case {
    fs::opening(ready, |path| Ok(File::open(path)?))
}

/// It has no error: whether it was cut short is for the caller to see.
pub fn sleep(ready: bool) -> Case {
    let duration = if ready { Duration::from_nanos(1) } else { Duration::from_secs(1 << 32) };
    Case {
        call: Box::new(move || {
            let start = Instant::now();
            std::thread::sleep(duration);
            if start.elapsed() < duration {
                eintr::checkpoint()?;
            }
            Ok(0)
        }),
        intact: Box::new(|_| Ok(())),
    }
}

/// As `Child::wait` does it, for a child that std did not make.
pub fn wait(ready: bool) -> Case {
    process::reaping(ready, |child| {
        loop {
            match nix::sys::wait::waitid(Id::Pid(child), WaitPidFlag::WEXITED) {
                Err(Errno::EINTR) => {}
                result => {
                    break Ok(result.map_err(io::Error::from)?.pid().map_or(0, |pid| pid.as_raw()));
                }
            }
        }
    })
}
