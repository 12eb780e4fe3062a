//! Libraries in C: libzmq, libcurl, GLib, libdbus, libpcap.

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_uint, c_void};
use std::io;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::ptr::{null, null_mut};
use std::sync::{Arc, Mutex};

use eintr::{CleanupOnDrop, checkpoint, with_hook, without_reach};
use test_support::child::{alone, has_dispatch};
use test_support::watched;

use super::library::{Handle, Library};
use super::{LONG, POLLS, asked, ends_with_us, skipped};

type Pointer = *mut c_void;

/// libzmq, as its bindings have it. Polls are told something else where it is: its cases are
/// processes of their own.
#[derive(Clone, Copy)]
struct Zmq {
    context: unsafe extern "C" fn() -> Pointer,
    socket: unsafe extern "C" fn(Pointer, c_int) -> Pointer,
    bind: unsafe extern "C" fn(Pointer, *const c_char) -> c_int,
    receive: unsafe extern "C" fn(Pointer, Pointer, usize, c_int) -> c_int,
    close: unsafe extern "C" fn(Pointer) -> c_int,
    terminate: unsafe extern "C" fn(Pointer) -> c_int,
    errno: unsafe extern "C" fn() -> c_int,
}

impl Zmq {
    fn open() -> Option<Self> {
        let library = Library::open(c"libzmq.so.5")?;
        // SAFETY: the types of zmq.h.
        Some(unsafe {
            Self {
                context: library.function(c"zmq_ctx_new"),
                socket: library.function(c"zmq_socket"),
                bind: library.function(c"zmq_bind"),
                receive: library.function(c"zmq_recv"),
                close: library.function(c"zmq_close"),
                terminate: library.function(c"zmq_ctx_term"),
                errno: library.function(c"zmq_errno"),
            }
        })
    }
}

/// A socket and its context, closed by a destructor as the zmq crate's are.
struct Puller {
    zmq: Zmq,
    context: Pointer,
    socket: Pointer,
    closed: std::sync::mpsc::Sender<bool>,
}

const PULL: c_int = 7;

impl Puller {
    fn new(zmq: Zmq, closed: std::sync::mpsc::Sender<bool>) -> Self {
        // SAFETY: a context and a socket of it.
        unsafe {
            let context = (zmq.context)();
            let socket = (zmq.socket)(context, PULL);
            assert_eq!((zmq.bind)(socket, c"tcp://127.0.0.1:*".as_ptr()), 0);
            Self { zmq, context, socket, closed }
        }
    }

    fn receive(&self) -> io::Result<()> {
        let mut buffer = [0_u8; 16];
        // SAFETY: the buffer is as long as is said.
        let received =
            unsafe { (self.zmq.receive)(self.socket, buffer.as_mut_ptr().cast(), 16, 0) };
        if received >= 0 {
            return Ok(());
        }
        // SAFETY: no arguments.
        Err(io::Error::from_raw_os_error(unsafe { (self.zmq.errno)() }))
    }
}

impl Drop for Puller {
    fn drop(&mut self) {
        // SAFETY: both are open until here.
        unsafe {
            (self.zmq.close)(self.socket);
            // While an interrupt stands it may not wait for libzmq's threads.
            while (self.zmq.terminate)(self.context) != 0
                && (self.zmq.errno)() == libc::EINTR
                && !eintr::is_interrupted()
            {}
        }
        let _ = self.closed.send(eintr::is_interrupted());
    }
}

#[test]
fn zmq_a_worker_leaves_and_closes() {
    alone(|| {
        let Some(zmq) = Zmq::open() else { return };
        let (tell, told) = std::sync::mpsc::channel();
        for error in asked(POLLS, move || Puller::new(zmq, tell.clone()).receive().unwrap_err()) {
            assert_eq!(error.kind(), io::ErrorKind::Interrupted);
            assert!(told.recv().unwrap(), "it is closed while the cause stands");
        }
    });
}

#[test]
fn zmq_closes_inside_of_a_cleanup() {
    alone(|| {
        let Some(zmq) = Zmq::open() else { return };
        let (tell, told) = std::sync::mpsc::channel();
        let left = asked(POLLS, move || {
            let puller = CleanupOnDrop::new(LONG, Puller::new(zmq, tell.clone()));
            // Its guide says that EINTR is to be retried.
            while let Err(error) = puller.receive() {
                assert_eq!(error.kind(), io::ErrorKind::Interrupted);
                checkpoint()?;
            }
            Ok::<(), eintr::Interrupted>(())
        });
        for left in left {
            assert!(left.is_err());
            assert!(!told.recv().unwrap(), "nothing stands where it is closed");
        }
    });
}

#[test]
fn curl_from_a_silent_server() {
    const URL: c_int = 10002;
    const NO_SIGNAL: c_int = 99;
    let Some(library) = Library::open(c"libcurl.so.4") else { return };
    watched("curl_from_a_silent_server", || {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = CString::new(format!("http://{}/", server.local_addr().unwrap())).unwrap();
        // SAFETY: the types of curl.h.
        let (init, set, perform, cleanup) = unsafe {
            let init: unsafe extern "C" fn() -> Pointer = library.function(c"curl_easy_init");
            let set: unsafe extern "C" fn(Pointer, c_int, ...) -> c_int =
                library.function(c"curl_easy_setopt");
            let perform: unsafe extern "C" fn(Pointer) -> c_int =
                library.function(c"curl_easy_perform");
            let cleanup: unsafe extern "C" fn(Pointer) = library.function(c"curl_easy_cleanup");
            (init, set, perform, cleanup)
        };
        let codes = asked(POLLS, move || {
            // SAFETY: a handle, its options, and its end.
            unsafe {
                let curl = init();
                set(curl, URL, url.as_ptr());
                set(curl, NO_SIGNAL, 1 as c_long);
                let code = perform(curl);
                cleanup(curl);
                code
            }
        });
        assert!(!codes.contains(&0));
    });
}

#[test]
fn glib_a_main_loop_is_quit_by_a_hook() {
    let Some(library) = Library::open(c"libglib-2.0.so.0") else { return };
    watched("glib_a_main_loop_is_quit_by_a_hook", || {
        // SAFETY: the types of glib.h.
        let (context, main_loop, run, quit) = unsafe {
            let context: unsafe extern "C" fn() -> Pointer =
                library.function(c"g_main_context_new");
            let main_loop: unsafe extern "C" fn(Pointer, c_int) -> Pointer =
                library.function(c"g_main_loop_new");
            let run: unsafe extern "C" fn(Pointer) = library.function(c"g_main_loop_run");
            let quit: unsafe extern "C" fn(Pointer) = library.function(c"g_main_loop_quit");
            (context, main_loop, run, quit)
        };
        let left = asked(POLLS, move || {
            // SAFETY: a loop of a context of its own. Any thread may quit it.
            let main_loop = Handle(unsafe { main_loop(context(), 0) });
            with_hook(
                // SAFETY: as above.
                move |_| unsafe { quit(main_loop.get()) },
                // SAFETY: as above.
                || unsafe { run(main_loop.get()) },
            );
            checkpoint()
        });
        assert!(left.iter().all(Result::is_err));
    });
}

/// A bus of our own.
struct Bus(Child);

impl Bus {
    fn start() -> Option<(Self, CString)> {
        let mut daemon = Command::new("dbus-daemon");
        daemon.args(["--session", "--nofork", "--print-address"]);
        daemon.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        ends_with_us(&mut daemon);
        let Ok(mut daemon) = daemon.spawn() else {
            skipped("a bus", "no dbus-daemon here");
            return None;
        };
        let mut address = String::new();
        let output = daemon.stdout.take().unwrap();
        io::BufRead::read_line(&mut io::BufReader::new(output), &mut address).unwrap();
        Some((Self(daemon), CString::new(address.trim()).unwrap()))
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// libdbus, so far as it is needed for a call that nobody answers.
#[derive(Clone, Copy)]
struct DBus {
    open: unsafe extern "C" fn(*const c_char, Pointer) -> Pointer,
    register: unsafe extern "C" fn(Pointer, Pointer) -> c_uint,
    name: unsafe extern "C" fn(Pointer) -> *const c_char,
    exits: unsafe extern "C" fn(Pointer, c_uint),
    descriptor: unsafe extern "C" fn(Pointer, *mut c_int) -> c_uint,
    method:
        unsafe extern "C" fn(*const c_char, *const c_char, *const c_char, *const c_char) -> Pointer,
    call: unsafe extern "C" fn(Pointer, Pointer, c_int, Pointer) -> Pointer,
}

impl DBus {
    fn load() -> Option<Self> {
        let library = Library::open(c"libdbus-1.so.3")?;
        // SAFETY: the types of dbus.h.
        unsafe {
            let init_threads: unsafe extern "C" fn() -> c_uint =
                library.function(c"dbus_threads_init_default");
            init_threads();
            Some(Self {
                open: library.function(c"dbus_connection_open_private"),
                register: library.function(c"dbus_bus_register"),
                name: library.function(c"dbus_bus_get_unique_name"),
                exits: library.function(c"dbus_connection_set_exit_on_disconnect"),
                descriptor: library.function(c"dbus_connection_get_unix_fd"),
                method: library.function(c"dbus_message_new_method_call"),
                call: library.function(c"dbus_connection_send_with_reply_and_block"),
            })
        }
    }

    /// A connection to the bus.
    fn connect(self, address: &CStr) -> Handle {
        // SAFETY: an address; no error is asked for.
        unsafe {
            let connection = (self.open)(address.as_ptr(), null_mut());
            assert!(!connection.is_null());
            (self.exits)(connection, 0);
            assert_eq!((self.register)(connection, null_mut()), 1);
            Handle(connection)
        }
    }

    /// A call of that name's, which waits for ever. Whether there was a reply.
    fn ask(self, connection: Handle, whom: &CStr) -> bool {
        const FOR_EVER: c_int = c_int::MAX;
        // SAFETY: names that end with a null byte; no error is asked for.
        unsafe {
            let method = (self.method)(whom.as_ptr(), c"/".as_ptr(), null(), c"Ask".as_ptr());
            !(self.call)(connection.get(), method, FOR_EVER, null_mut()).is_null()
        }
    }

    fn descriptor(self, connection: Handle) -> c_int {
        let mut fd = -1;
        // SAFETY: a connection, and a place for the number.
        assert_eq!(unsafe { (self.descriptor)(connection.get(), &mut fd) }, 1);
        fd
    }
}

/// Asks one that never answers, by a request and by a deadline.
fn dbus_asks(name: &'static str, ask: fn(DBus, Handle, &CStr) -> bool) {
    let Some(dbus) = DBus::load() else { return };
    let Some((_bus, address)) = Bus::start() else { return };
    watched(name, || {
        let silent = dbus.connect(&address);
        // SAFETY: its name, which is the connection's.
        let whom = unsafe { CStr::from_ptr((dbus.name)(silent.get())) }.to_owned();
        // One for each way: made before there is a deadline.
        let [one, other] = [dbus.connect(&address), dbus.connect(&address)];
        let connections = Arc::new(Mutex::new(vec![one, other]));
        let replied = asked(POLLS, move || {
            let connection = connections.lock().unwrap().pop().unwrap();
            ask(dbus, connection, &whom)
        });
        assert_eq!(replied, [false, false]);
    });
}

#[test]
fn dbus_a_call() {
    if has_dispatch() {
        dbus_asks("dbus_a_call", DBus::ask);
    }
}

#[test]
fn dbus_a_call_is_ended_by_a_hook() {
    dbus_asks("dbus_a_call_is_ended_by_a_hook", |dbus, connection, whom| {
        let fd = dbus.descriptor(connection);
        without_reach(|| {
            with_hook(
                // SAFETY: a descriptor that is open until the end.
                move |_| _ = unsafe { libc::shutdown(fd, libc::SHUT_RDWR) },
                || dbus.ask(connection, whom),
            )
        })
    });
}

#[test]
fn pcap_on_a_quiet_interface() {
    let Some(library) = Library::open(c"libpcap.so.0.8") else { return };
    watched("pcap_on_a_quiet_interface", || {
        #[repr(C)]
        struct Program(c_uint, Pointer);
        // SAFETY: the types of pcap.h.
        let (open, compile, filter, next) = unsafe {
            let open: unsafe extern "C" fn(
                *const c_char,
                c_int,
                c_int,
                c_int,
                *mut c_char,
            ) -> Pointer = library.function(c"pcap_open_live");
            let compile: unsafe extern "C" fn(
                Pointer,
                *mut Program,
                *const c_char,
                c_int,
                c_uint,
            ) -> c_int = library.function(c"pcap_compile");
            let filter: unsafe extern "C" fn(Pointer, *mut Program) -> c_int =
                library.function(c"pcap_setfilter");
            let next: unsafe extern "C" fn(Pointer, *mut Pointer, *mut *const u8) -> c_int =
                library.function(c"pcap_next_ex");
            (open, compile, filter, next)
        };
        let mut why = [0; 256];
        let mut program = Program(0, null_mut());
        // SAFETY: a name, a place for an error, a filter.
        let capture = Handle(unsafe { open(c"lo".as_ptr(), 96, 0, 0, why.as_mut_ptr()) });
        if capture.get().is_null() {
            return skipped("pcap", "may not capture");
        }
        let nothing = c"ether proto 0x1234";
        // SAFETY: an open capture and its filter.
        unsafe {
            assert_eq!(compile(capture.get(), &mut program, nothing.as_ptr(), 1, 0), 0);
            assert_eq!(filter(capture.get(), &mut program), 0);
        }
        let results = asked(POLLS, move || {
            let (mut header, mut data) = (null_mut(), null());
            // SAFETY: places for what is captured.
            unsafe { next(capture.get(), &mut header, &mut data) }
        });
        assert!(results.iter().all(|result| *result < 0), "{results:?}");
    });
}
