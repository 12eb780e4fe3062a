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
    let code: String = ["requester", "reason", "tasks"]
        .map(|file| source(&format!("src/capi/{file}.rs")))
        .concat();
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

/// Where a thread may be cancelled, by pthreads(7) of Linux man-pages 6.03, which has the lists of POSIX.1-2001 and -2008.
const MUST: &str = "accept aio_suspend clock_nanosleep close connect creat fcntl fdatasync fsync getmsg getpmsg lockf mq_receive mq_send \
    mq_timedreceive mq_timedsend msgrcv msgsnd msync nanosleep open openat pause poll pread pselect pthread_cond_timedwait \
    pthread_cond_wait pthread_join pthread_testcancel putmsg putpmsg pwrite read readv recv recvfrom recvmsg select \
    sem_timedwait sem_wait send sendmsg sendto sigpause sigsuspend sigtimedwait sigwait sigwaitinfo sleep system tcdrain \
    usleep wait waitid waitpid write writev";

/// Where POSIX allows it.
const MAY: &str = "access asctime asctime_r catclose catgets catopen chmod chown closedir closelog ctermid ctime ctime_r dbm_close \
    dbm_delete dbm_fetch dbm_nextkey dbm_open dbm_store dlclose dlopen dprintf endgrent endhostent endnetent endprotoent \
    endpwent endservent endutxent faccessat fchmod fchmodat fchown fchownat fclose fcntl fflush fgetc fgetpos fgets fgetwc \
    fgetws fmtmsg fopen fpathconf fprintf fputc fputs fputwc fputws fread freopen fscanf fseek fseeko fsetpos fstat \
    fstatat ftell ftello ftw futimens fwprintf fwrite fwscanf getaddrinfo getc getc_unlocked getchar getchar_unlocked \
    getcwd getdate getdelim getgrent getgrgid getgrgid_r getgrnam getgrnam_r gethostbyaddr gethostbyname gethostent \
    gethostid gethostname getline getlogin getlogin_r getnameinfo getnetbyaddr getnetbyname getnetent getopt \
    getprotobyname getprotobynumber getprotoent getpwent getpwnam getpwnam_r getpwuid getpwuid_r gets getservbyname \
    getservbyport getservent getutxent getutxid getutxline getwc getwchar getwd glob iconv_close iconv_open ioctl link \
    linkat lio_listio localtime localtime_r lockf lseek lstat mkdir mkdirat mkdtemp mkfifo mkfifoat mknod mknodat mkstemp \
    mktime nftw opendir openlog pathconf pclose perror popen posix_fadvise posix_fallocate posix_madvise posix_openpt \
    posix_spawn posix_spawnp posix_trace_clear posix_trace_close posix_trace_create posix_trace_create_withlog \
    posix_trace_eventtypelist_getnext_id posix_trace_eventtypelist_rewind posix_trace_flush posix_trace_get_attr \
    posix_trace_get_filter posix_trace_get_status posix_trace_getnext_event posix_trace_open posix_trace_rewind \
    posix_trace_set_filter posix_trace_shutdown posix_trace_timedgetnext_event posix_typed_mem_open printf psiginfo \
    psignal pthread_rwlock_rdlock pthread_rwlock_timedrdlock pthread_rwlock_timedwrlock pthread_rwlock_wrlock putc \
    putc_unlocked putchar putchar_unlocked puts pututxline putwc putwchar readdir readdir_r readlink readlinkat remove \
    rename renameat rewind rewinddir scandir scanf seekdir semop setgrent sethostent setnetent setprotoent setpwent \
    setservent setutxent sigpause stat strerror strerror_r strftime symlink symlinkat sync syslog tmpfile tmpnam ttyname \
    ttyname_r tzset ungetc ungetwc unlink unlinkat utime utimensat utimes vdprintf vfprintf vfwprintf vprintf vwprintf \
    wcsftime wordexp wprintf wscanf";

/// Those that POSIX.1-2024 has added, of C11's threads and of its own.
const SINCE: &str = "accept4 cnd_timedwait cnd_wait ppoll pthread_cond_clockwait sem_clockwait thrd_join thrd_sleep";

/// "This function is a cancellation point", say the headers of glibc 2.36; and some that are made of such.
const BY_GLIBC: &str = "epoll_pwait epoll_pwait2 epoll_wait fallocate gai_suspend open_by_handle_at preadv preadv2 pthread_clockjoin_np \
    pthread_timedjoin_np pwritev pwritev2 recvmmsg sendmmsg splice sync_file_range tee vmsplice wait3 wait4";

/// The rows of a table: its points, and what is said of them.
fn rows<'page>(page: &'page str, heading: &str) -> Vec<(Vec<&'page str>, &'page str)> {
    let table = page.split_once(heading).unwrap().1.split("\n## ").next().unwrap();
    let row = |line: &'page str| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | ");
    table
        .lines()
        .filter_map(row)
        .map(|(points, here)| (points.split("` `").collect(), here))
        .collect()
}

/// For each there is a function, or why there is none is told.
#[test]
fn every_point_of_cancellation_has_its_function() {
    let (header, page) = (in_c(), source("docs/cancellation.md"));
    for (heading, lists) in [
        ("## Where POSIX demands", [MUST, SINCE]),
        ("## Where glibc", [BY_GLIBC, ""]),
        ("## Where POSIX allows", [MAY, ""]),
    ] {
        let rows = rows(&page, heading);
        let mut told: Vec<&str> = rows.iter().flat_map(|(points, _)| points).copied().collect();
        let mut listed: Vec<&str> = lists.iter().flat_map(|list| list.split_whitespace()).collect();
        told.sort_unstable();
        listed.sort_unstable();
        assert_eq!(told, listed, "{heading}");
        for (points, here) in rows {
            let named = here.strip_prefix('`').and_then(|name| name.strip_suffix('`'));
            assert!(named.is_none_or(|name| header.contains_key(name)), "{here}");
            for point in points {
                let has_one = header.contains_key(&format!("eintr_{point}"));
                assert!(named.is_some() || !has_one, "{point}: {here}");
            }
        }
    }
}
