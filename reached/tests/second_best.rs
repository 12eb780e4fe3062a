//! Reach where dispatch is missing: the second-best way.
//!
//! This process forbids itself the prctl by a seccomp filter before it first uses the library, as a
//! sandbox would. (On aarch64 the kernel has none to forbid.) Then plain calls are made as in
//! `reach.rs`.

use std::io::{self, Read};
use std::net::{TcpListener, UdpSocket};
use std::sync::{Once, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use eintr::{Interrupted, Road};
use eintr_reached::{CASES, scene};
use test_support::{
    gettid, skipped_under_emulation, times_asleep, wait_until, wait_until_blocked, watched,
};

fn forbid_dispatch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if cfg!(target_arch = "x86_64") {
            filter();
        }
        let support = eintr::support();
        assert_eq!(support.reach, Road::SecondBest, "{support}");
    });
}

/// Allows everything but `prctl(PR_SET_SYSCALL_USER_DISPATCH)`, which gets EPERM.
fn filter() {
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let jump = |k: u32, jf: u8| {
        let code = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
        libc::sock_filter { code, jt: 0, jf, k }
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let answer = libc::BPF_RET | libc::BPF_K;
    let mut program = [
        statement(load, 0), // the number
        jump(libc::SYS_prctl as u32, 3),
        statement(load, 16), // the first argument
        jump(59, 1),
        statement(answer, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        statement(answer, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: numbers, and a program that lives through the call. All threads are to be under the
    // filter.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let flags = libc::SECCOMP_FILTER_FLAG_TSYNC;
        let set = libc::SECCOMP_SET_MODE_FILTER;
        assert_eq!(libc::syscall(libc::SYS_seccomp, set, flags, &raw const program), 0);
    }
}

fn interrupted_in<T: Send + 'static>(
    name: &str,
    syscall: i64,
    call: impl FnOnce() -> T + Send + 'static,
) -> T {
    forbid_dispatch();
    watched(name, || {
        let (tell, told) = mpsc::channel();
        let worker = eintr::spawn(move || {
            tell.send(gettid()).unwrap();
            call()
        });
        wait_until_blocked(told.recv().unwrap(), syscall);
        worker.interrupt();
        worker.join().unwrap()
    })
}

fn is_refused<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|error| Interrupted::of(&error).is_some())
}

#[test]
fn accept_does_not_retry_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let accept = move || is_refused(listener.accept());
    assert!(interrupted_in("accept", libc::SYS_accept4, accept));
}

#[test]
fn recv_with_a_timeout() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(3600))).unwrap();
    let receive = move || is_refused(socket.recv_from(&mut [0; 8]));
    assert!(interrupted_in("recv_from", libc::SYS_recvfrom, receive));
}

#[test]
fn read_exact_on_a_pipe() {
    let (mut reader, writer) = io::pipe().unwrap();
    let read = move || {
        let refused = is_refused(reader.read_exact(&mut [0; 8]));
        drop(writer);
        refused
    };
    assert!(interrupted_in("read_exact", libc::SYS_read, read));
}

#[test]
fn sleep_ends() {
    interrupted_in("sleep", libc::SYS_clock_nanosleep, || thread::sleep(Duration::MAX));
}

/// The scenes of the example `reached`, each asked while it sleeps.
#[test]
fn every_foreign_call_comes_back() {
    forbid_dispatch();
    for case in CASES.into_iter().flatten() {
        let scene::Scene { when, ends, mut call, release } = match (case.managed)() {
            Ok(scene) => scene,
            Err(why) => {
                eprintln!("skipped: {why}");
                continue;
            }
        };
        watched(&format!("{} ({})", case.call, case.by.name()), || {
            let (tell, told) = mpsc::channel();
            let worker = eintr::spawn(move || {
                tell.send(gettid()).unwrap();
                ends.of(&mut call)
            });
            let tid = told.recv().unwrap();
            wait_until("the call sleeps", || when.has_come(tid));
            worker.interrupt();
            let (result, _, documented) = worker.join().unwrap();
            assert!(documented, "{}: {result:?}", case.call);
        });
        scene::let_go(release);
    }
}

/// A wait that nothing may end (a foreign lock's) is disturbed by the repeated signal, less and less
/// often; and by none once nothing is pending.
#[test]
fn signals_back_off_and_fall_silent() {
    const SEEN: Duration = Duration::from_millis(400);
    if skipped_under_emulation("signals are counted", "the emulator goes to sleep by itself") {
        return;
    }
    forbid_dispatch();
    watched("signals", || {
        let (tell, told) = mpsc::channel();
        let (end_first, first_ends) = mpsc::channel::<()>();
        let (end_second, second_ends) = mpsc::channel::<()>();
        let worker = eintr::spawn(move || {
            tell.send(gettid()).unwrap();
            first_ends.recv().unwrap();
            assert!(eintr::take().is_some());
            tell.send(gettid()).unwrap();
            second_ends.recv().unwrap();
        });
        let tid = told.recv().unwrap();
        wait_until_blocked(tid, libc::SYS_futex);
        let (before, asked) = (times_asleep(tid), Instant::now());
        worker.interrupt();
        wait_until("it is sent again", || times_asleep(tid) >= before + 2);
        thread::sleep(SEEN);
        let (times, time) = (times_asleep(tid) - before, asked.elapsed());
        // The request's own signal; then after 1 ms, 2 ms, 4 ... 32 ms, and every 50 ms.
        let most = 1 + 6 + time.as_millis() as u64 / 50;
        assert!(times <= most, "{times} times in {time:?}, {most} at most");

        end_first.send(()).unwrap();
        told.recv().unwrap();
        wait_until_blocked(tid, libc::SYS_futex);
        let before = times_asleep(tid);
        thread::sleep(SEEN);
        assert_eq!(times_asleep(tid), before, "nothing is pending");
        end_second.send(()).unwrap();
        worker.join().unwrap();
    });
}

/// Another call is made at the same instruction and on the same stack as the one that the requester saw.
/// It is not answered in that one's place: for a sleep, a poll's error is none. (On aarch64 a call
/// that returned keeps its number.)
#[cfg(target_arch = "x86_64")]
#[test]
fn one_call_is_not_taken_for_another() {
    interrupted_in("a poll, then a sleep", libc::SYS_ppoll, || {
        let hour = libc::timespec { tv_sec: 3600, tv_nsec: 0 };
        let time = &raw const hour as i64;
        let poll = [libc::SYS_ppoll, 0, 0, time];
        let sleep = [libc::SYS_clock_nanosleep, libc::CLOCK_MONOTONIC.into(), 0, time];
        let errors = [poll, sleep, sleep].map(|[number, first, second, third]| {
            // SAFETY: no descriptors; a time that is read; what is left of it is written nowhere.
            let result = unsafe { libc::syscall(number, first, second, third, 0, 0) };
            assert_eq!(result, -1);
            io::Error::last_os_error().raw_os_error().unwrap()
        });
        assert_eq!(errors, [libc::ECANCELED, libc::EINTR, libc::EINTR]);
    });
}

/// Code at the start of a page, with nothing before it, that looks like the return from an
/// interrupted syscall: -EINTR is in the register. It runs until the flag is set.
#[cfg(target_arch = "x86_64")]
#[test]
fn nothing_is_read_where_nothing_is() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    const CODE: &[u8] = &[
        0x83, 0x3f, 0x00, // start: cmp dword ptr [rdi], 0
        0x74, 0xfb, // je start
        0xc3, // ret
        0x48, 0xc7, 0xc0, 0xfc, 0xff, 0xff, 0xff, // entry: mov rax, -4
        0xeb, 0xf1, // jmp start
    ];
    const ENTRY: usize = 6;
    const PAGE: usize = 4096;

    forbid_dispatch();
    // SAFETY: two new pages: one that nobody may touch, and one of code.
    let entry = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let pages = libc::mmap(std::ptr::null_mut(), 2 * PAGE, libc::PROT_NONE, flags, -1, 0);
        let code = pages.byte_add(PAGE);
        assert_eq!(libc::mprotect(code, PAGE, libc::PROT_READ | libc::PROT_WRITE), 0);
        std::ptr::copy_nonoverlapping(CODE.as_ptr(), code.cast(), CODE.len());
        // Execution only: where the processor has protection keys, it cannot be read either.
        assert_eq!(libc::mprotect(code, PAGE, libc::PROT_EXEC), 0);
        std::mem::transmute::<*mut libc::c_void, extern "C" fn(*const AtomicU32)>(
            code.byte_add(ENTRY),
        )
    };
    watched("code at a page's start", || {
        let flag = Arc::new(AtomicU32::new(0));
        let inside = flag.clone();
        let (tell, told) = mpsc::channel();
        let worker = eintr::spawn(move || {
            tell.send(()).unwrap();
            entry(inside.as_ptr().cast());
        });
        told.recv().unwrap();
        worker.interrupt();
        // The signal is repeated until then.
        let shots = worker.interrupter().interrupt().wait(Duration::from_millis(300));
        assert!(matches!(shots, eintr::Outcome::Stuck(_)), "{shots:?}");
        flag.store(1, Ordering::SeqCst);
        worker.join().unwrap();
    });
}
