//! Every foreign call that reach is for: of std, of a crate, of C; each unmodified.
//!
//! The test works like this: the scenes of the program `reached` make real objects and a call that
//! blocks on them; each point takes a fresh scene, brings it about, and says what must come out.
//! Whether a thread is blocked is asked of `/proc`.

use std::io;
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use eintr::{JoinHandle, Outcome};
use eintr_reached::CASES;
use eintr_reached::scene::{self, Ends, Scene, let_go};
use test_support::{LIMIT, child, gettid, has_dispatch, wait_until, watched};

/// Runs a point for every scene that this machine has.
fn for_every_call(point: &str, at: fn(Scene)) {
    if !has_dispatch(point) {
        return;
    }
    let mut ran = 0;
    for case in CASES.into_iter().flatten() {
        match (case.managed)() {
            Ok(scene) => {
                watched(&format!("{} ({}) {point}", case.call, case.by.name()), || at(scene));
                ran += 1;
            }
            Err(why) => eprintln!("skipped: {why}"),
        }
    }
    assert!(ran > 30, "only {ran} scenes here");
}

/// What came of a call, as its own thread saw it.
struct Came {
    documented: bool,
    result: io::Result<()>,
    raises: bool,
}

impl Came {
    fn of(ends: Ends, call: &mut scene::Call) -> Self {
        let (result, _, documented) = ends.of(call);
        Self { documented, result, raises: eintr::is_interrupted() }
    }

    #[track_caller]
    fn assert_documented(self) {
        assert!(self.documented, "{:?}", self.result);
        assert!(self.raises, "the cause stands");
    }
}

/// A managed thread that is about to make the call.
fn on_a_thread(work: impl FnOnce() -> Came + Send + 'static) -> (JoinHandle<Came>, Receiver<i32>) {
    let (tell, told) = mpsc::channel();
    let worker = eintr::spawn(move || {
        tell.send(gettid()).unwrap();
        work()
    });
    (worker, told)
}

#[test]
fn asked_while_it_sleeps() {
    for_every_call("asked while it sleeps", |scene| {
        let Scene { when, ends, mut call, release } = scene;
        let (worker, told) = on_a_thread(move || Came::of(ends, &mut call));
        let tid = told.recv().unwrap();
        wait_until("the call sleeps", || when.has_come(tid));
        worker.interrupt();
        worker.join().unwrap().assert_documented();
        let_go(release);
    });
}

#[test]
fn asked_before() {
    for_every_call("asked before", |scene| {
        let Scene { ends, mut call, release, .. } = scene;
        let (task, interrupter) = eintr::task();
        interrupter.interrupt();
        task.run(|| Came::of(ends, &mut call)).assert_documented();
        let_go(release);
    });
}

/// A cause that is masked leaves the call asleep, until its object has it return.
#[test]
fn asked_under_a_mask() {
    for_every_call("asked under a mask", |scene| {
        let Scene { when: scene::When::Asleep(_), release: Some(_), .. } = &scene else { return };
        let Scene { when, ends, mut call, release } = scene;
        let (worker, told) = on_a_thread(move || {
            let masked = eintr::mask(|| Came::of(ends, &mut call));
            assert!(!masked.raises);
            let recognised = masked.result.err().and_then(|error| eintr::Interrupted::of(&error));
            assert!(recognised.is_none(), "it came through the mask");
            Came { documented: true, result: Ok(()), raises: eintr::is_interrupted() }
        });
        let tid = told.recv().unwrap();
        wait_until("the call sleeps", || when.has_come(tid));
        let request = worker.interrupt();
        assert!(matches!(request.wait(Duration::ZERO), Outcome::Masked(_)));
        wait_until("the call sleeps on", || when.has_come(tid));
        let_go(release);
        worker.join().unwrap().assert_documented();
    });
}

const IN_CHILD: &str = "EINTR_TEST_STDIN";

/// The process's own standard input, in a process that has one to itself.
#[test]
fn stdin_on_a_pipe_and_on_a_terminal() {
    if std::env::var_os(IN_CHILD).is_some() {
        return read_stdin_and_be_interrupted();
    }
    if !has_dispatch("stdin") {
        return;
    }
    let pty = nix::pty::openpty(None, None).expect("a terminal");
    for (name, stdin) in [("pipe", Stdio::piped()), ("terminal", Stdio::from(pty.slave))] {
        watched(&format!("stdin on a {name}"), || {
            let Some(mut itself) = child::itself() else { return };
            let mut child = itself
                .args(["stdin_on_a_pipe_and_on_a_terminal", "--exact", "--nocapture"])
                .env(IN_CHILD, name)
                .stdin(stdin)
                .spawn()
                .unwrap();
            let open = child.stdin.take();
            assert!(eintr::process::wait(&mut child).unwrap().success(), "{name}");
            drop(open);
        });
    }
    drop(pty.master);
}

fn read_stdin_and_be_interrupted() {
    let stdin: fn() -> io::Result<()> = || io::stdin().read_line(&mut String::new()).map(drop);
    let (worker, told) = on_a_thread(move || {
        let mut call: scene::Call = Box::new(stdin);
        Came::of(Ends::Recognised, &mut call)
    });
    let tid = told.recv().unwrap();
    wait_until("it reads", || test_support::sleeps_in(tid, libc::SYS_read));
    assert!(matches!(worker.interrupt().wait(LIMIT), Outcome::Raised));
    worker.join().unwrap().assert_documented();
}
