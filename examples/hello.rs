//! A thread that is stuck in `accept`, and how it ends: the first example of the README.

use std::net::TcpListener;

fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;

    // A managed thread: a thread that can be interrupted.
    let server = eintr::spawn(move || -> Result<(), eintr::Error> {
        loop {
            let (_connection, peer) = eintr::net::accept(&listener)?; // stuck here
            println!("hello, {peer}");
        }
    });

    // Somewhere else: SIGTERM, a timeout, a user who leaves.
    server.interrupter().interrupt_with("closing time");

    let error = server.join().unwrap().unwrap_err();
    println!("the server ended: {error}");
    Ok(())
}
