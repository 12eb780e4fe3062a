//! An address of any family that std knows.

use std::io;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::net::SocketAddr as UnixAddr;

use crate::kernel::{Name, RawAddress};

/// The address of a socket of any family that std has a type for.
///
/// [`connect`](super::connect()) and the sending calls take whatever converts into it: std's
/// addresses, by value or by reference.
///
/// ```
/// use eintr::net::Address;
/// use std::net::{Ipv4Addr, SocketAddr};
///
/// let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
/// assert!(matches!(Address::from(&address), Address::Ip(ip) if ip == address));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Address {
    /// An IPv4 or IPv6 address with a port.
    Ip(SocketAddr),
    /// The address of a Unix socket: a path, an abstract name, or none.
    Unix(UnixAddr),
}

/// An address as the kernel returned it. It has no name outside, so that nobody else can implement
/// the traits that take it.
#[derive(Debug)]
pub struct Returned(pub(super) RawAddress);

impl Address {
    pub(super) fn raw(&self) -> RawAddress {
        match self {
            Address::Ip(address) => address.into(),
            Address::Unix(address) => address.into(),
        }
    }

    /// None if there is no address, or one that std has no type for.
    pub(super) fn of(raw: &RawAddress) -> Option<Self> {
        match raw.name() {
            Name::Ip(address) => Some(Address::Ip(address)),
            Name::Unix(address) => Some(Address::Unix(address)),
            Name::Other => None,
        }
    }
}

/// The address as an IP socket has it, by its type.
pub(super) fn ip(raw: &RawAddress) -> io::Result<SocketAddr> {
    match raw.name() {
        Name::Ip(address) => Ok(address),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not the address of an IP socket")),
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl From<SocketAddrV4> for Address {
    fn from(address: SocketAddrV4) -> Self {
        Self::Ip(address.into())
    }
}

impl From<SocketAddrV6> for Address {
    fn from(address: SocketAddrV6) -> Self {
        Self::Ip(address.into())
    }
}

impl From<UnixAddr> for Address {
    fn from(address: UnixAddr) -> Self {
        Self::Unix(address)
    }
}

impl<T: Clone + Into<Address>> From<&T> for Address {
    fn from(address: &T) -> Self {
        address.clone().into()
    }
}
