//! From the request to the return of a call of std's that knows nothing of it, against our own call
//! of the same kind.
//!
//! As in the foundation's benchmark both threads are on one CPU, the clock is read right before the
//! request and right after the call has returned, and each call is seen to sleep before it is asked.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use criterion::Criterion;
use eintr::Task;
use eintr_benches::contest::{Way, hold};
use eintr_benches::cpu::OneCpu;
use eintr_benches::table::Table;

/// A call that does not return by itself.
type Call = Arc<dyn Fn() + Send + Sync>;

/// A thread that makes calls, each in a task of its own.
struct Caller {
    tid: i32,
    calls: Sender<(Task, Call)>,
    returned: Receiver<Instant>,
}

impl Caller {
    fn start() -> Self {
        let (calls, to_call) = mpsc::channel::<(Task, Call)>();
        let (tell, returned) = mpsc::channel();
        let (tell_id, id) = mpsc::channel();
        thread::spawn(move || {
            tell_id.send(nix::unistd::gettid().as_raw()).unwrap();
            for (task, call) in to_call {
                let at = task.run(|| {
                    call();
                    Instant::now()
                });
                tell.send(at).unwrap();
            }
        });
        Self { tid: id.recv().unwrap(), calls, returned }
    }

    /// How long the call took to return after it was asked.
    fn round(&self, call: &Call, sleeps_in: &[i64]) -> Duration {
        let (task, interrupter) = eintr::task();
        self.calls.send((task, call.clone())).unwrap();
        while !self.sleeps_in(sleeps_in) {
            thread::yield_now();
        }
        let asked = Instant::now();
        interrupter.interrupt();
        self.returned.recv().unwrap() - asked
    }

    fn sleeps_in(&self, syscalls: &[i64]) -> bool {
        let line = fs::read_to_string(format!("/proc/self/task/{}/syscall", self.tid));
        let line = line.unwrap_or_default();
        let number = line.split_whitespace().next().and_then(|word| word.parse().ok());
        number.is_some_and(|number: i64| syscalls.contains(&number))
    }
}

fn call(call: impl Fn() + Send + Sync + 'static) -> Call {
    Arc::new(call)
}

pub fn bench(criterion: &mut Criterion, table: &mut Table) {
    let _here = OneCpu::take();
    let caller = Caller::start();
    let (reader, _writer) = std::io::pipe().unwrap();
    let reader = Arc::new(reader);
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let (own_reader, own_listener) = (reader.clone(), listener.clone());
    let rows: [(&str, &[i64], Call, Call); 3] = [
        (
            "read",
            &[libc::SYS_read],
            call(move || assert!((&*reader).read_exact(&mut [0]).is_err())),
            call(move || assert!(eintr::io::read(&*own_reader, &mut [0]).is_err())),
        ),
        (
            "accept",
            &[libc::SYS_accept4],
            call(move || assert!(listener.accept().is_err())),
            call(move || assert!(eintr::net::accept(&*own_listener).is_err())),
        ),
        (
            "sleep",
            &[libc::SYS_nanosleep, libc::SYS_clock_nanosleep],
            call(|| thread::sleep(Duration::MAX)),
            call(|| assert!(eintr::time::sleep(Duration::MAX).is_err())),
        ),
    ];
    for (name, sleeps_in, by_std, own) in rows {
        let mut group = criterion.benchmark_group(format!("request_to_return/{name}"));
        group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(3));
        let timed = |call, times| (0..times).map(|_| caller.round(call, sleeps_in)).sum();
        let ways = [
            Way("std", &mut |times| timed(&by_std, times)),
            Way("own", &mut |times| timed(&own, times)),
        ];
        if let Some([reached, own]) = hold(&mut group, 1, ways) {
            let what = format!("request to return from std's {name} / our own");
            table.times(&what, &reached, &own, Some(2.0));
        }
    }
}
