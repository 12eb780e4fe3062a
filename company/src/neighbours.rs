//! The neighbours, and in one place what is known not to work beside them.

use eintr_company::Mode;

pub struct Neighbour {
    pub name: &'static str,
    pub source: Source,
    /// Where it is known to differ from the run without us.
    pub limits: &'static [Limit],
}

pub enum Source {
    /// A program of the package.
    Program(&'static str),
    /// The program `neighbour`, with these arguments.
    Neighbour(&'static [&'static str]),
}

/// A difference that is documented. The list is exact: where it does not show, the run fails.
pub struct Limit {
    pub modes: &'static [Mode],
    pub why: &'static str,
}

const fn neighbour(name: &'static str, source: Source) -> Neighbour {
    Neighbour { name, source, limits: &[] }
}

use Source::{Neighbour as Plain, Program};

pub const NEIGHBOURS: &[Neighbour] = &[
    neighbour("glibc's allocator, forks", Plain(&["forks"])),
    neighbour("jemalloc, forks", Program("jemalloc")),
    neighbour("mimalloc, forks", Program("mimalloc")),
    neighbour("a dispatcher before us", Plain(&["dispatch", "before"])),
    neighbour("a dispatcher after us", Plain(&["dispatch", "after"])),
];
