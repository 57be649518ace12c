//! A process of its own for commands that send.
//!
//! Some registries (docker-registry up to 2.8) forget an upload whose chunk is cut off. So that
//! nothing is lost there even by SIGKILL, a child does the work, in a session of its own, and the
//! process that was started only waits for it:
//!
//! ```text
//! started process                    worker
//!   SIGINT, SIGTERM, ...  -------->  the same: what is under way ends where it can be resumed,
//!                                    at the second of them at once
//!   SIGHUP                -------->  the same as the first SIGTERM
//!   SIGTSTP (Ctrl-Z)      -------->  SIGSTOP, and SIGCONT later
//!   killed                -------->  a pipe is closed: as at SIGHUP. prctl(2), PR_SET_PDEATHSIG,
//!                                    sends SIGCONT, in case it was stopped
//!   exit code             <--------  exit code
//! ```
//! Who runs the command again waits for what still ends there: see [`imgmgr::store::Upload`].

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;

use kernel::process::{self, Cloned, Exit};
use kernel::received::SignalQueue;
use kernel::stream::{self, PollFd, PollFlags};
use kernel::{Errno, signal};
use rustix::process::Signal;

use super::output::{CommandError, report};

/// Which process this is.
pub(crate) enum Side {
    /// The one that does the work.
    Worker(Option<Started>),
    /// The one that was started. The other has ended.
    Started(ExitCode),
}

/// The process that was started, as its worker knows it: a pipe that it closes when it ends.
#[derive(Debug)]
pub(crate) struct Started(pub(crate) OwnedFd);

/// Divides the process. To be called before anything was begun, with one thread.
///
/// Where that can't be done, for want of `/proc` or of a process, the one there is does the work,
/// and is cut off when it is killed.
pub(crate) fn divide() -> Side {
    let Ok(mask) = signal::block_all() else { return Side::Worker(None) };
    // A child that ended could not be waited for if the caller ignores this.
    signal::set_default(Signal::CHILD.as_raw());
    let divided =
        SignalQueue::new().and_then(|queue| Ok((queue, stream::pipe()?, process::fork()?)));
    let started = match divided {
        Ok((queue, _open, Cloned::Parent { pidfd, .. })) => {
            return Side::Started(stay(&queue, pidfd.as_fd()).unwrap_or_else(|error| {
                report(&error);
                error.exit_code()
            }));
        }
        Ok((_, (ended, _), Cloned::Child)) => {
            // Neither fails: a new process leads no group, and the signal exists.
            let _ = process::setsid();
            let _ = process::set_parent_death_signal(Some(Signal::CONT.as_raw()));
            Some(Started(ended))
        }
        Err(_) => None,
    };
    let _ = signal::restore(mask); // a mask that was in force is valid
    Side::Worker(started)
}

/// Passes signals on until the worker ends.
fn stay(queue: &SignalQueue, worker: BorrowedFd<'_>) -> Result<ExitCode, CommandError> {
    let lost = |errno: Errno| {
        CommandError::run(format!("the process that sends can't be waited for: {errno}"))
    };
    loop {
        let mut fds =
            [PollFd::new(queue, PollFlags::IN), PollFd::from_borrowed_fd(worker, PollFlags::IN)];
        stream::wait(&mut fds, None).map_err(lost)?;
        while let Some(received) = queue.next().map_err(lost)? {
            pass_on(received.number, worker).map_err(lost)?;
        }
        let Some(exit) = process::try_wait_pidfd(worker).map_err(lost)? else { continue };
        if let Exit::Signal(number) = exit {
            let error = format!("the process that sends was killed by signal {number}");
            report(&CommandError::run(error));
        }
        return Ok(ExitCode::from(u8::try_from(exit.shell_code()).unwrap_or(1)));
    }
}

fn pass_on(number: i32, worker: BorrowedFd<'_>) -> Result<(), Errno> {
    let send = |signal: Signal| match process::pidfd_send_signal(worker, signal.as_raw()) {
        // It has just ended.
        Err(Errno::SRCH) => Ok(()),
        other => other,
    };
    match Signal::from_named_raw(number) {
        // nohup(1), a shell's `&`
        Some(_) if signal::is_ignored(number) => Ok(()),
        Some(Signal::CHILD) | None => Ok(()),
        Some(Signal::TSTP | Signal::TTIN | Signal::TTOU) => {
            send(Signal::STOP)?;
            // The kernel knows whether anybody is there who could let it go on.
            signal::raise(number)?;
            send(Signal::CONT)
        }
        Some(signal) => send(signal),
    }
}
