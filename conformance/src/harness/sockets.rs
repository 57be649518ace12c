//! Sockets over which a runtime hands descriptors to its caller.

use std::fs;
use std::io::Read;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rustix::event::PollFlags;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::patience;
use super::process::is_ready;

/// How long to wait for the other side.
const SOCKET_LIMIT: u64 = 10;

/// A listening socket that receives descriptors.
pub struct DescriptorSocket {
    listener: UnixListener,
    /// The path of the socket.
    pub path: PathBuf,
}

/// What came over one connection.
pub struct Received {
    /// The bytes, up to the end of the connection or one message.
    pub bytes: Vec<u8>,
    /// The descriptors.
    pub fds: Vec<OwnedFd>,
    /// The connection itself.
    pub stream: UnixStream,
}

impl DescriptorSocket {
    /// Listens at `path`.
    pub fn listen(path: PathBuf) -> Result<DescriptorSocket> {
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        Ok(DescriptorSocket { listener, path })
    }

    /// The path as text.
    pub fn name(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// Accepts one connection and reads one message with its descriptors.
    pub fn receive(&self) -> Result<Received> {
        if !is_ready(&self.listener, PollFlags::IN, patience::seconds(SOCKET_LIMIT))? {
            bail!("nobody connected to `{}`", self.path.display());
        }
        let (stream, _) = self.listener.accept()?;
        stream.set_read_timeout(Some(patience::seconds(SOCKET_LIMIT)))?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut buffer = vec![0u8; 64 * 1024];
        let mut parts = [std::io::IoSliceMut::new(&mut buffer)];
        let message = recvmsg(&stream, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)
            .context("recvmsg")?;
        let mut fds = Vec::new();
        for part in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = part {
                fds.extend(rights);
            }
        }
        buffer.truncate(message.bytes);
        Ok(Received { bytes: buffer, fds, stream })
    }
}

impl Received {
    /// The one descriptor that was sent.
    pub fn one(mut self) -> Result<OwnedFd> {
        match (self.fds.pop(), self.fds.len()) {
            (Some(fd), 0) => Ok(fd),
            (_, count) => bail!("want one descriptor, got {count} more or none"),
        }
    }
}

/// Reads from a terminal's master until `want` has appeared; returns all that was read.
pub fn read_until(master: &OwnedFd, want: &str) -> Result<String> {
    let mut file = fs::File::from(master.try_clone()?);
    let mut seen = Vec::new();
    let end = Instant::now() + patience::seconds(SOCKET_LIMIT);
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if text.contains(want) {
            return Ok(text);
        }
        let left = end.saturating_duration_since(Instant::now());
        if !is_ready(master, PollFlags::IN, left)? {
            bail!("terminal never showed {want:?}, only {text:?}");
        }
        let mut chunk = [0u8; 4096];
        match file.read(&mut chunk) {
            // EIO: the other side is closed.
            Ok(0) | Err(_) => bail!("terminal closed without {want:?}, after {text:?}"),
            Ok(count) => seen.extend_from_slice(&chunk[..count]),
        }
    }
}

/// Waits until a file exists and is not empty, by inotify-free polling of a FIFO reader.
pub fn read_fifo(path: &Path) -> Result<String> {
    use rustix::fs::{Mode, OFlags, open};
    let fd = open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    if !is_ready(&fd, PollFlags::IN, patience::seconds(SOCKET_LIMIT))? {
        bail!("nobody wrote to `{}`", path.display());
    }
    let mut text = [0u8; 4096];
    let count = rustix::io::read(&fd, &mut text)?;
    Ok(String::from_utf8_lossy(&text[..count]).into_owned())
}
