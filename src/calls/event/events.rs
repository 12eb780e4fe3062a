//! What may happen on a descriptor.

use crate::calls::flags::flags;

flags! {
    /// What is awaited on a descriptor, or has happened there: for `poll` and `epoll`, whose
    /// numbers for it are the same.
    pub struct Events(u16) {
        /// There is something to read, or to accept, or the end.
        IN = libc::POLLIN,
        /// There is something exceptional: urgent data of a TCP socket, a change on the other side
        /// of a pty.
        PRI = libc::POLLPRI,
        /// There is room to write, or a connect is done.
        OUT = libc::POLLOUT,
        /// An error, or a pipe without a reader. Awaited always.
        ERR = libc::POLLERR,
        /// The other side hung up. Awaited always. What it wrote before can still be read.
        HUP = libc::POLLHUP,
        /// The descriptor is not open. Awaited always.
        NVAL = libc::POLLNVAL,
        /// The other side of a stream socket will write no more.
        RDHUP = libc::POLLRDHUP,
    }
}

const _: () = assert!(Events::IN.bits() as i32 == libc::EPOLLIN);
const _: () = assert!(Events::PRI.bits() as i32 == libc::EPOLLPRI);
const _: () = assert!(Events::OUT.bits() as i32 == libc::EPOLLOUT);
const _: () = assert!(Events::ERR.bits() as i32 == libc::EPOLLERR);
const _: () = assert!(Events::HUP.bits() as i32 == libc::EPOLLHUP);
const _: () = assert!(Events::RDHUP.bits() as i32 == libc::EPOLLRDHUP);
