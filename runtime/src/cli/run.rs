//! One call of the program, phase by phase: surroundings, log, command, outcome.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::ExitCode;

use super::dispatch::{Outcome, dispatch};
use super::environment::own_vectors;
use super::log::{Failure, Log, LogError};
use super::{Environment, Invocation, Parser, UsageError};

/// Why a call failed before there was a command.
#[derive(Debug, thiserror::Error)]
enum SetupError {
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("cannot protect the program's own file from the container")]
    Protect(#[source] kernel::Errno),
}

/// The commands that start processes in a container.
const STARTING: [&str; 4] = ["create", "exec", "restore", "run"];

/// Exit code of a failure, as runc's.
const FAILED: u8 = 1;

/// Runs the program on `words`, the command line without the program's name.
#[must_use]
pub fn main(words: &[OsString]) -> ExitCode {
    let (environment, parser, log) = match set_up(words) {
        Ok(set_up) => set_up,
        Err(error) => {
            Log::default().failure(&Failure {
                context: None,
                error: &error,
                hint: None,
                bare: false,
            });
            return FAILED.into();
        }
    };
    let command = parser.command().map(OsStr::to_owned);
    match parser.invocation(&environment) {
        Ok(Invocation::Command { settings, request }) => {
            let outcome = dispatch(&settings, *request, &log, &environment);
            report(outcome, &log)
        }
        Ok(Invocation::Text(text)) => match io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => FAILED.into(),
        },
        Err(error) => {
            log.failure(&Failure {
                context: None,
                error: &error,
                hint: Some(error.hint()),
                bare: false,
            });
            error.exit_code(command.as_deref()).into()
        }
    }
}

fn set_up(words: &[OsString]) -> Result<(Environment, Parser, Log), SetupError> {
    let environment = Environment::of_process();
    let parser = Parser::new(words)?;
    if parser.command().is_some_and(|name| STARTING.iter().any(|starting| name == *starting)) {
        protect_own_file().map_err(SetupError::Protect)?;
    }
    let log = Log::open(&parser.log(&environment)?)?;
    Ok((environment, parser, log))
}

/// A container must never get at the file of the program that starts it (CVE-2019-5736):
/// unless it is safe already, the program starts over from a read-only mount of it.
fn protect_own_file() -> kernel::Result<()> {
    if kernel::exe::is_protected()? {
        // Older kernels name a program that was executed by descriptor after that.
        return kernel::process::set_name(c"runt");
    }
    let (args, variables) = own_vectors().ok_or(kernel::Errno::INVAL)?;
    Err(kernel::exe::protect(&args, &variables))
}

fn report(outcome: Outcome, log: &Log) -> ExitCode {
    match outcome {
        Outcome::Exit(code) => code.into(),
        Outcome::Failed { error, context, code, bare } => {
            log.failure(&Failure { context, error: error.as_ref(), hint: None, bare });
            code.into()
        }
    }
}
