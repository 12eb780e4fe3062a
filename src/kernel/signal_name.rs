//! The names of signals.

use libc::c_int;
use signal_hook::low_level;

/// A signal's name, as `SIGTERM`.
pub(crate) fn of(signal: c_int) -> String {
    low_level::signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned)
}
