//! Clients of an echo server, on one thread: so many requests, of which each connection has one at a
//! time.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

const REQUEST: [u8; 32] = *b"an echo is what is to come back\n";
/// After that time without an answer the server has failed.
const PATIENCE: u16 = 20_000;

pub struct Load {
    epoll: Epoll,
    connections: Vec<TcpStream>,
}

impl Load {
    /// Each of them has had an answer: the server has its threads.
    pub fn connect(address: SocketAddr, count: usize) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut connections = Vec::with_capacity(count);
        for number in 0..count {
            let connection = TcpStream::connect(address)?;
            epoll.add(&connection, EpollEvent::new(EpollFlags::EPOLLIN, number as u64))?;
            ask(&connection)?;
            hear(&connection)?;
            connections.push(connection);
        }
        Ok(Self { epoll, connections })
    }

    /// How long that many requests take.
    pub fn requests(&self, count: usize) -> io::Result<Duration> {
        let start = Instant::now();
        let first = &self.connections[..count.min(self.connections.len())];
        first.iter().try_for_each(ask)?;
        let (mut asked, mut answered) = (first.len(), 0);
        let mut events = [EpollEvent::empty(); 256];
        while answered < count {
            let ready = self.epoll.wait(&mut events, PATIENCE)?;
            assert!(ready > 0, "no answer");
            for event in &events[..ready] {
                let connection = &self.connections[event.data() as usize];
                hear(connection)?;
                answered += 1;
                if asked < count {
                    ask(connection)?;
                    asked += 1;
                }
            }
        }
        Ok(start.elapsed())
    }
}

fn ask(mut connection: &TcpStream) -> io::Result<()> {
    connection.write_all(&REQUEST)
}

/// What comes back comes in one piece, as it was sent.
fn hear(mut connection: &TcpStream) -> io::Result<()> {
    let mut answer = [0; REQUEST.len()];
    let length = connection.read(&mut answer)?;
    assert_eq!(answer[..length], REQUEST);
    Ok(())
}
