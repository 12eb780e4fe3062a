//! Waits for readiness: poll, select, epoll.

use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{self, null_mut};
use std::time::Duration;

use eintr::event::{EpollEvent, Events, FdSet, PollFd};

use super::streams::{Stream, ToRead};
use super::{Done, Row, row};
use crate::operation::Call;
use crate::operation::State::{Becomes, Ready};
use crate::operation::Whose::{C, Own};
use crate::worker::{Stop, Worker};
use crate::wrong;

/// Waits, with no time or with some, and tells how many are ready.
type Waits = fn(&Worker, &Call, &Stream, Option<Duration>) -> Result<usize, Stop>;

fn wait(worker: &Worker, call: &Call, waits: Waits) -> Done {
    let stream = worker.stream(call, false);
    let time = (call.number % 8 == 0).then_some(call.time);
    let ready = worker
        .meets(call, ToRead(stream.clone(), call.length), || waits(worker, call, &stream, time))?;
    let must = call.alone && time.is_none() && matches!(call.state, Ready | Becomes);
    if ready > 1 || (must && ready == 0) {
        wrong(format_args!("{ready} of one are ready"));
    }
    Ok(())
}

fn spec(time: Duration) -> libc::timespec {
    libc::timespec { tv_sec: 0, tv_nsec: time.subsec_nanos().into() }
}

pub const ROWS: &[Row] = &[
    row("poll", &[Own, C], &[], |worker, call| {
        wait(worker, call, |worker, call, stream, time| {
            if call.whose == Own {
                let mut fds = [PollFd::new(&stream.reader, Events::IN)];
                return worker.own(eintr::event::poll(&mut fds, time));
            }
            let mut fd =
                libc::pollfd { fd: stream.reader.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: what is borrowed.
            worker.c_once(unsafe {
                match time {
                    Some(time) => libc::ppoll(&mut fd, 1, &spec(time), ptr::null()),
                    None => libc::poll(&mut fd, 1, -1),
                }
            } as isize)
        })
    }),
    row("select", &[Own, C], &[], |worker, call| {
        wait(worker, call, |worker, call, stream, time| {
            let fd = stream.reader.as_raw_fd();
            if call.whose == Own {
                let mut set = FdSet::new();
                if set.insert(&stream.reader).is_err() {
                    wrong("too many descriptors");
                }
                return worker.own(eintr::event::select(Some(&mut set), None, None, time));
            }
            // SAFETY: all bytes zero are a set, which has room; it is borrowed, and so is the time.
            worker.c_once(unsafe {
                let mut set = mem::zeroed();
                libc::FD_SET(fd, &mut set);
                match time.map(spec) {
                    Some(time) => {
                        libc::pselect(fd + 1, &mut set, null_mut(), null_mut(), &time, ptr::null())
                    }
                    None => libc::select(fd + 1, &mut set, null_mut(), null_mut(), null_mut()),
                }
            } as isize)
        })
    }),
    row("epoll", &[Own, C], &[], |worker, call| {
        wait(worker, call, |worker, call, stream, time| {
            let epoll = epoll(stream);
            if call.whose == Own {
                let mut events = [EpollEvent::new(); 2];
                return worker.own(eintr::event::epoll_wait(&epoll, &mut events, time));
            }
            let mut events = [libc::epoll_event { events: 0, u64: 0 }; 2];
            let time = time.map_or(-1, |time| time.as_millis() as i32);
            // SAFETY: there are two events, which are borrowed.
            worker.c_once(unsafe {
                libc::epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), 2, time)
            } as isize)
        })
    }),
];

fn epoll(stream: &Stream) -> OwnedFd {
    let mut interest = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
    // SAFETY: the descriptor is new, and the interest is borrowed.
    unsafe {
        let fd = libc::epoll_create1(libc::EPOLL_CLOEXEC);
        let added =
            libc::epoll_ctl(fd, libc::EPOLL_CTL_ADD, stream.reader.as_raw_fd(), &mut interest);
        if fd == -1 || added == -1 {
            wrong(std::io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(fd)
    }
}
