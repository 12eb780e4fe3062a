//! Stacks on which our handlers run: an alternate one of ours while dispatch is on, whatever the
//! program's own is (S2).
#![cfg(all(target_arch = "x86_64", target_env = "gnu"))]

use std::arch::asm;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use std::{mem, ptr, thread};

use test_support::child::{alone, alone_with_dispatch};
use test_support::signals::handle;
use test_support::{gettid, wait_until_blocked, watched};

use crate::{assert_reached, reached};

/// Runs the body in a process of its own, on a managed thread that has dispatch on.
fn armed(body: impl FnOnce() + Send + 'static) {
    alone_with_dispatch(|| {
        reached(|| {
            body();
            assert_reached();
        });
    });
}

const UNTOUCHED: u8 = 0x5a;

/// How many bytes from the end were written.
fn written(memory: &[u8]) -> usize {
    memory.len() - memory.iter().position(|byte| *byte != UNTOUCHED).unwrap_or(memory.len())
}

/// A syscall with the stack pointer there. It writes nothing to the stack by itself.
fn syscall_on(top: usize, number: libc::c_long, [first, second]: [usize; 2]) -> i32 {
    let mut result = number;
    // SAFETY: the stack pointer is as it was in the end, and nothing is pushed meanwhile.
    unsafe {
        asm!(
            "mov {kept}, rsp",
            "mov rsp, {top}",
            "syscall",
            "mov rsp, {kept}",
            kept = out(reg) _,
            top = in(reg) top,
            inout("rax") result,
            in("rdi") first,
            in("rsi") second,
            out("rcx") _,
            out("r11") _,
        );
    }
    result as i32
}

/// As a goroutine has it.
#[test]
fn nothing_is_written_below_a_small_stack() {
    armed(|| {
        let memory = vec![UNTOUCHED; 1 << 16].leak();
        let top = memory.as_ptr_range().end as usize;
        let parent = std::os::unix::process::parent_id() as i32;
        assert_eq!(syscall_on(top & !15, libc::SYS_getppid, [0; 2]), parent);
        // Where it goes on, beyond the red zone (S24).
        let written = written(memory);
        assert!(written <= 15 + 136, "{written}");
    });
}

const PAGE: usize = 4096;

fn map_two_pages() -> usize {
    let nothing = ptr::null_mut();
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping.
    let pages = unsafe { libc::mmap(nothing, 2 * PAGE, protection, flags, -1, 0) };
    assert_ne!(pages, libc::MAP_FAILED);
    pages as usize
}

/// Code that has used up its stack may make a syscall all the same.
#[test]
fn nothing_is_written_where_nothing_can_be() {
    armed(|| {
        let pages = map_two_pages();
        let parent = std::os::unix::process::parent_id() as i32;
        // There one could write.
        assert_eq!(syscall_on(pages + PAGE, libc::SYS_getppid, [0; 2]), parent);
        // SAFETY: the first page of the new mapping.
        assert_eq!(unsafe { libc::mprotect(pages as *mut _, PAGE, libc::PROT_NONE) }, 0);
        assert_eq!(syscall_on(pages + PAGE, libc::SYS_getppid, [0; 2]), parent);
    });
}

/// As a thread does at its end that frees its own stack.
#[test]
fn a_stack_that_unmaps_itself() {
    armed(|| {
        let pages = map_two_pages();
        assert_eq!(syscall_on(pages + 2 * PAGE, libc::SYS_munmap, [pages, 2 * PAGE]), 0);
    });
}

/// And as it ends then, with another call: its stack pointer is where nothing is.
#[test]
fn a_stack_that_is_gone() {
    armed(|| {
        let pages = map_two_pages();
        let parent = std::os::unix::process::parent_id() as i32;
        assert_eq!(syscall_on(pages + PAGE + PAGE / 2, libc::SYS_getppid, [0; 2]), parent);
        // SAFETY: nobody uses the mapping.
        assert_eq!(unsafe { libc::munmap(pages as *mut _, 2 * PAGE) }, 0);
        assert_eq!(syscall_on(pages + PAGE + PAGE / 2, libc::SYS_getppid, [0; 2]), parent);
    });
}

static SEEN_AT: AtomicUsize = AtomicUsize::new(0);

extern "C" fn see(_: i32) {
    let on_it = 0_u8;
    SEEN_AT.store(&raw const on_it as usize, Ordering::Relaxed);
}

/// A call that is made for the thread is made where the thread stands (S24): so a handler that comes in
/// runs there, and not on our handler's stack.
#[test]
fn a_handler_runs_where_the_thread_stands() {
    armed(|| {
        handle(libc::SIGURG, see, 0, &[]);
        let on_it = 0_u8;
        // SAFETY: the handler is async-signal-safe.
        unsafe { libc::raise(libc::SIGURG) };
        let apart = SEEN_AT.load(Ordering::Relaxed).abs_diff(&raw const on_it as usize);
        assert!(apart < 32 * 1024, "{apart}");
    });
}

/// A thread that has no alternate stack is lent one, and has none afterwards.
#[test]
fn a_thread_without_one() {
    armed(|| {
        let none = libc::stack_t { ss_flags: libc::SS_DISABLE, ..zeroed() };
        let stds = alternate_stack(Some(&none));
        assert_eq!(alternate_stack(None).ss_flags, libc::SS_DISABLE);
        let memory = vec![UNTOUCHED; 1 << 16].leak();
        syscall_on(memory.as_ptr_range().end as usize & !15, libc::SYS_getppid, [0; 2]);
        assert!(written(memory) <= 15 + 136);
        eintr::mask(|| assert_eq!(alternate_stack(None).ss_flags, libc::SS_DISABLE));
        alternate_stack(Some(&stds));
    });
}

/// Of each mapping where it lies, what may be done to it, and how many KB of it are there.
fn mappings() -> Vec<[String; 3]> {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut words = smaps.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    std::iter::from_fn(|| {
        let of = words.find(|words| words[0].contains('-'))?;
        let there = words.find(|words| words[0] == "Rss:")?;
        Some([of[0], of[1], there[1]].map(str::to_owned))
    })
    .collect()
}

/// A page of it is a page fault: a thread that is interrupted in a call of ours and ends has none.
#[test]
fn the_one_that_is_lent_is_not_touched_before_a_call_is_stopped() {
    alone_with_dispatch(|| {
        let (reader, _writer) = io::pipe().unwrap();
        let before = mappings();
        // Nobody asks, and so nobody sends a second signal.
        let limit = Duration::from_millis(1);
        eintr::timeout(limit, || eintr::io::read(&reader, &mut [0])).unwrap_err();
        let after = mappings();
        let is_new = |[place, ..]: &[String; 3]| before.iter().all(|[known, ..]| known != place);
        let is_guarded = |pair: &&[[String; 3]]| pair[0][1] == "---p" && pair.iter().all(is_new);
        let mut guarded = after.windows(2).filter(is_guarded);
        let lent = guarded.next().expect("it has a guard");
        assert_eq!((&*lent[1][1], &*lent[1][2]), ("rw-p", "0"), "{after:?}");
    });
}

fn zeroed() -> libc::stack_t {
    // SAFETY: plain numbers, and a pointer.
    unsafe { mem::zeroed() }
}

fn alternate_stack(new: Option<&libc::stack_t>) -> libc::stack_t {
    // SAFETY: a stack is read, if given, and one is written.
    unsafe {
        let mut old = mem::zeroed();
        let new = new.map_or(ptr::null(), ptr::from_ref);
        assert_eq!(libc::sigaltstack(new, &mut old), 0);
        old
    }
}

static STANDS_ON_WHAT_IS_TOLD: AtomicBool = AtomicBool::new(false);

extern "C" fn ask(_: i32) {
    let on_it = 0_u8;
    let told = alternate_stack(None);
    let offset = (&raw const on_it as usize).wrapping_sub(told.ss_sp as usize);
    let is_on = told.ss_flags == libc::SS_ONSTACK && offset < told.ss_size;
    STANDS_ON_WHAT_IS_TOLD.store(is_on, Ordering::Relaxed);
}

/// Go's handlers look where they stand, and end the process if it is no stack that they know.
#[test]
fn a_handler_is_told_the_stack_that_it_runs_on() {
    armed(|| {
        handle(libc::SIGURG, ask, libc::SA_ONSTACK, &[]);
        let mine = alternate_stack(None);
        // SAFETY: the handler is async-signal-safe.
        unsafe { libc::raise(libc::SIGURG) };
        assert!(STANDS_ON_WHAT_IS_TOLD.load(Ordering::Relaxed));
        assert_eq!(alternate_stack(None).ss_sp, mine.ss_sp);
    });
}

/// A program's alternate stack may have just the room of a signal's frame, and a little.
#[test]
fn nothing_is_written_below_a_small_alternate_stack() {
    const AT_MINSIGSTKSZ: u64 = 51;
    alone(|| {
        // SAFETY: no pointers.
        let frame = unsafe { libc::getauxval(AT_MINSIGSTKSZ) } as usize;
        let size = (frame + 600).max(2048);
        let memory = vec![UNTOUCHED; (1 << 16) + size].leak();
        let start = memory.as_mut_ptr();
        let address = start as usize + (1 << 16);
        let (mut reader, _writer) = io::pipe().unwrap();
        let tid = AtomicUsize::new(0);
        thread::scope(|scope| {
            let (task, interrupter) = eintr::task();
            let tid = &tid;
            let worker = scope.spawn(move || {
                let ss_sp = address as *mut libc::c_void;
                let small = libc::stack_t { ss_sp, ss_flags: 0, ss_size: size };
                let stds = alternate_stack(Some(&small));
                let result = task.run(|| {
                    tid.store(gettid() as usize, Ordering::Release);
                    reader.read(&mut [0])
                });
                alternate_stack(Some(&stds));
                result
            });
            let tid = loop {
                match tid.load(Ordering::Acquire) {
                    0 => thread::yield_now(),
                    tid => break tid as i32,
                }
            };
            wait_until_blocked(tid, libc::SYS_read);
            interrupter.interrupt();
            watched("interrupted", || worker.join().unwrap().unwrap_err());
        });
        let written = written(memory);
        assert!(written > 0 && written <= size, "{written} of {size}");
    });
}

static mut IN_HANDLER: MaybeUninit<libc::ucontext_t> = MaybeUninit::uninit();
static mut ELSEWHERE: MaybeUninit<libc::ucontext_t> = MaybeUninit::uninit();
static ROUNDS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn go_elsewhere(_: i32) {
    let marks = std::hint::black_box([0xa5_u8; 512]);
    // SAFETY: one thread only has these contexts.
    unsafe { libc::swapcontext((&raw mut IN_HANDLER).cast(), (&raw const ELSEWHERE).cast()) };
    assert!(std::hint::black_box(&marks).iter().all(|mark| *mark == 0xa5));
}

extern "C" fn elsewhere() {
    loop {
        for _ in 0..100 {
            // SAFETY: no arguments.
            unsafe { libc::syscall(libc::SYS_getppid) };
        }
        assert_reached();
        ROUNDS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { libc::swapcontext((&raw mut ELSEWHERE).cast(), (&raw const IN_HANDLER).cast()) };
    }
}

/// A handler of the application's that goes on with another context, as a scheduler of coroutines
/// does: its frames are where it left them.
#[test]
fn handlers_that_go_elsewhere() {
    armed(|| {
        let stack = vec![0_u8; 1 << 18].leak();
        // SAFETY: a context of our own, and a stack that stays.
        unsafe {
            let context: *mut libc::ucontext_t = (&raw mut ELSEWHERE).cast();
            assert_eq!(libc::getcontext(context), 0);
            (*context).uc_stack.ss_sp = stack.as_mut_ptr().cast();
            (*context).uc_stack.ss_size = stack.len();
            libc::makecontext(context, elsewhere, 0);
        }
        for flags in [0, libc::SA_ONSTACK] {
            handle(libc::SIGURG, go_elsewhere, flags, &[]);
            for _ in 0..10 {
                // SAFETY: the handler does what this thread could do there.
                unsafe { libc::raise(libc::SIGURG) };
                assert_reached();
            }
        }
        assert_eq!(ROUNDS.load(Ordering::Relaxed), 20);
    });
}
