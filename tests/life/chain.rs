//! Signals of our number that are not ours (P5, S1, S4): they go on to the handler that was there
//! before, or to the default action, as if we were not there.
//!
//! The tests here work like this: a process has one disposition for a signal, so each case runs in
//! a process of its own. It installs a handler as an application does, then chooses that signal for
//! eintr, then sends it as others would. A process that the default action ends must end by exactly
//! that signal.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;

use eintr::{Interrupter, Outcome, Signal};
use libc::{SIGHUP, SIGRTMIN, SIGSYS, SIGUSR1, SIGUSR2, c_int, c_void, siginfo_t};
use test_support::child::{alone, dies_by};
use test_support::signals::{RUNS, count};
use test_support::target::{
    self, came_back, is_eintr, is_interrupt, own_read, pipe, plain_read, target,
};
use test_support::{LIMIT, gettid, rounds, signals, wait_until};

fn runs() -> usize {
    RUNS.load(SeqCst)
}

/// Chooses SIGUSR1 while the application's handler with those flags and that mask is there, and has
/// it interrupt once.
fn chain(flags: c_int, mask: &[c_int]) {
    signals::handle(SIGUSR1, count, flags, mask);
    interrupt_once(Signal::USR1);
    assert_eq!(runs(), 0, "ours is not for the application");
}

fn interrupt_once(signal: Signal) {
    eintr::install(signal).unwrap();
    let (reader, _writer) = pipe();
    let stuck = target(move || own_read(reader)).blocked_in(libc::SYS_read).interrupted();
    assert!(is_interrupt(&stuck.result()));
}

#[test]
fn a_handler_gets_what_is_not_ours_and_nothing_else() {
    alone(|| {
        chain(libc::SA_RESTART, &[]);
        signals::send(gettid(), SIGUSR1);
        assert_eq!(runs(), 1);
        signals::send_to_process(SIGUSR1);
        wait_until("the process's signal is handled", || runs() == 2);
        let (task, interrupter) = eintr::task();
        task.run(|| {
            for _ in 0..100 {
                interrupter.interrupt();
                eintr::take().unwrap();
            }
            assert_eq!(runs(), 2);
            signals::send(gettid(), SIGUSR1);
            assert_eq!(runs(), 3);
        });
    });
}

/// libc has none there, and leaves what happens to stand on its stack.
#[cfg(target_arch = "aarch64")]
#[test]
fn what_is_no_restorer_is_not_returned_through() {
    alone(|| {
        // As the kernel has it: handler, flags, restorer, mask.
        let action = [count as *const () as usize, libc::SA_RESTART as usize, 0x10, 0];
        let set = libc::SYS_rt_sigaction;
        // SAFETY: the handler touches atomics only; the action is borrowed.
        assert_eq!(unsafe { libc::syscall(set, SIGUSR1, action.as_ptr(), 0, 8) }, 0);
        interrupt_once(Signal::USR1);
        signals::send(gettid(), SIGUSR1);
        assert_eq!(runs(), 1);
    });
}

/// What a handler with SA_SIGINFO was told: the code, the sender, the value.
static TOLD: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

extern "C" fn note(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    assert!(!context.is_null());
    // SAFETY: the kernel's siginfo.
    let told = unsafe {
        let info = &*info;
        assert_eq!(info.si_signo, signal);
        [info.si_code as u64, info.si_pid() as u64, info.si_value().sival_ptr as u64]
    };
    for (place, value) in TOLD.iter().zip(told) {
        place.store(value, SeqCst);
    }
    RUNS.fetch_add(1, SeqCst);
}

#[test]
fn siginfo_is_passed_through() {
    alone(|| {
        signals::handle_informed(SIGUSR1, note, libc::SA_RESTART, &[]);
        interrupt_once(Signal::USR1);
        // SAFETY: no pointer is followed.
        unsafe {
            let value = libc::sigval { sival_ptr: 0x1234_5678 as *mut c_void };
            assert_eq!(libc::sigqueue(libc::getpid(), SIGUSR1, value), 0);
        }
        wait_until("the signal is handled", || runs() == 1);
        let [code, pid, value] = TOLD.each_ref().map(|told| told.load(SeqCst));
        assert_eq!(code as c_int, libc::SI_QUEUE);
        assert_eq!((pid, value), (u64::from(std::process::id()), 0x1234_5678));
        signals::send(gettid(), SIGUSR1);
        assert_eq!(TOLD[0].load(SeqCst) as c_int, libc::SI_TKILL);
    });
}

/// What the application's handler finds blocked, a bit for each signal.
static BLOCKED: AtomicU64 = AtomicU64::new(0);

extern "C" fn look_at_mask(_signal: c_int) {
    let blocked = signals::blocked().into_iter().fold(0, |set, signal| set | 1 << signal);
    BLOCKED.store(blocked, SeqCst);
}

/// What it must find.
fn set(signals: &[c_int]) -> u64 {
    signals.iter().fold(0, |set, signal| set | 1 << signal)
}

#[test]
fn a_handler_runs_with_its_own_mask() {
    alone(|| {
        signals::handle(SIGUSR1, look_at_mask, libc::SA_RESTART, &[SIGUSR2]);
        interrupt_once(Signal::USR1);
        signals::block(&[SIGHUP]);
        signals::send(gettid(), SIGUSR1);
        assert_eq!(BLOCKED.load(SeqCst), set(&[SIGHUP, SIGUSR1, SIGUSR2]));
        assert_eq!(signals::blocked(), [SIGHUP]);
    });
}

#[test]
fn a_handler_with_nodefer_does_not_block_itself() {
    alone(|| {
        signals::handle(SIGUSR1, look_at_mask, libc::SA_NODEFER, &[]);
        interrupt_once(Signal::USR1);
        BLOCKED.store(u64::MAX, SeqCst);
        signals::send(gettid(), SIGUSR1);
        assert_eq!(BLOCKED.load(SeqCst), 0);
    });
}

extern "C" fn count_and_nest(signal: c_int) {
    if RUNS.fetch_add(1, SeqCst) == 0 {
        signals::send(gettid(), signal);
        RUNS.fetch_add(10, SeqCst);
    }
}

#[test]
fn a_handler_with_nodefer_nests() {
    alone(|| {
        signals::handle(SIGUSR1, count_and_nest, libc::SA_NODEFER, &[]);
        interrupt_once(Signal::USR1);
        signals::send(gettid(), SIGUSR1);
        assert_eq!(runs(), 12);
    });
}

static ORDER: AtomicI32 = AtomicI32::new(0);

extern "C" fn nest_later(signal: c_int) {
    let runs = RUNS.fetch_add(1, SeqCst);
    ORDER.fetch_add(1, SeqCst);
    if runs == 0 {
        signals::send(gettid(), signal);
        // Blocked: it has not run yet.
        assert_eq!(ORDER.load(SeqCst), 1);
    }
}

#[test]
fn a_handler_without_nodefer_does_not_nest() {
    alone(|| {
        signals::handle(SIGUSR1, nest_later, 0, &[]);
        interrupt_once(Signal::USR1);
        signals::send(gettid(), SIGUSR1);
        assert_eq!(runs(), 2);
    });
}

#[test]
fn a_one_shot_handler_runs_once() {
    dies_by(SIGUSR1, || {
        chain(libc::SA_RESETHAND, &[]);
        signals::send(gettid(), SIGUSR1);
        assert_eq!(runs(), 1);
        // Ours go on working.
        let (reader, _writer) = pipe();
        let stuck = target(move || own_read(reader)).blocked_in(libc::SYS_read).interrupted();
        assert!(is_interrupt(&stuck.result()));
        signals::send(gettid(), SIGUSR1);
    });
}

/// A plain read of a thread that nobody asked, hit by a signal that is not ours. The read's result.
fn stray_in_plain_read() -> std::io::Result<u8> {
    let (reader, writer) = pipe();
    let stuck = target(move || plain_read(reader)).blocked_in(libc::SYS_read);
    signals::send(stuck.tid, SIGUSR1);
    wait_until("the application's handler has run", || runs() == 1);
    nix::unistd::write(&writer, b"x").unwrap();
    stuck.result()
}

#[test]
fn with_sa_restart_a_plain_call_goes_on() {
    alone(|| {
        chain(libc::SA_RESTART, &[]);
        assert_eq!(stray_in_plain_read().unwrap(), b'x');
    });
}

#[test]
fn without_sa_restart_a_plain_call_returns_eintr() {
    alone(|| {
        chain(0, &[]);
        let (reader, _writer) = pipe();
        let stuck = target(move || plain_read(reader)).blocked_in(libc::SYS_read);
        signals::send(stuck.tid, SIGUSR1);
        assert!(is_eintr(&stuck.result().unwrap_err()));
        assert_eq!(runs(), 1);
    });
}

#[test]
fn our_own_call_goes_on_either_way() {
    alone(|| {
        chain(0, &[]);
        let (reader, writer) = pipe();
        let stuck = target(move || own_read(reader)).blocked_in(libc::SYS_read);
        for sent in 1..=10 {
            signals::send(stuck.tid, SIGUSR1);
            wait_until("the application's handler has run", || runs() == sent);
        }
        nix::unistd::write(&writer, b"x").unwrap();
        assert_eq!(stuck.result().unwrap(), b'x');
    });
}

extern "C" fn spoil_errno(_signal: c_int) {
    RUNS.fetch_add(1, SeqCst);
    // SAFETY: errno is this thread's.
    unsafe { *libc::__errno_location() = libc::EDOM };
}

#[test]
fn errno_is_kept() {
    alone(|| {
        signals::handle(SIGUSR1, spoil_errno, libc::SA_RESTART, &[]);
        interrupt_once(Signal::USR1);
        // SAFETY: errno is this thread's; no pointers.
        let errno = unsafe {
            *libc::__errno_location() = libc::EXDEV;
            libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::gettid(), SIGUSR1);
            *libc::__errno_location()
        };
        assert_eq!((runs(), errno), (1, libc::EXDEV));
    });
}

#[test]
fn what_was_ignored_is_ignored() {
    alone(|| {
        signals::ignore(SIGUSR1);
        interrupt_once(Signal::USR1);
        signals::send(gettid(), SIGUSR1);
        signals::send_to_process(SIGUSR1);
        let (reader, writer) = pipe();
        let stuck = target(move || plain_read(reader)).blocked_in(libc::SYS_read);
        signals::send(stuck.tid, SIGUSR1);
        wait_until("it has landed", || !signals::is_pending(stuck.tid, SIGUSR1));
        nix::unistd::write(&writer, b"x").unwrap();
        assert_eq!(stuck.result().unwrap(), b'x');
    });
}

#[test]
fn the_default_action_of_a_standard_signal() {
    dies_by(SIGUSR1, || {
        interrupt_once(Signal::USR1);
        signals::send(gettid(), SIGUSR1);
    });
}

#[test]
fn the_default_action_upon_kill() {
    dies_by(SIGUSR2, || {
        interrupt_once(Signal::USR2);
        signals::send_to_process(SIGUSR2);
        wait_until("the process dies", || false);
    });
}

#[test]
fn the_default_action_of_a_real_time_signal() {
    dies_by(SIGRTMIN() + 3, || {
        interrupt_once(Signal::real_time(3));
        signals::send(gettid(), SIGRTMIN() + 3);
    });
}

#[test]
fn the_default_action_on_a_managed_thread_that_nobody_asked() {
    dies_by(SIGUSR1, || {
        let (reader, _writer) = pipe();
        let stuck = target(move || own_read(reader)).blocked_in(libc::SYS_read);
        signals::send(stuck.tid, SIGUSR1);
        let _ = stuck.result();
    });
}

#[test]
fn the_default_action_does_not_follow_upon_an_answer() {
    alone(|| {
        let (task, interrupter) = eintr::task();
        task.run(|| {
            let ours = signals::ours();
            let request = interrupter.interrupt();
            // The thread is armed: this looks like ours (S4).
            for _ in 0..100 {
                signals::send(gettid(), ours);
            }
            assert!(eintr::checkpoint().is_err());
            assert!(matches!(request.wait(LIMIT), Outcome::Raised));
        });
    });
}

/// A request reaches a thread, in a call of our own and in plain ones, through whatever handler
/// stands before ours.
fn requests_arrive() {
    for _ in 0..10 {
        let (reader, _writer) = pipe();
        let stuck = target(move || own_read(reader)).blocked_in(libc::SYS_read).interrupted();
        assert!(is_interrupt(&stuck.result()));
        for reach in [true, false] {
            let (reader, _writer) = pipe();
            let stuck = target::spawn(reach, move || plain_read(reader)).blocked_in(libc::SYS_read);
            stuck.thread.interrupt();
            assert!(came_back(&stuck.result()));
        }
    }
}

/// What stands before ours calls it as its previous one, and no default action follows (S21).
#[test]
fn a_handler_of_signal_hooks_that_comes_after_ours() {
    alone(|| {
        eintr::spawn(eintr::checkpoint).join().unwrap().unwrap();
        let signal = signals::ours();
        let told = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal, told.clone()).unwrap();
        for _ in 0..10 {
            signals::send_to_process(signal);
            wait_until("the flag is set", || told.swap(false, SeqCst));
            signals::send(gettid(), signal);
            assert!(told.swap(false, SeqCst));
        }
        // By another one.
        requests_arrive();
        // On a managed thread that nobody asks.
        let (reader, writer) = pipe();
        let stuck = target(move || own_read(reader)).blocked_in(libc::SYS_read);
        signals::send(stuck.tid, signal);
        wait_until("it has landed", || !signals::is_pending(stuck.tid, signal));
        nix::unistd::write(&writer, b"x").unwrap();
        assert_eq!(stuck.result().unwrap(), b'x');
    });
}

/// What a later handler found installed.
static BEFORE: AtomicUsize = AtomicUsize::new(0);

/// Runs the handler that was there before, makes a syscall, and counts.
extern "C" fn run_the_one_before(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: a handler with SA_SIGINFO, as ours are; no arguments.
    unsafe {
        let before: signals::Informed = std::mem::transmute(BEFORE.load(SeqCst));
        before(signal, info, context);
        libc::syscall(libc::SYS_getuid);
    }
    RUNS.fetch_add(1, SeqCst);
}

/// Installs it with a full mask.
fn come_after_ours(signal: c_int, flags: c_int) {
    let mut action = signals::action(signal);
    assert!(action.sa_flags & libc::SA_SIGINFO != 0);
    BEFORE.store(action.sa_sigaction, SeqCst);
    action.sa_sigaction = run_the_one_before as signals::Informed as usize;
    action.sa_flags = libc::SA_SIGINFO | flags;
    action.sa_mask = signals::full();
    signals::set_action(signal, &action);
}

#[test]
fn a_handler_with_a_full_mask_that_comes_after_ours() {
    alone(|| {
        interrupt_once(Signal::USR1);
        come_after_ours(SIGUSR1, libc::SA_RESTART);
        signals::send(gettid(), SIGUSR1);
        assert_eq!(runs(), 1);
        requests_arrive();
        // And others' signals a thread that has been reached.
        let reached = target(|| {
            let (reader, _writer) = pipe();
            eintr::Interrupter::current().unwrap().interrupt();
            assert!(came_back(&plain_read(&reader)));
            let before = runs();
            signals::send(gettid(), SIGUSR1);
            assert!(came_back(&plain_read(&reader)));
            runs() - before
        });
        // Where there is no dispatch the timer asks again, by the same way.
        let is_exact = eintr::support().reach == eintr::Road::Exact;
        let runs = reached.result();
        assert!(if is_exact { runs == 1 } else { runs >= 1 }, "{runs}");
    });
}

#[test]
fn a_one_shot_handler_that_comes_after_ours() {
    alone(|| {
        interrupt_once(Signal::USR1);
        come_after_ours(SIGUSR1, libc::SA_RESETHAND);
        signals::send(gettid(), SIGUSR1);
        assert_eq!(runs(), 1);
        // The next one would end the process, as it would without us.
        assert_eq!(signals::action(SIGUSR1).sa_sigaction, libc::SIG_DFL);
    });
}

#[test]
fn the_default_action_after_a_handler_that_has_gone_again() {
    dies_by(SIGUSR1, || {
        interrupt_once(Signal::USR1);
        let ours = signals::action(SIGUSR1);
        come_after_ours(SIGUSR1, 0);
        signals::set_action(SIGUSR1, &ours);
        signals::send(gettid(), SIGUSR1);
    });
}

#[test]
fn a_handler_of_sigsys_that_comes_after_ours() {
    alone(|| {
        if eintr::support().reach != eintr::Road::Exact {
            eprintln!("skipped: no handler of SIGSYS is ours");
            return;
        }
        come_after_ours(SIGSYS, libc::SA_RESTART);
        signals::send(gettid(), SIGSYS);
        signals::send_to_process(SIGSYS);
        wait_until("the process's signal is handled", || runs() == 2);
        requests_arrive();
    });
}

extern "C" fn make_a_call(_: c_int) {
    // SAFETY: no pointers.
    unsafe { libc::getppid() };
    RUNS.fetch_add(1, SeqCst);
}

/// A task is asked, over and over, and does that at once: its mask must be what it was.
fn stays_as_it_was(before_ask: fn(i32), waits: fn(), asked: fn()) {
    eintr::install(Signal::USR1).unwrap();
    let (blocked, tid) = (signals::blocked(), gettid());
    let (to_ask, asks) = mpsc::channel::<Interrupter>();
    let requester = thread::spawn(move || {
        for interrupter in asks {
            before_ask(tid);
            interrupter.interrupt();
        }
    });
    // Each waits for the requester to get a processor.
    for _ in rounds(20_000) {
        let (task, interrupter) = eintr::task();
        task.run(|| {
            to_ask.send(interrupter).unwrap();
            while !eintr::is_interrupted() {
                waits();
            }
            asked();
            assert_eq!(signals::blocked(), blocked);
        });
        assert_eq!(signals::blocked(), blocked);
    }
    assert!(runs() > 0);
    drop(to_ask);
    requester.join().unwrap();
}

#[test]
fn a_handler_that_makes_calls_leaves_no_signal_blocked() {
    alone(|| {
        signals::handle(SIGUSR1, make_a_call, libc::SA_RESTART, &[]);
        // Ours merges with this one.
        stays_as_it_was(|tid| signals::send(tid, SIGUSR1), std::hint::spin_loop, || ());
    });
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_handler_of_a_fault_that_makes_calls_leaves_no_signal_blocked() {
    alone(|| {
        signals::handle(libc::SIGTRAP, make_a_call, libc::SA_RESTART, &[]);
        // SAFETY: its handler returns behind it.
        stays_as_it_was(|_| (), std::hint::spin_loop, || unsafe { std::arch::asm!("int3") });
    });
}

#[test]
fn what_a_program_blocks_stays_blocked_though_a_wait_lets_it_in() {
    alone(|| {
        signals::handle(libc::SIGINT, count, 0, &[]);
        signals::handle(libc::SIGTERM, count, 0, &[]);
        signals::block(&[libc::SIGINT, libc::SIGTERM]);
        let wait = || {
            let (moment, none) =
                (libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 }, signals::set_of(&[]));
            // SAFETY: the time and the set are borrowed.
            unsafe { libc::ppoll(std::ptr::null_mut(), 0, &moment, &none) };
        };
        stays_as_it_was(|tid| signals::send(tid, libc::SIGINT), wait, || ());
    });
}
