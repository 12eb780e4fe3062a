//! A thread beside each worker, which nobody asks: it makes things ready while the worker waits, or takes them away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use test_support::signals;

use crate::requester::Tasks;

type Job = Box<dyn FnOnce(&Over) + Send>;

/// Something on the side that must not be interrupted. Our signal is let in: it may set limits to itself.
pub fn in_peace<T>(f: impl FnOnce() -> T) -> T {
    eintr::mask(|| {
        let before = signals::change_mask(libc::SIG_UNBLOCK, &signals::set_of(&[libc::SIGUSR1]));
        let value = f();
        signals::change_mask(libc::SIG_SETMASK, &before);
        value
    })
}

/// Whether the worker's call is over.
#[derive(Clone, Default)]
pub struct Over(Arc<AtomicBool>);

impl Over {
    pub fn yet(&self) -> bool {
        self.0.load(SeqCst)
    }
}

pub struct Peer {
    over: Over,
    jobs: Option<Sender<Job>>,
    done: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    pub fn new(tasks: Arc<Tasks>) -> Self {
        let over = Over::default();
        let ((jobs, todo), (tell, done)) = (channel::<Job>(), channel());
        let seen = over.clone();
        let thread = eintr::mask(|| {
            thread::spawn(move || {
                let tid = test_support::gettid();
                tasks.add_thread(tid);
                for job in todo {
                    in_peace(|| job(&seen));
                    let _ = tell.send(());
                }
                tasks.remove_thread(tid);
            })
        });
        Self { over, jobs: Some(jobs), done, thread: Some(thread) }
    }

    /// Makes a call while the peer does its job, and waits for both.
    pub fn beside<T>(
        &self,
        job: impl FnOnce(&Over) + Send + 'static,
        call: impl FnOnce() -> T,
    ) -> T {
        self.over.0.store(false, SeqCst);
        self.jobs.as_ref().expect("it is there").send(Box::new(job)).expect("it listens");
        let value = call();
        self.over.0.store(true, SeqCst);
        eintr::mask(|| self.done.recv()).expect("it tells");
        value
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        let thread = self.thread.take().expect("it is joined once");
        eintr::mask(|| thread.join()).expect("it does not panic");
    }
}
