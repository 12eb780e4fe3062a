//! Primitives of others, woken by hooks: what `with_hook` is for.
//!
//! The tests here work like this: each is an example to start from. A thread gets stuck in somebody
//! else's wait, is interrupted (by a request, and by a deadline), and leaves. A wait that is not
//! woken does not end, and the watchdog says so.

use std::fmt::Debug;
use std::sync::mpsc;
use std::time::Duration;

use eintr::{Interrupted, checkpoint, with_hook, within};
use test_support::{wait_until, watched};

const SHORT: Duration = Duration::from_millis(20);

/// Runs `wait` twice, and has it interrupted in either way. It says when it is about to wait.
fn is_interrupted_either_way<T, E>(
    wait: impl Fn(&dyn Fn()) -> Result<T, E> + Send + Sync + Clone + 'static,
) where
    T: Send + 'static,
    E: Debug + Send + 'static,
{
    let (tell, told) = mpsc::channel();
    let by_request = wait.clone();
    let thread = eintr::spawn(move || by_request(&|| tell.send(()).unwrap()));
    told.recv().unwrap();
    thread.interrupt();
    assert!(thread.join().unwrap().is_err());
    let late = within(SHORT, || wait(&|| ()));
    assert!(late.expired && late.value.is_err());
}

// std's channel: the hook sends, or drops the only sender.

#[test]
fn a_receiver_of_stds_is_ended_by_sending() {
    enum Message {
        Job(u32),
        Interrupted,
    }
    watched("a_receiver_of_stds_is_ended_by_sending", || {
        is_interrupted_either_way(|ready| {
            let (jobs, queue) = mpsc::channel();
            jobs.send(Message::Job(1)).unwrap();
            let wake = jobs.clone();
            let mut done = 0;
            with_hook(
                move |_| drop(wake.send(Message::Interrupted)),
                || {
                    ready();
                    for message in &queue {
                        match message {
                            Message::Job(job) => done += job,
                            Message::Interrupted => checkpoint()?,
                        }
                    }
                    Ok::<u32, Interrupted>(done)
                },
            )
        });
    });
}

#[test]
fn a_receiver_of_stds_is_ended_by_dropping() {
    watched("a_receiver_of_stds_is_ended_by_dropping", || {
        is_interrupted_either_way(|ready| {
            let (jobs, queue) = mpsc::channel::<u32>();
            let mut jobs = Some(jobs);
            with_hook(
                |_| drop(jobs.take()),
                || {
                    ready();
                    // The loop that everybody writes first: it ends when there are no senders.
                    for _job in queue {}
                    checkpoint()
                },
            )
        });
    });
}

#[test]
fn select_of_crossbeam_gets_one_more_arm() {
    watched("select_of_crossbeam_gets_one_more_arm", || {
        is_interrupted_either_way(|ready| {
            let (_jobs, queue) = crossbeam_channel::unbounded::<u32>();
            let (_events, other) = crossbeam_channel::bounded::<u32>(0);
            let (wake, woken) = crossbeam_channel::bounded(1);
            with_hook(
                move |cause| drop(wake.try_send(cause.clone())),
                || {
                    ready();
                    loop {
                        crossbeam_channel::select! {
                            recv(queue) -> job => assert!(job.is_ok()),
                            recv(other) -> event => assert!(event.is_ok()),
                            recv(woken) -> cause => return Err::<(), _>(cause.unwrap()),
                        }
                    }
                },
            )
        });
    });
}

#[test]
fn an_event_loop_of_mio_has_its_waker() {
    watched("an_event_loop_of_mio_has_its_waker", || {
        is_interrupted_either_way(|ready| -> std::io::Result<()> {
            let mut poll = mio::Poll::new()?;
            let mut events = mio::Events::with_capacity(8);
            let waker = mio::Waker::new(poll.registry(), mio::Token(0))?;
            with_hook(
                |_| waker.wake().expect("an eventfd takes it"),
                || {
                    ready();
                    // mio hands EINTR on, which is what reach answers an epoll_wait with.
                    loop {
                        match poll.poll(&mut events, None) {
                            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                                return Err(error);
                            }
                            _ => checkpoint()?,
                        }
                    }
                },
            )
        });
    });
}

#[test]
fn a_statement_of_sqlite_is_interrupted() {
    watched("a_statement_of_sqlite_is_interrupted", || {
        is_interrupted_either_way(|ready| {
            let database = rusqlite::Connection::open_in_memory()?;
            let handle = database.get_interrupt_handle();
            let endless = "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n)
                           SELECT i FROM n WHERE i = 1 OR i < 0";
            let mut statement = database.prepare(endless)?;
            let mut rows = statement.query([])?;
            // sqlite forgets an interrupt that comes while no statement runs. So the hook is there
            // once one does, which is from its first row on.
            rows.next()?;
            with_hook(
                |_| handle.interrupt(),
                || {
                    ready();
                    rows.next().map(drop)
                },
            )
        });
    });
}

#[test]
fn a_token_of_tokios_is_cancelled() {
    use tokio_util::sync::CancellationToken;
    watched("a_token_of_tokios_is_cancelled", || {
        is_interrupted_either_way(|ready| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let token = CancellationToken::new();
            let cancel = token.clone();
            with_hook(
                move |_| cancel.cancel(),
                || {
                    ready();
                    runtime.block_on(token.run_until_cancelled(std::future::pending::<()>()));
                    checkpoint()
                },
            )
        });
    });
}

/// Without a hook it stays, and its report asks for one.
#[test]
fn a_client_on_tokio_is_told_to_have_a_hook() {
    use tokio_util::sync::CancellationToken;
    watched("a_client_on_tokio_is_told_to_have_a_hook", || {
        let token = CancellationToken::new();
        let answer = token.clone();
        let stuck = eintr::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(answer.cancelled());
        });
        stuck.interrupt();
        wait_until("it is told so", || {
            let report = stuck.interrupter().wait_finished(Duration::ZERO).unwrap_err();
            let cure = report.cure().unwrap_or_default();
            // Its condition variable is std's, and not ours to replace.
            cure.contains("eintr::with_hook")
                && !cure.contains("eintr::sync")
                && [": foreign::a_client_on_tokio", "tests/foreign.rs:"]
                    .iter()
                    .any(|at| cure.contains(at))
        });
        token.cancel();
        stuck.join().unwrap();
    });
}

#[test]
fn a_condition_variable_of_stds_is_notified() {
    use std::sync::{Condvar, Mutex};
    watched("a_condition_variable_of_stds_is_notified", || {
        is_interrupted_either_way(|ready| {
            let is_there = Mutex::new(false);
            let condition = Condvar::new();
            with_hook(
                |_| {
                    // With the lock held: or it would come between the look and the wait.
                    let _looking = is_there.lock().unwrap();
                    condition.notify_all();
                },
                || {
                    ready();
                    let mut there = is_there.lock().unwrap();
                    while !*there {
                        checkpoint()?;
                        there = condition.wait(there).unwrap();
                    }
                    Ok::<(), Interrupted>(())
                },
            )
        });
    });
}

#[test]
fn a_parked_thread_is_unparked() {
    watched("a_parked_thread_is_unparked", || {
        is_interrupted_either_way(|ready| {
            let here = std::thread::current();
            with_hook(
                move |_| here.unpark(),
                || {
                    ready();
                    wait_until("it is armed", || {
                        std::thread::park_timeout(Duration::from_secs(3600));
                        eintr::is_interrupted()
                    });
                    checkpoint()
                },
            )
        });
    });
}
