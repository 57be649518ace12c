//! One call of the program, phase by phase: surroundings, log, command, outcome.

use std::ffi::{CStr, OsStr, OsString};
use std::io::{self, Write};

use kernel::start::Program;

use super::dispatch::{Outcome, dispatch};
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

/// The program, from its first step on.
pub const PROGRAM: Program = Program { wants_protection: may_start, main };

/// Whether the words may hold the name of a command that starts processes in a container: what
/// else is called like one is protected without need.
fn may_start(words: &mut dyn Iterator<Item = &CStr>) -> bool {
    words.skip(1).any(|word| STARTING.iter().any(|name| word.to_bytes() == name.as_bytes()))
}

/// Runs the program on the words of its command line; the exit code.
fn main(words: &[OsString], protected: kernel::Result<()>) -> u8 {
    let (environment, parser, log) = match set_up(words, protected) {
        Ok(set_up) => set_up,
        Err(error) => {
            Log::default().failure(&Failure {
                context: None,
                error: &error,
                hint: None,
                bare: false,
            });
            return FAILED;
        }
    };
    let command = parser.command().map(OsStr::to_owned);
    match parser.invocation(&environment) {
        Ok(Invocation::Command { settings, request }) => {
            let outcome = dispatch(&settings, *request, &log, &environment);
            report(outcome, &log)
        }
        Ok(Invocation::Text(text)) => match io::stdout().write_all(text.as_bytes()) {
            Ok(()) => 0,
            Err(_) => FAILED,
        },
        Err(error) => {
            log.failure(&Failure {
                context: None,
                error: &error,
                hint: Some(error.hint()),
                bare: false,
            });
            error.exit_code(command.as_deref())
        }
    }
}

fn set_up(
    words: &[OsString],
    protected: kernel::Result<()>,
) -> Result<(Environment, Parser, Log), SetupError> {
    let (name, words) = match words {
        [name, words @ ..] => (name.as_os_str(), words),
        [] => (OsStr::new(""), words),
    };
    let environment = Environment::of_process(name);
    let parser = Parser::new(words)?;
    if parser.command().is_some_and(|name| STARTING.iter().any(|starting| name == *starting)) {
        // A container must never get at the file of the program that starts it (CVE-2019-5736).
        protected.map_err(SetupError::Protect)?;
        // Older kernels name a program that was executed by descriptor after that.
        kernel::process::set_name(c"runt").map_err(SetupError::Protect)?;
    }
    let log = Log::open(&parser.log(&environment)?)?;
    Ok((environment, parser, log))
}

fn report(outcome: Outcome, log: &Log) -> u8 {
    match outcome {
        Outcome::Exit(code) => code,
        Outcome::Failed { error, context, code, bare } => {
            let context = context.as_deref();
            log.failure(&Failure { context, error: error.as_ref(), hint: None, bare });
            code
        }
    }
}
