//! Unix sockets: pairs, passing descriptors, and sockets in directories held by descriptor.

use crate::{Errno, Result};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Descriptors accepted in one message; more are closed by the kernel.
pub const MAX_FDS: usize = 8;

/// Two connected sockets that keep message boundaries, closed on execve.
///
/// # Errors
/// `EMFILE` without free descriptors.
pub fn message_pair() -> Result<(OwnedFd, OwnedFd)> {
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// Sends `bytes` with `fds` attached, without SIGPIPE.
///
/// # Errors
/// `EPIPE` if the peer is gone, else what sendmsg(2) says.
pub fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Errno::TOOBIG);
    }
    loop {
        let parts = [IoSlice::new(bytes)];
        match rustix::net::sendmsg(&socket, &parts, &mut control, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            Ok(n) if n == bytes.len() => return Ok(()),
            Ok(_) => return Err(Errno::MSGSIZE),
            Err(errno) => return Err(errno),
        }
    }
}

/// Receives a message into `buffer`: its length (0 at the end of the stream) and descriptors.
///
/// # Errors
/// `EMSGSIZE` if it was cut, else what recvmsg(2) says.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = loop {
        let mut parts = [IoSliceMut::new(buffer)];
        match rustix::net::recvmsg(&socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            other => break other?,
        }
    };
    let fds = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .collect();
    if message.flags.contains(rustix::net::ReturnFlags::TRUNC) {
        return Err(Errno::MSGSIZE);
    }
    Ok((message.bytes, fds))
}

/// Connects a stream socket to the host path `path`, however long it is.
///
/// # Errors
/// `ECONNREFUSED` if nobody listens, else what connect(2) says.
pub fn connect(path: &Path) -> Result<OwnedFd> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
    else {
        return Err(Errno::INVAL);
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let dir = crate::file::open_path(rustix::fs::CWD, parent)?;
    connect_in(dir.as_fd(), name)
}

/// Connects a stream socket to `name` in the directory `dir`.
///
/// # Errors
/// As [`connect`].
pub fn connect_in(dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let socket = stream_socket()?;
    rustix::net::connect(&socket, &address_in(dir, name)?)?;
    Ok(socket)
}

/// Makes `name` in the directory `dir` a listening stream socket.
///
/// # Errors
/// `EADDRINUSE` if the name is taken, else what bind(2) says.
pub fn listen_in(dir: BorrowedFd<'_>, name: &str) -> Result<OwnedFd> {
    let socket = stream_socket()?;
    rustix::net::bind(&socket, &address_in(dir, name)?)?;
    rustix::net::listen(&socket, 8)?;
    Ok(socket)
}

/// Takes one connection, waiting for it.
///
/// # Errors
/// What accept4(2) says.
pub fn accept(listener: impl AsFd) -> Result<OwnedFd> {
    loop {
        match rustix::net::accept_with(&listener, SocketFlags::CLOEXEC) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

fn stream_socket() -> Result<OwnedFd> {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
}

/// `sun_path` holds 108 bytes: going through the descriptor keeps every path short.
fn address_in(dir: BorrowedFd<'_>, name: &str) -> Result<SocketAddrUnix> {
    SocketAddrUnix::new(format!("/proc/self/fd/{}/{name}", dir.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_and_bytes_arrive_together() {
        let (a, b) = message_pair().unwrap();
        send(&a, b"hello", &[a.as_fd(), b.as_fd()]).unwrap();
        let mut buffer = [0u8; 16];
        let (n, fds) = receive(&b, &mut buffer).unwrap();
        assert_eq!((&buffer[..n], fds.len()), (&b"hello"[..], 2));
        drop(a);
        drop(fds);
        assert_eq!(receive(&b, &mut buffer).unwrap().0, 0);
    }

    #[test]
    fn a_message_that_does_not_fit_is_an_error() {
        let (a, b) = message_pair().unwrap();
        send(&a, b"too long", &[]).unwrap();
        assert_eq!(receive(&b, &mut [0u8; 4]).err(), Some(Errno::MSGSIZE));
    }

    #[test]
    fn long_directory_names_are_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("d".repeat(100)).join("e".repeat(100));
        std::fs::create_dir_all(&deep).unwrap();
        let at = crate::file::open_dir(crate::file::CWD, &deep).unwrap();
        let listener = listen_in(at.as_fd(), "s").unwrap();
        let client = connect(&deep.join("s")).unwrap();
        let server = accept(&listener).unwrap();
        send(&client, b"x", &[]).unwrap();
        assert_eq!(receive(&server, &mut [0u8; 1]).unwrap().0, 1);
    }
}
