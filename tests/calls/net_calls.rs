//! Sockets. The tests work like this: all are this process's own, on loopback or Unix; what is to
//! block is empty, or filled until it takes no more; then connections, messages and descriptors are
//! counted.
//!
//! Signals that are nobody's come as two kinds here: SIGUSR2, whose handler is the test's and does
//! not have calls restarted, and SIGUSR1, which is the library's signal and had a handler before,
//! to which a stray one is passed on.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixListener, UnixStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use eintr::event::{Events, PollFd, poll};
use eintr::io::Stream;
use eintr::net::{
    Address, ConnectState, Message, RecvFlags, SendFlags, accept, connect, recv, recv_from,
    recvmsg, send, send_to, sendmsg, tcp_connect, unix_connect, unix_connect_addr,
};
use eintr::{Error, Interrupted, Outcome, Signal, mask, task};
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::signal::{self as nix_signal, SigSet};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, listen, setsockopt, socket, sockopt,
};
use test_support::asked::{asked_before, asked_while_blocked, disturbed};
use test_support::signals::{STRAY, handle, is_pending, send_stray};
use test_support::target::pipe;
use test_support::{child, gettid, sleeps_in, wait_until, wait_until_blocked, watched};

const RECV: RecvFlags = RecvFlags::empty();
const SEND: SendFlags = SendFlags::empty();

/// How often a stray SIGUSR1 came to the handler that was there first.
static PASSED_ON: AtomicU32 = AtomicU32::new(0);

/// In a process of its own, with a handler for SIGUSR1 from before the library's first use.
fn among_strays(case: impl FnOnce()) {
    extern "C" fn count(_: i32) {
        PASSED_ON.fetch_add(1, Ordering::Relaxed);
    }
    child::alone(|| {
        handle(libc::SIGUSR1, count, libc::SA_RESTART, &[]);
        eintr::install(Signal::USR1).unwrap();
        case();
    });
}

/// Does something with a description that does not wait meanwhile.
fn without_waiting<T>(fd: impl AsFd, f: impl FnOnce() -> T) -> T {
    let flags = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL).unwrap());
    fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).unwrap();
    let result = f();
    fcntl(&fd, FcntlArg::F_SETFL(flags)).unwrap();
    result
}

/// Fills a socket's way to its peer; how many bytes that took.
fn fill(fd: impl AsFd) -> usize {
    without_waiting(&fd, || {
        let mut total = 0;
        for size in [4096, 1] {
            while let Ok(length) = nix::unistd::write(&fd, &[b'-'; 4096][..size]) {
                total += length;
            }
        }
        total
    })
}

/// All that can be read without waiting.
fn drain(fd: impl AsFd) -> Vec<u8> {
    without_waiting(&fd, || {
        let mut all = Vec::new();
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = nix::unistd::read(&fd, &mut chunk) {
            all.extend_from_slice(&chunk[..length]);
        }
        all
    })
}

fn kind(error: impl Into<io::Error>) -> ErrorKind {
    error.into().kind()
}

fn closes_on_exec(fd: impl AsFd) -> bool {
    FdFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFD).unwrap()).contains(FdFlag::FD_CLOEXEC)
}

fn bound() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").unwrap()
}

/// An address that no other socket has.
fn abstract_address(name: &str) -> UnixAddr {
    UnixAddr::from_abstract_name(format!("eintr-net-{}-{name}", std::process::id())).unwrap()
}

/// A path of this process's own, removed at the end.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("eintr-net-{}-{name}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

// accept.

#[test]
fn accept_drops_no_connection() {
    watched("accept", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        asked_while_blocked(libc::SYS_accept4, || accept(&listener));
        let mut client = TcpStream::connect(address).unwrap();
        asked_before(|| accept(&listener));
        let (mut stream, peer) = accept(&listener).unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
        assert!(closes_on_exec(&stream));
        client.write_all(b"ping").unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 4);

        let (connects, connected) = mpsc::channel();
        let connects = || connects.send(TcpStream::connect(address).unwrap()).unwrap();
        let (_, peer) = disturbed(libc::SYS_accept4, || accept(&listener), connects);
        assert_eq!(peer, connected.recv().unwrap().local_addr().unwrap());
    });
}

#[test]
fn a_masked_accept_waits_for_its_connection() {
    watched("masked accept", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (task, interrupter) = task();
        let (starts, started) = mpsc::channel();
        thread::scope(|scope| {
            let caller = scope.spawn(|| {
                task.run(|| {
                    starts.send(gettid()).unwrap();
                    (mask(|| accept(&listener)), accept(&listener))
                })
            });
            wait_until_blocked(started.recv().unwrap(), libc::SYS_accept4);
            let outcome = interrupter.interrupt().wait(Duration::ZERO);
            assert!(matches!(outcome, Outcome::Masked(_)), "{outcome:?}");
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (masked, after) = caller.join().unwrap();
            assert_eq!(masked.unwrap().1, client.local_addr().unwrap());
            assert!(after.unwrap_err().interrupted().is_some());
        });
    });
}

#[test]
fn accept_tells_the_address_of_a_unix_peer() {
    let address = abstract_address("accept");
    let listener = UnixListener::bind_addr(&address).unwrap();
    let connected = |from: Option<&UnixAddr>| {
        let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None).unwrap();
        if let Some(from) = from {
            bind_unix(&fd, from);
        }
        connect(&fd, &address).unwrap();
        let (stream, peer) = accept(&listener).unwrap();
        assert!(closes_on_exec(&stream));
        peer
    };
    assert!(connected(None).is_unnamed());
    let name = abstract_address("client");
    assert_eq!(connected(Some(&name)).as_abstract_name(), name.as_abstract_name());
    let path = Scratch::new("client");
    let name = UnixAddr::from_pathname(&path.0).unwrap();
    assert_eq!(connected(Some(&name)).as_pathname(), Some(&*path.0));
}

/// Binds through std's datagram socket, which takes any descriptor.
fn bind_unix(fd: &OwnedFd, address: &UnixAddr) {
    let address = match (address.as_pathname(), address.as_abstract_name()) {
        (Some(path), _) => nix::sys::socket::UnixAddr::new(path),
        (_, Some(name)) => nix::sys::socket::UnixAddr::new_abstract(name),
        _ => panic!("nothing to bind to"),
    };
    nix::sys::socket::bind(fd.as_raw_fd(), &address.unwrap()).unwrap();
}

#[test]
fn accept_takes_any_listener() {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap();
    let client = TcpStream::connect(address).unwrap();
    let (_, peer): (TcpStream, SocketAddr) = accept(&listener).unwrap();
    assert_eq!(peer, client.local_addr().unwrap());

    let borrowed: BorrowedFd<'_> = listener.as_fd();
    let client = TcpStream::connect(address).unwrap();
    let (stream, peer): (OwnedFd, Option<Address>) = accept(&borrowed).unwrap();
    assert!(closes_on_exec(&stream));
    let ours = client.local_addr().unwrap();
    assert!(matches!(peer, Some(Address::Ip(peer)) if peer == ours), "{peer:?}");

    let owned = OwnedFd::from(UnixListener::bind_addr(&abstract_address("any")).unwrap());
    let _client = UnixStream::connect_addr(&abstract_address("any")).unwrap();
    let (_, peer) = accept(&owned).unwrap();
    assert!(matches!(&peer, Some(Address::Unix(peer)) if peer.is_unnamed()), "{peer:?}");

    let listener = TcpListener::from(owned);
    let _client = UnixStream::connect_addr(&abstract_address("any")).unwrap();
    assert_eq!(kind(accept(&listener).unwrap_err()), ErrorKind::InvalidInput);
    assert_eq!(kind(accept(&bound().as_fd()).unwrap_err()), ErrorKind::Unsupported);
}

#[test]
fn accept_tells_an_ipv6_peer() {
    let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else {
        return println!("skipped: no IPv6 here");
    };
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert_eq!(accept(&listener).unwrap().1, client.local_addr().unwrap());
}

// Receiving.

#[test]
fn recv_consumes_nothing_that_it_does_not_return() {
    watched("recv", || {
        let (here, there) = UnixStream::pair().unwrap();
        let mut buffer = [0; 8];
        asked_while_blocked(libc::SYS_recvfrom, || recv(&here, &mut buffer, RECV));
        send(&there, b"ping", SEND).unwrap();
        asked_before(|| recv(&here, &mut buffer, RECV));
        assert_eq!(recv(&here, &mut buffer, RecvFlags::PEEK).unwrap(), 4);
        assert_eq!(recv(&here, &mut buffer, RECV).unwrap(), 4);
        let sends = || assert_eq!(send(&there, b"pong", SEND).unwrap(), 4);
        assert_eq!(disturbed(libc::SYS_recvfrom, || recv(&here, &mut buffer, RECV), sends), 4);
        assert_eq!(&buffer[..4], b"pong");
        let nothing = recv(&here, &mut buffer, RecvFlags::DONTWAIT).unwrap_err();
        assert_eq!(kind(nothing), ErrorKind::WouldBlock);
        drop(there);
        assert_eq!(recv(&here, &mut buffer, RECV).unwrap(), 0);
    });
}

#[test]
fn recv_of_the_whole_buffer_returns_what_came_before_the_interrupt() {
    watched("recv, WAITALL", || {
        let (here, there) = UnixStream::pair().unwrap();
        let mut buffer = [0; 8];
        send(&there, b"half", SEND).unwrap();
        asked_while_blocked(libc::SYS_recvfrom, || {
            assert_eq!(recv(&here, &mut buffer, RecvFlags::WAITALL)?, 4);
            recv(&here, &mut buffer, RecvFlags::WAITALL)
        });
        assert_eq!(&buffer, b"half\0\0\0\0");
    });
}

#[test]
fn recv_from_tells_the_sender() {
    watched("recv_from", || {
        let [here, there] = [bound(), bound()];
        let mut buffer = [0; 8];
        asked_while_blocked(libc::SYS_recvfrom, || recv_from(&here, &mut buffer, RECV));
        send_to(&there, b"a long message", here.local_addr().unwrap(), SEND).unwrap();
        asked_before(|| recv_from(&here, &mut buffer, RECV));
        let both = RecvFlags::PEEK | RecvFlags::TRUNC;
        assert_eq!(recv_from(&here, &mut buffer, both).unwrap().0, 14);
        let (length, sender) = recv_from(&here, &mut buffer, RECV).unwrap();
        assert_eq!((&buffer[..length], sender), (&b"a long m"[..], there.local_addr().unwrap()));
        let sends = || assert!(there.send_to(b"ping", here.local_addr().unwrap()).is_ok());
        let received = disturbed(libc::SYS_recvfrom, || recv_from(&here, &mut buffer, RECV), sends);
        assert_eq!(received, (4, there.local_addr().unwrap()));

        there.send_to(b"ping", here.local_addr().unwrap()).unwrap();
        let (_, sender) = recv_from(&here.as_fd(), &mut buffer, RECV).unwrap();
        let theirs = there.local_addr().unwrap();
        assert!(matches!(sender, Some(Address::Ip(sender)) if sender == theirs), "{sender:?}");
        let (here, there) = UnixStream::pair().unwrap();
        send(&there, b"ping", SEND).unwrap();
        assert!(recv_from(&here.as_fd(), &mut buffer, RECV).unwrap().1.is_none());
    });
}

#[test]
fn recv_from_tells_a_unix_sender() {
    let (name, path) = (abstract_address("receiver"), Scratch::new("sender"));
    let here = UnixDatagram::bind_addr(&name).unwrap();
    let sent_by = |sender: UnixDatagram| {
        assert_eq!(send_to(&sender, b"ping", &name, SEND).unwrap(), 4);
        let (length, sender) = recv_from(&here, &mut [0; 8], RECV).unwrap();
        assert_eq!(length, 4);
        sender
    };
    assert!(sent_by(UnixDatagram::unbound().unwrap()).is_unnamed());
    assert_eq!(sent_by(UnixDatagram::bind(&path.0).unwrap()).as_pathname(), Some(&*path.0));
    let named = UnixDatagram::bind_addr(&abstract_address("sender")).unwrap();
    let expected = abstract_address("sender");
    assert_eq!(sent_by(named).as_abstract_name(), expected.as_abstract_name());
}

#[test]
fn a_name_of_the_full_length_costs_no_connection_and_no_message() {
    let full_name = |of: &str| {
        let mut path = Scratch::new(of).0.clone().into_os_string();
        path.push("x".repeat(108 - path.len()));
        Scratch(path.into())
    };
    let bound_to = |path: &Scratch, kind| {
        let fd = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
        let bytes = path.0.as_os_str().as_bytes();
        let name: [u8; 108] = bytes.try_into().unwrap();
        let name =
            libc::sockaddr_un { sun_family: libc::AF_UNIX as u16, sun_path: name.map(|b| b as _) };
        let size = size_of_val(&name) as u32;
        // SAFETY: the kernel reads an address of that size.
        assert_eq!(unsafe { libc::bind(fd.as_raw_fd(), (&raw const name).cast(), size) }, 0);
        fd
    };
    let name = abstract_address("full");
    let listener = UnixListener::bind_addr(&name).unwrap();
    let path = full_name("stream");
    let client = bound_to(&path, SockType::Stream);
    connect(&client, &name).unwrap();
    let (_stream, peer) = accept(&listener).unwrap();
    assert_eq!(peer.as_pathname(), Some(&*path.0));

    let name = abstract_address("full datagram");
    let here = UnixDatagram::bind_addr(&name).unwrap();
    let path = full_name("datagram");
    let sender = bound_to(&path, SockType::Datagram);
    send_to(&sender, b"ping", &name, SEND).unwrap();
    assert_eq!(recv_from(&here, &mut [0; 8], RECV).unwrap().0, 4);
}

// Messages with descriptors.

#[test]
fn recvmsg_takes_nothing_that_it_does_not_return() {
    watched("recvmsg", || {
        let (here, there) = UnixStream::pair().unwrap();
        let (mut head, mut body) = ([0; 4], [0; 8]);
        let mut buffers = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut body)];
        asked_while_blocked(libc::SYS_recvmsg, || recvmsg(&here, &mut buffers, RECV));
        let (reader, writer) = pipe();
        let data = [IoSlice::new(b"head"), IoSlice::new(b"body")];
        let fds = [writer.as_fd()];
        let message = Message::new(&data).fds(&fds);
        asked_before(|| sendmsg(&there, &message, SEND));
        assert_eq!(sendmsg(&there, &message, SEND).unwrap(), 8);
        asked_before(|| recvmsg(&here, &mut buffers, RECV));
        let received = recvmsg(&here, &mut buffers, RECV).unwrap();
        assert_eq!((received.bytes, received.fds.len()), (8, 1));
        assert!(received.address.is_none() && !received.truncated && !received.fds_truncated);
        assert!(closes_on_exec(&received.fds[0]));

        let sends = || assert_eq!(sendmsg(&there, &message, SEND).unwrap(), 8);
        let again = disturbed(libc::SYS_recvmsg, || recvmsg(&here, &mut buffers, RECV), sends);
        assert_eq!((&head, &body[..4]), (b"head", &b"body"[..]));

        // Nothing holds the pipe open but what was received.
        drop((writer, received));
        eintr::io::write(&again.fds[0], b"ping").unwrap();
        drop(again);
        assert_eq!(drain(&reader), b"ping");
        assert_eq!(eintr::io::read(&reader, &mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn a_message_carries_as_many_descriptors_as_the_kernel_allows() {
    watched("253 descriptors", || {
        let ((here, there), (reader, writer)) = (UnixStream::pair().unwrap(), pipe());
        let data = [IoSlice::new(b"x")];
        let fds = vec![writer.as_fd(); 253];
        sendmsg(&there, &Message::new(&data).fds(&fds), SEND).unwrap();
        let mut byte = [0];
        let received = recvmsg(&here, &mut [IoSliceMut::new(&mut byte)], RECV).unwrap();
        assert_eq!((received.fds.len(), received.fds_truncated), (253, false));

        let fds = vec![writer.as_fd(); 254];
        let too_many = sendmsg(&there, &Message::new(&data).fds(&fds), SEND).unwrap_err();
        assert_eq!(kind(too_many), ErrorKind::InvalidInput);
        drop(fds);
        drop((writer, received));
        assert_eq!(eintr::io::read(&reader, &mut [0; 8]).unwrap(), 0, "all are closed");
    });
}

#[test]
fn recvmsg_leaves_out_what_else_comes_with_a_message() {
    child::alone(|| {
        let ((here, there), (reader, writer)) = (UnixStream::pair().unwrap(), pipe());
        setsockopt(&here, sockopt::PassCred, &true).unwrap();
        let passes_pidfds = set_pass_pidfd(&here);
        let pidfds = || {
            let fds = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
            let targets = fds.filter_map(|fd| std::fs::read_link(fd.path()).ok());
            targets.filter(|target| target.to_string_lossy().contains("pidfd")).count()
        };
        let (data, fds) = ([IoSlice::new(b"x")], [reader.as_fd(), writer.as_fd()]);
        sendmsg(&there, &Message::new(&data).fds(&fds), SEND).unwrap();
        let mut byte = [0];
        let received = recvmsg(&here, &mut [IoSliceMut::new(&mut byte)], RECV).unwrap();
        assert_eq!((received.fds.len(), received.fds_truncated), (2, false));
        eintr::io::write(&received.fds[1], b"ping").unwrap();
        assert_eq!(drain(&received.fds[0]), b"ping");
        assert_eq!(pidfds(), 0, "passed: {passes_pidfds}");
    });
}

/// Has the kernel add a descriptor of the sender's process, where it can (Linux 6.5).
fn set_pass_pidfd(socket: &UnixStream) -> bool {
    const SO_PASSPIDFD: i32 = 76;
    let (on, fd) = (1_i32, socket.as_raw_fd());
    let size = size_of::<i32>() as u32;
    // SAFETY: the kernel reads an integer.
    unsafe {
        libc::setsockopt(fd, libc::SOL_SOCKET, SO_PASSPIDFD, (&raw const on).cast(), size) == 0
    }
}

#[test]
fn messages_have_addresses_and_ends() {
    let [here, there] = [bound(), bound()];
    let data = [IoSlice::new(b"a long "), IoSlice::new(b"message")];
    let message = Message::new(&data).to(here.local_addr().unwrap());
    assert_eq!(sendmsg(&there, &message, SEND).unwrap(), 14);
    let mut short = [0; 4];
    let received = recvmsg(&here, &mut [IoSliceMut::new(&mut short)], RECV).unwrap();
    assert_eq!((received.bytes, &short, received.truncated), (4, b"a lo", true));
    let theirs = there.local_addr().unwrap();
    assert!(matches!(received.address, Some(Address::Ip(sender)) if sender == theirs));

    let many = [IoSlice::new(b"x"); 1025];
    let error = sendmsg(&there, &Message::new(&many), SEND).unwrap_err();
    assert_eq!(io::Error::from(error).raw_os_error(), Some(libc::EMSGSIZE));
}

// Sending.

#[test]
fn send_tells_what_it_has_sent() {
    watched("send", || {
        let (here, there) = UnixStream::pair().unwrap();
        let data = [IoSlice::new(b"ping")];
        let held = fill(&here);
        asked_before(|| send(&here, b"ping", SEND));
        asked_while_blocked(libc::SYS_sendto, || send(&here, b"ping", SEND));
        asked_while_blocked(libc::SYS_sendmsg, || sendmsg(&here, &Message::new(&data), SEND));
        let full = send(&here, b"ping", SendFlags::DONTWAIT).unwrap_err();
        assert_eq!(kind(full), ErrorKind::WouldBlock);
        assert_eq!(drain(&there).len(), held);

        let much = vec![b'-'; 1 << 22];
        let mut sent = 0;
        asked_while_blocked(libc::SYS_sendto, || {
            sent = send(&here, &much, SEND)?;
            send(&here, &much, SEND)
        });
        assert!(0 < sent && sent < much.len(), "{sent}");
        assert_eq!(drain(&there).len(), sent);

        let held = fill(&here);
        let empties = || assert!(drain(&there).len() >= held);
        assert_eq!(disturbed(libc::SYS_sendto, || send(&here, b"ping", SEND), empties), 4);
    });
}

#[test]
fn send_to_waits_for_a_receiver_that_is_not_its_peer() {
    watched("send_to", || {
        let name = abstract_address("full receiver");
        let (here, there) =
            (UnixDatagram::bind_addr(&name).unwrap(), UnixDatagram::unbound().unwrap());
        let held = fill_datagrams(&there, &name);
        asked_before(|| send_to(&there, b"ping", &name, SEND));
        asked_while_blocked(libc::SYS_sendto, || send_to(&there, b"ping", &name, SEND));
        let receives = || assert_eq!(here.recv(&mut [0; 8]).unwrap(), 1);
        let sends = || send_to(&there, b"ping", &name, SEND);
        assert_eq!(disturbed(libc::SYS_sendto, sends, receives), 4);
        let messages = without_waiting(&here, || {
            std::iter::from_fn(|| here.recv(&mut [0; 8]).ok()).collect::<Vec<_>>()
        });
        assert_eq!((messages.len(), messages.last()), (held, Some(&4)));
    });
}

/// Sends messages of one byte until the receiver's queue is full; how many those are.
fn fill_datagrams(sender: &UnixDatagram, to: &UnixAddr) -> usize {
    let one = || send_to(sender, b"-", to, SendFlags::DONTWAIT).ok();
    std::iter::from_fn(one).count()
}

#[test]
fn a_peer_that_is_gone_is_an_error_and_not_a_signal() {
    child::alone(|| {
        let (here, there) = UnixStream::pair().unwrap();
        drop(there);
        let mut sigpipe = SigSet::empty();
        sigpipe.add(nix_signal::Signal::SIGPIPE);
        // Blocked, it stays pending, although it is ignored.
        sigpipe.thread_block().unwrap();
        let is_raised = || is_pending(gettid(), libc::SIGPIPE);
        let data = [IoSlice::new(b"x")];
        assert_eq!(kind(send(&here, b"x", SEND).unwrap_err()), ErrorKind::BrokenPipe);
        let error = sendmsg(&here, &Message::new(&data), SEND).unwrap_err();
        assert_eq!(kind(error), ErrorKind::BrokenPipe);
        assert!(!is_raised());
        assert_eq!(kind(eintr::io::write(&here, b"x").unwrap_err()), ErrorKind::BrokenPipe);
        assert!(is_raised(), "the man page's write");
    });
}

// A socket's own timeouts.

/// The kernel counts a socket's time in these, and the first is one that has begun.
const TICK: Duration = Duration::from_millis(10);

/// Sends a thread a stray of either kind.
fn stray(tid: i32, round: usize) {
    if round % 2 == 0 {
        return send_stray(tid);
    }
    // SAFETY: no pointers. A thread that is gone is ESRCH.
    unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), tid, libc::SIGUSR1) };
}

/// Calls with a timeout that is set on the socket, while strays come in the second half of that
/// time. The call must end with that error by its own time, and not before. If the machine was so
/// slow that this would prove nothing, it is tried again with a longer time.
fn times_out<T: Debug + Send>(
    name: &str,
    error: i32,
    waits: &[i64],
    set: impl Fn(Duration),
    call: impl Fn() -> Result<T, Error> + Sync,
) {
    let mut timeout = Duration::from_millis(100);
    loop {
        set(timeout);
        let (starts, started) = mpsc::channel();
        let (task, _interrupter) = task();
        let call = &call;
        let (result, elapsed, last_stray) = thread::scope(|scope| {
            let caller = scope.spawn(move || {
                starts.send(gettid()).unwrap();
                let start = Instant::now();
                (task.run(call), start, start.elapsed())
            });
            let (tid, begin) = (started.recv().unwrap(), Instant::now());
            let (mut round, mut last) = (0, begin);
            while !caller.is_finished() {
                if begin.elapsed() < timeout / 2 {
                    thread::yield_now();
                } else if waits.iter().any(|syscall| sleeps_in(tid, *syscall)) {
                    last = Instant::now();
                    stray(tid, round);
                    round += 1;
                    let taken = || !is_pending(tid, STRAY) && !is_pending(tid, libc::SIGUSR1);
                    wait_until("the stray is taken", taken);
                }
            }
            let (result, start, elapsed) = caller.join().unwrap();
            (result, elapsed, last.saturating_duration_since(start))
        });
        let errno = io::Error::from(result.unwrap_err()).raw_os_error();
        assert_eq!(errno, Some(error), "{name}");
        assert!(elapsed + TICK >= timeout, "{name}: {elapsed:?} of {timeout:?}");
        if last_stray > timeout / 2 && elapsed < timeout * 3 / 2 {
            return;
        }
        timeout *= 2;
    }
}

#[test]
fn strays_do_not_prolong_the_time_to_receive() {
    among_strays(|| {
        let before = PASSED_ON.load(Ordering::Relaxed);
        let (here, _there) = UnixStream::pair().unwrap();
        let set = |time| here.set_read_timeout(Some(time)).unwrap();
        let wait = |syscall| [syscall, libc::SYS_ppoll];
        let once = || recv(&here, &mut [0; 8], RECV);
        times_out("recv", libc::EAGAIN, &wait(libc::SYS_recvfrom), set, once);
        let once = || recv(&here, &mut [0; 8], RecvFlags::WAITALL);
        times_out("recv, WAITALL", libc::EAGAIN, &wait(libc::SYS_recvfrom), set, once);
        let once = || recvmsg(&here, &mut [IoSliceMut::new(&mut [0; 8])], RECV);
        times_out("recvmsg", libc::EAGAIN, &wait(libc::SYS_recvmsg), set, once);
        let once = || Ok((&Stream::new(&here)).read(&mut [0; 8])?);
        times_out("Stream::read", libc::EAGAIN, &wait(libc::SYS_read), set, once);
        let once = || Ok((&Stream::new(&here)).read_vectored(&mut [IoSliceMut::new(&mut [0; 8])])?);
        times_out("Stream::read_vectored", libc::EAGAIN, &wait(libc::SYS_readv), set, once);
        let udp = bound();
        let set = |time| udp.set_read_timeout(Some(time)).unwrap();
        let once = || recv_from(&udp, &mut [0; 8], RECV);
        times_out("recv_from", libc::EAGAIN, &wait(libc::SYS_recvfrom), set, once);
        assert!(PASSED_ON.load(Ordering::Relaxed) > before);
    });
}

#[test]
fn strays_do_not_prolong_the_time_to_accept() {
    among_strays(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let set = |time| set_read_timeout(&listener, time);
        let waits = [libc::SYS_accept4, libc::SYS_ppoll];
        times_out("accept", libc::EAGAIN, &waits, set, || accept(&listener));
    });
}

fn set_read_timeout(fd: impl AsFd, time: Duration) {
    // std's UDP socket has the setter, and takes any descriptor.
    let socket = UdpSocket::from(fd.as_fd().try_clone_to_owned().unwrap());
    socket.set_read_timeout(Some(time)).unwrap();
}

fn set_write_timeout(fd: impl AsFd, time: Duration) {
    let socket = UdpSocket::from(fd.as_fd().try_clone_to_owned().unwrap());
    socket.set_write_timeout(Some(time)).unwrap();
}

#[test]
fn strays_do_not_prolong_the_time_to_send() {
    among_strays(|| {
        let (here, _there) = UnixStream::pair().unwrap();
        fill(&here);
        let set = |time| here.set_write_timeout(Some(time)).unwrap();
        let wait = |syscall| [syscall, libc::SYS_ppoll];
        let once = || send(&here, b"ping", SEND);
        times_out("send", libc::EAGAIN, &wait(libc::SYS_sendto), set, once);
        let once = || sendmsg(&here, &Message::new(&[IoSlice::new(b"ping")]), SEND);
        times_out("sendmsg", libc::EAGAIN, &wait(libc::SYS_sendmsg), set, once);
        let once = || Ok((&Stream::new(&here)).write(b"ping")?);
        times_out("Stream::write", libc::EAGAIN, &wait(libc::SYS_write), set, once);
        let once = || Ok((&Stream::new(&here)).write_vectored(&[IoSlice::new(b"ping")])?);
        times_out("Stream::write_vectored", libc::EAGAIN, &wait(libc::SYS_writev), set, once);

        // Where poll says ready, for it does not know the receiver.
        let name = abstract_address("full, in time");
        let (_here, there) =
            (UnixDatagram::bind_addr(&name).unwrap(), UnixDatagram::unbound().unwrap());
        fill_datagrams(&there, &name);
        let set = |time| there.set_write_timeout(Some(time)).unwrap();
        let waits = [libc::SYS_sendto, libc::SYS_clock_nanosleep];
        times_out("send_to", libc::EAGAIN, &waits, set, || send_to(&there, b"ping", &name, SEND));
    });
}

#[test]
fn strays_prolong_the_time_of_a_plain_read_once_at_most() {
    watched("io::read", || {
        let (here, _there) = UnixStream::pair().unwrap();
        let timeout = Duration::from_millis(100);
        here.set_read_timeout(Some(timeout)).unwrap();
        let (starts, started) = mpsc::channel();
        let waits = [libc::SYS_read, libc::SYS_ppoll];
        thread::scope(|scope| {
            let caller = scope.spawn(|| {
                starts.send(gettid()).unwrap();
                eintr::io::read(&here, &mut [0; 8])
            });
            let tid = started.recv().unwrap();
            // As long as it takes: were the time begun anew each time, that would be for ever.
            while !caller.is_finished() {
                if waits.iter().any(|syscall| sleeps_in(tid, *syscall)) {
                    send_stray(tid);
                }
            }
            assert_eq!(kind(caller.join().unwrap().unwrap_err()), ErrorKind::WouldBlock);
        });
    });
}

#[test]
fn a_timed_call_after_a_stray_is_still_interrupted_and_still_gets_its_result() {
    watched("timed recv", || {
        let (here, there) = UnixStream::pair().unwrap();
        here.set_read_timeout(Some(Duration::from_secs(3600))).unwrap();
        let mut buffer = [0; 8];
        let (task, interrupter) = task();
        let (starts, started) = mpsc::channel();
        thread::scope(|scope| {
            let caller = scope.spawn(|| {
                starts.send(gettid()).unwrap();
                task.run(|| (recv(&here, &mut buffer, RECV), recv(&here, &mut [0; 8], RECV)))
            });
            let tid = started.recv().unwrap();
            wait_until_blocked(tid, libc::SYS_recvfrom);
            send_stray(tid);
            wait_until_blocked(tid, libc::SYS_ppoll);
            send_stray(tid);
            (&there).write_all(b"ping").unwrap();
            wait_until_blocked(tid, libc::SYS_recvfrom);
            send_stray(tid);
            wait_until_blocked(tid, libc::SYS_ppoll);
            interrupter.interrupt();
            let (first, second) = caller.join().unwrap();
            assert_eq!(first.unwrap(), 4);
            assert!(second.unwrap_err().interrupted().is_some());
        });
        assert_eq!(&buffer[..4], b"ping");
    });
}

// connect.

fn stream_socket(family: AddressFamily) -> OwnedFd {
    socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap()
}

/// A TCP listener whose queue is full: who connects waits.
struct FullListener {
    listener: TcpListener,
    address: SocketAddr,
    queued: Vec<OwnedFd>,
}

impl FullListener {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listen(&listener, Backlog::new(0).unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        // One fits into a queue of none. The next is in progress for as long as nobody accepts.
        let queued = stream_socket(AddressFamily::Inet);
        connect(&queued, address).unwrap();
        Self { listener, address, queued: vec![queued] }
    }

    fn accept(&self) -> SocketAddr {
        self.listener.accept().unwrap().1
    }
}

fn peer(fd: &OwnedFd) -> io::Result<SocketAddr> {
    TcpStream::from(fd.try_clone().unwrap()).peer_addr()
}

fn local(fd: &OwnedFd) -> SocketAddr {
    TcpStream::from(fd.try_clone().unwrap()).local_addr().unwrap()
}

/// Connects on a task's thread, interrupts it once it waits, and tells the state.
fn stopped(fd: &OwnedFd, address: impl Into<Address> + Send) -> ConnectState {
    let mut state = None;
    asked_while_blocked(libc::SYS_connect, || {
        connect(fd, address).map_err(|stopped| {
            state = Some(stopped.state);
            Error::from(stopped)
        })
    });
    state.unwrap()
}

/// Connects on a thread that was asked before.
fn asked<T>(call: impl FnOnce() -> T) -> T {
    let (task, interrupter) = task();
    interrupter.interrupt();
    task.run(|| {
        let result = call();
        assert!(eintr::is_interrupted());
        result
    })
}

/// Waits until the kernel is done with an attempt to connect.
fn attempt_is_over(fd: &OwnedFd) {
    let mut fds = [PollFd::new(fd, Events::OUT)];
    assert_eq!(poll(&mut fds, Some(test_support::LIMIT)).unwrap(), 1);
}

#[test]
fn an_interrupted_connect_can_be_waited_for_again() {
    watched("connect", || {
        let (full, fd) = (FullListener::new(), stream_socket(AddressFamily::Inet));
        let fresh = asked(|| connect(&fd, full.address)).unwrap_err();
        assert_eq!(fresh.state, ConnectState::NotStarted);
        assert_eq!(stopped(&fd, full.address), ConnectState::InProgress);
        let again = asked(|| connect(&fd, full.address)).unwrap_err();
        assert_eq!(again.state, ConnectState::InProgress);
        assert_eq!(again.to_string(), "interrupted (connecting: in progress)");
        assert_eq!(stopped(&fd, full.address), ConnectState::InProgress);
        assert_eq!(full.accept(), local(&full.queued[0]));
        let accepts = || assert_eq!(full.accept(), local(&fd));
        disturbed(libc::SYS_connect, || Ok(connect(&fd, full.address)?), || ());
        accepts();
        assert_eq!(peer(&fd).unwrap(), full.address);
    });
}

#[test]
fn a_connection_that_is_there_is_the_result() {
    watched("connect, done", || {
        let (full, fd) = (FullListener::new(), stream_socket(AddressFamily::Inet));
        assert_eq!(stopped(&fd, full.address), ConnectState::InProgress);
        full.accept();
        attempt_is_over(&fd);
        asked(|| connect(&fd, full.address)).unwrap();
        assert_eq!(full.accept(), local(&fd));

        // It was there before this call.
        let twice = [connect(&fd, full.address), asked(|| connect(&fd, full.address))];
        for error in twice.map(Result::unwrap_err) {
            assert_eq!(error.state, ConnectState::NotStarted);
            assert_eq!(io::Error::from(error).raw_os_error(), Some(libc::EISCONN));
        }
    });
}

#[test]
fn a_connection_that_has_failed_is_the_result() {
    child::alone(|| {
        let (full, fd) = (FullListener::new(), stream_socket(AddressFamily::Inet));
        assert_eq!(stopped(&fd, full.address), ConnectState::InProgress);
        drop(full);
        attempt_is_over(&fd);
        let failed = asked(|| connect(&fd, bound().local_addr().unwrap())).unwrap_err();
        assert_eq!(failed.state, ConnectState::NotStarted);
        assert_eq!(kind(failed), ErrorKind::ConnectionRefused);

        // The socket is as after a plain connect that failed.
        let fresh = asked(|| connect(&fd, bound().local_addr().unwrap())).unwrap_err();
        assert!(fresh.error.interrupted().is_some(), "{fresh}");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        connect(&fd, listener.local_addr().unwrap()).unwrap();
        assert_eq!(peer(&fd).unwrap(), listener.local_addr().unwrap());
    });
}

#[test]
fn connect_that_does_not_wait_tells_the_state() {
    child::alone(|| {
        let full = FullListener::new();
        let fd =
            socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_NONBLOCK, None).unwrap();
        for errno in [libc::EINPROGRESS, libc::EALREADY] {
            let error = connect(&fd, full.address).unwrap_err();
            assert_eq!(error.state, ConnectState::InProgress);
            assert_eq!(io::Error::from(error).raw_os_error(), Some(errno));
        }
        let fd = stream_socket(AddressFamily::Inet);
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let refused = connect(&fd, nobody).unwrap_err();
        assert_eq!(refused.state, ConnectState::NotStarted);
        assert_eq!(kind(refused), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_datagram_socket_keeps_its_peer() {
    let [here, first, second] = [bound(), bound(), bound()];
    connect(&here, first.local_addr().unwrap()).unwrap();
    let stopped = asked(|| connect(&here, second.local_addr().unwrap())).unwrap_err();
    assert_eq!(stopped.state, ConnectState::NotStarted);
    assert!(stopped.error.interrupted().is_some());
    assert_eq!(here.peer_addr().unwrap(), first.local_addr().unwrap());
    connect(&here, second.local_addr().unwrap()).unwrap();
    assert_eq!(here.peer_addr().unwrap(), second.local_addr().unwrap());
}

/// A Unix listener whose queue is full, and who is in it.
fn full_unix_listener(address: &UnixAddr) -> (UnixListener, UnixStream) {
    let listener = UnixListener::bind_addr(address).unwrap();
    listen(&listener, Backlog::new(0).unwrap()).unwrap();
    (listener, unix_connect_addr(address).unwrap())
}

#[test]
fn an_interrupted_connect_of_a_unix_socket_has_not_started() {
    watched("connect, Unix", || {
        let address = abstract_address("connect");
        let (listener, _queued) = full_unix_listener(&address);
        let fd = stream_socket(AddressFamily::Unix);
        assert_eq!(stopped(&fd, &address), ConnectState::NotStarted);
        asked_while_blocked(libc::SYS_connect, || unix_connect_addr(&address));
        accept(&listener).unwrap();
        let nobody = without_waiting(&listener, || listener.accept().unwrap_err());
        assert_eq!(nobody.kind(), ErrorKind::WouldBlock);

        let (_queued, stays) = (unix_connect_addr(&address).unwrap(), &fd);
        let accepts = || drop(accept(&listener).unwrap());
        disturbed(libc::SYS_connect, || Ok(connect(stays, &address)?), accepts);
        accepts();
        let nobody = without_waiting(&listener, || listener.accept().unwrap_err());
        assert_eq!(nobody.kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn strays_do_not_prolong_the_time_to_connect() {
    among_strays(|| {
        // Each try is a socket's first, whose timeout is in the end what it was.
        let time = Mutex::new(Duration::ZERO);
        let set = |new| *time.lock().unwrap() = new;
        let once = |family, address: Address| {
            let (fd, time) = (stream_socket(family), *time.lock().unwrap());
            set_write_timeout(&fd, time);
            let error = connect(&fd, address).unwrap_err();
            let after = UdpSocket::from(fd).write_timeout().unwrap();
            assert!(after.is_some_and(|after| after >= time), "{after:?} of {time:?}");
            Err::<(), _>(error)
        };
        let full = FullListener::new();
        times_out("connect, TCP", libc::EINPROGRESS, &[libc::SYS_connect], set, || {
            let error = once(AddressFamily::Inet, full.address.into());
            assert_eq!(error.as_ref().unwrap_err().state, ConnectState::InProgress);
            Ok(error?)
        });
        let address = abstract_address("connect, in time");
        let (_listener, _queued) = full_unix_listener(&address);
        times_out("connect, Unix", libc::EAGAIN, &[libc::SYS_connect], set, || {
            Ok(once(AddressFamily::Unix, (&address).into())?)
        });
    });
}

#[test]
fn the_reason_survives_every_way_out_of_connect() {
    fn as_anyhow(fd: &OwnedFd, to: SocketAddr) -> anyhow::Result<()> {
        Ok(connect(fd, to)?)
    }
    fn as_boxed(fd: &OwnedFd, to: SocketAddr) -> Result<(), Box<dyn StdError>> {
        Ok(connect(fd, to)?)
    }
    fn as_io(fd: &OwnedFd, to: SocketAddr) -> io::Result<()> {
        Ok(connect(fd, to)?)
    }
    let fd = stream_socket(AddressFamily::Inet);
    let address = bound().local_addr().unwrap();
    let (task, interrupter) = task();
    interrupter.interrupt_with("enough");
    task.run(|| {
        let anyhow = as_anyhow(&fd, address).unwrap_err();
        let boxed = as_boxed(&fd, address).unwrap_err();
        let io = as_io(&fd, address).unwrap_err();
        assert_ne!(io.kind(), ErrorKind::Interrupted);
        let errors: [&(dyn StdError + 'static); 3] = [anyhow.as_ref(), &*boxed, &io];
        let reasons = errors.map(|error| Interrupted::of(error).expect("recognised").to_string());
        assert_eq!(reasons, ["interrupted: enough"; 3]);
    });
}

#[test]
fn tcp_connect_tries_the_addresses_in_turn() {
    child::alone(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let stream = tcp_connect(&[nobody, address][..]).unwrap();
        assert!(closes_on_exec(&stream));
        assert_eq!(stream.peer_addr().unwrap(), address);
        assert_eq!(listener.accept().unwrap().1, stream.local_addr().unwrap());
        assert_eq!(kind(tcp_connect(nobody).unwrap_err()), ErrorKind::ConnectionRefused);
        let none = tcp_connect(&[] as &[SocketAddr]).unwrap_err();
        assert_eq!(kind(none), ErrorKind::InvalidInput);
        assert!(tcp_connect(("localhost", address.port())).is_ok());
        // Not even resolved.
        asked_before(|| tcp_connect(("no such host.", 1)));
    });
}

#[test]
fn an_interrupted_tcp_connect_gives_the_attempt_up() {
    watched("tcp_connect, interrupted", || {
        let full = FullListener::new();
        let attempts = || {
            let sockets = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
            let port = format!(":{:04X} 02 ", full.address.port());
            sockets.lines().filter(|socket| socket.contains(&port)).count()
        };
        let fd = stream_socket(AddressFamily::Inet);
        assert_eq!(stopped(&fd, full.address), ConnectState::InProgress);
        assert_eq!(attempts(), 1, "this one is the test's own");
        asked_while_blocked(libc::SYS_connect, || tcp_connect(full.address));
        assert_eq!(attempts(), 1);
    });
}

#[test]
fn unix_connect_leads_to_a_path() {
    let path = Scratch::new("listener");
    assert_eq!(kind(unix_connect(&path.0).unwrap_err()), ErrorKind::NotFound);
    let listener = UnixListener::bind(&path.0).unwrap();
    asked_before(|| unix_connect(&path.0));
    let mut stream = unix_connect(&path.0).unwrap();
    assert!(closes_on_exec(&stream));
    let (mut accepted, _) = accept(&listener).unwrap();
    stream.write_all(b"ping").unwrap();
    assert_eq!(accepted.read(&mut [0; 8]).unwrap(), 4);
    assert_eq!(kind(unix_connect("x".repeat(200)).unwrap_err()), ErrorKind::InvalidInput);
}
