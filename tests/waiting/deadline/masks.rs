//! Masks and deadlines, and `cleanup`.

use std::io::{BufWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use eintr::{Reason, Within, cleanup, mask, remaining, task, timeout, within};
use test_support::watched;

use super::{HOUR, SHORT, Told, raise_when_armed, raised, read_in_vain, wait_until_armed};

#[test]
fn a_mask_puts_off_what_has_passed() {
    watched("a mask puts off", || {
        let told = timeout(SHORT, || {
            wait_until_armed();
            mask(|| assert_eq!((raised(), remaining()), (None, None)));
            Err::<(), _>(raised().unwrap())
        });
        assert_eq!(told, Err(Told::TimedOut));
    });
}

/// It passes in the mask, where nobody looks. Right at the mask's end it stands, without waiting
/// for a signal.
#[test]
fn what_passes_in_a_mask_stands_at_its_end() {
    watched("at the mask's end", || {
        within(SHORT, || {
            let end = std::time::Instant::now() + 2 * SHORT;
            mask(|| {
                while std::time::Instant::now() < end {
                    assert!(!eintr::is_interrupted());
                }
            });
            assert_eq!(raised(), Some(Told::Deadline));
        });
    });
}

#[test]
fn what_passes_after_a_mask_is_not_forgotten() {
    watched("after the mask", || {
        let told = timeout(4 * SHORT, || {
            // The timer has gone off for this one, and nobody in the mask needs it after.
            mask(|| within(SHORT, read_in_vain));
            Ok(read_in_vain()?)
        });
        assert_eq!(told, Err(Told::TimedOut));
    });
}

#[test]
fn a_deadline_inside_a_mask_works() {
    watched("inside a mask", || {
        within(Duration::ZERO, || {
            mask(|| {
                assert_eq!(raised(), None);
                assert_eq!(timeout(SHORT, raise_when_armed), Err(Told::TimedOut));
                assert_eq!(raised(), None);
                within(Duration::ZERO, || {
                    assert_eq!(raised(), Some(Told::Deadline));
                    mask(|| assert_eq!(raised(), None));
                    assert_eq!(raised(), Some(Told::Deadline));
                });
            });
            assert_eq!(raised(), Some(Told::Deadline));
        });
    });
}

/// What the mask hides is no outer cause: the deadline inside tells for itself.
#[test]
fn what_is_hidden_does_not_keep_an_inner_one_from_telling() {
    let (task, interrupter) = task();
    task.run(|| {
        interrupter.interrupt();
        let told = timeout(Duration::ZERO, || {
            mask(|| timeout(Duration::ZERO, || Err::<(), _>(raised().unwrap())))
        });
        assert_eq!(told, Err(Told::TimedOut), "as the inner one has told");
    });
}

#[test]
fn a_mask_in_a_thread_without_deadlines_stays_one() {
    thread::spawn(|| {
        mask(|| {
            within(Duration::ZERO, || assert_eq!(raised(), Some(Told::Deadline)));
            assert_eq!(raised(), None);
        });
        assert_eq!(raised(), None);
    })
    .join()
    .unwrap();
}

#[test]
fn cleanup_in_an_armed_thread_has_its_own_time() {
    watched("cleanup", || {
        let (task, interrupter) = task();
        task.run(|| {
            interrupter.interrupt();
            within(Duration::ZERO, || {
                let in_time = cleanup(HOUR, || (raised(), remaining().is_some()));
                assert!(matches!(in_time, Within { value: (None, true), expired: false, .. }));
                let late = cleanup(SHORT, read_in_vain);
                let late_error = late.value.unwrap_err();
                let reason = late_error.interrupted().unwrap().reason();
                assert!(late.expired && matches!(reason, Reason::Deadline), "{reason:?}");
            });
        });
    });
}

#[test]
fn cleanup_in_any_thread() {
    watched("cleanup in any thread", || {
        thread::spawn(|| assert!(cleanup(SHORT, read_in_vain).expired)).join().unwrap();
    });
}

/// What says goodbye in its destructor.
struct Goodbye(BufWriter<TcpStream>);

impl Drop for Goodbye {
    fn drop(&mut self) {
        let flushed = cleanup(HOUR, || self.0.flush());
        assert!(flushed.value.is_ok() && !flushed.expired, "{flushed:?}");
    }
}

/// A destructor of an armed thread sends megabytes to one who reads slowly: all arrive.
#[test]
fn a_destructor_flushes_everything() {
    const SIZE: usize = 8 << 20;
    watched("a destructor flushes", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, connected) = mpsc::channel();
        let writer = eintr::spawn(move || {
            let stream = TcpStream::connect(address).unwrap();
            tell.send(()).unwrap();
            timeout(SHORT, || {
                let mut goodbye = Goodbye(BufWriter::with_capacity(SIZE + 1, stream));
                goodbye.0.write_all(&vec![7; SIZE]).unwrap();
                raise_when_armed()
            })
        });
        let (mut peer, _) = listener.accept().unwrap();
        connected.recv().unwrap();
        writer.interrupt();
        let mut bytes = Vec::new();
        peer.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len(), SIZE);
        let told = writer.join().unwrap();
        assert!(matches!(told, Err(Told::Request | Told::Deadline)), "{told:?}");
    });
}
