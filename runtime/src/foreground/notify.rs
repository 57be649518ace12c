//! sd_notify(3) for a program that sees another socket than its caller: what it reports on a
//! socket in its mount namespace is passed on to `$NOTIFY_SOCKET`.
//!
//! Only what reports on the service itself is passed on. Which process is the main one is said
//! by us (`MAINPID=`): the program knows its pid in its own namespace only.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kernel::stream::{self, PollFd, PollFlags};

/// A longer message is cut, as systemd cuts it.
const MAX_MESSAGE_BYTES: usize = 4096;

/// What ends a line for systemd.
const LINE_ENDS: [char; 2] = ['\n', '\r'];

/// How long the manager may take to confirm that it has read everything.
const BARRIER_TIMEOUT: Duration = Duration::from_secs(30);

/// The beginnings of lines that are passed on.
const PASSED_ON: &[&str] = &[
    "READY=",
    "RELOADING=",
    "STOPPING=",
    "STATUS=",
    "ERRNO=",
    "BUSERROR=",
    "WATCHDOG=",
    "WATCHDOG_USEC=",
    "EXTEND_TIMEOUT_USEC=",
    "MONOTONIC_USEC=",
];

/// Why readiness cannot be reported.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The program's side.
    #[error("cannot make the notify socket `{}`", path.display())]
    Bind {
        /// Where it would be.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The manager's side.
    #[error("cannot reach $NOTIFY_SOCKET `{}`", path.display())]
    Send {
        /// As the environment says.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program's side, later.
    #[error("cannot read from the notify socket")]
    Receive(#[source] io::Error),
}

/// A socket for the program, and the name of the one its messages go to.
#[derive(Debug)]
pub struct NotifyProxy {
    socket: UnixDatagram,
    manager: PathBuf,
}

impl NotifyProxy {
    /// Makes the socket at `path`, for everyone to write to. `manager` is `$NOTIFY_SOCKET`; with
    /// `@` in front it is an abstract name.
    ///
    /// # Errors
    /// [`NotifyError::Bind`].
    pub fn bind(path: &Path, manager: &Path) -> Result<NotifyProxy, NotifyError> {
        let bind = || {
            let socket = UnixDatagram::bind(path)?;
            socket.set_nonblocking(true)?;
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o777))?;
            Ok(socket)
        };
        let socket =
            bind().map_err(|source| NotifyError::Bind { path: path.to_owned(), source })?;
        Ok(NotifyProxy { socket, manager: manager.to_owned() })
    }

    /// Passes on what is there; true if the program reported that it is ready. The first time it
    /// does, the manager learns that `main_pid` is the process to watch.
    ///
    /// # Errors
    /// If the manager cannot be reached.
    pub fn forward(&mut self, main_pid: u32) -> Result<bool, NotifyError> {
        let mut buffer = [0; MAX_MESSAGE_BYTES];
        let mut ready = false;
        loop {
            let count = match self.socket.recv(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(ready),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(NotifyError::Receive(error)),
            };
            let Some(message) = passed_on(&buffer[..count]) else { continue };
            self.tell(message.as_bytes(), &[])?;
            if message.lines().any(|line| line == "READY=1") {
                ready = true;
                self.tell(format!("MAINPID={main_pid}\n").as_bytes(), &[])?;
            }
        }
    }

    /// Waits until the program is ready or has ended, and then until the manager has read it: for
    /// a caller who won't stay. `main_pid` is the program.
    ///
    /// # Errors
    /// If the manager cannot be reached.
    pub fn wait_until_ready(
        mut self,
        main_pid: u32,
        pidfd: BorrowedFd<'_>,
    ) -> Result<(), NotifyError> {
        loop {
            let mut fds =
                [PollFd::new(&self.socket, PollFlags::IN), PollFd::new(&pidfd, PollFlags::IN)];
            let waited = stream::wait(&mut fds, None);
            waited.map_err(|errno| NotifyError::Receive(errno.into()))?;
            let ended = !fds[1].revents().is_empty();
            if self.forward(main_pid)? {
                return self.barrier();
            }
            if ended {
                return Ok(());
            }
        }
    }

    /// sd_notify_barrier(3): the manager closes what it is sent once it has read all before it.
    fn barrier(&self) -> Result<(), NotifyError> {
        let (ours, theirs) = stream::pipe().map_err(|errno| self.unreachable(errno.into()))?;
        self.tell(b"BARRIER=1", &[theirs.as_fd()])?;
        drop(theirs);
        let mut fds = [PollFd::new(&ours, PollFlags::IN)];
        // A manager that doesn't know of barriers never closes it.
        let _ = stream::wait(&mut fds, Some(BARRIER_TIMEOUT));
        Ok(())
    }

    fn tell(&self, message: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), NotifyError> {
        let sent = connect(&self.manager)
            .and_then(|socket| Ok(kernel::unix_socket::send(&socket, message, fds)?));
        sent.map_err(|source| self.unreachable(source))
    }

    fn unreachable(&self, source: io::Error) -> NotifyError {
        NotifyError::Send { path: self.manager.clone(), source }
    }
}

impl AsFd for NotifyProxy {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn connect(manager: &Path) -> io::Result<OwnedFd> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    let address = match manager.to_str().and_then(|name| name.strip_prefix('@')) {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(manager)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    Ok(socket.into())
}

/// The lines of a program's message that may pass, `None` if none may.
#[must_use]
pub fn passed_on(message: &[u8]) -> Option<String> {
    let message = String::from_utf8_lossy(message);
    let passes = |line: &&str| PASSED_ON.iter().any(|start| line.starts_with(start));
    let lines: Vec<&str> = message.split(LINE_ENDS).filter(passes).collect();
    (!lines.is_empty()).then(|| lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reports_on_the_service_itself_pass() {
        let message = b"READY=1\nMAINPID=1\nSTATUS=up\nFDSTORE=1\nX_READY=1";
        assert_eq!(passed_on(message).as_deref(), Some("READY=1\nSTATUS=up\n"));
        assert_eq!(passed_on(b"MAINPID=1"), None);
        assert_eq!(passed_on(b"STATUS=up\rMAINPID=1").as_deref(), Some("STATUS=up\n"));
        assert_eq!(passed_on(b""), None);
    }

    #[test]
    fn messages_reach_the_manager() {
        let dir = tempfile::tempdir().unwrap();
        let manager = UnixDatagram::bind(dir.path().join("manager")).unwrap();
        let path = dir.path().join("program");
        let mut proxy = NotifyProxy::bind(&path, &dir.path().join("manager")).unwrap();
        let program = UnixDatagram::unbound().unwrap();
        assert!(!proxy.forward(7).unwrap());
        program.send_to(b"STATUS=soon", &path).unwrap();
        assert!(!proxy.forward(7).unwrap());
        program.send_to(b"READY=1", &path).unwrap();
        assert!(proxy.forward(7).unwrap());
        let mut buffer = [0; 64];
        for expected in ["STATUS=soon\n", "READY=1\n", "MAINPID=7\n"] {
            let count = manager.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..count], expected.as_bytes());
        }
    }

    #[test]
    fn a_missing_manager_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("program");
        let mut proxy = NotifyProxy::bind(&path, &dir.path().join("none")).unwrap();
        UnixDatagram::unbound().unwrap().send_to(b"READY=1", &path).unwrap();
        assert!(matches!(proxy.forward(1), Err(NotifyError::Send { .. })));
    }
}
