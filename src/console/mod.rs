//! A way in from outside: a Unix socket by which an operator sees the threads of the process and interrupts tasks, with
//! `eintrctl`.
//!
//! # Who gets in
//!
//! The socket has mode 0600 before it has a name, and each peer's credentials are asked of the kernel: those of this
//! process's effective user, and of root, are served, and nobody else. In a user namespace that is root as seen from inside, and a
//! user that the namespace does not map is nobody.
//!
//! # What a client can cost
//!
//! A connection is one line of at most 4096 bytes and one line in reply. The request has to be there within 5
//! seconds, the reply taken within 10 more, and a wait is 60 seconds at most. Eight are served at once, each by a
//! thread of its own that blocks all signals; one more is told that the console is busy. No task waits for a client.
//!
//! What a reply costs is what the calls cost that make it: see [`dump()`](crate::dump()). One dump is made at a time, and those
//! who ask meanwhile share the next. A task's [hooks](crate::with_hook) run on the connection's thread; so does the `Display` of a
//! reason of the program's own, in a dump: if that blocks, so do all who wait for a dump.
//!
//! # Fork, exec, daemons
//!
//! The threads are this process's: [`listen`] is called *after* becoming a daemon, for a child of a fork has none of them.
//! The child has the descriptor, though: while it lives, the path is taken, also after its parent's end, and nobody answers there;
//! unless the child drops its [`Console`], which leaves the parent's alone. Then it may listen there itself, once the parent
//! has ended. A new program (exec) does not get the descriptor; its socket is left over, and the next [`listen`] on that path takes
//! its place.
//!
//! # The protocol
//!
//! JSON, a line each way; `protocol` is 1. Times are in seconds, reports are as
//! [`Report`](crate::Report#as-data) says.
//!
//! | request | reply |
//! |---|---|
//! | `{"protocol":1,"request":"list"}` | `dump`: all threads, without stacks: nobody is disturbed |
//! | `{"protocol":1,"request":"dump"}` | `dump`: with stacks; or with `"text":true`, `text` |
//! | `{"protocol":1,"request":"interrupt","task":"7","reason":"why","wait":5}` | `task`: its number; `outcome`: `raised`, `finished`, `not started`, `masked`, `stuck` or `undeliverable`; `report`, if it is still there |
//! | `{"protocol":1,"request":"stop","group":"workers","wait":5}` | `stopped`, and `stragglers`: their reports |
//!
//! A task is told by its number or by its name; if several have that name, nobody is interrupted. What cannot be
//! done is an `error`, with a text.

use std::collections::BTreeMap;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::Group;
use crate::kernel::clock;
use crate::thread::helper_thread;

mod connection;
mod reply;
mod shared;
mod socket;

/// So many connections are served at once.
const CONNECTIONS: usize = 8;

/// The name of our threads, in a dump.
const NAME: &str = "eintr-console";

/// Serves operators on a Unix socket at that path, until the result is dropped.
///
/// A socket that a process of this user has left there is replaced; one that somebody listens on is not. A symbolic
/// link is not followed. Of several that begin at once one listens: a file beside it, with `.lock` at its name's end, is there
/// meanwhile.
///
/// # Examples
///
/// ```
/// let path = std::env::temp_dir().join(format!("example-{}.eintr", std::process::id()));
/// let console = eintr::console::listen(&path)?;
/// let workers = eintr::Group::new();
/// console.add_group("workers", &workers);
/// // Meanwhile, elsewhere: eintrctl /tmp/example-4242.eintr list
/// drop(console);
/// assert!(!path.exists());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// `AddrInUse` if somebody listens there, or if what is there is no socket of this user's; `WouldBlock` if that file is
/// held for a second, or another user's that may be opened (one that may not is `PermissionDenied`); and what the system says of the path, and where there are no resources.
pub fn listen(path: impl AsRef<Path>) -> io::Result<Console> {
    let path = std::path::absolute(path)?;
    let listener = Arc::new(socket::listen(&path)?);
    let console = Console {
        identity: socket::identity(&path),
        path,
        listener: listener.clone(),
        process: std::process::id(),
        shared: Arc::default(),
    };
    let shared = console.shared.clone();
    helper_thread::start(NAME, move || accept(&listener, &shared))?;
    Ok(console)
}

/// A console that is served until this is dropped. See [`listen`].
#[derive(Debug)]
#[must_use = "it is closed where it is dropped"]
pub struct Console {
    path: PathBuf,
    identity: Option<(u64, u64)>,
    listener: Arc<UnixListener>,
    process: u32,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    groups: Mutex<BTreeMap<String, Group>>,
    connections: AtomicUsize,
    dumps: shared::Dumps,
    is_closed: AtomicBool,
}

impl Console {
    /// Gives a group a name, by which operators can [stop](Group::stop) it. A group of that name is replaced.
    pub fn add_group(&self, name: impl Into<String>, group: &Group) {
        self.shared.groups().insert(name.into(), group.clone());
    }
}

impl Drop for Console {
    /// Replies that are under way are still given.
    fn drop(&mut self) {
        if self.process != std::process::id() {
            // The thread that accepts is not here, and what it had of this is nobody's.
            let _ = nix::unistd::close(self.listener.as_raw_fd());
            return;
        }
        self.shared.is_closed.store(true, SeqCst);
        if self.identity.is_some() && socket::identity(&self.path) == self.identity {
            let _ = std::fs::remove_file(&self.path);
        }
        socket::shut_down(&self.listener);
    }
}

impl Shared {
    fn group(&self, name: &str) -> Option<Group> {
        self.groups().get(name).cloned()
    }

    fn groups(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that counts.
struct Counted(Arc<Shared>);

impl Counted {
    /// None if there are enough.
    fn one_more(shared: &Arc<Shared>) -> Option<Self> {
        let counted = Self(shared.clone());
        (shared.connections.fetch_add(1, SeqCst) < CONNECTIONS).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, SeqCst);
    }
}

fn accept(listener: &UnixListener, shared: &Arc<Shared>) {
    while !shared.is_closed.load(SeqCst) {
        let Ok((stream, _)) = listener.accept() else {
            // There are no descriptors left, or it was closed.
            clock::pause(Duration::from_millis(10));
            continue;
        };
        begin(stream, shared);
    }
}

/// Serves it on a thread of its own. Where there is none to be had, it is closed.
fn begin(stream: UnixStream, shared: &Arc<Shared>) {
    if !socket::is_welcome(&stream) {
        return;
    }
    let Some(counted) = Counted::one_more(shared) else {
        // What is new has room for that.
        let _ = stream.set_nonblocking(true);
        let _ = connection::send(&stream, &reply::error("the console is busy"));
        let _ = stream.shutdown(Shutdown::Both);
        return;
    };
    let serve = move || {
        let Counted(shared) = &counted;
        let _ = connection::serve(&stream, |line| reply::to(line, shared));
    };
    let _ = helper_thread::start(NAME, serve);
}
