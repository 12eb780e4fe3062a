//! Our own calls, and the plain syscalls that they stand for.

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::naive;
use super::scene::{Case, Ends, Made, Scene, When};

pub const CASES: &[Case] = &[
    Case::own("read", || read(plain_read), || read(own_read)),
    Case::own(
        "read, asked just before it",
        || read_asked_before(plain_read, naive::was_signalled),
        || read_asked_before(own_read, eintr::is_interrupted),
    ),
    Case::own("accept", || accept(plain_accept), || accept(own_accept)),
    Case::own("sleep", || sleep(plain_sleep), || sleep(own_sleep)),
    Case::own("wait", || wait(plain_wait), || wait(own_wait)),
];

type Read = fn(&UnixStream) -> io::Result<()>;

fn plain_read(stream: &UnixStream) -> io::Result<()> {
    nix::unistd::read(stream, &mut [0; 8])?;
    Ok(())
}

fn own_read(stream: &UnixStream) -> io::Result<()> {
    eintr::io::read(stream, &mut [0; 8])?;
    Ok(())
}

fn read(read: Read) -> Made {
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    Ok(Scene::new(&[libc::SYS_read], move || read(&near)).release(|| drop(far)))
}

/// The gap that every flag has: between the last look at it and the syscall.
fn read_asked_before(read: Read, is_asked: fn() -> bool) -> Made {
    let (near, mut far) = UnixStream::pair().expect("a pair of sockets");
    let looked = Arc::new(AtomicBool::new(false));
    let tell = looked.clone();
    let call = move || {
        tell.store(true, Ordering::Release);
        while !is_asked() {
            std::hint::spin_loop();
        }
        read(&near)
    };
    Ok(Scene::new(&[], call).when(When::Said(looked)).release(move || far.write_all(b"go")))
}

fn plain_accept(listener: &TcpListener) -> io::Result<()> {
    let fd = nix::sys::socket::accept(listener.as_raw_fd())?;
    nix::unistd::close(fd)?;
    Ok(())
}

fn own_accept(listener: &TcpListener) -> io::Result<()> {
    eintr::net::accept(listener)?;
    Ok(())
}

fn accept(accept: fn(&TcpListener) -> io::Result<()>) -> Made {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().unwrap();
    Ok(Scene::new(&[libc::SYS_accept, libc::SYS_accept4], move || accept(&listener))
        .release(move || TcpStream::connect(address)))
}

fn plain_sleep() -> io::Result<()> {
    let hour = libc::timespec { tv_sec: 3600, tv_nsec: 0 };
    // SAFETY: one time is read, and no other written.
    match unsafe { libc::nanosleep(&hour, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn own_sleep() -> io::Result<()> {
    eintr::time::sleep(Duration::MAX)?;
    Ok(())
}

fn sleep(sleep: fn() -> io::Result<()>) -> Made {
    Ok(Scene::new(&[libc::SYS_nanosleep, libc::SYS_clock_nanosleep], sleep).ends(Ends::Recognised))
}

fn plain_wait(child: &mut Child) -> io::Result<()> {
    waitpid(Pid::from_raw(child.id() as i32), None)?;
    Ok(())
}

fn own_wait(child: &mut Child) -> io::Result<()> {
    eintr::process::wait(child)?;
    Ok(())
}

fn wait(wait: fn(&mut Child) -> io::Result<()>) -> Made {
    let mut child = sleeper();
    let id = Pid::from_raw(child.id() as i32);
    Ok(Scene::new(&[libc::SYS_wait4, libc::SYS_waitid], move || wait(&mut child))
        .release(move || kill_and_reap(id)))
}

pub fn sleeper() -> Child {
    Command::new("sleep").arg("1000").spawn().expect("sleep")
}

/// Who reaps it does not matter.
pub fn kill_and_reap(child: Pid) {
    let _ = kill(child, Signal::SIGKILL);
    let _ = waitpid(child, None);
}
