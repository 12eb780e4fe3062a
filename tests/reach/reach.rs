//! Reach: unmodified code that knows nothing of us comes back.
//!
//! Each test here puts a managed thread into a plain blocking call, waits until /proc says that it
//! sleeps there, interrupts it, and looks at what it got.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use eintr::{Interrupted, Outcome};
use test_support::{gettid, has_dispatch, wait_until_blocked, watched};

/// Runs `call` in a managed thread, interrupts it once it sleeps in `syscall`, and returns what it
/// returned.
fn interrupted_in<T: Send + 'static>(
    name: &str,
    syscall: i64,
    call: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    if !has_dispatch(name) {
        return None;
    }
    watched(name, || {
        let (tell, told) = mpsc::channel();
        let worker = eintr::spawn(move || {
            tell.send(gettid()).unwrap();
            call()
        });
        wait_until_blocked(told.recv().unwrap(), syscall);
        worker.interrupt();
        Some(worker.join().unwrap())
    })
}

/// The same for a call that is refused: the error is recognised on the spot.
fn refused_in<T: Send + 'static>(
    name: &str,
    syscall: i64,
    call: impl FnOnce() -> io::Result<T> + Send + 'static,
) {
    let result = interrupted_in(name, syscall, || match call() {
        Ok(_) => panic!("it returned a result"),
        Err(error) => (Interrupted::of(&error).is_some(), error.raw_os_error(), error.to_string()),
    });
    if let Some((recognised, errno, text)) = result {
        assert!(recognised, "{name}: {text}");
        assert_eq!(errno, Some(libc::ECANCELED), "{name}: {text}");
    }
}

fn full_socket() -> (UnixStream, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    while (&near).write(&[0; 4096]).is_ok() {}
    near.set_nonblocking(false).unwrap();
    (near, far)
}

#[test]
fn accept() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    refused_in("accept", libc::SYS_accept4, move || listener.accept());
}

#[test]
fn incoming_with_errors_ignored_is_backed_off_from_and_counted() {
    if !has_dispatch("incoming") {
        return;
    }
    watched("incoming", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let worker = eintr::spawn(move || {
            for connection in listener.incoming() {
                if connection.is_err()
                    && eintr::Interrupter::current().unwrap().report().refused >= 30
                {
                    break;
                }
            }
        });
        let interrupter = worker.interrupter();
        assert!(matches!(interrupter.interrupt().wait(test_support::LIMIT), Outcome::Raised));
        worker.join().unwrap();
        assert!(interrupter.report().refused >= 30);
        assert!(interrupter.raised().is_some());
    });
}

#[test]
fn read_exact_on_a_socket_keeps_what_it_had() {
    let (mut near, mut far) = UnixStream::pair().unwrap();
    far.write_all(b"half").unwrap();
    let mut buffer = [0; 8];
    let result = interrupted_in("read_exact", libc::SYS_recvfrom, move || {
        let error = near.read_exact(&mut buffer).unwrap_err();
        (buffer, Interrupted::of(&error).is_some())
    });
    if let Some((buffer, recognised)) = result {
        assert_eq!(&buffer, b"half\0\0\0\0");
        assert!(recognised);
    }
}

#[test]
fn read_line_on_a_pipe() {
    let (reader, writer) = io::pipe().unwrap();
    refused_in("read_line", libc::SYS_read, move || {
        let line = BufReader::new(reader).read_line(&mut String::new());
        drop(writer);
        line
    });
}

#[test]
fn recv_from() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    refused_in("recv_from", libc::SYS_recvfrom, move || socket.recv_from(&mut [0; 8]));
}

#[test]
fn recv_from_with_a_timeout() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(3600))).unwrap();
    refused_in("recv_from", libc::SYS_recvfrom, move || {
        loop {
            match socket.recv_from(&mut [0; 8]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    });
}

#[test]
fn write_all_into_a_full_socket() {
    let (mut near, far) = full_socket();
    refused_in("write_all", libc::SYS_sendto, move || {
        let result = near.write_all(&[0; 1 << 20]);
        drop(far);
        result
    });
}

#[test]
fn sleep_ends() {
    interrupted_in("sleep", libc::SYS_clock_nanosleep, || thread::sleep(Duration::MAX));
}

#[test]
fn child_wait_and_the_child_can_still_be_killed_and_reaped() {
    let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
    let result = interrupted_in("Child::wait", libc::SYS_wait4, move || {
        let waited = child.wait().is_err();
        child.kill().unwrap();
        (waited, child.wait().map(|status| status.code()))
    });
    if let Some((waited, reaped)) = result {
        assert!(waited);
        assert_eq!(reaped.unwrap(), None, "killed by a signal");
    }
}

#[test]
fn open_of_a_fifo() {
    let path = std::env::temp_dir().join(format!("eintr-reach-{}", std::process::id()));
    let name = CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: a path that ends with a null byte.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let inside = path.clone();
    refused_in("File::open", libc::SYS_openat, move || File::open(inside));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn connect_to_a_full_backlog() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // SAFETY: an integer each.
    unsafe { libc::listen(std::os::fd::AsRawFd::as_raw_fd(&listener), 0) };
    let filler: Vec<_> = (0..4)
        .filter_map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok())
        .collect();
    refused_in("connect", libc::SYS_connect, move || TcpStream::connect(address));
    drop(filler);
}

#[test]
fn life_goes_on_while_a_cause_stands() {
    if !has_dispatch("life") {
        return;
    }
    watched("life", || {
        let (tell, told) = mpsc::channel();
        let (reader, _writer) = io::pipe().unwrap();
        let worker = eintr::spawn(move || {
            tell.send(gettid()).unwrap();
            assert!((&reader).read(&mut [0]).is_err());
            // Armed and dispatching from here on.
            println!("still printing");
            let memory = vec![1_u8; 64 << 20];
            assert_eq!(memory.iter().map(|byte| u64::from(*byte)).sum::<u64>(), 64 << 20);
            assert_eq!(thread::spawn(|| 42).join().unwrap(), 42);
            let file = File::open("/proc/self/status").unwrap();
            assert!(BufReader::new(file).lines().count() > 10);
            let (send, receive) = mpsc::channel();
            let other = thread::spawn(move || send.send(7).unwrap());
            assert_eq!(receive.recv().unwrap(), 7);
            other.join().unwrap();
            let child = Command::new("true").spawn();
            let mut child = child.expect("a child is spawned");
            while child.try_wait().unwrap().is_none() {}
            // SAFETY: runs nothing in the child but exec.
            let child = unsafe {
                use std::os::unix::process::CommandExt;
                Command::new("true").pre_exec(|| Ok(())).spawn()
            };
            let mut child = child.expect("by fork and exec too");
            while child.try_wait().unwrap().is_none() {}
            assert!(Command::new("/nonexistent").spawn().is_err());
            // SAFETY: as above.
            let child = unsafe {
                use std::os::unix::process::CommandExt;
                Command::new("/nonexistent").pre_exec(|| Ok(())).spawn()
            };
            assert_eq!(child.unwrap_err().kind(), io::ErrorKind::NotFound);
            assert!(std::panic::catch_unwind(|| panic!("expected")).is_err());
            assert!(eintr::is_interrupted());
            let read = (&reader).read(&mut [0]);
            assert_eq!(read.unwrap_err().raw_os_error(), Some(libc::ECANCELED));
            eintr::take().expect("the request");
            drop(_writer);
            assert_eq!((&reader).read(&mut [0]).unwrap(), 0, "reached no more");
        });
        wait_until_blocked(told.recv().unwrap(), libc::SYS_read);
        worker.interrupt();
        worker.join().unwrap();
    });
}

#[test]
fn a_plain_call_after_an_own_call() {
    let (reader, writer) = io::pipe().unwrap();
    interrupted_in("read, then read", libc::SYS_read, move || {
        assert!(eintr::io::read(&reader, &mut [0]).is_err());
        let plain = (&reader).read(&mut [0]).unwrap_err();
        assert_eq!(plain.raw_os_error(), Some(libc::ECANCELED));
        drop(writer);
    });
}

/// The child has not executed yet, and std waits for word of it: it would panic on an error.
#[test]
fn a_spawn_that_is_under_way_goes_on() {
    interrupted_in("spawn", libc::SYS_recvfrom, || {
        let mut command = Command::new("true");
        // SAFETY: a sleep, in the child. (Long enough for the parent to be found waiting; if it is not, the test says so.)
        unsafe {
            use std::os::unix::process::CommandExt;
            command.pre_exec(|| {
                let patience = libc::timespec { tv_sec: 1, tv_nsec: 0 };
                libc::nanosleep(&patience, std::ptr::null_mut());
                Ok(())
            })
        };
        let mut child = command.spawn().expect("a child");
        while child.try_wait().unwrap().is_none() {
            thread::yield_now();
        }
    });
}
