//! `run` and `exec` in the foreground: a command that lives as long as what it started.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use kernel::Errno;
use kernel::process::Exit;

use crate::container_id::ContainerId;
use crate::foreground::{Foreground, ForegroundError, NotifyError, NotifyProxy};
use crate::lifecycle::{self, ConsoleEnd, Context, Launched, LifecycleError};
use crate::plan::StartMode;
use crate::request::{CreateRequest, DeleteRequest, ExecRequest, RestoreRequest, RunRequest};
use crate::state::notify_paths;

/// Why a container in the foreground was lost.
#[derive(Debug, thiserror::Error)]
pub(super) enum SuperviseError {
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
    #[error(transparent)]
    Foreground(#[from] ForegroundError),
    #[error(transparent)]
    Notify(#[from] NotifyError),
    #[error("cannot block signals")]
    Signals(#[source] Errno),
    #[error("cannot become a subreaper")]
    Subreaper(#[source] Errno),
}

/// Runs the container of `request` and returns its exit code; 0 once a detached one runs.
pub(super) fn run_container(
    context: Context<'_>,
    request: &RunRequest,
) -> Result<u8, SuperviseError> {
    if request.detach {
        let launched =
            lifecycle::launch(context, &request.create, StartMode::AtOnce, ConsoleEnd::Socket)?;
        if let Some(notify) = launched.notify {
            wait_until_ready(context, notify, launched.init.pid, launched.pidfd.as_fd());
        }
        return Ok(0);
    }
    in_foreground(context, request, || {
        lifecycle::launch(context, &request.create, StartMode::AtOnce, ConsoleEnd::Caller)
    })
}

/// Restores the container of `request` and returns its exit code; 0 once a detached one runs.
pub(super) fn restore_container(
    context: Context<'_>,
    request: &RestoreRequest,
) -> Result<u8, SuperviseError> {
    if request.run.detach {
        lifecycle::restore(context, request, ConsoleEnd::Socket)?;
        return Ok(0);
    }
    in_foreground(context, &request.run, || {
        lifecycle::restore(context, request, ConsoleEnd::Caller)
    })
}

/// Stays with the container that `launch` makes until it ends, and deletes it.
fn in_foreground(
    context: Context<'_>,
    request: &RunRequest,
    launch: impl FnOnce() -> Result<Launched, LifecycleError>,
) -> Result<u8, SuperviseError> {
    // Before there is a process whose end could be missed.
    kernel::signal::block_all().map_err(SuperviseError::Signals)?;
    if !request.no_subreaper {
        kernel::process::set_child_subreaper().map_err(SuperviseError::Subreaper)?;
    }
    let exit = stay(context, launch()?);
    if !request.keep || exit.is_err() {
        delete(context, &request.create);
    }
    Ok(exit_code(exit?))
}

/// Starts a created container, and waits until it reports that it is ready where the caller
/// wants to hear of it (`notify_socket`) and wanted so at create.
pub(super) fn start_container(
    context: Context<'_>,
    id: &ContainerId,
    notify_socket: Option<&Path>,
) -> Result<(), SuperviseError> {
    let (dir, socket) = notify_paths(&context.settings.root, id);
    let manager = notify_socket.filter(|_| dir.is_dir());
    let notify = manager.map(|manager| NotifyProxy::bind(&socket, manager)).transpose()?;
    lifecycle::start(context, id)?;
    let Some(notify) = notify else { return Ok(()) };
    let pid = lifecycle::state(context, id)?.pid;
    if let Ok(pidfd) = kernel::process::pidfd_open(pid) {
        wait_until_ready(context, notify, pid, pidfd.as_fd());
    }
    Ok(())
}

/// The container runs: that nobody heard of it is only a warning.
fn wait_until_ready(context: Context<'_>, notify: NotifyProxy, pid: i32, pidfd: BorrowedFd<'_>) {
    if let Err(error) = notify.wait_until_ready(pid.cast_unsigned(), pidfd) {
        context.journal.warn(format_args!("readiness was not reported: {error}"));
    }
}

/// Runs the process of `request` and returns its exit code; 0 once a detached one runs.
pub(super) fn exec_process(
    context: Context<'_>,
    request: &ExecRequest,
) -> Result<u8, SuperviseError> {
    if request.detach {
        lifecycle::exec(context, request, ConsoleEnd::Socket)?;
        return Ok(0);
    }
    kernel::signal::block_all().map_err(SuperviseError::Signals)?;
    let launched = lifecycle::exec(context, request, ConsoleEnd::Caller)?;
    Ok(exit_code(stay(context, launched)?))
}

fn stay(context: Context<'_>, launched: Launched) -> Result<Exit, ForegroundError> {
    let Launched { init, pidfd, console, notify } = launched;
    let foreground = Foreground { pid: init.pid, pidfd: pidfd.as_fd(), terminal: console, notify };
    foreground.supervise(context.journal)
}

/// The program's exit is what the caller wants to know: an error here is only a warning.
fn delete(context: Context<'_>, request: &CreateRequest) {
    let request = DeleteRequest { id: request.id.clone(), force: true };
    if let Err(error) = lifecycle::delete(context, &request) {
        context.journal.warn(format_args!("{error}"));
    }
}

/// exit(2) keeps eight bits, and so does the shell's convention for signals.
fn exit_code(exit: Exit) -> u8 {
    u8::try_from(exit.shell_code() & 0xff).unwrap_or(u8::MAX)
}
