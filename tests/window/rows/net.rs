//! Sockets.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixListener, UnixStream};
use std::rc::Rc;

use eintr::Error;
use eintr::net::{ConnectState, RecvFlags};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, listen, setsockopt, socket, sockopt,
};

use super::{Case, equal};

pub fn accept(ready: bool) -> Case {
    accepting(ready, |listener| Ok(eintr::net::accept(listener)?.0))
}

/// A listener with a client or without; `accept` accepts one.
pub fn accepting(
    ready: bool,
    accept: impl Fn(&UnixListener) -> Result<UnixStream, Error> + 'static,
) -> Case {
    let address = format!("eintr-window-{}", std::process::id());
    let address = UnixAddr::from_abstract_name(address).unwrap();
    let listener = Rc::new(UnixListener::bind_addr(&address).unwrap());
    let client = ready.then(|| UnixStream::connect_addr(&address).unwrap());
    let accepted = Rc::new(Cell::new(None));
    let (from, kept) = (listener.clone(), accepted.clone());
    Case {
        call: Box::new(move || {
            kept.set(Some(accept(&from)?));
            Ok(0)
        }),
        intact: Box::new(move |result| {
            listener.set_nonblocking(true).unwrap();
            let left = listener.accept().map(|(stream, _)| stream);
            equal("a client is left", left.is_ok(), ready && result.is_none())?;
            let (Some(mut client), Some(mut stream)) = (client, left.ok().or(accepted.take()))
            else {
                return Ok(());
            };
            client.write_all(b"x").unwrap();
            drop(client);
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).unwrap();
            equal("heard from the client", heard, b"x".to_vec())
        }),
    }
}

/// A datagram is there or not.
pub fn recv(ready: bool) -> Case {
    let (socket, peer) = UnixDatagram::pair().unwrap();
    if ready {
        peer.send(b"xyz").unwrap();
    }
    let socket = Rc::new(socket);
    let from = socket.clone();
    Case {
        call: Box::new(move || {
            Ok(eintr::net::recv(&*from, &mut [0; 8], RecvFlags::empty())? as u64)
        }),
        intact: Box::new(move |result| {
            drop(peer);
            socket.set_nonblocking(true).unwrap();
            let left = matches!(socket.recv(&mut [0; 8]), Ok(3));
            equal("bytes received", result.unwrap_or(3), 3)?;
            equal("a datagram is left", left, ready && result.is_none())
        }),
    }
}

fn tcp_socket() -> OwnedFd {
    let socket =
        socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    // Closed, it leaves no port behind that waits.
    setsockopt(&socket, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 }).unwrap();
    socket
}

/// libc's own `connect`, to a port of this host.
fn libc_connect(socket: &OwnedFd, to: SocketAddr) -> nix::Result<()> {
    let name = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: to.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(Ipv4Addr::LOCALHOST).to_be() },
        sin_zero: [0; 8],
    };
    let length = size_of_val(&name) as libc::socklen_t;
    // SAFETY: the kernel reads the name, which is borrowed.
    let result = unsafe { libc::connect(socket.as_raw_fd(), (&raw const name).cast(), length) };
    Errno::result(result).map(drop)
}

/// A listener with room in its queue, or without.
pub fn connect_tcp(ready: bool) -> Case {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let first = tcp_socket();
    if !ready {
        // Room for one.
        listen(&listener, Backlog::new(0).unwrap()).unwrap();
        libc_connect(&first, address).unwrap();
    }
    let socket = Rc::new(tcp_socket());
    let state = Rc::new(Cell::new(None));
    let (connected, told) = (socket.clone(), state.clone());
    Case {
        call: Box::new(move || {
            let result = eintr::net::connect(&*connected, address);
            Ok(result.map(|()| 0).inspect_err(|error| told.set(Some(error.state)))?)
        }),
        intact: Box::new(move |result| {
            fcntl(&*socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
            let again = libc_connect(&socket, address);
            drop((listener, first));
            equal("a state is told", state.get().is_some(), result.is_none())?;
            let in_progress = again == Err(Errno::EALREADY);
            let said = state.get() == Some(ConnectState::InProgress);
            equal("in progress", in_progress, said)?;
            if result.is_some() { equal("connected", again, Err(Errno::EISCONN)) } else { Ok(()) }
        }),
    }
}
