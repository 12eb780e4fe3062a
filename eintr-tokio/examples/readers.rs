//! A pool of blocking readers that silent clients do not exhaust. Of tokio's own `spawn_blocking` four clients that say
//! nothing would take all four threads, for good: `timeout` drops the handle, and the read goes on.
//!
//!     cargo run -p eintr-tokio --example readers

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use tokio::time::timeout;

const THREADS: usize = 4;
const CLIENTS: usize = 20;
const PATIENCE: Duration = Duration::from_millis(50);

/// What a client says, if it does so soon enough.
async fn greeting(mut client: TcpStream) -> io::Result<String> {
    let read = eintr_tokio::unblock(move || {
        let mut greeting = [0; 5];
        client.read_exact(&mut greeting)?;
        Ok(String::from_utf8_lossy(&greeting).into_owned())
    });
    timeout(PATIENCE, read).await??
}

async fn run() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let connect = || -> io::Result<_> {
        let client = TcpStream::connect(listener.local_addr()?)?;
        Ok((client, listener.accept()?.0))
    };
    let mut silent = Vec::new();
    for _ in 0..CLIENTS {
        let (client, connection) = connect()?;
        silent.push(client);
        assert_eq!(greeting(connection).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
    println!("{CLIENTS} clients said nothing to {THREADS} readers");

    let (mut client, connection) = connect()?;
    client.write_all(b"hello")?;
    // As long as it takes on a busy machine; not as long as a reader that does not come back.
    let greeting = eintr_tokio::unblock(move || io::read_to_string(connection.take(5)));
    println!("and one said {}", greeting.await??);
    Ok(())
}

fn main() -> io::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.max_blocking_threads(THREADS).enable_all().build()?.block_on(run())
}

#[test]
fn silent_clients_do_not_exhaust_the_pool() {
    test_support::watched("readers", main).unwrap();
}
