//! tokio's: `tokio::time::timeout` around each request, and a set of tasks that SIGTERM aborts.

use std::error::Error;
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{LIMIT, SIZE};

pub fn serve(listener: std::net::TcpListener) -> Result<(), Box<dyn Error>> {
    tokio::runtime::Runtime::new()?.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let mut sigterm = signal(SignalKind::terminate())?;
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    connections.spawn(converse(accepted?.0));
                }
                _ = sigterm.recv() => break,
            }
        }
        connections.shutdown().await;
        Ok(())
    })
}

async fn converse(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; SIZE];
    let mut answer = async || -> io::Result<usize> {
        let length = stream.read(&mut buffer).await?;
        stream.write_all(&buffer[..length]).await?;
        Ok(length)
    };
    while timeout(LIMIT, answer()).await?? > 0 {}
    Ok(())
}
