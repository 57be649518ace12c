//! The command line as people write it: one clap definition a command, and how each resolves into
//! a request.
//!
//! [`COMMANDS`] is the one list: parsing, `--help`, man pages and completions all come from it.
//! A call builds only the definition it needs, for building all of them costs more than `state`.

mod checkpoint;
mod create;
mod exec;
mod inspect;
mod kill;
mod path;
mod settings;
mod update;
mod value;

use clap::{ArgMatches, Args, Command};

use super::Environment;
use super::request::{Request, UsageError};

pub(super) use settings::SettingsArgs;

/// One command of the program.
pub(super) struct CommandEntry {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Whether everything from the first operand on is taken as it is, dashes or not.
    pub(super) operands: Operands,
    augment: fn(Command) -> Command,
    resolve: fn(&ArgMatches, &Environment) -> Result<Request, UsageError>,
}

/// Where a command's flags may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operands {
    /// Before and after the operands.
    Mixed,
    /// Only before them: what follows the first belongs to another program.
    Last,
}

impl CommandEntry {
    /// The definition, with neither parent nor siblings; in help the program has this name.
    pub(super) fn command(&self, program: &str) -> Command {
        let command =
            Command::new(self.name).disable_help_subcommand(true).args_override_self(true);
        let command =
            command.help_template(super::help_template(&format!("{program} {}", self.name)));
        // Last, for the doc comment of a flattened group would stand in its place.
        (self.augment)(command).about(self.about).long_about(None)
    }

    /// What the parsed words ask for.
    pub(super) fn resolve(
        &self,
        matches: &ArgMatches,
        environment: &Environment,
    ) -> Result<Request, UsageError> {
        (self.resolve)(matches, environment)
    }
}

/// Flags and operands of one command, and what they mean.
trait Resolve: Args {
    fn resolve(self, environment: &Environment) -> Result<Request, UsageError>;
}

fn resolve<T: Resolve>(matches: &ArgMatches, env: &Environment) -> Result<Request, UsageError> {
    T::from_arg_matches(matches)?.resolve(env)
}

const fn entry<T: Resolve>(
    name: &'static str,
    about: &'static str,
    operands: Operands,
) -> CommandEntry {
    let (augment, resolve) = (T::augment_args as fn(Command) -> Command, resolve::<T> as _);
    CommandEntry { name, about, operands, augment, resolve }
}

/// Every command, sorted by name.
pub(super) const COMMANDS: &[CommandEntry] = &[
    entry::<inspect::CheckArgs>(
        "check",
        "Explain what of a bundle this host cannot honour, and why",
        Operands::Mixed,
    ),
    entry::<checkpoint::CheckpointArgs>(
        "checkpoint",
        "Save the state of a running container to files",
        Operands::Mixed,
    ),
    entry::<create::CreateArgs>(
        "create",
        "Create a container: everything but starting its program",
        Operands::Mixed,
    ),
    entry::<kill::DeleteArgs>(
        "delete",
        "Delete a stopped container and all that it holds",
        Operands::Mixed,
    ),
    entry::<inspect::EventsArgs>(
        "events",
        "Print statistics and out-of-memory events of a container",
        Operands::Mixed,
    ),
    entry::<exec::ExecArgs>("exec", "Run another process in a running container", Operands::Last),
    entry::<inspect::FeaturesArgs>(
        "features",
        "Print what this runtime can do, as the OCI features document",
        Operands::Mixed,
    ),
    entry::<kill::KillArgs>(
        "kill",
        "Send a signal to the container's init process",
        Operands::Last,
    ),
    entry::<inspect::ListArgs>("list", "List the containers of this root", Operands::Mixed),
    entry::<inspect::PauseArgs>("pause", "Suspend all processes of a container", Operands::Mixed),
    entry::<inspect::PlanArgs>(
        "plan",
        "Print what creating a container would do, and do nothing",
        Operands::Mixed,
    ),
    entry::<inspect::PsArgs>("ps", "List the processes of a container", Operands::Last),
    entry::<checkpoint::RestoreArgs>(
        "restore",
        "Restore a container from the files of a checkpoint",
        Operands::Mixed,
    ),
    entry::<inspect::ResumeArgs>(
        "resume",
        "Let the processes of a paused container go on",
        Operands::Mixed,
    ),
    entry::<create::RunArgs>(
        "run",
        "Create a container, start its program and wait for it",
        Operands::Mixed,
    ),
    entry::<inspect::SpecArgs>(
        "spec",
        "Write a config.json to start from into a bundle",
        Operands::Mixed,
    ),
    entry::<inspect::StartArgs>(
        "start",
        "Start the program of a created container",
        Operands::Mixed,
    ),
    entry::<inspect::StateArgs>("state", "Print the state of a container as JSON", Operands::Mixed),
    entry::<update::UpdateArgs>(
        "update",
        "Change the resource limits of a container",
        Operands::Mixed,
    ),
];
