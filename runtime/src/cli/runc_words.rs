//! Errors in runc's words, for callers that know the program as `runc`.
//!
//! What a runtime says is not specified, and programs around runc look for its words all the same.
//! Under that name, and no other, errors begin as runc's do and name errors of the kernel as Go does.

use std::error::Error;
use std::io;

use kernel::Errno;

use super::Request;
use super::dispatch::CommandError;
use super::supervise::SuperviseError;
use crate::lifecycle::LifecycleError;

/// How runc begins its message about the failure of a request of this kind.
pub(super) fn opening(request: &Request) -> Option<&'static str> {
    match request {
        Request::Run(_) => Some("runc run failed"),
        Request::Create(_) => Some("runc create failed"),
        Request::Exec(_) => Some("exec failed"),
        _ => None,
    }
}

/// What runc says between that and the reason.
pub(super) fn stage(error: &CommandError) -> Option<&'static str> {
    use LifecycleError as E;
    let (CommandError::Lifecycle(error)
    | CommandError::Supervise(SuperviseError::Lifecycle(error))) = error
    else {
        return None;
    };
    match error {
        E::Mount { .. } | E::PrepareMount { .. } | E::MapMount { .. } => {
            Some("unable to start container process: error during container init: error mounting")
        }
        E::Step { .. } | E::Died { .. } => {
            Some("unable to start container process: error during container init")
        }
        E::StepDetail { .. } | E::Clone { .. } | E::Join { .. } | E::ProcessFile { .. } => {
            Some("unable to start container process")
        }
        _ => None,
    }
}

/// One error of a chain; one of the kernel's as Go writes it: `operation not permitted`.
pub(super) fn cause(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref().and_then(io::Error::raw_os_error) {
        Some(number) => kernel::error_text(Errno::from_raw_os_error(number)),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_kernel_are_as_in_go() {
        assert_eq!(cause(&io::Error::from_raw_os_error(1)), "operation not permitted");
        assert_eq!(cause(&io::Error::other("Some words")), "Some words");
    }

    #[test]
    fn a_failed_mount_is_called_so() {
        let source = io::Error::from_raw_os_error(1);
        let error = LifecycleError::Mount { step: "bind `/a` at `/b`".into(), source };
        let stage = stage(&error.into()).unwrap();
        assert!(stage.ends_with("error during container init: error mounting"), "{stage}");
    }
}
