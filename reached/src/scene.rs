//! What a call is stuck in: real objects, made for it alone.
//!
//! Shared by `reached`, which measures each call, and by the tests of reach, which look at how each
//! ends.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use eintr::Interrupted;
use libc::c_long;

/// The call: made as often as asked, on the same objects.
pub type Call = Box<dyn FnMut() -> io::Result<()> + Send>;
/// Makes the call return by way of its object, so that a thread that is stuck in it can go.
pub type Release = Box<dyn FnOnce() + Send>;

/// Lets the thread go, if there is a way.
pub fn let_go(release: Option<Release>) {
    if let Some(release) = release {
        release();
    }
}

/// When the call is interrupted.
pub enum When {
    /// Once its thread sleeps in one of these syscalls.
    Asleep(&'static [c_long]),
    /// Once it says that it has looked at the flag for the last time, and before it makes its
    /// syscall.
    Said(Arc<AtomicBool>),
}

impl When {
    /// Whether it is time to ask.
    pub fn has_come(&self, tid: i32) -> bool {
        match self {
            Self::Said(said) => said.load(Ordering::Acquire),
            Self::Asleep(syscalls) => {
                sleeping_in(tid).is_some_and(|number| is_one_of(syscalls, number))
            }
        }
    }
}

fn is_one_of(syscalls: &[c_long], kernels: c_long) -> bool {
    syscalls.iter().any(|number| test_support::kernels_number(*number) == kernels)
}

/// The kernel's number of the syscall in which a thread of this process sleeps.
fn sleeping_in(tid: i32) -> Option<c_long> {
    let read = |file| fs::read_to_string(format!("/proc/self/task/{tid}/{file}")).ok();
    let sleeps = read("stat")?.rsplit(") ").next()?.starts_with('S');
    let number = read("syscall")?.split_whitespace().next()?.parse().ok()?;
    sleeps.then_some(number)
}

/// How the call ends if `eintr` interrupts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// With an error in which the interrupt is recognised.
    Recognised,
    /// As if its time were up.
    Early,
    /// With EINTR, the only error that it may have.
    Eintr,
    /// With EINTR if it was asleep, since the kernel does not take up again a call that has a
    /// timeout; made once more, as code that handles EINTR does, it is refused or over at once.
    AfterEintr,
    /// With an error of its own, made of the one that it got.
    WithItsOwnError,
}

impl Ends {
    /// Makes the call. What it returned, when, and whether that is what is said here.
    pub fn of(self, call: &mut Call) -> (io::Result<()>, Instant, bool) {
        let result = call();
        let at = Instant::now();
        let is_eintr = |error: &io::Error| error.kind() == io::ErrorKind::Interrupted;
        let is_recognised = |error: &io::Error| Interrupted::of(error).is_some();
        let fits = match (self, &result) {
            (Self::Early, Ok(())) | (Self::WithItsOwnError, Err(_)) => true,
            (Self::Recognised, Err(error)) => is_recognised(error),
            (Self::Eintr, Err(error)) => is_eintr(error),
            (Self::AfterEintr, Err(error)) if is_eintr(error) => {
                call().map_or_else(|again| is_recognised(&again), |()| true)
            }
            (Self::AfterEintr, Err(error)) => is_recognised(error),
            (Self::AfterEintr, Ok(())) => true,
            _ => false,
        };
        (result, at, fits)
    }
}

/// One call and its objects.
pub struct Scene {
    pub when: When,
    pub ends: Ends,
    pub call: Call,
    /// None if nothing but time makes it return.
    pub release: Option<Release>,
}

impl Scene {
    /// A call that ends with an error, in these syscalls.
    pub fn new(
        syscalls: &'static [c_long],
        call: impl FnMut() -> io::Result<()> + Send + 'static,
    ) -> Self {
        Self {
            when: When::Asleep(syscalls),
            ends: Ends::Recognised,
            call: Box::new(call),
            release: None,
        }
    }

    pub fn when(self, when: When) -> Self {
        Self { when, ..self }
    }

    pub fn ends(self, ends: Ends) -> Self {
        Self { ends, ..self }
    }

    pub fn release<T>(self, release: impl FnOnce() -> T + Send + 'static) -> Self {
        Self { release: Some(Box::new(move || _ = release())), ..self }
    }
}

/// A scene, or why this machine has none.
pub type Made = Result<Scene, String>;

/// Whose code makes the syscall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A call of this crate's; in the other column the plain syscall.
    Own,
    Std,
    /// A crate that knows nothing of us.
    Crate,
    C,
}

impl By {
    pub fn name(self) -> &'static str {
        match self {
            By::Own => "own call",
            By::Std => "std",
            By::Crate => "crate",
            By::C => "C",
        }
    }
}

/// One row of the table: a call, made in both ways.
pub struct Case {
    pub call: &'static str,
    pub by: By,
    pub plain: fn() -> Made,
    pub managed: fn() -> Made,
}

impl Case {
    /// Of code that knows nothing of us: the same in both columns.
    pub const fn foreign(call: &'static str, by: By, make: fn() -> Made) -> Self {
        Self { call, by, plain: make, managed: make }
    }

    /// Of our own: a plain syscall and the call that stands for it.
    pub const fn own(call: &'static str, plain: fn() -> Made, managed: fn() -> Made) -> Self {
        Self { call, by: By::Own, plain, managed }
    }
}

/// For timeouts that are not to come.
pub const AN_HOUR: Duration = Duration::from_secs(3600);
