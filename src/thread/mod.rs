#![doc = include_str!("README.md")]

pub(crate) mod all_threads;
pub(crate) mod backoff;
pub(crate) mod block;
pub(crate) mod call;
pub(crate) mod ended_waits;
pub(crate) mod fork_gate;
pub(crate) mod helper_thread;
pub(crate) mod hold;
pub(crate) mod hook_queue;
mod lent;
pub(crate) mod number;
pub(crate) mod proc_syscall;
pub(crate) mod record;
pub(crate) mod registry;
pub(crate) mod repeat_timer;
pub(crate) mod retries;
pub(crate) mod runs;
pub(crate) mod stretches;
pub(crate) mod target;
pub(crate) mod wanted;
pub(crate) mod word;

pub(crate) use block::Block;
pub(crate) use call::{Outcome, Stop, call};
pub(crate) use fork_gate::Gate;
pub(crate) use record::Record;
pub(crate) use stretches::{Ended, Stretch};
pub(crate) use target::{Target, ThreadRecord};
pub(crate) use word::{DEADLINE, Word};
