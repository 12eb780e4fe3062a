//! Calls of std's in a task with reach that nobody asks, against the same in no task.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use criterion::Criterion;
use eintr_benches::contest::{Way, hold};
use eintr_benches::table::Table;

/// What is called: its name, how often in a turn (for some fraction of a millisecond), and the call.
struct Call<'a>(&'static str, u64, &'a dyn Fn());

pub fn bench(criterion: &mut Criterion, table: &mut Table) {
    let (reader, writer) = std::io::pipe().unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let calls = [
        Call("a byte through a pipe", 256, &|| {
            (&writer).write_all(b"x").unwrap();
            (&reader).read_exact(&mut [0]).unwrap();
        }),
        Call("a byte through a socket", 256, &|| {
            (&near).write_all(b"x").unwrap();
            (&far).read_exact(&mut [0]).unwrap();
        }),
        Call("connect and accept", 8, &|| {
            let connecting = TcpStream::connect(address).unwrap();
            drop((listener.accept().unwrap(), connecting));
        }),
        Call("a sleep of no time", 256, &|| std::thread::sleep(Duration::from_nanos(1))),
    ];
    // A program in which somebody interrupts somebody has two threads, and libc's calls look at
    // that.
    std::thread::spawn(|| ()).join().unwrap();
    for Call(name, chunk, call) in calls {
        let mut group = criterion.benchmark_group(format!("unasked/{name}"));
        group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(3));
        let timed = |times| {
            let start = Instant::now();
            (0..times).for_each(|_| call());
            start.elapsed()
        };
        // The clock is read inside of the task: its beginning and its end are not the call's.
        let ways = [
            Way("in_a_task", &mut |times| eintr::Task::root().run(|| timed(times))),
            Way("in_none", &mut |times| timed(times)),
        ];
        if let Some([ours, plain]) = hold(&mut group, chunk, ways) {
            table.times(
                &format!("{name}, by std / the same in no task"),
                &ours,
                &plain,
                Some(1.01),
            );
        }
    }
}
