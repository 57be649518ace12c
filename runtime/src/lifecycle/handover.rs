//! What goes to those who asked for a process: its terminal, its id and its descriptor; and to a
//! seccomp agent its filter's.

use super::LifecycleError;
use super::child::Child;
use super::create::ConsoleEnd;
use super::error::kernel_error;
use crate::plan::Plan;
use kernel::{Errno, file, unix_socket};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// The socket that the child sends its terminal to; our end of it if it comes to us.
pub(super) fn open_console(
    plan: &Plan,
    end: ConsoleEnd,
    socket: Option<&Path>,
    slots: &mut [Option<OwnedFd>],
) -> Result<Option<OwnedFd>, LifecycleError> {
    let Some(slot) = plan.console_socket else { return Ok(None) };
    if let (ConsoleEnd::Socket, Some(path)) = (end, socket) {
        slots[slot.0] = Some(connect("console socket", path)?);
        return Ok(None);
    }
    let (ours, theirs) =
        unix_socket::message_pair().map_err(kernel_error("make a socket for the terminal"))?;
    slots[slot.0] = Some(theirs);
    Ok(Some(ours))
}

/// Takes the terminal's master end that the child has sent.
pub(super) fn receive_console(socket: &OwnedFd) -> Result<OwnedFd, LifecycleError> {
    let mut name = [0u8; 64];
    let (_, mut fds) =
        unix_socket::receive(socket, &mut name).map_err(kernel_error("receive the terminal"))?;
    fds.pop().ok_or_else(|| kernel_error("receive the terminal")(Errno::PROTO))
}

/// The connection that the filter's notify descriptor goes over.
pub(super) fn connect_seccomp_agent(
    plan: &Plan,
    slots: &mut [Option<OwnedFd>],
) -> Result<(), LifecycleError> {
    let path = plan.seccomp.as_ref().and_then(|profile| profile.listener_path.as_deref());
    if let (Some(slot), Some(path)) = (plan.seccomp_socket, path) {
        let connected = unix_socket::connect(path).map_err(|errno| LifecycleError::SeccompAgent {
            path: path.into(),
            source: errno.into(),
        });
        slots[slot.0] = Some(connected?);
    }
    Ok(())
}

/// Connects to a socket that a caller named.
pub(super) fn connect(what: &'static str, path: &Path) -> Result<OwnedFd, LifecycleError> {
    unix_socket::connect(path).map_err(|errno| LifecycleError::Connect {
        what,
        path: path.to_owned(),
        source: errno.into(),
    })
}

/// Writes a process id for others to read: all of it or nothing. It replaces a file, but nothing
/// else: `--pid-file /dev/null` must not take that device from the host.
pub(super) fn write_pid_file(path: &Path, pid: i32) -> Result<(), LifecycleError> {
    let failed =
        |errno: Errno| LifecycleError::PidFile { path: path.to_owned(), source: errno.into() };
    let name = path.file_name().and_then(|n| n.to_str()).ok_or(Errno::INVAL).map_err(failed)?;
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let dir = file::open_dir(file::CWD, parent).map_err(failed)?;
    let there = file::open_path(dir.as_fd(), name).and_then(file::kind);
    if there.is_ok_and(|kind| kind.is_special()) {
        return Err(LifecycleError::PidFilePlace { path: path.to_owned() });
    }
    file::replace(dir.as_fd(), name, 0o644, pid.to_string().as_bytes()).map_err(failed)
}

/// Sends a process's descriptor to whoever listens there.
pub(super) fn send_pidfd(path: &Path, child: &Child) -> Result<(), LifecycleError> {
    let socket = connect("pidfd socket", path)?;
    unix_socket::send(&socket, b"pidfd", &[child.pidfd.as_fd()])
        .map_err(kernel_error("send the pidfd"))
}
