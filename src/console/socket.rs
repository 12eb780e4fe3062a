//! The console's socket: who may connect, and whose it is.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{
    AddressFamily, Backlog, Shutdown, SockFlag, SockType, UnixAddr, bind, connect, getsockopt,
    listen as begin_to_listen, shutdown, socket, sockopt,
};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::geteuid;

use crate::kernel::clock;

/// A socket that only this user and root can connect to, from the first moment: its mode is set before it has a name,
/// and what it is bound to has that mode. (Rejected: `chmod` after `bind`, which leaves a moment; and the umask, which is the whole process's.)
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    let address = UnixAddr::new(path)?;
    let unbound = new(SockFlag::empty())?;
    fchmod(&unbound, Mode::S_IRUSR | Mode::S_IWUSR)?;
    // Two that find a left-over at the same moment must not each take the other's new one for it.
    let _alone = Alone::at(path)?;
    match bind(unbound.as_raw_fd(), &address) {
        Err(Errno::EADDRINUSE) if is_left_over(path, &address) => {
            fs::remove_file(path)?;
            bind(unbound.as_raw_fd(), &address)?;
        }
        bound => bound?,
    }
    begin_to_listen(&unbound, Backlog::new(16)?)?;
    Ok(unbound.into())
}

fn new(flags: SockFlag) -> nix::Result<OwnedFd> {
    socket(AddressFamily::Unix, SockType::Stream, flags | SockFlag::SOCK_CLOEXEC, None)
}

/// A lock that only this user and root can take: a file beside the socket, which goes with its holder. (Rejected: the
/// directory's own lock, which whoever may read it can hold; and to put what is there aside, look, and put it back:
/// of three at once, one that is alive may lose its name.)
struct Alone {
    path: PathBuf,
    _file: Flock<File>,
}

impl Alone {
    fn at(socket: &Path) -> io::Result<Self> {
        let path: PathBuf =
            [socket.as_os_str(), ".lock".as_ref()].into_iter().collect::<OsString>().into();
        let mut options = File::options();
        options.write(true).create(true).mode(0o600);
        // A FIFO of that name would wait.
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        for _ in 0..100 {
            let file = options.open(&path)?;
            let opened = file.metadata()?;
            if opened.uid() != geteuid().as_raw() {
                break;
            }
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                // The one before may have taken the file with it.
                Ok(file) if identity(&path) == Some((opened.dev(), opened.ino())) => {
                    return Ok(Self { path, _file: file });
                }
                Ok(_) | Err((_, Errno::EWOULDBLOCK)) => clock::pause(Duration::from_millis(10)),
                Err((_, errno)) => return Err(errno.into()),
            }
        }
        let held = format!("{} is somebody else's", path.display());
        Err(io::Error::new(io::ErrorKind::WouldBlock, held))
    }
}

impl Drop for Alone {
    /// Before the lock is let go of.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether a socket of this user's is there, on which nobody listens. Not waiting: of one that is too busy, somebody takes care.
fn is_left_over(path: &Path, address: &UnixAddr) -> bool {
    let is_own_socket = fs::symlink_metadata(path)
        .is_ok_and(|there| there.file_type().is_socket() && there.uid() == geteuid().as_raw());
    let refuses = || {
        let asks = new(SockFlag::SOCK_NONBLOCK)?;
        connect(asks.as_raw_fd(), address)
    };
    is_own_socket && refuses() == Err(Errno::ECONNREFUSED)
}

/// What is there: its device and inode.
pub(super) fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|there| (there.dev(), there.ino()))
}

/// Wakes who accepts there.
pub(super) fn shut_down(listener: &UnixListener) {
    let _ = shutdown(listener.as_raw_fd(), Shutdown::Both);
}

/// Whether the peer is this user, or root.
pub(super) fn is_welcome(stream: &UnixStream) -> bool {
    let own = geteuid().as_raw();
    getsockopt(stream, sockopt::PeerCredentials)
        .is_ok_and(|peer| may_enter(peer.uid(), own, nobody()))
}

/// Whoever our user namespace does not map is shown as that user, which tells nothing then.
fn nobody() -> Option<u32> {
    let maps_all = |map: String| map.split_whitespace().eq(["0", "0", "4294967295"]);
    if fs::read_to_string("/proc/self/uid_map").is_ok_and(maps_all) {
        return None;
    }
    let nobody = fs::read_to_string("/proc/sys/kernel/overflowuid").ok();
    nobody.and_then(|nobody| nobody.trim().parse().ok()).or(Some(65534))
}

fn may_enter(peer: u32, own: u32, nobody: Option<u32>) -> bool {
    peer == 0 || peer == own && Some(peer) != nobody
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_let_in_for_who_it_may_be() {
        assert!(may_enter(0, 1000, None) && may_enter(1000, 1000, Some(65534)));
        assert!(!may_enter(1001, 1000, None));
        assert!(may_enter(65534, 65534, None) && !may_enter(65534, 65534, Some(65534)));
    }
}
