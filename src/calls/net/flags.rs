//! How to receive, and how to send.

use bitflags::bitflags;
use libc::c_int;

bitflags! {
    /// How to receive: the flags of recv(2).
    ///
    /// ```
    /// use eintr::net::RecvFlags;
    /// let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    /// assert!(flags.contains(RecvFlags::PEEK));
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct RecvFlags: c_int {
        /// Leaves what is received where it is, for the next call.
        const PEEK = libc::MSG_PEEK;
        /// Waits for the whole buffer to be full. A signal, the end or an error makes it less.
        const WAITALL = libc::MSG_WAITALL;
        /// Fails with `WouldBlock` rather than wait.
        const DONTWAIT = libc::MSG_DONTWAIT;
        /// Receives out-of-band data.
        const OOB = libc::MSG_OOB;
        /// Returns a message's full length, even if it is longer than the buffer.
        const TRUNC = libc::MSG_TRUNC;
        /// Receives from the socket's queue of errors.
        const ERRQUEUE = libc::MSG_ERRQUEUE;
        /// Whatever else the kernel knows.
        const _ = !0;
    }
}

bitflags! {
    /// How to send: the flags of send(2). `MSG_NOSIGNAL` is always set, as in std: a peer that is
    /// gone is the error `BrokenPipe` and not a signal.
    ///
    /// ```
    /// use eintr::net::SendFlags;
    /// assert!(!SendFlags::empty().contains(SendFlags::MORE));
    /// ```
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct SendFlags: c_int {
        /// Fails with `WouldBlock` rather than wait.
        const DONTWAIT = libc::MSG_DONTWAIT;
        /// Sends out-of-band data.
        const OOB = libc::MSG_OOB;
        /// More is about to be sent: puts off sending what does not fill a packet.
        const MORE = libc::MSG_MORE;
        /// Ends a record, where the protocol has them.
        const EOR = libc::MSG_EOR;
        /// Sends to hosts on directly connected networks only.
        const DONTROUTE = libc::MSG_DONTROUTE;
        /// Tells the link layer that the peer has answered.
        const CONFIRM = libc::MSG_CONFIRM;
        /// Whatever else the kernel knows.
        const _ = !0;
    }
}
