//! Sleeps.

use std::thread;
use std::time::{Duration, Instant};

use super::{Done, Row, row};
use crate::operation::Call;
use crate::operation::State::{Becomes, Ready};
use crate::operation::Whose::{C, Own, Std};
use crate::worker::Worker;

pub const ROWS: &[Row] = &[
    row("sleep", &[Own, Std, C], &[], sleep),
    row("sleep_until", &[Own], &[], |worker, call| {
        worker.own(eintr::time::sleep_until(Instant::now() + length(call)))
    }),
];

fn length(call: &Call) -> Duration {
    match call.state {
        Ready => Duration::ZERO,
        Becomes => call.time,
        _ => Duration::from_secs(1_000),
    }
}

fn sleep(worker: &Worker, call: &Call) -> Done {
    let (length, began) = (length(call), Instant::now());
    match call.whose {
        Own => worker.own(eintr::time::sleep(length))?,
        Std => thread::sleep(length),
        C => {
            let length = libc::timespec {
                tv_sec: length.as_secs() as libc::time_t,
                tv_nsec: length.subsec_nanos().into(),
            };
            // SAFETY: the time is borrowed.
            let answer = unsafe { libc::nanosleep(&length, std::ptr::null_mut()) };
            worker.c_once(answer as isize)?;
        }
    }
    // A plain sleep that is cut short says that it is over.
    if began.elapsed() < length && !eintr::is_interrupted() {
        crate::wrong("a sleep has ended too early");
    }
    Ok(())
}
