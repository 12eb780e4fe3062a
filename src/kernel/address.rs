//! Addresses as the kernel has them, from and to std's types.
//!
//! # Safety
//!
//! The storage is as large and as aligned as any address, and any bytes are valid for the fields
//! that are read from it.

#![allow(unsafe_code)]

use std::ffi::OsStr;
use std::mem::offset_of;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr as UnixAddr;

use libc::{sa_family_t, sockaddr_in, sockaddr_in6, sockaddr_storage, sockaddr_un, socklen_t};

/// An address of any family.
#[derive(Clone, Copy)]
pub(crate) struct RawAddress {
    storage: sockaddr_storage,
    /// Its length; before the kernel has written it, the room's.
    length: socklen_t,
}

/// What an address is to std.
#[derive(Debug)]
pub(crate) enum Name {
    Ip(SocketAddr),
    Unix(UnixAddr),
    /// No address, or one that std has no type for.
    Other,
}

/// Where the name of a Unix address begins.
const NAME: usize = offset_of!(sockaddr_un, sun_path);

impl RawAddress {
    /// How much room an address of any family has.
    pub(crate) const ROOM: socklen_t = size_of::<sockaddr_storage>() as socklen_t;

    /// Room for an address of any family.
    #[inline]
    pub(crate) fn room() -> Self {
        // SAFETY: made of integers.
        Self { storage: unsafe { std::mem::zeroed() }, length: Self::ROOM }
    }

    /// No address: to connect to it is to let the last attempt go.
    pub(crate) fn none() -> Self {
        let length = size_of::<libc::sockaddr>() as socklen_t;
        Self { length, ..Self::room() }
    }

    /// An address as C has it; none if there is no such long one.
    #[cfg(feature = "capi")]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut address = Self::room();
        address.bytes().get_mut(..bytes.len())?.copy_from_slice(bytes);
        address.length = bytes.len() as socklen_t;
        Some(address)
    }

    /// Where the kernel writes an address and its length.
    #[inline]
    pub(crate) fn room_pointers(&mut self) -> [usize; 2] {
        [&raw mut self.storage as usize, &raw mut self.length as usize]
    }

    /// Where the kernel finds the address, and its length.
    #[inline]
    pub(crate) fn pointer_and_length(&self) -> [usize; 2] {
        [&raw const self.storage as usize, self.length as usize]
    }

    /// The room, for an address that comes from elsewhere.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: see the module.
        unsafe { &mut *(&raw mut self.storage).cast::<[u8; size_of::<sockaddr_storage>()]>() }
    }

    /// Sets the length of what the kernel wrote, where it tells it elsewhere.
    pub(crate) fn set_length(&mut self, length: socklen_t) {
        self.length = length;
    }

    /// The address as std has it.
    pub(crate) fn name(&self) -> Name {
        let length = (self.length as usize).min(size_of::<sockaddr_storage>());
        let storage = &raw const self.storage;
        match i32::from(self.storage.ss_family) {
            libc::AF_INET if length >= size_of::<sockaddr_in>() => {
                // SAFETY: see the module.
                let ip = unsafe { &*storage.cast::<sockaddr_in>() };
                let address = IpAddr::from(ip.sin_addr.s_addr.to_ne_bytes());
                Name::Ip(SocketAddr::new(address, u16::from_be(ip.sin_port)))
            }
            libc::AF_INET6 if length >= size_of::<sockaddr_in6>() => {
                // SAFETY: see the module.
                let ip = unsafe { &*storage.cast::<sockaddr_in6>() };
                let address = Ipv6Addr::from(ip.sin6_addr.s6_addr);
                let port = u16::from_be(ip.sin6_port);
                let [flow, scope] = [ip.sin6_flowinfo, ip.sin6_scope_id];
                Name::Ip(SocketAddrV6::new(address, port, flow, scope).into())
            }
            libc::AF_UNIX if length >= NAME => {
                // SAFETY: see the module.
                let bytes = unsafe { &*storage.cast::<[u8; size_of::<sockaddr_storage>()]>() };
                unix(&bytes[NAME..length]).map_or(Name::Other, Name::Unix)
            }
            _ => Name::Other,
        }
    }
}

/// A Unix address of that name: none, a path up to its zero, or, after a zero, an abstract one.
fn unix(name: &[u8]) -> Option<UnixAddr> {
    match name {
        [] => Some(unnamed()),
        [0, name @ ..] => UnixAddr::from_abstract_name(name).ok(),
        // A name of the full 108 bytes has no zero, and std takes it from its own calls only.
        path => {
            let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
            UnixAddr::from_pathname(OsStr::from_bytes(path)).ok()
        }
    }
}

/// The address of a Unix socket that has none.
pub(crate) fn unnamed() -> UnixAddr {
    UnixAddr::from_pathname("").expect("std makes an unnamed address of an empty path")
}

impl From<&SocketAddr> for RawAddress {
    fn from(address: &SocketAddr) -> Self {
        let mut raw = Self::room();
        let storage = &raw mut raw.storage;
        match address {
            SocketAddr::V4(ip) => {
                // SAFETY: see the module.
                let name = unsafe { &mut *storage.cast::<sockaddr_in>() };
                name.sin_family = libc::AF_INET as sa_family_t;
                name.sin_port = ip.port().to_be();
                name.sin_addr.s_addr = u32::from_ne_bytes(ip.ip().octets());
                raw.length = size_of::<sockaddr_in>() as socklen_t;
            }
            SocketAddr::V6(ip) => {
                // SAFETY: see the module.
                let name = unsafe { &mut *storage.cast::<sockaddr_in6>() };
                name.sin6_family = libc::AF_INET6 as sa_family_t;
                name.sin6_port = ip.port().to_be();
                name.sin6_addr.s6_addr = ip.ip().octets();
                name.sin6_flowinfo = ip.flowinfo();
                name.sin6_scope_id = ip.scope_id();
                raw.length = size_of::<sockaddr_in6>() as socklen_t;
            }
        }
        raw
    }
}

impl From<&UnixAddr> for RawAddress {
    fn from(address: &UnixAddr) -> Self {
        let mut raw = Self::room();
        raw.storage.ss_family = libc::AF_UNIX as sa_family_t;
        // A path ends with a zero, which the storage has already; an abstract name begins with one.
        let (start, name) = match (address.as_pathname(), address.as_abstract_name()) {
            (Some(path), _) => (NAME, path.as_os_str().as_bytes()),
            (None, Some(name)) => (NAME + 1, name),
            (None, None) => (NAME, &[][..]),
        };
        raw.bytes()[start..start + name.len()].copy_from_slice(name);
        let zero = usize::from(address.as_pathname().is_some());
        raw.length = (start + name.len() + zero).min(size_of::<sockaddr_un>()) as socklen_t;
        raw
    }
}

impl std::fmt::Debug for RawAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.name().fmt(f)
    }
}
