//! What happens to tasks is told to the program's observer, and counted.
//!
//! The tests here work like this: each runs in a process of its own, for there is one observer in a process, and notes what it is
//! told, with the thread that it is told on.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use eintr::observed::{self, What};
use eintr::termination::{self, SIGQUIT, SIGTERM};
use eintr::{Builder, Group, Outcome, Task};
use signal_hook::low_level::raise;
use test_support::child::alone;
use test_support::{emulated, gettid, wait_until_on_futex};

/// What was told, of which task, on which thread.
type Told = (String, String, ThreadId);

fn observe() -> Receiver<Told> {
    let (tell, told) = mpsc::channel();
    observed::by(move |happening| {
        let what = match happening.what {
            What::Asked(cause) => format!("asked: {cause}"),
            What::Raised(cause) => format!("raised: {cause}"),
            What::Ended(Some(cause)) => format!("ended: {cause}"),
            What::Stuck(report) => format!("stuck: {report}"),
            other => format!("{other:?}"),
        };
        let name = happening.name.map_or_else(|| happening.task.to_string(), str::to_owned);
        let _ = tell.send((name, what, thread::current().id()));
    })
    .unwrap();
    told
}

/// What was told of the task of that name, which has ended: on the thread that it ran on, and on others. Of several threads it
/// comes in any order.
fn of(told: &Receiver<Told>, name: &str) -> [Vec<String>; 2] {
    let all: Vec<Told> = told.try_iter().filter(|(of, ..)| of == name).collect();
    let is_end = |what: &str| what.to_lowercase().starts_with("ended");
    let (.., here) = *all.iter().find(|(_, what, _)| is_end(what)).unwrap();
    let on = |its_own: bool| {
        let those = all.iter().filter(|(.., thread)| (*thread == here) == its_own);
        those.map(|(_, what, _)| what.clone()).collect()
    };
    [on(true), on(false)]
}

fn named(name: &str) -> Builder {
    Builder::new().name(name.into())
}

#[test]
fn each_thing_is_told_on_its_thread() {
    alone(|| {
        let told = observe();
        assert!(observed::by(|_| {}).is_err(), "there is one");
        let before = observed::counts();

        // A call of ours.
        let own = named("own").spawn(|| eintr::time::sleep(Duration::MAX)).unwrap();
        own.interrupter().interrupt_with("lunch");
        own.join().unwrap().unwrap_err();
        let [asked, raised] = ["asked: interrupted: lunch", "raised: interrupted: lunch"];
        assert_eq!(
            of(&told, "own"),
            [vec!["Begun", raised, "ended: interrupted: lunch"], vec![asked]]
        );
        // Checkpoints, each of which raises; and another request once that is taken.
        let (task, interrupter) = eintr::task();
        interrupter.interrupt_with("first");
        interrupter.interrupt_with("second");
        task.name("computes").run(|| {
            (0..10).for_each(|_| assert!(eintr::checkpoint().is_err()));
            eintr::take().unwrap();
            (0..10).for_each(|_| assert!(eintr::checkpoint().is_err()));
        });
        let raised = ["first", "second"].map(|why| format!("raised: interrupted: {why}"));
        let [here, elsewhere] = of(&told, "computes");
        assert_eq!(here[1..3], raised);
        assert!(here.len() == 4 && elsewhere.is_empty(), "{here:?} {elsewhere:?}");
        // Somebody else's call, at the end.
        let plain = named("plain").spawn(|| thread::sleep(Duration::MAX)).unwrap();
        plain.interrupt();
        plain.join().unwrap();
        let [here, elsewhere] = of(&told, "plain");
        assert_eq!(here, ["Begun", "raised: interrupted", "ended: interrupted"]);
        assert_eq!(elsewhere, ["asked: interrupted"]);
        // A group's member, and one that comes later.
        let group = Group::new();
        let member =
            group.spawn_with(named("member"), || eintr::time::sleep(Duration::MAX)).unwrap();
        group.interrupt();
        member.join().unwrap().unwrap_err();
        assert_eq!(of(&told, "member")[1], ["asked: interrupted"]);
        group.spawn_with(named("late"), eintr::checkpoint).unwrap().join().unwrap().unwrap_err();
        assert_eq!(of(&told, "late")[1], ["asked: interrupted"]);
        // One that nobody asks, and one that never runs.
        Task::new().name("idle").run(|| ());
        assert_eq!(of(&told, "idle"), [vec!["Begun", "Ended(None)"], vec![]]);
        drop(Task::new().name("unrun"));
        assert!(told.try_recv().is_err());

        let now = observed::counts();
        let added = [
            now.asked - before.asked,
            now.raised - before.raised,
            now.finished - before.finished,
            now.stuck - before.stuck,
        ];
        assert_eq!(added, [6, 6, 6, 0]);
    });
}

/// A request is told once, on however many threads it is felt.
#[test]
fn a_scope_feels_a_request_once() {
    alone(|| {
        let told = observe();
        let (task, interrupter) = eintr::task();
        task.name("outer").run(|| {
            eintr::scope(|s| {
                interrupter.interrupt();
                (0..4).for_each(|_| drop(s.spawn(|| eintr::checkpoint().unwrap_err())));
            });
        });
        let all = of(&told, "outer").concat();
        assert_eq!(all.iter().filter(|what| what.starts_with("raised")).count(), 1, "{all:?}");
    });
}

#[test]
fn who_waits_in_vain_tells_it() {
    alone(|| {
        let told = observe();
        let (release, released) = mpsc::channel::<()>();
        let group = Group::new();
        let (tell, its_tid) = mpsc::channel();
        let body = move || {
            eintr::mask(|| {
                tell.send(gettid()).unwrap();
                released.recv().unwrap();
            });
        };
        let worker = group.spawn_with(named("stubborn"), body).unwrap();
        wait_until_on_futex(its_tid.recv().unwrap());
        let short = Duration::from_millis(20);
        let request = worker.interrupt();
        assert!(matches!(request.wait(Duration::ZERO), Outcome::Masked(_)));
        let is_stuck = |told: &Receiver<Told>| {
            let (_, what, thread) =
                told.iter().find(|(_, what, _)| what.starts_with("stuck: ")).unwrap();
            assert!(what.contains("stubborn"), "{what}");
            assert!(emulated() || what.contains("futex"), "{what}");
            assert_eq!(thread, thread::current().id());
        };
        assert!(matches!(request.wait(short), Outcome::Masked(_)));
        is_stuck(&told);
        worker.interrupter().wait_finished(short).unwrap_err();
        is_stuck(&told);
        group.stop(short).unwrap_err();
        is_stuck(&told);
        assert_eq!(observed::counts().stuck, 3);
        release.send(()).unwrap();
        worker.join().unwrap();
    });
}

#[test]
fn a_panic_in_it_ends_nothing() {
    alone(|| {
        observed::by(|_| panic!("on purpose")).unwrap();
        for _ in 0..3 {
            let worker = eintr::spawn(|| {
                eintr::time::sleep(Duration::MAX).unwrap_err();
                42
            });
            let outcome = worker.interrupt().wait(Duration::MAX);
            assert!(matches!(outcome, Outcome::Raised | Outcome::Finished), "{outcome:?}");
            assert_eq!(worker.join().unwrap(), 42);
        }
        // Also while the task itself unwinds.
        let worker = eintr::spawn(|| panic!("another"));
        assert_eq!(*worker.join().unwrap_err().downcast::<&str>().unwrap(), "another");
    });
}

/// In it the thread is not interrupted, whatever it calls; nor is it told of what it does itself.
#[test]
fn it_may_do_what_it_likes() {
    alone(|| {
        let lock = Arc::new(eintr::sync::RwLock::new(0));
        let (seen, locked) = (Arc::new(Mutex::new(Vec::new())), lock.clone());
        let noted = seen.clone();
        observed::by(move |happening| {
            if let (Some("watched"), What::Raised(_)) = (happening.name, happening.what) {
                thread::sleep(Duration::from_millis(1));
                let slept = eintr::time::sleep(Duration::from_millis(1)).is_ok();
                let other = eintr::spawn(|| eintr::time::sleep(Duration::MAX));
                other.interrupt();
                let ended = other.join().unwrap().is_err();
                let _ = eintr::report();
                // The same lock that the thread was waiting for.
                let read = *locked.read().unwrap();
                noted.lock().unwrap().push((slept, ended, read));
            }
        })
        .unwrap();
        let reader = lock.read().unwrap();
        let writer = lock.clone();
        let (tell, told) = mpsc::channel();
        let wait = move || {
            tell.send(gettid()).unwrap();
            writer.write_interruptible().is_err()
        };
        let writer = named("watched").spawn(wait).unwrap();
        wait_until_on_futex(told.recv().unwrap());
        writer.interrupt();
        assert!(writer.join().unwrap());
        drop(reader);
        let worker = named("watched").spawn(|| eintr::time::sleep(Duration::MAX)).unwrap();
        worker.interrupt();
        worker.join().unwrap().unwrap_err();
        assert_eq!(*seen.lock().unwrap(), [(true, true, 0); 2]);
    });
}

/// One that blocks where somebody asks holds up neither who was asked, nor the signals.
#[test]
fn if_it_blocks_others_go_on() {
    alone(|| {
        let (begins, begun) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        observed::by(move |happening| {
            if let What::Asked(_) = happening.what {
                begins.send(()).unwrap();
                released.lock().unwrap().recv().unwrap();
            }
        })
        .unwrap();
        let worker = eintr::spawn(|| eintr::time::sleep(Duration::MAX));
        let _end = termination::interrupt_on(&[SIGTERM], &worker).unwrap();
        let (tell, told) = mpsc::channel();
        let _dump = termination::on(&[SIGQUIT], move |_| tell.send(()).unwrap()).unwrap();
        raise(SIGTERM).unwrap();
        worker.join().unwrap().unwrap_err();
        begun.recv().unwrap();
        raise(SIGQUIT).unwrap();
        told.recv().unwrap();
        release.send(()).unwrap();
    });
}
