//! A POSIX timer of the calling thread's, as one would use it by hand.

use std::io;
use std::mem;
use std::ptr;
use std::time::Duration;

pub struct Timer(libc::timer_t);

extern "C" fn ignore(_signal: libc::c_int) {}

impl Timer {
    /// A timer that sends this signal to this thread, whose handler does nothing and lets calls end
    /// with EINTR.
    pub fn new(signal: libc::c_int) -> io::Result<Self> {
        // SAFETY: all bytes zero are valid for the three structures; the handler touches nothing;
        // the id is the calling thread's.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = ignore as *const () as usize;
            if libc::sigaction(signal, &action, ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
            let mut event: libc::sigevent = mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = signal;
            event.sigev_notify_thread_id = libc::gettid();
            let mut timer = ptr::null_mut();
            match libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) {
                0 => Ok(Self(timer)),
                _ => Err(io::Error::last_os_error()),
            }
        }
    }

    /// One shot after that time; none if it is zero.
    pub fn set(&self, after: Duration) {
        self.settime(0, after);
    }

    /// One shot at that moment of the monotonic clock.
    pub fn set_at(&self, moment: Duration) {
        self.settime(libc::TIMER_ABSTIME, moment);
    }

    fn settime(&self, flags: libc::c_int, time: Duration) {
        let never = timespec(Duration::ZERO);
        let setting = libc::itimerspec { it_interval: never, it_value: timespec(time) };
        // SAFETY: the timer exists, and the setting is borrowed.
        let result = unsafe { libc::timer_settime(self.0, flags, &setting, ptr::null_mut()) };
        assert_eq!(result, 0);
    }
}

fn timespec(time: Duration) -> libc::timespec {
    libc::timespec { tv_sec: time.as_secs() as libc::time_t, tv_nsec: time.subsec_nanos().into() }
}

/// The monotonic clock.
pub fn now() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is ours to write.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) }, 0);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
