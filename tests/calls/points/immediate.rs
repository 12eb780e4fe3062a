//! Calls that wait for nothing that a test can hold back: of a file with positions, of the random
//! device, of a terminal that takes its output at once. What is left of the points is what happens
//! before the call and to its result.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use eintr::{Error, io, terminal};
use nix::pty::openpty;

/// One call.
pub struct Row {
    pub call: &'static str,
    pub make: fn() -> Case,
}

/// A call and the object that it is made on.
pub struct Case {
    pub call: Box<dyn FnMut() -> Result<(), Error>>,
    /// Whether the call has happened, as its object shows.
    pub happened: Box<dyn Fn() -> bool>,
}

pub const ROWS: &[Row] = &[
    Row { call: "io::pread", make: pread },
    Row { call: "io::pwrite", make: pwrite },
    Row { call: "io::copy_file_range", make: copy_file_range },
    Row { call: "io::getrandom", make: getrandom },
    Row { call: "terminal::tcdrain", make: tcdrain },
];

const CONTENT: &[u8] = b"0123456789";

/// A file with that in it, without a name.
fn file_of(content: &[u8]) -> File {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("eintr-immediate-{}-{number}", std::process::id());
    let path: PathBuf = std::env::temp_dir().join(name);
    fs::write(&path, content).unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    fs::remove_file(path).unwrap();
    file
}

fn content(file: &File) -> Vec<u8> {
    let mut content = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut content, 0).unwrap();
    content
}

/// A call that fills a buffer.
fn filling(mut fill: impl FnMut(&mut [u8]) -> Result<usize, Error> + 'static) -> Case {
    let buffer = Rc::new(std::cell::Cell::new([0; 16]));
    let seen = buffer.clone();
    Case {
        call: Box::new(move || {
            let mut bytes = buffer.get();
            let filled = fill(&mut bytes);
            buffer.set(bytes);
            filled.map(drop)
        }),
        happened: Box::new(move || seen.get() != [0; 16]),
    }
}

fn pread() -> Case {
    let file = file_of(CONTENT);
    filling(move |buffer| io::pread(&file, buffer, 3))
}

fn getrandom() -> Case {
    filling(io::getrandom)
}

fn pwrite() -> Case {
    let file = Rc::new(file_of(CONTENT));
    let seen = file.clone();
    Case {
        call: Box::new(move || io::pwrite(&file, b"x", 3).map(drop)),
        happened: Box::new(move || content(&seen) != CONTENT),
    }
}

fn copy_file_range() -> Case {
    let (from, to) = (file_of(CONTENT), Rc::new(file_of(b"")));
    let seen = to.clone();
    Case {
        call: Box::new(move || {
            let mut offset = 0;
            let copied = io::copy_file_range(&from, Some(&mut offset), &to, Some(&mut 0), 4);
            assert_eq!(offset, copied.as_ref().map_or(0, |copied| *copied as u64));
            copied.map(drop)
        }),
        happened: Box::new(move || !content(&seen).is_empty()),
    }
}

/// It changes nothing, so that it has happened is told by its result alone.
fn tcdrain() -> Case {
    let pty = openpty(None, None).unwrap();
    let (master, slave) = (pty.master, pty.slave);
    io::write(&slave, b"out").unwrap();
    let drained = Rc::new(std::cell::Cell::new(false));
    let seen = drained.clone();
    Case {
        call: Box::new(move || {
            let _open = &master;
            terminal::tcdrain(&slave)?;
            drained.set(true);
            Ok(())
        }),
        happened: Box::new(move || seen.get()),
    }
}
