//! Children: spawned and forked, waited for, and reaped.

use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{ffi::CString, io, mem, ptr};

use eintr::process::{WaitOptions, WaitStatus};
use test_support::signals;

use super::{Done, Row, row};
use crate::operation::Call;
use crate::operation::State::{Becomes, Ready};
use crate::operation::Whose::{C, Own, Std};
use crate::worker::{Readiness, Worker};
use crate::wrong;

pub const ROWS: &[Row] = &[
    row("wait", &[Own, Std], &[], wait),
    row("waitpid of a fork", &[Own, C], &[], fork),
    row("exec in a fork", &[], &[Own, C], exec),
    row("status", &[Own], &[], |worker, call| {
        let status = eintr::process::status(&mut command(call), Duration::from_millis(5));
        worker.own(status).map(drop)
    }),
    row("output", &[Own], &[], |worker, call| {
        let output = eintr::process::output(&mut command(call), Duration::from_millis(5));
        worker.own(output).map(drop)
    }),
];

#[derive(Default)]
pub struct Children {
    made: AtomicU64,
    reaped: AtomicU64,
}

impl Children {
    pub fn balance(&self) -> u64 {
        let (made, reaped) = (self.made.load(SeqCst), self.reaped.load(SeqCst));
        // SAFETY: no status is asked for.
        let left = unsafe { libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG) };
        if left != -1 || made != reaped {
            wrong(format_args!("{made} children were made, {reaped} reaped; one is left: {left}"));
        }
        made
    }
}

/// One that ends at once, or one that does not end by itself.
fn command(call: &Call) -> Command {
    let ends = matches!(call.state, Ready | Becomes);
    let mut command = Command::new(if ends { "true" } else { "sleep" });
    if !ends {
        command.arg("1000");
    }
    command.stdin(Stdio::null());
    resets(&mut command, call);
    command
}

/// Some children give up what handlers they inherited. This also makes std fork.
fn resets(command: &mut Command, call: &Call) {
    if call.number % 4 == 0 {
        // SAFETY: what is called is async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                reset_signals();
                Ok(())
            })
        };
    }
}

fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: no pointers.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// Ends when its input does.
#[derive(Clone)]
struct Input(Arc<Mutex<Option<ChildStdin>>>);

impl Readiness for Input {
    fn ready(&self) {
        drop(self.0.lock().expect("nobody panics").take());
    }

    fn unready(&self) {}
}

fn wait(worker: &Worker, call: &Call) -> Done {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    resets(&mut command, call);
    let child = match call.number % 2 {
        0 => Ok(command.spawn().unwrap_or_else(|error| wrong(format_args!("spawn: {error}")))),
        _ => eintr::mask(|| command.spawn()),
    };
    let mut child: Child = child.unwrap_or_else(|error| wrong(error));
    worker.objects.children.made.fetch_add(1, SeqCst);
    let input = Input(Arc::new(Mutex::new(child.stdin.take())));
    if call.state == Ready {
        input.ready();
        eintr::mask(|| has_ended(child.id()));
    }
    let waited = worker.meets(call, input.clone(), || match call.whose {
        Own => worker.own(eintr::process::wait(&mut child)),
        _ => worker.std(child.wait()),
    });
    if crate::plant::planted("child", call.number) {
        mem::forget(child);
        return Ok(());
    }
    // Once it is reaped, this is the same status again.
    eintr::mask(|| {
        let _ = child.kill();
        child.wait().unwrap_or_else(|error| wrong(format_args!("a child is gone: {error}")));
    });
    worker.objects.children.reaped.fetch_add(1, SeqCst);
    waited.map(drop)
}

/// Waits until it can be reaped.
fn has_ended(pid: u32) {
    // SAFETY: all bytes zero are an answer, which is borrowed.
    unsafe {
        let mut answer = mem::zeroed();
        while libc::waitid(libc::P_PID, pid, &mut answer, libc::WEXITED | libc::WNOWAIT) != 0 {}
    }
}

fn fork(worker: &Worker, call: &Call) -> Done {
    let blocks = call.number % 2 == 0;
    let before = blocks.then(|| signals::change_mask(libc::SIG_BLOCK, &signals::full()));
    // SAFETY: the child is said to do what may be done there.
    let pid = match unsafe { libc::fork() } {
        0 => child(call, blocks),
        -1 => wrong(io::Error::last_os_error()),
        pid => pid,
    };
    if let Some(before) = before {
        signals::change_mask(libc::SIG_SETMASK, &before);
    }
    worker.objects.children.made.fetch_add(1, SeqCst);
    if call.state == Ready {
        eintr::mask(|| has_ended(pid as u32));
    }
    let mut status = -1;
    let waited = match call.whose {
        Own => worker.own(eintr::process::waitpid(pid, WaitOptions::empty())).map(drop),
        // SAFETY: the status is borrowed.
        _ => worker.c(unsafe { libc::waitpid(pid, &mut status, 0) } as isize).map(drop),
    };
    if waited.is_err() {
        // SAFETY: the status is borrowed, and the child is not reaped.
        eintr::mask(|| unsafe {
            libc::kill(pid, libc::SIGKILL);
            while let Err(error) = crate::answer(libc::waitpid(pid, &mut status, 0) as isize) {
                if error.kind() != io::ErrorKind::Interrupted {
                    wrong(format_args!("a child whose wait was interrupted: {error}"));
                }
            }
        });
    } else if call.whose == C && status != 0 {
        wrong(format_args!("a forked child has ended with {status:#x}"));
    }
    worker.objects.children.reaped.fetch_add(1, SeqCst);
    waited
}

/// The first argument of a program that tells whether its second is what it has inherited.
pub const INHERITED: &str = "inherited";

/// What a new program inherits, and what is pending; or nothing, as it should be there.
pub fn inheritance(looks: bool) -> String {
    let known = (1..=64).filter(|signal| !matches!(signal, 32 | 33));
    let ignored = known.filter(|signal| signals::action(*signal).sa_sigaction == libc::SIG_IGN);
    // SAFETY: all bytes zero are a set, which is borrowed.
    let pending = unsafe {
        let mut set = mem::zeroed();
        libc::sigpending(&mut set);
        let pending = |signal: &i32| looks && libc::sigismember(&set, *signal) == 1;
        (1..=64).filter(pending).collect::<Vec<_>>()
    };
    let (blocked, ignored) = (signals::blocked(), ignored.collect::<Vec<_>>());
    format!("blocked {blocked:?}, ignored {ignored:?}, pending {pending:?}")
}

/// A new program in a forked child has what the thread had, and nothing waits for it.
fn exec(worker: &Worker, call: &Call) -> Done {
    let right = inheritance(false);
    let mut command = Command::new("/proc/self/exe");
    command.args([INHERITED, &right]);
    let arguments = ["/proc/self/exe", INHERITED, &right];
    let arguments = arguments.map(|argument| CString::new(argument).expect("it has no zero"));
    let [program, first, second] = arguments.each_ref().map(|argument| argument.as_ptr());
    let pointers = [program, first, second, ptr::null()];
    // SAFETY: the child is said to do what may be done there.
    let pid = match unsafe { libc::fork() } {
        0 => {
            if crate::plant::planted("inherited", call.number) {
                signals::block(&[libc::SIGUSR2]);
                signals::send(test_support::gettid(), libc::SIGUSR2);
            }
            if call.whose == Own {
                drop(eintr::process::exec(&mut command));
            }
            // SAFETY: the pointers are borrowed, and end with null; nothing of this process is left to be done.
            unsafe {
                libc::execv(program, pointers.as_ptr());
                libc::_exit(3)
            }
        }
        -1 => wrong(io::Error::last_os_error()),
        pid => pid,
    };
    worker.objects.children.made.fetch_add(1, SeqCst);
    let waited = eintr::mask(|| eintr::process::waitpid(pid, WaitOptions::empty()));
    worker.objects.children.reaped.fetch_add(1, SeqCst);
    match waited.map(|waited| waited.status) {
        Ok(WaitStatus::Exited(0)) => Ok(()),
        other => wrong(format_args!("a new program has inherited something else: {other:?}")),
    }
}

/// What a child does that has one thread, and whatever stood on it.
fn child(call: &Call, blocks: bool) -> ! {
    // SAFETY: no pointers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let ends = matches!(call.state, Ready | Becomes);
    let right = if blocks && ends {
        // As a program does that is about to run another one.
        reset_signals();
        signals::change_mask(libc::SIG_SETMASK, &signals::set_of(&[]));
        true
    } else if ends {
        let slept: Result<(), eintr::Error> = eintr::mask(|| {
            eintr::timeout(call.time, || eintr::time::sleep(Duration::from_secs(1_000)))
        });
        slept.is_err()
    } else {
        eintr::mask(|| {
            loop {
                // SAFETY: no pointers.
                unsafe { libc::pause() };
            }
        })
    };
    // SAFETY: nothing of this process is left to be done.
    unsafe { libc::_exit(if right { 0 } else { 1 }) }
}
