//! Condition variables.

use std::sync::Arc;
use std::thread;

use eintr::Interrupter;
use eintr::sync::{Condvar, Mutex};
use test_support::{gettid, wait_until, watched};

use super::{Order, wait_until_asleep};

#[test]
fn the_mutex_is_held_either_way() {
    watched("held", || {
        let shared = Arc::new((Mutex::new(0), Condvar::new()));
        let theirs = shared.clone();
        let (tell, told) = std::sync::mpsc::channel();
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let thread = eintr::spawn(move || {
            let (number, changed) = &*theirs;
            let mut number = number.lock().unwrap();
            tell.send(gettid()).unwrap();
            changed.wait_interruptible(&mut number).unwrap_err();
            *number += 1;
            tell.send(0).unwrap();
            eintr::mask(|| gone.recv().unwrap());
        });
        wait_until_asleep(told.recv().unwrap());
        thread.interrupt();
        told.recv().unwrap();
        assert!(shared.0.try_lock().is_err());
        go.send(()).unwrap();
        thread.join().unwrap();
        assert_eq!(*shared.0.lock().unwrap(), 1);
    });
}

#[test]
fn poison_comes_without_the_guard() {
    watched("poison", || {
        let shared = Arc::new((Mutex::new(false), Condvar::new()));
        let theirs = shared.clone();
        let mut ready = shared.0.lock().unwrap();
        let thread = thread::spawn(move || {
            let (ready, changed) = &*theirs;
            let mut ready = ready.lock().unwrap();
            *ready = true;
            changed.notify_all();
            panic!("on purpose");
        });
        let waited = shared.1.wait_while_interruptible(&mut ready, |ready| !*ready);
        assert!(waited.unwrap().is_err());
        assert!(*ready);
        thread.join().unwrap_err();
    });
}

/// One waits and is interrupted while one notification comes; another waits and is not. If the
/// first one reports an interrupt, the second has the notification.
#[test]
fn an_interrupted_waiter_takes_no_notification() {
    let (mut interrupted, mut notified) = (0, 0);
    let round = |order: Order| {
        let shared = Arc::new((Mutex::new(0_usize), Condvar::new()));
        let waiter = |shared: &Arc<(Mutex<usize>, Condvar)>| {
            let shared = shared.clone();
            eintr::spawn(move || {
                let (waiting, changed) = &*shared;
                let mut waiting = waiting.lock().unwrap();
                *waiting += 1;
                changed.wait_interruptible(&mut waiting).is_err()
            })
        };
        let [asked, other] = [(); 2].map(|()| waiter(&shared));
        wait_until("both wait", || *shared.0.lock().unwrap() == 2);
        let interrupter: Interrupter = asked.interrupter();
        order.bring(move || drop(interrupter.interrupt()), || shared.1.notify_one());
        let was_interrupted = asked.join().unwrap();
        if !was_interrupted {
            shared.1.notify_one();
        }
        assert!(!other.join().unwrap());
        was_interrupted
    };
    watched("passed on", || {
        // Which of the two comes first is given, or luck; and so is which of the waiters came first.
        for order in Order::ALL.into_iter().cycle() {
            *(if round(order) { &mut interrupted } else { &mut notified }) += 1;
            if interrupted >= 20 && notified >= 5 {
                break;
            }
        }
    });
}
