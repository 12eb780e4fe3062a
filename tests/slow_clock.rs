//! A clock that cannot be read without a syscall (Xen's, hpet, acpi_pm): no syscall of libc's may
//! be made while SIGSYS is blocked (S11).
//!
//! This program has a `clock_gettime` of its own, which takes the place of libc's.

#![cfg(target_arch = "x86_64")]

use std::io::Read;
use std::os::unix::net::UnixStream;

use test_support::{has_dispatch, watched};

#[unsafe(no_mangle)]
extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> libc::c_int {
    // SAFETY: the arguments of the function whose place this takes.
    unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as libc::c_int }
}

#[test]
fn a_thread_is_reached() {
    if !has_dispatch("slow clock") {
        return;
    }
    watched("slow clock", || {
        let (reader, _writer) = UnixStream::pair().unwrap();
        let worker = eintr::spawn(move || {
            eintr::Interrupter::current().unwrap().interrupt();
            for _ in 0..20 {
                // The back-off look at the clock too.
                assert!((&reader).read(&mut [0]).is_err());
            }
        });
        worker.join().unwrap();
    });
}
