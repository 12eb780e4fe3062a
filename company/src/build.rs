//! Builds the neighbours: Rust's by cargo, C's by gcc with the C library that `make install` makes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::neighbours::{Neighbour, Source};
use crate::run::Program;

pub struct Built {
    /// Where cargo has put the programs.
    programs: PathBuf,
    /// Where gcc and go put theirs, and the C library.
    out: PathBuf,
}

pub fn all() -> Built {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member of the workspace");
    std::env::set_current_dir(root).expect("the workspace is there");
    let programs = std::env::current_exe().expect("/proc is there");
    let programs = programs.parent().expect("a folder").to_path_buf();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--release", "-p", "eintr-company", "--bins"]);
    if cfg!(feature = "allocators") {
        cargo.args(["--features", "allocators"]);
    }
    must(&mut cargo);
    let out = root.join("target/company");
    let prefix = format!("PREFIX={}", out.display());
    // With a DESTDIR, it leaves the loader's list alone.
    must(Command::new("make").args(["--silent", "install", "DESTDIR=/", &prefix]));
    let copied = std::fs::copy(out.join("lib/libeintr.so"), out.join("lib/libeintr_copy.so"));
    copied.expect("just installed");
    Built { programs, out }
}

impl Built {
    /// A program in C, with the flags that it needs beside our library's.
    fn gcc(&self, source: &str, flags: &[&str], arguments: &[&str]) -> Result<Program, String> {
        let path = self.out.join(source);
        let lib = self.out.join("lib");
        output(
            Command::new("gcc")
                .args(["-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror"])
                .arg(format!("-I{}", self.out.join("include").display()))
                .arg(format!("company/c/{source}.c"))
                .arg("-o")
                .arg(&path)
                .arg(format!("-L{}", lib.display()))
                .arg(format!("-Wl,-rpath,{}", lib.display()))
                .args(["-leintr", "-pthread"])
                .args(flags),
        )?;
        let arguments = arguments.iter().map(ToString::to_string).collect();
        Ok(Program { path, environment: Vec::new(), arguments })
    }

    /// How it is started, or why it cannot be.
    pub fn command(&self, neighbour: &Neighbour) -> Result<Program, String> {
        let program = |name, arguments: &[&str]| Program {
            path: self.programs.join(name),
            environment: Vec::new(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
        };
        match neighbour.source {
            Source::Program(name) if !cfg!(feature = "allocators") => {
                Err(format!("{name} is built with --features allocators"))
            }
            Source::Program(name) => Ok(program(name, &[])),
            Source::Neighbour(arguments) => Ok(program("neighbour", arguments)),
            Source::Preloaded(library, arguments) => {
                let library = library_path(library)?;
                let preload = ("LD_PRELOAD".to_owned(), library);
                Ok(Program { environment: vec![preload], ..program("neighbour", arguments) })
            }
            Source::C(source, package, argument) => {
                let flags = package.map_or(Ok(String::new()), |package| {
                    output(Command::new("pkg-config").args(["--cflags", "--libs", package]))
                })?;
                let flags: Vec<&str> = flags.split_whitespace().collect();
                self.gcc(source, &flags, &[argument])
            }
            Source::Go(argument) => {
                let library = self.out.join("lib/libcompany_go.so");
                output(
                    Command::new("go")
                        .args(["build", "-buildmode=c-shared", "-o"])
                        .arg(&library)
                        .arg("company/go/main.go"),
                )?;
                self.gcc("go", &["-lcompany_go"], &[argument])
            }
            Source::Python(argument) => {
                let path: PathBuf = "company/python/beside_faulthandler.py".into();
                output(Command::new("/usr/bin/python3").arg("-V"))?;
                Ok(Program { path, ..program("", &[argument]) })
            }
            Source::OpenMp => self.gcc("openmp", &["-fopenmp"], &[]),
            Source::Cxx20 => {
                output(
                    Command::new("g++")
                        .args([
                            "-std=c++20",
                            "-O2",
                            "-Wall",
                            "-Wextra",
                            "-Werror",
                            "-fPIC",
                            "-shared",
                        ])
                        .arg("company/c/cxx20.cpp")
                        .arg("-o")
                        .arg(self.out.join("lib/libcompany_cxx20.so")),
                )?;
                self.gcc("cxx20", &["-lcompany_cxx20"], &[])
            }
            Source::Java => {
                let home = "/usr/lib/jvm/default-java";
                let flags = [
                    format!("-I{home}/include"),
                    format!("-I{home}/include/linux"),
                    format!("-L{home}/lib/server"),
                    format!("-Wl,-rpath,{home}/lib/server"),
                    "-ljvm".to_owned(),
                ];
                self.gcc("jvm", &flags.each_ref().map(String::as_str), &[])
            }
        }
    }
}

/// What it prints, or what it complains of.
fn output(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Where the loader finds that library.
fn library_path(name: &str) -> Result<String, String> {
    let known = Command::new("/sbin/ldconfig").arg("-p").output();
    let known = known.map_err(|error| format!("ldconfig: {error}"))?.stdout;
    let known = String::from_utf8_lossy(&known).into_owned();
    let line = known.lines().find(|line| line.trim_start().starts_with(&format!("{name} ")));
    let path = line.and_then(|line| line.split("=> ").nth(1));
    path.map(str::to_owned).ok_or_else(|| format!("there is no {name}"))
}

fn must(command: &mut Command) {
    let status = command.stdin(Stdio::null()).status();
    let status = status.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
