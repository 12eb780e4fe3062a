//! One program, compiled with std's types and with ours: what it finds must be the same.

macro_rules! program {
    ($module:ident, $($sync:tt)+) => {
        mod $module {
            use std::panic::{AssertUnwindSafe, catch_unwind};
            use std::thread;
            use std::time::Duration;

            use $($sync)+::mpsc::{self, RecvTimeoutError, TryRecvError, TrySendError};
            use $($sync)+::atomic::{AtomicU8, Ordering};
            use $($sync)+::{
                Arc, Barrier, Condvar, LazyLock, Mutex, Once, OnceLock, OnceState, PoisonError, RwLock,
                TryLockError, Weak,
            };

            pub fn locks() -> Vec<String> {
                let mutex = Arc::new(Mutex::new(1));
                let mut found = vec![format!("{mutex:?}")];
                {
                    let mut guard = mutex.lock().unwrap();
                    *guard += 1;
                    found.push(format!("{mutex:?} {guard:?} {guard}"));
                    found.push(format!("{:?}", mutex.try_lock().is_err()));
                }
                let poison = mutex.clone();
                let thread = thread::spawn(move || {
                    let _guard = poison.lock().unwrap();
                    panic!("on purpose");
                });
                thread.join().unwrap_err();
                found.push(format!("{mutex:?} {}", mutex.is_poisoned()));
                found.push(match mutex.try_lock() {
                    Err(TryLockError::Poisoned(poisoned)) => format!("{}", poisoned.into_inner()),
                    other => panic!("{other:?}"),
                });
                found.push(mutex.lock().unwrap_or_else(PoisonError::into_inner).to_string());
                mutex.clear_poison();
                let mut mutex = Arc::into_inner(mutex).unwrap();
                *mutex.get_mut().unwrap() += 1;
                found.push(format!("{:?}", mutex.into_inner()));

                let lock = RwLock::from("text".to_owned());
                {
                    let one = lock.read().unwrap();
                    let other = lock.read().unwrap();
                    found.push(format!("{lock:?} {one:?} {other} {}", lock.try_write().is_err()));
                }
                {
                    let mut guard = lock.write().unwrap();
                    guard.push('s');
                    found.push(format!("{lock:?} {guard:?} {}", lock.try_read().is_err()));
                }
                // A reader's panic does not poison, nor does one that began before.
                let read = AssertUnwindSafe(|| {
                    let _guard = lock.read().unwrap();
                    panic!("on purpose");
                });
                catch_unwind(read).unwrap_err();
                found.push(lock.is_poisoned().to_string());
                struct OnDrop<'a>(&'a RwLock<String>);
                impl Drop for OnDrop<'_> {
                    fn drop(&mut self) {
                        self.0.write().unwrap().push('!');
                    }
                }
                let unwind = AssertUnwindSafe(|| {
                    let _on_drop = OnDrop(&lock);
                    panic!("on purpose");
                });
                catch_unwind(unwind).unwrap_err();
                found.push(format!("{lock:?}"));
                let write = AssertUnwindSafe(|| {
                    let _guard = lock.write().unwrap();
                    panic!("on purpose");
                });
                catch_unwind(write).unwrap_err();
                found.push(format!("{lock:?} {:?}", lock.read().is_err()));
                found.push(format!("{:?}", lock.into_inner().unwrap_err().into_inner()));
                found.push(format!("{:?} {:?}", Mutex::<u8>::default(), RwLock::<u8>::default()));
                // Some of std's versions quote it.
                found.into_iter().map(|line| line.replace("\"<locked>\"", "<locked>")).collect()
            }

            pub fn once() -> Vec<String> {
                static TIMES: AtomicU8 = AtomicU8::new(0);
                static LAZY: LazyLock<u8> = LazyLock::new(|| TIMES.fetch_add(1, Ordering::Relaxed) + 5);
                let (once, cell) = (Once::new(), OnceLock::new());
                once.call_once_force(|state: &OnceState| assert!(!state.is_poisoned()));
                let weak: Weak<u8> = Arc::downgrade(&Arc::new(*LAZY));
                vec![format!("{once:?} {:?} {:?} {}", cell.set(*LAZY), cell, weak.upgrade().is_none())]
            }

            pub fn waits() -> Vec<String> {
                let shared = Arc::new((Mutex::new(0), Condvar::new()));
                let theirs = shared.clone();
                let thread = thread::spawn(move || {
                    let (number, changed) = &*theirs;
                    let mut number = changed.wait_while(number.lock().unwrap(), |n| *n == 0).unwrap();
                    *number += 1;
                    changed.notify_all();
                });
                let (number, changed) = &*shared;
                *number.lock().unwrap() = 1;
                changed.notify_one();
                let mut guard = number.lock().unwrap();
                while *guard != 2 {
                    guard = changed.wait(guard).unwrap();
                }
                thread.join().unwrap();
                let shortly = Duration::from_millis(1);
                let (guard, result) = changed.wait_timeout_while(guard, shortly, |n| *n == 2).unwrap();
                let mut found = vec![result.timed_out().to_string()];
                let (guard, result) =
                    changed.wait_timeout_while(guard, Duration::MAX, |n| *n == 0).unwrap();
                found.push(result.timed_out().to_string());
                let (guard, result) = changed.wait_timeout(guard, shortly).unwrap();
                found.push(format!("{} {guard:?}", result.timed_out()));
                drop(guard);
                let poison = shared.clone();
                let thread = thread::spawn(move || {
                    let (number, changed) = &*poison;
                    let mut number = number.lock().unwrap();
                    *number = 7;
                    changed.notify_all();
                    panic!("on purpose");
                });
                let guard = number.lock().unwrap_or_else(PoisonError::into_inner);
                let waited = changed.wait_while(guard, |number| *number != 7);
                found.push(match waited {
                    Err(poisoned) => format!("poisoned {}", poisoned.into_inner()),
                    // The panic came before the wait, and only the lock told.
                    Ok(guard) => format!("poisoned {guard}"),
                });
                thread.join().unwrap_err();
                let barrier = Arc::new(Barrier::new(2));
                let theirs = barrier.clone();
                let thread = thread::spawn(move || theirs.wait().is_leader());
                let leads = barrier.wait().is_leader();
                found.push((leads != thread.join().unwrap()).to_string());
                found.push(format!("{barrier:?} {:?}", Condvar::default()));
                found
            }

            pub fn channels() -> Vec<String> {
                let (sender, receiver) = mpsc::channel();
                let mut found = vec![format!("{sender:?} {receiver:?}")];
                found.push(format!("{:?}", receiver.try_recv()));
                found.push(format!("{:?}", receiver.recv_timeout(Duration::from_millis(1))));
                let other = sender.clone();
                let thread = thread::spawn(move || (0..100).for_each(|n| other.send(n).unwrap()));
                found.push(format!("{:?}", receiver.iter().take(50).sum::<i32>()));
                thread.join().unwrap();
                drop(sender);
                found.push(format!("{:?}", receiver.try_iter().count()));
                assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
                let shortly = Duration::from_millis(1);
                assert_eq!(receiver.recv_timeout(shortly), Err(RecvTimeoutError::Disconnected));
                found.push(format!("{:?}", receiver.recv()));
                found.push(format!("{:?}", (&receiver).into_iter().next()));

                let (sender, receiver) = mpsc::sync_channel(1);
                found.push(format!("{sender:?}"));
                sender.send(1).unwrap();
                assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
                let thread = thread::spawn(move || sender.send(3));
                found.push(format!("{:?}", receiver.into_iter().collect::<Vec<_>>()));
                found.push(format!("{:?}", thread.join().unwrap()));

                let (sender, receiver) = mpsc::sync_channel(0);
                assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
                let thread = thread::spawn(move || {
                    sender.send(1).unwrap();
                    sender.send(2).unwrap();
                    sender
                });
                found.push(format!("{:?} {:?}", receiver.recv(), receiver.recv()));
                let sender = thread.join().unwrap();
                drop(receiver);
                found.push(format!("{:?} {:?}", sender.send(3), sender.try_send(4)));
                found
            }
        }
    };
}

program!(with_std, std::sync);
program!(with_ours, eintr::sync);

#[test]
fn locks() {
    assert_eq!(with_ours::locks(), with_std::locks());
    assert_eq!(with_ours::once(), with_std::once());
}

#[test]
fn waits() {
    test_support::watched("waits", || assert_eq!(with_ours::waits(), with_std::waits()));
}

#[test]
fn channels() {
    test_support::watched("channels", || assert_eq!(with_ours::channels(), with_std::channels()));
}

/// Std's names keep std's meaning on an interrupted thread as well.
#[test]
fn interrupts_do_not_matter() {
    test_support::watched("interrupted", || {
        for reach in [true, false] {
            let task = eintr::Task::new().reach(reach);
            task.interrupter().interrupt();
            task.run(|| {
                assert_eq!(with_ours::waits(), eintr::mask(with_std::waits));
                assert_eq!(with_ours::channels(), eintr::mask(with_std::channels));
            });
        }
    });
}
