//! The calls that this crate offers, as its sources say: each free function that is public.

use std::fs;
use std::path::Path;

/// Where they are.
const SOURCES: &[&str] = &["src/calls", "src/sync/futex.rs"];

/// A call.
pub struct Call {
    /// `io::read`.
    pub name: String,
    /// What is said about it.
    pub docs: String,
    /// From its arguments to its body.
    pub signature: String,
}

/// All of them.
pub fn calls() -> Vec<Call> {
    let mut calls = Vec::new();
    each_source(|path, text| {
        let path = path.to_string_lossy();
        if SOURCES.iter().any(|source| path.starts_with(source)) {
            calls_in(&path, text, &mut calls);
        }
    });
    assert!(calls.len() > 50, "the sources were not read right: {} calls", calls.len());
    calls
}

/// Reads each source of the library, with its path from the crate's root.
pub fn each_source(mut read: impl FnMut(&Path, &str)) {
    visit(Path::new("src"), &mut read);
}

fn visit(path: &Path, read: &mut impl FnMut(&Path, &str)) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if here.is_dir() {
        let entries = fs::read_dir(here).unwrap().flatten();
        entries.for_each(|entry| visit(&path.join(entry.file_name()), read));
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        read(path, &fs::read_to_string(here).unwrap());
    }
}

fn calls_in(path: &str, text: &str, calls: &mut Vec<Call>) {
    let module = module(path);
    let mut docs = String::new();
    for line in text.lines() {
        if let Some(said) = line.strip_prefix("///") {
            docs += said;
            docs += "\n";
        } else if let Some(name) = line.strip_prefix("pub fn ") {
            let is_part = |char: char| char.is_alphanumeric() || char == '_';
            let name = name.split(|char| !is_part(char)).next().unwrap();
            let name = format!("{module}::{name}");
            let signature = after(text, line).split('{').next().unwrap().to_owned();
            calls.push(Call { name, docs: std::mem::take(&mut docs), signature });
        } else if !line.starts_with("#[") {
            docs.clear();
        }
    }
}

/// The text from that line of it on.
fn after<'a>(text: &'a str, line: &str) -> &'a str {
    &text[line.as_ptr() as usize - text.as_ptr() as usize..]
}

/// The public module that a source belongs to: the folder or file below `src` or `src/calls`.
fn module(path: &str) -> &str {
    let path = path.trim_start_matches("src/").trim_start_matches("calls/");
    path.split('/').next().unwrap().trim_end_matches(".rs")
}
