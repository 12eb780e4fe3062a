//! A reason is the user's: its destructor may do what it likes, so it must not run under a lock of
//! ours.

use std::fmt;
use std::io::Read;
use std::os::unix::net::UnixStream;

use eintr::Interrupter;
use test_support::{has_dispatch, watched};

/// An error whose destructor looks at its task.
#[derive(Debug)]
struct Nosy(Interrupter);

impl fmt::Display for Nosy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nosy")
    }
}

impl std::error::Error for Nosy {}

impl Drop for Nosy {
    fn drop(&mut self) {
        self.0.is_finished();
        self.0.raised();
        eintr::checkpoint().ok();
        // A fork must be able to close the gate.
        // SAFETY: the child does nothing but end.
        unsafe {
            let pid = libc::fork();
            if pid == 0 {
                libc::_exit(0);
            }
            while libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) == 0 {}
        }
    }
}

#[test]
fn is_dropped_under_no_lock_when_the_next_is_raised() {
    watched("raised", || {
        let (task, interrupter) = eintr::task();
        task.run(|| {
            for _ in 0..3 {
                interrupter.interrupt_with(Nosy(interrupter.clone()));
                assert!(eintr::checkpoint().is_err());
                assert!(eintr::take().is_some());
            }
        });
    });
}

#[test]
fn is_dropped_under_no_lock_when_a_syscall_is_refused_for_the_next() {
    if !has_dispatch("refused") {
        return;
    }
    watched("refused", || {
        let (task, interrupter) = eintr::task();
        let (mut reader, _writer) = UnixStream::pair().unwrap();
        task.run(|| {
            for number in 0..3 {
                interrupter.interrupt_with(Nosy(interrupter.clone()));
                assert!(reader.read(&mut [0]).is_err());
                assert_eq!(interrupter.report().refused, number + 1);
                assert!(interrupter.raised().is_some());
                assert!(eintr::take().is_some());
            }
        });
        assert!(interrupter.raised().is_some(), "kept after the end");
    });
}
