//! Sockets on loopback, and Unix sockets.

use std::collections::HashSet;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use eintr::net::{Message, RecvFlags, SendFlags};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType};

use super::files::{drain, fill, fresh_path, set_nonblocking};
use super::scene::{Made, Scene, intact, unless_emulated};

fn pair() -> (Arc<UnixStream>, Arc<UnixStream>) {
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    (Arc::new(near), Arc::new(far))
}

pub const SCENES: &[fn() -> Made] = &[
    accept_tcp,
    accept_unix,
    connect,
    tcp_connect,
    unix_connect,
    unix_connect_addr,
    recv,
    recv_from,
    recvmsg,
    recvmmsg,
    send,
    send_to,
    sendmsg,
    sendmmsg,
];

fn accept_tcp() -> Made {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?);
    let address = listener.local_addr().unwrap();
    let inside = listener.clone();
    let call = move || eintr::net::accept(&inside).map(drop);
    Ok(Scene::new("net::accept (TCP)", &["accept4"], call)
        .provide(move || TcpStream::connect(address).unwrap())
        .check(move || {
            let client = TcpStream::connect(address).unwrap();
            let (_, peer) = listener.accept().unwrap();
            intact(peer == client.local_addr().unwrap(), "the next connection is accepted")
        }))
}

fn accept_unix() -> Made {
    let (listener, address) = unix_listener();
    let listener = Arc::new(listener);
    let inside = listener.clone();
    let outside = address.clone();
    let call = move || eintr::net::accept(&inside).map(drop);
    Ok(Scene::new("net::accept (Unix)", &["accept4"], call)
        .provide(move || UnixStream::connect_addr(&outside).unwrap())
        .check(move || {
            let client = UnixStream::connect_addr(&address).unwrap();
            let (mut accepted, _) = listener.accept().unwrap();
            drop(client);
            let end = accepted.read(&mut [0]);
            intact(matches!(end, Ok(0)), "the next connection is accepted")
        }))
}

fn unix_listener() -> (UnixListener, UnixAddr) {
    let address = abstract_address("socket");
    (UnixListener::bind_addr(&address).expect("a listener"), address)
}

/// A name for a Unix socket that is in no directory.
fn abstract_address(what: &str) -> UnixAddr {
    let name = fresh_path(what).into_os_string().into_encoded_bytes();
    UnixAddr::from_abstract_name(name).expect("a name")
}

/// A listener whose queue is full: the next connection waits for its first answer.
fn full_backlog() -> (TcpListener, Vec<OwnedFd>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    socket::listen(&listener, Backlog::new(0).unwrap()).expect("a short queue");
    let std::net::SocketAddr::V4(address) = listener.local_addr().unwrap() else { unreachable!() };
    let address = socket::SockaddrIn::from(address);
    let mut waiting = Vec::new();
    loop {
        let fd = tcp_socket();
        set_nonblocking(&fd, true);
        let _ = socket::connect(fd.as_raw_fd(), &address);
        // On loopback an answer comes at once, or the queue is full.
        let mut connected = [PollFd::new(fd.as_fd(), PollFlags::POLLOUT)];
        let answered = poll(&mut connected, PollTimeout::from(50_u16)).expect("a poll") > 0;
        waiting.push(fd);
        if !answered {
            return (listener, waiting);
        }
    }
}

fn tcp_socket() -> OwnedFd {
    socket::socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)
        .expect("a socket")
}

/// Accepts all that wait, and the call's own connection, as they come.
fn make_room(listener: Arc<TcpListener>, waiting: usize) {
    thread::spawn(move || (0..=waiting).all(|_| listener.accept().is_ok()));
}

fn connect() -> Made {
    let (listener, waiting) = full_backlog();
    let expected = waiting.len();
    let address = listener.local_addr().unwrap();
    let fd = Arc::new(tcp_socket());
    let inside = fd.clone();
    let listener = Arc::new(listener);
    let outside = listener.clone();
    let call = move || Ok(eintr::net::connect(&inside, address)?);
    Ok(Scene::new("net::connect", &["connect"], call)
        .provide(move || make_room(outside, expected))
        .check(move || {
            let name = socket::getpeername::<socket::SockaddrStorage>(fd.as_raw_fd());
            drop((waiting, listener));
            intact(name.is_err(), "there is no connection")
        }))
}

fn tcp_connect() -> Made {
    let (listener, waiting) = full_backlog();
    let expected = waiting.len();
    let address = listener.local_addr().unwrap();
    let listener = Arc::new(listener);
    let outside = listener.clone();
    let before = open_sockets();
    let call = move || eintr::net::tcp_connect(address).map(drop);
    Ok(Scene::new("net::tcp_connect", &["connect"], call)
        .provide(move || make_room(outside, expected))
        .check(move || {
            let new = &open_sockets() - &before;
            let start = Instant::now();
            // Those of other threads come and go.
            while !open_sockets().is_disjoint(&new) && start.elapsed() < Duration::from_secs(30) {
                thread::yield_now();
            }
            let are_closed = open_sockets().is_disjoint(&new);
            drop((waiting, listener));
            intact(are_closed, "its socket is closed")
        }))
}

/// The sockets that this process has open.
fn open_sockets() -> HashSet<PathBuf> {
    let fds = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    fds.filter_map(|fd| std::fs::read_link(fd.path()).ok())
        .filter(|link| link.to_string_lossy().starts_with("socket:"))
        .collect()
}

fn unix_connect() -> Made {
    let path = fresh_path("connect");
    let address = UnixAddr::from_pathname(&path).map_err(|error| error.to_string())?;
    let inside = path.clone();
    let call = move || eintr::net::unix_connect(&inside).map(drop);
    to_full_unix_listener("net::unix_connect", address, call, Some(path))
}

fn unix_connect_addr() -> Made {
    let address = abstract_address("connect");
    let inside = address.clone();
    let call = move || eintr::net::unix_connect_addr(&inside).map(drop);
    to_full_unix_listener("net::unix_connect_addr", address, call, None)
}

/// A listener whose queue is full: the next one waits for room.
fn to_full_unix_listener(
    name: &'static str,
    address: UnixAddr,
    call: impl FnMut() -> Result<(), eintr::Error> + Send + 'static,
    path: Option<std::path::PathBuf>,
) -> Made {
    let listener = UnixListener::bind_addr(&address).map_err(|error| error.to_string())?;
    // Again, for a short queue.
    socket::listen(&listener, Backlog::new(0).unwrap()).unwrap();
    let first = UnixStream::connect_addr(&address).unwrap();
    let listener = Arc::new(listener);
    let outside = listener.clone();
    Ok(Scene::new(name, &["connect"], call).provide(move || outside.accept().unwrap()).check(
        move || {
            drop(listener.accept().unwrap());
            listener.set_nonblocking(true).unwrap();
            let another = listener.accept();
            drop(first);
            path.map(std::fs::remove_file);
            intact(another.is_err(), "there is no connection")
        },
    ))
}

fn recv() -> Made {
    let (near, far) = pair();
    let (inside, outside) = (near.clone(), far.clone());
    let call = move || eintr::net::recv(&inside, &mut [0; 8], RecvFlags::empty()).map(drop);
    Ok(Scene::new("net::recv", &["recvfrom"], call)
        .provide(move || (&*outside).write_all(b"x").unwrap())
        .check(move || next_message_arrives(&near, &far)))
}

fn next_message_arrives(mut near: &UnixStream, mut far: &UnixStream) -> Result<String, String> {
    let mut two = [0; 2];
    far.write_all(b"ab").unwrap();
    intact(near.read_exact(&mut two).is_ok() && &two == b"ab", "the next bytes arrive")
}

fn recv_from() -> Made {
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").map_err(|error| error.to_string())?);
    let address = socket.local_addr().unwrap();
    let inside = socket.clone();
    let send = move |message: &[u8]| {
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(message, address).unwrap();
    };
    let call = move || eintr::net::recv_from(&*inside, &mut [0; 8], RecvFlags::empty()).map(drop);
    Ok(Scene::new("net::recv_from (UDP)", &["recvfrom"], call).provide(move || send(b"x")).check(
        move || {
            send(b"ab");
            let mut message = [0; 8];
            let (length, _) = socket.recv_from(&mut message).unwrap();
            intact(&message[..length] == b"ab", "the next datagram arrives")
        },
    ))
}

fn recvmsg() -> Made {
    let (near, far) = pair();
    let (inside, outside) = (near.clone(), far.clone());
    let call = move || {
        let mut bytes = [0; 8];
        let buffers = &mut [IoSliceMut::new(&mut bytes)];
        eintr::net::recvmsg(&inside, buffers, RecvFlags::empty()).map(drop)
    };
    Ok(Scene::new("net::recvmsg", &["recvmsg"], call)
        .provide(move || (&*outside).write_all(b"x").unwrap())
        .check(move || next_message_arrives(&near, &far)))
}

fn recvmmsg() -> Made {
    unless_emulated("net::recvmmsg")?;
    let (near, far) = pair();
    let (inside, outside) = (near.clone(), far.clone());
    let call = move || {
        let mut bytes = [0; 8];
        let messages = &mut [&mut [IoSliceMut::new(&mut bytes)][..]];
        eintr::net::recvmmsg(&inside, messages, RecvFlags::empty()).map(drop)
    };
    Ok(Scene::new("net::recvmmsg", &["recvmmsg"], call)
        .provide(move || (&*outside).write_all(b"x").unwrap())
        .check(move || next_message_arrives(&near, &far)))
}

fn send() -> Made {
    let (near, far) = pair();
    let filled = fill(&near);
    let outside = far.clone();
    let call = move || eintr::net::send(&near, b"more", SendFlags::empty()).map(drop);
    Ok(Scene::new("net::send", &["sendto"], call).provide(move || drain(&outside)).check(
        move || {
            let came = drain(&far);
            intact(came == filled, format!("{came} bytes in, {came} out, none of ours"))
        },
    ))
}

fn send_to() -> Made {
    let address = abstract_address("datagrams");
    let receiver = UnixDatagram::bind_addr(&address).map_err(|error| error.to_string())?;
    let sender = UnixDatagram::unbound().map_err(|error| error.to_string())?;
    sender.connect_addr(&address).map_err(|error| error.to_string())?;
    let filled = fill(&sender);
    let receiver = Arc::new(receiver);
    let outside = receiver.clone();
    let call = move || {
        eintr::net::send_to(&sender, b"more", address.clone(), SendFlags::empty()).map(drop)
    };
    Ok(Scene::new("net::send_to", &["sendto"], call).provide(move || drain(&outside)).check(
        move || {
            let came = drain(&receiver);
            intact(came == filled, format!("{came} bytes in, {came} out, none of ours"))
        },
    ))
}

fn sendmsg() -> Made {
    sending("net::sendmsg", &["sendmsg"], |near, message| {
        eintr::net::sendmsg(near, message, SendFlags::empty())
    })
}

fn sendmmsg() -> Made {
    unless_emulated("net::sendmmsg")?;
    sending("net::sendmmsg", &["sendmmsg"], |near, message| {
        eintr::net::sendmmsg(near, std::slice::from_ref(message), SendFlags::empty())
    })
}

fn sending(
    name: &'static str,
    syscalls: &'static [&'static str],
    send: fn(&UnixStream, &Message<'_>) -> Result<usize, eintr::Error>,
) -> Made {
    let (near, far) = pair();
    let filled = fill(&near);
    let outside = far.clone();
    let call = move || {
        let buffers = [IoSlice::new(b"more")];
        send(&near, &Message::new(&buffers)).map(drop)
    };
    Ok(Scene::new(name, syscalls, call).provide(move || drain(&outside)).check(move || {
        let came = drain(&far);
        intact(came == filled, format!("{came} bytes in, {came} out, none of ours"))
    }))
}
