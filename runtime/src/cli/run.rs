//! One call of the program, phase by phase: surroundings, log, command, outcome.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::ExitCode;

use super::dispatch::{Outcome, dispatch};
use super::log::{Failure, Log, LogError};
use super::{Environment, Invocation, Parser, UsageError};

/// Why a call failed before there was a command.
#[derive(Debug, thiserror::Error)]
enum SetupError {
    #[error("cannot find the working directory")]
    WorkingDirectory(#[source] io::Error),
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error(transparent)]
    Log(#[from] LogError),
}

/// Exit code of a failure, as runc's.
const FAILED: u8 = 1;

/// Runs the program on `words`, the command line without the program's name.
#[must_use]
pub fn main(words: &[OsString]) -> ExitCode {
    let (environment, parser, log) = match set_up(words) {
        Ok(set_up) => set_up,
        Err(error) => {
            Log::default().failure(&Failure { context: None, error: &error, hint: None });
            return FAILED.into();
        }
    };
    let command = parser.command().map(OsStr::to_owned);
    match parser.invocation(&environment) {
        Ok(Invocation::Command { settings, request }) => {
            let outcome = dispatch(&settings, *request, &log);
            report(outcome, &log)
        }
        Ok(Invocation::Text(text)) => match io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => FAILED.into(),
        },
        Err(error) => {
            log.failure(&Failure { context: None, error: &error, hint: Some(error.hint()) });
            error.exit_code(command.as_deref()).into()
        }
    }
}

fn set_up(words: &[OsString]) -> Result<(Environment, Parser, Log), SetupError> {
    let environment = Environment::of_process().map_err(SetupError::WorkingDirectory)?;
    let parser = Parser::new(words)?;
    let log = Log::open(&parser.log(&environment)?)?;
    Ok((environment, parser, log))
}

fn report(outcome: Outcome, log: &Log) -> ExitCode {
    match outcome {
        Outcome::Exit(code) => code.into(),
        Outcome::Failed { error, context, code } => {
            log.failure(&Failure { context, error: error.as_ref(), hint: None });
            code.into()
        }
    }
}
