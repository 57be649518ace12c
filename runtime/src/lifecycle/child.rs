//! The container's process as its maker sees it, until it runs its program.

use super::LifecycleError;
use super::error::kernel_error;
use crate::init::report::{Report, StepFailed, Telling, send_go};
use kernel::process;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// A process that has been cloned and is being set up.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
    pub(super) socket: OwnedFd,
}

impl Child {
    /// Lets the process go on. That it is gone shows when its report is awaited.
    pub(super) fn go(&self) {
        let _ = send_go(&self.socket, self.pid);
    }

    /// Waits for what the process has to say; `None` when its program runs.
    pub(super) fn report(&self) -> Result<Option<Report>, LifecycleError> {
        let report = Report::receive(&self.socket)
            .map_err(kernel_error("hear from the container's process"))?;
        match report {
            Some(Report::Failed(failed)) => Err(step_error(failed)),
            other => Ok(other),
        }
    }

    /// Kills and reaps it: how it ended.
    pub(super) fn kill(&self) -> Option<process::Exit> {
        // It may have ended by itself.
        let _ = process::pidfd_send_signal(self.pidfd.as_fd(), 9);
        process::wait_pidfd(self.pidfd.as_fd()).ok()
    }

    /// The error for a process that ended without a report.
    pub(super) fn died(&self) -> LifecycleError {
        let how = match self.kill() {
            Some(process::Exit::Code(code)) => format!("exit status {code}"),
            Some(process::Exit::Signal(signal)) => format!("killed by signal {signal}"),
            None => "nobody knows how".to_owned(),
        };
        LifecycleError::Died { how }
    }
}

/// The error of a failed step.
pub(super) fn step_error(failed: StepFailed) -> LifecycleError {
    let source = io::Error::from_raw_os_error(failed.errno);
    match failed.telling {
        Telling::Step => LifecycleError::Step { step: failed.text, source },
        Telling::Mount => LifecycleError::Mount { step: failed.text, source },
        Telling::All => LifecycleError::StepDetail { detail: failed.text },
        Telling::Execve => LifecycleError::Execve { detail: failed.text },
    }
}
