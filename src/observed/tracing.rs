//! Spans and events of the crate `tracing`.

use std::cell::RefCell;

use tracing::span::EnteredSpan;
use tracing::{info, info_span, warn};

use super::{Happening, What};

/// Makes a span of each task, and events of its requests, for the crate [`tracing`](https://docs.rs/tracing). All have the target
/// `eintr`.
///
/// | | | fields |
/// |---|---|---|
/// | span | `task` | `task`: the number; `name` |
/// | event, info | `asked` | the same, and `cause` |
/// | event, info | `raised` | `cause`, in the task's span |
/// | event, warn | `stuck` | `task`, `name`, `report` |
///
/// A task that ends on another thread than it began on leaves its span to that thread, until it ends.
///
/// ```
/// eintr::observed::by(eintr::observed::to_tracing)?;
/// # Ok::<(), eintr::observed::AlreadyObserved>(())
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
pub fn to_tracing(happening: &Happening<'_>) {
    let Happening { task, name, what } = *happening;
    match what {
        What::Begun => enter(task, info_span!(target: "eintr", "task", task, name)),
        What::Asked(cause) => info!(target: "eintr", task, name, %cause, "asked"),
        What::Raised(cause) => info!(target: "eintr", %cause, "raised"),
        What::Ended(_) => leave(task),
        What::Stuck(report) => warn!(target: "eintr", task, name, %report, "stuck"),
    }
}

thread_local! {
    /// The spans of the tasks that run on this thread.
    static SPANS: RefCell<Vec<(u64, EnteredSpan)>> = const { RefCell::new(Vec::new()) };
}

fn enter(task: u64, span: tracing::Span) {
    let span = span.entered();
    let _ = SPANS.try_with(|spans| spans.borrow_mut().push((task, span)));
}

fn leave(task: u64) {
    let take = |spans: &RefCell<Vec<(u64, EnteredSpan)>>| {
        let mut spans = spans.borrow_mut();
        let index = spans.iter().rposition(|(of, _)| *of == task)?;
        Some(spans.remove(index))
    };
    drop(SPANS.try_with(take));
}
