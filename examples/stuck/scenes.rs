//! All scenes.

use super::scene::Made;
use super::{events, files, processes, sockets};

/// A maker for each scene. A scene is made when its turn comes and dropped after it.
pub fn all() -> impl Iterator<Item = fn() -> Made> {
    [files::SCENES, sockets::SCENES, events::SCENES, processes::SCENES, NONE].concat().into_iter()
}

/// What has no scene, and why.
const NONE: &[fn() -> Made] = &[
    || {
        Err("io::pread, pwrite, copy_file_range: what has positions does not keep its reader waiting".into())
    },
    || Err("io::getrandom: it waits at boot only".into()),
    || Err("terminal::tcdrain: a pty is drained at once".into()),
];
