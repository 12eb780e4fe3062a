//! Every interruptible call at every point: asked before, asked while it is blocked, asked under a
//! mask, with its result there already, and disturbed by signals that are nobody's.
//!
//! The test works like this: the scenes of the example `stuck` make real objects and a call that
//! blocks on them; each point takes a fresh scene, brings it about, and says what must come out.
//! Whether a thread is blocked is asked of `/proc`. The calls that never block here have rows of
//! their own. The sources are read for what is public, so that no call is forgotten.

mod immediate;
// The example's own files.
#[path = "../../../examples/stuck"]
mod stuck {
    mod events;
    mod files;
    mod processes;
    mod ring;
    pub mod scene;
    pub mod scenes;
    mod sockets;
}

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use eintr::{Error, ThreadState};
use stuck::scene::Scene;
use test_support::child::alone;
use test_support::signals::{STRAY, handle, send};
use test_support::{LIMIT, gettid, public, wait_until, watched};

/// Calls whose result is a matter of time: their points with a result are in `tests/calls/event_calls.rs`.
const COME_BY_THEMSELVES: &[&str] = &["time::sleep", "time::sleep_until"];

/// Calls that do not wait, by what they are for, and so are not interrupted.
const NEVER_INTERRUPTED: &[&str] =
    &["fs::unlock", "fs::ofd_unlock", "process::exec", "sync::futex_wake"];

/// Calls of several steps, whose points are in a test of their own: `tests/calls/commands.rs`.
const ELSEWHERE: &[&str] = &["process::status", "process::output"];

/// Runs a point for every scene that this machine has.
fn for_every_call(point: &str, at: fn(Scene)) {
    let mut ran = 0;
    for make in stuck::scenes::all() {
        match make() {
            Ok(scene) => {
                let is_expected =
                    scene.provide.is_some() || COME_BY_THEMSELVES.contains(&scene.call);
                assert!(is_expected, "{}: what lets it succeed?", scene.call);
                let name = format!("{} {point}", scene.call);
                watched(&name, || at(scene));
                ran += 1;
            }
            Err(why) => eprintln!("skipped: {why}"),
        }
    }
    assert!(ran > 30, "only {ran} scenes here");
}

/// A thread that makes the call in a task, and what it is asked and told.
struct Stuck {
    interrupter: eintr::Interrupter,
    tid: i32,
    results: mpsc::Receiver<(Result<(), Error>, bool)>,
}

impl Stuck {
    /// Makes the call as `how` says, and tells its result and whether a checkpoint raises after it.
    fn new(
        mut call: stuck::scene::Call,
        how: impl FnOnce(&mut stuck::scene::Call) -> Result<(), Error> + Send + 'static,
    ) -> Self {
        let (tell, results) = mpsc::channel();
        let (tell_tid, tid) = mpsc::channel();
        let (task, interrupter) = eintr::task();
        thread::spawn(move || {
            tell_tid.send(gettid()).unwrap();
            let result = task.run(|| (how(&mut call), eintr::checkpoint().is_err()));
            // The objects go before the result comes: what they hold is then as it will be.
            drop(call);
            let _ = tell.send(result);
        });
        Self { interrupter, tid: tid.recv().unwrap(), results }
    }

    fn wait_until_blocked(&self, syscalls: &[&str]) {
        wait_until(&format!("{syscalls:?}: {}", self.interrupter.report()), || {
            self.interrupter.report().thread.is_some_and(|thread| {
                thread.state == Some(ThreadState::Sleeping)
                    && thread.syscall.is_some_and(|name| syscalls.contains(&&*name))
            })
        });
    }

    fn result(&self) -> (Result<(), Error>, bool) {
        self.results.recv_timeout(LIMIT).expect("the call comes back")
    }
}

fn assert_interrupted(call: &str, (result, raises): (Result<(), Error>, bool)) {
    assert!(matches!(result, Err(Error::Interrupted(_))), "{call}: {result:?}");
    assert!(raises, "{call}: the cause stands until it is taken");
}

fn assert_done(call: &str, (result, _): &(Result<(), Error>, bool)) {
    assert!(result.is_ok(), "{call}: {result:?}");
}

#[test]
fn asked_before() {
    for_every_call("asked before", |scene| {
        let Scene { call, stuck, check, .. } = scene;
        let (go, gone) = mpsc::channel::<()>();
        let stuck = Stuck::new(stuck, move |call| {
            let _ = gone.recv();
            call()
        });
        stuck.interrupter.interrupt();
        drop(go);
        assert_interrupted(call, stuck.result());
        check().unwrap_or_else(|broken| panic!("{call}: {broken}"));
    });
}

#[test]
fn asked_while_blocked() {
    for_every_call("asked while blocked", |scene| {
        let Scene { call, syscalls, stuck, check, .. } = scene;
        let stuck = Stuck::new(stuck, |call| call());
        stuck.wait_until_blocked(syscalls);
        stuck.interrupter.interrupt();
        assert_interrupted(call, stuck.result());
        check().unwrap_or_else(|broken| panic!("{call}: {broken}"));
    });
}

/// Under a mask the request waits: the call goes on to its result, and the checkpoint after the
/// mask raises.
#[test]
fn asked_under_a_mask() {
    for_every_call("under a mask", |scene| {
        let Scene { call, syscalls, stuck, provide: Some(provide), .. } = scene else { return };
        let stuck = Stuck::new(stuck, |call| eintr::mask(call));
        stuck.wait_until_blocked(syscalls);
        stuck.interrupter.interrupt();
        stuck.wait_until_blocked(syscalls);
        provide();
        let result = stuck.result();
        assert_done(call, &result);
        assert!(result.1, "{call}: the request is raised after the mask");
    });
}

/// A request that stands is raised, though the result is there; and the result is still there after
/// it was taken.
#[test]
fn result_already_there() {
    for_every_call("with its result there", |scene| {
        let Scene { call, stuck, provide: Some(provide), .. } = scene else { return };
        let (provided, result_is_there) = mpsc::channel::<()>();
        let (ready, is_ready) = mpsc::channel::<()>();
        let stuck = Stuck::new(stuck, move |call| {
            eintr::Interrupter::current().expect("a task").interrupt();
            // Some calls make their thread ready for the result.
            assert!(call().is_err());
            drop(ready);
            let _ = result_is_there.recv();
            let stopped = call();
            assert!(matches!(stopped, Err(Error::Interrupted(_))), "{stopped:?}");
            eintr::take().expect("the request");
            call()
        });
        let _ = is_ready.recv();
        provide();
        drop(provided);
        let result = stuck.result();
        assert_done(call, &result);
        assert!(!result.1, "{call}: the request was taken");
    });
}

/// Strays that were handled.
static STRAYS: AtomicUsize = AtomicUsize::new(0);

/// Has the signal that is nobody's counted, and does not have calls restarted.
fn count_strays() {
    extern "C" fn count(_: i32) {
        STRAYS.fetch_add(1, Ordering::Relaxed);
    }
    handle(STRAY, count, 0, &[]);
}

/// Signals whose handler has no `SA_RESTART` do not end our calls, nor start their time anew.
#[test]
fn disturbed_by_strays() {
    alone(|| {
        count_strays();
        for_every_call("disturbed by strays", |scene| {
            let Scene { call, syscalls, stuck, provide: Some(provide), .. } = scene else { return };
            let stuck = Stuck::new(stuck, |call| call());
            for _ in 0..3 {
                stuck.wait_until_blocked(syscalls);
                send(stuck.tid, STRAY);
            }
            stuck.wait_until_blocked(syscalls);
            provide();
            let result = stuck.result();
            assert_done(call, &result);
            assert!(!result.1, "{call}: nobody asked");
        });
    });
}

/// The scenes are looked for in their sources: not each can be made on every machine.
#[test]
fn every_public_call_has_a_row() {
    let scenes = [
        include_str!("../../../examples/stuck/events.rs"),
        include_str!("../../../examples/stuck/files.rs"),
        include_str!("../../../examples/stuck/processes.rs"),
        include_str!("../../../examples/stuck/sockets.rs"),
    ]
    .concat();
    let has_scene = |call: &str| {
        // A scene may say more than the call's name.
        [format!("\"{call}\""), format!("\"{call} ")].iter().any(|name| scenes.contains(name))
    };
    let has_row = |call: &str| {
        immediate::ROWS.iter().any(|row| row.call == call)
            || [NEVER_INTERRUPTED, ELSEWHERE].concat().contains(&call)
    };
    for call in public::calls() {
        assert!(has_scene(&call.name) || has_row(&call.name), "{} has no row", call.name);
    }
}

/// Asked before, it does not happen; asked under a mask, it happens, and the request is raised
/// after; and what was refused to an asked thread succeeds once the request was taken.
#[test]
fn calls_that_never_block() {
    for row in immediate::ROWS {
        watched(row.call, || {
            let immediate::Case { mut call, happened } = (row.make)();
            let (task, interrupter) = eintr::task();
            interrupter.interrupt();
            task.run(|| {
                let stopped = call();
                assert!(matches!(stopped, Err(Error::Interrupted(_))), "{}: {stopped:?}", row.call);
                assert!(!happened(), "{}: it happened and was not told", row.call);
                assert!(eintr::checkpoint().is_err(), "{}: the cause stands", row.call);
                eintr::take().expect("the request");
                call().unwrap();
                assert!(happened(), "{}: it was told and did not happen", row.call);
            });

            let immediate::Case { mut call, happened } = (row.make)();
            let (task, interrupter) = eintr::task();
            task.run(|| {
                eintr::mask(|| {
                    interrupter.interrupt();
                    call().unwrap();
                });
                assert!(happened(), "{}: under a mask it happens", row.call);
                assert!(eintr::checkpoint().is_err(), "{}: the request is raised after", row.call);
            });
        });
    }
}

/// Signals that are nobody's come all the time.
#[test]
fn calls_that_never_block_disturbed_by_strays() {
    alone(|| {
        for row in immediate::ROWS {
            watched(row.call, || {
                let immediate::Case { mut call, happened } = (row.make)();
                let (task, _interrupter) = eintr::task();
                let before = STRAYS.load(Ordering::Relaxed);
                count_strays();
                let (tid, over) = (gettid(), AtomicBool::new(false));
                let result = thread::scope(|scope| {
                    scope.spawn(|| {
                        while !over.load(Ordering::Relaxed) {
                            send(tid, STRAY);
                        }
                    });
                    let is_enough = || STRAYS.load(Ordering::Relaxed) >= before + 100;
                    let result = task.run(|| {
                        while !is_enough() {
                            call()?;
                        }
                        call()
                    });
                    over.store(true, Ordering::Relaxed);
                    result
                });
                assert!(result.is_ok(), "{}: {result:?}", row.call);
                assert!(happened(), "{}", row.call);
            });
        }
    });
}
