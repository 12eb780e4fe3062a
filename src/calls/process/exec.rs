//! Becoming another program.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::deadline::timer;
use crate::kernel::raw;
use crate::mask;
use crate::signal::{ours, pending};
use crate::thread::{
    Block, Target, ThreadRecord, block, fork_gate, registry, repeat_timer, wanted,
};

/// Replaces this process by the command, as [`CommandExt::exec`], and lets no signal of ours follow into
/// the new program.
///
/// That one has none of our handlers: what is pending when the programs change is its end. So a task
/// that may be interrupted uses this. Where no task or deadline ever ran on the calling thread, it is
/// [`CommandExt::exec`].
///
/// The new program inherits the thread's signal mask, as always. While a task runs, our signal and
/// SIGSYS are open in it, whether they were before or not; what is to be blocked in the new program is
/// blocked in a [`pre_exec`](CommandExt::pre_exec) of the command's.
///
/// # Examples
///
/// ```no_run
/// use std::process::Command;
///
/// fn start_again(work: impl FnOnce() -> Result<(), eintr::Error>) -> Result<(), eintr::Error> {
///     work()?;
///     let mut command = Command::new("/proc/self/exe");
///     Err(eintr::process::exec(&mut command).into())
/// }
/// ```
///
/// # Errors
///
/// It comes back only with an error: that of [`CommandExt::exec`]. What the command had set up by then in this
/// process (descriptors, a directory) stays, as there.
///
/// # Interruption
///
/// It is never interrupted, nor begins with a checkpoint; what asks for an interrupt meanwhile
/// waits, as under a [mask](crate::mask()), and is lost with the process if there is a new program. If
/// there is none, the thread is interrupted at its next call.
///
/// See [execve(2)](https://man7.org/linux/man-pages/man2/execve.2.html).
pub fn exec(command: &mut Command) -> io::Error {
    let Some(record) = own_record() else { return command.exec() };
    mask(|| {
        let _silence = Silence::begin(record);
        command.exec()
    })
}

/// The calling thread's record. In the child of a vfork it is the parent's, who goes on (S6).
fn own_record() -> Option<Arc<ThreadRecord>> {
    let tid = block::with(|block| block.tid.load(Ordering::Relaxed));
    (tid == raw::gettid()).then(registry::registered).flatten()
}

/// Nobody signals the calling thread, nor does a timer of ours, and nothing is on its way there (S23).
/// To be begun under a mask, under which the thread's own handlers and stack do not have it signalled either.
///
/// (Rejected: the mask alone. A reporter signals whom it looks at, and so does who asks a task that
/// begins in a `pre_exec`.)
struct Silence {
    record: Arc<ThreadRecord>,
    /// None where an exec around this one has it.
    thread: Option<Target>,
}

impl Silence {
    fn begin(record: Arc<ThreadRecord>) -> Self {
        let gate = fork_gate::gate();
        let thread = record.take_thread();
        drop(gate);
        block::with(hush);
        Self { record, thread }
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _gate = fork_gate::gate();
            self.record.give_back(thread);
        }
    }
}

/// Stops the timers, and lets what was sent before come. (A timer's shot that is blocked stays; with the
/// timers, the kernel discards those.)
fn hush(block: &Block) {
    repeat_timer::stop(block);
    timer::rest_if_idle(block);
    // On its way out of any syscall.
    raw::gettid();
    if block.delivery.is_announced() {
        ours::number().into_iter().for_each(pending::take_back);
        block.delivery.take_back();
    }
    // Nobody knows any more what was on its way when we moved to another signal (S21).
    ours::before().for_each(pending::take_back);
    // Of a reporter whose signal did not come.
    wanted::refuse(block);
}
