//! Sockets: [`accept()`], [`connect()`], receiving and sending, over std's sockets and any
//! descriptor.
//!
//! What std does by itself is done here too: new sockets are closed on exec, sending to a peer that
//! is gone is an error and not a signal, and a timeout that was set on the socket (std's
//! `set_read_timeout` and `set_write_timeout`) ends as
//! [`WouldBlock`](std::io::ErrorKind::WouldBlock). A signal that is none of ours does not start its
//! time anew.

mod accept;
mod address;
pub(crate) mod connect;
mod connect_error;
mod flags;
pub(crate) mod message;
pub(crate) mod recv;
pub(crate) mod send;
mod stream;

use address::Returned;

pub use accept::{Listener, accept};
pub use address::Address;
pub use connect::connect;
pub use connect_error::{ConnectError, ConnectState};
pub use flags::{RecvFlags, SendFlags};
pub use recv::{Datagram, Received, recv, recv_from, recvmmsg, recvmsg};
pub use send::{Message, send, send_to, sendmmsg, sendmsg};
pub use stream::{tcp_connect, unix_connect, unix_connect_addr};
