//! Connections: made, and accepted. A Unix listener has a short queue, which fills; a TCP one has a long one.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use std::{fs, io, ptr};

use super::{Done, Row, row};
use crate::operation::Call;
use crate::operation::Whose::{C, Own, Std};
use crate::worker::{Readiness, Worker};
use crate::wrong;

pub const ROWS: &[Row] = &[
    row("accept", &[Own, Std, C], &[], accept),
    row("connect", &[Own, Std], &[], connect),
    row("connect_timeout", &[Std], &[], connect_timeout),
];

enum Listener {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener, SocketAddr),
}

pub struct Listening {
    listener: Listener,
    connected: AtomicU64,
    given_up: AtomicU64,
    accepted: AtomicU64,
}

pub type Listeners = [Arc<Listening>; 2];

pub fn listeners(folder: &Path) -> io::Result<Listeners> {
    let path = folder.join(format!("socket-{}", test_support::gettid()));
    let _ = fs::remove_file(&path);
    let unix = UnixListener::bind(&path)?;
    let tcp = TcpListener::bind("127.0.0.1:0")?;
    for (fd, queue) in [(unix.as_raw_fd(), 1), (tcp.as_raw_fd(), 4096)] {
        // SAFETY: no pointers.
        crate::answer(unsafe { libc::listen(fd, queue) } as isize)?;
    }
    let address = tcp.local_addr()?;
    Ok([Listening::new(Listener::Unix(unix, path)), Listening::new(Listener::Tcp(tcp, address))])
}

impl Listening {
    fn new(listener: Listener) -> Arc<Self> {
        let [connected, given_up, accepted] = Default::default();
        Arc::new(Self { listener, connected, given_up, accepted })
    }

    fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match &self.listener {
            Listener::Unix(listener, _) => listener.as_fd(),
            Listener::Tcp(listener, _) => listener.as_fd(),
        }
    }

    /// Counts a connection; one that is told an error may be made all the same.
    fn count<T, E>(&self, connected: Result<T, E>) -> Result<T, E> {
        let count = if connected.is_ok() { &self.connected } else { &self.given_up };
        count.fetch_add(1, SeqCst);
        connected
    }

    /// A connection by somebody who does not wait.
    fn connects(&self) -> bool {
        let limit = Duration::from_millis(1);
        let connected = self.count(eintr::timeout(limit, || match &self.listener {
            Listener::Unix(_, path) => eintr::net::unix_connect(path).map(drop),
            Listener::Tcp(_, address) => eintr::net::tcp_connect(address).map(drop),
        }));
        connected.is_ok()
    }

    /// Accepts what is there.
    fn accepts(&self) {
        while self.is_ready() {
            let accepted = eintr::timeout(Duration::from_millis(1), || match &self.listener {
                Listener::Unix(listener, _) => eintr::net::accept(listener).map(drop),
                Listener::Tcp(listener, _) => eintr::net::accept(listener).map(drop),
            });
            if accepted.is_ok() {
                self.accepted.fetch_add(1, SeqCst);
            }
        }
    }

    fn is_ready(&self) -> bool {
        let mut fd = libc::pollfd { fd: self.fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one that is borrowed.
        unsafe { libc::poll(&mut fd, 1, 0) == 1 }
    }

    pub fn balance(&self) -> u64 {
        let before = self.accepted.load(SeqCst);
        self.accepts();
        let all = self.accepted.load(SeqCst);
        let (connected, given_up) = (self.connected.load(SeqCst), self.given_up.load(SeqCst));
        if !(connected..=connected + given_up).contains(&all) {
            let left = all - before;
            wrong(format_args!(
                "{connected} connected, {given_up} given up, {before} accepted, {left} left"
            ));
        }
        connected
    }
}

#[derive(Clone)]
struct ToAccept(Arc<Listening>);

impl Readiness for ToAccept {
    fn ready(&self) {
        // On a loaded machine the time may be up before anything has begun.
        while !self.0.connects() && !self.0.is_ready() {}
    }

    fn unready(&self) {
        self.0.accepts();
    }
}

#[derive(Clone)]
struct ToConnect(Arc<Listening>);

impl Readiness for ToConnect {
    fn ready(&self) {
        self.0.accepts();
    }

    fn unready(&self) {
        // What may be: the queue holds one more than it says.
        for _ in 0..3 {
            self.0.connects();
        }
    }
}

fn accept(worker: &Worker, call: &Call) -> Done {
    let listening = worker.listening(call);
    worker.meets(call, ToAccept(listening.clone()), || {
        match (&listening.listener, call.whose) {
            (Listener::Unix(listener, _), Own) => {
                worker.own(eintr::net::accept(listener)).map(drop)
            }
            (Listener::Tcp(listener, _), Own) => worker.own(eintr::net::accept(listener)).map(drop),
            (Listener::Unix(listener, _), Std) => worker.std(listener.accept()).map(drop),
            (Listener::Tcp(listener, _), Std) => worker.std(listener.accept()).map(drop),
            (_, C) => {
                let (fd, none) = (listening.fd().as_raw_fd(), ptr::null_mut());
                // SAFETY: the address is not asked for.
                let accepted = unsafe { libc::accept4(fd, none, none.cast(), libc::SOCK_CLOEXEC) };
                // SAFETY: it is new.
                worker
                    .c(accepted as isize)
                    .map(|fd| drop(unsafe { OwnedFd::from_raw_fd(fd as i32) }))
            }
        }
    })?;
    if !crate::plant::planted("connection", call.number / 2) {
        listening.accepted.fetch_add(1, SeqCst);
    }
    Ok(())
}

fn connect(worker: &Worker, call: &Call) -> Done {
    let listening = worker.listening(call);
    worker.meets(call, ToConnect(listening.clone()), || {
        listening.count(match (&listening.listener, call.whose) {
            (Listener::Unix(_, path), Own) => worker.own(eintr::net::unix_connect(path)).map(drop),
            (Listener::Tcp(_, to), Own) => worker.own(eintr::net::tcp_connect(to)).map(drop),
            (Listener::Unix(_, path), _) => worker.std(UnixStream::connect(path)).map(drop),
            (Listener::Tcp(_, to), _) => worker.std(TcpStream::connect(to)).map(drop),
        })
    })
}

fn connect_timeout(worker: &Worker, call: &Call) -> Done {
    let listening = worker.listening(&Call { number: 1, ..*call });
    let Listener::Tcp(_, address) = &listening.listener else { unreachable!("the second is") };
    let limit = Duration::from_secs(1_000);
    worker.meets(call, ToConnect(listening.clone()), || {
        listening.count(worker.std(TcpStream::connect_timeout(address, limit)).map(drop))
    })
}
