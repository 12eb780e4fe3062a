//! A sandbox: what the kernel answers to a syscall in place of making it.

/// Has this process's threads get that answer to a syscall, from now on.
pub fn filter(syscall: libc::c_long, answer: u32) {
    filter_if(syscall, None, answer);
}

/// The same, only with that first argument, if there is one.
pub fn filter_if(syscall: libc::c_long, first: Option<u32>, answer: u32) {
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let give = libc::BPF_RET | libc::BPF_K;
    let mut program = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0), // the number
        libc::sock_filter { code: equal as u16, jt: 0, jf: 3, k: syscall as u32 },
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 16), // the first argument
        libc::sock_filter {
            code: equal as u16,
            jt: 0,
            jf: u8::from(first.is_some()),
            k: first.unwrap_or(0),
        },
        statement(give, answer),
        statement(give, libc::SECCOMP_RET_ALLOW),
    ];
    set(&mut program);
}

fn set(program: &mut [libc::sock_filter]) {
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: numbers, and a program that lives through the call.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let [mode, flags] = [libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_TSYNC as u32];
        assert_eq!(libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program), 0);
    }
}

/// Has this process's threads get that answer to those syscalls, and to all that came later than the list, whose numbers begin there. It is
/// the last: to set another may be among them.
pub fn filter_by_list(refused: &[libc::c_long], later: libc::c_long, answer: u32) {
    let number = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let jump = |condition, jt, k: libc::c_long| {
        let code = (libc::BPF_JMP | condition | libc::BPF_K) as u16;
        libc::sock_filter { code, jt, jf: 0, k: k as u32 }
    };
    let give = |k| libc::sock_filter { code: libc::BPF_RET as u16, jt: 0, jf: 0, k };
    let left = |i: usize| u8::try_from(refused.len() - i).expect("it can jump so far");
    let mut program = vec![libc::sock_filter { code: number as u16, jt: 0, jf: 0, k: 0 }];
    program.push(jump(libc::BPF_JGE, left(0) + 1, later));
    program.extend(refused.iter().zip(0..).map(|(one, i)| jump(libc::BPF_JEQ, left(i), *one)));
    program.extend([give(libc::SECCOMP_RET_ALLOW), give(answer)]);
    set(&mut program);
}

/// Has a syscall fail with ENOSYS, as in a sandbox that does not know it.
pub fn forbid(syscall: libc::c_long) {
    filter(syscall, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32);
}
