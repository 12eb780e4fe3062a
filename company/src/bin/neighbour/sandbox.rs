//! A sandbox that comes after us, or before, and forbids one syscall, or as many as docker does.

use std::process::Command;

use eintr_company::{Company, Mode, wait, wrong};

use crate::reader;

const LD: u16 = 0x20;
const JEQ: u16 = 0x15;
const JGE: u16 = 0x35;
const RET: u16 = 6;
const SET_NO_NEW_PRIVS: libc::c_int = 38;
const SET_MODE_FILTER: libc::c_ulong = 1;
const TSYNC: libc::c_ulong = 1;
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;
const TRAP: u32 = 0x0003_0000;

pub fn run(company: &Company, action: &str, what: &str, is_first: bool) {
    let with = company.mode != Mode::Without;
    if with && !is_first {
        eintr::spawn(eintr::checkpoint).join().expect("no panic").expect("nobody asks");
    }
    forbid(action, what);
    reader::come_and_go(company);
    let command = || {
        // An error if it is refused: nothing is said of that.
        let mut child = Command::new("true").spawn()?;
        let status = if with { eintr::mask(|| child.wait())? } else { child.wait()? };
        if status.success() { Ok(()) } else { Err(format!("{status}").into()) }
    };
    company.beside(&[&wait, &command, &wait]);
    if with {
        let _ = eintr::support();
    }
}

/// In all threads.
fn forbid(action: &str, what: &str) {
    let action = match action {
        "EPERM" => ERRNO | libc::EPERM.cast_unsigned(),
        "ENOSYS" => ERRNO | libc::ENOSYS.cast_unsigned(),
        "TRAP" => TRAP,
        _ => wrong(format!("no such action: {action:?}")),
    };
    let instruction = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut filter = vec![instruction(LD, 0, 0, 0)];
    if what == "docker" {
        let [clone3, enosys] = [libc::SYS_clone3 as u32, ERRNO | libc::ENOSYS.cast_unsigned()];
        filter.extend([instruction(JEQ, 0, 1, clone3), instruction(RET, 0, 0, enosys)]);
        // What it does not know.
        filter.extend([instruction(JGE, 0, 1, 450), instruction(RET, 0, 0, action)]);
    }
    for number in numbers(what) {
        filter.extend([instruction(JEQ, 0, 1, number), instruction(RET, 0, 0, action)]);
    }
    filter.push(instruction(RET, 0, 0, ALLOW));
    let len = filter.len().try_into().expect("short");
    let program = libc::sock_fprog { len, filter: filter.as_mut_ptr() };
    // SAFETY: the filter lives until the kernel has copied it.
    unsafe {
        if libc::prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, TSYNC, &raw const program) != 0
        {
            wrong(std::io::Error::last_os_error());
        }
    }
}

fn numbers(what: &str) -> Vec<u32> {
    let number = match what {
        "docker" => return DOCKER.split_whitespace().map(|each| each.parse().unwrap()).collect(),
        "getpid" => libc::SYS_getpid,
        "gettid" => libc::SYS_gettid,
        "prctl" => libc::SYS_prctl,
        "process_vm_readv" => libc::SYS_process_vm_readv,
        "rt_tgsigqueueinfo" => libc::SYS_rt_tgsigqueueinfo,
        "sigaltstack" => libc::SYS_sigaltstack,
        "tgkill" => libc::SYS_tgkill,
        "timer_create" => libc::SYS_timer_create,
        "timer_settime" => libc::SYS_timer_settime,
        _ => wrong(format!("no such syscall: {what:?}")),
    };
    vec![number.try_into().expect("a number of the kernel's")]
}

/// What docker's default list forbids on x86_64.
const DOCKER: &str = include_str!("docker.txt");
