//! Channels.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use eintr::sync::mpsc::{RecvTimeoutError, TryRecvError, TrySendError};
use eintr::sync::{channel, sync_channel};
use eintr::{Error, Interrupted};
use test_support::{gettid, watched};

use super::{Order, wait_until_asleep};

#[test]
fn an_interrupted_send_gives_the_message_back() {
    watched("send", || {
        for bound in [0, 1] {
            let (sender, receiver) = sync_channel(bound);
            (0..bound).for_each(|_| sender.send("first".to_owned()).unwrap());
            let (tell, told) = std::sync::mpsc::channel();
            let thread = eintr::spawn(move || {
                tell.send(gettid()).unwrap();
                sender.send_interruptible("precious".to_owned()).map(|sent| sent.unwrap())
            });
            wait_until_asleep(told.recv().unwrap());
            thread.interrupt();
            let unsent = thread.join().unwrap().unwrap_err();
            assert_eq!(unsent.message, "precious");
            assert!(Interrupted::of(&unsent).is_some());
            assert_eq!(receiver.try_iter().count(), bound);
            assert!(receiver.recv().is_err(), "what was given back was sent");
        }
    });
}

#[test]
fn the_error_of_a_send_becomes_the_interrupt() {
    let (sender, receiver) = channel();
    let (task, interrupter) = eintr::task();
    interrupter.interrupt_with("enough");
    task.run(|| {
        let ours = || -> Result<(), Error> {
            sender.send_interruptible(())?.unwrap();
            Ok(())
        };
        assert!(ours().unwrap_err().interrupted().is_some());
        let plain = || -> Result<(), Interrupted> {
            sender.send_interruptible(())?.unwrap();
            Ok(())
        };
        assert_eq!(plain().unwrap_err().to_string(), "interrupted: enough");
        let io = || -> std::io::Result<()> {
            sender.send_interruptible(())?.unwrap();
            Ok(())
        };
        assert!(Interrupted::of(&io().unwrap_err()).is_some());
        let unsent = sender.send_interruptible(()).unwrap_err();
        assert_eq!(unsent.to_string(), "message not sent: interrupted: enough");
        sender.send(()).expect("std's name, std's meaning");
    });
    assert_eq!(receiver.try_iter().count(), 1);
}

#[test]
fn the_iterator_ends_with_one_error() {
    watched("iterator", || {
        let (sender, receiver) = channel();
        (0..3).for_each(|number| sender.send(number).unwrap());
        let (tell, told) = std::sync::mpsc::channel();
        let worker = eintr::spawn(move || {
            tell.send(gettid()).unwrap();
            receiver.iter_interruptible().collect::<Vec<_>>()
        });
        wait_until_asleep(told.recv().unwrap());
        worker.interrupt();
        let items = worker.join().unwrap();
        assert_eq!(items.len(), 4);
        assert!(items[..3].iter().all(Result::is_ok) && items[3].is_err());
    });
}

#[test]
fn the_iterator_ends_with_the_senders() {
    let (sender, receiver) = channel();
    sender.send(1).unwrap();
    drop(sender);
    let mut items = receiver.iter_interruptible();
    assert_eq!(items.next().unwrap().unwrap(), 1);
    assert!(items.next().is_none() && items.next().is_none());
}

#[test]
fn the_last_sender_wakes_all_receivers() {
    watched("last sender", || {
        for bound in [None, Some(0), Some(1)] {
            let (drop_senders, receiver): (Box<dyn FnOnce()>, _) = match bound {
                None => {
                    let (sender, receiver) = channel::<()>();
                    (Box::new(|| drop((sender.clone(), sender))), receiver)
                }
                Some(bound) => {
                    let (sender, receiver) = sync_channel::<()>(bound);
                    (Box::new(|| drop((sender.clone(), sender))), receiver)
                }
            };
            let (tell, told) = std::sync::mpsc::channel();
            let receivers = [true, false].map(|interruptibly| {
                let (receiver, tell) = (receiver.clone(), tell.clone());
                thread::spawn(move || {
                    tell.send(gettid()).unwrap();
                    if interruptibly {
                        receiver.recv_interruptible().expect("nobody asks here").is_err()
                    } else {
                        receiver.recv().is_err()
                    }
                })
            });
            receivers.iter().for_each(|_| wait_until_asleep(told.recv().unwrap()));
            drop_senders();
            for thread in receivers {
                assert!(thread.join().unwrap());
            }
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        }
    });
}

#[test]
fn the_last_receiver_wakes_all_senders() {
    watched("last receiver", || {
        for bound in [0, 1] {
            let (sender, receiver) = sync_channel(bound);
            (0..bound).for_each(|_| sender.send(0).unwrap());
            let (tell, told) = std::sync::mpsc::channel();
            let senders = [1, 2].map(|number| {
                let (sender, tell) = (sender.clone(), tell.clone());
                thread::spawn(move || {
                    tell.send(gettid()).unwrap();
                    sender.send_interruptible(number).expect("nobody asks here").unwrap_err().0
                })
            });
            senders.iter().for_each(|_| wait_until_asleep(told.recv().unwrap()));
            drop((receiver.clone(), receiver));
            assert_eq!(senders.map(|thread| thread.join().unwrap()), [1, 2]);
            assert_eq!(sender.try_send(3), Err(TrySendError::Disconnected(3)));
        }
    });
}

/// A message may hold the other end of somebody's wait.
#[test]
fn what_nobody_will_receive_is_dropped_with_the_last_receiver() {
    let message = Arc::new(());
    let (sender, receiver) = channel();
    let (bounded, its_receiver) = sync_channel(2);
    sender.send(message.clone()).unwrap();
    bounded.send(message.clone()).unwrap();
    let other = receiver.clone();
    drop(receiver);
    assert_eq!(Arc::strong_count(&message), 3);
    drop((other, its_receiver));
    assert_eq!(Arc::strong_count(&message), 1);
    assert!(sender.send(message.clone()).is_err() && bounded.send(message.clone()).is_err());
    assert_eq!(Arc::strong_count(&message), 1);
}

#[test]
fn a_send_at_the_last_receivers_end_leaves_nothing_behind() {
    watched("races", || {
        for _ in 0..500 {
            let message = Arc::new(());
            let (sender, receiver) = channel();
            let theirs = message.clone();
            let thread = thread::spawn(move || {
                while sender.send(theirs.clone()).is_ok() {}
                sender
            });
            drop(receiver);
            let _sender = thread.join().unwrap();
            assert_eq!(Arc::strong_count(&message), 1);
        }
    });
}

/// It was promised to a receiver that waits, and that one gives up.
#[test]
fn a_message_handed_over_in_person_is_not_dropped_between() {
    watched("in person", || {
        let (mut given, mut interrupted) = (0, 0);
        // Who comes first is given, or luck.
        for order in Order::ALL.into_iter().cycle() {
            if given >= 20 && interrupted >= 20 {
                break;
            }
            let (sender, receiver) = sync_channel(0);
            let theirs = receiver.clone();
            let (tell, told) = std::sync::mpsc::channel();
            let thread = eintr::spawn(move || {
                tell.send(gettid()).unwrap();
                theirs.recv_interruptible()
            });
            wait_until_asleep(told.recv().unwrap());
            let interrupter = thread.interrupter();
            let sent =
                order.bring(move || drop(interrupter.interrupt()), || sender.try_send(7).is_ok());
            match thread.join().unwrap() {
                Ok(received) => {
                    assert_eq!(received, Ok(7));
                    assert!(sent);
                    given += 1;
                }
                Err(_) => {
                    assert!(!sent);
                    interrupted += 1;
                }
            }
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        }
    });
}

#[test]
fn a_time_that_is_up_takes_no_message() {
    let (sender, receiver) = channel();
    let shortly = Duration::from_millis(1);
    assert_eq!(receiver.recv_timeout(shortly), Err(RecvTimeoutError::Timeout));
    sender.send(1).unwrap();
    assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(1));
    drop(sender);
    assert_eq!(receiver.recv_timeout(shortly), Err(RecvTimeoutError::Disconnected));
    let (sender, receiver) = sync_channel::<u8>(0);
    assert_eq!(receiver.recv_timeout(shortly), Err(RecvTimeoutError::Timeout));
    assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
}
