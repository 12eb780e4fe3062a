//! A mask in force: the causes outside of it, and their hooks, are hidden.

use std::sync::Arc;

use super::list::{self, HiddenHooks};
use crate::deadline::frames;
use crate::thread::record::Floor;
use crate::thread::target::ThreadRecord;
use crate::thread::{fork_gate, registry};

/// Begun, and to be ended. Both are to be followed by a settling, with no lock of ours held.
pub(crate) struct Masked {
    /// None where the thread has no record: nothing could arm it, and there is nothing to mask.
    causes: Option<(Arc<ThreadRecord>, Floor, frames::Hidden)>,
    hooks: Option<HiddenHooks>,
}

impl Masked {
    pub(crate) fn begin() -> Self {
        let hooks = list::hide();
        let gate = fork_gate::gate();
        let causes = registry::registered().map(|record| {
            let floor = record.mask();
            (record, floor, frames::hide())
        });
        drop(gate);
        Self { causes, hooks }
    }

    /// Ends it; whether there is something to settle.
    pub(crate) fn end(&mut self) -> bool {
        let mut is_armed = false;
        if let Some((record, floor, hidden)) = self.causes.take() {
            let gate = fork_gate::gate();
            record.unmask(floor);
            drop(gate);
            frames::show(hidden);
            is_armed = frames::is_armed();
        }
        let had_hooks = self.hooks.is_some();
        list::show(self.hooks.take());
        is_armed || had_hooks
    }
}
