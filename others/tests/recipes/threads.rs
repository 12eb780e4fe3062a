//! Crates whose threads wait for one another, or for signals: jobserver, notify, rayon, signal-hook.

use std::io::{self, Read};
use std::sync::mpsc;

use eintr::{Error, ResultExt, checkpoint, with_hook, without_reach};
use rayon::prelude::*;
use test_support::{has_dispatch, watched};

use super::asked;

#[test]
fn jobserver_a_token_is_not_waited_for() {
    if !has_dispatch("jobserver") {
        return;
    }
    watched("jobserver_a_token_is_not_waited_for", || {
        let client = jobserver::Client::new(1).unwrap();
        let taken = client.acquire().unwrap();
        let waiting = client.clone();
        let acquire = move || waiting.acquire().or_interrupted().map(drop);
        for left in asked(&[libc::SYS_read, libc::SYS_poll, libc::SYS_ppoll], acquire) {
            assert!(matches!(left, Err(Error::Interrupted(_))));
        }
        drop(taken);
        drop(client.acquire().unwrap());
    });
}

#[test]
fn notify_events_end_with_their_watcher() {
    use notify::{RecursiveMode, Watcher};
    watched("notify_events_end_with_their_watcher", || {
        let left = asked(&[libc::SYS_futex], || {
            let (tell, events) = mpsc::channel();
            let mut watcher = notify::recommended_watcher(tell).unwrap();
            watcher.watch(&std::env::temp_dir(), RecursiveMode::NonRecursive).unwrap();
            let mut watcher = Some(watcher);
            with_hook(
                |_| drop(watcher.take()),
                || {
                    // It ends when there is no watcher.
                    for _event in events {}
                    checkpoint()
                },
            )
        });
        assert!(left.iter().all(Result::is_err));
    });
}

/// Each job takes along what is in force where the pool is waited for.
#[test]
fn rayon_a_pool_that_is_waited_for() {
    if !has_dispatch("rayon's jobs") {
        return;
    }
    watched("rayon_a_pool_that_is_waited_for", || {
        let left = asked(&[libc::SYS_futex], || {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
            let (silent, _writer) = io::pipe().unwrap();
            let context = eintr::context();
            let job = |_| context.run(|| (&silent).read(&mut [0]).map(drop));
            pool.install(|| (0..8).into_par_iter().try_for_each(job)).or_interrupted()
        });
        assert!(left.iter().all(|left| matches!(left, Err(Error::Interrupted(_)))));
    });
}

#[test]
fn signal_hook_its_thread_is_closed_by_a_hook() {
    watched("signal_hook_its_thread_is_closed_by_a_hook", || {
        let left = asked(&[libc::SYS_recvfrom, libc::SYS_read], || {
            let mut signals = signal_hook::iterator::Signals::new([libc::SIGHUP]).unwrap();
            let handle = signals.handle();
            without_reach(|| {
                with_hook(
                    move |_| handle.close(),
                    || {
                        for _signal in signals.forever() {}
                        checkpoint()
                    },
                )
            })
        });
        assert!(left.iter().all(Result::is_err));
    });
}
