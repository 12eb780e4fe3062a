//! Signals that are not ours: handlers that make calls of their own, masks, waits for signals.

use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering::SeqCst};
use std::{io, mem, ptr};

use test_support::signals;

use super::{Done, Row, row};
use crate::operation::Call;
use crate::operation::Whose::{C, Own};
use crate::worker::{Readiness, Worker};
use crate::wrong;

pub const ROWS: &[Row] = &[
    row("SIGALRM to itself", &[], &[C], |worker, _| {
        signals::send(worker.tid, libc::SIGALRM);
        Ok(())
    }),
    row("setitimer", &[], &[C], |_, call| {
        // SAFETY: all bytes zero are a time, which is borrowed.
        unsafe {
            let mut time: libc::itimerval = mem::zeroed();
            time.it_value.tv_usec = call.time.subsec_micros().into();
            libc::setitimer(libc::ITIMER_REAL, &time, ptr::null_mut());
        }
        Ok(())
    }),
    row("a mask of signals", &[], &[Own], |worker, _| {
        let before = signals::change_mask(libc::SIG_BLOCK, &signals::full());
        let felt = worker.felt(eintr::checkpoint());
        signals::change_mask(libc::SIG_SETMASK, &before);
        felt
    }),
    row("sigwaitinfo", &[Own, C], &[], sigwaitinfo),
];

static PIPE: [AtomicI32; 2] = [const { AtomicI32::new(-1) }; 2];
static WRITTEN: AtomicU64 = AtomicU64::new(0);
static READ: AtomicU64 = AtomicU64::new(0);
static FAILED: AtomicI32 = AtomicI32::new(0);
static RESTARTS: AtomicBool = AtomicBool::new(true);

/// Whether calls go on after SIGALRM.
pub fn restarts() -> bool {
    RESTARTS.load(SeqCst)
}

/// SIGALRM has a handler that makes calls. Whether it has calls restarted is the round's.
pub fn handle_alarms(restarts: bool) -> io::Result<()> {
    if PIPE[0].load(SeqCst) == -1 {
        let (reader, writer) = io::pipe()?;
        for (kept, fd) in PIPE.iter().zip([reader.into_raw_fd(), writer.into_raw_fd()]) {
            // SAFETY: no pointers.
            crate::answer(unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) } as isize)?;
            kept.store(fd, SeqCst);
        }
    }
    RESTARTS.store(restarts, SeqCst);
    signals::handle(libc::SIGALRM, alarm, if restarts { libc::SA_RESTART } else { 0 }, &[]);
    Ok(())
}

extern "C" fn alarm(_: libc::c_int) {
    let (reader, writer) = (PIPE[0].load(SeqCst), PIPE[1].load(SeqCst));
    let mut byte = 0u8;
    // SAFETY: errno and the byte are this thread's; what is called is async-signal-safe.
    unsafe {
        let errno = *libc::__errno_location();
        let at = (&raw mut byte).cast();
        let mut fd = libc::pollfd { fd: reader, events: libc::POLLIN, revents: 0 };
        for (answer, done) in [
            (libc::write(writer, at, 1), Some(&WRITTEN)),
            (libc::poll(&mut fd, 1, 0) as isize, None),
            (libc::read(reader, at, 1), Some(&READ)),
        ] {
            match (answer, done) {
                (1, Some(done)) => drop(done.fetch_add(1, SeqCst)),
                // The kernel tells a poll of a signal, whoever sent that, before it looks at the time.
                (-1, None) if *libc::__errno_location() == libc::EINTR => {}
                (-1, _) if *libc::__errno_location() != libc::EAGAIN => {
                    FAILED.store(*libc::__errno_location(), SeqCst);
                }
                _ => {}
            }
        }
        *libc::__errno_location() = errno;
    }
}

/// How often the handler ran.
pub fn balance() -> u64 {
    let failed = FAILED.load(SeqCst);
    if failed != 0 {
        let error = io::Error::from_raw_os_error(failed);
        wrong(format_args!("a call in a handler that did not wait: {error}"));
    }
    WRITTEN.load(SeqCst)
}

/// When no alarm is to come any more.
pub fn balance_at_the_end() {
    let mut bytes = [0; 1 << 16];
    let (reader, at) = (PIPE[0].load(SeqCst), bytes.as_mut_ptr());
    signals::ignore(libc::SIGALRM);
    // SAFETY: the bytes are borrowed.
    let left = unsafe { libc::read(reader, at.cast(), bytes.len()) }.max(0) as u64;
    let (written, read) = (WRITTEN.load(SeqCst), READ.load(SeqCst));
    if written != read + left {
        wrong(format_args!("handlers have written {written} bytes, read {read}, left {left}"));
    }
}

/// A signal that the thread waits for.
#[derive(Clone)]
struct Sent(i32, i32);

impl Readiness for Sent {
    fn ready(&self) {
        if !signals::is_pending(self.0, self.1) {
            signals::send(self.0, self.1);
        }
    }

    fn unready(&self) {}
}

fn sigwaitinfo(worker: &Worker, call: &Call) -> Done {
    let signal = libc::SIGRTMIN() + 3;
    let set = signals::set_of(&[signal]);
    let before = signals::change_mask(libc::SIG_BLOCK, &set);
    let waited = worker.meets(call, Sent(worker.tid, signal), || match call.whose {
        Own => worker.own(eintr::event::sigwaitinfo(&[signal])).map(|info| info.signal()),
        // SAFETY: the set is borrowed.
        _ => worker
            .c_once(unsafe { libc::sigwaitinfo(&set, ptr::null_mut()) } as isize)
            .map(|signal| signal as i32),
    });
    // What was not waited for would end the process.
    // SAFETY: the set and the time are borrowed.
    eintr::mask(|| unsafe {
        while libc::sigtimedwait(&set, ptr::null_mut(), &mem::zeroed()) == signal {}
    });
    signals::change_mask(libc::SIG_SETMASK, &before);
    if waited? != signal {
        wrong("another signal has come than was waited for");
    }
    Ok(())
}
