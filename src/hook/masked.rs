//! A mask in force: the causes outside of it, and their hooks, are hidden.

use std::sync::Arc;

use super::list::{self, MaskedHooks};
use crate::deadline::standing;
use crate::rest;
use crate::thread::stretches::{self, Stretch};
use crate::thread::target::ThreadRecord;
use crate::thread::{fork_gate, registry};

/// Begun, and to be ended. Both are to be followed by a settling, with no lock of ours held.
pub(crate) struct Masked {
    /// None where the thread has no record: nothing could arm it, and there is nothing to mask.
    causes: Option<(Arc<ThreadRecord>, Stretch)>,
    hooks: Option<MaskedHooks>,
}

impl Masked {
    pub(crate) fn begin() -> Self {
        let hooks = list::mask();
        let causes = registry::registered().map(|record| {
            let gate = fork_gate::gate();
            record.mask(stretches::tasks());
            drop(gate);
            (record, standing::begin_mask())
        });
        Self { causes, hooks }
    }

    /// Ends it; whether the word may have changed.
    pub(crate) fn end(&mut self) -> bool {
        let mut is_armed = false;
        if let Some((record, mask)) = self.causes.take() {
            let Some(ended) = stretches::end(mask) else {
                stretches::tell_of_stray("a mask");
                return false;
            };
            let gate = fork_gate::gate();
            record.mask(stretches::masked_tasks());
            drop(gate);
            standing::show(ended);
            is_armed = standing::is_armed();
            // Of a stretch that has ended before, and out of turn.
            rest::block_again(ended.unblocked());
        }
        let had_hooks = self.hooks.is_some();
        list::unmask(self.hooks.take());
        is_armed || had_hooks
    }
}
