//! What one call of the program asks for, and why that could not be made out.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;

use crate::container_id::ContainerId;
use crate::request::{
    BundleRequest, CheckpointRequest, CreateRequest, DeleteRequest, EventsRequest, ExecRequest,
    KillRequest, ListRequest, PlanFormat, PsRequest, RestoreRequest, RunRequest, SpecRequest,
    UpdateRequest,
};

/// A command with all it needs to know.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the commands by their names")]
pub enum Request {
    Check(BundleRequest),
    Checkpoint(Box<CheckpointRequest>),
    Create(Box<CreateRequest>),
    Delete(DeleteRequest),
    Events(EventsRequest),
    Exec(Box<ExecRequest>),
    Features,
    Kill(KillRequest),
    List(ListRequest),
    Pause(ContainerId),
    Plan(BundleRequest, PlanFormat),
    Ps(PsRequest),
    Restore(Box<RestoreRequest>),
    Resume(ContainerId),
    Run(Box<RunRequest>),
    Spec(SpecRequest),
    Start(ContainerId),
    State(ContainerId),
    Update(Box<UpdateRequest>),
}

/// Why a command line means nothing.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// Flags or operands that are not the command's.
    #[error("{message}")]
    Syntax {
        /// What is wrong.
        message: String,
        /// How it would be right, as far as known.
        usage: Option<String>,
        /// Whether the words are right, but not a value among them.
        only_value: bool,
    },
    /// No such command.
    #[error("no such command: `{name}`")]
    Command {
        /// As given.
        name: String,
    },
    /// Help on a command that is not there.
    #[error("No help topic for '{name}'")]
    HelpTopic {
        /// As given.
        name: String,
    },
    /// `--log-format`.
    #[error("invalid log-format: {given}")]
    LogFormat {
        /// As given.
        given: String,
    },
    /// `--root` leads to `/`.
    #[error("option --root should not be set to /")]
    RootIsSlash,
    /// `--rootless`.
    #[error("invalid value for --rootless: `{given}` is not true, false or auto")]
    Rootless {
        /// As given.
        given: String,
    },
    /// `--allow-systemd-property`.
    #[error(
        "invalid value for --allow-systemd-property: `{given}` is neither the name of a systemd \
         property nor `all`"
    )]
    SystemdProperty {
        /// As given.
        given: String,
    },
    /// `--format`.
    #[error("invalid format option: `{given}` is not table or json")]
    OutputFormat {
        /// As given.
        given: String,
    },
    /// `plan --format`.
    #[error("invalid format option: `{given}` is not text or json")]
    PlanFormat {
        /// As given.
        given: String,
    },
    /// `exec` with nothing to run.
    #[error("exec args cannot be empty")]
    ExecWithoutCommand,
    /// `exec --user`.
    #[error("bad user `{given}`: {reason}")]
    User {
        /// As given.
        given: String,
        /// Which number is wrong.
        reason: String,
    },
    /// `exec --cgroup`.
    #[error("invalid --cgroup argument: {given} ({reason})")]
    Cgroup {
        /// As given.
        given: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// `events --interval 0`.
    #[error("duration interval must be greater than 0")]
    Interval,
    /// A number of `update`.
    #[error("invalid value for {flag}: `{given}`: {reason}")]
    Value {
        /// Without dashes.
        flag: &'static str,
        /// As given.
        given: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `update --resources`.
    #[error("cannot read resources from `{}`", path.display())]
    Resources {
        /// As given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `checkpoint --parent-path`.
    #[error("--parent-path must be relative")]
    ParentPathAbsolute,
    /// `--empty-ns`.
    #[error("namespace \"{given}\" is not supported by --empty-ns")]
    EmptyNamespace {
        /// As given.
        given: String,
    },
    /// `--manage-cgroups-mode`.
    #[error("invalid manage-cgroups-mode value: `{given}`")]
    CgroupsMode {
        /// As given.
        given: String,
    },
    /// `--page-server`.
    #[error("`{given}` is no page server: it must be ADDRESS:PORT")]
    PageServer {
        /// As given.
        given: String,
    },
}

impl UsageError {
    /// runc's exit codes: it looks at the operands of `exec` only where exec has begun.
    pub(super) fn exit_code(&self, command: Option<&OsStr>) -> u8 {
        match self {
            UsageError::Command { .. } | UsageError::HelpTopic { .. } => 3,
            UsageError::Syntax { only_value: false, .. } => 1,
            _ if command.is_some_and(|name| name == "exec") => u8::MAX,
            _ => 1,
        }
    }

    /// How it would be right.
    pub(super) fn hint(&self) -> &str {
        match self {
            UsageError::Syntax { usage: Some(usage), .. } => usage,
            _ => "`runt help` lists the commands, `runt help COMMAND` its flags",
        }
    }
}

impl From<clap::Error> for UsageError {
    /// Of clap's text, the first paragraph is what is wrong.
    fn from(error: clap::Error) -> UsageError {
        let text = error.render().to_string();
        let lines = text.lines().map(str::trim);
        let first: Vec<&str> = lines.clone().take_while(|line| !line.is_empty()).collect();
        let message = first.join(" ");
        let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
        let usage = lines.clone().find_map(|line| line.strip_prefix("Usage: ")).map(str::to_owned);
        let only_value = error.kind() == clap::error::ErrorKind::ValueValidation;
        UsageError::Syntax { message, usage, only_value }
    }
}
