//! Sandboxes that refuse what we ask of the kernel, and were there before us or come later (S27).
//!
//! The tests here work like this: a filter is the process's, so each case runs in a process of its
//! own. It forbids itself a syscall, before the first use or after, and then does what others do.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use eintr::{Obstacle, Outcome, Road, Signal, TimedOut};
use libc::{SIGUSR1, SIGUSR2};
use test_support::child;
use test_support::seccomp::{filter, filter_by_list, filter_if};
use test_support::signals;
use test_support::signals::{RUNS, count};
use test_support::target;
use test_support::target::{came_back, is_interrupt, own_read, pipe, plain_read, target};
use test_support::{gettid, skipped_under_emulation, wait_until_blocked, watched};

/// Runs a case in a process of its own, where there can be filters.
fn alone(case: impl FnOnce()) {
    if !skipped_under_emulation(&child::test(), "a seccomp filter is for the emulator's syscalls") {
        child::alone(case);
    }
}

/// No signal can be sent together with a value any more.
fn forbid_queueing(errno: i32) {
    filter(libc::SYS_rt_tgsigqueueinfo, libc::SECCOMP_RET_ERRNO | errno as u32);
}

/// All that a request and a deadline do.
fn all_works() {
    let support = eintr::support();
    assert_eq!(support.own_calls, Road::Exact, "{support}");
    for _ in 0..10 {
        let (reader, _writer) = pipe();
        let stuck = target(move || own_read(reader)).blocked_in(libc::SYS_read).interrupted();
        assert!(is_interrupt(&stuck.result()));
        for reach in [true, false] {
            let (reader, _writer) = pipe();
            let plain = move || (plain_read(reader), eintr::checkpoint().is_err());
            let stuck = target::spawn(reach, plain).blocked_in(libc::SYS_read).interrupted();
            let (read, raised) = stuck.result();
            assert!(came_back(&read) && raised);
        }
        let (reader, _writer) = pipe();
        let in_vain = || own_read(&reader).map_err(|_| Told::Own);
        assert_eq!(eintr::timeout(Duration::from_millis(1), in_vain), Err(Told::TimedOut));
    }
    let (reader, writer) = pipe();
    let stuck = target(move || own_read(reader)).blocked_in(libc::SYS_read);
    let report = stuck.thread.interrupter().report();
    assert!(report.to_string().contains("read"), "{report}");
    nix::unistd::write(&writer, b"x").unwrap();
    assert_eq!(stuck.result().unwrap(), b'x');
}

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Own,
    TimedOut,
}

impl From<TimedOut> for Told {
    fn from(_: TimedOut) -> Self {
        Self::TimedOut
    }
}

/// Requests and shots of timers come thick and fast, and the thread takes them: some signals come
/// when another has been taken for them. None has the default action, which is the process's end.
fn none_is_left_over() {
    let busy = target(|| {
        for _ in 0..4_000 {
            eintr::within(Duration::from_micros(20), || {
                let _ = eintr::time::sleep(Duration::from_micros(30));
            });
            while eintr::take().is_some() {}
        }
    });
    while !busy.thread.is_finished() {
        busy.thread.interrupt();
    }
    busy.result();
    // Such a one looks like this.
    signals::send(gettid(), signals::ours());
}

#[test]
fn no_queueing_from_the_start() {
    alone(|| {
        forbid_queueing(libc::EPERM);
        all_works();
        none_is_left_over();
    });
}

#[test]
fn no_queueing_later() {
    alone(|| {
        eintr::spawn(eintr::checkpoint).join().unwrap().unwrap();
        all_works();
        forbid_queueing(libc::ENOSYS);
        all_works();
        none_is_left_over();
    });
}

#[test]
fn no_queueing_of_a_real_time_signal() {
    alone(|| {
        eintr::install(Signal::real_time(3)).unwrap();
        forbid_queueing(libc::EPERM);
        all_works();
        none_is_left_over();
    });
}

/// Ours are not for the handler that was there before, and its own go on to it.
#[test]
fn no_queueing_beside_a_handler() {
    alone(|| {
        signals::handle(SIGUSR1, count, libc::SA_RESTART, &[]);
        eintr::install(Signal::USR1).unwrap();
        forbid_queueing(libc::EPERM);
        all_works();
        assert_eq!(RUNS.load(SeqCst), 0);
        for sent in 1..=10 {
            signals::send(gettid(), SIGUSR1);
            assert_eq!(RUNS.load(SeqCst), sent);
        }
        // Also to a thread that has been asked, and has heard of it.
        let asked = target(|| {
            eintr::Interrupter::current().unwrap().interrupt();
            signals::send(gettid(), SIGUSR1);
        });
        asked.result();
        assert_eq!(RUNS.load(SeqCst), 11);
    });
}

#[test]
fn no_signals_at_all() {
    alone(|| {
        eintr::spawn(eintr::checkpoint).join().unwrap().unwrap();
        forbid_queueing(libc::EPERM);
        let (reader, writer) = pipe();
        let stuck = target(move || (own_read(reader), eintr::checkpoint().is_err()));
        let stuck = stuck.blocked_in(libc::SYS_read);
        filter(libc::SYS_tgkill, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32);
        let outcome = stuck.thread.interrupt().wait(Duration::ZERO);
        assert!(matches!(outcome, Outcome::Undeliverable(_)), "{outcome:?}");
        let support = eintr::support();
        assert_eq!([support.own_calls, support.reach], [Road::Absent; 2], "{support}");
        assert_eq!(support.own_calls_obstacle, Some(Obstacle::Sandbox));
        assert_eq!(support.reach_obstacle, Some(Obstacle::Sandbox));
        nix::unistd::write(&writer, b"x").unwrap();
        assert!(matches!(stuck.result(), (Ok(b'x'), true)));
    });
}

/// It kills whoever makes that syscall.
fn trap(syscall: libc::c_long) {
    filter(syscall, libc::SECCOMP_RET_TRAP);
}

#[test]
fn a_trap_of_queueing_from_the_start() {
    alone(|| {
        trap(libc::SYS_rt_tgsigqueueinfo);
        all_works();
        none_is_left_over();
    });
}

#[test]
fn a_trap_of_queueing_later() {
    alone(|| {
        all_works();
        trap(libc::SYS_rt_tgsigqueueinfo);
        all_works();
        none_is_left_over();
    });
}

/// A handler that was there before, and knows nothing of it.
#[test]
fn a_trap_of_queueing_that_a_handler_leaves() {
    alone(|| {
        signals::handle(libc::SIGSYS, count, 0, &[]);
        trap(libc::SYS_rt_tgsigqueueinfo);
        all_works();
        assert_ne!(RUNS.load(SeqCst), 0);
    });
}

fn is_second_best_by(obstacle: Obstacle) {
    let support = eintr::support();
    assert_eq!((support.reach, support.reach_obstacle), (Road::SecondBest, Some(obstacle)));
}

/// There our handler of SIGSYS has nothing else to do.
#[test]
fn a_trap_of_queueing_where_there_is_no_dispatch() {
    alone(|| {
        trap(libc::SYS_rt_tgsigqueueinfo);
        // The filters themselves are set by prctl: that comes last.
        filter(libc::SYS_prctl, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32);
        all_works();
        is_second_best_by(Obstacle::Sandbox);
    });
}

/// As a kernel answers that has never heard of it. One that is not so old has.
#[test]
fn an_old_kernel() {
    alone(|| {
        filter(libc::SYS_prctl, libc::SECCOMP_RET_ERRNO | libc::EINVAL as u32);
        all_works();
        let is_old = is_older_than_dispatch();
        is_second_best_by(if is_old { Obstacle::Kernel } else { Obstacle::Sandbox });
    });
}

fn is_older_than_dispatch() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split('.').map(|number| number.parse::<u32>());
    let numbers = [(); 2].map(|()| numbers.next().unwrap().unwrap());
    numbers < [5, 11]
}

#[test]
fn a_trap_of_dispatch_from_the_start() {
    alone(|| {
        trap(libc::SYS_prctl);
        all_works();
        is_second_best_by(Obstacle::Sandbox);
    });
}

#[test]
fn a_trap_of_dispatch_later() {
    alone(|| {
        all_works();
        trap(libc::SYS_prctl);
        all_works();
        is_second_best_by(Obstacle::Sandbox);
    });
}

const NOT_PERMITTED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const UNKNOWN: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
const INVALID: u32 = libc::SECCOMP_RET_ERRNO | libc::EINVAL as u32;
const DISPATCH: Option<u32> = Some(59);

/// A syscall, its first argument if only that one is refused, and the answer.
type Refusal = (libc::c_long, Option<u32>, u32);

/// In a sandbox of that kind all works, and what is no better there is told, with what makes it so: plain calls, deadlines.
fn is_told(sandbox: &[Refusal], reach: Option<Obstacle>, deadlines: Option<Obstacle>) {
    // One that forbids dispatch, by which filters are set here, comes last.
    let enter = || {
        sandbox.iter().for_each(|(syscall, first, answer)| filter_if(*syscall, *first, *answer));
    };
    is_told_inside(enter, reach, deadlines);
}

fn is_told_inside(enter: impl FnOnce(), reach: Option<Obstacle>, deadlines: Option<Obstacle>) {
    if !child::has_dispatch() {
        return;
    }
    alone(|| {
        enter();
        all_works();
        let support = eintr::support();
        let road = |obstacle: Option<Obstacle>| obstacle.map_or(Road::Exact, |_| Road::SecondBest);
        assert_eq!((support.reach, support.reach_obstacle), (road(reach), reach), "{support}");
        assert_eq!(support.deadlines, road(deadlines), "{support}");
        assert_eq!(support.deadlines_obstacle, deadlines, "{support}");
        let told = support.to_string();
        let obstacles = [reach, deadlines].into_iter().flatten();
        obstacles.for_each(|obstacle| assert!(told.contains(&obstacle.to_string()), "{told}"));
    });
}

#[test]
fn none_is_told() {
    is_told(&[], None, None);
}

/// In namespaces of its own, of all kinds, without privileges: the rows that say what is told, once more.
#[test]
fn bubblewrap_is_no_obstacle() {
    if skipped_under_emulation("bubblewrap", "the emulator is not to be found inside") {
        return;
    }
    watched("bubblewrap_is_no_obstacle", || {
        let inside = |program: &Path| {
            let mut wrapped = Command::new("bwrap");
            wrapped.args(["--unshare-all", "--die-with-parent", "--ro-bind", "/", "/"]);
            wrapped.args(["--dev", "/dev", "--proc", "/proc"]).arg(program);
            wrapped
        };
        let may = inside(Path::new("true")).output();
        if !may.is_ok_and(|output| output.status.success()) {
            return eprintln!("skipped: bubblewrap: it is not there, or may make no namespaces");
        }
        let program = std::env::current_exe().unwrap();
        let output = inside(&program).arg("_is_told").output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains("none_is_told ... ok"), "{told}");
    });
}

/// Docker's list, as far as this library could care: what is for who administers the machine, io_uring, and a clone3 that is not known.
#[test]
fn dockers_is_told() {
    let refused = [
        libc::SYS_bpf,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_perf_event_open,
        libc::SYS_kcmp,
        libc::SYS_userfaultfd,
        libc::SYS_personality,
        libc::SYS_clock_settime,
        libc::SYS_settimeofday,
        libc::SYS_syslog,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_mbind,
        libc::SYS_set_mempolicy,
        libc::SYS_get_mempolicy,
        libc::SYS_move_pages,
        libc::SYS_pidfd_getfd,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
    ];
    let refused = refused.map(|syscall| (syscall, None, NOT_PERMITTED));
    // So that libc takes clone, whose flags a filter can see.
    let sandbox = [&refused[..], &[(libc::SYS_clone3, None, UNKNOWN)]].concat();
    is_told(&sandbox, None, None);
}

/// What `SystemCallFilter=@system-service` of a service unit does not allow, by `systemd-analyze syscall-filter` of version 252; without
/// what no kernel of ours knows.
const NOT_A_SERVICES: &[libc::c_long] = &[
    libc::SYS_mincore,
    libc::SYS_ptrace,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    libc::SYS_pivot_root,
    libc::SYS_adjtimex,
    libc::SYS_chroot,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    libc::SYS_init_module,
    libc::SYS_delete_module,
    libc::SYS_quotactl,
    libc::SYS_nfsservctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_clock_settime,
    libc::SYS_kexec_load,
    libc::SYS_perf_event_open,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_open_by_handle_at,
    libc::SYS_clock_adjtime,
    libc::SYS_finit_module,
    libc::SYS_seccomp,
    libc::SYS_kexec_file_load,
    libc::SYS_bpf,
    libc::SYS_pkey_mprotect,
    libc::SYS_pkey_alloc,
    libc::SYS_pkey_free,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_pidfd_getfd,
    libc::SYS_mount_setattr,
    libc::SYS_quotactl_fd,
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self,
    libc::SYS_memfd_secret,
    libc::SYS_process_mrelease,
];

/// The first that is later than that list.
const LATER: libc::c_long = 453;

/// With `SystemCallErrorNumber=EPERM`, as systemd.exec(5) writes such a unit.
#[test]
fn a_services_is_told() {
    let enter = || filter_by_list(NOT_A_SERVICES, LATER, NOT_PERMITTED);
    is_told_inside(enter, None, None);
}

/// And without: who makes such a call is killed. We make none.
#[test]
fn a_services_that_kills_is_told() {
    let enter = || filter_by_list(NOT_A_SERVICES, LATER, libc::SECCOMP_RET_KILL_PROCESS);
    is_told_inside(enter, None, None);
}

/// With `SystemCallFilter=~@privileged @resources` below it.
#[test]
fn a_hardened_services_is_told() {
    let refused = [
        #[cfg(target_arch = "x86_64")]
        libc::SYS_chown,
        libc::SYS_fchown,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_lchown,
        libc::SYS_setuid,
        libc::SYS_setreuid,
        libc::SYS_setgroups,
        libc::SYS_setresuid,
        libc::SYS_setfsuid,
        libc::SYS_capset,
        libc::SYS_setpriority,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setscheduler,
        libc::SYS_setrlimit,
        libc::SYS_sched_setaffinity,
        libc::SYS_mbind,
        libc::SYS_set_mempolicy,
        libc::SYS_ioprio_set,
        libc::SYS_migrate_pages,
        libc::SYS_fchownat,
        libc::SYS_move_pages,
        libc::SYS_sched_setattr,
        libc::SYS_set_mempolicy_home_node,
    ];
    let refused = [NOT_A_SERVICES, &refused].concat();
    let enter = || filter_by_list(&refused, LATER, libc::SECCOMP_RET_KILL_PROCESS);
    is_told_inside(enter, None, None);
}

#[test]
fn one_like_gvisor_is_told() {
    let sandbox = [(libc::SYS_prctl, DISPATCH, INVALID)];
    is_told(&sandbox, Some(Obstacle::Sandbox), None);
}

#[test]
fn one_without_dispatch_is_told() {
    let sandbox = [(libc::SYS_prctl, DISPATCH, NOT_PERMITTED)];
    is_told(&sandbox, Some(Obstacle::Sandbox), None);
}

#[test]
fn one_that_traps_dispatch_is_told() {
    let sandbox = [(libc::SYS_prctl, DISPATCH, libc::SECCOMP_RET_TRAP)];
    is_told(&sandbox, Some(Obstacle::Sandbox), None);
}

#[test]
fn one_without_what_we_can_do_without_is_told() {
    let sandbox = [
        (libc::SYS_rt_tgsigqueueinfo, None, NOT_PERMITTED),
        (libc::SYS_membarrier, None, UNKNOWN),
        (libc::SYS_process_vm_readv, None, UNKNOWN),
        (libc::SYS_process_vm_writev, None, UNKNOWN),
    ];
    is_told(&sandbox, None, None);
}

#[test]
fn one_without_tgkill_is_told() {
    let sandbox = [(libc::SYS_tgkill, None, NOT_PERMITTED)];
    is_told(&sandbox, None, None);
}

#[test]
fn one_without_timers_is_told() {
    let sandbox = [(libc::SYS_timer_create, None, NOT_PERMITTED)];
    is_told(&sandbox, None, Some(Obstacle::NoTimer));
}

#[test]
fn a_poor_one_is_told() {
    let sandbox = [
        (libc::SYS_rt_tgsigqueueinfo, None, UNKNOWN),
        (libc::SYS_process_vm_readv, None, UNKNOWN),
        (libc::SYS_process_vm_writev, None, UNKNOWN),
        (libc::SYS_prctl, DISPATCH, INVALID),
    ];
    is_told(&sandbox, Some(Obstacle::Sandbox), None);
}

/// It comes to a thread that is reached: dispatch stays on, and what is stopped is made as asked.
fn no_end_of_dispatch(answer: u32) {
    let keeps = target(move || {
        let (reader, _writer) = pipe();
        let interrupter = eintr::Interrupter::current().unwrap();
        for asked in 0..3 {
            interrupter.interrupt();
            assert!(came_back(&plain_read(&reader)));
            if asked == 0 {
                filter(libc::SYS_prctl, answer);
            }
            assert!(eintr::take().is_some());
            lives_on();
        }
        // Nor is a request lost that finds it in a call of ours, or in a plain one.
        for own in [true, false] {
            let (interrupter, tid) = (interrupter.clone(), gettid());
            let requester = thread::spawn(move || {
                wait_until_blocked(tid, libc::SYS_read);
                interrupter.interrupt();
            });
            let is_back = match own {
                true => is_interrupt(&own_read(&reader)),
                false => came_back(&plain_read(&reader)),
            };
            assert!(is_back);
            requester.join().unwrap();
            assert!(eintr::take().is_some());
        }
    });
    keeps.result();
    all_works();
}

/// Calls of all kinds: those that act on the thread itself, that make threads and children, that wait.
fn lives_on() {
    let (reader, writer) = pipe();
    let write = thread::spawn(move || nix::unistd::write(writer, b"x"));
    assert_eq!(plain_read(&reader).unwrap(), b'x');
    assert_eq!(write.join().unwrap(), Ok(1));
    for _ in 0..3 {
        assert!(Command::new("true").status().unwrap().success());
        // With something to do in the child: by fork.
        let mut forking = Command::new("true");
        // SAFETY: it does nothing.
        unsafe { forking.pre_exec(|| Ok(())) };
        assert!(forking.status().unwrap().success());
        signals::handle(SIGUSR2, count, 0, &[]);
        let before = RUNS.load(SeqCst);
        signals::send(gettid(), SIGUSR2);
        assert_eq!(RUNS.load(SeqCst), before + 1);
        thread::sleep(Duration::from_millis(1));
    }
    // Where std makes the fstat of what it reads (here a report does, and the tests do), and musl the madvise of what it frees.
    #[cfg(target_env = "musl")]
    {
        std::fs::read_to_string("/proc/self/stat").unwrap();
        drop([(); 8].map(|()| std::hint::black_box(vec![0_u8; 9_000])));
    }
}

#[test]
fn no_end_of_dispatch_by_an_error() {
    alone(|| {
        no_end_of_dispatch(libc::SECCOMP_RET_ERRNO | libc::EPERM as u32);
    });
}

#[test]
fn no_end_of_dispatch_by_a_trap() {
    alone(|| no_end_of_dispatch(libc::SECCOMP_RET_TRAP));
}

/// The waits of `sync` do with the older call.
#[test]
fn a_trap_of_waits_on_two_words() {
    alone(|| {
        all_works();
        trap(libc::SYS_futex_waitv);
        for _ in 0..2 {
            let event = eintr::sync::Event::new();
            let stuck = target(move || event.wait_interruptible().is_err());
            let stuck = stuck.blocked_in(libc::SYS_futex).interrupted();
            assert!(stuck.result());
        }
    });
}

/// An interrupt that comes alone is not made to wait until /proc has told what is mapped: not though a
/// read is as short as one of libuv's.
#[test]
fn an_interrupt_opens_nothing() {
    if !child::has_dispatch() {
        return;
    }
    alone(|| {
        let (reader, _writer) = std::io::pipe().unwrap();
        let reads = move || {
            [1, 4].map(|length| {
                let mut bytes = [0; 4];
                (&reader).read(&mut bytes[..length]).unwrap_err().raw_os_error()
            })
        };
        let stuck = target(reads).blocked_in(libc::SYS_read);
        filter(libc::SYS_openat, libc::SECCOMP_RET_KILL_PROCESS);
        assert_eq!(stuck.interrupted().result(), [Some(libc::ECANCELED); 2]);
    });
}

/// A syscall, refused in each way, before the first use of the library and after: all works where a program without us lives. (What
/// a program does that makes that call itself is left out; and getpid and gettid, where it is said that nobody can be signalled.)
fn each_refusal(syscall: libc::c_long, lives: fn()) {
    alone(|| {
        let errors = [libc::EPERM, libc::ENOSYS];
        let errors = errors.map(|errno| libc::SECCOMP_RET_ERRNO | errno as u32);
        let mut tried = 0;
        for answer in errors.into_iter().chain([libc::SECCOMP_RET_TRAP]) {
            let refuse = || filter(syscall, answer);
            let lives_without = in_a_child(|| {
                refuse();
                lives();
            });
            if lives_without != 0 {
                println!(
                    "{syscall}, {answer:#x}: the program itself does not live: {lives_without:#x}"
                );
                continue;
            }
            for later in [false, true] {
                let ended = in_a_child(|| {
                    if later {
                        all_works();
                    }
                    refuse();
                    all_works();
                    target(move || lives_on_asked(lives)).result();
                    all_works();
                });
                assert_eq!(ended, 0, "{syscall}, {answer:#x}, later: {later}: how it has ended");
                tried += 1;
            }
        }
        assert_ne!(tried, 0, "{syscall} is needed by the program itself");
    });
}

/// The same in a thread that is asked, and takes it again and again.
fn lives_on_asked(lives: fn()) {
    let interrupter = eintr::Interrupter::current().unwrap();
    let (reader, _writer) = pipe();
    for _ in 0..3 {
        interrupter.interrupt();
        assert!(came_back(&plain_read(&reader)));
        assert!(eintr::take().is_some());
        lives();
    }
}

/// In the child of a fork, before which the library was not in use; with which status it has ended.
fn in_a_child(case: impl FnOnce()) -> i32 {
    // SAFETY: this process has the test's thread and the harness's, which holds no lock for long.
    let child = unsafe { libc::fork() };
    if child == 0 {
        child::limit_life();
        let case = std::panic::AssertUnwindSafe(case);
        let is_right = std::panic::catch_unwind(case).is_ok();
        // SAFETY: nothing of this process is left to be done.
        unsafe { libc::_exit(if is_right { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: the status is borrowed.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    status
}

macro_rules! refusals {
    ($($syscall:ident $number:ident $lives:expr;)*) => {
        mod refused {
            $(#[test]
            fn $syscall() {
                super::each_refusal(libc::$number, $lives);
            })*
        }
    };
}

refusals! {
    clock_nanosleep SYS_clock_nanosleep || ();
    fcntl SYS_fcntl super::lives_on;
    fstat SYS_fstat super::lives_on;
    futex_waitv SYS_futex_waitv super::lives_on;
    getsockopt SYS_getsockopt super::lives_on;
    ioctl SYS_ioctl super::lives_on;
    madvise SYS_madvise super::lives_on;
    munmap SYS_munmap super::lives_on;
    newfstatat SYS_newfstatat || ();
    ppoll SYS_ppoll super::lives_on;
    prctl SYS_prctl super::lives_on;
    process_vm_readv SYS_process_vm_readv super::lives_on;
    process_vm_writev SYS_process_vm_writev super::lives_on;
    rt_sigtimedwait SYS_rt_sigtimedwait super::lives_on;
    rt_tgsigqueueinfo SYS_rt_tgsigqueueinfo super::lives_on;
    sigaltstack SYS_sigaltstack super::lives_on;
    tgkill SYS_tgkill || ();
    timer_create SYS_timer_create super::lives_on;
    timer_delete SYS_timer_delete super::lives_on;
    timer_gettime SYS_timer_gettime super::lives_on;
    timer_settime SYS_timer_settime super::lives_on;
    waitid SYS_waitid super::lives_on;
}
