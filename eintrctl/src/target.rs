//! Where the console is: a path, or a process's socket.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// The socket of a process id, or of a path.
pub fn socket(target: &str) -> Result<PathBuf, String> {
    match target.parse::<u32>() {
        Ok(pid) => socket_of(pid).ok_or_else(|| {
            format!("process {pid} has no console that can be seen: it may be another user's, or have opened none")
        }),
        Err(_) => Ok(target.into()),
    }
}

/// A console's descriptor has a mode that other sockets' have not: it is set before the socket is bound. The path is
/// the process's own view.
fn socket_of(pid: u32) -> Option<PathBuf> {
    let sockets = fs::read_to_string(format!("/proc/{pid}/net/unix")).ok()?;
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    let mut found = descriptors.filter_map(|descriptor| {
        let link = fs::read_link(descriptor.path()).ok()?;
        let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
        let is_console = fs::metadata(descriptor.path()).ok()?.mode() & 0o777 == 0o600;
        is_console.then(|| path_of(&sockets, inode)).flatten()
    });
    let path = found.next()?;
    let inside = PathBuf::from(format!("/proc/{pid}/root{path}"));
    Some(if inside.exists() { inside } else { path.into() })
}

/// The path of the listening socket of that inode, in `/proc/net/unix`.
fn path_of(sockets: &str, inode: &str) -> Option<String> {
    const LISTENS: &str = "00010000";
    sockets.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let flags = words.nth(3)?;
        let is_it = flags == LISTENS && words.nth(2)? == inode;
        // The path may hold spaces.
        is_it.then(|| line[line.find(" /")? + 1..].to_owned().into()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::path_of;

    #[test]
    fn a_path_is_found_by_its_inode() {
        let sockets = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            00000000: 00000002 00000000 00010000 0001 01 11 /run/one\n\
            00000000: 00000003 00000000 00000000 0001 03 12 /run/other\n\
            00000000: 00000002 00000000 00010000 0001 01 13 /run/a b\n\
            00000000: 00000002 00000000 00010000 0001 01 14 @abstract\n";
        assert_eq!(path_of(sockets, "11").as_deref(), Some("/run/one"));
        assert_eq!(path_of(sockets, "12"), None);
        assert_eq!(path_of(sockets, "13").as_deref(), Some("/run/a b"));
        assert_eq!(path_of(sockets, "14"), None);
    }
}
