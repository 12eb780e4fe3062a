//! Telling the service manager (sd_notify(3)), in the few lines that it takes. (Rejected: a crate for it. It would bring as many
//! lines again for what is not used here.)

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{env, io};

use crate::kernel::Moment;
use crate::mask;
use crate::thread::fork_gate;

/// Tells the service manager that the program is ready to serve; whether there is one.
///
/// That is systemd, or another one that sets `NOTIFY_SOCKET` for a service of `Type=notify`. A
/// program that was started by hand tells nobody.
///
/// ```
/// eintr::termination::ready()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// If the service manager cannot be told.
///
/// # Interruption
///
/// Not interruptible.
///
/// See [sd_notify(3)](https://man7.org/linux/man-pages/man3/sd_notify.3.html).
pub fn ready() -> io::Result<bool> {
    tell("READY=1", true)
}

/// Tells the service manager that the program is about to end; whether there is one. What
/// [`interrupt_on`](super::interrupt_on) does by itself at the first signal.
///
/// # Errors
///
/// If the service manager cannot be told.
///
/// # Interruption
///
/// Not interruptible: by now the thread may well be interrupted.
///
/// See [sd_notify(3)](https://man7.org/linux/man-pages/man3/sd_notify.3.html).
pub fn stopping() -> io::Result<bool> {
    IS_STOPPING.store(true, Relaxed);
    tell(STOPPING, true)
}

/// Reads the configuration anew, or does whatever a SIGHUP asks for, and has the service manager wait for it: told before that
/// the program is reloading, and after, be it by a panic, that it is ready again.
///
/// For a service of `Type=notify-reload`, to which systemd sends that SIGHUP by itself. What the service manager cannot be told it
/// has to do without: the closure runs in any case. Once the program is [stopping] it is not called ready any more.
///
/// ```
/// use eintr::termination::{self, SIGHUP};
///
/// let _reload = termination::on(&[SIGHUP], |_| {
///     termination::reloading(|| { /* read the configuration anew */ });
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// See [sd_notify(3)](https://man7.org/linux/man-pages/man3/sd_notify.3.html).
pub fn reloading<T>(reload: impl FnOnce() -> T) -> T {
    struct Ready;
    impl Drop for Ready {
        fn drop(&mut self) {
            if !is_stopping() {
                let _ = ready();
            }
        }
    }
    let now = Moment::now().number() / 1000;
    let _ = tell(&format!("RELOADING=1\nMONOTONIC_USEC={now}"), true);
    let _ready = Ready;
    reload()
}

/// Tells the service manager, in a line, what the program is doing: `systemctl status` shows it. Whether there is one.
///
/// A line break, and whatever else a terminal would obey, is escaped; a text of more than a thousand bytes is cut. While the
/// program [stops](super#stopping), or a [`Heartbeat`](super::Heartbeat) is missing, that takes its place within a second, or within a
/// quarter of the watchdog's time.
///
/// ```
/// eintr::termination::status("3 of 7 shards are there")?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// If the service manager cannot be told.
///
/// # Interruption
///
/// Not interruptible.
pub fn status(text: &str) -> io::Result<bool> {
    let line = status_line(text);
    let told = tell(&line, true);
    let mut line = Some(line.into());
    last_status(|last| std::mem::swap(last, &mut line));
    told
}

/// Tells the service manager that it is to wait so much longer, from now on, for the start or the stop that is under way; whether
/// there is one. A program that computes for a while in one piece says so, again before that time is over.
///
/// A [stop](super#stopping) in which one task ends after the other asks for more time by itself.
///
/// ```
/// use std::time::Duration;
///
/// eintr::termination::extend(Duration::from_secs(120))?; // the journal is long
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// If the service manager cannot be told.
///
/// # Interruption
///
/// Not interruptible.
///
/// See `EXTEND_TIMEOUT_USEC` in [sd_notify(3)](https://man7.org/linux/man-pages/man3/sd_notify.3.html).
pub fn extend(time: Duration) -> io::Result<bool> {
    tell(&extension(time), true)
}

static IS_STOPPING: AtomicBool = AtomicBool::new(false);
pub(super) const STOPPING: &str = "STOPPING=1";

pub(super) fn is_stopping() -> bool {
    IS_STOPPING.load(Relaxed)
}

/// As [`stopping`], at once; whether it could be told.
pub(super) fn stop() -> bool {
    IS_STOPPING.store(true, Relaxed);
    tell_at_once(STOPPING)
}

/// Whether it could be told: nobody waits for a service manager that does not read.
pub(super) fn tell_at_once(state: &str) -> bool {
    tell(state, false).unwrap_or(false)
}

/// What the program has said last. Behind the fork gate.
pub(super) fn last_status<T>(f: impl FnOnce(&mut Option<Arc<str>>) -> T) -> T {
    static LAST: Mutex<Option<Arc<str>>> = Mutex::new(None);
    let _gate = fork_gate::gate();
    f(&mut LAST.lock().unwrap_or_else(PoisonError::into_inner))
}

pub(super) fn extension(time: Duration) -> String {
    // The last one would be no number to systemd, but "for ever".
    format!("EXTEND_TIMEOUT_USEC={}", time.as_micros().min(u128::from(u64::MAX - 1)))
}

/// A line break would begin another assignment. What is longer than a page systemd throws away.
pub(super) fn status_line(text: &str) -> String {
    const MOST: usize = 1000;
    let mut line = String::from("STATUS=");
    for letter in text.chars() {
        if line.len() > MOST {
            line.push_str("...");
            break;
        }
        match letter.is_control() {
            true => line.extend(letter.escape_default()),
            false => line.push(letter),
        }
    }
    line
}

/// Where the service manager listens, if there is one. Behind the fork gate.
fn known<T>(f: impl FnOnce(&mut Option<Arc<OsStr>>) -> T) -> T {
    static KNOWN: Mutex<Option<Arc<OsStr>>> = Mutex::new(None);
    let _gate = fork_gate::gate();
    f(&mut KNOWN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Looks for it, in a call of the program's: a thread of ours does not read the environment, which the program may be changing.
pub(super) fn look_for_manager() {
    let name = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
    let mut name = name.map(Arc::from);
    known(|known| std::mem::swap(known, &mut name));
}

/// Whether there is a service manager to be told, by the last look.
pub(super) fn manager() -> Option<Arc<OsStr>> {
    known(|known| known.clone())
}

/// Whether there was one. It is waited for, in a call of the program's, if it has not read what it was told before.
fn tell(state: &str, waits: bool) -> io::Result<bool> {
    if waits {
        look_for_manager();
    }
    let Some(name) = manager() else { return Ok(false) };
    let address = address(&name)?;
    mask(|| {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(!waits)?;
        socket.send_to_addr(state.as_bytes(), &address)
    })?;
    Ok(true)
}

/// A path, or an abstract name with `@` in the place of its zero.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(name),
    }
}
