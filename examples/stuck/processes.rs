//! Children, threads, semaphores, message queues.

use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use eintr::ipc::{MsgKind, SemOp};
use eintr::process::{WaitId, WaitOptions};
use nix::mqueue::{MQ_OFlag, MqAttr, mq_open, mq_unlink};
use nix::sys::stat::Mode;

use super::files::fresh_path;
use super::scene::{AN_HOUR, Made, Scene, intact};

/// A child that ends when its input does.
fn sleeping_child() -> Result<Child, String> {
    Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("cat(1): {error}"))
}

/// A child shared by the call, which waits for it by its id, and the check, which reaps it.
fn shared_child() -> Result<(i32, Arc<Mutex<Child>>), String> {
    let child = sleeping_child()?;
    Ok((child.id() as i32, Arc::new(Mutex::new(child))))
}

fn end(child: &Mutex<Child>) {
    drop(child.lock().unwrap().stdin.take());
}

fn is_reaped_by_us(child: &Mutex<Child>) -> Result<String, String> {
    end(child);
    let status = child.lock().unwrap().wait();
    intact(status.is_ok_and(|status| status.success()), "the child was still ours to reap")
}

pub const SCENES: &[fn() -> Made] =
    &[wait, waitid, waitpid, join, semop, msgrcv, msgsnd, mq_receive, mq_send];

fn wait() -> Made {
    let mut child = sleeping_child()?;
    let input = Arc::new(Mutex::new(child.stdin.take()));
    let child = Arc::new(Mutex::new(child));
    let (inside, outside, after) = (child.clone(), input.clone(), input);
    let call = move || eintr::process::wait(&mut inside.lock().unwrap()).map(drop);
    Ok(Scene::new("process::wait", &["waitid"], call)
        .provide(move || outside.lock().unwrap().take())
        .check(move || {
            drop(after.lock().unwrap().take());
            is_reaped_by_us(&child)
        }))
}

fn waitid() -> Made {
    let (pid, child) = shared_child()?;
    let outside = child.clone();
    let options = WaitOptions::EXITED | WaitOptions::NOWAIT;
    let call = move || eintr::process::waitid(WaitId::Pid(pid), options).map(drop);
    Ok(Scene::new("process::waitid", &["waitid"], call)
        .provide(move || end(&outside))
        .check(move || is_reaped_by_us(&child)))
}

fn waitpid() -> Made {
    let (pid, child) = shared_child()?;
    let outside = child.clone();
    let call = move || eintr::process::waitpid(pid, WaitOptions::EXITED).map(drop);
    Ok(Scene::new("process::waitpid", &["wait4"], call)
        .provide(move || end(&outside))
        .check(move || is_reaped_by_us(&child)))
}

fn join() -> Made {
    let worker = Arc::new(eintr::spawn(|| eintr::time::sleep(AN_HOUR)));
    let (inside, outside) = (worker.clone(), worker.clone());
    Ok(Scene::new("JoinHandle::wait", &["futex", "futex_waitv"], move || Ok(inside.wait()?))
        .provide(move || outside.interrupt())
        .check(move || {
            let undisturbed = !worker.is_finished();
            worker.interrupt();
            worker.wait().map_err(|error| error.to_string())?;
            intact(undisturbed, "the other thread was not disturbed")
        }))
}

/// An object of System V's, removed at the end.
struct SystemV {
    id: i32,
    remove: fn(i32),
}

impl SystemV {
    fn new(id: i32, remove: fn(i32)) -> Result<Arc<Self>, String> {
        match id {
            0.. => Ok(Arc::new(Self { id, remove })),
            _ => Err(format!("no IPC of System V's: {}", std::io::Error::last_os_error())),
        }
    }

    fn queue() -> Result<Arc<Self>, String> {
        // SAFETY: no pointers.
        let id = unsafe { libc::msgget(libc::IPC_PRIVATE, 0o600) };
        // SAFETY: this command takes no pointer.
        Self::new(id, |id| _ = unsafe { libc::msgctl(id, libc::IPC_RMID, std::ptr::null_mut()) })
    }
}

impl Drop for SystemV {
    fn drop(&mut self) {
        (self.remove)(self.id);
    }
}

fn semop() -> Made {
    // SAFETY: no pointers.
    let id = unsafe { libc::semget(libc::IPC_PRIVATE, 1, 0o600) };
    // SAFETY: this command takes no pointer.
    let set = SystemV::new(id, |id| _ = unsafe { libc::semctl(id, 0, libc::IPC_RMID) })?;
    let (inside, outside) = (set.clone(), set.clone());
    let call = move || eintr::ipc::semop(inside.id, &[SemOp::new(0, -1)], None);
    Ok(Scene::new("ipc::semop", &["semtimedop", "semop"], call)
        .provide(move || eintr::ipc::semop(outside.id, &[SemOp::new(0, 1)], None).unwrap())
        .check(move || {
            // SAFETY: this command takes no pointer.
            let value = unsafe { libc::semctl(set.id, 0, libc::GETVAL) };
            intact(value == 0, "the semaphore is as it was")
        }))
}

fn msgrcv() -> Made {
    let queue = SystemV::queue()?;
    let (inside, outside) = (queue.clone(), queue.clone());
    let call = move || eintr::ipc::msgrcv(inside.id, &mut [0; 8], MsgKind::Any).map(drop);
    Ok(Scene::new("ipc::msgrcv", &["msgrcv"], call)
        .provide(move || eintr::ipc::msgsnd(outside.id, 1, b"x").unwrap())
        .check(move || {
            let mut message = [0; 8];
            let sent = eintr::ipc::msgsnd(queue.id, 5, b"ab");
            let got = sent.and_then(|()| eintr::ipc::msgrcv(queue.id, &mut message, MsgKind::Any));
            intact(got.is_ok_and(|got| got == (2, 5)), "the next message arrives")
        }))
}

fn msgsnd() -> Made {
    let queue = SystemV::queue()?;
    let filled = fill_queue(queue.id);
    let (inside, outside) = (queue.clone(), queue.clone());
    let call = move || eintr::ipc::msgsnd(inside.id, 1, &[0; 4096]);
    Ok(Scene::new("ipc::msgsnd", &["msgsnd"], call).provide(move || empty_queue(outside.id)).check(
        move || {
            let came = empty_queue(queue.id);
            intact(came == filled, format!("{filled} messages in, {came} out, none of ours"))
        },
    ))
}

/// Sends messages until the queue is full; how many.
fn fill_queue(id: i32) -> usize {
    let message = [1_u64; 1 + 4096 / 8];
    // SAFETY: a type, and as many bytes after it.
    let send = || unsafe { libc::msgsnd(id, message.as_ptr().cast(), 4096, libc::IPC_NOWAIT) };
    std::iter::repeat_with(send).take_while(|sent| *sent == 0).count()
}

/// Receives what there is; how many messages.
fn empty_queue(id: i32) -> usize {
    let mut message = [0_u64; 1 + 4096 / 8];
    let room = message.as_mut_ptr().cast();
    // SAFETY: room for a type and as many bytes after it.
    let receive = || unsafe { libc::msgrcv(id, room, 4096, 0, libc::IPC_NOWAIT) };
    std::iter::repeat_with(receive).take_while(|received| *received >= 0).count()
}

/// A message queue of POSIX's with room for one message.
fn mqueue() -> Result<Arc<nix::mqueue::MqdT>, String> {
    let path = fresh_path("queue");
    let name = format!("/{}", path.file_name().unwrap().to_string_lossy());
    let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_RDWR | MQ_OFlag::O_CLOEXEC;
    let attributes = MqAttr::new(0, 1, 16, 0);
    let queue = mq_open(name.as_str(), flags, Mode::S_IRWXU, Some(&attributes))
        .map_err(|errno| format!("no message queues: {errno}"))?;
    mq_unlink(name.as_str()).map_err(|errno| errno.to_string())?;
    Ok(Arc::new(queue))
}

fn mq_receive() -> Made {
    let queue = mqueue()?;
    let (inside, outside) = (queue.clone(), queue.clone());
    let call = move || eintr::ipc::mq_receive(&*inside, &mut [0; 16], Some(AN_HOUR)).map(drop);
    Ok(Scene::new("ipc::mq_receive", &["mq_timedreceive"], call)
        .provide(move || eintr::ipc::mq_send(&*outside, b"x", 0, None).unwrap())
        .check(move || {
            let mut message = [0; 16];
            let sent = eintr::ipc::mq_send(&*queue, b"ab", 3, None);
            let got = sent.and_then(|()| eintr::ipc::mq_receive(&*queue, &mut message, None));
            intact(got.is_ok(), "the next message arrives")
        }))
}

fn mq_send() -> Made {
    let queue = mqueue()?;
    eintr::ipc::mq_send(&*queue, b"full", 0, None).map_err(|error| error.to_string())?;
    let (inside, outside) = (queue.clone(), queue.clone());
    let call = move || eintr::ipc::mq_send(&*inside, b"more", 0, None);
    Ok(Scene::new("ipc::mq_send", &["mq_timedsend"], call)
        .provide(move || eintr::ipc::mq_receive(&*outside, &mut [0; 16], None).unwrap())
        .check(move || {
            let attributes = nix::mqueue::mq_getattr(&queue).unwrap();
            intact(attributes.curmsgs() == 1, "one message in the queue, none of ours")
        }))
}
