//! Waiting for events.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::rc::Rc;

use eintr::Error;
use eintr::event::{EpollEvent, Events, PollFd};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent as Interest, EpollFlags};

use super::{Case, drain, equal, pipe, turn};

/// A pipe with a byte in it or not; `wait` waits for that, and does not take it.
pub fn waiting(ready: bool, mut wait: impl FnMut(&File) -> Result<usize, Error> + 'static) -> Case {
    let (reader, writer) = pipe();
    if ready {
        nix::unistd::write(&writer, b"x").unwrap();
    }
    turn::is_of_a_byte(ready, reader.as_raw_fd(), writer.as_raw_fd());
    let watched = reader.clone();
    Case {
        call: Box::new(move || Ok(wait(&watched)? as u64)),
        intact: Box::new(move |result| {
            drop(writer);
            equal("descriptors that are ready", result.unwrap_or(1), 1)?;
            equal("bytes left", drain(&reader).len() as isize, isize::from(ready) + turn::by())
        }),
    }
}

pub fn poll(ready: bool) -> Case {
    waiting(ready, |fd| eintr::event::poll(&mut [PollFd::new(fd, Events::IN)], None))
}

pub fn epoll_wait(ready: bool) -> Case {
    told_once(ready, |epoll| {
        let mut events = [EpollEvent::new()];
        eintr::event::epoll_wait(&epoll.0, &mut events, None)?;
        Ok(events[0].data())
    })
}

pub fn epoll_pwait2(ready: bool) -> Case {
    told_once(ready, |epoll| {
        let mut events = [EpollEvent::new()];
        eintr::event::epoll_pwait2(&epoll.0, &mut events, None, &[libc::SIGHUP])?;
        Ok(events[0].data())
    })
}

/// An event that is told once: an edge, and one-shot at that. `wait` returns its data.
pub fn told_once(
    ready: bool,
    mut wait: impl FnMut(&Epoll) -> Result<u64, Error> + 'static,
) -> Case {
    let epoll = Rc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap());
    let (reader, writer) = pipe();
    let once = EpollFlags::EPOLLIN | EpollFlags::EPOLLET | EpollFlags::EPOLLONESHOT;
    epoll.add(&reader, Interest::new(once, 7)).unwrap();
    if ready {
        nix::unistd::write(&writer, b"x").unwrap();
    }
    let [fd, to] = [epoll.0.as_raw_fd(), writer.as_raw_fd()];
    let take = move || {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: room for one.
        unsafe { libc::epoll_wait(fd, &mut event, 1, 0) as isize }
    };
    turn::is(move || if ready { -take() } else { turn::write(to, 1) });
    let watched = epoll.clone();
    Case {
        call: Box::new(move || wait(&watched)),
        intact: Box::new(move |result| {
            let left = epoll.wait(&mut [Interest::empty()], 0_u8).unwrap();
            drop((reader, writer));
            equal("the event's data", result.unwrap_or(7), 7)?;
            let there = isize::from(ready) + turn::by();
            equal("events left", left as isize, there - isize::from(result.is_some()))
        }),
    }
}
