//! What a scope's body and its threads have in common, and what interrupts all of them.

use std::error::Error as StdError;
use std::sync::{Arc, OnceLock};
use std::thread;

use crate::group::members::Asked;
use crate::inherited::Inheritance;
use crate::task::node::Node;
use crate::{Interrupted, Interrupter, Reason};

/// What all of a scope have in common.
pub(super) struct Shared {
    /// The scope's task.
    pub(super) node: Arc<Node>,
    /// What its threads are to have in force. That task is the innermost of it.
    pub(super) inheritance: Inheritance,
    pub(super) reach: bool,
    /// What the rest has been interrupted with, if a part of the scope has failed.
    stopped: OnceLock<Interrupted>,
}

impl Shared {
    pub(super) fn new(node: Arc<Node>, inheritance: Inheritance, reach: bool) -> Self {
        Self { node, inheritance, reach, stopped: OnceLock::new() }
    }

    pub(super) fn body<T>(&self, f: impl FnOnce() -> T) -> T {
        let _guard = OnPanic(self);
        f()
    }

    /// Interrupts all of the scope, once.
    pub(super) fn stop(&self) -> Interrupted {
        let stopped = self.stopped.get_or_init(|| {
            let text: Box<dyn StdError + Send + Sync> = "another part of the scope failed".into();
            Interrupted::new(Reason::Custom(text.into()))
        });
        if !self.node.is_asked_with(stopped) {
            Interrupter(Asked::Task(self.node.clone())).ask_with(stopped);
        }
        stopped.clone()
    }
}

/// Interrupts all of the scope if a panic comes by.
pub(super) struct OnPanic<'a>(pub(super) &'a Shared);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop();
        }
    }
}
