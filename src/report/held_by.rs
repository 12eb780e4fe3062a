//! Who holds what a thread waits for.

use std::fmt;
use std::fs;
use std::path::Path;

use super::call::Call;
use super::waits_on;
use crate::kernel::memory;
use crate::sync::Held;

/// Who holds what a thread waits for, or what it waits for itself: the thread that has locked a [`Mutex`](crate::sync::Mutex), or an
/// [`RwLock`](crate::sync::RwLock) for writing, or a pthread mutex (with `PTHREAD_PRIO_INHERIT`; or any of glibc's, for a thread
/// whose stack is told), or is joined; the number of an `RwLock`'s readers; the process that has locked a file, or the child that has not ended. (A lock of std's does not know its owner.)
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Holder {
    /// A thread of this process.
    Thread {
        /// The kernel's id.
        tid: i32,
        /// Its name.
        name: String,
    },
    /// A process, which may be this one.
    Process {
        /// Its id.
        pid: i32,
        /// Its name.
        name: String,
    },
    /// Readers of an [`RwLock`](crate::sync::RwLock), who have left no names.
    Readers {
        /// How many.
        count: u32,
    },
}

impl Holder {
    pub(super) fn thread(tid: i32) -> Self {
        Self::Thread { tid, name: name(&format!("self/task/{tid}")) }
    }

    pub(super) fn process(pid: i32) -> Self {
        Self::Process { pid, name: name(&pid.to_string()) }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thread { tid, name } => write!(f, "thread {tid} ({name})"),
            Self::Process { pid, name } => write!(f, "process {pid} ({name})"),
            Self::Readers { count: 1 } => f.write_str("a reader"),
            Self::Readers { count } => write!(f, "{count} readers"),
        }
    }
}

fn name(of: &str) -> String {
    fs::read_to_string(format!("/proc/{of}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// Who that is, if it can be told.
pub(super) fn look(tid: i32, call: &Call) -> Option<Holder> {
    let [first, second, ..] = call.arguments;
    match call.row()?.name {
        "futex" | "futex_waitv" => {
            let owner = waits_on::joined(call).or_else(|| inheriting(call)).map(Holder::thread);
            owner.or_else(|| of_lock(call.held()?))
        }
        "flock" | "fcntl" => locker(tid, first as i32).map(Holder::process),
        "wait4" => Some(first as i32).filter(|pid| *pid > 0).map(Holder::process),
        "waitid" if first == libc::P_PID as usize => Some(Holder::process(second as i32)),
        _ => None,
    }
}

fn of_lock(held: Held) -> Option<Holder> {
    match held {
        Held::By(id) => Some(id as i32).filter(|tid| is_thread(*tid)).map(Holder::thread),
        Held::ByReaders(count) => Some(Holder::Readers { count }),
    }
}

/// The owner of a lock that inherits its waiters' priority: the kernel itself has its id in the word (futex(2)).
fn inheriting(call: &Call) -> Option<i32> {
    const FUTEX_LOCK_PI2: i32 = 13;
    let [word, operation, ..] = call.arguments;
    let command = operation as i32 & !(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME);
    let mut owner = [0; size_of::<u32>()];
    let is_there = call.row()?.name == "futex"
        && matches!(command, libc::FUTEX_LOCK_PI | FUTEX_LOCK_PI2)
        && memory::read(word, &mut owner);
    let owner = (u32::from_ne_bytes(owner) & libc::FUTEX_TID_MASK) as i32;
    Some(owner).filter(|owner| is_there && is_thread(*owner))
}

/// The owner of the mutex of glibc's for which that waits: behind the lock's word and a count, where programs in C have it
/// from the header, so that it stays there.
pub(super) fn of_pthread_mutex(call: &Call) -> Option<Holder> {
    let mut owner = [0; size_of::<i32>()];
    let at = call.arguments[0] + 2 * size_of::<i32>();
    let owner = memory::read(at, &mut owner).then(|| i32::from_ne_bytes(owner))?;
    (call.row()?.name == "futex" && is_thread(owner)).then(|| Holder::thread(owner))
}

pub(super) fn is_thread(tid: i32) -> bool {
    Path::new(&format!("/proc/self/task/{tid}")).exists()
}

/// The process that holds the lock on a descriptor's file for which this process waits (proc_locks(5)). The file is
/// known by its mount's device and its inode, which `fdinfo` tells (since 5.14) without a question to the file system.
fn locker(tid: i32, fd: i32) -> Option<i32> {
    let of_thread = |name: &str| fs::read_to_string(format!("/proc/self/task/{tid}/{name}")).ok();
    let descriptor = of_thread(&format!("fdinfo/{fd}"))?;
    let field =
        |key| descriptor.lines().find_map(|line| Some(line.strip_prefix(key)?.trim().to_owned()));
    let device = device(&of_thread("mountinfo")?, &field("mnt_id:")?)?;
    let file = format!("{device}:{}", field("ino:")?);
    locker_of(&fs::read_to_string("/proc/locks").ok()?, &file, std::process::id())
}

/// The device of a mount (proc_pid_mountinfo(5)), as `/proc/locks` has it.
fn device(mounts: &str, mount: &str) -> Option<String> {
    let words = |line: &str| line.split_whitespace().take(3).map(str::to_owned).collect::<Vec<_>>();
    let line = mounts.lines().map(words).find(|words| words[0] == mount)?;
    let (major, minor) = line.get(2)?.split_once(':')?;
    let [major, minor] = [major.parse::<u32>().ok()?, minor.parse().ok()?];
    Some(format!("{major:02x}:{minor:02x}"))
}

/// A lock's line says who holds it; those that follow, with an arrow, are who waits.
fn locker_of(locks: &str, wanted: &str, waits: u32) -> Option<i32> {
    let mut holder = None;
    for line in locks.lines() {
        let words: Vec<_> = line.split_whitespace().skip(1).collect();
        let is_waiter = words.first() == Some(&"->");
        let [_, _, _, pid, file, ..] = words[usize::from(is_waiter)..] else { continue };
        if file != wanted {
            continue;
        }
        if !is_waiter {
            holder = pid.parse().ok().filter(|pid| *pid > 0);
        } else if pid.parse() == Ok(waits) {
            return holder;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_whom_this_process_waits_for_is_told() {
        let locks = "1: FLOCK  ADVISORY  WRITE 5087 fe:00:77 0 EOF\n\
                     2: POSIX  ADVISORY  READ 11 fe:00:12 0 EOF\n\
                     3: POSIX  ADVISORY  WRITE 22 fe:00:12 0 EOF\n\
                     3: -> POSIX  ADVISORY  WRITE 33 fe:00:12 0 EOF\n\
                     4: OFDLCK ADVISORY  WRITE -1 fe:00:13 0 EOF\n\
                     4: -> OFDLCK ADVISORY  WRITE 33 fe:00:13 0 EOF\n\
                     5: FLOCK  ADVISORY  WRITE 44 00:1a:12 0 EOF\n\
                     5: -> FLOCK  ADVISORY  WRITE 33 00:1a:12 0 EOF\n";
        assert_eq!(locker_of(locks, "fe:00:12", 33), Some(22));
        assert_eq!(locker_of(locks, "00:1a:12", 33), Some(44));
        assert_eq!(locker_of(locks, "fe:00:12", 34), None);
        assert_eq!(locker_of(locks, "fe:00:13", 33), None);
    }

    #[test]
    fn a_mounts_device_is_written_as_in_the_list_of_locks() {
        let mounts =
            "24 1 254:0 / / rw - ext4 /dev/vda rw\n31 24 0:26 / /dev/shm rw - tmpfs shm rw\n";
        assert_eq!(device(mounts, "24").as_deref(), Some("fe:00"));
        assert_eq!(device(mounts, "31").as_deref(), Some("00:1a"));
        assert_eq!(device(mounts, "2"), None);
    }
}
