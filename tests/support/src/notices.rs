//! A thread puts itself under a seccomp filter that has the kernel ask another thread of this process
//! about each of its syscalls. That one notes the number and says go on.

use std::os::fd::{AsRawFd, OwnedFd};

/// The kernel's `struct seccomp_notif`.
#[repr(C)]
#[derive(Default)]
pub struct Notice {
    id: u64,
    pub pid: u32,
    flags: u32,
    pub number: i32,
    arch: u32,
    pointer: u64,
    arguments: [u64; 6],
}

/// The kernel's `struct seccomp_notif_resp`.
#[repr(C)]
struct Reply {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

const RECEIVE: libc::Ioctl = 0xc050_2100_u32 as libc::Ioctl;
const SEND: libc::Ioctl = 0xc018_2101_u32 as libc::Ioctl;
const CONTINUE: u32 = 1;

/// Has the kernel ask about each of this thread's syscalls from now on: where.
pub fn ask_about_me() -> i32 {
    let answer = (libc::BPF_RET | libc::BPF_K) as u16;
    let ask = libc::sock_filter { code: answer, jt: 0, jf: 0, k: libc::SECCOMP_RET_USER_NOTIF };
    let program = libc::sock_fprog { len: 1, filter: (&raw const ask).cast_mut() };
    // SAFETY: numbers, and a program that lives through the call.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let [mode, flag] =
            [libc::SECCOMP_SET_MODE_FILTER as u64, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER];
        libc::syscall(libc::SYS_seccomp, mode, flag, &raw const program) as i32
    }
}

/// Waits for the next syscall, has it noted, and lets it go on; false when nobody is left to ask about.
pub fn let_one_on(listener: &OwnedFd, note: impl FnOnce(&Notice)) -> bool {
    loop {
        let mut poll = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor.
        assert_eq!(unsafe { libc::poll(&mut poll, 1, -1) }, 1);
        if poll.revents & libc::POLLIN == 0 {
            return false;
        }
        let mut notice = Notice::default();
        // SAFETY: a notice is written.
        if unsafe { libc::ioctl(poll.fd, RECEIVE, &mut notice) } != 0 {
            continue;
        }
        note(&notice);
        let reply = Reply { id: notice.id, value: 0, error: 0, flags: CONTINUE };
        // SAFETY: a reply is read. Whoever is gone needs none.
        unsafe { libc::ioctl(poll.fd, SEND, &reply) };
        return true;
    }
}
