//! `eintr::sync`: waiting for other threads.
//!
//! The tests work like this: [`cases`] lists every interruptible wait, each with what lets it go
//! on. [`points`] asks each at every point in time. The other modules are about what is particular
//! to one type, and [`std_program`] is a program that is compiled twice, with std's types and with
//! ours, and must do the same.

mod cases;
mod channels;
mod condvars;
mod locks;
mod others;
mod points;
mod roads;
mod std_program;
mod types;

use test_support::wait_until_on_futex as wait_until_asleep;

/// Which of two things comes first: a request, or what the asked thread waits for.
#[derive(Clone, Copy)]
enum Order {
    Request,
    Result,
    Luck,
}

impl Order {
    const ALL: [Self; 3] = [Self::Request, Self::Result, Self::Luck];

    /// Does both; what the second one returns.
    fn bring<T>(self, ask: impl FnOnce() + Send, bring: impl FnOnce() -> T) -> T {
        match self {
            Self::Request => {
                ask();
                bring()
            }
            Self::Result => {
                let brought = bring();
                ask();
                brought
            }
            Self::Luck => std::thread::scope(|scope| {
                let requester = scope.spawn(ask);
                let brought = bring();
                requester.join().unwrap();
                brought
            }),
        }
    }
}
