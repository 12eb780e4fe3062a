//! The standard library's calls, unmodified.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, PipeWriter, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{Backlog, listen};
use nix::unistd::Pid;

use super::own::{kill_and_reap, sleeper};
use super::resolver;
use super::scene::{AN_HOUR, By, Case, Ends, Made, Scene};

const fn case(call: &'static str, make: fn() -> Made) -> Case {
    Case::foreign(call, By::Std, make)
}

pub const CASES: &[Case] = &[
    case("TcpListener::accept", || accept(|listener| listener.accept().map(drop))),
    case("TcpListener::incoming", || {
        accept(|listener| listener.incoming().next().expect("it has no end").map(drop))
    }),
    case("UnixListener::accept", unix_accept),
    case("TcpStream::connect", || connect(|address| TcpStream::connect(address).map(drop))),
    case("TcpStream::connect_timeout", connect_timeout),
    case("TcpStream::read", || read(|mut stream| stream.read(&mut [0; 8]).map(drop))),
    case("TcpStream::read_exact", || read(|mut stream| stream.read_exact(&mut [0; 8]))),
    case("TcpStream::read_to_end", || {
        read(|mut stream| stream.read_to_end(&mut Vec::new()).map(drop))
    }),
    case("BufReader::read_line", || {
        read(|stream| BufReader::new(stream).read_line(&mut String::new()).map(drop))
    }),
    case("BufReader::lines", || {
        read(|stream| BufReader::new(stream).lines().next().unwrap_or(Ok(String::new())).map(drop))
    }),
    case("io::copy", || read(|mut stream| io::copy(&mut stream, &mut io::sink()).map(drop))),
    case("io::copy, pipe to socket", copy_spliced),
    case("TcpStream::write", || write(|mut stream| stream.write(&[0; 8]).map(drop))),
    case("TcpStream::write_all", || write(|mut stream| stream.write_all(&[0; 1 << 20]))),
    case("PipeWriter::write", || write_pipe(|mut pipe| pipe.write(&[0; 8]).map(drop))),
    case("PipeWriter::write_all", || write_pipe(|mut pipe| pipe.write_all(&[0; 1 << 20]))),
    case("UdpSocket::recv_from", || {
        receive(None, |socket| socket.recv_from(&mut [0; 8]).map(drop))
    }),
    case("UdpSocket::recv_from, timeout", || {
        receive(Some(AN_HOUR), |socket| socket.recv_from(&mut [0; 8]).map(drop))
    }),
    case("UdpSocket::peek_from", || {
        receive(None, |socket| socket.peek_from(&mut [0; 8]).map(drop))
    }),
    case("UdpSocket::peek_from, timeout", || {
        receive(Some(AN_HOUR), |socket| socket.peek_from(&mut [0; 8]).map(drop))
    }),
    case("read_line on a pipe", read_line_pipe),
    case("read_line on a terminal", read_line_terminal),
    case("File::open of a FIFO", open_fifo),
    case("File::lock", lock),
    case("Child::wait", wait),
    case("thread::sleep", sleep),
    case("ToSocketAddrs, dead nameserver", resolve),
];

fn accept(accept: fn(&TcpListener) -> io::Result<()>) -> Made {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().unwrap();
    Ok(Scene::new(&[libc::SYS_accept4], move || accept(&listener))
        .release(move || TcpStream::connect(address)))
}

fn unix_accept() -> Made {
    let path = temporary_path();
    let listener = UnixListener::bind(&path).expect("a listener");
    let call = move || listener.accept().map(drop);
    Ok(Scene::new(&[libc::SYS_accept4], call).release(move || {
        drop(UnixStream::connect(&path));
        fs::remove_file(path)
    }))
}

/// A listener whose queue is full, and what fills it.
pub fn full_backlog() -> (TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    listen(&listener, Backlog::new(0).unwrap()).expect("a short queue");
    let address = listener.local_addr().unwrap();
    let soon = Duration::from_millis(50);
    let connect = |_| TcpStream::connect_timeout(&address, soon).ok();
    let filler = std::iter::successors(connect(&()), |_| connect(&())).collect();
    (listener, filler)
}

fn connect(connect: fn(SocketAddr) -> io::Result<()>) -> Made {
    let (listener, filler) = full_backlog();
    let address = listener.local_addr().unwrap();
    Ok(Scene::new(&[libc::SYS_connect], move || connect(address))
        .release(move || drop((listener, filler))))
}

fn connect_timeout() -> Made {
    let made = connect(|address| TcpStream::connect_timeout(&address, AN_HOUR).map(drop))?;
    Ok(Scene { when: super::scene::When::Asleep(POLL), ..made })
}

/// What libc's `poll` is made of.
#[cfg(target_arch = "x86_64")]
pub const POLL: &[libc::c_long] = &[libc::SYS_poll, libc::SYS_ppoll];
#[cfg(not(target_arch = "x86_64"))]
pub const POLL: &[libc::c_long] = &[libc::SYS_ppoll];

fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let near = TcpStream::connect(listener.local_addr().unwrap()).expect("a connection");
    let (far, _) = listener.accept().expect("its other end");
    (near, far)
}

fn read(read: fn(&TcpStream) -> io::Result<()>) -> Made {
    let (near, far) = connected();
    Ok(Scene::new(&[libc::SYS_recvfrom], move || read(&near)).release(|| drop(far)))
}

/// Fills a pipe or a socket until it would block.
fn fill(fd: impl AsFd) {
    let fd = fd.as_fd();
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL).expect("flags"));
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).expect("flags");
    for chunk in [&[0; 4096][..], &[0]] {
        while nix::unistd::write(fd, chunk).is_ok() {}
    }
    fcntl(fd, FcntlArg::F_SETFL(flags)).expect("flags");
}

fn write(write: fn(&TcpStream) -> io::Result<()>) -> Made {
    let (near, far) = connected();
    fill(&near);
    // What a socket on loopback holds is moved on late: it may have room once more.
    let call = move || {
        fill(&near);
        write(&near)
    };
    Ok(Scene::new(&[libc::SYS_sendto], call).release(|| drop(far)))
}

fn write_pipe(write: fn(&PipeWriter) -> io::Result<()>) -> Made {
    let (reader, writer) = io::pipe().expect("a pipe");
    fill(&writer);
    Ok(Scene::new(&[libc::SYS_write], move || write(&writer)).release(|| drop(reader)))
}

/// std has the kernel move the bytes.
fn copy_spliced() -> Made {
    if test_support::emulated() {
        return Err("io::copy, pipe to socket: the emulator's splice waits for its end".into());
    }
    let (mut reader, writer) = io::pipe().expect("a pipe");
    let (mut near, far) = connected();
    let call = move || {
        let _open = &far;
        io::copy(&mut reader, &mut near).map(drop)
    };
    Ok(Scene::new(&[libc::SYS_splice, libc::SYS_read], call).release(|| drop(writer)))
}

fn receive(timeout: Option<Duration>, receive: fn(&UdpSocket) -> io::Result<()>) -> Made {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(timeout).unwrap();
    let address = socket.local_addr().unwrap();
    let ends = if timeout.is_some() { Ends::AfterEintr } else { Ends::Recognised };
    let scene = Scene::new(&[libc::SYS_recvfrom], move || receive(&socket)).ends(ends);
    Ok(scene.release(move || {
        UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(b"go", address))
    }))
}

fn read_line_pipe() -> Made {
    let (reader, writer) = io::pipe().expect("a pipe");
    let mut reader = BufReader::new(reader);
    let call = move || reader.read_line(&mut String::new()).map(drop);
    Ok(Scene::new(&[libc::SYS_read], call).release(|| drop(writer)))
}

fn read_line_terminal() -> Made {
    let pty = nix::pty::openpty(None, None).map_err(|error| format!("no terminal: {error}"))?;
    let mut reader = BufReader::new(File::from(pty.slave));
    let call = move || reader.read_line(&mut String::new()).map(drop);
    let master = pty.master;
    Ok(Scene::new(&[libc::SYS_read], call).release(move || drop(master)))
}

pub fn temporary_path() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("eintr-reached-{}-{count}", std::process::id()))
}

fn open_fifo() -> Made {
    let path = temporary_path();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    let inside = path.clone();
    Ok(Scene::new(&[libc::SYS_openat], move || File::open(&inside).map(drop)).release(move || {
        drop(File::options().read(true).write(true).open(&path));
        fs::remove_file(path)
    }))
}

fn lock() -> Made {
    let path = temporary_path();
    let holder = File::create(&path).expect("a file");
    holder.lock().expect("a lock");
    let file = File::open(&path).expect("a file");
    fs::remove_file(path).expect("it was there");
    Ok(Scene::new(&[libc::SYS_flock], move || file.lock()).release(|| drop(holder)))
}

fn wait() -> Made {
    let mut child = sleeper();
    let id = Pid::from_raw(child.id() as i32);
    Ok(Scene::new(&[libc::SYS_wait4, libc::SYS_waitid], move || child.wait().map(drop))
        .release(move || kill_and_reap(id)))
}

fn sleep() -> Made {
    let call = || {
        thread::sleep(AN_HOUR);
        Ok(())
    };
    Ok(Scene::new(&[libc::SYS_nanosleep, libc::SYS_clock_nanosleep], call).ends(Ends::Early))
}

fn resolve() -> Made {
    let nameserver = resolver::dead_nameserver()?;
    let address = nameserver.local_addr().unwrap();
    let call = move || {
        let _silent = &nameserver;
        resolver::ask_only(address);
        ("eintr.example", 80).to_socket_addrs().map(drop)
    };
    Ok(Scene::new(POLL, call).ends(Ends::WithItsOwnError))
}
