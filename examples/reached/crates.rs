//! Calls of crates that know nothing of us.

use std::io;
use std::net::TcpListener;

use super::scene::{By, Case, Made, Scene};

pub const CASES: &[Case] = &[Case::foreign("ureq::get, silent server", By::Crate, get)];

fn get() -> Made {
    // The connection is made by the kernel; nobody accepts it.
    let server = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let url = format!("http://{}/", server.local_addr().unwrap());
    let call = move || match ureq::get(&url).call() {
        Ok(_) => Ok(()),
        Err(ureq::Error::Io(error)) => Err(error),
        Err(error) => Err(io::Error::other(error)),
    };
    Ok(Scene::new(&[libc::SYS_recvfrom], call).release(|| drop(server)))
}
