//! A thread with an alternate stack of its own that is as small as may be: nothing is written below
//! it, and the thread sees what it has set.

use std::cell::OnceCell;
use std::error::Error;
use std::mem;
use std::ptr;

use eintr_company::{Company, wait, wrong};

const BELOW: usize = 1 << 16;
const UNTOUCHED: u8 = 0x5a;

thread_local! {
    static STACK: OnceCell<&'static [u8]> = const { OnceCell::new() };
}

/// What libc lacks.
const SS_AUTODISARM: i32 = 1 << 31;

pub fn run(company: &Company, what: &str) {
    let flags = if what == "autodisarm" { SS_AUTODISARM } else { 0 };
    company.beside(&[&|| round(flags)]);
}

fn round(flags: i32) -> Result<(), Box<dyn Error>> {
    let area = STACK.with(|stack| *stack.get_or_init(|| set(flags)));
    let waited = wait();
    let now = current();
    if now.ss_sp.cast_const().cast() != area[BELOW..].as_ptr() || now.ss_flags != flags {
        wrong("another alternate stack than the thread has set");
    }
    // SAFETY: initialised; a handler may write there meanwhile, and then this ends the program.
    let is_touched = |byte: &u8| unsafe { ptr::read_volatile(byte) } != UNTOUCHED;
    if let Some(first) = area[..BELOW].iter().position(is_touched) {
        wrong(format!("{} bytes below an alternate stack were written", BELOW - first));
    }
    waited
}

fn set(flags: i32) -> &'static [u8] {
    // SAFETY: no pointer is taken.
    let least = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
    let size = least.max(libc::MINSIGSTKSZ);
    let area: &'static mut [u8] = Box::leak(vec![UNTOUCHED; BELOW + size].into_boxed_slice());
    let ss_sp = area[BELOW..].as_mut_ptr().cast();
    let stack = libc::stack_t { ss_sp, ss_flags: flags, ss_size: size };
    // SAFETY: it is there for ever.
    if unsafe { libc::sigaltstack(&stack, ptr::null_mut()) } != 0 {
        wrong(std::io::Error::last_os_error());
    }
    area
}

fn current() -> libc::stack_t {
    // SAFETY: all zeroes are a `stack_t`, which the kernel fills.
    unsafe {
        let mut stack = mem::zeroed();
        libc::sigaltstack(ptr::null(), &mut stack);
        stack
    }
}
