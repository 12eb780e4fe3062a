//! What may happen on a descriptor.

use bitflags::bitflags;

bitflags! {
    /// What is awaited on a descriptor, or has happened there: for `poll` and `epoll`, whose
    /// numbers for it are the same.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Events: u16 {
        /// There is something to read, or to accept, or the end.
        const IN = libc::POLLIN as u16;
        /// There is something exceptional: urgent data of a TCP socket, a change on the other side
        /// of a pty.
        const PRI = libc::POLLPRI as u16;
        /// There is room to write, or a connect is done.
        const OUT = libc::POLLOUT as u16;
        /// An error, or a pipe without a reader. Awaited always.
        const ERR = libc::POLLERR as u16;
        /// The other side hung up. Awaited always. What it wrote before can still be read.
        const HUP = libc::POLLHUP as u16;
        /// The descriptor is not open. Awaited always.
        const NVAL = libc::POLLNVAL as u16;
        /// The other side of a stream socket will write no more.
        const RDHUP = libc::POLLRDHUP as u16;
        /// Whatever else the kernel knows.
        const _ = !0;
    }
}

const _: () = assert!(Events::IN.bits() as i32 == libc::EPOLLIN);
const _: () = assert!(Events::PRI.bits() as i32 == libc::EPOLLPRI);
const _: () = assert!(Events::OUT.bits() as i32 == libc::EPOLLOUT);
const _: () = assert!(Events::ERR.bits() as i32 == libc::EPOLLERR);
const _: () = assert!(Events::HUP.bits() as i32 == libc::EPOLLHUP);
const _: () = assert!(Events::RDHUP.bits() as i32 == libc::EPOLLRDHUP);
