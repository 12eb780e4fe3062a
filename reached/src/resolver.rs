//! A nameserver that never answers, asked by one thread and no other.
//!
//! (A resolv.conf of one's own needs a mount namespace and the right to make one. glibc's resolver
//! has a state for each thread, of a layout that `<resolv.h>` has fixed, and goes by it if the
//! program changed it.)

use std::net::{SocketAddr, UdpSocket};

/// A socket to which questions go, and from which none is answered.
pub fn dead_nameserver() -> Result<UdpSocket, String> {
    if !cfg!(target_env = "gnu") {
        return Err("getaddrinfo on a dead nameserver: a libc whose resolver is not known".into());
    }
    if !asks_dns() {
        return Err(
            "getaddrinfo on a dead nameserver: this machine's hosts are not looked up by dns"
                .into(),
        );
    }
    Ok(UdpSocket::bind("127.0.0.1:0").expect("a socket"))
}

fn asks_dns() -> bool {
    let switch = std::fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default();
    let hosts = switch.lines().find_map(|line| line.strip_prefix("hosts:"));
    hosts.is_none_or(|hosts| hosts.split_whitespace().any(|source| source == "dns"))
}

/// The beginning of `struct __res_state`.
#[cfg(target_env = "gnu")]
#[repr(C)]
struct State {
    retransmission_seconds: i32,
    retries: i32,
    options: u64,
    nameservers: i32,
    addresses: [libc::sockaddr_in; 3],
}

#[cfg(target_env = "gnu")]
unsafe extern "C" {
    fn __res_init() -> i32;
    fn __res_state() -> *mut State;
}

/// Has this thread's `getaddrinfo` ask that nameserver only, and wait for it for minutes.
#[cfg(target_env = "gnu")]
pub fn ask_only(nameserver: SocketAddr) {
    let SocketAddr::V4(nameserver) = nameserver else { unreachable!("bound to 127.0.0.1") };
    // SAFETY: numbers.
    let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    address.sin_family = libc::AF_INET as u16;
    address.sin_port = nameserver.port().to_be();
    address.sin_addr.s_addr = u32::from_ne_bytes(nameserver.ip().octets());
    // SAFETY: the state is this thread's own, made by `__res_init`, and laid out as `State` at its
    // beginning.
    unsafe {
        __res_init();
        let state = &mut *__res_state();
        state.retransmission_seconds = 30;
        state.retries = 5;
        state.nameservers = 1;
        state.addresses[0] = address;
    }
}

#[cfg(not(target_env = "gnu"))]
pub fn ask_only(_nameserver: SocketAddr) {}
