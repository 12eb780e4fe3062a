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
mod signal_visibility;
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
    /// those by which std begins a thread. The innermost function of the program's is marked; of several frames in a row
    /// that are libraries' only the first is shown, but by `{:#}` all are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frames = self.frames();
        let is = |frame: &Frame, name| frame.function.as_ref().is_some_and(|f| f.contains(name));
        // Behind the handler lies what the kernel returns through.
        let handler = frames.iter().rposition(|frame| is(frame, "eintr::entry::sigsys::on_sigsys"));
        let first = handler.map_or(0, |handler| (handler + 2).min(frames.len()));
        let start = |frame: &Frame| is(frame, "__rust_begin_short_backtrace");
        let frames = frames[first..].split(start).next().unwrap_or_default();
        let users = user::users(frames);
        let user = user::innermost(frames, &users);
        let width = frames.len().to_string().len();
        let is_plumbing = |i: usize| !users[i] && frames[i].function.is_some() && user.is_some();
        let mut i = 0;
        while let Some(frame) = frames.get(i) {
            let mark = if user == Some(i) { '>' } else { ' ' };
            let end = if i == 0 { "" } else { "\n" };
            write!(f, "{end}{mark}{i:width$}: {frame}")?;
            let run = (i..frames.len()).take_while(|i| is_plumbing(*i)).count();
            if run > 2 && !f.alternate() {
                write!(f, "\n {:width$}  ... {} more of libraries", "", run - 1)?;
                i += run - 1;
            }
            i += 1;
        }
        Ok(())
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.frames()).finish()
    }
}
