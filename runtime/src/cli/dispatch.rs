//! From a request to what does it.

use std::error::Error;
use std::io::{self, Write};

use super::log::Log;
use super::output;
use super::output::spec::Privilege;
use super::{Environment, Request};
use crate::request::{Settings, SpecRequest};

/// How a command ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// With this code, which may be the container's.
    Exit(u8),
    /// It failed.
    Failed {
        /// Why.
        error: Box<dyn Error>,
        /// What stands before the reason.
        context: Option<&'static str>,
        /// As runc's.
        code: u8,
    },
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    #[error(transparent)]
    Spec(#[from] output::spec::WriteSpecError),
    #[error("cannot write to standard output")]
    Stdout(#[source] io::Error),
    #[error("`{command}` is not built yet")]
    NotBuilt { command: &'static str },
}

/// Does what `request` asks for.
pub(super) fn dispatch(_: &Settings, request: Request, _: &Log, _: &Environment) -> Outcome {
    let code = if matches!(request, Request::Exec(_)) { u8::MAX } else { 1 };
    let context = matches!(request, Request::Exec(_)).then_some("exec failed");
    let done = match request {
        Request::Spec(request) => write_spec(&request).map_err(CommandError::from),
        Request::Features => print(&output::features::Features::probe().to_json()),
        _ => Err(CommandError::NotBuilt { command: "this command" }),
    };
    match done {
        Ok(()) => Outcome::Exit(0),
        Err(error) => Outcome::Failed { error: Box::new(error), context, code },
    }
}

fn write_spec(request: &SpecRequest) -> Result<(), output::spec::WriteSpecError> {
    let privilege = if request.rootless {
        let (uid, gid) = (kernel::identity::effective_uid(), kernel::identity::effective_gid());
        Privilege::Rootless { uid, gid }
    } else {
        Privilege::Root
    };
    let unified = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    output::spec::write(&request.bundle, &output::spec::text(privilege, unified))
}

/// Prints what a command found.
fn print(text: &str) -> Result<(), CommandError> {
    io::stdout().write_all(text.as_bytes()).map_err(CommandError::Stdout)
}
