//! The traced process: a target thread that makes the calls, and a director that asks it.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use eintr::{Error, Interrupter, Task};
use nix::fcntl::OFlag;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::rows::naive::FLAG;
use crate::rows::{self, Case, Kind, Row, drain};
use crate::variants::{self, Handler, Variant};

/// The requester's signal of the wrong implementations.
pub const NAIVE: Signal = Signal::SIGHUP;

/// One trial, as the target is told.
struct Job {
    row: &'static Row,
    variant: &'static Variant,
    task: Task,
}

/// The director's loop: it does what the tracer says, on the socket that is its standard input.
pub fn run() {
    install_handlers();
    // What System V's calls make outlives a process. Where it may, this one has a namespace of its own, which does not.
    // SAFETY: no pointers.
    unsafe { libc::unshare(libc::CLONE_NEWIPC) };
    // SAFETY: the tracer gave us a socket as descriptor 0, and nothing else here uses it.
    let link = UnixStream::from(unsafe { OwnedFd::from_raw_fd(0) });
    let (jobs, inbox) = mpsc::channel();
    let replies = link.try_clone().unwrap();
    // Mapped before the target's own stack, and thereby above it, where a stack pointer alone would
    // tell nothing.
    let alternate_stack = vec![0; 1 << 20];
    let target = thread::Builder::new().name("target".into());
    let director = test_support::gettid();
    let target = target.spawn(move || obey(director, &inbox, replies, alternate_stack)).unwrap();
    let mut ask: Box<dyn Fn()> = Box::new(|| ());
    for line in BufReader::new(&link).lines() {
        let line = line.unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        match words[..] {
            ["run", row, variant] => {
                let row = &rows::ALL[row.parse::<usize>().unwrap()];
                let variant = &variants::ALL[variant.parse::<usize>().unwrap()];
                let task = Task::root().reach(variant.reach);
                ask = requester(row, task.interrupter(), target.as_pthread_t() as _);
                jobs.send(Job { row, variant, task }).unwrap();
            }
            ["ask"] => {
                ask();
                writeln!(&link, "asked").unwrap();
            }
            ["turn"] => {
                rows::turn::make();
                writeln!(&link, "asked").unwrap();
            }
            ["ask", "between", "marks"] => {
                mark();
                ask();
                mark();
                writeln!(&link, "asked").unwrap();
            }
            _ => panic!("the tracer said {line:?}"),
        }
    }
    // The tracer has gone.
    std::process::exit(0);
}

/// How the target of that row is asked.
fn requester(row: &Row, interrupter: Interrupter, target: libc::pthread_t) -> Box<dyn Fn()> {
    match row.kind {
        Kind::Naive => Box::new(move || {
            FLAG.store(true, Ordering::SeqCst);
            // SAFETY: the target runs as long as the process.
            assert_eq!(unsafe { libc::pthread_kill(target, NAIVE as i32) }, 0);
        }),
        _ => Box::new(move || drop(interrupter.interrupt())),
    }
}

/// The target's loop.
fn obey(director: i32, jobs: &Receiver<Job>, mut replies: UnixStream, alternate_stack: Vec<u8>) {
    use_alternate_stack(alternate_stack);
    writeln!(replies, "{}\n{director}", test_support::gettid()).unwrap();
    for job in jobs {
        let before = descriptors();
        let mut outcome = act(job);
        if outcome.is_ok() && descriptors() != before {
            outcome = Err(format!("{} descriptors more than before", descriptors() - before));
        }
        let outcome = outcome.unwrap_or_else(|wrong| format!("wrong: {wrong}"));
        writeln!(replies, "{outcome}").unwrap();
    }
}

/// How many are open. They are handed out from below, so none is beyond.
fn descriptors() -> isize {
    let mut asked: [_; 64] =
        std::array::from_fn(|fd| libc::pollfd { fd: fd as i32, events: 0, revents: 0 });
    // SAFETY: the kernel writes to the array only.
    assert!(unsafe { libc::poll(asked.as_mut_ptr(), asked.len() as libc::nfds_t, 0) } >= 0);
    asked.iter().filter(|fd| fd.revents & libc::POLLNVAL == 0).count() as isize
}

/// Makes the call between two marks, and judges what it returned.
fn act(job: Job) -> Result<String, String> {
    let Job { row, variant, task } = job;
    let Case { call: mut make_call, intact } = (row.make)(variant.ready);
    let inner = Inner::new(variant);
    FLAG.store(false, Ordering::SeqCst);
    for runs in &RUNS {
        runs.store(0, Ordering::SeqCst);
    }
    let mut call = || {
        mark();
        let result = make_call();
        mark();
        result
    };
    let (result, raised) = match row.kind {
        Kind::Naive => (call(), true),
        _ => task.run(|| {
            if eintr::is_interrupted() {
                return Err("armed before it was asked".to_owned());
            }
            // Behind the marks: it is a long way.
            let result = call().map_err(recognised);
            Ok((result, eintr::checkpoint().is_err()))
        })?,
    };
    let result = match result {
        Ok(result) => Some(result),
        Err(error) if is_interrupt(row.kind, variant, &error) => None,
        Err(error) => return Err(format!("the call failed: {error:?}")),
    };
    drop(make_call);
    intact(result)?;
    rows::turn::is_over();
    inner.check()?;
    for signal in [Signal::SIGUSR1, Signal::SIGUSR2] {
        let runs = RUNS[signal as usize].load(Ordering::SeqCst);
        if runs != variant.handler_runs(signal) {
            return Err(format!("the application's handler of {signal} ran {runs} times"));
        }
    }
    if !raised {
        return Err("the checkpoint after the call did not raise".to_owned());
    }
    Ok(if result.is_some() { "returned" } else { "interrupted" }.to_owned())
}

/// What a plain call returned, as its caller's `?` makes it.
fn recognised(error: Error) -> Error {
    match error {
        Error::Io(error) => Error::from(error),
        other => other,
    }
}

/// Whether that is how an interrupt looks there.
fn is_interrupt(kind: Kind, variant: &Variant, error: &Error) -> bool {
    let is_eintr = matches!(error, Error::Io(error) if error.raw_os_error() == Some(libc::EINTR));
    match kind {
        Kind::Naive => is_eintr,
        // The application's signal may have ended it before we came, and nobody takes that for ours.
        Kind::Plain if variant.signal.is_some() && is_eintr => true,
        _ => error.interrupted().is_some(),
    }
}

/// Stops this thread for the tracer to see; the stop comes as the syscall returns.
fn mark() {
    let [pid, tid] = [std::process::id() as i32, test_support::gettid()];
    // SAFETY: no pointers.
    unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, libc::SIGSTOP) };
}

/// How often the application's handlers ran.
static RUNS: [AtomicUsize; 32] = [const { AtomicUsize::new(0) }; 32];

/// Whether the application's handler asks its own task, and takes that.
static TAKES: AtomicBool = AtomicBool::new(false);

/// The pipe that the application's handler reads from, or -1.
static INNER: AtomicI32 = AtomicI32::new(-1);
/// What became of that: 0 nothing yet, 1 read, 2 interrupted, 3 something else.
static INNER_RESULT: AtomicUsize = AtomicUsize::new(0);

/// What the application's handler finds.
struct Inner {
    pipe: Option<(OwnedFd, OwnedFd, bool)>,
}

impl Inner {
    fn new(variant: &Variant) -> Self {
        let mut flags = SaFlags::empty();
        flags.set(SaFlags::SA_RESTART, variant.restart);
        flags.set(SaFlags::SA_ONSTACK, variant.elsewhere);
        set_handler(Signal::SIGUSR2, on_application_signal, flags);
        TAKES.store(variant.handler == Handler::TakesARequest, Ordering::SeqCst);
        let Handler::Reads { ready } = variant.handler else { return Self { pipe: None } };
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
        if ready {
            nix::unistd::write(&writer, b"y").unwrap();
        }
        INNER_RESULT.store(0, Ordering::SeqCst);
        INNER.store(reader.as_raw_fd(), Ordering::SeqCst);
        Self { pipe: Some((reader, writer, ready)) }
    }

    /// The byte is either there or was read.
    fn check(self) -> Result<(), String> {
        let Some((reader, _writer, ready)) = self.pipe else { return Ok(()) };
        INNER.store(-1, Ordering::SeqCst);
        let left = drain(reader.as_fd()).len();
        match (INNER_RESULT.load(Ordering::SeqCst), left) {
            (1, 0) if ready => Ok(()),
            (2, 1) if ready => Ok(()),
            (2, 0) if !ready => Ok(()),
            (result, left) => Err(format!("the handler's own call: {result}, {left} bytes left")),
        }
    }
}

extern "C" fn on_application_signal(signal: i32) {
    RUNS[signal as usize].fetch_add(1, Ordering::SeqCst);
    if TAKES.load(Ordering::SeqCst) {
        SigSet::from_iter([Signal::SIGUSR1]).thread_block().unwrap();
        Interrupter::current().expect("a task runs").interrupt();
        eintr::take().expect("it was asked");
        return mark();
    }
    match INNER.load(Ordering::SeqCst) {
        // SAFETY: no pointers.
        -1 => drop(unsafe { libc::syscall(libc::SYS_getppid) }),
        fd => {
            // SAFETY: open until the trial ends.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            let result = match eintr::io::read(fd, &mut [0]) {
                Ok(1) => 1,
                Err(Error::Interrupted(_)) => 2,
                _ => 3,
            };
            INNER_RESULT.store(result, Ordering::SeqCst);
        }
    }
}

extern "C" fn on_stray_signal(signal: i32) {
    RUNS[signal as usize].fetch_add(1, Ordering::SeqCst);
}

extern "C" fn on_naive_signal(_signal: i32) {}

/// The application's handlers. Ours comes on top of the one for SIGUSR1.
fn install_handlers() {
    set_handler(Signal::SIGUSR1, on_stray_signal, SaFlags::SA_RESTART);
    eintr::install(eintr::Signal::USR1).unwrap();
    // No flags: without SA_RESTART, as the wrong implementations need it.
    set_handler(NAIVE, on_naive_signal, SaFlags::empty());
}

fn set_handler(signal: Signal, handler: extern "C" fn(i32), flags: SaFlags) {
    let action = SigAction::new(SigHandler::Handler(handler), flags, SigSet::empty());
    // SAFETY: the handlers touch atomics, and one makes an own call where it interrupted one, which
    // holds no lock.
    unsafe { sigaction(signal, &action) }.unwrap();
}

fn use_alternate_stack(memory: Vec<u8>) {
    let memory = memory.leak();
    let ss_size = memory.len();
    let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size };
    // SAFETY: the memory is never freed, and is this thread's alone.
    assert_eq!(unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) }, 0);
}
