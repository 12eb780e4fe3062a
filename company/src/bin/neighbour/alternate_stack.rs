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

pub fn run(company: &Company) {
    company.beside(&[&round]);
}

fn round() -> Result<(), Box<dyn Error>> {
    let area = STACK.with(|stack| *stack.get_or_init(set));
    let waited = wait();
    if current().ss_sp.cast_const().cast() != area[BELOW..].as_ptr() {
        wrong("another alternate stack than the thread has set");
    }
    // SAFETY: initialised; a handler may write there meanwhile, and then this ends the program.
    let is_touched = |byte: &u8| unsafe { ptr::read_volatile(byte) } != UNTOUCHED;
    if let Some(first) = area[..BELOW].iter().position(is_touched) {
        wrong(format!("{} bytes below an alternate stack were written", BELOW - first));
    }
    waited
}

fn set() -> &'static [u8] {
    // SAFETY: no pointer is taken.
    let least = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
    let size = least.max(libc::MINSIGSTKSZ);
    let area: &'static mut [u8] = Box::leak(vec![UNTOUCHED; BELOW + size].into_boxed_slice());
    let stack =
        libc::stack_t { ss_sp: area[BELOW..].as_mut_ptr().cast(), ss_flags: 0, ss_size: size };
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
