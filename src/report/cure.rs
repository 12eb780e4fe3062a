//! What can be done about a task that was asked and is still there.

use super::task::Report;
use super::thread::{ThreadReport, ThreadState};

impl Report {
    /// What can be done about it, for a task that was asked: another kind of lock, a checkpoint; and
    /// where, which is the innermost function of yours, with its line, if the thread's stack is in
    /// the report and the program's symbols tell. None if nothing is known to help, or there is
    /// nothing to be cured.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (go, wait) = std::sync::mpsc::channel::<()>();
    /// let worker = eintr::spawn(move || wait.recv().is_err());
    /// if let eintr::Outcome::Stuck(report) = worker.interrupt().wait(Duration::from_millis(10)) {
    ///     // eintr::sync in place of that lock, condition variable or channel, ...: app::main at src/main.rs:4
    ///     println!("{}", report.cure().unwrap_or("none that we know".into()));
    /// }
    /// drop(go);
    /// worker.join().unwrap();
    /// ```
    pub fn cure(&self) -> Option<String> {
        let thread = self.thread.as_deref()?;
        if self.pending_for.is_none() && thread.state != Some(ThreadState::Retrying) {
            return None;
        }
        let place = thread.place();
        let cure = of(self, thread, &place)?;
        Some(place.user.map_or(cure.clone(), |user| format!("{cure}: {user}")))
    }
}

impl ThreadReport {
    /// The lock that it waits for, if that is known to be of a kind whose word holds no owner.
    pub(super) fn lock_of_nobody(&self) -> Option<&'static str> {
        const LOCKS: [(&str, &str); 3] = [
            ("std::sys::sync::mutex", "std's Mutex"),
            ("std::sys::sync::rwlock", "std's RwLock"),
            ("parking_lot::", "parking_lot's lock"),
        ];
        let is_futex = self.syscall.as_ref().is_some_and(|syscall| syscall.starts_with("futex"));
        let place = (is_futex && self.held_by.is_none()).then(|| self.place())?;
        LOCKS.iter().find(|(function, _)| place.is_inside(&[function])).map(|(_, lock)| *lock)
    }
}

/// What a stack tells of a wait: the user's own function, and the libraries' that it has called.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// The names of those, innermost first.
    pub(super) inner: Vec<String>,
    /// As it is shown; none without a stack or names.
    pub(super) user: Option<String>,
}

impl Place {
    fn is_inside(&self, names: &[&str]) -> bool {
        self.inner.iter().any(|function| names.iter().any(|name| function.contains(name)))
    }
}

/// The cure, where there is one to name.
fn of(report: &Report, thread: &ThreadReport, place: &Place) -> Option<String> {
    let cure = match (thread.state, thread.syscall.as_deref()) {
        (Some(ThreadState::Uninterruptible), _) => {
            "none: the kernel itself waits, for a disk or a server"
        }
        (Some(ThreadState::Stopped), _) => "SIGCONT, or the debugger's `continue`",
        _ if report.handler_replaced => "eintr::install, with a signal that nobody else handles",
        _ if report.masked => "none is needed: it is raised where the mask ends",
        (_, Some(syscall)) if syscall.starts_with("futex") && !thread.is_in_own_call() => {
            return Some(of_futex(thread, place));
        }
        (Some(ThreadState::Retrying), Some(syscall)) if is_loop_of_events(syscall, place) => {
            "eintr::with_hook around that event loop or client, with a hook that wakes or cancels it"
        }
        (Some(ThreadState::Retrying), Some(syscall)) if syscall.ends_with("nanosleep") => {
            "eintr::checkpoint()? in that loop, which sleeps and looks"
        }
        (Some(ThreadState::Retrying), _) => {
            "eintr::checkpoint()? in that loop, which swallows its errors"
        }
        _ if thread.blocks_signal => "let the thread unblock our signal, or come to a checkpoint",
        (Some(ThreadState::Running), None) => "eintr::checkpoint() in what it computes",
        (Some(ThreadState::Sleeping), None) if thread.faults => {
            "none here: it waits for a page, which whoever reads that userfaultfd has to give"
        }
        (_, Some(syscall)) if is_loop_of_events(syscall, place) => {
            "eintr::with_hook around that event loop or client, with a hook that wakes or cancels it"
        }
        (_, Some(syscall)) if syscall.starts_with("write") && is_standard_output(thread) => {
            "read what it writes: output is never refused"
        }
        _ => return None,
    };
    Some(cure.to_owned())
}

/// That of a wait which looks like a lock's.
fn of_futex(thread: &ThreadReport, place: &Place) -> String {
    let cure = if thread.is_in_own_wait() || place.is_inside(&["eintr::sync::"]) {
        return of_own_wait(place);
    } else if thread.joins || place.is_inside(&["pthread_join", "pthread_clockjoin"]) {
        "eintr::JoinHandle::wait in place of that join, of a thread that eintr::spawn has begun"
    } else if place.is_inside(&["sem_wait", "sem_timedwait", "sem_clockwait"]) {
        "eintr::sync::Semaphore in place of that sem_wait, which sleeps on in musl, and in a loop \
         around EINTR; or eintr::with_hook, with a sem_post"
    } else if place.is_inside(&["aio_suspend"]) {
        "eintr::with_hook around that aio_suspend, with an aio_cancel"
    } else if place.is_inside(&["tokio::"]) {
        "eintr::with_hook around that client or runtime, with a hook that wakes or cancels it"
    } else {
        "eintr::sync in place of that lock, condition variable, semaphore or channel, or eintr::with_hook"
    };
    cure.to_owned()
}

/// A wait of `sync`'s under std's name: the one beside it.
fn of_own_wait(place: &Place) -> String {
    if place.is_inside(&["eintr::interrupter::"]) {
        return "a shorter limit: who waits for a request's outcome is not interrupted".to_owned();
    }
    const WAITS: &[&str] =
        &["lock", "read", "write", "wait", "wait_while", "recv", "send", "acquire", "park"];
    let ours = place.inner.iter().rev().find(|function| function.contains("eintr::sync::"));
    let name = ours.and_then(|function| WAITS.iter().find(|name| is_method(function, name)));
    match name {
        Some(name) => format!("{name}_interruptible in place of {name}"),
        None => "the interruptible wait beside that one of eintr::sync: lock_interruptible, \
                 recv_interruptible and so on"
            .to_owned(),
    }
}

/// Whether a function has that name, whatever its parameters.
fn is_method(function: &str, name: &str) -> bool {
    let path = function.split("::<").next().unwrap_or_default();
    path.rsplit("::").next() == Some(name)
}

fn is_loop_of_events(syscall: &str, place: &Place) -> bool {
    let is_event_loop = syscall.starts_with("epoll") || syscall == "io_uring_enter";
    is_event_loop || place.is_inside(&["tokio::", "g_main_loop_run", "g_main_context_iteration"])
}

fn is_standard_output(thread: &ThreadReport) -> bool {
    matches!(thread.fd, Some(1 | 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::call::Call;

    /// The cure of a thread that was asked, found in that state and syscall with these functions on its stack.
    fn cure(state: ThreadState, syscall: Option<&str>, inner: &[&str]) -> Option<String> {
        let (task, interrupter) = crate::task();
        interrupter.interrupt();
        let report = task.run(|| interrupter.report());
        let arguments = [0; 6];
        let thread = ThreadReport {
            state: Some(state),
            syscall: syscall.map(str::to_owned),
            call: syscall.map(|_| Call { number: libc::SYS_futex, arguments, pc: 0 }),
            ..*report.thread.clone().unwrap()
        };
        let inner = inner.iter().map(|name| (*name).to_owned()).collect();
        of(&report, &thread, &Place { inner, user: None })
    }

    #[test]
    fn what_cannot_be_made_by_a_test_has_its_words() {
        let asleep = |inner: &str| cure(ThreadState::Sleeping, Some("futex"), &[inner]).unwrap();
        assert!(asleep("sem_timedwait").contains("musl"));
        assert!(asleep("tokio::runtime::park::Inner::park").contains("eintr::with_hook"));
        assert!(!asleep("tokio::runtime::park::Inner::park").contains("eintr::sync"));
        assert!(asleep("std::sys::sync::Mutex::lock").contains("eintr::sync"));
        let in_disk_sleep = cure(ThreadState::Uninterruptible, Some("fsync"), &[]).unwrap();
        assert!(in_disk_sleep.starts_with("none"));
        let retrying =
            |syscall, inner| cure(ThreadState::Retrying, Some(syscall), &[inner]).unwrap();
        assert!(retrying("poll", "g_main_context_iteration").contains("eintr::with_hook"));
        assert!(retrying("poll", "poll").contains("eintr::checkpoint()?"));
    }
}
