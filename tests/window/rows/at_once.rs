//! Calls of libc's that a reached thread makes if they need not wait: a row for each of the table's
//! that no call of std's stands for.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::ptr;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use libc::{c_int, c_long, iovec};
use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal;
use nix::sys::socket::{Backlog, MsgFlags, listen, setsockopt, sockopt};
use nix::sys::wait::{WaitPidFlag, WaitStatus};
use nix::unistd::Pid;

use super::io::{BYTE, reading, reading_from, writing};
use super::reached::retried;
use super::{Case, drain, equal, event, ipc, process, turn};

/// What a call that may be told EINTR comes to in the end.
fn told(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    let mut result = 0;
    retried(|| {
        result = call();
        if result < 0 { -1 } else { 0 }
    })?;
    Ok(result as usize)
}

fn vector(bytes: &mut [u8]) -> iovec {
    iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() }
}

/// Has `call` receive into, or send, a message of that one buffer.
fn with_message<T>(bytes: &mut [u8], call: impl FnOnce(&mut libc::mmsghdr) -> T) -> T {
    let mut vector = vector(bytes);
    // SAFETY: all zeros are a message without a name.
    let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
    message.msg_hdr.msg_iov = &mut vector;
    message.msg_hdr.msg_iovlen = 1;
    call(&mut message)
}

/// A stream with a byte in it or not; `receive` takes a byte from it.
fn receiving(ready: bool, receive: fn(RawFd, &mut [u8]) -> isize) -> Case {
    let [reader, writer] = <[_; 2]>::from(UnixStream::pair().unwrap())
        .map(|end| Rc::new(File::from(OwnedFd::from(end))));
    if ready {
        nix::unistd::write(&writer, &[BYTE]).unwrap();
    }
    turn::is_of_a_byte(ready, reader.as_raw_fd(), writer.as_raw_fd());
    reading_from(ready, reader, writer, move |from| {
        let mut byte = [0];
        told(|| receive(from.as_raw_fd(), &mut byte))?;
        Ok(byte[0].into())
    })
}

pub fn recv(ready: bool) -> Case {
    // SAFETY: as many bytes as that.
    receiving(ready, |fd, bytes| unsafe {
        libc::recv(fd, bytes.as_mut_ptr().cast(), bytes.len(), 0)
    })
}

pub fn recvmsg(ready: bool) -> Case {
    receiving(ready, |fd, bytes| {
        // SAFETY: a message of ours.
        with_message(bytes, |message| unsafe { libc::recvmsg(fd, &mut message.msg_hdr, 0) })
    })
}

pub fn recvmmsg(ready: bool) -> Case {
    receiving(ready, |fd, bytes| {
        let none = ptr::null_mut();
        // SAFETY: one message of ours.
        with_message(bytes, |message| unsafe { libc::recvmmsg(fd, message, 1, 0, none) as isize })
    })
}

pub fn preadv2(ready: bool) -> Case {
    reading(ready, |file| {
        let mut byte = [0];
        let vector = vector(&mut byte);
        // (musl had no preadv2 before 1.2.5.)
        let call = libc::SYS_preadv2;
        // SAFETY: one buffer.
        told(|| unsafe {
            libc::syscall(call, file.as_raw_fd(), &raw const vector, 1, -1_i64, 0, 0) as isize
        })?;
        Ok(byte[0].into())
    })
}

/// A stream that is full, or empty; `send` sends a byte.
fn sending(ready: bool, send: fn(RawFd, &mut [u8]) -> isize) -> Case {
    let (near, far) = UnixStream::pair().unwrap();
    setsockopt(&near, sockopt::SndBuf, &0).unwrap();
    let [to, from] = [near.as_raw_fd(), far.as_raw_fd()];
    let before = if ready { 0 } else { fill(to) };
    turn::is(move || if ready { fill(to) } else { -empty(from) });
    Case {
        call: Box::new(move || Ok(told(|| send(near.as_raw_fd(), &mut [BYTE]))? as u64)),
        intact: Box::new(move |result| {
            let sent = empty(far.as_raw_fd()) - before - turn::by();
            equal("bytes sent", sent, result.unwrap_or(0) as isize)
        }),
    }
}

fn fill(to: RawFd) -> isize {
    let send = || nix::sys::socket::send(to, &[BYTE; 512], MsgFlags::MSG_DONTWAIT);
    std::iter::from_fn(|| send().ok()).sum::<usize>() as isize
}

fn empty(from: RawFd) -> isize {
    let receive = || nix::sys::socket::recv(from, &mut [0; 512], MsgFlags::MSG_DONTWAIT);
    std::iter::from_fn(|| receive().ok().filter(|received| *received > 0)).sum::<usize>() as isize
}

pub fn send(ready: bool) -> Case {
    // SAFETY: as many bytes as that.
    sending(ready, |fd, bytes| unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), 0) })
}

pub fn sendmsg(ready: bool) -> Case {
    sending(ready, |fd, bytes| {
        // SAFETY: a message of ours.
        with_message(bytes, |message| unsafe { libc::sendmsg(fd, &message.msg_hdr, 0) })
    })
}

pub fn sendmmsg(ready: bool) -> Case {
    sending(ready, |fd, bytes| {
        // SAFETY: one message of ours.
        with_message(bytes, |message| unsafe { libc::sendmmsg(fd, message, 1, 0) as isize })
    })
}

pub fn writev(ready: bool) -> Case {
    written(ready, |fd, vector| {
        // SAFETY: one buffer.
        unsafe { libc::writev(fd, vector, 1) }
    })
}

pub fn pwritev2(ready: bool) -> Case {
    written(ready, |fd, vector| {
        // SAFETY: one buffer.
        unsafe { libc::syscall(libc::SYS_pwritev2, fd, vector, 1, -1_i64, 0, 0) as isize }
    })
}

pub fn vmsplice(ready: bool) -> Case {
    written(ready, |fd, vector| {
        // SAFETY: one buffer, whose pages nobody changes before they are read.
        unsafe { libc::vmsplice(fd, vector, 1, 0) }
    })
}

fn written(ready: bool, write: fn(RawFd, &iovec) -> isize) -> Case {
    let mut byte = Box::new([BYTE]);
    writing(ready, move |to| {
        let vector = vector(&mut *byte);
        Ok(told(|| write(to.as_raw_fd(), &vector))?)
    })
}

pub fn sendfile(ready: bool) -> Case {
    let file = File::from(memfd_create("sent", MFdFlags::MFD_CLOEXEC).unwrap());
    nix::unistd::write(&file, &[BYTE]).unwrap();
    writing(ready, move |to| {
        let mut from = 0;
        // SAFETY: a number.
        Ok(told(|| unsafe { libc::sendfile(to.as_raw_fd(), file.as_raw_fd(), &mut from, 1) })?)
    })
}

/// What it copies stays.
pub fn tee(ready: bool) -> Case {
    let (copied, to) = io::pipe().unwrap();
    let case = event::waiting(ready, move |from| {
        // SAFETY: no pointers.
        Ok(told(|| unsafe { libc::tee(from.as_raw_fd(), to.as_raw_fd(), 1, 0) })?)
    });
    let is_left = case.intact;
    let intact = |result: Option<u64>| {
        equal("bytes copied", drain(copied).len(), result.is_some().into())?;
        is_left(result)
    };
    Case { call: case.call, intact: Box::new(intact) }
}

pub fn ppoll(ready: bool) -> Case {
    event::waiting(ready, |file| {
        let mut polled = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let none = ptr::null();
        // SAFETY: one descriptor; neither a time nor a mask.
        Ok(told(|| unsafe { libc::ppoll(&mut polled, 1, none, ptr::null()) as isize })?)
    })
}

pub fn pselect(ready: bool) -> Case {
    event::waiting(ready, |file| {
        let fd = file.as_raw_fd();
        // SAFETY: bits, among them that of this descriptor.
        let mut set: libc::fd_set = unsafe { std::mem::zeroed() };
        // SAFETY: the same.
        unsafe { libc::FD_SET(fd, &mut set) };
        let (none, time) = (ptr::null_mut(), ptr::null());
        // SAFETY: the set is borrowed, the others are null.
        let select =
            || unsafe { libc::pselect(fd + 1, &mut set, none, none, time, ptr::null()) as isize };
        Ok(told(select)?)
    })
}

pub fn epoll_pwait(ready: bool) -> Case {
    looped(ready, |epoll, event| {
        // SAFETY: room for one, and no mask.
        unsafe { libc::epoll_pwait(epoll, event, 1, -1, ptr::null()) as c_long }
    })
}

pub fn epoll_pwait2(ready: bool) -> Case {
    looped(ready, |epoll, event| {
        let none = ptr::null_mut::<libc::timespec>();
        // SAFETY: room for one; neither a time nor a mask.
        unsafe { libc::syscall(libc::SYS_epoll_pwait2, epoll, event, 1, none, none, 8) }
    })
}

/// An event loop: told EINTR, it looks whether it is to end.
fn looped(ready: bool, wait: fn(RawFd, *mut libc::epoll_event) -> c_long) -> Case {
    event::told_once(ready, move |epoll| {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        while wait(epoll.0.as_raw_fd(), &mut event) < 0 {
            assert_eq!(Errno::last(), Errno::EINTR);
            eintr::checkpoint()?;
        }
        Ok(event.u64)
    })
}

pub fn wait4(ready: bool) -> Case {
    reaping(ready, || {
        // SAFETY: nothing is told.
        unsafe { libc::wait4(-1, ptr::null_mut(), 0, ptr::null_mut()) }
    })
}

pub fn waitid(ready: bool) -> Case {
    reaping(ready, || {
        // SAFETY: the kernel writes it.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: it is borrowed, and then that of a child.
        unsafe {
            match libc::waitid(libc::P_ALL, 0, &mut info, libc::WEXITED) {
                0 => info.si_pid(),
                _ => -1,
            }
        }
    })
}

/// Two children, of which one has ended or not; `wait` waits for any.
fn reaping(ready: bool, wait: fn() -> c_int) -> Case {
    process::stay();
    let child = process::living();
    let end = move || {
        nix::sys::signal::kill(child, Signal::SIGKILL).unwrap();
        process::look(child, WaitPidFlag::empty()).unwrap();
    };
    let reap = move || nix::sys::wait::waitpid(child, Some(WaitPidFlag::WNOHANG));
    if ready {
        end();
    }
    turn::is(move || {
        if ready {
            return if reap() == Ok(WaitStatus::StillAlive) { 0 } else { -1 };
        }
        end();
        1
    });
    Case {
        call: Box::new(move || Ok(told(|| wait() as isize)? as u64)),
        intact: Box::new(move |result| {
            let left = process::look(child, WaitPidFlag::WNOHANG);
            equal("the child", result.unwrap_or(child.as_raw() as u64), child.as_raw() as u64)?;
            let is_reaped = result.is_some() || turn::by() < 0;
            let has_ended = ready || turn::by() > 0;
            let ended = WaitStatus::Signaled(child, Signal::SIGKILL, false);
            let expected = match (is_reaped, has_ended) {
                (true, _) => Err(Errno::ECHILD),
                (false, true) => Ok(ended),
                (false, false) => Ok(WaitStatus::StillAlive),
            };
            if !is_reaped {
                end();
                reap().unwrap();
            }
            equal("to be reaped", left, expected)
        }),
    }
}

/// One that all threads of the tracee block.
pub const BLOCKED: Signal = Signal::SIGWINCH;

/// A signal is pending for the process, or none.
pub fn sigtimedwait(ready: bool) -> Case {
    let send = || nix::sys::signal::kill(Pid::this(), BLOCKED).unwrap();
    if ready {
        send();
    }
    turn::is(move || {
        if ready {
            return -take_signal();
        }
        send();
        1
    });
    Case {
        call: Box::new(|| {
            let none = ptr::null_mut();
            let set = nix::sys::signal::SigSet::from_iter([BLOCKED]);
            // SAFETY: nothing is told, and there is no time.
            Ok(told(|| unsafe { libc::sigtimedwait(set.as_ref(), none, ptr::null()) as isize })?
                as u64)
        }),
        intact: Box::new(move |result| {
            let left = take_signal();
            equal("the signal", result.unwrap_or(BLOCKED as u64), BLOCKED as u64)?;
            let there = isize::from(ready) + turn::by();
            equal("signals left", left, there - isize::from(result.is_some()))
        }),
    }
}

fn take_signal() -> isize {
    let set = nix::sys::signal::SigSet::from_iter([BLOCKED]);
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: nothing is told, and the time is borrowed.
    isize::from(unsafe { libc::sigtimedwait(set.as_ref(), ptr::null_mut(), &now) } > 0)
}

/// libc's own makes another call.
pub fn semop(ready: bool) -> Case {
    ipc::taking(ready, |set| {
        let mut operation = libc::sembuf { sem_num: 0, sem_op: -1, sem_flg: 0 };
        // SAFETY: one operation.
        told(|| unsafe { libc::syscall(libc::SYS_semop, set, &mut operation, 1) as isize })?;
        Ok(())
    })
}

/// A type, and eight bytes.
type Message = [u64; 2];

pub fn msgrcv(ready: bool) -> Case {
    of_system_v(ready, false, |queue| {
        let mut message = Message::default();
        // SAFETY: room for eight bytes.
        unsafe { libc::msgrcv(queue, message.as_mut_ptr().cast(), 8, 0, 0) }
    })
}

pub fn msgsnd(ready: bool) -> Case {
    of_system_v(ready, true, |queue| {
        let message: Message = [1, 7];
        // SAFETY: eight bytes.
        unsafe { libc::msgsnd(queue, message.as_ptr().cast(), 8, 0) as isize }
    })
}

/// A queue with room for one message.
fn of_system_v(ready: bool, sends: bool, call: fn(c_int) -> isize) -> Case {
    // SAFETY: no pointers.
    let queue = unsafe { libc::msgget(libc::IPC_PRIVATE, 0o600) };
    assert!(queue >= 0);
    let look = move || {
        // SAFETY: the kernel writes it.
        let mut state: libc::msqid_ds = unsafe { std::mem::zeroed() };
        // SAFETY: it is borrowed.
        assert_eq!(unsafe { libc::msgctl(queue, libc::IPC_STAT, &mut state) }, 0);
        state
    };
    let mut state = look();
    state.msg_qbytes = 8;
    // SAFETY: it is borrowed.
    assert_eq!(unsafe { libc::msgctl(queue, libc::IPC_SET, &mut state) }, 0);
    let send = move || {
        let message: Message = [1, 7];
        // SAFETY: eight bytes.
        unsafe { libc::msgsnd(queue, message.as_ptr().cast(), 8, libc::IPC_NOWAIT) == 0 }
    };
    let receive = move || {
        let mut message = Message::default();
        // SAFETY: room for eight bytes.
        unsafe { libc::msgrcv(queue, message.as_mut_ptr().cast(), 8, 0, libc::IPC_NOWAIT) == 8 }
    };
    let left = move || {
        let left = look().msg_qnum as isize;
        // SAFETY: nothing is told.
        unsafe { libc::msgctl(queue, libc::IPC_RMID, ptr::null_mut()) };
        left
    };
    queueing(ready, sends, send, receive, move || call(queue), left)
}

pub fn mq_receive(ready: bool) -> Case {
    of_posix(ready, false, |queue| {
        let mut message = [0; 8];
        // SAFETY: room for eight bytes; no priority, no time.
        unsafe {
            let none = ptr::null_mut();
            libc::mq_timedreceive(queue, message.as_mut_ptr(), 8, none, ptr::null())
        }
    })
}

pub fn mq_send(ready: bool) -> Case {
    of_posix(ready, true, |queue| {
        // SAFETY: eight bytes, no time.
        unsafe { libc::mq_timedsend(queue, [7; 8].as_ptr(), 8, 0, ptr::null()) as isize }
    })
}

/// A queue with room for one message.
fn of_posix(ready: bool, sends: bool, call: fn(c_int) -> isize) -> Case {
    const PAST: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let queue = ipc::queue().into_raw_fd();
    // SAFETY: eight bytes.
    let send = move || unsafe { libc::mq_timedsend(queue, [7; 8].as_ptr(), 8, 0, &PAST) == 0 };
    let receive = move || {
        let mut message = [0; 8];
        // SAFETY: room for eight bytes; no priority.
        unsafe {
            let none = ptr::null_mut();
            libc::mq_timedreceive(queue, message.as_mut_ptr(), 8, none, &PAST) == 8
        }
    };
    let left = move || {
        let left = std::iter::from_fn(|| receive().then_some(())).count() as isize;
        // SAFETY: it is no longer used.
        assert_eq!(unsafe { libc::mq_close(queue) }, 0);
        left
    };
    queueing(ready, sends, send, receive, move || call(queue), left)
}

/// A queue with room for one message; `call` receives it, or sends one. `left` is how many there
/// are, at the end.
fn queueing(
    ready: bool,
    sends: bool,
    send: impl Fn() -> bool + Copy + Send + 'static,
    receive: impl Fn() -> bool + Copy + Send + 'static,
    call: impl Fn() -> isize + 'static,
    left: impl FnOnce() -> isize + 'static,
) -> Case {
    let has_one = ready != sends;
    if has_one {
        assert!(send());
    }
    turn::is(move || if has_one { -isize::from(receive()) } else { isize::from(send()) });
    Case {
        call: Box::new(move || Ok(told(&call)? as u64)),
        intact: Box::new(move |result| {
            let there = isize::from(has_one) + turn::by();
            let change = if sends { 1 } else { -1 };
            equal("messages left", left(), there + change * isize::from(result.is_some()))
        }),
    }
}

/// A listener of a local socket's, with room in its queue or without.
pub fn connect(ready: bool) -> Case {
    let address = format!("eintr-window-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(address).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    // Room for one.
    listen(&listener, Backlog::new(0).unwrap()).unwrap();
    listener.set_nonblocking(true).unwrap();
    let connect = {
        let address = address.clone();
        move || UnixStream::connect_addr(&address).unwrap()
    };
    let others = Arc::new(Mutex::new(Vec::new()));
    if !ready {
        others.lock().unwrap().push(connect());
    }
    let (fd, kept) = (listener.try_clone().unwrap(), others.clone());
    turn::is(move || {
        if !ready {
            return -isize::from(fd.accept().is_ok());
        }
        if turn::is_ready(fd.as_raw_fd(), libc::POLLIN) {
            return 0;
        }
        kept.lock().unwrap().push(connect());
        1
    });
    let connected = Rc::new(std::cell::Cell::new(None));
    let to_keep = connected.clone();
    Case {
        call: Box::new(move || {
            to_keep.set(Some(UnixStream::connect_addr(&address)?));
            Ok(0)
        }),
        intact: Box::new(move |result| {
            let left = std::iter::from_fn(|| listener.accept().ok()).count() as isize;
            drop((connected.take(), others.lock().unwrap().drain(..).count()));
            let there = isize::from(!ready) + turn::by();
            equal("clients left", left, there + isize::from(result.is_some()))
        }),
    }
}
