//! Builds the neighbours: Rust's by cargo, C's by gcc with the C library that `make install` makes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::neighbours::{Neighbour, Source};
use crate::run::Program;

pub struct Built {
    /// Where cargo has put the programs.
    programs: PathBuf,
}

pub fn all() -> Built {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member of the workspace");
    std::env::set_current_dir(root).expect("the workspace is there");
    let programs = std::env::current_exe().expect("/proc is there");
    let programs = programs.parent().expect("a folder").to_path_buf();
    must(Command::new(env!("CARGO")).args([
        "build",
        "--quiet",
        "--release",
        "-p",
        "eintr-company",
        "--bins",
    ]));
    Built { programs }
}

impl Built {
    /// How it is started, or why it cannot be.
    pub fn command(&self, neighbour: &Neighbour) -> Result<Program, String> {
        let environment = Vec::new();
        let arguments = |all: &[&str]| all.iter().map(|each| each.to_string()).collect();
        match neighbour.source {
            Source::Program(name) => {
                Ok(Program { path: self.programs.join(name), environment, arguments: Vec::new() })
            }
            Source::Neighbour(all) => Ok(Program {
                path: self.programs.join("neighbour"),
                environment,
                arguments: arguments(all),
            }),
        }
    }
}

fn must(command: &mut Command) {
    let status = command.stdin(Stdio::null()).status();
    let status = status.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
