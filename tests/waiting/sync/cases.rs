//! Every interruptible wait.

use std::sync::{Arc, mpsc as std_mpsc};
use std::thread;

use eintr::Interrupted;
use eintr::sync::{
    Barrier, Condvar, Event, Mutex, Parker, RwLock, Semaphore, channel, sync_channel,
};

/// A wait, and what ends it: once for each time.
pub struct Case {
    pub name: &'static str,
    pub wait: Box<dyn Fn() -> Result<(), Interrupted> + Send + Sync>,
    pub finish: Box<dyn Fn() + Send + Sync>,
}

fn case(
    name: &'static str,
    wait: impl Fn() -> Result<(), Interrupted> + Send + Sync + 'static,
    finish: impl Fn() + Send + Sync + 'static,
) -> Case {
    Case { name, wait: Box::new(wait), finish: Box::new(finish) }
}

/// Runs `hold` on a thread of its own, which has something when this returns, and lets go of it at
/// the call of what is returned.
fn held_elsewhere(
    hold: impl FnOnce(&dyn Fn()) + Send + 'static,
) -> impl Fn() + Send + Sync + 'static {
    let (has, got) = std_mpsc::channel();
    let (release, released) = std_mpsc::channel::<()>();
    let holder = thread::spawn(move || {
        hold(&|| {
            has.send(()).unwrap();
            // An error is the end of the test.
            let _ = released.recv();
        });
    });
    got.recv().unwrap();
    let holder = std::sync::Mutex::new(Some(holder));
    move || {
        release.send(()).unwrap();
        holder.lock().unwrap().take().unwrap().join().unwrap();
    }
}

/// All of them, new.
pub fn cases() -> Vec<Case> {
    vec![
        mutex(),
        condvar_wait(),
        condvar_wait_while(),
        read(),
        write_behind_a_reader(),
        write_behind_a_writer(),
        semaphore(),
        barrier(),
        event(),
        parker(),
        recv(),
        iter(),
        recv_bounded(),
        send_bounded(),
        recv_in_person(),
        send_in_person(),
    ]
}

fn mutex() -> Case {
    let mutex = Arc::new(Mutex::new(()));
    let theirs = mutex.clone();
    let unlock = held_elsewhere(move |wait| {
        let _guard = theirs.lock().unwrap();
        wait();
    });
    case(
        "Mutex::lock",
        move || mutex.lock_interruptible().map(|guard| drop(guard.unwrap())),
        unlock,
    )
}

fn condvar_wait() -> Case {
    let shared = Arc::new((Mutex::new(false), Condvar::new()));
    let theirs = shared.clone();
    let wait = move || {
        let (ready, changed) = &*shared;
        let mut ready = ready.lock().unwrap();
        loop {
            changed.wait_interruptible(&mut ready)?.unwrap();
            if std::mem::take(&mut *ready) {
                return Ok(());
            }
        }
    };
    // Until it is noticed: who comes to wait after a notification has missed it.
    let finish = move || {
        let theirs = theirs.clone();
        thread::spawn(move || {
            let (ready, changed) = &*theirs;
            *ready.lock().unwrap() = true;
            while *ready.lock().unwrap() {
                changed.notify_one();
                thread::yield_now();
            }
        });
    };
    case("Condvar::wait", wait, finish)
}

fn condvar_wait_while() -> Case {
    let shared = Arc::new((Mutex::new(false), Condvar::new()));
    let theirs = shared.clone();
    let wait = move || {
        let (ready, changed) = &*shared;
        let mut ready = ready.lock().unwrap();
        changed.wait_while_interruptible(&mut ready, |ready| !*ready)?.unwrap();
        Ok(())
    };
    let finish = move || {
        *theirs.0.lock().unwrap() = true;
        theirs.1.notify_one();
    };
    case("Condvar::wait_while", wait, finish)
}

fn read() -> Case {
    let lock = Arc::new(RwLock::new(()));
    let theirs = lock.clone();
    let unlock = held_elsewhere(move |wait| {
        let _guard = theirs.write().unwrap();
        wait();
    });
    case(
        "RwLock::read",
        move || lock.read_interruptible().map(|guard| drop(guard.unwrap())),
        unlock,
    )
}

fn write_behind_a_reader() -> Case {
    let lock = Arc::new(RwLock::new(()));
    let theirs = lock.clone();
    let unlock = held_elsewhere(move |wait| {
        let _guard = theirs.read().unwrap();
        wait();
    });
    let write = move || lock.write_interruptible().map(|guard| drop(guard.unwrap()));
    case("RwLock::write behind a reader", write, unlock)
}

fn write_behind_a_writer() -> Case {
    let lock = Arc::new(RwLock::new(()));
    let theirs = lock.clone();
    let unlock = held_elsewhere(move |wait| {
        let _guard = theirs.write().unwrap();
        wait();
    });
    let write = move || lock.write_interruptible().map(|guard| drop(guard.unwrap()));
    case("RwLock::write behind a writer", write, unlock)
}

fn semaphore() -> Case {
    let semaphore = Arc::new(Semaphore::new(0));
    let theirs = semaphore.clone();
    let acquire = move || semaphore.acquire_interruptible().map(|permit| permit.forget());
    case("Semaphore::acquire", acquire, move || theirs.release(1))
}

fn barrier() -> Case {
    let barrier = Arc::new(Barrier::new(2));
    let theirs = barrier.clone();
    let finish = move || {
        let theirs = theirs.clone();
        thread::spawn(move || theirs.wait());
    };
    case("Barrier::wait", move || barrier.wait_interruptible().map(drop), finish)
}

fn event() -> Case {
    let event = Arc::new(Event::new());
    let theirs = event.clone();
    case("Event::wait", move || event.wait_interruptible(), move || theirs.set())
}

fn parker() -> Case {
    let parker = Parker::new();
    let unparker = parker.unparker().clone();
    let parker = std::sync::Mutex::new(parker);
    case(
        "Parker::park",
        move || parker.lock().unwrap().park_interruptible(),
        move || unparker.unpark(),
    )
}

fn recv() -> Case {
    let (sender, receiver) = channel();
    case(
        "Receiver::recv",
        move || receiver.recv_interruptible().map(|message| message.unwrap()),
        move || sender.send(()).unwrap(),
    )
}

fn iter() -> Case {
    let (sender, receiver) = channel();
    case(
        "Receiver::iter",
        move || receiver.iter_interruptible().next().expect("a sender is left"),
        move || sender.send(()).unwrap(),
    )
}

fn recv_bounded() -> Case {
    let (sender, receiver) = sync_channel(1);
    case(
        "Receiver::recv, bounded",
        move || receiver.recv_interruptible().map(|message| message.unwrap()),
        move || sender.send(()).unwrap(),
    )
}

fn send_bounded() -> Case {
    let (sender, receiver) = sync_channel(1);
    sender.send(()).unwrap();
    case(
        "SyncSender::send",
        move || Ok(sender.send_interruptible(()).map(|sent| sent.unwrap())?),
        move || receiver.recv().unwrap(),
    )
}

fn recv_in_person() -> Case {
    let (sender, receiver) = sync_channel(0);
    case(
        "Receiver::recv, in person",
        move || receiver.recv_interruptible().map(|message| message.unwrap()),
        move || {
            let sender = sender.clone();
            thread::spawn(move || sender.send(()));
        },
    )
}

fn send_in_person() -> Case {
    let (sender, receiver) = sync_channel(0);
    case(
        "SyncSender::send, in person",
        move || Ok(sender.send_interruptible(()).map(|sent| sent.unwrap())?),
        move || {
            let receiver = receiver.clone();
            thread::spawn(move || receiver.recv());
        },
    )
}
