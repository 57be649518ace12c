//! A process of its own for commands that send.
//!
//! Some registries (docker-registry up to 2.8) forget an upload whose chunk is cut off. So that
//! nothing is lost there even by SIGKILL, a child does the work, in a session of its own, and the
//! process that was started only waits for it:
//!
//! ```text
//! started process                    worker
//!   SIGINT, SIGTERM, ...  -------->  the same: what is under way ends where it can be resumed
//!   SIGTSTP (Ctrl-Z)      -------->  SIGSTOP, and SIGCONT later
//!   killed                -------->  SIGTERM, by prctl(2), PR_SET_PDEATHSIG
//!   exit code             <--------  exit code
//! ```
//! Who runs the command again waits for what still ends there: see [`imgmgr::store::Upload`].

use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;

use kernel::process::{self, Cloned};
use kernel::received::SignalQueue;
use kernel::stream::{self, PollFd, PollFlags};
use kernel::{Errno, signal};
use rustix::process::{Pid, Signal, getpid, getppid, kill_process};

/// Which process this is.
pub(crate) enum Side {
    /// The one that does the work.
    Worker,
    /// The one that was started. The other has ended.
    Started(ExitCode),
}

/// Divides the process. To be called before anything was begun, with one thread.
///
/// Where that can't be done, for want of `/proc` or of a process, the one there is does the work,
/// and is cut off when it is killed.
pub(crate) fn divide() -> Side {
    let Ok(mask) = signal::block_all() else { return Side::Worker };
    let started = getpid();
    let divided = SignalQueue::new().and_then(|queue| Ok((queue, process::fork()?)));
    if let Ok((queue, Cloned::Parent { pidfd, .. })) = divided {
        return Side::Started(stay(&queue, pidfd.as_fd()).unwrap_or(ExitCode::FAILURE));
    }
    if let Ok((_, Cloned::Child)) = divided {
        leave(started);
    }
    let _ = signal::restore(mask); // a mask that was in force is valid
    Side::Worker
}

/// Makes the worker independent of everything but its parent's end.
fn leave(started: Pid) {
    // Neither fails: a new process leads no group, and the signal exists.
    let _ = process::setsid();
    let _ = process::set_parent_death_signal(Some(Signal::TERM.as_raw()));
    if getppid() != Some(started) {
        process::exit_now(1);
    }
}

/// Passes signals on until the worker ends.
fn stay(queue: &SignalQueue, worker: BorrowedFd<'_>) -> Result<ExitCode, Errno> {
    loop {
        let mut fds =
            [PollFd::new(queue, PollFlags::IN), PollFd::from_borrowed_fd(worker, PollFlags::IN)];
        stream::wait(&mut fds, None)?;
        while let Some(received) = queue.next()? {
            pass_on(received.number, worker)?;
        }
        if let Some(exit) = process::try_wait_pidfd(worker)? {
            return Ok(ExitCode::from(u8::try_from(exit.shell_code()).unwrap_or(1)));
        }
    }
}

fn pass_on(number: i32, worker: BorrowedFd<'_>) -> Result<(), Errno> {
    let send = |signal: Signal| match process::pidfd_send_signal(worker, signal.as_raw()) {
        // It has just ended.
        Err(Errno::SRCH) => Ok(()),
        other => other,
    };
    match Signal::from_named_raw(number) {
        Some(Signal::CHILD) => Ok(()),
        Some(Signal::TSTP | Signal::TTIN | Signal::TTOU) => {
            send(Signal::STOP)?;
            kill_process(getpid(), Signal::STOP)?;
            send(Signal::CONT)
        }
        // The terminal is gone: as good a reason to end well.
        Some(Signal::HUP) => send(Signal::TERM),
        Some(signal) => send(signal),
        None => Ok(()),
    }
}
