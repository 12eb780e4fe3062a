//! Every interruptible call at every point: asked before, asked while it is blocked, asked under a
//! mask, with its result there already, and disturbed by signals that are nobody's.
//!
//! The test works like this: the scenes of the example `stuck` make real objects and a call that
//! blocks on them; each point takes a fresh scene, brings it about, and says what must come out.
//! Whether a thread is blocked is asked of `/proc`.

mod common;

#[path = "../examples/stuck/events.rs"]
mod events;
#[path = "../examples/stuck/files.rs"]
mod files;
#[path = "../examples/stuck/processes.rs"]
mod processes;
#[path = "../examples/stuck/ring.rs"]
mod ring;
#[path = "../examples/stuck/scene.rs"]
mod scene;
#[path = "../examples/stuck/scenes.rs"]
mod scenes;
#[path = "../examples/stuck/sockets.rs"]
mod sockets;

use std::sync::mpsc;
use std::thread;

use common::{LIMIT, gettid, wait_until, watched};
use eintr::{Error, ThreadState};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use scene::Scene;

/// Runs a point for every scene that this machine has.
fn for_every_call(point: &str, at: fn(Scene)) {
    let mut ran = 0;
    for make in scenes::SCENES {
        match make() {
            Ok(scene) => {
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
        mut call: scene::Call,
        how: impl FnOnce(&mut scene::Call) -> Result<(), Error> + Send + 'static,
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

/// Signals whose handler has no `SA_RESTART` do not end our calls, nor start their time anew.
#[test]
fn disturbed_by_strays() {
    extern "C" fn nothing(_: i32) {}
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(Signal::SIGUSR2, &action) }.unwrap();
    for_every_call("disturbed by strays", |scene| {
        let Scene { call, syscalls, stuck, provide: Some(provide), .. } = scene else { return };
        let stuck = Stuck::new(stuck, |call| call());
        for _ in 0..3 {
            stuck.wait_until_blocked(syscalls);
            // SAFETY: no pointers. The thread is ours and has not ended: its call is blocked.
            let sent = unsafe {
                libc::syscall(libc::SYS_tgkill, std::process::id(), stuck.tid, libc::SIGUSR2)
            };
            assert_eq!(sent, 0, "{call}");
        }
        stuck.wait_until_blocked(syscalls);
        provide();
        let result = stuck.result();
        assert_done(call, &result);
        assert!(!result.1, "{call}: nobody asked");
    });
}
