//! Another user of Syscall User Dispatch, in a thread that is not ours. Its handler was there first,
//! or comes after ours.

use std::ffi::c_void;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::*};
use std::thread;

use eintr_company::{Company, Mode, wrong};

const SET: libc::c_int = 59;
const ON: libc::c_ulong = 1;
const ALLOW: u8 = 0;
const BLOCK: u8 = 1;
const ANSWER: i64 = 4242;

static SELECTOR: AtomicU8 = AtomicU8::new(ALLOW);
static SEEN: AtomicU64 = AtomicU64::new(0);

extern "C" fn on_sigsys(_: i32, _: *mut libc::siginfo_t, context: *mut c_void) {
    SELECTOR.store(ALLOW, SeqCst);
    SEEN.fetch_add(1, SeqCst);
    // SAFETY: the kernel's, for as long as this handler runs.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    context.uc_mcontext.gregs[libc::REG_RAX as usize] = ANSWER;
}

pub fn run(company: &Company, order: &str) {
    let after = order == "after";
    if !after {
        handle_sigsys();
    }
    if company.mode != Mode::Without {
        eintr::spawn(eintr::checkpoint).join().expect("no panic").expect("nobody asks");
    }
    if after {
        handle_sigsys();
    }
    thread::scope(|scope| {
        let dispatches = scope.spawn(dispatch);
        // A reached thread, beside it.
        company.beside(&[&eintr_company::wait]);
        dispatches.join().unwrap_or_else(|_| wrong("the dispatching thread panicked"));
    });
}

fn handle_sigsys() {
    // SAFETY: `on_sigsys` has the arguments of a handler with SA_SIGINFO.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = on_sigsys as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        libc::sigaction(libc::SIGSYS, &action, ptr::null_mut());
    }
}

fn dispatch() {
    // SAFETY: the selector is a static.
    let began = unsafe { libc::prctl(SET, ON, 0, 0, SELECTOR.as_ptr()) };
    if began != 0 {
        return;
    }
    for round in 1..=1000 {
        SELECTOR.store(BLOCK, SeqCst);
        // SAFETY: no arguments.
        let answer = unsafe { libc::syscall(libc::SYS_getppid) };
        SELECTOR.store(ALLOW, SeqCst);
        if answer != ANSWER || SEEN.load(SeqCst) != round {
            wrong(format!(
                "round {round}: {answer}, after {} times in the handler",
                SEEN.load(SeqCst)
            ));
        }
    }
}
