//! In which circumstances a call is interrupted.

use nix::sys::signal::Signal;

use crate::rows::{Kind, Row};
use crate::tracer::Pace;

/// One circumstance.
pub struct Variant {
    pub name: &'static str,
    /// Whether it makes a difference what call it is.
    pub everywhere: bool,
    /// Whether the result is there before the call.
    pub ready: bool,
    /// Whether it is asked first, and somebody brings the result at those points, or takes it.
    pub turns: bool,
    /// Whether the task lets its plain calls be reached.
    pub reach: bool,
    /// What the tracer stops at: every instruction; or the kernel's door, which lies inside of the
    /// syscall instruction.
    pub pace: Pace,
    /// A signal that is not ours comes first, and the interrupt comes while its handler runs.
    pub signal: Option<(Signal, When)>,
    /// What the application's handler does.
    pub handler: Handler,
    /// Whether it is installed with SA_RESTART.
    pub restart: bool,
    /// Whether it runs on the thread's alternate stack.
    pub elsewhere: bool,
}

/// When the application's signal comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// While the call sleeps.
    Asleep,
    /// So many instructions before it would.
    Before(usize),
}

/// What the application's handler does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handler {
    /// It computes, and makes a syscall that does not wait.
    Works,
    /// It makes an own call, whose result is there or not.
    Reads { ready: bool },
    /// It asks its own task and takes that, while our signal is blocked. Then there is a mark, from
    /// which on the tracer stops: the signal comes at the handler's end, for no cause.
    TakesARequest,
}

const PLAIN: Variant = Variant {
    name: "",
    everywhere: true,
    ready: false,
    turns: false,
    reach: true,
    pace: Pace::Instruction,
    signal: None,
    handler: Handler::Works,
    restart: true,
    elsewhere: false,
};

/// The base of those that concern the trampoline and the handler, whatever the call: in a task
/// without reach, where dispatch does not make good what they miss.
const LOCAL: Variant = Variant { everywhere: false, reach: false, ..PLAIN };

const USR1: Signal = Signal::SIGUSR1;
const USR2: Signal = Signal::SIGUSR2;

pub static ALL: &[Variant] = &[
    Variant { name: "nothing ready", ..PLAIN },
    Variant { name: "ready", ready: true, ..PLAIN },
    // In the kernel alone the target sees it: between two doors it comes or goes unseen.
    Variant {
        name: "asked before, and it comes at the kernel's door",
        turns: true,
        pace: Pace::Door,
        ..PLAIN
    },
    Variant {
        name: "asked before, and somebody takes it at the kernel's door",
        ready: true,
        turns: true,
        pace: Pace::Door,
        ..PLAIN
    },
    Variant { name: "nothing ready, without reach", ..LOCAL },
    Variant { name: "ready, without reach", ready: true, ..LOCAL },
    Variant { name: "nothing ready, at the kernel's door", pace: Pace::Door, ..PLAIN },
    Variant { name: "ready, at the kernel's door", ready: true, pace: Pace::Door, ..PLAIN },
    Variant {
        name: "in a handler that came while it slept",
        signal: Some((USR2, When::Asleep)),
        ..PLAIN
    },
    Variant {
        name: "in a handler that came while it slept, without reach",
        signal: Some((USR2, When::Asleep)),
        ..LOCAL
    },
    Variant {
        name: "in a handler that came at the syscall instruction",
        signal: Some((USR2, When::Before(1))),
        ..PLAIN
    },
    Variant {
        name: "in a handler that came after the test of the word",
        signal: Some((USR2, When::Before(2))),
        ..LOCAL
    },
    Variant {
        name: "in a handler that came before the test of the word",
        signal: Some((USR2, When::Before(3))),
        ..LOCAL
    },
    Variant {
        name: "ready, in a handler that came at the syscall instruction",
        ready: true,
        signal: Some((USR2, When::Before(1))),
        ..LOCAL
    },
    Variant {
        name: "in a handler on the alternate stack",
        signal: Some((USR2, When::Asleep)),
        elsewhere: true,
        ..LOCAL
    },
    Variant {
        name: "in a handler without restart",
        signal: Some((USR2, When::Asleep)),
        restart: false,
        ..LOCAL
    },
    Variant {
        name: "in a handler on the alternate stack that makes a call of its own",
        signal: Some((USR2, When::Asleep)),
        handler: Handler::Reads { ready: false },
        elsewhere: true,
        ..LOCAL
    },
    Variant {
        name: "in a handler that makes a call of its own, nothing ready",
        signal: Some((USR2, When::Asleep)),
        handler: Handler::Reads { ready: false },
        ..LOCAL
    },
    Variant {
        name: "in a handler that makes a call of its own, ready",
        signal: Some((USR2, When::Asleep)),
        handler: Handler::Reads { ready: true },
        ..LOCAL
    },
    Variant {
        name: "in our handler, which a signal for a request called that was taken",
        signal: Some((USR2, When::Asleep)),
        handler: Handler::TakesARequest,
        ..LOCAL
    },
    Variant {
        name: "in our handler, which a stray signal called while it slept",
        signal: Some((USR1, When::Asleep)),
        ..LOCAL
    },
    Variant {
        name: "in our handler, which a stray signal called at the syscall instruction",
        signal: Some((USR1, When::Before(1))),
        ..LOCAL
    },
];

impl Variant {
    /// Whether the variant says something about that call.
    pub fn suits(&self, row: &Row) -> bool {
        let usual = self.handler == Handler::Works && self.restart && !self.elsewhere;
        let simple = self.signal.is_none_or(|signal| signal == (USR2, When::Asleep) && usual);
        if self.turns {
            return row.turns;
        }
        if self.signal.is_some() && row.like_others {
            return false;
        }
        match row.kind {
            Kind::Unfailing => self.ready && self.signal.is_none(),
            Kind::Own => self.everywhere || row.name == "read",
            Kind::Plain => simple && !self.reach,
            Kind::Reached | Kind::Polled | Kind::Naive => simple && self.reach,
        }
    }

    /// How often the application's handler of that signal is to run.
    pub fn handler_runs(&self, signal: Signal) -> usize {
        usize::from(self.signal.is_some_and(|(own, _)| own == signal))
    }
}
