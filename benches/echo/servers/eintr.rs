//! eintr's: [`eintr::timeout`] around each request, and a group that SIGTERM interrupts.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

use eintr::Group;
use eintr::net::{self, RecvFlags, SendFlags};
use eintr::termination::{self, SIGTERM};

use super::{LIMIT, SIZE};

pub fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    run(move || Ok(net::accept(&listener)?.0), converse)
}

/// The same by std's calls, which are reached.
pub fn serve_by_std(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    run(move || Ok(listener.accept()?.0), converse_by_std)
}

fn run(
    accept: impl Fn() -> io::Result<TcpStream> + Send + 'static,
    converse: fn(TcpStream) -> io::Result<()>,
) -> Result<(), Box<dyn Error>> {
    let group = Group::new();
    let _end = termination::interrupt_on(&[SIGTERM], &group)?;
    let connections = group.clone();
    let acceptor = group.spawn(move || -> io::Result<()> {
        loop {
            let stream = accept()?;
            connections.spawn(move || converse(stream));
        }
    });
    let _ = acceptor.join();
    group.stop(LIMIT)?;
    Ok(())
}

fn converse(stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; SIZE];
    let mut answer = || -> io::Result<usize> {
        let length = net::recv(&stream, &mut buffer, RecvFlags::empty())?;
        let mut sent = 0;
        while sent < length {
            sent += net::send(&stream, &buffer[sent..length], SendFlags::empty())?;
        }
        Ok(length)
    };
    while eintr::timeout(LIMIT, &mut answer)? > 0 {}
    Ok(())
}

fn converse_by_std(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; SIZE];
    let mut answer = || -> io::Result<usize> {
        let length = stream.read(&mut buffer)?;
        stream.write_all(&buffer[..length])?;
        Ok(length)
    };
    while eintr::timeout(LIMIT, &mut answer)? > 0 {}
    Ok(())
}
