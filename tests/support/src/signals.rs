//! Signals as an application uses them: through libc, knowing nothing of eintr. And what `/proc`
//! tells of them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Once};
use std::{fs, mem, ptr, thread};

use libc::{c_int, c_void, sigaction, siginfo_t, sigset_t};

/// A handler that is given the number only.
pub type Plain = extern "C" fn(c_int);
/// A handler that is given everything.
pub type Informed = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

/// Installs a handler.
pub fn handle(signal: c_int, handler: Plain, flags: c_int, mask: &[c_int]) {
    set(signal, handler as usize, flags, &set_of(mask));
}

/// Installs a handler with SA_SIGINFO.
pub fn handle_informed(signal: c_int, handler: Informed, flags: c_int, mask: &[c_int]) {
    set(signal, handler as usize, flags | libc::SA_SIGINFO, &set_of(mask));
}

/// Installs a handler that blocks everything while it runs.
pub fn handle_alone(signal: c_int, handler: Plain, flags: c_int) {
    set(signal, handler as usize, flags, &full());
}

/// Ignores a signal.
pub fn ignore(signal: c_int) {
    set(signal, libc::SIG_IGN, 0, &set_of(&[]));
}

fn set(signal: c_int, handler: usize, flags: c_int, mask: &sigset_t) {
    // SAFETY: all bytes zero are a valid sigaction.
    let mut action: sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    action.sa_mask = *mask;
    // SAFETY: the handlers of these tests touch atomics only; the action is borrowed.
    let result = unsafe { libc::sigaction(signal, &action, ptr::null_mut()) };
    assert_eq!(result, 0, "sigaction {signal}");
}

/// A signal's disposition.
pub fn action(signal: c_int) -> sigaction {
    // SAFETY: all bytes zero are a valid sigaction, which is borrowed.
    unsafe {
        let mut action = mem::zeroed();
        assert_eq!(libc::sigaction(signal, ptr::null(), &mut action), 0);
        action
    }
}

/// Sets one that was there.
pub fn set_action(signal: c_int, action: &sigaction) {
    // SAFETY: a disposition that libc told; it is borrowed.
    assert_eq!(unsafe { libc::sigaction(signal, action, ptr::null_mut()) }, 0);
}

/// A set of signals.
pub fn set_of(signals: &[c_int]) -> sigset_t {
    // SAFETY: all bytes zero are a valid set, the empty one.
    let mut set: sigset_t = unsafe { mem::zeroed() };
    for signal in signals {
        // SAFETY: the set is borrowed.
        unsafe { libc::sigaddset(&mut set, *signal) };
    }
    set
}

/// All signals that libc lets go of.
pub fn full() -> sigset_t {
    // SAFETY: all bytes zero are a valid set; it is borrowed.
    unsafe {
        let mut set = mem::zeroed();
        libc::sigfillset(&mut set);
        set
    }
}

/// How often [`count`] has run.
pub static RUNS: AtomicUsize = AtomicUsize::new(0);

/// An application's handler that shows that it ran.
pub extern "C" fn count(_signal: c_int) {
    RUNS.fetch_add(1, SeqCst);
}

/// Makes SIGUSR1 the application's, with [`count`] and SA_RESTART, and ours.
pub fn share_the_signal() {
    handle(libc::SIGUSR1, count, libc::SA_RESTART, &[]);
    eintr::install(eintr::Signal::USR1).unwrap();
}

/// Changes the calling thread's mask and returns the one before.
pub fn change_mask(how: c_int, set: &sigset_t) -> sigset_t {
    let mut before = set_of(&[]);
    // SAFETY: both sets are borrowed.
    let result = unsafe { libc::pthread_sigmask(how, set, &mut before) };
    assert_eq!(result, 0, "pthread_sigmask");
    before
}

/// Blocks signals on the calling thread.
pub fn block(signals: &[c_int]) {
    change_mask(libc::SIG_BLOCK, &set_of(signals));
}

/// Unblocks signals on the calling thread.
pub fn unblock(signals: &[c_int]) {
    change_mask(libc::SIG_UNBLOCK, &set_of(signals));
}

/// The signals that the calling thread blocks, in order.
pub fn blocked() -> Vec<c_int> {
    let mask = change_mask(libc::SIG_BLOCK, &set_of(&[]));
    // SAFETY: the set is borrowed.
    (1..=64).filter(|signal| unsafe { libc::sigismember(&mask, *signal) } == 1).collect()
}

/// Sends a signal to a thread of this process, as `pthread_kill` does.
pub fn send(tid: i32, signal: c_int) {
    // SAFETY: no pointers.
    let result = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, signal) };
    assert_eq!(result, 0, "tgkill {tid}");
}

/// The signal that is nobody's. Its handler does nothing, and does not have calls restarted.
pub const STRAY: c_int = libc::SIGUSR2;

/// Sends a thread of this process a signal that is nobody's, or nothing if the thread is gone.
pub fn send_stray(tid: i32) {
    static HANDLED: Once = Once::new();
    extern "C" fn nothing(_: c_int) {}
    HANDLED.call_once(|| handle(STRAY, nothing, 0, &[]));
    // SAFETY: no pointers. A thread that is gone is ESRCH.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, STRAY) };
}

/// Sends a signal to this process, as `kill` does.
pub fn send_to_process(signal: c_int) {
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::kill(libc::getpid(), signal) }, 0, "kill");
}

/// Sends a signal to a thread without pause, until it is dropped. The thread must be there so long.
pub struct Hammer {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Hammer {
    /// Begins.
    pub fn on(tid: i32, signal: c_int) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            while !stopped.load(SeqCst) {
                send(tid, signal);
                // On one processor the thread would take it when this one's time is up.
                thread::yield_now();
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Hammer {
    fn drop(&mut self) {
        self.stop.store(true, SeqCst);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Whether a signal was sent to that thread and waits until the thread takes it. None waits for one
/// that is gone.
pub fn is_pending(tid: i32, signal: c_int) -> bool {
    is_in("SigPnd", tid, signal)
}

/// Whether a thread blocks a signal.
pub fn is_blocked(tid: i32, signal: c_int) -> bool {
    is_in("SigBlk", tid, signal)
}

fn is_in(set: &str, tid: i32, signal: c_int) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/self/task/{tid}/status")) else {
        return false;
    };
    let line = status.lines().find_map(|line| line.strip_prefix(set)?.strip_prefix(':'));
    let set = u64::from_str_radix(line.expect("proc(5) has that set").trim(), 16).unwrap();
    set & (1 << (signal - 1)) != 0
}

/// The signal that eintr uses. It must be in use by now.
pub fn ours() -> c_int {
    match eintr::install(eintr::Signal::USR1) {
        Err(eintr::InstallError::TooLate { signal, .. }) => signal,
        other => panic!("eintr was not in use: {other:?}"),
    }
}
