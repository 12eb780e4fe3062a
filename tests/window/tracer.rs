//! The tracer's side of a tracee: starting it, letting it run, and telling where it is.
//!
//! All ptrace calls come from the thread that started the tracee, as the kernel demands. Where a
//! stopped thread stands is asked of /proc, so that nothing here knows the machine's registers, but
//! for those of a breakpoint.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::thread;
use std::time::Instant;

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use test_support::LIMIT;

use crate::rows;
use crate::symbols::{Place, Symbols};

const TRACEE: &str = "EINTR_WINDOW_TRACEE";

/// Whether this process was started by [`Tracee::start`].
pub fn is_tracee() -> bool {
    std::env::var_os(TRACEE).is_some()
}

/// A traced process.
pub struct Tracee {
    process: Child,
    link: UnixStream,
    heard: Vec<u8>,
    symbols: Rc<Symbols>,
    director_id: Pid,
    /// The thread that makes the calls.
    pub target: Rc<Traced>,
    /// The thread that asks it, if it is traced too.
    pub director: Option<Rc<Traced>>,
}

/// A traced thread.
pub struct Traced {
    process: u32,
    id: Pid,
    stat: File,
    syscall: File,
    status: File,
    symbols: Rc<Symbols>,
}

/// What a traced thread has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It is stopped: SIGTRAP after an instruction, SIGSTOP at a mark, and any other signal before
    /// its delivery.
    Stop(Signal),
    /// It is stopped as it enters the kernel or leaves it.
    Door,
    /// It sleeps in a syscall.
    Asleep,
    /// It has died.
    Gone(WaitStatus),
}

/// How a stopped thread goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// To the next signal.
    Run,
    /// To the next instruction.
    Instruction,
    /// To the next entry to the kernel, or return from it.
    Door,
}

impl Tracee {
    /// Starts this test binary once more.
    pub fn start() -> Self {
        let (link, theirs) = UnixStream::pair().unwrap();
        // What all threads are to block is handed on.
        let mut mask = SigSet::thread_get_mask().unwrap();
        mask.add(rows::at_once::BLOCKED);
        mask.thread_set_mask().unwrap();
        share_a_processor();
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tracee", "--ignored", "--nocapture", "--test-threads=1"])
            .env(TRACEE, "1")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        link.set_read_timeout(Some(LIMIT)).unwrap();
        let mut heard = Vec::new();
        let mut id = || {
            let id = read_line(&link, &mut heard).expect("the tracee has told its threads");
            Pid::from_raw(id.parse().unwrap())
        };
        let [target, director_id] = [id(), id()];
        let maps = fs::read_to_string(format!("/proc/{}/maps", process.id())).unwrap();
        let symbols = Rc::new(Symbols::of(&maps));
        let target = Rc::new(Traced::seize(process.id(), target, symbols.clone()));
        Self { process, link, heard, symbols, director_id, target, director: None }
    }

    /// Traces the director as well.
    pub fn trace_director(&mut self) {
        let director = Traced::seize(self.process.id(), self.director_id, self.symbols.clone());
        self.director = Some(Rc::new(director));
    }

    /// Tells the director something.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.link, "{line}").unwrap();
    }

    /// Has the director ask the target, and waits until it has.
    pub fn ask(&mut self) {
        self.tell("ask");
        self.hear_asked();
    }

    /// Has the director bring what the target waits for, or take it.
    pub fn turn(&mut self) {
        self.tell("turn");
        self.hear_asked();
    }

    /// Waits until the director has asked the target.
    pub fn hear_asked(&mut self) {
        // Where the target is stopped, it must not hold a lock that the requester needs.
        let answer = read_line(&self.link, &mut self.heard);
        let place = || self.target.place().map(|place| place.name);
        assert_eq!(answer.as_deref(), Some("asked"), "the target stands at {:?}", place());
    }

    /// Lets the target run until it has told what its trial came to. None if it died.
    pub fn outcome(&mut self) -> Option<String> {
        self.link.set_nonblocking(true).unwrap();
        let start = Instant::now();
        let outcome = loop {
            if let Some(line) = read_line(&self.link, &mut self.heard) {
                break Some(line);
            }
            match self.target.poll() {
                Some(Event::Stop(signal)) => self.target.go(Pace::Run, Some(signal)),
                Some(Event::Door) => self.target.go(Pace::Run, None),
                Some(Event::Gone(_)) => break None,
                Some(Event::Asleep) | None => thread::yield_now(),
            }
            assert!(start.elapsed() < LIMIT, "the target does not come to its trial's end");
        };
        self.link.set_nonblocking(false).unwrap();
        outcome
    }
}

/// Has this thread, and what it starts, run on the processor where it is now. Of the tracer and the tracee one waits for the other,
/// and for another processor it would wait longer: above all where each is a thread of an emulator's.
fn share_a_processor() {
    // SAFETY: of plain integers.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: no pointers.
    let here = unsafe { libc::sched_getcpu() };
    // SAFETY: it is the number of a processor, for which there is room.
    unsafe { libc::CPU_SET(here.try_into().unwrap(), &mut set) };
    // SAFETY: the kernel reads the set.
    assert_eq!(unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) }, 0);
}

impl Traced {
    fn seize(process: u32, id: Pid, symbols: Rc<Symbols>) -> Self {
        let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL;
        ptrace::seize(id, options).expect("a child can be traced");
        let open = |file| File::open(format!("/proc/{process}/task/{id}/{file}")).unwrap();
        let [stat, syscall, status] = ["stat", "syscall", "status"].map(open);
        Self { process, id, stat, syscall, status, symbols }
    }

    /// Lets the stopped thread go on, with the signal that it was stopped for or without it.
    pub fn go(&self, pace: Pace, signal: Option<Signal>) {
        match pace {
            Pace::Run => ptrace::cont(self.id, signal),
            Pace::Instruction => ptrace::step(self.id, signal),
            Pace::Door => ptrace::syscall(self.id, signal),
        }
        .or_else(|error| if error == nix::Error::ESRCH { Ok(()) } else { Err(error) })
        .expect("a stopped thread can go on");
    }

    /// Waits until the running thread stops, sleeps or dies.
    pub fn wait(&self) -> Event {
        for round in 0_u32.. {
            if let Some(event) = self.poll() {
                return event;
            }
            // A look into /proc takes longer than an instruction.
            if round >= 12 && self.sleeps() {
                return Event::Asleep;
            }
            thread::yield_now();
        }
        unreachable!("the watchdog comes first")
    }

    /// Waits until the running thread stops or dies.
    pub fn wait_for_stop(&self) -> Event {
        event(waitpid(self.id, Some(WaitPidFlag::__WALL)).expect("the thread is traced"))
    }

    /// What the running thread has come to, without waiting and without a look whether it sleeps.
    pub fn poll(&self) -> Option<Event> {
        match waitpid(self.id, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL)) {
            Ok(WaitStatus::StillAlive) => None,
            Ok(status) => Some(event(status)),
            Err(error) => panic!("waiting for it: {error}"),
        }
    }

    /// Sends it a signal that is not ours.
    pub fn disturb(&self, signal: Signal) {
        let [pid, tid] = [self.process as i32, self.id.as_raw()];
        // SAFETY: no pointers.
        assert_eq!(unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, signal as i32) }, 0);
    }

    /// Whether the signal that it is stopped for comes from a timer.
    pub fn is_from_timer(&self) -> bool {
        ptrace::getsiginfo(self.id).is_ok_and(|info| info.si_code == libc::SI_TIMER)
    }

    /// Whether it sleeps in a syscall.
    pub fn sleeps(&self) -> bool {
        self.syscall().is_some() && self.state() == Some('S')
    }

    fn state(&self) -> Option<char> {
        let stat = contents(&self.stat);
        stat.get(stat.rfind(')')? + 2..)?.chars().next()
    }

    /// The number of the syscall that the stopped or sleeping target is in.
    pub fn syscall(&self) -> Option<i64> {
        contents(&self.syscall).split(' ').next()?.parse().ok().filter(|number| *number >= 0)
    }

    /// Whether the kernel keeps a signal for it that it has not been given yet.
    pub fn has_pending_signal(&self) -> bool {
        let status = contents(&self.status);
        let pending = status.lines().find_map(|line| line.strip_prefix("SigPnd:"));
        pending.is_some_and(|set| !set.trim().trim_start_matches('0').is_empty())
    }

    /// Where the stopped or sleeping target stands.
    pub fn place(&self) -> Option<Place> {
        self.symbols.place(self.counter()?)
    }

    fn counter(&self) -> Option<u64> {
        let syscall = contents(&self.syscall);
        let counter = syscall.trim().rsplit(' ').next()?.strip_prefix("0x")?;
        u64::from_str_radix(counter, 16).ok()
    }

    /// Has it stop where the sequence ends which it is about to begin, and which is not to be stepped through; whether that is so.
    #[cfg(target_arch = "aarch64")]
    pub fn stop_behind_exclusive(&self) -> bool {
        let read = |address| ptrace::read(self.id, address as ptrace::AddressType).ok();
        let ends = self.counter().map(|counter| {
            crate::exclusive::ends(counter, |address| read(address).map(|word| word as u32))
        });
        ends.is_some_and(|ends| !ends.is_empty() && breakpoint::set(self.id, &ends).is_ok())
    }

    #[cfg(not(target_arch = "aarch64"))]
    pub fn stop_behind_exclusive(&self) -> bool {
        false
    }

    /// Where it returns to, if it has just entered the system's page for the clock.
    #[cfg(target_arch = "x86_64")]
    pub fn behind_clock(&self) -> Option<Place> {
        self.place().filter(|place| place.name.starts_with("[vdso]"))?;
        let top = ptrace::getregs(self.id).ok()?.rsp;
        self.symbols.place(ptrace::read(self.id, top as ptrace::AddressType).ok()? as u64)
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub fn behind_clock(&self) -> Option<Place> {
        None
    }

    /// Has it stop, with SIGTRAP, before it executes that instruction; or not any more. Whether
    /// that can be had.
    pub fn set_breakpoint(&self, place: Option<&Place>) -> bool {
        match place {
            Some(place) => {
                let address = self.symbols.address(place);
                address.is_some_and(|address| breakpoint::set(self.id, &[address]).is_ok())
            }
            None => breakpoint::clear(self.id).is_ok(),
        }
    }
}

impl Drop for Tracee {
    fn drop(&mut self) {
        let _ = self.process.kill();
        // The traced threads must have been waited for before their process can be.
        for thread in self.director.iter().chain([&self.target]) {
            while waitpid(thread.id, Some(WaitPidFlag::__WALL)).is_ok() {}
        }
        let _ = self.process.wait();
    }
}

fn event(status: WaitStatus) -> Event {
    match status {
        WaitStatus::Stopped(_, signal) => Event::Stop(signal),
        WaitStatus::PtraceSyscall(_) => Event::Door,
        status => Event::Gone(status),
    }
}

/// The next line; none if there is none now, or will be none any more.
fn read_line(mut link: &UnixStream, heard: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<_> = heard.drain(..=end).collect();
            return Some(String::from_utf8(line).unwrap().trim_end().to_owned());
        }
        let mut buffer = [0; 256];
        match link.read(&mut buffer) {
            Ok(0) => return None,
            Ok(n) => heard.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            // A ring of this thread's is closed in the background, which interrupts what has a time limit.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("the link to the tracee: {error}"),
        }
    }
}

/// What a file of /proc says now; nothing once the thread has gone.
fn contents(file: &File) -> String {
    let mut buffer = [0; 4096];
    let length = file.read_at(&mut buffer, 0).unwrap_or(0);
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

/// One breakpoint of the machine's own, for one thread; no instruction is changed.
#[cfg(target_arch = "x86_64")]
mod breakpoint {
    use nix::sys::ptrace::write_user;
    use nix::unistd::Pid;

    const FIRST: usize = std::mem::offset_of!(libc::user, u_debugreg);
    const CONTROL: usize = FIRST + 7 * size_of::<u64>();

    /// In the control register: the first one is on, for execution.
    const ON: i64 = 1;

    pub(super) fn set(thread: Pid, [address]: &[u64; 1]) -> nix::Result<()> {
        write_user(thread, FIRST as *mut _, *address as i64)?;
        write_user(thread, CONTROL as *mut _, ON)
    }

    pub(super) fn clear(thread: Pid) -> nix::Result<()> {
        write_user(thread, CONTROL as *mut _, 0)
    }
}

/// Breakpoints of the machine's own, for one thread, as many as it has; no instruction is changed.
#[cfg(target_arch = "aarch64")]
mod breakpoint {
    use nix::errno::Errno;
    use nix::unistd::Pid;

    const NT_ARM_HW_BREAK: usize = 0x402;
    /// On, for user code, for execution of the four bytes.
    const ON: u32 = 0b1111 << 5 | 0b10 << 1 | 1;

    /// The kernel's `struct user_hwdebug_state`: two words about all, then an address and a control word for each. Every machine
    /// has two.
    const LEAST: usize = 2;

    pub(super) fn set(thread: Pid, addresses: &[u64]) -> nix::Result<()> {
        let mut state = vec![0];
        state.extend(addresses.iter().flat_map(|address| [*address, ON.into()]));
        state.resize(state.len().max(1 + 2 * LEAST), 0);
        write(thread, &mut state)
    }

    pub(super) fn clear(thread: Pid) -> nix::Result<()> {
        set(thread, &[])
    }

    fn write(thread: Pid, state: &mut [u64]) -> nix::Result<()> {
        let part = libc::iovec { iov_base: state.as_mut_ptr().cast(), iov_len: size_of_val(state) };
        let thread = thread.as_raw();
        // SAFETY: the kernel reads the state, by way of the iovec.
        let result = unsafe {
            libc::ptrace(libc::PTRACE_SETREGSET, thread, NT_ARM_HW_BREAK, &raw const part)
        };
        Errno::result(result).map(drop)
    }
}
