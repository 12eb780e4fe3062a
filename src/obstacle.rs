//! [`Obstacle`]: why something is no better here.

/// Why a road is no better than it is, and what would make it so. See [`Support`](crate::Support).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// This kernel does not have Syscall User Dispatch on this machine: so far Linux has it on x86_64 only.
    #[error(
        "the kernel has no Syscall User Dispatch on this architecture: Linux has it on x86_64 so far"
    )]
    Architecture,
    /// This kernel does not have it.
    #[error("this kernel has no Syscall User Dispatch: Linux 5.11 and later have it")]
    Kernel,
    /// A filter (seccomp) of this process's forbids a syscall that it takes, or says that a kernel does not
    /// know it which does.
    #[error(
        "a sandbox forbids it: let prctl(PR_SET_SYSCALL_USER_DISPATCH), rt_tgsigqueueinfo and tgkill \
         through its filter"
    )]
    Sandbox,
    /// A thread cannot have a timer.
    #[error(
        "no timer can be made: let timer_create through the sandbox's filter, or raise the limit on \
         queued signals (RLIMIT_SIGPENDING)"
    )]
    NoTimer,
    /// valgrind does not know Syscall User Dispatch.
    #[error("valgrind has no Syscall User Dispatch: run the program without it")]
    Valgrind,
    /// The program has put a handler of its own in the place of ours since.
    #[error("the program has replaced our handler: set yours before the first use of this library")]
    HandlerReplaced,
    /// All signals that might be used were taken.
    #[error("no signal was free: choose one by `eintr::install`")]
    NoSignal,
}
