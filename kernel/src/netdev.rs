//! Network devices of the caller's network namespace.

#![expect(unsafe_code, reason = "the interface ioctls have no safe wrapper")]

use crate::Result;

const SIOCSIFFLAGS: rustix::ioctl::Opcode = 0x8914;

/// Brings the loopback device up. Takes no memory and no lock.
///
/// # Errors
/// `EPERM` without CAP_NET_ADMIN over the namespace.
pub fn loopback_up() -> Result<()> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType};
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    // SAFETY: an all-zero `ifreq` is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(c"lo".to_bytes_with_nul()) {
        *to = from.cast_signed();
    }
    // A fresh loopback device has IFF_LOOPBACK only, and only IFF_UP matters of what is set.
    request.ifr_ifru.ifru_flags = 0x1 | 0x40;
    // SAFETY: SIOCSIFFLAGS reads a `struct ifreq`.
    let request = unsafe { rustix::ioctl::Setter::<SIOCSIFFLAGS, _>::new(request) };
    // SAFETY: the request is what its number says.
    unsafe { rustix::ioctl::ioctl(&socket, request) }
}
