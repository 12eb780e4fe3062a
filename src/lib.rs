//! Interrupts threads that are stuck in a blocking call: `accept`, `read`, `sleep`, `waitpid`, `flock`, a FIFO's `open`, in your
//! code, in std, in a crate or in a C library. Another thread asks (or a deadline, or SIGTERM); the call returns at once, and the
//! thread sees an ordinary `Err` and leaves by `?`. Nothing is killed, nothing is leaked, and nothing that already happened is
//! thrown away.
//!
//! ```
//! use eintr::ResultExt;
//! use std::net::TcpListener;
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let server = eintr::spawn(move || -> Result<(), eintr::Error> {
//!     loop {
//!         let (_connection, peer) = listener.accept().or_interrupted()?; // std's own, and stuck here
//!         println!("hello, {peer}");
//!     }
//! });
//!
//! server.interrupter().interrupt_with("closing time");
//! let error = server.join().unwrap().unwrap_err();
//! assert_eq!(error.to_string(), "interrupted: closing time");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # What is reached
//!
//! | | how | what it sees |
//! |---|---|---|
//! | code that computes | [`checkpoint()`], [`iter.interruptible()`](IteratorExt::interruptible) | `Err(Interrupted)` |
//! | [`eintr::io`](io), [`net`], [`fs`], [`event`], [`process`], [`time`], [`sync`], [`ipc`], [`terminal`] | exactly, on x86_64 and aarch64 | `Err(Interrupted)`: the operation did not happen |
//! | std, any crate, any C library, on x86_64 with Linux 5.11 or newer | the kernel stops the armed thread at its next syscall | `ECANCELED`; a sleep ends early; [`Interrupted::of`] recognises it |
//! | the same elsewhere | second best: a signal answers the call that it finds, and is repeated with back-off | as above, or `EINTR` |
//! | a lock, condition variable or channel of [`eintr::sync`](sync) | exactly | `Err(Interrupted)` |
//! | one that is not ours, a client, an event loop | [`with_hook`]: you say what wakes it, and that comes first | what waking it gives |
//! | C code that computes for hours | [`abandon()`], which is `unsafe` | `Err(Interrupted)` |
//!
//! [`support()`] says what works on the machine at hand. Which syscall is refused, and which is run all the same, is in the table at
//! [`reach`](reach()). What to write around which library stands in [`recipes`]; the limits, and what it costs, in the README.
//!
//! # How it is used
//!
//! * **Ask, and be told what became of it.** [`Interrupter::interrupt`] returns a [`Request`]; its
//!   [`wait`](Request::wait) answers `Raised`, `Finished`, `NotStarted`, `Masked` or `Stuck`, the last two with a
//!   [`Report`] of where the thread is: its state, the syscall, what the descriptor leads to, its stack, and the cure if there
//!   is one: what to call in the place of what, in which function of yours, on which line. [`report()`] has one for each task;
//!   [`dump()`] is the thread dump: each thread of the process, who holds what it waits for, and which wait for each other.
//! * **Any thread.** [`task()`] makes a task to run in a pool's job, in tokio's `spawn_blocking`, in `main`; a request reaches
//!   that job and never the next one on the same thread. Work that a task hands to other threads, to rayon's or any pool's,
//!   takes along what is in force by [`context()`]: `context.run(|| item())` in each job.
//! * **Tokio.** [`eintr-tokio`](https://docs.rs/eintr-tokio) has a `spawn_blocking` whose job ends while it runs: by `abort`, where
//!   its future is dropped, and with its runtime.
//! * **Many threads.** A [`Group`] is for those that come and go; [`stop`](Group::stop) interrupts all, waits, and names the
//!   stragglers; a [`JoinSet`] tells each one's end. [`scope()`] and [`try_scope()`] borrow like std's scope: body, threads and child
//!   processes are one, and the first error interrupts the rest.
//! * **Errors that survive.** An interrupt is never of the kind `ErrorKind::Interrupted`, which `read_to_end` and `write_all`
//!   silently retry. It goes through `io::Error`, `anyhow` and `Box<dyn Error>`, and [`Interrupted::of`] finds it again, with
//!   the reason. Where a library returns an error of its own instead, [`or_interrupted`](ResultExt::or_interrupted) looks whether this thread is interrupted.
//! * **Level-triggered.** An error that some library swallowed is raised again by the next call, until the task ends or
//!   [takes](take) it.
//! * **Timeouts for anything.** [`timeout`], [`timeout_at`], [`within`] and [`cleanup`] put a deadline around a stretch of code,
//!   and [`remaining`] tells what is left of it. One that does not pass costs a look at the clock.
//! * **Waiting for each other.** [`sync`] takes the place of `std::sync` by a change of the import (std's own tests run so), with
//!   `lock_interruptible`, `recv_interruptible` and so on beside std's names; a semaphore, an event, and a channel of many
//!   receivers.
//! * **SIGTERM.** [`termination::interrupt_on`] turns the first SIGTERM into an interrupt; a second one ends the process. systemd is
//!   told how the stop goes on, and to wait for it; its watchdog is fed by the program's own
//!   [`Heartbeat`](termination::Heartbeat)s.
//! * **Observed.** [`observed::by`] calls a closure of yours when a task begins, is asked, raises, ends or is stuck;
//!   [`observed::counts`] has numbers for metrics.
//! * **Child processes.** [`process::status`] and [`process::output`] ask the child, then kill it, and always reap it.
//!   [`process::exec`] lets no signal of ours follow into the new program.
//! * **Masks.** In [`mask(f)`](mask()) causes from outside wait; [`cleanup`] is a mask with a deadline, for goodbyes, and
//!   [`CleanupOnDrop`] one for a destructor of somebody else's.
//!
//! # Features
//!
//! `stacks` (on by default): reports have the stack of a stuck thread. `serde`: they are [data](Report#as-data). `console`: a socket for
//! `eintrctl`, by which operators list, dump and interrupt a running program's threads. `tracing`: spans and events of that crate's, by
//! `observed::to_tracing`. `capi`: the C library.
//!
//! # Inside
//!
//! [`inside`] walks one signal through the code; [`inside::rules`] has what is promised and what the machine demands, by the numbers
//! that comments cite; [`inside::argument`] argues why no wake-up is lost.

#![deny(unsafe_code, unsafe_op_in_unsafe_fn)]
#![cfg_attr(not(feature = "stacks"), allow(dead_code, reason = "some of it serves stacks only"))]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_docs, unreachable_pub, missing_debug_implementations)]

#[cfg(not(target_os = "linux"))]
compile_error!("eintr is for Linux: it is made of Linux's signals and syscalls");

/// The README's examples are compiled, and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

/// By library and kind: what works as it is, and what to write around the rest. `docs/recipes.md`.
#[cfg(any(doc, doctest))]
#[doc = include_str!("../docs/recipes.md")]
pub mod recipes {}

/// How it is built, for those who read or change the code: `docs/ARCHITECTURE.md`.
#[cfg(doc)]
#[doc = include_str!("../docs/ARCHITECTURE.md")]
pub mod inside {
    /// Why no wake-up is lost: `src/thread/README.md`.
    #[doc = include_str!("thread/README.md")]
    pub mod argument {}

    /// What is promised and what the machine demands, by the numbers that comments cite:
    /// `docs/promises-and-rules.md`.
    #[doc = include_str!("../docs/promises-and-rules.md")]
    pub mod rules {}
}

mod abandon;
mod after_change;
mod arch;
mod calls;
#[cfg(feature = "capi")]
mod capi;
mod checkpoint;
mod cleanup_on_drop;
#[cfg(feature = "console")]
pub mod console;
mod context;
mod deadline;
mod entry;
mod error;
mod group;
mod hook;
mod inherited;
mod install;
mod interrupted;
mod interrupter;
mod iter;
mod join;
mod kernel;
mod mask;
pub mod observed;
mod obstacle;
mod or_interrupted;
mod reach;
mod recognise;
mod report;
mod rest;
mod room;
mod scope;
mod signal;
mod support;
pub mod sync;
mod task;
pub mod termination;
mod thread;
mod unblocked;

pub use abandon::abandon;
pub use calls::{event, fs, io, ipc, net, process, terminal, time};
pub(crate) use checkpoint::complete;
pub use checkpoint::{checkpoint, is_interrupted, take};
pub use cleanup_on_drop::CleanupOnDrop;
pub use context::{Context, context};
pub use deadline::{TimedOut, Within, cleanup, remaining, timeout, timeout_at, within};
pub use error::{Error, Partial};
pub use group::{Ended, Group, JoinSet, Panicked, Stragglers};
pub use hook::with_hook;
pub use install::{InstallError, Signal, install};
pub use interrupted::{Interrupted, Reason};
pub use interrupter::{DropGuard, Interrupter, Outcome, Request, find};
pub use iter::{Interruptible, IteratorExt};
pub use join::JoinHandle;
pub use mask::mask;
pub use obstacle::Obstacle;
pub use or_interrupted::ResultExt;
pub use reach::{reach, without_reach};
pub use recognise::AnyError;
#[cfg(feature = "stacks")]
pub use report::{Frame, Stack};
pub use report::{Holder, Report, ThreadDump, ThreadReport, ThreadState, dump, report};
pub use scope::{Scope, ScopedChild, ScopedJoinHandle, TryScope, scope, try_scope, try_scope_all};
pub use support::{Road, Support, support};
pub use task::{Builder, Task, spawn, task};
