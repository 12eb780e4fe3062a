//! Messages among threads that are interrupted at random times: each must arrive, once, and in the
//! order of its sender.
//!
//! The tests work like this: senders and receivers make every call interruptibly, and go on where
//! an interrupt stopped them, while a thread interrupts one after the other, without end. What is
//! random is when a request comes, not what must come out: the messages are counted, and so are the
//! threads' errors.

use std::sync::Arc;

use eintr::sync::{Condvar, Mutex, Receiver, Sender, SyncSender, channel, sync_channel};
use eintr::{Interrupted, JoinHandle};
use eintr_random::requester::{self, Tasks, Whom};
use test_support::watched;

const SENDERS: usize = 2;
const RECEIVERS: usize = 3;

/// A sender's number, and the message's.
type Message = (usize, u32);

/// A thread's results, and how often it was interrupted.
type Worker<T> = JoinHandle<(T, usize)>;

/// Sends so many, each until it is sent.
fn sender(
    number: usize,
    count: u32,
    send: impl Fn(Message) -> Result<(), (Message, Interrupted)> + Send + 'static,
) -> Worker<()> {
    eintr::spawn(move || {
        let mut interrupts = 0;
        for index in 0..count {
            let mut unsent = (number, index);
            while let Err((back, _)) = send(unsent) {
                assert_eq!(back, unsent);
                unsent = back;
                interrupts += 1;
                eintr::take();
            }
        }
        ((), interrupts)
    })
}

/// Receives until the senders have gone.
fn receiver(receiver: Receiver<Message>) -> Worker<Vec<Message>> {
    eintr::spawn(move || {
        let (mut messages, mut interrupts) = (Vec::new(), 0);
        loop {
            match receiver.recv_interruptible() {
                Ok(Ok(message)) => messages.push(message),
                Ok(Err(_)) => return (messages, interrupts),
                Err(_) => {
                    interrupts += 1;
                    eintr::take();
                }
            }
        }
    })
}

/// Hammers on them until they end, and looks at what the receivers have.
fn balance(count: u32, senders: Vec<Worker<()>>, receivers: Vec<Worker<Vec<Message>>>) -> usize {
    let tasks = Tasks::default();
    for interrupter in senders.iter().map(JoinHandle::interrupter) {
        tasks.add(interrupter);
    }
    for interrupter in receivers.iter().map(JoinHandle::interrupter) {
        tasks.add(interrupter);
    }
    let (sent, received) = requester::beside(&tasks, Whom::Tasks, || {
        let sent = senders.into_iter().map(|sender| sender.join().unwrap().1).sum::<usize>();
        (sent, receivers.into_iter().map(|receiver| receiver.join().unwrap()).collect::<Vec<_>>())
    });
    let mut interrupts = sent;
    let mut arrived = vec![0_u32; SENDERS];
    let mut seen = vec![vec![false; count as usize]; SENDERS];
    for (messages, interrupted) in received {
        interrupts += interrupted;
        let mut next = [0; SENDERS];
        for (sender, index) in messages {
            assert!(index >= next[sender], "sender {sender}: {index} after {}", next[sender]);
            next[sender] = index + 1;
            assert!(!std::mem::replace(&mut seen[sender][index as usize], true), "twice: {index}");
            arrived[sender] += 1;
        }
    }
    let (asked, _) = tasks.balance();
    assert_eq!(arrived, [count; SENDERS], "lost");
    assert!(interrupts <= asked, "{interrupts} interrupts for {asked} requests");
    interrupts
}

fn unbounded(count: u32) -> usize {
    let (to, from) = channel::<Message>();
    let send = |to: Sender<Message>| {
        move |message| match to.send_interruptible(message) {
            Ok(sent) => {
                sent.unwrap();
                Ok(())
            }
            Err(unsent) => Err((unsent.message, unsent.interrupted)),
        }
    };
    let senders = (0..SENDERS).map(|number| sender(number, count, send(to.clone()))).collect();
    drop(to);
    let receivers = (0..RECEIVERS).map(|_| receiver(from.clone())).collect();
    drop(from);
    balance(count, senders, receivers)
}

fn bounded(bound: usize, count: u32) -> usize {
    let (to, from) = sync_channel::<Message>(bound);
    let send = |to: SyncSender<Message>| {
        move |message| match to.send_interruptible(message) {
            Ok(sent) => {
                sent.unwrap();
                Ok(())
            }
            Err(unsent) => Err((unsent.message, unsent.interrupted)),
        }
    };
    let senders = (0..SENDERS).map(|number| sender(number, count, send(to.clone()))).collect();
    drop(to);
    let receivers = (0..RECEIVERS).map(|_| receiver(from.clone())).collect();
    drop(from);
    balance(count, senders, receivers)
}

/// The channel that everybody writes: a queue under a mutex, and a condition variable.
fn by_hand(count: u32) -> usize {
    struct Shared {
        queue: Mutex<std::collections::VecDeque<Message>>,
        arrival: Condvar,
    }
    let shared = Arc::new(Shared { queue: Mutex::default(), arrival: Condvar::new() });
    let send = |shared: Arc<Shared>| {
        move |message| {
            let mut queue = match shared.queue.lock_interruptible() {
                Ok(queue) => queue.unwrap(),
                Err(interrupted) => return Err((message, interrupted)),
            };
            queue.push_back(message);
            // One for each: that is all that the receivers get.
            shared.arrival.notify_one();
            Ok(())
        }
    };
    let senders = (0..SENDERS).map(|number| sender(number, count, send(shared.clone()))).collect();
    let share = count * SENDERS as u32 / RECEIVERS as u32;
    let rest = count * SENDERS as u32 % RECEIVERS as u32;
    let receivers = (0..RECEIVERS as u32).map(|number| {
        let shared = shared.clone();
        let share = share + u32::from(number < rest);
        eintr::spawn(move || {
            let (mut messages, mut interrupts) = (Vec::new(), 0);
            while messages.len() < share as usize {
                let received = || -> Result<Message, Interrupted> {
                    let mut queue = shared.queue.lock_interruptible()?.unwrap();
                    loop {
                        match queue.pop_front() {
                            Some(message) => return Ok(message),
                            None => shared.arrival.wait_interruptible(&mut queue)?.unwrap(),
                        }
                    }
                };
                match received() {
                    Ok(message) => messages.push(message),
                    Err(_) => {
                        interrupts += 1;
                        eintr::take();
                    }
                }
            }
            (messages, interrupts)
        })
    });
    balance(count, senders, receivers.collect())
}

/// Again, with more messages, until enough of it was hit: how many that takes, the machine says.
fn until_hit(name: &str, round: impl Fn(u32) -> usize) {
    watched(name, || {
        let [mut interrupts, mut count] = [0, 1_000];
        while interrupts < 300 {
            interrupts += round(count as u32);
            count *= 2;
        }
    });
}

#[test]
fn an_unbounded_channel_loses_nothing() {
    until_hit("unbounded", unbounded);
}

#[test]
fn a_bounded_channel_loses_nothing() {
    until_hit("bounded", |count| bounded(8, count));
}

#[test]
fn a_channel_of_one_loses_nothing() {
    until_hit("one", |count| bounded(1, count));
}

#[test]
fn a_channel_that_holds_nothing_loses_nothing() {
    until_hit("in person", |count| bounded(0, count));
}

#[test]
fn a_channel_by_hand_loses_nothing() {
    until_hit("by hand", by_hand);
}
