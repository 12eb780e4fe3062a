//! What a report says of a thread that was asked and goes on, and what is to be done about it.
//!
//! The tests here work like this: a thread is brought into a loop that ignores what it is told, or
//! into a wait that is not ours to end, and is asked. Then it is reported again and again, at
//! whatever moment that is, and each report must say the same.

use std::cell::UnsafeCell;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use eintr::{Report, ThreadState};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
#[cfg(feature = "stacks")]
use test_support::tables;
use test_support::target::{Target, pipe, plain_read, target};
use test_support::{LIMIT, emulated, has_dispatch, wait_until, watched};

/// The report as a requester has it who waits in vain; with the stack, unless the thread does not answer in time.
fn report<T>(target: &Target<T>) -> Report {
    target.thread.interrupter().wait_finished(Duration::ZERO).expect_err("it goes on")
}

/// The same of a thread that answers, on a busy machine as well.
fn answer<T>(target: &Target<T>) -> Report {
    let mut last = None;
    wait_until("it answers", || has_stack(last.insert(report(target))));
    last.unwrap()
}

/// Asks a thread that is in such a loop. Each report on it, from then on, must tell the same call: its
/// name, its descriptor, and what that is; and the same cure. Those of the last one, and the report.
fn told_steadily<T>(target: &Target<T>) -> (String, Option<i32>, String, Report) {
    target.thread.interrupt();
    wait_until("it is seen to retry", || is_retrying(&report(target)));
    let told = |report: &Report| {
        let thread = report.thread.as_ref().unwrap();
        let what = thread.waits_on.clone().unwrap_or_default();
        (thread.syscall.clone().unwrap(), thread.fd, what)
    };
    let (mut first, mut cure, mut retries) = (None, None, 0);
    // On a busy machine the thread may not come by in time: then nothing is said of what it is.
    let mut what = String::new();
    for round in 0..if emulated() { 20 } else { 100 } {
        // With the stack, which is taken where the thread is, and without.
        let with_stack = round % 25 == 0;
        let report = if with_stack { answer(target) } else { target.thread.interrupter().report() };
        assert!(is_retrying(&report), "{report}");
        let thread = report.thread.as_ref().unwrap();
        assert!(thread.retries >= retries && thread.retrying_for.is_some(), "{report}");
        retries = thread.retries;
        let (syscall, fd, now) = told(&report);
        let expected = first.get_or_insert_with(|| (syscall.clone(), fd));
        assert_eq!(*expected, (syscall, fd), "{report}");
        if what.is_empty() {
            what.clone_from(&now);
        }
        assert!(now.is_empty() || now == what, "{what}: {report}");
        if with_stack {
            assert_eq!(*cure.get_or_insert_with(|| report.cure()), report.cure(), "{report}");
        }
        let line = report.to_string();
        assert!(line.contains(&format!(": retrying {}", expected.0)), "{line}");
        assert!(line.contains(" times in a row for "), "{line}");
    }
    let report = answer(target);
    let (syscall, fd, _) = told(&report);
    (syscall, fd, what, report)
}

const RETRYING: Option<ThreadState> = Some(ThreadState::Retrying);

fn is_retrying(report: &Report) -> bool {
    report.thread.as_ref().and_then(|thread| thread.state) == RETRYING
}

/// Whether that is the cure: these words, then the function and, where there is debugging information, its
/// line; nobody's function where the thread is in one of musl's, beyond which no stack is told. And whether the report's text has it.
fn is_cure(report: &Report, words: &[&str], function: &str) -> bool {
    let Some(cure) = report.cure() else { return false };
    assert!(report.to_string().contains(&format!("\n    cure: {cure}")), "{report}");
    words.iter().all(|word| cure.contains(word)) && names(report, &cure, function)
}

#[cfg(feature = "stacks")]
fn names(report: &Report, cure: &str, function: &str) -> bool {
    let Some(stack) = &report.thread.as_ref().unwrap().stack else { return false };
    let named =
        |frame: &&eintr::Frame| frame.function.as_ref().is_some_and(|f| f.contains(function));
    let frames = stack.frames();
    let Some(frame) = frames.iter().find(named) else {
        let is_told = |frame: &eintr::Frame| cure.ends_with(&frame.to_string());
        return tables::has_none(frames[0].address) && !frames.iter().any(is_told);
    };
    // Where debug information has lines only, the crate is not named.
    let is_named = ["::", ": "].iter().any(|before| cure.contains(&format!("{before}{function}")));
    let is_line = |line: &String| line.contains("cures.rs:") && cure.ends_with(line);
    is_named && frame.location.as_ref().is_none_or(is_line)
}

#[cfg(feature = "stacks")]
fn has_stack(report: &Report) -> bool {
    report.thread.as_ref().unwrap().stack.is_some()
}

#[cfg(not(feature = "stacks"))]
fn has_stack(_report: &Report) -> bool {
    true
}

#[cfg(not(feature = "stacks"))]
fn names(_report: &Report, _cure: &str, _function: &str) -> bool {
    true
}

fn assert_cure(report: &Report, words: &[&str], function: &str) {
    assert!(
        is_cure(report, words, function),
        "{words:?} {function}: {:?}\n{report}",
        report.cure()
    );
}

/// Asks a thread that is in some wait, until that is told as its cure.
fn wait_for_cure<T>(target: &Target<T>, words: &[&str], function: &str) {
    target.thread.interrupt();
    let start = Instant::now();
    loop {
        let report = report(target);
        if is_cure(&report, words, function) {
            return;
        }
        assert!(start.elapsed() < LIMIT / 2, "{words:?} {function}: {report}");
    }
}

/// A flag, and its other end.
fn flag() -> (Arc<AtomicBool>, Arc<AtomicBool>) {
    let flag = Arc::new(AtomicBool::new(false));
    (flag.clone(), flag)
}

/// What else such a loop does.
#[inline(never)]
fn computes() {
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(5) {}
}

#[inline(never)]
fn swallows_errors(listener: &TcpListener, stop: &AtomicBool) {
    while !stop.load(SeqCst) {
        let _ = std::hint::black_box(listener.accept());
        computes();
    }
}

#[inline(never)]
fn sleeps_and_looks(stop: &AtomicBool) -> u64 {
    let mut rounds = 0;
    while !std::hint::black_box(stop).load(SeqCst) {
        rounds += 1;
        computes();
        let _ = std::path::Path::new("/nonexistent").exists();
        std::thread::sleep(Duration::from_millis(100));
    }
    rounds
}

#[inline(never)]
fn swallows_errors_and_sleeps(listener: &TcpListener, stop: &AtomicBool) {
    while !stop.load(SeqCst) {
        if listener.accept().is_err() {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[inline(never)]
fn connects_anew(listener: &TcpListener, stop: &AtomicBool) {
    while !stop.load(SeqCst) {
        if std::net::TcpStream::connect(listener.local_addr().unwrap()).is_err() {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[inline(never)]
fn swallows_ours(fd: &OwnedFd, stop: &AtomicBool) {
    while !stop.load(SeqCst) {
        let _ = std::hint::black_box(eintr::io::read(fd, &mut [0]));
    }
}

#[test]
fn a_loop_that_swallows_errors_is_shown_in_its_call() {
    watched("a_loop_that_swallows_errors_is_shown_in_its_call", || {
        let bodies: [fn(&TcpListener, &AtomicBool); 2] =
            [swallows_errors, swallows_errors_and_sleeps];
        for body in bodies {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let (fd, address) = (listener.as_raw_fd(), listener.local_addr().unwrap());
            let (stop, stopped) = flag();
            let looping = target(move || body(&listener, &stopped));
            let (syscall, told_fd, what, report) = told_steadily(&looping);
            assert!(syscall.starts_with("accept"), "{syscall}");
            assert_cure(&report, &["eintr::checkpoint()?", "swallows"], "swallows_errors");
            assert_eq!((told_fd, what), (Some(fd), format!("TCP listener {address}")));
            stop.store(true, SeqCst);
            looping.result();
        }
    });
}

/// Its socket is closed while it sleeps.
#[test]
fn a_loop_that_connects_anew_is_shown_in_its_connect() {
    if !has_dispatch("a loop of sleeps") {
        return;
    }
    watched("a_loop_that_connects_anew_is_shown_in_its_connect", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (stop, stopped) = flag();
        let looping = target(move || connects_anew(&listener, &stopped));
        looping.thread.interrupt();
        wait_until("it is seen to retry", || is_retrying(&report(&looping)));
        // Another number it may get, for a report opens files meanwhile. And on a busy machine it may not
        // come by in time; but what is told is true.
        let mut known = 0;
        wait_until("its socket is told", || {
            let thread = looping.thread.interrupter().report().thread.unwrap();
            assert_eq!((thread.syscall.as_deref(), thread.state), (Some("connect"), RETRYING));
            if let Some(what) = thread.waits_on {
                assert!(what.starts_with("TCP socket 0.0.0.0:0, not connected"), "{what}");
                known += 1;
            }
            known == 30
        });
        let report = answer(&looping);
        assert_cure(&report, &["eintr::checkpoint()?", "swallows"], "connects_anew");
        stop.store(true, SeqCst);
        looping.result();
    });
}

#[test]
fn a_loop_that_sleeps_and_looks_is_shown_in_its_sleep() {
    if !has_dispatch("a loop of sleeps") {
        return;
    }
    watched("a_loop_that_sleeps_and_looks_is_shown_in_its_sleep", || {
        let (stop, stopped) = flag();
        let looping = target(move || sleeps_and_looks(&stopped));
        let (syscall, fd, _, report) = told_steadily(&looping);
        assert_cure(&report, &["eintr::checkpoint()?", "sleeps and looks"], "sleeps_and_looks");
        assert!(syscall.ends_with("nanosleep") && fd.is_none(), "{syscall}");
        stop.store(true, SeqCst);
        let interrupter = looping.thread.interrupter();
        let rounds = looping.result();
        // What interrupts our own pause cuts no call short. (The first may be interrupted and then refused.)
        assert!(interrupter.report().refused <= rounds + 1, "{rounds}: {}", interrupter.report());
    });
}

#[test]
fn a_loop_around_a_call_of_ours_is_shown_in_it() {
    watched("a_loop_around_a_call_of_ours_is_shown_in_it", || {
        let (reader, _writer) = pipe();
        let fd = reader.as_raw_fd();
        let (stop, stopped) = flag();
        let looping = target(move || swallows_ours(&reader, &stopped));
        let (syscall, told_fd, what, report) = told_steadily(&looping);
        assert_cure(&report, &["eintr::checkpoint()?"], "swallows_ours");
        assert_eq!((&*syscall, told_fd), ("read", Some(fd)));
        assert!(what.starts_with("pipe:"), "{what}");
        stop.store(true, SeqCst);
        looping.result();
    });
}

/// It was refused often, and waits elsewhere since.
#[test]
fn what_has_gone_on_is_shown_where_it_is() {
    if !has_dispatch("a futex is not woken again there") {
        return;
    }
    watched("what_has_gone_on_is_shown_where_it_is", || {
        let (reader, _writer) = pipe();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let gone_on = target(move || {
            while plain_read(&reader).is_err() && !eintr::is_interrupted() {}
            for _ in 0..40 {
                let _ = plain_read(&reader);
            }
            wait.recv().is_err()
        });
        gone_on.thread.interrupt();
        wait_until("it is shown on its futex", || {
            let report = gone_on.thread.interrupter().report();
            let thread = report.thread.unwrap();
            thread.syscall.is_some_and(|syscall| syscall == "futex") && thread.retries == 0
        });
        drop(go);
        assert!(gone_on.result());
    });
}

// The cures of what waits.

/// What is told of a thread in that wait, and what ends the wait.
fn told_in_wait(
    words: &[&str],
    function: &str,
    wait: impl FnOnce() + Send + 'static,
    end: impl FnOnce(),
) {
    let stuck = target(wait);
    wait_for_cure(&stuck, words, function);
    end();
    stuck.result();
}

#[inline(never)]
fn locks_ours(lock: &eintr::sync::Mutex<()>) {
    drop(std::hint::black_box(lock.lock().unwrap()));
}

#[inline(never)]
fn receives_ours(receiver: &eintr::sync::mpsc::Receiver<()>) {
    let _ = std::hint::black_box(receiver.recv());
}

#[inline(never)]
fn joins(thread: std::thread::JoinHandle<()>) {
    std::hint::black_box(thread.join()).unwrap();
}

#[inline(never)]
fn receives_stds(receiver: &std::sync::mpsc::Receiver<()>) {
    let _ = std::hint::black_box(receiver.recv());
}

#[test]
fn a_wait_of_ours_under_stds_name_has_one_beside_it() {
    watched("a_wait_of_ours_under_stds_name_has_one_beside_it", || {
        let lock = Arc::new(eintr::sync::Mutex::new(()));
        let (held, wanted) = (lock.lock().unwrap(), lock.clone());
        let words = &["lock_interruptible"];
        told_in_wait(words, "locks_ours", move || locks_ours(&wanted), || drop(held));
        let (sender, receiver) = eintr::sync::mpsc::channel();
        let words = &["recv_interruptible"];
        told_in_wait(words, "receives_ours", move || receives_ours(&receiver), || drop(sender));
    });
}

#[test]
fn a_join_of_stds_is_told_with_ours() {
    watched("a_join_of_stds_is_told_with_ours", || {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let worker = std::thread::Builder::new().name("waited-for".into());
        let worker = worker.spawn(move || wait.recv().unwrap_or_default()).unwrap();
        let stuck = target(move || joins(worker));
        wait_for_cure(&stuck, &["eintr::JoinHandle::wait"], "joins");
        let report = report(&stuck);
        if !cfg!(target_env = "musl") && !emulated() {
            assert!(report.to_string().contains(" (waited-for)"), "{report}");
        }
        drop(go);
        stuck.result();
    });
}

#[test]
fn a_channel_of_stds_is_told_with_ours() {
    watched("a_channel_of_stds_is_told_with_ours", || {
        let (sender, receiver) = std::sync::mpsc::channel();
        let words = &["eintr::sync in place", "eintr::with_hook"];
        told_in_wait(words, "receives_stds", move || receives_stds(&receiver), || drop(sender));
    });
}

/// An event loop that goes on after EINTR, as they all do.
#[inline(never)]
fn runs_an_event_loop(epoll: &Epoll) {
    let mut events = [EpollEvent::empty()];
    while epoll.wait(&mut events, EpollTimeout::NONE) == Err(nix::errno::Errno::EINTR) {}
}

#[test]
fn an_event_loop_is_told_to_have_a_hook() {
    watched("an_event_loop_is_told_to_have_a_hook", || {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
        let (reader, writer) = pipe();
        epoll.add(&reader, EpollEvent::new(EpollFlags::EPOLLIN, 7)).unwrap();
        let fd = epoll.0.as_raw_fd();
        let looping = target(move || runs_an_event_loop(&epoll));
        let (syscall, told_fd, what, report) = told_steadily(&looping);
        assert!(syscall.starts_with("epoll_"), "{syscall}");
        // Without dispatch on aarch64 its descriptor is gone where it is answered.
        let known = (told_fd, &*what);
        assert!(known == (Some(fd), "eventpoll") || emulated() && told_fd.is_none(), "{known:?}");
        assert_cure(&report, &["eintr::with_hook", "event loop"], "runs_an_event_loop");
        drop(writer);
        looping.result();
        drop(reader);
    });
}

/// A semaphore of C's at zero.
struct Semaphore(UnsafeCell<libc::sem_t>);

// SAFETY: it is made for being shared.
unsafe impl Sync for Semaphore {}

impl Semaphore {
    fn new() -> Arc<Self> {
        // SAFETY: all bytes zero are room for a semaphore.
        let semaphore = Arc::new(Self(UnsafeCell::new(unsafe { std::mem::zeroed() })));
        // SAFETY: it stays where it is.
        unsafe { libc::sem_init(semaphore.0.get(), 0, 0) };
        semaphore
    }

    fn post(&self) {
        // SAFETY: it was made in `new`.
        unsafe { libc::sem_post(self.0.get()) };
    }
}

/// As C code waits: again after EINTR, which glibc tells and musl does not.
#[inline(never)]
fn waits_for_a_semaphore(semaphore: &Semaphore) {
    // SAFETY: it was made in `new`.
    while unsafe { libc::sem_wait(semaphore.0.get()) } != 0 {}
}

/// glibc's symbols may not tell that it is one, and what looks like a lock has a cure that fits.
#[test]
fn a_semaphore_of_cs_is_told_with_ours() {
    watched("a_semaphore_of_cs_is_told_with_ours", || {
        let semaphore = Semaphore::new();
        let posted = semaphore.clone();
        let words = &["eintr::sync", "emaphore", "eintr::with_hook"];
        let wait = move || waits_for_a_semaphore(&semaphore);
        told_in_wait(words, "waits_for_a_semaphore", wait, move || posted.post());
    });
}

/// The same for a read that another thread makes.
#[inline(never)]
fn waits_for_a_read(fd: &OwnedFd) {
    let mut byte = [0_u8];
    // SAFETY: all bytes zero ask for no notice.
    let mut asked: libc::aiocb = unsafe { std::mem::zeroed() };
    asked.aio_fildes = fd.as_raw_fd();
    asked.aio_buf = byte.as_mut_ptr().cast();
    asked.aio_nbytes = byte.len();
    let all = [&raw const asked];
    // SAFETY: the byte and the question stay until it is answered.
    unsafe {
        assert_eq!(libc::aio_read(&mut asked), 0);
        while libc::aio_error(&asked) == libc::EINPROGRESS {
            libc::aio_suspend(all.as_ptr(), 1, std::ptr::null());
        }
    }
}

#[test]
fn an_aio_suspend_is_told_in_words_of_its_own() {
    if cfg!(not(feature = "stacks")) || emulated() {
        return eprintln!("skipped: it is known by the stack");
    }
    watched("an_aio_suspend_is_told_in_words_of_its_own", || {
        let (reader, writer) = pipe();
        let wait = move || waits_for_a_read(&reader);
        // A stack that ends in musl does not show it.
        let is_known = cfg!(target_env = "gnu");
        let words: &[_] = if is_known { &["aio_suspend", "aio_cancel"] } else { &["with_hook"] };
        told_in_wait(words, "waits_for_a_read", wait, || drop(writer));
    });
}

/// Blocks our signal, and reads.
#[inline(never)]
fn is_deaf(fd: &OwnedFd) {
    nix::sys::signal::SigSet::all().thread_block().unwrap();
    let _ = plain_read(fd);
}

#[test]
fn a_thread_that_blocks_our_signal_is_told_so() {
    watched("a_thread_that_blocks_our_signal_is_told_so", || {
        let (reader, writer) = pipe();
        let stuck = target(move || is_deaf(&reader)).blocked_in(libc::SYS_read);
        stuck.thread.interrupt();
        let report = report(&stuck);
        // It answers nobody, so there is no stack.
        let cure = report.cure().unwrap();
        assert!(cure.contains("unblock our signal"), "{cure}");
        drop(writer);
        stuck.result();
    });
}

/// Reads a page that is not there.
#[inline(never)]
fn reads_a_page(page: usize) -> u8 {
    // SAFETY: it is mapped, and is there in the end.
    unsafe { (page as *const u8).read_volatile() }
}

/// A page that comes from a userfaultfd, and that; none where there are none.
fn page_to_come() -> Option<(usize, OwnedFd)> {
    const USER_MODE_ONLY: i32 = 1;
    const API: u64 = 0xaa;
    const UFFDIO_API: libc::Ioctl = 0xc018_aa3f_u32 as libc::Ioctl;
    const UFFDIO_REGISTER: libc::Ioctl = 0xc020_aa00_u32 as libc::Ioctl;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new descriptor, a new mapping, and three structs of the kernel's.
    unsafe {
        let fd = libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | USER_MODE_ONLY);
        let fd = (fd >= 0).then(|| OwnedFd::from_raw_fd(fd as i32))?;
        let page = libc::mmap(std::ptr::null_mut(), PAGE, protection, flags, -1, 0) as usize;
        let mut api = [API, 0, 0];
        let mut range = [page as u64, PAGE as u64, 1, 0];
        let are_set = libc::ioctl(fd.as_raw_fd(), UFFDIO_API, &mut api) == 0
            && libc::ioctl(fd.as_raw_fd(), UFFDIO_REGISTER, &mut range) == 0;
        are_set.then_some((page, fd))
    }
}

const PAGE: usize = 4096;

#[test]
fn a_page_that_does_not_come_is_told() {
    watched("a_page_that_does_not_come_is_told", || {
        let Some((page, fd)) = page_to_come() else {
            return eprintln!("skipped: no userfaultfd here");
        };
        // Once it is closed the kernel gives a page of its own.
        let wait = move || assert_eq!(reads_a_page(page), 0);
        told_in_wait(&["userfaultfd"], "reads_a_page", wait, || drop(fd));
    });
}
