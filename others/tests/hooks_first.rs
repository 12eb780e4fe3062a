//! Libraries that any error but EINTR would kill, or starve: a hook that ends them is heard first.
//!
//! The tests here work like this: each is an example to start from. A thread gets stuck in somebody else's
//! wait, is interrupted (by a request, and by a deadline), and its hook first gives it the time to be
//! refused, and then ends the wait. A signal that comes before that is a panic there, or a wait that never
//! ends. Only a hook that was done within 10 ms tells: where the machine was too slow, there is another round.

use std::fmt::Debug;
use std::os::fd::AsFd;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use eintr::{Interrupted, task, with_hook, within};
use test_support::watched;

/// How long the signal waits for a hook.
const HELD: Duration = Duration::from_millis(10);
const SHORT: Duration = Duration::from_millis(20);

/// Has a wait interrupted in either way, until its hook was quick enough: then it ended as it should. The wait
/// is given what ends a hook, and what says that it is about to begin.
fn ends_by_its_hook<T: PartialEq + Debug + Send>(
    expected: T,
    wait: impl Fn(&(dyn Fn(&dyn Fn()) + Sync), &dyn Fn()) -> T + Sync,
) {
    let ended = Mutex::new(None);
    let hook = |end: &dyn Fn()| {
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(1) {
            thread::yield_now();
        }
        end();
        *ended.lock().unwrap() = Some(Instant::now());
    };
    let was_quick = |began: Instant| {
        let ended = ended.lock().unwrap().take();
        ended.expect("the hook was run") - began < HELD
    };
    loop {
        let (task, interrupter) = task();
        let (tell, told) = mpsc::channel();
        let (wait, hook) = (&wait, &hook);
        let (began, outcome) = thread::scope(|s| {
            let waiting = s.spawn(move || task.run(|| wait(hook, &|| tell.send(()).unwrap())));
            told.recv().unwrap();
            let began = Instant::now();
            interrupter.interrupt();
            (began, waiting.join())
        });
        if was_quick(began) {
            assert_eq!(outcome.expect("it does not panic"), expected);
            break;
        }
    }
    loop {
        let began = Instant::now();
        let outcome = thread::scope(|s| s.spawn(|| within(SHORT, || wait(&hook, &|| ()))).join());
        if was_quick(began + SHORT) {
            assert_eq!(outcome.expect("it does not panic").value, expected);
            break;
        }
    }
}

#[test]
fn the_thread_of_signal_hooks_is_closed() {
    watched("the_thread_of_signal_hooks_is_closed", || {
        ends_by_its_hook(0, |hook, ready| {
            let mut signals = signal_hook::iterator::Signals::new([libc::SIGHUP]).unwrap();
            let handle = signals.handle();
            with_hook(
                |_: &Interrupted| hook(&|| handle.close()),
                || {
                    ready();
                    signals.forever().count()
                },
            )
        });
    });
}

/// As the blocking clients of databases do: the hook cancels, and the answer to that is read from a socket.
#[test]
fn a_blocking_client_on_tokio_gets_its_answer() {
    use tokio::io::AsyncReadExt;
    use tokio::sync::Notify;
    watched("a_blocking_client_on_tokio_gets_its_answer", || {
        ends_by_its_hook("cancelled".to_owned(), |hook, ready| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
            let (ours, server) = std::os::unix::net::UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let (cancel, server) = (Notify::new(), Mutex::new(Some(server)));
            let cancel_and_answer = || {
                use std::io::Write;
                // The server answers, and hangs up.
                server.lock().unwrap().take().unwrap().write_all(b"cancelled").unwrap();
                cancel.notify_one();
            };
            with_hook(
                |_: &Interrupted| hook(&cancel_and_answer),
                || {
                    ready();
                    runtime.block_on(async {
                        let mut stream = tokio::net::UnixStream::from_std(ours).unwrap();
                        let mut answer = String::new();
                        cancel.notified().await;
                        stream.read_to_string(&mut answer).await.unwrap();
                        answer
                    })
                },
            )
        });
    });
}

/// As GLib's main loop, which knows no errors: it dispatches what is ready, until it is told to quit.
#[test]
fn a_loop_of_events_is_told_to_quit() {
    use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
    use nix::sys::eventfd::EventFd;
    watched("a_loop_of_events_is_told_to_quit", || {
        ends_by_its_hook(Ok(()), |hook, ready| {
            let quit = EventFd::new().unwrap();
            let events = Epoll::new(EpollCreateFlags::empty()).unwrap();
            events.add(quit.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, 0)).unwrap();
            with_hook(
                |_: &Interrupted| hook(&|| assert_eq!(quit.write(1), Ok(8))),
                || {
                    ready();
                    let mut event = [EpollEvent::empty()];
                    let mut wait = || events.wait(&mut event, EpollTimeout::NONE).map(drop);
                    // The shot of a deadline ends a wait that is under way, and no other.
                    match wait() {
                        Err(nix::errno::Errno::EINTR) => wait(),
                        ended => ended,
                    }
                },
            )
        });
    });
}
