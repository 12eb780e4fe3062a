//! Groups: everybody is reached, those who come late too; who has ended is forgotten; who has not
//! is told of.
//!
//! The tests here work like this: members sleep in calls that nothing ends but an interrupt, or
//! wait for a channel, which nothing ends but the test. A test that needs a member to be stuck asks
//! the kernel whether it is.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use eintr::{Builder, Group, Interrupter, Outcome, Reason, checkpoint, task};
use test_support::target::{own_read, pipe};
use test_support::{
    LIMIT, child, emulated, gettid, wait_until, wait_until_blocked, wait_until_on_futex, watched,
};

/// Sleeps for ever, by a call of ours.
fn sleep() -> Result<(), eintr::Error> {
    eintr::time::sleep(Duration::MAX)
}

/// A member that ignores every request until it is released.
fn stubborn(group: &Group) -> (i32, mpsc::Sender<()>, eintr::JoinHandle<()>) {
    let (release, released) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let builder = Builder::new().name("stubborn".into());
    let member = group
        .spawn_with(builder, move || {
            tell.send(gettid()).unwrap();
            let _ = released.recv();
        })
        .unwrap();
    (told.recv().unwrap(), release, member)
}

#[test]
fn all_members_are_reached() {
    watched("all_members_are_reached", || {
        let group = Group::new();
        let (reader, _writer) = pipe();
        let ours = group.spawn(sleep);
        let reads = group.spawn(move || own_read(&reader).map(drop));
        let computes = group.spawn(|| {
            while checkpoint().is_ok() {
                std::hint::spin_loop();
            }
        });
        let (task, interrupter) = task();
        group.add(&interrupter);
        let pooled = thread::spawn(move || task.run(sleep));
        assert_eq!(group.len(), 4);
        assert!(!group.is_empty());
        group.stop(LIMIT).unwrap();
        assert!(group.is_empty());
        assert!(ours.join().unwrap().is_err() && reads.join().unwrap().is_err());
        computes.join().unwrap();
        assert!(pooled.join().unwrap().is_err());
        assert!(matches!(interrupter.raised().unwrap().reason(), Reason::Requested));
    });
}

#[test]
fn plain_calls_of_members_are_reached() {
    watched("plain_calls_of_members_are_reached", || {
        let group = Group::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = group.clone();
        group.spawn(move || -> std::io::Result<()> {
            for connection in listener.incoming() {
                let mut connection = connection?;
                connections.spawn(move || connection.read(&mut [0; 64]));
            }
            Ok(())
        });
        let _clients: Vec<_> = (0..5).map(|_| TcpStream::connect(address).unwrap()).collect();
        wait_until("all are accepted", || group.len() == 6);
        group.stop(LIMIT).unwrap();
    });
}

#[test]
fn an_interrupt_is_latched() {
    watched("an_interrupt_is_latched", || {
        let group = Group::new();
        assert!(matches!(
            group.interrupter().interrupt_with("closing").wait(LIMIT),
            Outcome::NotStarted
        ));
        for _ in 0..3 {
            let born = group.spawn(|| (checkpoint(), eintr::take(), checkpoint()));
            let (first, taken, again) = born.join().unwrap();
            assert_eq!(first.unwrap_err().to_string(), "interrupted: closing");
            assert!(taken.is_none(), "it was meant for the group");
            assert!(again.is_err());
        }
        let (late, interrupter) = task();
        group.add(interrupter);
        assert!(late.run(checkpoint).is_err());
        group.stop(Duration::ZERO).unwrap();
    });
}

#[test]
fn a_member_takes_what_was_meant_for_it_alone() {
    watched("a_member_takes_what_was_meant_for_it_alone", || {
        let (task, interrupter) = task();
        let group = Group::new();
        group.add(&interrupter);
        task.run(|| {
            interrupter.interrupt_with("skip");
            assert!(checkpoint().is_err());
            assert_eq!(eintr::take().unwrap().to_string(), "interrupted: skip");
            assert!(checkpoint().is_ok());
            // A request of the group's is one with the member's own that was there before.
            interrupter.interrupt();
            group.interrupt();
            assert!(eintr::take().is_none() && checkpoint().is_err());
        });
    });
}

#[test]
fn the_groups_request_waits_for_all() {
    watched("the_groups_request_waits_for_all", || {
        let group = Group::new();
        let workers: Vec<_> = (0..4).map(|_| group.spawn(sleep)).collect();
        assert!(matches!(group.interrupt().wait(LIMIT), Outcome::Raised | Outcome::Finished));
        // Joined: one that has raised, and not ended yet, would be a member still.
        for worker in workers {
            assert!(worker.interrupter().raised().is_some());
            assert!(worker.join().unwrap().is_err());
        }
        let (tid, release, stubborn) = stubborn(&group);
        wait_until_blocked(tid, libc::SYS_futex);
        let outcome = group.interrupt().wait(Duration::from_millis(5));
        assert!(matches!(&outcome, Outcome::Stuck(report) if report.task != 0), "{outcome:?}");
        let late = group.interrupter().wait_finished(Duration::from_millis(5)).unwrap_err();
        assert_eq!(late.name.as_deref(), Some("stubborn"));
        release.send(()).unwrap();
        stubborn.join().unwrap();
        assert!(matches!(group.interrupt().wait(LIMIT), Outcome::NotStarted));
        assert!(group.interrupter().wait_finished(LIMIT).is_ok());
    });
}

#[test]
fn a_straggler_is_reported_and_left_to_the_caller() {
    watched("a_straggler_is_reported_and_left_to_the_caller", || {
        let group = Group::new();
        let (tid, release, member) = stubborn(&group);
        wait_until_blocked(tid, libc::SYS_futex);
        let other = group.spawn(sleep);
        for grace in [Duration::ZERO, Duration::from_millis(5)] {
            let stragglers = group.stop(grace).unwrap_err();
            let ours = stragglers
                .reports()
                .iter()
                .find(|report| report.thread.as_ref().is_some_and(|thread| thread.tid == tid));
            let ours = ours.expect("it is reported");
            assert_eq!(ours.name.as_deref(), Some("stubborn"));
            assert!(ours.pending_for.is_some() && !ours.finished && stragglers.panics().is_empty());
            let text = stragglers.to_string();
            let lines: Vec<_> = text.lines().collect();
            assert!(lines[0].contains("not ended"), "{text}");
            // The columns stand where their heads do.
            let column = lines[1].find("tid").expect("there is a head");
            let row = lines.iter().find(|line| line.contains("stubborn")).expect("a row");
            assert!(row[column..].starts_with(&tid.to_string()), "{text}");
            assert!(row.contains(" ago "), "{text}");
            assert!(format!("{stragglers:?}").contains("stubborn"));
        }
        assert!(other.join().unwrap().is_err(), "asked before any was waited for");
        release.send(()).unwrap();
        group.stop(LIMIT).unwrap();
        member.join().unwrap();
    });
}

#[test]
fn panics_are_listed_once() {
    watched("panics_are_listed_once", || {
        let group = Group::new();
        let named = Builder::new().name("baker".into());
        let baker =
            group.spawn_with(named, || panic!("out of {}", std::hint::black_box("flour"))).unwrap();
        let miller = group.spawn(|| std::panic::panic_any(7_u8));
        assert_eq!(*baker.join().unwrap_err().downcast::<String>().unwrap(), "out of flour");
        miller.join().unwrap_err();
        let stragglers = group.stop(LIMIT).unwrap_err();
        assert!(stragglers.reports().is_empty());
        assert_eq!(stragglers.panic_count(), 2);
        let text = stragglers.to_string();
        assert!(text.contains("baker panicked: out of flour"), "{text}");
        assert!(text.contains("(not a text)"), "{text}");
        group.stop(LIMIT).unwrap();

        let crowd = Group::new();
        let quiet = || std::panic::resume_unwind(Box::new("quietly"));
        (0..100).for_each(|_| drop(crowd.spawn(quiet).join()));
        let stragglers = crowd.stop(LIMIT).unwrap_err();
        assert_eq!((stragglers.panics().len(), stragglers.panic_count()), (64, 100));
        assert!(stragglers.to_string().contains("36 more"));
    });
}

#[test]
fn each_end_is_seen() {
    watched("each_end_is_seen", || {
        let group = Group::new();
        let set = group.join_set();
        let builder = Builder::new().name("fails".into());
        let fails = set.spawn_with(builder, || Err("disk full")).unwrap();
        let ended = set.join_next().unwrap().unwrap();
        assert!(ended.member == fails && ended.member.name().as_deref() == Some("fails"));
        assert_eq!(ended.result.unwrap(), Err("disk full"));
        set.spawn(|| std::panic::resume_unwind(Box::new("ours")));
        let payload = set.join_next().unwrap().unwrap().result.unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"ours"));
        assert_eq!(group.stop(LIMIT).unwrap_err().panic_count(), 1);
        // Stopped for good, and it tells why.
        set.spawn(|| checkpoint().map_err(|_| "interrupted"));
        let born = set.join_next().unwrap().unwrap();
        assert_eq!(born.result.unwrap(), Err("interrupted"));
        assert_eq!(born.member.raised().unwrap().to_string(), "interrupted");
        assert!(set.join_next().unwrap().is_none() && set.try_join_next().is_none());
    });
}

/// Whoever has seen the last end finds the group empty.
#[test]
fn ends_are_seen_once_and_all_of_them() {
    const MEMBERS: usize = 50;
    watched("ends_are_seen_once_and_all_of_them", || {
        let group = Group::new();
        let set = group.join_set();
        for number in 0..MEMBERS {
            set.spawn(move || number);
        }
        let joiners = [(); 2].map(|()| {
            let set = set.clone();
            eintr::spawn(move || {
                let next = || set.join_next().unwrap();
                std::iter::from_fn(next).map(|ended| ended.result.unwrap()).collect::<Vec<_>>()
            })
        });
        let mut seen: Vec<_> =
            joiners.into_iter().flat_map(|joiner| joiner.join().unwrap()).collect();
        assert!(group.is_empty());
        seen.sort_unstable();
        assert_eq!(seen, Vec::from_iter(0..MEMBERS));
    });
}

#[test]
fn joining_can_be_interrupted() {
    watched("joining_can_be_interrupted", || {
        let group = Group::new();
        let set = group.join_set();
        set.spawn(|| sleep().is_err());
        let (tell, told) = mpsc::channel();
        let theirs = set.clone();
        let joiner = eintr::spawn(move || {
            tell.send(gettid()).unwrap();
            theirs.join_next().map(drop)
        });
        wait_until_on_futex(told.recv().unwrap());
        joiner.interrupt();
        assert!(joiner.join().unwrap().is_err());
        assert!(set.try_join_next().is_none() && group.len() == 1);
        group.interrupt();
        assert!(set.join_next().unwrap().unwrap().result.unwrap());
        let (task, interrupter) = task();
        interrupter.interrupt();
        set.spawn(|| false);
        task.run(|| {
            assert!(set.join_next().is_err());
            wait_until("its end", || set.try_join_next().is_some());
        });
    });
}

#[test]
fn an_end_that_nobody_can_see_is_dropped() {
    watched("an_end_that_nobody_can_see_is_dropped", || {
        let group = Group::new();
        let alive = Arc::new(());
        let (release, released) = mpsc::channel::<()>();
        let set = group.join_set();
        let theirs = alive.clone();
        set.spawn(move || {
            let _ = released.recv();
            theirs
        });
        // Nobody waits for a thread that there is not.
        set.spawn_with(Builder::new().stack_size(usize::MAX / 4), Arc::default).unwrap_err();
        drop(set);
        release.send(()).unwrap();
        wait_until("the value has gone", || Arc::strong_count(&alive) == 1);
        let set = group.join_set::<()>();
        set.spawn_with(Builder::new().stack_size(usize::MAX / 4), || ()).unwrap_err();
        assert!(set.join_next().unwrap().is_none());
    });
}

#[test]
fn an_empty_group_stops_at_once() {
    let group = Group::default();
    group.stop(Duration::MAX).unwrap();
    Group::new().stop(Duration::ZERO).unwrap();
    assert!(group.is_empty() && group.interrupter().is_finished());
    assert_eq!(format!("{group:?}"), "Group { members: 0, interrupted: true, .. }");
    assert!(group.interrupter().raised().is_none());
    assert!(!group.interrupter().report().started);
}

/// Spawns two members that do the same, until there are enough of them, and sleeps.
fn grow(group: Group, spawned: Arc<AtomicUsize>) -> Result<(), eintr::Error> {
    for _ in 0..2 {
        if spawned.fetch_add(1, Ordering::Relaxed) < 64 {
            let (group_too, spawned) = (group.clone(), spawned.clone());
            group.spawn(move || grow(group_too, spawned));
        }
    }
    sleep()
}

#[test]
fn a_group_is_interrupted_while_it_grows() {
    watched("a_group_is_interrupted_while_it_grows", || {
        for enough in [0, 1, 5, 20, 40, 63] {
            let group = Group::new();
            let spawned = Arc::new(AtomicUsize::new(0));
            let first = (group.clone(), spawned.clone());
            group.spawn(move || grow(first.0, first.1));
            wait_until("it grows", || spawned.load(Ordering::Relaxed) >= enough);
            // Nobody sleeps on: whoever is not on the list yet will find the latch set.
            group.stop(LIMIT).unwrap();
            assert!(group.is_empty());
        }
    });
}

#[test]
fn ended_members_are_forgotten() {
    watched("ended_members_are_forgotten", || {
        let group = Group::new();
        let kept = Arc::new(());
        for _ in 0..200 {
            let reason = Noted(kept.clone());
            let member = group.spawn(|| while checkpoint().is_ok() {});
            member.interrupter().interrupt_with(reason);
            member.join().unwrap();
        }
        assert_eq!(Arc::strong_count(&kept), 1, "of spawned members nothing is kept");
        let mut most = 0;
        for _ in 0..if emulated() { 2_000 } else { 100_000 } {
            let (task, interrupter) = task();
            interrupter.interrupt_with(Noted(kept.clone()));
            group.add(interrupter);
            task.run(|| checkpoint().unwrap_err());
            most = most.max(Arc::strong_count(&kept) - 1);
        }
        assert!(most <= 4, "{most} ended tasks were kept");
    });
}

/// A reason that is counted.
#[derive(Debug)]
#[allow(dead_code, reason = "only counted")]
struct Noted(Arc<()>);

impl std::fmt::Display for Noted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("noted")
    }
}

impl std::error::Error for Noted {}

#[test]
fn dropping_a_group_detaches_it() {
    watched("dropping_a_group_detaches_it", || {
        let group = Group::new();
        let interrupter = group.interrupter();
        let member = group.spawn(sleep);
        drop(group);
        assert!(!interrupter.is_finished() && !member.is_finished());
        interrupter.interrupt();
        assert!(member.join().unwrap().is_err());
        assert!(interrupter.wait_finished(LIMIT).is_ok());
    });
}

#[test]
fn groups_contain_groups() {
    watched("groups_contain_groups", || {
        let [outer, inner, other] = [Group::new(), Group::new(), Group::new()];
        outer.add(&inner);
        // A circle, and one's own self, are asked once.
        inner.add(&outer);
        outer.add(&outer);
        let member = inner.spawn(sleep);
        assert_eq!([outer.len(), inner.len(), other.len()], [1, 1, 0]);
        outer.stop(LIMIT).unwrap();
        assert!(member.join().unwrap().is_err());
        assert!(inner.spawn(checkpoint).join().unwrap().is_err(), "the latch is its own too");

        let outer = Group::new();
        outer.add(&other);
        (0..1000).for_each(|_| outer.add(Group::new()));
        assert!(outer.is_empty());
        let member = other.spawn(sleep);
        assert_eq!(outer.len(), 1, "a group that may still grow is not forgotten");
        outer.stop(LIMIT).unwrap();
        assert!(member.join().unwrap().is_err());
    });
}

#[test]
fn a_member_stops_the_others() {
    watched("a_member_stops_the_others", || {
        let group = Group::new();
        let sleeper = group.spawn(sleep);
        let inside = group.clone();
        let member = group.spawn(move || {
            inside.stop(LIMIT).unwrap();
            checkpoint()
        });
        assert!(member.join().unwrap().is_err());
        assert!(sleeper.join().unwrap().is_err());
    });
}

#[test]
fn a_group_reports_its_members_numbers() {
    watched("a_group_reports_its_members_numbers", || {
        let group = Group::new();
        let (_, release, member) = stubborn(&group);
        let report = group.interrupter().report();
        assert!(report.started && !report.finished && report.pending_for.is_none());
        assert_eq!(report.name.as_deref(), Some("group of 1"));
        group.interrupt();
        assert!(group.interrupter().report().pending_for.is_some());
        release.send(()).unwrap();
        member.join().unwrap();
    });
}

#[test]
fn a_thread_that_cannot_be_made_is_no_member() {
    watched("a_thread_that_cannot_be_made_is_no_member", || {
        let group = Group::new();
        let huge = Builder::new().stack_size(usize::MAX / 4);
        assert!(group.spawn_with(huge, || ()).is_err());
        assert!(group.is_empty());
        group.stop(Duration::ZERO).unwrap();
    });
}

#[test]
fn stop_returns_when_all_have_ended_and_not_later() {
    watched("stop_returns_when_all_have_ended_and_not_later", || {
        let group = Group::new();
        let ended = Arc::new(AtomicBool::new(false));
        let flag = ended.clone();
        group.spawn(move || {
            let _ = sleep();
            flag.store(true, Ordering::Relaxed);
        });
        let start = Instant::now();
        group.stop(Duration::MAX).unwrap();
        assert!(ended.load(Ordering::Relaxed) && start.elapsed() < LIMIT);
    });
}

#[test]
fn a_group_across_a_fork() {
    child::alone(|| {
        let group = Group::new();
        let member = group.spawn(sleep);
        // SAFETY: the child runs code of ours, whose locks are not copied while held, and ends.
        match unsafe { nix::unistd::fork() }.unwrap() {
            nix::unistd::ForkResult::Child => {
                let alone = group.is_empty();
                let stopped = group.stop(Duration::ZERO).is_ok();
                let (task, interrupter) = task();
                group.add(interrupter);
                let latched = task.run(checkpoint).is_err();
                // SAFETY: ends the process without the test harness's leave.
                unsafe { libc::_exit(i32::from(!(alone && stopped && latched))) }
            }
            nix::unistd::ForkResult::Parent { child } => {
                let status = nix::sys::wait::waitpid(child, None).unwrap();
                assert_eq!(status, nix::sys::wait::WaitStatus::Exited(child, 0));
            }
        }
        assert_eq!(group.len(), 1);
        group.stop(LIMIT).unwrap();
        assert!(member.join().unwrap().is_err());
    });
}

#[test]
fn types_are_what_they_promise() {
    fn shared<T: Send + Sync + Unpin + 'static>() {}
    shared::<Group>();
    shared::<eintr::Stragglers>();
    let error: Box<dyn std::error::Error + Send + Sync> = {
        let group = Group::new();
        group.spawn(|| std::panic::resume_unwind(Box::new("quietly"))).join().unwrap_err();
        group.stop(LIMIT).unwrap_err().into()
    };
    assert!(error.to_string().starts_with("1 task has panicked"), "{error}");
    let _: Interrupter = (&Group::new()).into();
}
