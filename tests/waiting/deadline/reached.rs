//! Deadlines and reach: plain std code that knows nothing of us is refused in time, and the timeout
//! tells.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use eintr::{
    Interrupted, Reason, Task, TimedOut, is_interrupted, mask, reach, scope, task, timeout, within,
    without_reach,
};
use test_support::child::alone;
use test_support::{gettid, has_dispatch, times_asleep, watched};

use super::{HOUR, SHORT, Told, pipe, raised, wait_until_armed};

/// Runs `f` with reach on, where that is exact.
fn reached(name: &str, f: impl FnOnce()) {
    if has_dispatch(name) {
        watched(name, || reach(f));
    }
}

fn times_out<T>(f: impl FnOnce() -> io::Result<T>) {
    match timeout(SHORT, f) {
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}"),
        Ok(_) => panic!("it returned a result"),
    }
    assert_eq!(raised(), None);
}

fn plain_read_in_vain() -> io::Result<usize> {
    let (mut reader, _writer) = pipe();
    reader.read(&mut [0])
}

#[test]
fn accept() {
    reached("accept", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        times_out(|| listener.accept());
        times_out(|| listener.incoming().next().unwrap());
    });
}

/// To a listener whose queue is full: the peer does not answer.
#[test]
fn connect() {
    reached("connect", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // SAFETY: a descriptor of ours; listening again only sets the length of the queue.
        assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
        let mut waiting = Vec::new();
        let full = loop {
            match std::net::TcpStream::connect_timeout(&address, 10 * SHORT) {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::TimedOut);
        times_out(|| std::net::TcpStream::connect(address));
    });
}

#[test]
fn wait_for_a_child() {
    reached("wait for a child", || {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        times_out(|| child.wait());
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
    });
}

#[test]
fn lock() {
    reached("lock", || {
        let path = std::env::temp_dir().join(format!("eintr-reached-{}", std::process::id()));
        let [held, wanted] = [(); 2].map(|()| File::create(&path).unwrap());
        std::fs::remove_file(&path).unwrap();
        held.lock().unwrap();
        times_out(|| wanted.lock());
        times_out(|| wanted.lock_shared());
        drop(held);
        wanted.lock().unwrap();
    });
}

/// `read_line` retries EINTR; the line that had come is kept by the reader's owner.
#[test]
fn read_line() {
    reached("read_line", || {
        let (reader, mut writer) = pipe();
        io::Write::write_all(&mut writer, b"one\nhal").unwrap();
        let mut lines = BufReader::new(reader);
        let mut line = String::new();
        times_out(|| -> io::Result<()> {
            loop {
                line.clear();
                lines.read_line(&mut line)?;
            }
        });
    });
}

/// The process's own standard input, in a process of its own. What comes later is not lost.
#[test]
fn read_line_of_stdin() {
    alone(|| {
        let (reader, mut writer) = pipe();
        // SAFETY: no pointers; nobody reads the standard input yet.
        assert_eq!(unsafe { libc::dup2(reader.as_raw_fd(), 0) }, 0);
        reached("stdin", || {
            let mut line = String::new();
            times_out(|| io::stdin().read_line(&mut line));
            io::Write::write_all(&mut writer, b"later\n").unwrap();
            io::stdin().read_line(&mut line).unwrap();
            assert_eq!(line, "later\n");
        });
    });
}

/// A whole conversation has one budget, whichever of its calls it is that hangs.
#[test]
fn a_chain_of_plain_calls() {
    reached("a chain", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // It answers by half, unless the machine is so slow that nobody waits for it any more.
        let peer = std::thread::spawn(move || -> io::Result<usize> {
            let (mut stream, _) = listener.accept()?;
            let mut request = [0; 4];
            stream.read_exact(&mut request)?;
            io::Write::write_all(&mut stream, b"half an ans")?;
            stream.read(&mut request)
        });
        times_out(|| {
            let mut stream = std::net::TcpStream::connect(address)?;
            io::Write::write_all(&mut stream, b"ask?")?;
            stream.read_exact(&mut [0; 14])
        });
        // One that did not even come to connect leaves the peer waiting.
        drop(std::net::TcpStream::connect(address));
        assert!(!matches!(peer.join().unwrap(), Ok(1..)));
    });
}

/// A sleep cut short is not an error, and counts as raised.
#[test]
fn sleep() {
    reached("sleep", || {
        let told = timeout(SHORT, || {
            std::thread::sleep(HOUR);
            Ok::<_, Told>(eintr::checkpoint()?)
        });
        assert_eq!(told, Err(Told::TimedOut));
        let cut_short = timeout(SHORT, || {
            std::thread::sleep(HOUR);
            Err::<(), _>(Told::Own)
        });
        assert_eq!(cut_short, Err(Told::TimedOut), "whatever error the body makes of it");
        let heedless = timeout(SHORT, || {
            std::thread::sleep(HOUR);
            Ok::<_, Told>(1)
        });
        assert_eq!(heedless, Ok(1));
    });
}

/// The wait of a channel or a lock goes on after a signal: it was not cut short.
#[test]
fn a_wait_on_a_futex_is_not_cut_short() {
    let wait = || {
        let (_sender, receiver) = mpsc::channel::<()>();
        let failed = timeout(SHORT, || {
            receiver.recv_timeout(10 * SHORT).unwrap_err();
            assert!(is_interrupted());
            Err::<(), _>(Told::Own)
        });
        assert_eq!(failed, Err(Told::Own));
    };
    reached("a futex", wait);
    watched("a futex, not reached", || without_reach(wait));
}

/// What is ready is done for as long as the deadline was itself, also where it was inherited.
#[test]
fn what_is_ready_is_done_for_no_longer_than_it_was() {
    let (reader, mut writer) = pipe();
    writer.write_all(&[0; 1 << 15]).unwrap();
    let read = || (&reader).read(&mut [0]).map_err(|error| error.raw_os_error());
    let refused = Err(Some(libc::ECANCELED));
    let spend = |limit: Duration| {
        wait_until_armed();
        let start = Instant::now();
        while start.elapsed() < limit {
            std::hint::spin_loop();
        }
    };
    reached("for as long as it was", || {
        assert_eq!(within(Duration::ZERO, read).value, refused);
        // A try counts if the machine let it be in time.
        let done = || {
            let start = Instant::now();
            let read = within(SHORT, || {
                wait_until_armed();
                read()
            });
            start.elapsed() >= 2 * SHORT || read.value == Ok(1)
        };
        assert!((0..100).all(|_| done()));
        within(SHORT, || {
            spend(SHORT);
            assert_eq!(read(), refused);
        });
        let heir = || {
            spend(SHORT);
            assert_eq!(read(), refused);
        };
        within(SHORT, || scope(|scope| drop(scope.spawn(heir))));
    });
}

/// A plain call that the kernel never restarts: recognised and told, reached or not.
#[test]
fn what_the_kernel_ends_is_recognised() {
    let end = || {
        let (mut socket, _peer) = UnixStream::pair().unwrap();
        socket.set_read_timeout(Some(HOUR)).unwrap();
        let mut read = || socket.read(&mut [0]);
        times_out(&mut read);
        let known = within(SHORT, || Interrupted::of(&read().unwrap_err()).is_some());
        assert!(known.value && known.cut_short);
    };
    reached("ended by the kernel", end);
    watched("ended by the kernel, not reached", || without_reach(end));
}

#[test]
fn a_refusal_is_recognised() {
    reached("recognised", || {
        let reason = within(SHORT, || {
            let error = plain_read_in_vain().unwrap_err();
            Interrupted::of(&error).map(|interrupted| interrupted.reason().clone())
        });
        assert!(matches!(reason.value, Some(Reason::Deadline)), "{reason:?}");
        let foreign = within(Duration::ZERO, || {
            let error = io::Error::from_raw_os_error(libc::ECANCELED);
            Interrupted::of(&error).is_some()
        });
        assert!(!foreign.value, "nothing was refused");
    });
}

/// Who tells, where a syscall was refused and nothing else raised.
#[test]
fn the_right_deadline_tells() {
    reached("who tells", || {
        let inner = |limit| timeout(limit, plain_read_in_vain);
        let own = |_| io::Error::other("as the inner one told");
        let outer = timeout(HOUR, || inner(SHORT).map_err(own));
        assert_eq!(outer.unwrap_err().kind(), io::ErrorKind::Other);
        let outer = timeout(SHORT, || {
            let error = inner(HOUR).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ECANCELED));
            Err::<(), _>(error)
        });
        assert_eq!(outer.unwrap_err().kind(), io::ErrorKind::TimedOut);
        // A mask between the refusal and the end of the deadline does not make it forget.
        let masked = timeout(SHORT, || {
            let error = plain_read_in_vain();
            mask(|| assert_eq!(timeout(HOUR, || Ok::<_, TimedOut>(1)), Ok(1)));
            error
        });
        assert_eq!(masked.unwrap_err().kind(), io::ErrorKind::TimedOut);
        // Nor does a refusal tell for a deadline that begins later.
        let later = timeout(SHORT, || {
            plain_read_in_vain().unwrap_err();
            let inner = || timeout(Duration::ZERO, || Err::<(), _>(Told::Own));
            Ok::<_, Told>([inner(), mask(inner), Task::root().run(inner)])
        });
        assert_eq!(later, Ok([Err(Told::Own), Err(Told::Own), Err(Told::Own)]));
    });
}

#[test]
fn a_request_from_outside_keeps_the_refusal() {
    reached("a request from outside", || {
        let (task, interrupter) = task();
        let told = task.run(|| {
            interrupter.interrupt();
            timeout(Duration::ZERO, plain_read_in_vain)
        });
        assert_eq!(told.unwrap_err().raw_os_error(), Some(libc::ECANCELED));
        assert!(interrupter.raised().is_some());
    });
}

#[test]
fn calls_after_the_end_are_not_refused() {
    reached("after the end", || {
        times_out(plain_read_in_vain);
        let (mut reader, mut writer) = pipe();
        let writes = std::thread::spawn(move || {
            std::thread::sleep(3 * SHORT);
            io::Write::write_all(&mut writer, b"x").unwrap();
        });
        assert_eq!(reader.read(&mut [0; 2]).unwrap(), 1);
        writes.join().unwrap();
    });
}

/// One who waits by deadlines, again and again, is not made to wait.
#[test]
fn again_and_again() {
    reached("again and again", || {
        let before = times_asleep(gettid());
        for _ in 0..1000 {
            let told = timeout(Duration::ZERO, plain_read_in_vain);
            assert_eq!(told.unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
        let asleep = times_asleep(gettid()) - before;
        assert!(asleep < 500, "{asleep} times");
    });
}
