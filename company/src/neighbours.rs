//! The neighbours, and in one place what is known not to work beside them.

use eintr_company::Mode;

pub struct Neighbour {
    pub name: &'static str,
    pub source: Source,
    /// How it is known to differ from the run without us.
    pub limit: Option<&'static Limit>,
}

impl Neighbour {
    pub fn limit_of(&self, mode: Mode) -> Option<&'static Limit> {
        self.limit.filter(|limit| limit.modes.contains(&mode))
    }
}

pub enum Source {
    /// A program of the package.
    Program(&'static str),
    /// The program `neighbour`, with these arguments.
    Neighbour(&'static [&'static str]),
    /// The same, with a shared library of Debian's loaded before all others.
    Preloaded(&'static str, &'static [&'static str]),
    /// A program of `c/`, with a package of pkg-config's (or none), and an argument.
    C(&'static str, Option<&'static str>, &'static str),
    /// `c/go.c` with the library of `go/`, and an argument.
    Go(&'static str),
    /// `python/beside_faulthandler.py` with Debian's Python, and an argument.
    Python(&'static str),
    /// `c/openmp.c`, by the compiler's own library.
    OpenMp,
    /// `c/cxx20.c` with `c/cxx20.cpp`.
    Cxx20,
    /// `c/jvm.c` with the virtual machine of Debian's default.
    Java,
}

/// A difference that is documented. The list is exact: where one does not show that shows in each run,
/// that run fails.
pub struct Limit {
    pub modes: &'static [Mode],
    pub shows: Shows,
    pub why: &'static str,
}

#[derive(PartialEq, Eq)]
pub enum Shows {
    InEachRun,
    /// It is a race of the kernel's, which may also be won.
    InSome,
}

const fn neighbour(name: &'static str, source: Source) -> Neighbour {
    Neighbour { name, source, limit: None }
}

use Shows::{InEachRun, InSome};
use Source::{C, Neighbour as Plain, Preloaded, Program};

const fn limited(name: &'static str, source: Source, limit: &'static Limit) -> Neighbour {
    Neighbour { name, source, limit: Some(limit) }
}

const SYSTEM: &Limit = &Limit {
    modes: ASKED,
    shows: InEachRun,
    why: "In an asked thread `system` gives up its wait for the child and forgets it: it stays a zombie until somebody waits \
          for any child. The way round: `mask`.",
};
const EXEC: &Limit = &Limit {
    modes: ASKED,
    shows: InSome,
    why: "Where a thread that is asked runs another program by exec, our signal may still be on its way, and kill that program. \
          The way round: `process::exec`.",
};
const FFLUSH: &Limit = &Limit {
    modes: ASKED,
    shows: InEachRun,
    why: "An `fflush` that is refused, later than 100 ms after the request, loses what was in the buffer. The way round: \
          `eintr_mask_begin`.",
};
const ASKED: &[Mode] = &[Mode::Asked, Mode::Storm];

pub const NEIGHBOURS: &[Neighbour] = &[
    neighbour("glibc's allocator, forks", Plain(&["forks"])),
    neighbour("jemalloc in Rust, forks", Program("jemalloc")),
    neighbour("mimalloc in Rust, forks", Program("mimalloc")),
    neighbour("jemalloc for all, forks", Preloaded("libjemalloc.so.2", &["forks"])),
    neighbour("tcmalloc for all, forks", Preloaded("libtcmalloc_minimal.so.4", &["forks"])),
    neighbour("signal-hook, before us", Plain(&["signals", "signal-hook-before"])),
    neighbour("signal-hook, after us", Plain(&["signals", "signal-hook-after"])),
    neighbour("SIGUSR1 handled before us", Plain(&["signals", "handler-before"])),
    neighbour("SIGUSR1 handled after us", Plain(&["signals", "handler-after"])),
    neighbour("SIGUSR1 handled once after us", Plain(&["signals", "once-after"])),
    neighbour("SIGUSR1 to default after us", Plain(&["signals", "default-after"])),
    neighbour("SIGUSR1 ignored after us", Plain(&["signals", "ignored-after"])),
    neighbour("SIGUSR1 by sigwait", Plain(&["signals", "sigwait"])),
    neighbour("SIGUSR1 by signalfd", Plain(&["signals", "signalfd"])),
    neighbour("jobserver, before us", Plain(&["signals", "jobserver-before"])),
    neighbour("jobserver, after us", Plain(&["signals", "jobserver-after"])),
    neighbour("corosensei, deadlines", Plain(&["coroutines", "deadlines"])),
    neighbour("corosensei, tasks", Plain(&["coroutines", "tasks"])),
    neighbour("may, what coroutines begin", Plain(&["may", "stretches"])),
    neighbour("may, reached", Plain(&["may", "reach"])),
    neighbour("a dispatcher, before us", Plain(&["dispatch", "before"])),
    neighbour("a dispatcher, after us", Plain(&["dispatch", "after"])),
    neighbour("Command", Plain(&["children", "command"])),
    neighbour("posix_spawn", Plain(&["children", "posix_spawn"])),
    neighbour("fork, reset, exec", Plain(&["children", "reset"])),
    limited("system", Plain(&["children", "system"]), SYSTEM),
    limited("exec by a thread that is asked", Plain(&["children", "exec"]), EXEC),
    neighbour("process::exec by such a thread", Plain(&["children", "process::exec"])),
    neighbour("a small alternate stack", Plain(&["alternate-stack"])),
    neighbour("one with SS_AUTODISARM", Plain(&["alternate-stack", "autodisarm"])),
    neighbour("vfork, in C", C("children", None, "vfork")),
    neighbour("popen, in C", C("children", None, "popen")),
    neighbour("exit with output in a buffer", C("stdio", None, "exit")),
    limited("fflush, taken, fflush", C("stdio", None, "fflush"), FFLUSH),
    neighbour("cancelled in sem_wait", C("cancel", None, "semaphore")),
    neighbour("cancelled in pthread_cond_wait", C("cancel", None, "condition")),
    neighbour("cancelled in read", C("cancel", None, "read")),
    neighbour("cancelled in write", C("cancel", None, "write")),
    neighbour("cancelled asynchronously", C("cancel", None, "asynchronous")),
    neighbour("cancelled in fsync", C("cancel", None, "fsync")),
    neighbour("pthread_exit", C("cancel", None, "exit")),
    neighbour("cancelled and asked in eintr_read", C("cancel", None, "own")),
    neighbour("swapcontext, in C", C("contexts", None, "")),
    neighbour("locks of std", Plain(&["locks", "std"])),
    neighbour("locks of parking_lot", Plain(&["locks", "parking_lot"])),
    neighbour("channels of crossbeam", Plain(&["locks", "crossbeam"])),
    neighbour("rayon", Plain(&["locks", "rayon"])),
    neighbour("OpenMP", Source::OpenMp),
    neighbour("C++20's waits", Source::Cxx20),
    neighbour("libuv, uv_spawn", C("uv", Some("libuv"), "spawn")),
    neighbour("libuv, uv_signal_start", C("uv", Some("libuv"), "signal")),
    neighbour("libuv, files and async", C("uv", Some("libuv"), "files")),
    neighbour("Go, as a shared library", Source::Go("")),
    neighbour("Go, network", Source::Go("network")),
    neighbour("Go, exec", Source::Go("exec")),
    neighbour("Python's faulthandler, before us", Source::Python("before")),
    neighbour("Python's faulthandler, after us", Source::Python("after")),
    neighbour("Java, by JNI_CreateJavaVM", Source::Java),
    neighbour("another copy of us, apart", C("two", None, "apart")),
    neighbour("another copy of us, nested", C("two", None, "nested")),
    neighbour("another copy of us, reversed", C("two", None, "reversed")),
    neighbour("another copy of us, late", C("two", None, "late")),
    neighbour("no signals to be queued", Plain(&["limits", "signals"])),
    neighbour("no descriptors to be had", Plain(&["limits", "descriptors"])),
    neighbour("no memory to be mapped", Plain(&["limits", "memory"])),
    neighbour("seccomp, docker's list", Plain(&["sandbox", "EPERM", "docker"])),
    neighbour("seccomp, getpid: EPERM", Plain(&["sandbox", "EPERM", "getpid"])),
    neighbour("seccomp, getpid: TRAP", Plain(&["sandbox", "TRAP", "getpid"])),
    neighbour("seccomp, gettid: EPERM", Plain(&["sandbox", "EPERM", "gettid"])),
    neighbour("seccomp, prctl: EPERM", Plain(&["sandbox", "EPERM", "prctl"])),
    neighbour("seccomp, prctl: TRAP", Plain(&["sandbox", "TRAP", "prctl"])),
    neighbour("seccomp, process_vm_readv: EPERM", Plain(&["sandbox", "EPERM", "process_vm_readv"])),
    neighbour("seccomp, process_vm_readv: TRAP", Plain(&["sandbox", "TRAP", "process_vm_readv"])),
    neighbour(
        "seccomp, rt_tgsigqueueinfo: EPERM",
        Plain(&["sandbox", "EPERM", "rt_tgsigqueueinfo"]),
    ),
    neighbour("seccomp, rt_tgsigqueueinfo: TRAP", Plain(&["sandbox", "TRAP", "rt_tgsigqueueinfo"])),
    neighbour("seccomp, sigaltstack: EPERM", Plain(&["sandbox", "EPERM", "sigaltstack"])),
    neighbour("seccomp, tgkill: EPERM", Plain(&["sandbox", "EPERM", "tgkill"])),
    neighbour("seccomp, tgkill: TRAP", Plain(&["sandbox", "TRAP", "tgkill"])),
    neighbour("seccomp, timer_create: EPERM", Plain(&["sandbox", "EPERM", "timer_create"])),
    neighbour("seccomp, timer_create: TRAP", Plain(&["sandbox", "TRAP", "timer_create"])),
    neighbour("seccomp, timer_settime: EPERM", Plain(&["sandbox", "EPERM", "timer_settime"])),
    neighbour("seccomp, timer_settime: TRAP", Plain(&["sandbox", "TRAP", "timer_settime"])),
    neighbour("docker's list, before us", Plain(&["sandbox", "EPERM", "docker", "before"])),
    neighbour("getpid: EPERM, before us", Plain(&["sandbox", "EPERM", "getpid", "before"])),
    neighbour("gettid: EPERM, before us", Plain(&["sandbox", "EPERM", "gettid", "before"])),
    neighbour("prctl: EPERM, before us", Plain(&["sandbox", "EPERM", "prctl", "before"])),
    neighbour(
        "process_vm_readv: EPERM, before us",
        Plain(&["sandbox", "EPERM", "process_vm_readv", "before"]),
    ),
    neighbour(
        "rt_tgsigqueueinfo: EPERM, before us",
        Plain(&["sandbox", "EPERM", "rt_tgsigqueueinfo", "before"]),
    ),
    neighbour(
        "sigaltstack: EPERM, before us",
        Plain(&["sandbox", "EPERM", "sigaltstack", "before"]),
    ),
    neighbour("tgkill: EPERM, before us", Plain(&["sandbox", "EPERM", "tgkill", "before"])),
    neighbour(
        "timer_create: EPERM, before us",
        Plain(&["sandbox", "EPERM", "timer_create", "before"]),
    ),
    neighbour(
        "timer_settime: EPERM, before us",
        Plain(&["sandbox", "EPERM", "timer_settime", "before"]),
    ),
    neighbour("prctl: TRAP, before us", Plain(&["sandbox", "TRAP", "prctl", "before"])),
    neighbour(
        "process_vm_readv: TRAP, before us",
        Plain(&["sandbox", "TRAP", "process_vm_readv", "before"]),
    ),
    neighbour(
        "rt_tgsigqueueinfo: TRAP, before us",
        Plain(&["sandbox", "TRAP", "rt_tgsigqueueinfo", "before"]),
    ),
    neighbour("tgkill: TRAP, before us", Plain(&["sandbox", "TRAP", "tgkill", "before"])),
    neighbour(
        "timer_create: TRAP, before us",
        Plain(&["sandbox", "TRAP", "timer_create", "before"]),
    ),
];
