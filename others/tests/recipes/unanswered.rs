//! Clients in C whose peer takes the connection and says nothing, or greets and then says nothing:
//! libpq, MariaDB's client, c-ares. Each is told EINTR by its polls for a while, and goes on; then it
//! leaves by an error of its own.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_ulong, c_void};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::ptr::{null, null_mut};
use std::thread;

use test_support::watched;

use super::library::Library;
use super::{POLLS, asked};

type Pointer = *mut c_void;

/// A server that greets whoever comes, and hears them out. It ends with the test's process.
fn server(greet: impl Fn(&mut TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            greet(&mut stream);
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    port
}

/// A message that the client sends at first, of which a number at that place tells how long it is.
fn hear(stream: &mut TcpStream, head: usize, length: impl Fn(&[u8]) -> usize) {
    let mut bytes = vec![0; head];
    stream.read_exact(&mut bytes).unwrap();
    let mut rest = vec![0; length(&bytes)];
    stream.read_exact(&mut rest).unwrap();
}

/// libpq, so far as it is needed here.
#[derive(Clone, Copy)]
struct Postgres {
    connect: unsafe extern "C" fn(*const c_char) -> Pointer,
    status: unsafe extern "C" fn(Pointer) -> c_int,
    execute: unsafe extern "C" fn(Pointer, *const c_char) -> Pointer,
    result: unsafe extern "C" fn(Pointer) -> c_int,
    message: unsafe extern "C" fn(Pointer) -> *const c_char,
    finish: unsafe extern "C" fn(Pointer),
}

impl Postgres {
    fn open() -> Option<Self> {
        let library = Library::open(c"libpq.so.5")?;
        // SAFETY: the types of libpq-fe.h.
        Some(unsafe {
            Self {
                connect: library.function(c"PQconnectdb"),
                status: library.function(c"PQstatus"),
                execute: library.function(c"PQexec"),
                result: library.function(c"PQresultStatus"),
                message: library.function(c"PQerrorMessage"),
                finish: library.function(c"PQfinish"),
            }
        })
    }

    /// What is done with a connection; and what is its last error.
    fn with<T>(self, port: u16, act: impl FnOnce(Pointer) -> T) -> (T, String) {
        let parameters = format!(
            "host=127.0.0.1 port={port} user=u dbname=d sslmode=disable gssencmode=disable"
        );
        let parameters = CString::new(parameters).unwrap();
        // SAFETY: a connection, until its end.
        unsafe {
            let connection = (self.connect)(parameters.as_ptr());
            let result = act(connection);
            let message = CStr::from_ptr((self.message)(connection)).to_string_lossy().into_owned();
            (self.finish)(connection);
            (result, message)
        }
    }
}

#[test]
fn libpq_connects() {
    let Some(libpq) = Postgres::open() else { return };
    watched("libpq_connects", || {
        let port = server(|_| ());
        // SAFETY: a connection.
        let is_bad = move |connection| unsafe { (libpq.status)(connection) } != 0;
        for (is_bad, message) in asked(POLLS, move || libpq.with(port, is_bad)) {
            assert!(is_bad);
            assert!(!message.is_empty());
        }
    });
}

#[test]
fn libpq_asks() {
    const FATAL: c_int = 7;
    let Some(libpq) = Postgres::open() else { return };
    watched("libpq_asks", || {
        let port = server(|stream| {
            hear(stream, 4, |bytes| u32::from_be_bytes(bytes.try_into().unwrap()) as usize - 4);
            // It is let in, and the server is ready.
            stream.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").unwrap();
        });
        let ask = move |connection| {
            // SAFETY: a connection, and a query that ends with a null byte.
            unsafe { (libpq.result)((libpq.execute)(connection, c"select 1".as_ptr())) }
        };
        for (result, message) in asked(POLLS, move || libpq.with(port, ask)) {
            assert_eq!(result, FATAL, "{message}");
            assert!(!message.is_empty());
        }
    });
}

/// MariaDB's client, which is MySQL's too.
#[derive(Clone, Copy)]
struct Mysql {
    new: unsafe extern "C" fn(Pointer) -> Pointer,
    connect: unsafe extern "C" fn(
        Pointer,
        *const c_char,
        *const c_char,
        *const c_char,
        *const c_char,
        c_uint,
        *const c_char,
        c_ulong,
    ) -> Pointer,
    query: unsafe extern "C" fn(Pointer, *const c_char) -> c_int,
    error: unsafe extern "C" fn(Pointer) -> c_uint,
    close: unsafe extern "C" fn(Pointer),
}

impl Mysql {
    fn open() -> Option<Self> {
        let library = Library::open(c"libmariadb.so.3")?;
        // SAFETY: the types of mysql.h.
        Some(unsafe {
            Self {
                new: library.function(c"mysql_init"),
                connect: library.function(c"mysql_real_connect"),
                query: library.function(c"mysql_query"),
                error: library.function(c"mysql_errno"),
                close: library.function(c"mysql_close"),
            }
        })
    }

    /// Connects, and asks if it is connected: whether it was, and its last error.
    fn ask(self, port: u16) -> (bool, c_uint) {
        // SAFETY: a connection, until its end; names that end with a null byte.
        unsafe {
            let client = (self.new)(null_mut());
            let (host, user) = (c"127.0.0.1".as_ptr(), c"u".as_ptr());
            let connected =
                (self.connect)(client, host, user, c"".as_ptr(), null(), port.into(), null(), 0);
            let is_connected = !connected.is_null();
            if is_connected {
                assert_ne!((self.query)(client, c"select 1".as_ptr()), 0);
            }
            let error = (self.error)(client);
            (self.close)(client);
            (is_connected, error)
        }
    }
}

#[test]
fn mysql_connects() {
    let Some(mysql) = Mysql::open() else { return };
    watched("mysql_connects", || {
        let port = server(|_| ());
        for (is_connected, error) in asked(POLLS, move || mysql.ask(port)) {
            assert!(!is_connected);
            assert_ne!(error, 0);
        }
    });
}

#[test]
fn mysql_asks() {
    let Some(mysql) = Mysql::open() else { return };
    watched("mysql_asks", || {
        let port = server(|stream| {
            // By version 4.1 and with a method of its own, and half of the bytes that nobody is to guess.
            let [capabilities, more]: [u16; 2] = [0xa200, 0x0008];
            let mut greeting = b"\x0a8.0\0\x01\0\0\0abcdefgh\0".to_vec();
            greeting.extend(capabilities.to_le_bytes());
            greeting.extend(b"\x21\x02\0");
            greeting.extend(more.to_le_bytes());
            greeting.extend(b"\x15\0\0\0\0\0\0\0\0\0\0abcdefghijkl\0mysql_native_password\0");
            let mut packet = vec![greeting.len() as u8, 0, 0, 0];
            packet.append(&mut greeting);
            stream.write_all(&packet).unwrap();
            hear(stream, 4, |bytes| usize::from(bytes[0]) | usize::from(bytes[1]) << 8);
            stream.write_all(b"\x07\0\0\x02\0\0\0\x02\0\0\0").unwrap();
        });
        for (is_connected, error) in asked(POLLS, move || mysql.ask(port)) {
            assert!(is_connected, "error {error}");
            assert_ne!(error, 0);
        }
    });
}

/// Its loop is the program's, as the manual has it.
#[test]
fn cares_looks_up() {
    let Some(library) = Library::open(c"libcares.so.2") else { return };
    type Callback = extern "C" fn(Pointer, c_int, c_int, Pointer);
    extern "C" fn told(answer: Pointer, status: c_int, _timeouts: c_int, _host: Pointer) {
        // SAFETY: the number below, which outlives the channel.
        unsafe { *answer.cast::<c_int>() = status };
    }
    // SAFETY: the types of ares.h.
    let (init, set_servers, look_up, sets, process, destroy) = unsafe {
        let init: unsafe extern "C" fn(*mut Pointer) -> c_int = library.function(c"ares_init");
        let set_servers: unsafe extern "C" fn(Pointer, *const c_char) -> c_int =
            library.function(c"ares_set_servers_ports_csv");
        let look_up: unsafe extern "C" fn(Pointer, *const c_char, c_int, Callback, Pointer) =
            library.function(c"ares_gethostbyname");
        let sets: unsafe extern "C" fn(Pointer, *mut libc::fd_set, *mut libc::fd_set) -> c_int =
            library.function(c"ares_fds");
        let process: unsafe extern "C" fn(Pointer, *mut libc::fd_set, *mut libc::fd_set) =
            library.function(c"ares_process");
        let destroy: unsafe extern "C" fn(Pointer) = library.function(c"ares_destroy");
        (init, set_servers, look_up, sets, process, destroy)
    };
    watched("cares_looks_up", || {
        const DESTROYED: c_int = 16;
        let nameserver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = CString::new(nameserver.local_addr().unwrap().to_string()).unwrap();
        let ends = asked(POLLS, move || {
            let mut status: c_int = -1;
            let mut channel = null_mut();
            // SAFETY: a channel until its end, names that end with a null byte, and sets of our own.
            unsafe {
                assert_eq!(init(&mut channel), 0);
                assert_eq!(set_servers(channel, address.as_ptr()), 0);
                let answer = (&raw mut status).cast();
                look_up(channel, c"eintr.example".as_ptr(), libc::AF_INET, told, answer);
                let why = loop {
                    let [mut reads, mut writes]: [libc::fd_set; 2] = std::mem::zeroed();
                    let count = sets(channel, &mut reads, &mut writes);
                    if count == 0 {
                        break None;
                    }
                    let none = null_mut();
                    match libc::select(count, &mut reads, &mut writes, none, null_mut()) {
                        -1 => {
                            let error = std::io::Error::last_os_error();
                            if error.kind() != std::io::ErrorKind::Interrupted {
                                break Some(error);
                            }
                        }
                        _ => process(channel, &mut reads, &mut writes),
                    }
                };
                destroy(channel);
                (why, status)
            }
        });
        for (why, status) in ends {
            let refused = why.map(|error| error.raw_os_error());
            assert_eq!((refused, status), (Some(Some(libc::ECANCELED)), DESTROYED));
        }
        drop(nameserver);
    });
}
