//! [`Frame`], and the address that it is made of.

use std::fmt;

/// One function on a [`Stack`](super::Stack). Functions that the compiler has put into others have frames of
/// their own, with the same address.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// The address of the code: the next instruction, or the one that is returned to.
    pub address: usize,
    /// The file that the code is from, and the address in that file.
    pub module: Option<(String, usize)>,
    /// The function's name, if the file tells it.
    pub function: Option<String>,
    /// The source file and the line, if there is debugging information.
    pub location: Option<String>,
}

/// An address of the code on a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Address {
    /// As it is.
    pub(super) shown: usize,
    /// Within the instruction that it belongs to: before it, for one that is returned to.
    pub(super) looked_up: usize,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.function {
            Some(function) => f.write_str(function)?,
            None => write!(f, "{:#x}", self.address)?,
        }
        match (&self.location, &self.module) {
            (Some(location), _) => write!(f, " at {}", of_std(location)),
            (None, Some((file, offset))) => write!(f, " in {file}+{offset:#x}"),
            (None, None) => Ok(()),
        }
    }
}

/// A file of std's by its name among std's: where it was compiled is of no use here.
fn of_std(location: &str) -> &str {
    let compiled = location.strip_prefix("/rustc/").and_then(|rest| rest.split_once('/'));
    compiled.map_or(location, |(_hash, file)| file)
}
