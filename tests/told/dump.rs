//! The dump: every thread is in it, with all that is known, and who waits for whom.
//!
//! The tests here work like this: threads are brought into a wait, `/proc` is asked whether they are
//! in it, and the dump must say so.

use std::cell::UnsafeCell;
use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use eintr::sync::{Mutex, RwLock};
use eintr::{Holder, Report, ThreadDump, ThreadReport};
use test_support::child::alone;
#[cfg(feature = "stacks")]
use test_support::tables;
use test_support::target::{Target, own_read, pipe, target};
use test_support::{
    gettid, skipped_under_emulation, wait_until, wait_until_blocked, wait_until_on_futex,
};

/// The dump's report of that thread.
fn of(tid: i32, dump: &ThreadDump) -> &Report {
    let is_it = |report: &&Report| report.thread.as_ref().is_some_and(|thread| thread.tid == tid);
    dump.reports.iter().find(is_it).unwrap_or_else(|| panic!("{tid}: {dump}"))
}

fn thread_of<T>(target: &Target<T>) -> Box<ThreadReport> {
    target.thread.interrupter().report().thread.unwrap()
}

/// A thread of std's that sleeps in a `recv` until the sender is dropped, and its id.
fn plain_thread(name: &str) -> (mpsc::Sender<()>, i32, std::thread::JoinHandle<()>) {
    let (go, wait) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let body = move || {
        tell.send(gettid()).unwrap();
        assert!(wait.recv().is_err());
    };
    let thread = std::thread::Builder::new().name(name.into()).spawn(body).unwrap();
    let tid = told.recv().unwrap();
    wait_until_blocked(tid, libc::SYS_futex);
    (go, tid, thread)
}

#[test]
fn every_thread_is_in_it_once_with_a_header() {
    alone(|| {
        let (go, tid, plain) = plain_thread("plain one");
        let (reader, writer) = pipe();
        let unnamed = target(move || own_read(reader)).blocked_in(libc::SYS_read);
        // A helper of ours: the one that runs hooks at deadlines.
        let _ = eintr::with_hook(
            |_| {},
            || eintr::within(Duration::from_millis(1), || eintr::time::sleep(Duration::MAX)),
        );
        // It gives itself its name.
        let is_helper = |report: &Report| {
            let name = report.thread.as_ref().and_then(|thread| thread.name.as_deref());
            name == Some("eintr-hooks")
        };
        let named = || eintr::dump().reports.iter().any(is_helper);
        wait_until("the helper is named", named);
        let threads = || {
            let tasks = std::fs::read_dir("/proc/self/task").unwrap();
            let tids = tasks.map(|task| task.unwrap().file_name().to_str().unwrap().parse());
            tids.map(Result::unwrap).collect::<BTreeSet<i32>>()
        };
        // It may start another.
        let (mut dump, mut all) = (eintr::dump(), threads());
        wait_until("no thread comes meanwhile", || {
            (all, dump) = (threads(), eintr::dump());
            all == threads()
        });
        let mut tids: Vec<_> =
            dump.reports.iter().map(|report| report.thread.as_ref().unwrap().tid).collect();
        tids.sort_unstable();
        assert!(tids.iter().eq(&all), "{tids:?} {all:?}");
        let main = std::process::id();
        assert!(tids.contains(&main.cast_signed()) && dump.process == main);

        let text = dump.to_string();
        let header = text.lines().next().unwrap();
        let version = env!("CARGO_PKG_VERSION");
        assert!(header.starts_with(&format!("eintr {version}, process {main} (")), "{header}");
        assert!(
            header.ends_with(&format!(" UTC: {} threads, 1 tasks, 0 asked", all.len())),
            "{header}"
        );

        let report = of(tid, &dump);
        assert!(report.task == 0 && report.interrupter().is_none());
        let line = format!("plain thread plain one (tid {tid}): sleeping in futex");
        assert!(report.to_string().starts_with(&line), "{report}");
        assert!(
            report
                .thread
                .as_ref()
                .is_some_and(|thread| thread.task_age.is_none() && thread.age.is_some())
        );

        let report = of(unnamed.tid, &dump);
        let id = unnamed.thread.interrupter().id();
        let line = format!("unnamed task {id} (tid {}): ", unnamed.tid);
        assert!(report.to_string().starts_with(&line), "{report}");
        assert!(
            report.thread.as_ref().unwrap().task_age.is_some()
                && report.interrupter() == Some(unnamed.thread.interrupter())
        );
        drop((go, writer));
        plain.join().unwrap();
        let _ = unnamed.result();
    });
}

#[test]
fn a_request_is_told_with_its_reason_and_a_deadline_with_what_is_left() {
    alone(|| {
        let hour = Duration::from_secs(3600);
        let (reader, writer) = pipe();
        let stuck = target(move || eintr::timeout(hour, || own_read(reader)));
        let stuck = stuck.blocked_in(libc::SYS_read);
        let report = stuck.thread.interrupter().report();
        assert!(report.thread.as_ref().unwrap().remaining.unwrap() <= hour, "{report}");
        assert!(report.to_string().contains(", deadline in 3"), "{report}");
        drop(writer);
        let _: Result<u8, eintr::Error> = stuck.result();

        let (task, interrupter) = eintr::task();
        interrupter.interrupt_with("out of\n\x1b[2Jquota");
        task.run(|| {
            let report = interrupter.report();
            assert_eq!(report.thread.as_ref().unwrap().remaining, None);
            assert_eq!(
                report.reason.as_ref().unwrap().to_string(),
                "interrupted: out of\n\x1b[2Jquota"
            );
            let told = report.to_string();
            assert!(told.contains("ago (interrupted: out of\\n\\u{1b}[2Jquota), raised"), "{told}");
            let dump = eintr::dump().to_string();
            let line = format!("asked: unnamed task {} (tid {}) ", interrupter.id(), gettid());
            let asked = dump.lines().nth(1).unwrap();
            assert!(asked.starts_with(&line), "{dump}");
            assert!(asked.contains(" ago (interrupted: out of\\n\\u{1b}[2Jquota)"), "{dump}");
        });
    });
}

#[test]
fn a_task_tells_where_it_was_made() {
    alone(|| {
        let line = line!() + 1;
        let (task, interrupter) = eintr::task();
        let place = interrupter.report().made_at().unwrap();
        assert_eq!((place.file(), place.line()), (file!(), line));
        task.run(|| {
            let told = format!("task {}, made at {}:{line}, on thread ", interrupter.id(), file!());
            let report = interrupter.report().to_string();
            assert!(report.contains(&told), "{report}");
        });
        let group = eintr::Group::new();
        let line = line!() + 1;
        let threads = [eintr::spawn(|| ()), group.spawn(|| ())];
        eintr::scope(|s| {
            let scoped = s.spawn(|| ()).interrupter();
            let made = threads.iter().map(|thread| thread.interrupter()).chain([scoped]);
            let lines: Vec<_> = made.map(|task| task.report().made_at().unwrap().line()).collect();
            assert_eq!(lines, [line, line, line + 2]);
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_thread_that_works_has_used_the_processor() {
    alone(|| {
        let (task, interrupter) = eintr::task();
        task.run(|| {
            wait_until("its time is told", || {
                let thread = interrupter.report().thread.unwrap();
                thread.processor_time.unwrap() > Duration::ZERO
                    && thread.processor_time <= thread.age.map(|age| age + Duration::from_secs(1))
            });
        });
    });
}

/// Two threads, each of which has one of the two locks and waits for the other's.
fn deadlocked<T: Send + 'static>(
    spawn: impl Fn(Box<dyn FnOnce() + Send>) -> T,
    lock: fn(&Mutex<()>),
) -> ([i32; 2], [T; 2]) {
    let locks = [(); 2].map(|()| Arc::new(Mutex::new(())));
    let both_hold = Arc::new(Barrier::new(2));
    let (tell, told) = mpsc::channel();
    let threads = [0, 1].map(|i| {
        let [own, other] = [locks[i].clone(), locks[1 - i].clone()];
        let (both_hold, tell) = (both_hold.clone(), tell.clone());
        spawn(Box::new(move || {
            let _held = own.lock().unwrap();
            tell.send((i, gettid())).unwrap();
            both_hold.wait();
            lock(&other);
        }))
    });
    let mut tids = [0; 2];
    for (i, tid) in told.iter().take(2) {
        tids[i] = tid;
    }
    tids.iter().for_each(|tid| wait_until_on_futex(*tid));
    (tids, threads)
}

#[test]
fn two_that_wait_for_each_others_locks_are_seen_to() {
    if skipped_under_emulation("who holds a lock", "the kernel does not see what is emulated") {
        return;
    }
    alone(|| {
        let lock: fn(&Mutex<()>) = |lock| drop(lock.lock_interruptible());
        let (managed, threads) = deadlocked(eintr::spawn, lock);
        // Nobody can end these.
        let (plain, _threads) = deadlocked(std::thread::spawn, |lock| drop(lock.lock()));
        let in_order = |[one, other]: [i32; 2]| vec![one.min(other), one.max(other)];
        let mut expected = vec![in_order(managed), in_order(plain)];
        expected.sort();
        // The barrier's futex may have been seen.
        let mut dump = eintr::dump();
        wait_until("both are told", || {
            dump = eintr::dump();
            dump.deadlocks == expected
        });
        let [one, other] = managed;
        let report = of(one, &dump).to_string();
        assert!(report.contains(&format!(", held by thread {other} (")), "{report}");
        let text = dump.to_string();
        let lines = text.lines().filter(|line| line.starts_with("deadlock: thread "));
        assert_eq!(lines.count(), 2, "{text}");
        let name = |tid: i32| format!("thread {tid} (");
        let is_told = |line: &str| {
            line.starts_with(&format!("waited for: {}", name(one)))
                && line.contains(&format!(", by {}", name(other)))
        };
        assert!(text.lines().any(is_told), "{text}");
        for thread in &threads {
            thread.interrupt();
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        wait_until("the others are left", || eintr::dump().deadlocks.len() == 1);
    });
}

#[test]
fn one_that_waits_for_a_lock_or_a_thread_is_no_deadlock() {
    if skipped_under_emulation("who holds a lock", "the kernel does not see what is emulated") {
        return;
    }
    alone(|| {
        let lock = Arc::new(Mutex::new(()));
        let held = lock.lock().unwrap();
        let own = gettid();
        let wanted = lock.clone();
        let waits = target(move || drop(wanted.lock())).blocked_in(libc::SYS_futex);
        wait_until("its holder is told", || holder_of(&waits) == Some(own));
        let (go, tid, plain) = plain_thread("joined");
        let joins = target(move || plain.join().unwrap()).blocked_in(libc::SYS_futex);
        wait_until("it is joined", || holder_of(&joins) == Some(tid));
        let threads = [waits.tid, joins.tid, own, tid];
        let is_ours = |cycle: &Vec<i32>| cycle.iter().any(|tid| threads.contains(tid));
        assert!(!eintr::dump().deadlocks.iter().any(is_ours));
        drop((held, go));
        waits.result();
        joins.result();
        assert!(lock.try_lock().is_ok());
    });
}

/// The thread that is told as the holder of what that one waits for.
fn holder_of<T>(target: &Target<T>) -> Option<i32> {
    match thread_of(target).held_by {
        Some(Holder::Thread { tid, .. }) => Some(tid),
        _ => None,
    }
}

/// A lock changes hands while another sleeps for it.
#[test]
fn the_holder_is_that_of_now() {
    if skipped_under_emulation("who holds a lock", "the kernel does not see what is emulated") {
        return;
    }
    alone(|| {
        let lock = Arc::new(Mutex::new(()));
        let held = lock.lock().unwrap();
        let both_end = Arc::new(Barrier::new(2));
        let waits = [(); 2].map(|()| {
            let (wanted, both_end) = (lock.clone(), both_end.clone());
            let waits = target(move || {
                let _held = wanted.lock();
                // Once each of them has been let in.
                both_end.wait();
            });
            wait_until_on_futex(waits.tid);
            waits
        });
        let is_told = |holder: i32| move |waits: &Target<()>| holder_of(waits) == Some(holder);
        wait_until("the first is told", || waits.iter().all(is_told(gettid())));
        let [at, of_the_other] = [0, 1].map(|i| thread_of(&waits[i]).waits_on);
        assert!(at.as_ref().is_some_and(|at| at.starts_with("0x")) && at == of_the_other, "{at:?}");
        drop(held);
        let [one, other] = &waits;
        let tells_the_other = || is_told(one.tid)(other) || is_told(other.tid)(one);
        wait_until("the next is told", tells_the_other);
        let (first, last) = if is_told(one.tid)(other) { (one, other) } else { (other, one) };
        assert!(is_told(first.tid)(last) && holder_of(first).is_none());
        both_end.wait();
        // It lets go of the lock.
        wait_until_on_futex(last.tid);
        both_end.wait();
        waits.into_iter().for_each(Target::result);
    });
}

#[test]
fn a_readers_writer_lock_tells_its_writer_or_how_many_read() {
    if skipped_under_emulation("who holds a lock", "the kernel does not see what is emulated") {
        return;
    }
    alone(|| {
        let lock = Arc::new(RwLock::new(()));
        let held = lock.write().unwrap();
        let wanted = [(); 4].map(|()| lock.clone());
        let [writes, writes_interruptibly, reads, reads_interruptibly] = wanted;
        let waits = [
            target(move || drop(writes.write())),
            target(move || drop(writes_interruptibly.write_interruptible())),
            target(move || drop(reads.read())),
            target(move || drop(reads_interruptibly.read_interruptible())),
        ];
        waits.iter().for_each(|waits| wait_until_on_futex(waits.tid));
        let is_told = |waits: &Target<()>| holder_of(waits) == Some(gettid());
        wait_until("all are told the writer", || waits.iter().all(is_told));
        // Writers and readers have a word of their own.
        let at: Vec<_> = waits.iter().map(|waits| thread_of(waits).waits_on).collect();
        assert!(at[0].is_some() && at[0] == at[1] && at[2] == at[3] && at[0] != at[2], "{at:?}");
        drop(held);
        waits.into_iter().for_each(Target::result);

        let readers = [lock.read().unwrap(), lock.read().unwrap()];
        let wanted = lock.clone();
        let writes = target(move || drop(wanted.write()));
        wait_until_on_futex(writes.tid);
        let wanted = lock.clone();
        let reads = target(move || drop(wanted.read()));
        wait_until_on_futex(reads.tid);
        let is_told =
            |waits: &Target<()>| thread_of(waits).held_by == Some(Holder::Readers { count: 2 });
        wait_until("how many read is told", || [&writes, &reads].into_iter().all(is_told));
        assert!(thread_of(&writes).to_string().ends_with(", held by 2 readers"));
        drop(readers);
        writes.result();
        reads.result();
    });
}

#[test]
fn a_deadlock_by_a_readers_writer_lock_is_seen_to() {
    if skipped_under_emulation("who holds a lock", "the kernel does not see what is emulated") {
        return;
    }
    alone(|| {
        let locks = Arc::new((Mutex::new(()), RwLock::new(())));
        let both_hold = Arc::new(Barrier::new(2));
        let of_each = || (locks.clone(), both_hold.clone());
        let (of_one, of_other) = (of_each(), of_each());
        let one = target(move || {
            let _held = of_one.0.1.write();
            of_one.1.wait();
            drop(of_one.0.0.lock_interruptible());
        });
        let other = target(move || {
            let _held = of_other.0.0.lock();
            of_other.1.wait();
            drop(of_other.0.1.read_interruptible());
        });
        let expected = vec![vec![one.tid.min(other.tid), one.tid.max(other.tid)]];
        wait_until("it is told", || eintr::dump().deadlocks == expected);
        one.interrupted().result();
        other.result();
    });
}

struct Pthread(UnsafeCell<libc::pthread_mutex_t>);
// SAFETY: it is a lock, used by libc's functions only.
unsafe impl Sync for Pthread {}

impl Pthread {
    fn lock(&self) {
        // SAFETY: it is a mutex.
        assert_eq!(unsafe { libc::pthread_mutex_lock(self.0.get()) }, 0);
    }
}

/// The kernel itself keeps the owner of such a lock.
#[test]
fn a_pthread_mutex_that_inherits_priority_tells_its_owner() {
    if skipped_under_emulation("who holds a lock", "the kernel does not see what is emulated") {
        return;
    }
    alone(|| {
        let lock = Arc::new(Pthread(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER)));
        // SAFETY: each is initialized before it is used; nobody else has them yet.
        unsafe {
            let mut attributes = std::mem::zeroed();
            libc::pthread_mutexattr_init(&raw mut attributes);
            libc::pthread_mutexattr_setprotocol(&raw mut attributes, libc::PTHREAD_PRIO_INHERIT);
            assert_eq!(libc::pthread_mutex_init(lock.0.get(), &raw const attributes), 0);
        }
        lock.lock();
        let wanted = lock.clone();
        let waits = target(move || {
            wanted.lock();
            // SAFETY: this thread has locked it.
            unsafe { libc::pthread_mutex_unlock(wanted.0.get()) }
        });
        wait_until("its owner is told", || holder_of(&waits) == Some(gettid()));
        // SAFETY: this thread has locked it.
        unsafe { libc::pthread_mutex_unlock(lock.0.get()) };
        assert_eq!(waits.result(), 0);
    });
}

/// The lock of a C program, or of its libraries.
#[cfg(all(feature = "stacks", target_env = "gnu"))]
#[test]
fn two_that_wait_for_each_others_pthread_mutexes_are_seen_to() {
    if skipped_under_emulation("who holds a lock", "the kernel does not see what is emulated") {
        return;
    }
    alone(|| {
        let [left, right] =
            [(); 2].map(|()| Arc::new(Pthread(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER))));
        let both_hold = Arc::new(Barrier::new(2));
        let locks = |own: &Arc<Pthread>, other: &Arc<Pthread>| {
            let (own, other, both_hold) = (own.clone(), other.clone(), both_hold.clone());
            target(move || {
                own.lock();
                both_hold.wait();
                other.lock();
            })
        };
        let one = locks(&left, &right);
        let other = locks(&right, &left);
        let expected = vec![vec![one.tid.min(other.tid), one.tid.max(other.tid)]];
        let mut dump = eintr::dump();
        wait_until("it is told", || {
            dump = eintr::dump();
            dump.deadlocks == expected
        });
        let report = of(one.tid, &dump).to_string();
        assert!(report.contains(&format!(", held by thread {} (", other.tid)), "{report}");

        // Not every wait of theirs is for a mutex.
        let condition = target(|| {
            let lock = Pthread(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));
            let condition = UnsafeCell::new(libc::PTHREAD_COND_INITIALIZER);
            lock.lock();
            // SAFETY: both were made for this, and the mutex is locked.
            unsafe { libc::pthread_cond_wait(condition.get(), lock.0.get()) }
        });
        let condition = condition.blocked_in(libc::SYS_futex);
        let report = of(condition.tid, &eintr::dump()).clone();
        assert!(report.thread.unwrap().held_by.is_none());
    });
}

/// A child of a fork is another thread, also to its locks.
#[test]
fn a_lock_of_a_forks_child_is_its_own() {
    if skipped_under_emulation("who holds a lock", "the kernel does not see what is emulated") {
        return;
    }
    alone(|| {
        drop(Mutex::new(()).lock());
        // SAFETY: the child allocates and makes a thread, which glibc's handlers allow; it ends by `_exit`.
        match unsafe { nix::unistd::fork() }.unwrap() {
            nix::unistd::ForkResult::Child => {
                test_support::child::limit_life();
                let lock = Arc::new(Mutex::new(()));
                let _held = lock.lock().unwrap();
                let wanted = lock.clone();
                let waits = target(move || drop(wanted.lock())).blocked_in(libc::SYS_futex);
                let own = gettid();
                wait_until("its holder is told", || holder_of(&waits) == Some(own));
                // SAFETY: no arguments that matter.
                unsafe { libc::_exit(0) }
            }
            nix::unistd::ForkResult::Parent { child } => {
                let ended = nix::sys::wait::waitpid(child, None);
                assert_eq!(ended, Ok(nix::sys::wait::WaitStatus::Exited(child, 0)));
            }
        }
    });
}

#[test]
fn the_holder_of_a_files_lock_is_told() {
    let own = std::process::id().cast_signed();
    let path = std::env::temp_dir().join(format!("eintr-dump-{own}"));
    let [held, wanted] = [(); 2].map(|()| File::create(&path).unwrap());
    let number = held.as_raw_fd();
    let descriptor = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
    let locks = std::fs::read_to_string("/proc/locks");
    if !descriptor.contains("ino:") || locks.is_err() {
        eprintln!("skipped: the kernel (before 5.14, or an emulator's) does not tell of locks");
        return;
    }
    alone(|| {
        held.lock().unwrap();
        let stuck = target(move || wanted.lock().unwrap()).blocked_in(libc::SYS_flock);
        let holder = thread_of(&stuck).held_by;
        assert!(matches!(holder, Some(Holder::Process { pid, .. }) if pid == own), "{holder:?}");
        std::fs::remove_file(&path).unwrap();
        drop(held);
        stuck.result();
    });
}

/// Mounts two file systems for this process alone, which has no other threads: the first files on them have one inode
/// number. Whether it may.
fn mount_two(places: &[PathBuf; 2]) -> bool {
    // SAFETY: no pointers.
    let apart = [libc::CLONE_NEWNS, libc::CLONE_NEWNS | libc::CLONE_NEWUSER]
        .into_iter()
        .any(|flags| unsafe { libc::unshare(flags) } == 0);
    let mount = |kind: &CStr, at: &CStr, flags| {
        // SAFETY: strings that are borrowed.
        unsafe {
            libc::mount(kind.as_ptr(), at.as_ptr(), kind.as_ptr(), flags, std::ptr::null()) == 0
        }
    };
    let tmpfs = |place: &PathBuf| {
        let place = CString::new(place.as_os_str().as_bytes()).unwrap();
        mount(c"tmpfs", &place, 0)
    };
    apart && mount(c"none", c"/", libc::MS_REC | libc::MS_PRIVATE) && places.iter().all(tmpfs)
}

/// A process that has the file's lock of fcntl's, until it is killed.
fn holding(file: &File) -> nix::unistd::Pid {
    let (told, tell) = pipe();
    // SAFETY: the child makes syscalls.
    match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Child => {
            test_support::child::limit_life();
            nix::fcntl::fcntl(file, nix::fcntl::FcntlArg::F_SETLK(&all(libc::F_WRLCK))).unwrap();
            nix::unistd::write(&tell, b"x").unwrap();
            loop {
                nix::unistd::pause();
            }
        }
        nix::unistd::ForkResult::Parent { child } => {
            drop(tell);
            assert_eq!(nix::unistd::read(&told, &mut [0]), Ok(1));
            child
        }
    }
}

/// All of a file, for fcntl.
fn all(kind: i32) -> libc::flock {
    let [l_type, l_whence] = [kind, libc::SEEK_SET].map(|value| value as libc::c_short);
    libc::flock { l_type, l_whence, l_start: 0, l_len: 0, l_pid: 0 }
}

#[test]
fn files_of_one_inode_are_told_apart_by_their_devices() {
    if skipped_under_emulation("file systems of its own", "the list of locks is the kernel's") {
        return;
    }
    alone(|| {
        let places = ["one", "other"].map(|place| {
            std::env::temp_dir().join(format!("eintr-dump-{}-{place}", std::process::id()))
        });
        places.iter().for_each(|place| std::fs::create_dir(place).unwrap());
        // SAFETY: the child allocates and makes threads, which glibc's handlers allow; it ends by `_exit`.
        match unsafe { nix::unistd::fork() }.unwrap() {
            nix::unistd::ForkResult::Child => {
                test_support::child::limit_life();
                if !mount_two(&places) {
                    eprintln!("skipped: one inode on two devices (nothing may be mounted here)");
                }
                let files = places.map(|place| {
                    [(); 2].map(|()| {
                        let options =
                            File::options().write(true).create(true).truncate(false).clone();
                        options.open(place.join("file")).unwrap()
                    })
                });
                let [[held, wanted], [others, others_wanted]] = files;
                held.lock().unwrap();
                let other = holding(&others);
                let flocks = target(move || wanted.lock()).blocked_in(libc::SYS_flock);
                let locks = target(move || {
                    let wait = nix::fcntl::FcntlArg::F_SETLKW(&all(libc::F_WRLCK));
                    nix::fcntl::fcntl(others_wanted, wait).is_err()
                });
                let locks = locks.blocked_in(libc::SYS_fcntl);
                let holder = |thread| match thread {
                    Some(Holder::Process { pid, .. }) => pid,
                    _ => 0,
                };
                let told = [thread_of(&flocks).held_by, thread_of(&locks).held_by].map(holder);
                let expected = [std::process::id().cast_signed(), other.as_raw()];
                if told != expected {
                    eprintln!("{told:?}, not {expected:?}");
                }
                // SAFETY: no pointers; no arguments that matter.
                unsafe {
                    libc::kill(other.as_raw(), libc::SIGKILL);
                    libc::_exit(i32::from(told != expected))
                }
            }
            nix::unistd::ForkResult::Parent { child } => {
                let ended = nix::sys::wait::waitpid(child, None);
                places.iter().for_each(|place| std::fs::remove_dir_all(place).unwrap());
                assert_eq!(ended, Ok(nix::sys::wait::WaitStatus::Exited(child, 0)));
            }
        }
    });
}

#[test]
fn a_child_and_a_sockets_peer_are_processes() {
    alone(|| {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id().cast_signed();
        let waiter = target(move || {
            let _ = child.wait();
            child.wait().unwrap();
        });
        wait_until_blocked(waiter.tid, libc::SYS_wait4);
        let thread = thread_of(&waiter);
        let holder = Holder::Process { pid, name: "sleep".into() };
        assert!(format!("{:?}", thread.held_by) == format!("{:?}", Some(holder)), "{thread:?}");
        assert!(!thread.to_string().contains("held by"), "it is told once: {thread}");
        // SAFETY: no pointers; the child is not reaped before this.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        waiter.result();

        let (one, other) = UnixStream::pair().unwrap();
        let reader = target(move || own_read(one).is_ok());
        wait_until_blocked(reader.tid, libc::SYS_read);
        let what = thread_of(&reader).waits_on.unwrap();
        let peer = format!("Unix socket, peer process {} (", std::process::id());
        assert!(what.starts_with(&peer), "{what}");
        drop(other);
        reader.result();
    });
}

#[test]
fn a_process_is_told_by_its_descriptor() {
    if skipped_under_emulation("a pidfd", "not every emulator has them") {
        return;
    }
    alone(|| {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id();
        let waiter = target(move || {
            // SAFETY: the descriptor that is made is nobody else's.
            let pidfd =
                unsafe { OwnedFd::from_raw_fd(libc::syscall(libc::SYS_pidfd_open, pid, 0) as i32) };
            let _ = eintr::process::waitid(
                eintr::process::WaitId::PidFd(pidfd.as_fd()),
                eintr::process::WaitOptions::EXITED,
            );
        });
        wait_until_blocked(waiter.tid, libc::SYS_waitid);
        let what = thread_of(&waiter).waits_on.unwrap();
        assert!(what.starts_with(&format!("process {pid} (sleep), ")), "{what}");
        child.kill().unwrap();
        waiter.result();
        let _ = child.wait();
    });
}

#[cfg(feature = "stacks")]
#[test]
fn the_programs_frame_is_marked_and_libraries_frames_are_folded() {
    #[inline(never)]
    fn at_three_in_the_morning(lock: &std::sync::Mutex<()>) -> bool {
        std::hint::black_box(lock.lock().is_ok())
    }
    if skipped_under_emulation("names of functions", "they are looked up too slowly") {
        return;
    }
    alone(|| {
        let lock = Arc::new(std::sync::Mutex::new(()));
        let held = lock.lock().unwrap();
        let wanted = lock.clone();
        let stuck = target(move || at_three_in_the_morning(&wanted)).blocked_in(libc::SYS_futex);
        let (mut stack, mut dump) = (None, eintr::dump());
        wait_until("its stack is told", || {
            dump = eintr::dump();
            stack = of(stuck.tid, &dump).thread.as_ref().unwrap().stack.clone();
            stack.is_some()
        });
        let stack = stack.unwrap();
        let told = "\n    held by: std's Mutex does not tell its owner\n";
        if tables::has_none(stack.frames()[0].address) {
            // It is told no further than musl's function: nobody's is marked, and no lock of std's is seen.
            assert!(!format!("\n{stack:#}").contains("\n>"), "{stack:#}");
            assert!(!of(stuck.tid, &dump).to_string().contains(told), "{dump}");
            drop(held);
            stuck.result();
            return;
        }
        let [folded, whole] = [format!("{stack}"), format!("{stack:#}")];
        let marked: Vec<_> = whole.lines().filter(|line| line.starts_with('>')).collect();
        assert!(marked.len() == 1 && marked[0].contains("at_three_in_the_morning"), "{whole}");
        assert!(folded.contains(marked[0]) && folded.contains(" more of libraries"), "{folded}");
        assert!(folded.lines().count() < whole.lines().count());
        let report = of(stuck.tid, &dump);
        assert!(report.thread.as_ref().unwrap().held_by.is_none(), "{report}");
        assert!(report.to_string().contains(told), "{report}");
        drop(held);
        stuck.result();

        let lock = Arc::new(std::sync::RwLock::new(()));
        let held = lock.write().unwrap();
        let wanted = lock.clone();
        let stuck = target(move || drop(wanted.read())).blocked_in(libc::SYS_futex);
        let told = "\n    held by: std's RwLock does not tell its owner\n";
        wait_until("its lock is told", || of(stuck.tid, &eintr::dump()).to_string().contains(told));
        drop(held);
        stuck.result();
    });
}

/// This process's own memory, in bytes.
#[cfg(feature = "stacks")]
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// The program's file is read for the names, and an allocator would keep the room for it, once for each thread.
#[cfg(feature = "stacks")]
#[test]
fn nothing_of_the_programs_file_stays_behind() {
    let program = std::fs::metadata(std::env::current_exe().unwrap()).unwrap().len();
    if program < 4 << 20 {
        eprintln!("skipped: what stays behind (the program is so small that it could not be told)");
        return;
    }
    if skipped_under_emulation("memory", "it is the emulator's") {
        return;
    }
    alone(|| {
        let (reader, writer) = pipe();
        let stuck = target(move || own_read(reader)).blocked_in(libc::SYS_read);
        let before = memory();
        for _ in 0..4 {
            // Those of threads that have ended are there for the next.
            std::thread::spawn(|| drop(eintr::dump().to_string())).join().unwrap();
            drop(eintr::dump().to_string());
        }
        let after = memory();
        assert!(after < before + program, "{before} + {program}: {after}");
        drop(writer);
        let _ = stuck.result();
    });
}

/// Ends the program where it is shown.
#[derive(Debug)]
struct Exit;

impl std::error::Error for Exit {}

impl std::fmt::Display for Exit {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // SAFETY: no arguments that matter.
        unsafe { libc::_exit(0) }
    }
}

/// The header would have been written by then.
#[test]
fn one_in_progress_at_exit_is_absent() {
    const SHOWS: &str = "EINTR_SHOWS_A_DUMP";
    if std::env::var_os(SHOWS).is_some() {
        let (task, interrupter) = eintr::task();
        interrupter.interrupt_with(Exit);
        task.run(|| {
            let _ = writeln!(std::io::stderr(), "{}", eintr::dump());
        });
        panic!("it has ended");
    }
    let Some(mut program) = test_support::child::this_test() else { return };
    program.env(SHOWS, "");
    alone(|| {
        let output = program.output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && told.is_empty(), "{told}");
    });
}
