//! What a send that comes to nothing gives back.

/// Why a message was not sent, and the message.
pub(super) enum Unsent<T, S> {
    Disconnected(T),
    Stopped(T, S),
}
