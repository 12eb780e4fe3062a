//! The calls that this crate offers, as its sources say: each free function that is public, by
//! module and name.

use std::fs;
use std::path::Path;

/// Where they are.
const SOURCES: &[&str] = &["src/calls", "src/sync/futex.rs"];

/// `io::read` and all others.
pub fn calls() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut calls = Vec::new();
    for source in SOURCES {
        visit(&root.join(source), &mut calls);
    }
    calls.sort();
    calls
}

fn visit(path: &Path, calls: &mut Vec<String>) {
    if path.is_dir() {
        return fs::read_dir(path).unwrap().flatten().for_each(|entry| visit(&entry.path(), calls));
    }
    let text = fs::read_to_string(path).unwrap();
    let module = module(path);
    let names = text.lines().filter_map(|line| line.strip_prefix("pub fn ")).filter_map(name);
    calls.extend(names.map(|name| format!("{module}::{name}")));
}

/// The public module that a source belongs to: the folder or file below `calls` or `src`.
fn module(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let src = parts.iter().rposition(|part| part == "src").expect("a source") + 1;
    let first = if parts[src] == "calls" { src + 1 } else { src };
    parts[first].trim_end_matches(".rs").to_owned()
}

fn name(rest: &str) -> Option<&str> {
    rest.split(|char: char| !char.is_alphanumeric() && char != '_').next()
}
