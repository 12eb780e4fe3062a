//! One connection: a line in, a line out, each within its time.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::reply;

/// The longest request.
const LINE: usize = 4096;
/// How long one may take.
const REQUEST: Duration = Duration::from_secs(5);
/// How long the reply may take to be read.
const ANSWER: Duration = Duration::from_secs(10);

/// Reads the request, and sends the reply.
pub(super) fn serve(stream: &UnixStream, reply: impl Fn(&[u8]) -> Value) -> io::Result<()> {
    let line = line(stream)?;
    // A reason of the program's, or a hook, may panic.
    let replied = catch_unwind(AssertUnwindSafe(|| reply(&line)));
    let panicked = |_| reply::error("the program panicked over that");
    send(stream, &replied.unwrap_or_else(panicked))
}

/// What is left until then: the time of the next step.
fn left(until: Instant) -> io::Result<Option<Duration>> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
}

fn line(mut stream: &UnixStream) -> io::Result<Vec<u8>> {
    let until = Instant::now() + REQUEST;
    let mut line = Vec::with_capacity(LINE);
    let mut chunk = [0; 512];
    while !line.contains(&b'\n') {
        stream.set_read_timeout(left(until)?)?;
        let count = stream.read(&mut chunk)?;
        if count == 0 || line.len() + count > LINE {
            return Err(ErrorKind::InvalidData.into());
        }
        line.extend(&chunk[..count]);
    }
    Ok(line)
}

/// Sends a line. What a terminal would obey is escaped: JSON itself lets some of it through.
pub(super) fn send(mut stream: &UnixStream, reply: &Value) -> io::Result<()> {
    let mut line = String::new();
    for letter in reply.to_string().chars() {
        match letter.is_control() {
            true => line += &format!("\\u{:04x}", u32::from(letter)),
            false => line.push(letter),
        }
    }
    line.push('\n');
    let mut rest = line.as_bytes();
    let until = Instant::now() + ANSWER;
    while !rest.is_empty() {
        stream.set_write_timeout(left(until)?)?;
        rest = &rest[stream.write(rest)?..];
    }
    Ok(())
}
