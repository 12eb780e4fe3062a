//! How to receive, and how to send.

use libc::c_int;

use crate::calls::flags::flags;

flags! {
    /// How to receive: the flags of recv(2).
    ///
    /// ```
    /// use eintr::net::RecvFlags;
    /// let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    /// assert!(flags.contains(RecvFlags::PEEK));
    /// ```
    pub struct RecvFlags(c_int) {
        /// Leaves what is received where it is, for the next call.
        PEEK = libc::MSG_PEEK,
        /// Waits for the whole buffer to be full. A signal, the end or an error makes it less.
        WAITALL = libc::MSG_WAITALL,
        /// Fails with `WouldBlock` rather than wait.
        DONTWAIT = libc::MSG_DONTWAIT,
        /// Receives out-of-band data.
        OOB = libc::MSG_OOB,
        /// Returns a message's full length, even if it is longer than the buffer.
        TRUNC = libc::MSG_TRUNC,
        /// Receives from the socket's queue of errors.
        ERRQUEUE = libc::MSG_ERRQUEUE,
    }
}

flags! {
    /// How to send: the flags of send(2). `MSG_NOSIGNAL` is always set, as in std: a peer that is
    /// gone is the error `BrokenPipe` and not a signal.
    ///
    /// ```
    /// use eintr::net::SendFlags;
    /// assert!(!SendFlags::empty().contains(SendFlags::MORE));
    /// ```
    pub struct SendFlags(c_int) {
        /// Fails with `WouldBlock` rather than wait.
        DONTWAIT = libc::MSG_DONTWAIT,
        /// Sends out-of-band data.
        OOB = libc::MSG_OOB,
        /// More is about to be sent: puts off sending what does not fill a packet.
        MORE = libc::MSG_MORE,
        /// Ends a record, where the protocol has them.
        EOR = libc::MSG_EOR,
        /// Sends to hosts on directly connected networks only.
        DONTROUTE = libc::MSG_DONTROUTE,
        /// Tells the link layer that the peer has answered.
        CONFIRM = libc::MSG_CONFIRM,
    }
}
