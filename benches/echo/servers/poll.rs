//! poll's: each wait is for the connection and for an eventfd that says stop.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::thread::{self, JoinHandle};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::{LIMIT, SIZE, put_off_sigterm};

static CONNECTIONS: Mutex<Vec<JoinHandle<io::Result<()>>>> = Mutex::new(Vec::new());

pub fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let sigterm = put_off_sigterm()?;
    // Never read, so that it wakes all. It lives as long as the process.
    let stop: &EventFd = Box::leak(Box::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?));
    let acceptor = thread::spawn(move || -> io::Result<()> {
        while is_ready(&listener, stop, PollTimeout::NONE)? {
            let (stream, _) = listener.accept()?;
            CONNECTIONS.lock().unwrap().push(thread::spawn(move || converse(stream, stop)));
        }
        Ok(())
    });
    sigterm.wait()?;
    stop.write(1)?;
    let _ = acceptor.join();
    for connection in CONNECTIONS.lock().unwrap().drain(..) {
        let _ = connection.join();
    }
    Ok(())
}

fn converse(mut stream: TcpStream, stop: &EventFd) -> io::Result<()> {
    stream.set_write_timeout(Some(LIMIT))?;
    let limit = LIMIT.try_into().map_err(io::Error::other)?;
    let mut buffer = [0; SIZE];
    while is_ready(&stream, stop, limit)? {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        stream.write_all(&buffer[..length])?;
    }
    Ok(())
}

/// Waits until there is something to read, or not to go on.
fn is_ready(readable: &impl AsFd, stop: &EventFd, limit: PollTimeout) -> io::Result<bool> {
    let watch = |fd| PollFd::new(fd, PollFlags::POLLIN);
    let mut fds = [watch(readable.as_fd()), watch(stop.as_fd())];
    match poll(&mut fds, limit)? {
        0 => Err(ErrorKind::TimedOut.into()),
        _ => Ok(fds[1].any() == Some(false)),
    }
}
