//! A subscriber of the crate `tracing` gets a span for each task, and an event for each interrupt.

use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use test_support::child::alone;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Notes all that it is told, with the thread's name.
struct Notes {
    spans: AtomicU64,
    lines: Mutex<Sender<String>>,
}

impl Notes {
    fn note(&self, what: String) {
        let thread = std::thread::current();
        let line = format!("{}: {what}", thread.name().unwrap_or("main"));
        self.lines.lock().unwrap().send(line).unwrap();
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Notes {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "eintr"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(format!("span {}", span.metadata().name()));
        span.record(&mut line);
        self.note(line.0);
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.note(line.0);
    }

    fn enter(&self, span: &Id) {
        self.note(format!("in {}", span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        self.note(format!("out {}", span.into_u64()));
    }
}

#[test]
fn spans_and_events() {
    alone(|| {
        let (lines, told) = mpsc::channel();
        let notes = Notes { spans: AtomicU64::new(0), lines: Mutex::new(lines) };
        tracing::subscriber::set_global_default(notes).unwrap();
        eintr::observed::by(eintr::observed::to_tracing).unwrap();

        let worker = eintr::Builder::new().name("worker".into());
        let worker = worker.spawn(|| eintr::Task::new().run(|| eintr::time::sleep(Duration::MAX)));
        let worker = worker.unwrap();
        let id = worker.interrupter().id();
        worker.interrupter().interrupt_with("lunch");
        worker.join().unwrap().unwrap_err();
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            told.try_iter().partition(|line| line.starts_with("worker: "));
        let expected = [
            &format!("worker: span task task={id} name=\"worker\""),
            "worker: in 1",
            &format!("worker: span task task={}", id + 1),
            "worker: in 2",
            "worker: INFO message=raised cause=interrupted: lunch",
            "worker: out 2",
            "worker: out 1",
        ];
        assert_eq!(here, expected);
        let asked =
            format!("INFO message=asked task={id} name=\"worker\" cause=interrupted: lunch");
        assert!(elsewhere.len() == 1 && elsewhere[0].ends_with(&asked), "{elsewhere:?}");
    });
}
