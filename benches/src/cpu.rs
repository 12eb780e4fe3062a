//! One CPU for all threads: what wakes and what is woken share it, and the scheduler has no choice.

/// The calling thread, and the threads that it makes, stay on one CPU until this is dropped.
pub struct OneCpu {
    everywhere: libc::cpu_set_t,
}

impl OneCpu {
    pub fn take() -> Self {
        let everywhere = affinity();
        set_affinity(&only(current_cpu()));
        Self { everywhere }
    }
}

impl Drop for OneCpu {
    fn drop(&mut self) {
        set_affinity(&self.everywhere);
    }
}

fn current_cpu() -> usize {
    // SAFETY: no arguments.
    usize::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(0)
}

fn only(cpu: usize) -> libc::cpu_set_t {
    // SAFETY: the set is plain bits, and the macro checks the index.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        set
    }
}

/// The CPUs of the calling thread, and of the threads that it makes.
fn affinity() -> libc::cpu_set_t {
    // SAFETY: all bits are valid, and the kernel writes a set.
    unsafe {
        let mut set = std::mem::zeroed();
        assert_eq!(libc::sched_getaffinity(0, size_of_val(&set), &mut set), 0);
        set
    }
}

fn set_affinity(set: &libc::cpu_set_t) {
    // SAFETY: the kernel reads a set.
    assert_eq!(unsafe { libc::sched_setaffinity(0, size_of_val(set), set) }, 0);
}
