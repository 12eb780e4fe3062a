#![doc = include_str!("../README.md")]
#![deny(unsafe_code, unsafe_op_in_unsafe_fn)]
#![cfg_attr(not(feature = "stacks"), allow(dead_code, reason = "some of it serves stacks only"))]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_docs, unreachable_pub, missing_debug_implementations)]

#[cfg(not(target_os = "linux"))]
compile_error!("eintr is for Linux: it is made of Linux's signals and syscalls");

/// By library and kind: what works as it is, and what to write around the rest. `docs/recipes.md`.
#[cfg(any(doc, doctest))]
#[doc = include_str!("../docs/recipes.md")]
pub mod recipes {}

/// How it is built, for who reads or changes the code: `docs/ARCHITECTURE.md`.
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
mod obstacle;
mod or_interrupted;
mod reach;
mod recognise;
mod report;
mod rest;
mod room;
mod scope;
mod settle;
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
