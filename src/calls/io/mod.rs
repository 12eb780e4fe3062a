//! Reading and writing: [`read`] and its kin over any descriptor, and [`Stream`] for std's traits.
//!
//! Calls of several steps ([`read_exact`], [`write_all`], [`copy()`]) tell in
//! [`Partial`](crate::Partial) how far they got. std's own loops over a [`Stream`] stop as well,
//! but do not tell.
//!
//! `write` and its kin raise `SIGPIPE` where the man page says so. A Rust program ignores that
//! signal; in any other, [`net::send`](crate::net::send()) does not raise it.

mod copy;
mod flagged;
mod random;
mod read_write;
mod splice;
mod stream;
mod whole;

pub use copy::copy;
pub use flagged::{RwFlags, preadv2, pwritev2};
pub use random::getrandom;
pub use read_write::{pread, pwrite, read, readv, write, writev};
pub use splice::{SpliceFlags, copy_file_range, sendfile, splice, tee, vmsplice};
pub use stream::Stream;
pub use whole::{read_exact, write_all};
