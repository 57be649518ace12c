//! The `runt` command line: from words to a [`Request`], and from results to output.
//!
//! ```text
//! argv -> go_style -> clap (args/) -> Request -> lifecycle -> output/ -> stdout
//!                                        |            `----> log: stderr, --log
//!                                        `-> UsageError
//! ```

mod args;
mod dispatch;
mod environment;
mod go_style;
pub mod log;
mod output;
mod request;
mod run;
mod runc_words;
mod supervise;
mod user_names;

pub use environment::Environment;
pub use output::ps::PsError;
pub use output::spec::WriteSpecError;
pub use output::state::StateReport;
pub use request::{Request, UsageError};
pub use run::PROGRAM;
pub use user_names::UserNames;

use std::ffi::{OsStr, OsString};

use clap::{Args, Command, FromArgMatches};

use self::args::{COMMANDS, CommandEntry, Operands, SettingsArgs};
use self::log::LogOptions;
use crate::request::Settings;

/// The program's name.
pub const NAME: &str = "runt";

/// What `--help` prints, as a man page begins; `name` is the command with the program's.
fn help_template(name: &str) -> String {
    format!(
        "NAME:\n   {name} - {{about}}\n\n{{usage-heading}} {{usage}}\n\n{{all-args}}{{after-help}}"
    )
}

/// What it is for.
const ABOUT: &str = "Open Container Initiative runtime: runs containers from bundles";

/// The newest runtime-spec whose properties are all known.
pub const SPEC_VERSION: &str = "1.3.0";

/// One call, made out.
#[derive(Clone, Debug, PartialEq)]
pub enum Invocation {
    /// A command.
    Command {
        /// What holds for every command.
        settings: Settings,
        /// What to do.
        request: Box<Request>,
    },
    /// Text that was asked for instead of a command: help or the version.
    Text(String),
}

/// Words of a command line, with the log already known: errors of the rest belong there.
#[derive(Debug)]
pub struct Parser {
    settings: SettingsArgs,
    help: bool,
    words: Vec<OsString>,
}

impl Parser {
    /// Reads the flags before the command's name; `words` don't hold the program's name.
    ///
    /// # Errors
    /// What is wrong with these flags.
    pub fn new(words: &[OsString]) -> Result<Parser, UsageError> {
        let program = program();
        let (settings, words) = words.split_at(go_style::first_operand(&program, words));
        let mut settings = go_style::normalise(&program, Operands::Mixed, settings);
        let given = settings.len();
        settings.retain(|word| word != "--help" && word != "-h");
        let help = settings.len() < given;
        let matches = program.no_binary_name(true).try_get_matches_from(settings)?;
        let settings = SettingsArgs::from_arg_matches(&matches)?;
        Ok(Parser { settings, help, words: words.to_vec() })
    }

    /// Where messages go to.
    ///
    /// # Errors
    /// If `--log-format` is unknown.
    pub fn log(&self, environment: &Environment) -> Result<LogOptions, UsageError> {
        self.settings.log(environment)
    }

    /// The name of the command, known or not.
    #[must_use]
    pub fn command(&self) -> Option<&OsStr> {
        self.words.first().map(OsString::as_os_str)
    }

    /// Reads the command.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn invocation(self, environment: &Environment) -> Result<Invocation, UsageError> {
        if self.settings.version() {
            return Ok(Invocation::Text(version()));
        }
        let Some((name, words)) = self.words.split_first().filter(|_| !self.help) else {
            return help(&[], environment).map(Invocation::Text);
        };
        if name == "help" || name == "h" {
            return help(words, environment).map(Invocation::Text);
        }
        let asks_help = || words.iter().any(|word| word == "-h" || word == "--help");
        let entry = find(name).map_err(|error| match error {
            UsageError::Command { name } if asks_help() => UsageError::HelpTopic { name },
            other => other,
        })?;
        let program = environment.program_name();
        let command = entry.command(program).no_binary_name(true);
        let command = command.bin_name(format!("{program} {}", entry.name));
        let words = go_style::normalise(&command, entry.operands, words);
        let request = match command.try_get_matches_from(words) {
            Ok(matches) => entry.resolve(&matches, environment)?,
            Err(error) if !error.use_stderr() => {
                return Ok(Invocation::Text(error.render().to_string()));
            }
            Err(error) => return Err(error.into()),
        };
        let settings = self.settings.resolve(environment)?;
        Ok(Invocation::Command { settings, request: Box::new(request) })
    }
}

/// The whole definition: what help, man pages and completions are made of.
#[must_use]
pub fn command() -> Command {
    let subcommands = COMMANDS.iter().map(|entry| entry.command(NAME));
    program()
        .subcommands(subcommands)
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .after_help(
            "A bundle is a directory with a configuration, config.json, and the root file system \
             it names. To run one, as root:\n\n    # cd BUNDLE\n    # runt run my-container",
        )
}

/// The definition without commands.
fn program() -> Command {
    let program = Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .disable_version_flag(true)
        .help_template(help_template(&format!("{NAME}, in place of runc")))
        .args_override_self(true);
    SettingsArgs::augment_args(program).about(ABOUT)
}

fn find(name: &OsString) -> Result<&'static CommandEntry, UsageError> {
    let known = COMMANDS.iter().find(|entry| name == entry.name);
    known.ok_or_else(|| UsageError::Command { name: name.to_string_lossy().into_owned() })
}

fn help(words: &[OsString], environment: &Environment) -> Result<String, UsageError> {
    let Some(name) = words.first() else {
        return Ok(command().render_help().to_string());
    };
    let topic = || UsageError::HelpTopic { name: name.to_string_lossy().into_owned() };
    let entry = find(name).map_err(|_| topic())?;
    let program = environment.program_name();
    let mut command = entry.command(program).bin_name(format!("{program} {}", entry.name));
    Ok(command.render_help().to_string())
}

/// Three lines that dockerd reads, the first by the word `version`.
fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let commit = option_env!("RUNT_COMMIT").unwrap_or("unknown");
    format!("{NAME} version {version}\ncommit: {commit}\nspec: {SPEC_VERSION}\n")
}

#[cfg(test)]
mod tests;
