//! What is told of an interrupt by results of others, and a destructor of somebody else's that has
//! to wait.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use eintr::{CleanupOnDrop, Error, Reason, ResultExt, checkpoint, task};
use test_support::target::is_interrupt;
use test_support::watched;

const HOUR: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(5);

#[derive(Debug)]
struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is lost")
    }
}

impl std::error::Error for Lost {}

#[test]
fn any_error_tells_what_stands() {
    let (task, interrupter) = task();
    task.run(|| {
        let other = Err::<(), _>(Lost).or_interrupted().unwrap_err();
        let Error::Io(other) = other else { panic!("nobody asked: {other}") };
        assert!(other.kind() == io::ErrorKind::Other && other.get_ref().unwrap().is::<Lost>());
        let kept = Err::<(), _>(io::Error::from(io::ErrorKind::NotFound)).or_interrupted();
        assert!(matches!(kept, Err(Error::Io(kept)) if kept.kind() == io::ErrorKind::NotFound));
        assert_eq!(Ok::<_, Lost>(7).or_interrupted().unwrap(), 7);

        interrupter.interrupt();
        assert!(is_interrupt(&Err::<(), _>(Lost).or_interrupted()));
        assert!(is_interrupt(&Err::<(), _>("lost").or_interrupted()));
        assert_eq!(Ok::<_, Lost>(7).or_interrupted().unwrap(), 7);
        assert!(interrupter.raised().is_some());
    });
}

/// One that was told elsewhere: on a thread that was joined.
#[test]
fn an_interrupt_that_came_along_is_one() {
    let worker = eintr::spawn(|| -> Result<(), Error> {
        loop {
            checkpoint()?;
        }
    });
    assert!(worker.raised().is_none());
    worker.interrupter().interrupt_with(Lost);
    let interrupter = worker.interrupter();
    let ended = watched("it ends", || worker.join().unwrap());
    assert!(is_interrupt(&ended.or_interrupted()));
    let reason = interrupter.raised().unwrap();
    assert!(matches!(reason.reason(), Reason::Custom(reason) if reason.is::<Lost>()));
}

/// Its end is a conversation, by plain calls.
struct Conversation {
    stream: UnixStream,
    told: Rc<Cell<Option<io::Result<usize>>>>,
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.told.set(Some(self.stream.read(&mut [0])));
    }
}

fn conversation() -> (Conversation, UnixStream, Rc<Cell<Option<io::Result<usize>>>>) {
    let (stream, other) = UnixStream::pair().unwrap();
    let told = Rc::new(Cell::new(None));
    (Conversation { stream, told: told.clone() }, other, told)
}

#[test]
fn a_destructor_that_waits_has_its_own_time() {
    watched("a destructor", || {
        let (task, interrupter) = task();
        task.run(|| {
            interrupter.interrupt();
            let (value, other, told) = conversation();
            let guarded = CleanupOnDrop::new(HOUR, value);
            std::thread::scope(|scope| {
                scope.spawn(|| nix::unistd::write(&other, b"x").unwrap());
                drop(guarded);
            });
            assert!(matches!(told.take(), Some(Ok(1))), "it was not interrupted");

            let (value, _other, told) = conversation();
            drop(CleanupOnDrop::new(SHORT, value));
            assert!(told.take().unwrap().is_err(), "and not for ever");
            assert!(checkpoint().is_err());
        });
    });
}

#[test]
fn what_is_given_back_is_not_dropped() {
    let (value, _other, told) = conversation();
    let guarded = CleanupOnDrop::new(HOUR, value);
    guarded.stream.set_nonblocking(true).unwrap();
    let value = guarded.into_inner();
    assert!(told.take().is_none());
    drop(value);
    assert!(told.take().unwrap().is_err(), "it would block");
}
