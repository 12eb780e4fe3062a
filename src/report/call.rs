//! The syscall in which a thread was found.

#[cfg(not(target_arch = "x86_64"))]
use std::fs;

use crate::arch;
use crate::kernel::memory;
use crate::reach::table::{self, Answer, Row};
use crate::sync::Held;
use crate::thread::call;

/// The syscall in which a thread is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) number: i64,
    pub(super) arguments: [usize; 6],
    pub(super) pc: usize,
}

impl Call {
    /// What is known of the syscall, if it is one in which threads are found waiting.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn row(&self) -> Option<&'static Row> {
        table::row(self.number)
    }

    /// The same. A user-mode emulator shows us the numbers of the kernel that it runs on.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn row(&self) -> Option<&'static Row> {
        let kernel = fs::read_to_string("/proc/sys/kernel/arch");
        if kernel.is_ok_and(|kernel| kernel.trim() == "x86_64") {
            table::TABLE.iter().find(|row| row.on_x86_64 == self.number)
        } else {
            table::row(self.number)
        }
    }

    /// Whether we make it for ourselves, and no interrupt ends it.
    pub(super) fn is_ours(&self) -> bool {
        arch::is_raw(self.pc)
    }

    /// Whether it is a call of ours that an interrupt ends.
    pub(super) fn is_own(&self) -> bool {
        call::is_own(self.pc)
    }

    /// Who holds the lock of `sync`'s for which that waits by a futex, if it does. What the lock's word was when the wait
    /// began may be old: it is looked at now.
    pub(super) fn held(&self) -> Option<Held> {
        let shown = match self.row()?.name {
            "futex" => 4,
            "futex_waitv" => 5,
            _ => return None,
        };
        let mut word = [0; size_of::<u32>()];
        let is_in_sync = self.is_ours() || self.is_own();
        let is_there = is_in_sync && memory::read(self.arguments[shown], &mut word);
        is_there.then(|| Held::of(u32::from_ne_bytes(word)))?
    }

    /// Whether that is the pause of a thread that is made to wait: a sleep, or a poll of an event loop's.
    pub(super) fn is_our_pause(&self) -> bool {
        let answer = self.row().map(|row| row.answer);
        self.is_ours() && matches!(answer, Some(Answer::Zero | Answer::Poll))
    }

    /// Its name, or its number.
    pub(super) fn name(&self) -> String {
        self.row().map_or_else(|| format!("syscall {}", self.number), |row| row.name.into())
    }
}
