//! What a task does about itself and others.

use super::{Row, row};
use crate::operation::Whose::Own;

pub const ROWS: &[Row] = &[
    row("checkpoint", &[], &[Own], |worker, _| worker.felt(eintr::checkpoint())),
    row("take", &[], &[Own], |worker, _| {
        if let Some(interrupted) = eintr::take() {
            worker.must_stand(&interrupted);
        }
        Ok(())
    }),
    row("ask", &[], &[Own], |worker, call| {
        worker.tasks.ask(call.number);
        Ok(())
    }),
    row("report", &[], &[Own], |_, _| {
        drop(eintr::report());
        Ok(())
    }),
];
