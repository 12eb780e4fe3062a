//! Children that an asked thread makes, and what becomes of them.

use std::error::Error;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, exit, id};
use std::ptr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use eintr_company::{Company, Mode, wrong};
use nix::errno::Errno;
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, pthread_sigmask, sigaction,
};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

pub fn run(company: &Company, how: &str) {
    match how {
        "reset" => company.beside(&[&|| ended(reset()?)]),
        "posix_spawn" => company.beside(&[&|| ended(posix_spawn()?)]),
        "command" => company.beside(&[&|| {
            let child = Command::new("true").spawn()?;
            ended(Pid::from_raw(child.id().cast_signed()))
        }]),
        "system" => {
            company.beside(&[&system]);
            no_zombies();
        }
        "exec" => execs(company, "plain-exec"),
        "process::exec" => execs(company, "our-exec"),
        "plain-exec" => exec(company, |command| command.exec()),
        "our-exec" if company.mode != Mode::Without => exec(company, eintr::process::exec),
        "our-exec" => exec(company, |command| command.exec()),
        _ => wrong(format!("how? {how:?}")),
    }
}

/// A child that ends at once must end by itself. It is asked for without waiting.
fn ended(child: Pid) -> Result<(), Box<dyn Error>> {
    loop {
        match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => thread::yield_now(),
            Ok(WaitStatus::Exited(_, 0)) => return Ok(()),
            Ok(status) => wrong(format!("a child's end: {status:?}")),
            Err(error) => wrong(format!("a wait for a child that is there: {error}")),
        }
    }
}

/// As libuv and glib make children: all signals blocked around the fork, and in the child all
/// handlers taken out before they are opened.
fn reset() -> nix::Result<Pid> {
    let mut before = SigSet::empty();
    pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), Some(&mut before))?;
    // SAFETY: only async-signal-safe calls are made in the child.
    let forked = unsafe { fork() };
    if let Ok(ForkResult::Child) = forked {
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        for signal in Signal::iterator() {
            // SAFETY: the default action needs nothing.
            let _ = unsafe { sigaction(signal, &default) };
        }
        let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
        let arguments = [c"true".as_ptr(), ptr::null()];
        // SAFETY: the arguments end with a null.
        unsafe {
            libc::execv(c"/bin/true".as_ptr(), arguments.as_ptr());
            libc::_exit(127)
        }
    }
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
    match forked? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => unreachable!("it has left above"),
    }
}

fn posix_spawn() -> nix::Result<Pid> {
    let mut child = 0;
    let arguments = [c"true".as_ptr().cast_mut(), ptr::null_mut()];
    // SAFETY: arguments and environment end with a null.
    let error = unsafe {
        libc::posix_spawn(
            &mut child,
            c"/bin/true".as_ptr(),
            ptr::null(),
            ptr::null(),
            arguments.as_ptr(),
            arguments[1..].as_ptr(),
        )
    };
    if error == 0 { Ok(Pid::from_raw(child)) } else { Err(Errno::from_raw(error)) }
}

fn system() -> Result<(), Box<dyn Error>> {
    // SAFETY: a string with an end.
    match unsafe { libc::system(c"exit 3".as_ptr()) } {
        -1 => Err(io::Error::last_os_error().into()),
        0x300 => Ok(()),
        status => wrong(format!("system: status {status:#x}")),
    }
}

/// Each child has been waited for.
fn no_zombies() {
    let path = format!("/proc/self/task/{}/children", id());
    let children = fs::read_to_string(path).unwrap_or_else(|error| wrong(error));
    if !children.trim().is_empty() {
        wrong(format!("left behind: {} children", children.split_whitespace().count()));
    }
}

/// Programs whose thread runs another one at the moment that it is asked.
fn execs(company: &Company, how: &str) {
    let end = Instant::now() + company.time;
    for round in 0.. {
        let delay = (round * 7 % 600).to_string();
        let mut program = Command::new("/proc/self/exe");
        program.args([company.mode.name(), &delay, "children", how]);
        match program.status() {
            Ok(status) if status.success() => {}
            status => wrong(format!("a program that runs another one: {status:?}")),
        }
        if round >= 500 && Instant::now() > end {
            return;
        }
    }
}

fn exec(company: &Company, exec: fn(&mut Command) -> io::Error) {
    let (tell, begins) = mpsc::channel();
    let body = move || {
        let _ = tell.send(());
        wrong(exec(&mut Command::new("/bin/true")));
    };
    if company.mode == Mode::Without {
        thread::spawn(body);
        thread::sleep(Duration::from_secs(5));
        exit(1);
    }
    let thread = eintr::spawn(body);
    let _ = begins.recv();
    // How late it is asked, in microseconds: too short for a sleep.
    let ask = Instant::now() + company.time / 1000;
    while Instant::now() < ask {}
    match company.mode {
        Mode::Without | Mode::Idle => {}
        Mode::Asked => {
            thread.interrupt();
        }
        Mode::Storm => loop {
            thread.interrupt();
        },
    }
    thread::sleep(Duration::from_secs(5));
    exit(1);
}
