//! The kernel, knowing nothing of us.

pub(crate) mod address;
pub(crate) mod clock;
pub(crate) mod descriptor;
pub(crate) mod futex;
pub(crate) mod mapped;
pub(crate) mod memory;
pub(crate) mod pages;
pub(crate) mod pid;
pub(crate) mod primitives;
pub(crate) mod process;
pub(crate) mod raw;
pub(crate) mod signal_name;
pub(crate) mod signals;
pub(crate) mod socket;
pub(crate) mod thread_id;
pub(crate) mod timer;

pub(crate) use address::{Name, RawAddress};
pub(crate) use clock::{AtomicMoment, Moment, timespec_of};
pub(crate) use mapped::Library;
pub(crate) use raw::{address_of, syscall};
pub(crate) use signals::{Action, SET_SIZE, Set};
pub(crate) use timer::KernelTimer;
