//! Calls of std's, which retry on EINTR: what reaches them is an answer in the kernel's place.

use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::wait::WaitPidFlag;
use nix::unistd::Pid;

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

thread_local! {
    /// A child that never ends, and one that has ended, which no trial has reaped yet.
    static CHILDREN: [Cell<Option<Child>>; 2] = const { [Cell::new(None), Cell::new(None)] };
}

/// A child of std's. It ends with this thread, at the latest.
fn spawn(script: &str) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::null());
    let dies = || Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?);
    // SAFETY: one syscall.
    unsafe { command.pre_exec(dies) }.spawn().unwrap()
}

pub fn wait(ready: bool) -> Case {
    let script = if ready { "exit 3" } else { "exec sleep 100000" };
    let child = CHILDREN.with(|children| children[usize::from(ready)].take());
    let child = child.unwrap_or_else(|| spawn(script));
    let id = Pid::from_raw(child.id() as i32);
    let child = Rc::new(Cell::new(Some(child)));
    let waits = child.clone();
    if ready {
        process::look(id, WaitPidFlag::empty()).unwrap();
    }
    Case {
        call: Box::new(move || {
            let mut child = waits.take().expect("one call at a time");
            let waited = child.wait();
            waits.set(Some(child));
            waited?;
            Ok(id.as_raw() as u64)
        }),
        intact: Box::new(move |result| {
            if result.is_none() {
                CHILDREN.with(|children| children[usize::from(ready)].set(child.take()));
            }
            process::is_as_told(id, ready, result)
        }),
    }
}
