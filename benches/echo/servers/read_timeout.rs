//! std's: `set_read_timeout`, and for SIGTERM a flag and a loop of `pthread_kill`, whose signal has an
//! empty handler.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::thread::JoinHandleExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use nix::sys::pthread::pthread_kill;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use super::{LIMIT, SIZE, put_off_sigterm};

static STOP: AtomicBool = AtomicBool::new(false);
static CONNECTIONS: Mutex<Vec<JoinHandle<io::Result<()>>>> = Mutex::new(Vec::new());

/// Set once a connection.
pub fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    run(listener, |mut stream| {
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        let mut buffer = [0; SIZE];
        converse(|| {
            let length = stream.read(&mut buffer)?;
            stream.write_all(&buffer[..length])?;
            Ok(length)
        })
    })
}

/// Set before each read.
pub fn serve_each(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    run(listener, |mut stream| {
        stream.set_write_timeout(Some(LIMIT))?;
        let mut buffer = [0; SIZE];
        converse(|| {
            stream.set_read_timeout(Some(LIMIT))?;
            let length = stream.read(&mut buffer)?;
            stream.write_all(&buffer[..length])?;
            Ok(length)
        })
    })
}

fn converse(mut answer: impl FnMut() -> io::Result<usize>) -> io::Result<()> {
    while !STOP.load(Ordering::Relaxed) {
        match answer() {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn run(
    listener: TcpListener,
    converse: fn(TcpStream) -> io::Result<()>,
) -> Result<(), Box<dyn Error>> {
    let sigterm = put_off_sigterm()?;
    wake_by(Signal::SIGUSR1)?;
    thread::spawn(move || -> io::Result<()> {
        loop {
            let (stream, _) = listener.accept()?;
            CONNECTIONS.lock().unwrap().push(thread::spawn(move || converse(stream)));
        }
    });
    sigterm.wait()?;
    STOP.store(true, Ordering::Relaxed);
    let connections = std::mem::take(&mut *CONNECTIONS.lock().unwrap());
    for connection in &connections {
        // One that comes just before the read is lost, and the limit ends that one.
        pthread_kill(connection.as_pthread_t(), Signal::SIGUSR1)?;
    }
    for connection in connections {
        let _ = connection.join();
    }
    Ok(())
}

extern "C" fn nothing(_signal: libc::c_int) {}

/// Without `SA_RESTART`.
fn wake_by(signal: Signal) -> nix::Result<()> {
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(signal, &action) }.map(drop)
}
