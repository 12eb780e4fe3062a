//! `include/eintr.h` says what `src/capi` does: the same functions, with the same types.
//!
//! The test works like this: both are read as text and brought into one form, in C's words. (No
//! compiler compares them: to C they are symbols without a type.) What the header promises of values
//! is for the C tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The result and the arguments' types of each function.
type Signatures = BTreeMap<String, (String, Vec<String>)>;

fn source(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Splits at commas that are in no parentheses.
fn arguments(text: &str) -> Vec<String> {
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(c);
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// Where the parenthesis that is open before the text ends.
fn closing(text: &str) -> usize {
    let mut depth = 1;
    for (i, c) in text.char_indices() {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        if depth == 0 {
            return i;
        }
    }
    panic!("not closed: {text}");
}

/// The header's prototypes.
fn in_c() -> Signatures {
    let header = source("include/eintr.h");
    let mut code = String::new();
    let mut rest = header.as_str();
    while let Some((before, comment)) = rest.split_once("/*") {
        code.push_str(before);
        rest = comment.split_once("*/").expect("a comment ends").1;
    }
    code.push_str(rest);
    let code: Vec<&str> = code.lines().filter(|line| !line.starts_with('#')).collect();
    let mut found = Signatures::new();
    for statement in one_line(&code.join(" ")).split(';') {
        let Some((before, rest)) = statement.split_once('(') else { continue };
        let start = before.rfind([' ', '*']).map_or(0, |place| place + 1);
        let (result, name) = before.split_at(start);
        if !name.starts_with("eintr_") {
            continue;
        }
        let result = result.rsplit(['{', '}']).next().unwrap();
        let list = &rest[..closing(rest)];
        let list = if list == "void" { "" } else { list };
        let types = arguments(list).iter().map(|argument| c_type(argument, true)).collect();
        found.insert(name.to_owned(), (c_type(result, false), types));
    }
    found
}

/// A type of C's without the argument's name, and with what a typedef stands for.
fn c_type(text: &str, named: bool) -> String {
    // A function that is handed over.
    if let Some((result, rest)) = text.split_once(" (*") {
        return format!("{result}(*){}", rest.split_once(')').unwrap().1);
    }
    let stars = text.matches('*').count();
    let text = text.replace('*', " ");
    let mut words: Vec<&str> = text.split_whitespace().collect();
    words.retain(|word| !matches!(*word, "struct" | "EINTR_NODISCARD"));
    if named && words.len() > 1 {
        words.pop();
    }
    let is_const = words.first() == Some(&"const");
    words.retain(|word| *word != "const");
    let base = match words.join(" ").as_str() {
        "eintr_task" | "eintr_interrupter" | "eintr_scope" => "uint64_t".into(),
        "eintr_sem" | "eintr_cond" => "uint32_t".into(),
        other => other.to_owned(),
    };
    let is_const = if is_const && stars > 0 { "const " } else { "" };
    format!("{is_const}{base}{}", " *".repeat(stars).trim_end())
}

/// The functions that are exported, and those that a macro makes.
fn in_rust() -> Signatures {
    let mut found = Signatures::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/capi")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let text = one_line(&fs::read_to_string(entry.path()).unwrap());
            for (i, _) in text.match_indices(" eintr_") {
                let before = &text[..i];
                if !before.ends_with("extern \"C\" fn") && !before.ends_with(")\"") {
                    continue;
                }
                let (name, rest) = text[i + 1..].split_once('(').unwrap();
                let list = &rest[..closing(rest)];
                let result = rest[list.len() + 1..].trim_start().strip_prefix("-> ");
                let result = result.map_or("()", |rest| rest.split(['{', '=']).next().unwrap());
                let kind = |argument: &String| rust_type(argument.split_once(": ").unwrap().1);
                let types = arguments(list).iter().map(kind).collect();
                found.insert(name.to_owned(), (rust_type(result), types));
            }
        }
    }
    found
}

/// A type of Rust's, in C's words.
fn rust_type(text: &str) -> String {
    let text = text.trim();
    let function = |text: &str| {
        let (list, result) =
            text.strip_prefix("Option<unsafe extern \"C\" fn(")?.split_once(')')?;
        let result = result.strip_suffix('>')?.strip_prefix(" -> ").unwrap_or("c_void");
        Some(format!("{}(*)({})", rust_type(result), rust_type(list)))
    };
    if let Some(function) = function(text) {
        return function;
    }
    if let Some(to) = text.strip_prefix("*mut ") {
        return format!("{} *", rust_type(to)).replace("* *", "**");
    }
    if let Some(to) = text.strip_prefix("*const ") {
        return format!("const {} *", rust_type(to));
    }
    match text.rsplit("::").next().unwrap() {
        "c_int" => "int",
        "c_uint" => "unsigned",
        "c_long" => "long",
        "c_char" => "char",
        "c_void" => "void",
        "i64" => "int64_t",
        "u64" => "uint64_t",
        "u32" => "uint32_t",
        "isize" => "intptr_t",
        "CReason" => "eintr_reason",
        "CSupport" => "eintr_support",
        "Word" => "uint32_t",
        same => same,
    }
    .to_owned()
}

#[test]
fn the_header_and_the_code_agree() {
    let (c, rust) = (in_c(), in_rust());
    assert!(c.len() > 70, "{} functions are too few: {:?}", c.len(), c.keys());
    for (name, signature) in &rust {
        assert_eq!(c.get(name), Some(signature), "{name}: the header (left) and the code (right)");
    }
    for name in c.keys() {
        assert!(rust.contains_key(name), "{name} is in the header only");
    }
}

/// The numbers that the header gives to names, and those of the code.
#[test]
fn the_numbers_agree() {
    let header = source("include/eintr.h");
    let code: String =
        ["ask", "reason", "tasks"].map(|file| source(&format!("src/capi/{file}.rs"))).concat();
    let mut compared = 0;
    for line in header.lines().filter_map(|line| line.strip_prefix("#define EINTR_")) {
        let Some((name, number)) = line.split_once(' ') else { continue };
        let number = number.trim_end_matches('u');
        if matches!(name, "NODISCARD" | "ABSENT" | "SECOND_BEST" | "EXACT") {
            continue; // no number; or a match, which the C tests look at
        }
        let constant = format!("const {name}: ");
        let (_, rest) =
            code.split_once(&constant).unwrap_or_else(|| panic!("{name} is no constant"));
        let value = rest.split_once(" = ").unwrap().1.split_once(';').unwrap().0;
        assert_eq!(value, number, "{name}");
        compared += 1;
    }
    assert_eq!(compared, 15);
}

/// Where POSIX.1-2024 has a thread be cancelled; `usleep` is of the one before it.
const CANCELLATION_POINTS: &str = "accept accept4 aio_suspend clock_nanosleep close cnd_timedwait cnd_wait connect creat fcntl \
    fdatasync fsync lockf mq_receive mq_send mq_timedreceive mq_timedsend msgrcv msgsnd msync nanosleep open openat \
    pause poll ppoll pread preadv pselect pthread_cond_clockwait pthread_cond_timedwait pthread_cond_wait pthread_join \
    pthread_testcancel pwrite pwritev read readv recv recvfrom recvmsg select sem_clockwait sem_timedwait sem_wait send sendmsg \
    sendto sigsuspend sigtimedwait sigwait sigwaitinfo sleep tcdrain thrd_join thrd_sleep usleep wait waitid waitpid write writev";

/// For each there is a function, or why there is none is told.
#[test]
fn every_point_of_cancellation_has_its_function() {
    let (header, page) = (in_c(), source("docs/cancellation.md"));
    let rows: BTreeMap<&str, &str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "))
        .collect();
    assert!(rows.keys().copied().eq(CANCELLATION_POINTS.split_whitespace()), "{rows:?}");
    for (point, here) in rows {
        let is_there = here.strip_prefix('`').and_then(|name| name.strip_suffix('`'));
        let is_there = is_there.is_some_and(|name| header.contains_key(name));
        let must_be = header.contains_key(&format!("eintr_{point}"));
        assert!(is_there || here.starts_with("none: ") && !must_be, "{point}: {here}");
    }
}
