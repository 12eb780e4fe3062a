//! The user's frame on a stack: the innermost that is no library's by which one waits.
//!
//! A name of C's is taken for the user's only where there is none of Rust's: it may be that of a library, or
//! of a C library that is linked statically. musl is, and has no tables to unwind by: behind its functions no other is known.

use super::frame::Frame;
use crate::report::cure::Place;

/// std and its parts, we, and what runs other people's code or waits for it.
const PLUMBING: &[&str] = &[
    "std",
    "core",
    "alloc",
    "eintr",
    "async_io",
    "crossbeam_channel",
    "crossbeam_utils",
    "futures_executor",
    "futures_lite",
    "libc",
    "lock_api",
    "mio",
    "nix",
    "parking_lot",
    "parking_lot_core",
    "polling",
    "rayon_core",
    "rustix",
    "tokio",
    "tokio_util",
];

/// Files of the C library and the kernel's.
const LIBC: &[&str] = &["libc.", "libc-", "libpthread", "librt", "ld-", "[vdso]"];

impl Place {
    pub(in crate::report) fn of(frames: &[Frame]) -> Self {
        let user = innermost(frames, &users(frames));
        let inner = frames[..user.unwrap_or(frames.len())].iter();
        Self {
            inner: inner.filter_map(|frame| frame.function.clone()).collect(),
            user: user.map(|user| frames[user].to_string()),
        }
    }
}

/// Of each frame, whether it is a function of the program's.
pub(super) fn users(frames: &[Frame]) -> Vec<bool> {
    let ours = folder_of_ours(frames);
    frames.iter().map(|frame| is_users(frame, ours)).collect()
}

/// The place of the user's frame.
pub(super) fn innermost(frames: &[Frame], users: &[bool]) -> Option<usize> {
    let is_rusts = |frame: &Frame| {
        let is_named = frame.function.as_ref().is_some_and(|name| name.contains("::"));
        is_named || frame.location.as_ref().is_some_and(|place| place.contains(".rs:"))
    };
    let user = (0..frames.len()).find(|i| users[*i] && is_rusts(&frames[*i]));
    let last = frames.iter().rposition(|frame| frame.function.is_some());
    let end = last.filter(|_| cfg!(target_env = "musl")).unwrap_or(users.len());
    user.or_else(|| users[..end].iter().position(|is_users| *is_users))
}

/// Where our files are, as one of our functions on the stack tells. Where debug information has lines only, not
/// every name says its crate.
fn folder_of_ours(frames: &[Frame]) -> Option<&str> {
    frames.iter().find_map(|frame| {
        let place = frame.location.as_ref().filter(|_| {
            frame.function.as_ref().is_some_and(|function| crate_of(function) == "eintr")
        })?;
        const SOURCES: &str = "/src/";
        Some(&place[..place.rfind(SOURCES)? + SOURCES.len()])
    })
}

/// Whether it is a function of the program's. One without a name may be anybody's.
fn is_users(frame: &Frame, ours: Option<&str>) -> bool {
    let Some(function) = &frame.function else { return false };
    let is_libcs = |(file, _): &(String, usize)| LIBC.iter().any(|libc| file.starts_with(libc));
    let is_librarys = |file: &String| {
        let parts =
            ["library/std/src/", "library/core/src/", "library/alloc/src/", "/registry/src/"];
        let begins = [Some("/rustc/"), ours];
        begins.iter().flatten().any(|begin| file.starts_with(begin))
            || parts.iter().any(|part| file.contains(part))
    };
    let first = crate_of(function);
    !PLUMBING.contains(&first)
        && !first.starts_with("eintr_")
        && !frame.module.as_ref().is_some_and(is_libcs)
        && !frame.location.as_ref().is_some_and(is_librarys)
}

/// The crate that a function is from: that of the type in `<a::B as c::D>::e`, or of the trait where the
/// type is a parameter.
fn crate_of(function: &str) -> &str {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let of_trait = function.split_once(" as ");
    let of_trait = of_trait.filter(|(of, _)| function.starts_with('<') && !of.contains("::"));
    let path = of_trait.map_or(function, |(_, path)| path);
    let path = path.trim_start_matches(|letter| !is_part(letter));
    let path = ["mut ", "dyn "].iter().fold(path, |path, word| path.trim_start_matches(word));
    path.split(|letter| !is_part(letter)).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: Option<&str>, file: &str, location: Option<&str>) -> Frame {
        let [function, location] = [function, location].map(|text| text.map(str::to_owned));
        Frame { address: 0x10, module: Some((file.to_owned(), 0x10)), function, location }
    }

    #[test]
    fn a_crate_is_found_in_a_name() {
        for (function, expected) in [
            ("app::serve", "app"),
            ("app::serve::{{closure}}", "app"),
            ("<app::Server as std::io::Read>::read", "app"),
            ("<&mut app::Server as std::io::Read>::read", "app"),
            ("<T as app::Serve>::serve", "app"),
            ("<&T as core::convert::Into<app::U>>::into", "core"),
            ("std::sys::backtrace::__rust_begin_short_backtrace::<app::F, ()>", "std"),
            ("main", "main"),
        ] {
            assert_eq!(crate_of(function), expected, "{function}");
        }
    }

    #[test]
    fn the_users_frame_is_the_innermost_that_is_named_and_nobody_elses() {
        let frames = [
            frame(Some("__accept4"), "libc.so.6", None),
            frame(Some("std::net::TcpListener::accept"), "app", Some("/rustc/1/net.rs:1")),
            frame(None, "app", None),
            frame(Some("tiny::accept"), "app", Some("/x/registry/src/y/tiny-1.0.0/src/lib.rs:3")),
            frame(Some("app::serve"), "app", Some("src/main.rs:7")),
            frame(Some("app::main"), "app", Some("src/main.rs:9")),
        ];
        let place = Place::of(&frames);
        assert_eq!(place.user.as_deref(), Some("app::serve at src/main.rs:7"));
        assert_eq!(place.inner.len(), 3);
        let of_c = ["PQexec", "work", "start"].map(|name| frame(Some(name), "app", None));
        let from_rust = [&of_c[..1], &frames[4..]].concat();
        assert_eq!(Place::of(&from_rust).inner, ["PQexec"]);
        assert_eq!(Place::of(&of_c[1..]).user.as_deref(), Some("work in app+0x10"));
        let ends_so = [of_c[2].clone(), frame(None, "app", None)];
        assert_eq!(Place::of(&ends_so).user.is_some(), cfg!(target_env = "gnu"));
        let of_lines = [
            frame(
                Some("look<eintr::thread::Block>"),
                "app",
                Some("/x/eintr/src/thread/block.rs:123"),
            ),
            frame(Some("join<()>"), "app", Some("library/std/src/thread/lifecycle.rs:241")),
            frame(Some("serve"), "app", Some("/app/src/main.rs:7")),
            frames[5].clone(),
            frame(Some("eintr::task::Task::run"), "app", Some("/x/eintr/src/task.rs:113")),
        ];
        assert_eq!(Place::of(&of_lines).user.as_deref(), Some("serve at /app/src/main.rs:7"));
        let unnamed = Place::of(&[frame(None, "app", None), frame(None, "app", None)]);
        assert!(unnamed.user.is_none() && unnamed.inner.is_empty());
    }
}
