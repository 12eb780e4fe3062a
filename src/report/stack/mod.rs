//! [`Stack`], [`Frame`]: the stack in a report.
//!
//! Unwinding needs the tables of the program only, which are in memory. Names need its files, and
//! they are big: they are looked up when a stack is first shown, all of one dump together.
//!
//! (Why these crates: framehop unwinds a copied stack by registers of another thread, where the
//! `backtrace` crate and libgcc know the calling thread only. addr2line is what std itself names
//! frames by. The `backtrace` crate would do that too, behind one lock of the process's, which the
//! child of a fork may find held, and keep the program's tables in memory for good.)

use std::fmt;
use std::sync::Arc;

pub(super) mod dump;
mod frame;
mod modules;
mod names;
mod notice;
mod unwind;
mod user;

use frame::Address;
use names::Names;

pub use frame::Frame;

/// Where a thread was, from its innermost function outwards, as far as that can be told.
#[derive(Clone)]
pub struct Stack {
    addresses: Vec<Address>,
    names: Arc<Names>,
}

impl Stack {
    /// The functions on it, innermost first. The first look at one of the stacks of a
    /// [`report()`](crate::report()) reads the program's files for the names.
    pub fn frames(&self) -> Vec<Frame> {
        self.addresses.iter().flat_map(|address| self.names.frames(*address)).collect()
    }
}

impl fmt::Display for Stack {
    /// A line for each frame, without those of ours by which the thread is reached, and without
    /// those by which std begins a thread.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frames = self.frames();
        let is = |frame: &Frame, name| frame.function.as_ref().is_some_and(|f| f.contains(name));
        // Behind the handler lies what the kernel returns through.
        let handler = frames.iter().rposition(|frame| is(frame, "eintr::entry::sigsys::on_sigsys"));
        let first = handler.map_or(0, |handler| (handler + 2).min(frames.len()));
        let start = |frame: &Frame| is(frame, "__rust_begin_short_backtrace");
        let frames = frames[first..].split(start).next().unwrap_or_default();
        let width = frames.len().to_string().len();
        for (i, frame) in frames.iter().enumerate() {
            let end = if i + 1 < frames.len() { "\n" } else { "" };
            write!(f, "{i:width$}: {frame}{end}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.frames()).finish()
    }
}
