//! Requests at random times against real objects: bytes, connections, children, descriptors and the requests themselves are
//! counted, and must balance (P2, P6).
//!
//! The tests work like this: one side makes its calls each in a task of its own, and goes on where an interrupt stopped it;
//! a thread interrupts whatever task is current, after pauses of random length. The other side is left in peace, so that it
//! can count. What is random is when a request comes, not what must come out.

use std::fs;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use eintr::{Error, Partial};
use eintr_random::requester::{self, Tasks, Whom};
use test_support::child::alone;

/// Makes trials until a request has hit one: on a quick machine, all may come between two calls.
/// Each trial must balance, and tells how many requests were raised in it.
fn until_hit(trial: impl Fn() -> usize) {
    alone(|| while trial() == 0 {});
}

/// Interrupts the task that is current, again and again.
#[derive(Default)]
struct Hammer {
    tasks: Tasks,
}

impl Hammer {
    /// Hammers on the tasks that `body` makes; what it returns, and how many of the requests were raised.
    fn on<T>(body: impl FnOnce(&Hammer) -> T) -> (T, usize) {
        let hammer = Hammer::default();
        let result = requester::beside(&hammer.tasks, Whom::Tasks, || body(&hammer));
        let (_, raised) = hammer.tasks.balance();
        (result, raised)
    }

    /// Runs a call in a task of its own.
    fn under<T>(&self, call: impl FnOnce() -> T) -> T {
        let (task, interrupter) = eintr::task();
        let number = self.tasks.add(interrupter);
        let value = task.run(call);
        self.tasks.remove(number);
        value
    }
}

/// The bytes 0, 1, 2 ... of which each one must arrive, once, in order.
fn pattern(position: usize) -> u8 {
    (position % 251) as u8
}

const BYTES: usize = 4 << 20;

fn write_all_there_is(writer: &mut PipeWriter) {
    let bytes: Vec<u8> = (0..BYTES).map(pattern).collect();
    writer.write_all(&bytes).unwrap();
}

fn read_all_there_is(reader: &mut PipeReader) -> Vec<u8> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    bytes
}

fn assert_complete(bytes: &[u8]) {
    assert_eq!(bytes.len(), BYTES);
    let wrong = bytes.iter().enumerate().find(|(position, byte)| **byte != pattern(*position));
    assert_eq!(wrong, None);
}

#[test]
fn reads_lose_no_byte() {
    until_hit(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let other = thread::spawn(move || write_all_there_is(&mut writer));
        let (bytes, raised) = Hammer::on(|hammer| {
            let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
            loop {
                match hammer.under(|| eintr::io::read(&reader, &mut chunk)) {
                    Ok(0) => return bytes,
                    Ok(length) => bytes.extend_from_slice(&chunk[..length]),
                    Err(Error::Interrupted(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        });
        other.join().unwrap();
        assert_complete(&bytes);
        raised
    });
}

#[test]
fn writes_of_several_steps_tell_how_far_they_got() {
    until_hit(|| {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let other = thread::spawn(move || read_all_there_is(&mut reader));
        let bytes: Vec<u8> = (0..BYTES).map(pattern).collect();
        let ((), raised) = Hammer::on(|hammer| {
            let mut done = 0;
            while done < BYTES {
                match hammer.under(|| eintr::io::write_all(&writer, &bytes[done..])) {
                    Ok(()) => done = BYTES,
                    Err(Partial { done: more, error: Error::Interrupted(_), .. }) => {
                        done += more as usize;
                    }
                    Err(partial) => panic!("{partial}"),
                }
            }
        });
        drop(writer);
        assert_complete(&other.join().unwrap());
        raised
    });
}

#[test]
fn no_connection_is_accepted_and_dropped() {
    const CONNECTIONS: u32 = 2_000;
    until_hit(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let clients = thread::spawn(move || {
            for number in 0..CONNECTIONS {
                let mut client = TcpStream::connect(address).unwrap();
                client.write_all(&number.to_le_bytes()).unwrap();
                // One at a time: the server answers what it has accepted.
                let mut answer = [0; 4];
                client.read_exact(&mut answer).unwrap();
                assert_eq!(u32::from_le_bytes(answer), number);
            }
        });
        let ((), raised) = Hammer::on(|hammer| {
            for number in 0..CONNECTIONS {
                let mut connection = loop {
                    match hammer.under(|| eintr::net::accept(&listener)) {
                        Ok((connection, _)) => break connection,
                        Err(Error::Interrupted(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                };
                let mut told = [0; 4];
                connection.read_exact(&mut told).unwrap();
                assert_eq!(u32::from_le_bytes(told), number);
                connection.write_all(&told).unwrap();
            }
        });
        clients.join().unwrap();
        raised
    });
}

#[test]
fn each_child_is_reaped_once() {
    const CHILDREN: i32 = 100;
    until_hit(|| {
        let (statuses, raised) = Hammer::on(|hammer| {
            let statuses = (0..CHILDREN).map(|number| {
                let script = format!("exit {number}");
                let mut child = Command::new("sh").args(["-c", &script]).spawn().unwrap();
                loop {
                    match hammer.under(|| eintr::process::wait(&mut child)) {
                        Ok(status) => return status.code(),
                        Err(Error::Interrupted(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
            statuses.collect::<Vec<_>>()
        });
        assert_eq!(statuses, (0..CHILDREN).map(Some).collect::<Vec<_>>());
        // SAFETY: no status is asked for.
        let left = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
        assert_eq!(left, -1, "a child is left");
        raised
    });
}

#[test]
fn connecting_leaves_no_descriptor_behind() {
    let open = || {
        let links = fs::read_dir("/proc/self/fd").unwrap().flatten();
        let targets = links.filter_map(|link| fs::read_link(link.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    };
    until_hit(|| {
        // In a process of its own the other tests open no sockets; here they may, so count until it is quiet.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let before = open();
        let ((), raised) = Hammer::on(|hammer| {
            let mut connected = 0;
            while connected < 500 {
                match hammer.under(|| eintr::net::tcp_connect(address)) {
                    Ok(client) => {
                        let (_, peer) = listener.accept().unwrap();
                        assert_eq!(peer, client.local_addr().unwrap());
                        connected += 1;
                    }
                    // The listener sees attempts that were given up, too.
                    Err(Error::Interrupted(_)) => drop_given_up(&listener),
                    Err(error) => panic!("{error}"),
                }
            }
        });
        test_support::wait_until("the sockets are closed", || open() <= before);
        raised
    });
}

/// Takes those connections out of the queue whose clients are gone.
fn drop_given_up(listener: &TcpListener) {
    listener.set_nonblocking(true).unwrap();
    while listener.accept().is_ok() {}
    listener.set_nonblocking(false).unwrap();
}
