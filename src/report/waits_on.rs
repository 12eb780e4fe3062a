//! What a thread waits on in a syscall: the descriptor and what that is, the child, the path.
//!
//! A look must not hang where the thread does. So no `stat`, which asks the file system, and that
//! may be the dead one; a descriptor's name and a socket's addresses are the kernel's own.

use std::fs;

use super::call::Call;
use super::held_by::{self, Holder};
use super::socket;
use super::thread::ThreadState;
use crate::entry::futex_wait;
use crate::kernel::address::{Name, RawAddress};
use crate::kernel::memory;
use crate::reach::table::Row;

/// What the syscall is about, as far as it can be told.
#[derive(Debug, Clone, Default)]
pub(super) struct WaitsOn {
    pub(super) fd: Option<i32>,
    pub(super) what: Option<String>,
}

/// Looks at the arguments of a syscall in which a thread is.
pub(super) fn look(tid: i32, call: &Call) -> WaitsOn {
    let Some(row) = call.row() else { return WaitsOn::default() };
    let [first, second, third, ..] = call.arguments;
    let about = |what| WaitsOn { fd: None, what };
    match row.name {
        "connect" => {
            let peer = socket::asked_peer(second, third).and_then(|peer| text(&peer));
            let to = peer.map_or(String::new(), |peer| format!(", to {peer}"));
            let socket = of_descriptor(tid, first as i32);
            WaitsOn { what: socket.what.map(|socket| socket + &to), ..socket }
        }
        "poll" | "ppoll" => of_polled(tid, first, second),
        "open" => about(memory::read_string(first)),
        "openat" | "openat2" => about(memory::read_string(second)),
        "futex" => about(Some(joined(call).map_or_else(|| word(first), thread))),
        "futex_waitv" => about(call.is_own().then(|| futex_wait::word(first)).flatten().map(word)),
        "wait4" => about(child(first as i32)),
        "waitid" if first == libc::P_PID as usize => about(child(second as i32)),
        "waitid" if first == libc::P_PIDFD as usize => of_descriptor(tid, second as i32),
        _ => row.fd_at.map_or_else(WaitsOn::default, |index| {
            of_descriptor(tid, call.arguments[index] as i32)
        }),
    }
}

/// What a call is about that was cut short a moment ago. Its memory may be another's by now: only numbers
/// count.
pub(super) fn of_retried(tid: i32, row: &Row, about: i32) -> WaitsOn {
    match row.name {
        "wait4" => WaitsOn { fd: None, what: child(about) },
        // Without dispatch the first argument may be gone where the call is cut short.
        _ if about < 0 => WaitsOn::default(),
        "poll" | "ppoll" => of_descriptor(tid, about),
        _ if row.fd_at == Some(0) => of_descriptor(tid, about),
        _ => WaitsOn::default(),
    }
}

fn of_descriptor(tid: i32, fd: i32) -> WaitsOn {
    WaitsOn { fd: Some(fd), what: descriptor(tid, fd) }
}

/// The first of those that are polled.
fn of_polled(tid: i32, address: usize, count: usize) -> WaitsOn {
    let mut number = [0; size_of::<i32>()];
    if count == 0 || !memory::read(address, &mut number) {
        return WaitsOn::default();
    }
    let first = of_descriptor(tid, i32::from_ne_bytes(number));
    let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    WaitsOn { what: first.what.map(|what| what + &more), ..first }
}

/// The thread for whose end that waits. Its word holds its id, until the kernel clears it; and the kernel
/// does not know that the word is this process's alone.
pub(super) fn joined(call: &Call) -> Option<i32> {
    let [word, operation, tid, ..] = call.arguments;
    let command = operation as i32 & !libc::FUTEX_CLOCK_REALTIME;
    let is_futex = call.row().is_some_and(|row| row.name == "futex");
    let tid = match command {
        _ if cfg!(target_env = "musl") => in_state_at(word),
        libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET => Some(tid as i32),
        _ => None,
    };
    tid.filter(|tid| is_futex && held_by::is_thread(*tid))
}

/// The thread whose state musl has in that word, which stands behind its id and its errno. What musl keeps of a thread is known by
/// its first word, a pointer to itself.
fn in_state_at(word: usize) -> Option<i32> {
    const BEFORE: usize = if cfg!(target_arch = "x86_64") { 56 } else { 40 };
    let start = word.checked_sub(BEFORE)?;
    let mut thread = [0; BEFORE];
    let is_one = memory::read(start, &mut thread) && thread.starts_with(&start.to_ne_bytes());
    let tid = *thread[BEFORE - 8..].first_chunk()?;
    is_one.then_some(i32::from_ne_bytes(tid))
}

/// Threads that sleep at one word wait for one thing.
fn word(address: usize) -> String {
    format!("{address:#x}")
}

fn thread(tid: i32) -> String {
    Holder::thread(tid).to_string()
}

fn child(pid: i32) -> Option<String> {
    process("child", pid)
}

fn process(what: &str, pid: i32) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok().filter(|_| pid > 0)?;
    let field = |key| status.lines().find_map(|line| line.strip_prefix(key));
    let state = ThreadState::of(field("State:\t")?.chars().next()?);
    Some(format!("{what} {pid} ({}), {state}", field("Name:\t")?))
}

/// The process of a pidfd.
fn process_of(tid: i32, fd: i32) -> Option<String> {
    let descriptor = fs::read_to_string(format!("/proc/self/task/{tid}/fdinfo/{fd}")).ok()?;
    let pid = descriptor.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    process("process", pid.trim().parse().ok()?)
}

/// What a descriptor is.
fn descriptor(tid: i32, fd: i32) -> Option<String> {
    let link = fs::read_link(format!("/proc/self/task/{tid}/fd/{fd}")).ok()?;
    let link = link.to_string_lossy();
    if link.starts_with("socket:") {
        return Some(socket(fd).unwrap_or_else(|| link.into_owned()));
    }
    // It has a name of its own since 6.9.
    if ["pidfd:", "anon_inode:[pidfd]"].iter().any(|name| link.starts_with(name)) {
        return process_of(tid, fd).or(Some("pidfd".into()));
    }
    let anonymous = link.strip_prefix("anon_inode:");
    Some(anonymous.map_or(&*link, |name| name.trim_matches(['[', ']'])).to_owned())
}

fn socket(fd: i32) -> Option<String> {
    let socket = socket::socket(fd)?;
    let family = match (socket.name.name(), socket.kind) {
        (Name::Ip(_), libc::SOCK_STREAM) => "TCP ",
        (Name::Ip(_), libc::SOCK_DGRAM) => "UDP ",
        (Name::Unix(_), _) => "Unix ",
        _ => "",
    };
    let what = if socket.listens { "listener" } else { "socket" };
    let own = text(&socket.name).map_or(String::new(), |name| format!(" {name}"));
    let peer = match &socket.peer {
        // A Unix socket's has no name as a rule, but a process that connected it.
        Some(peer) => {
            let process = socket.peer_process.map(|pid| Holder::process(pid).to_string());
            let peer = text(peer).or(process);
            peer.map_or(String::new(), |peer| format!(", peer {peer}"))
        }
        None if socket.listens => String::new(),
        None => ", not connected".into(),
    };
    Some(format!("{family}{what}{own}{peer}"))
}

/// An address in words; none if it has none, or is of a family that std does not know.
fn text(address: &RawAddress) -> Option<String> {
    match address.name() {
        Name::Ip(address) => Some(address.to_string()),
        Name::Unix(address) => match (address.as_pathname(), abstract_name(&address)) {
            (Some(path), _) => Some(path.display().to_string()),
            (None, name) => name,
        },
        Name::Other => None,
    }
}

fn abstract_name(address: &std::os::unix::net::SocketAddr) -> Option<String> {
    use std::os::linux::net::SocketAddrExt;
    let name = address.as_abstract_name()?;
    Some(format!("@{}", String::from_utf8_lossy(name)))
}
