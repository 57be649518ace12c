//! From a request to what does it, and from what comes back to what is printed.

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

use super::log::Log;
use super::output::spec::Privilege;
use super::output::{self, StateReport};
use super::supervise::{
    SuperviseError, exec_process, restore_container, run_container, start_container,
};
use super::{Environment, Request, UserNames, runc_words};
use crate::cgroup::{Cgroup, CgroupError};
use crate::journal::Level;
use crate::lifecycle::{self, ConsoleEnd, Context, EventsError, LifecycleError};
use crate::plan::StartMode;
use crate::request::{
    BundleRequest, EventsRequest, ListRequest, OutputFormat, PlanFormat, PsRequest, Settings,
    SpecRequest,
};

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
        context: Option<String>,
        /// As runc's.
        code: u8,
        /// See [`super::log::Failure::bare`].
        bare: bool,
    },
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    #[error(transparent)]
    Supervise(#[from] SuperviseError),
    #[error(transparent)]
    Ps(#[from] output::ps::PsError),
    #[error(transparent)]
    Spec(#[from] output::spec::WriteSpecError),
    #[error("cannot write to standard output")]
    Stdout(#[source] io::Error),
}

impl CommandError {
    /// Whether all that failed was the execution of the program.
    fn is_execve(&self) -> bool {
        let (CommandError::Lifecycle(error)
        | CommandError::Supervise(SuperviseError::Lifecycle(error))) = self
        else {
            return false;
        };
        matches!(error, LifecycleError::Execve { .. })
    }
}

/// Does what `request` asks for.
pub(super) fn dispatch(
    settings: &Settings,
    request: Request,
    log: &Log,
    environment: &Environment,
) -> Outcome {
    let is_exec = matches!(request, Request::Exec(_));
    let opening = if environment.called_runc {
        runc_words::opening(&request)
    } else {
        is_exec.then_some("exec failed")
    };
    match perform(Context { settings, journal: log }, request, environment) {
        Ok(code) => Outcome::Exit(code),
        Err(error) if !is_exec && error.is_execve() => {
            Outcome::Failed { bare: true, context: None, error: Box::new(error), code: 1 }
        }
        Err(error) => Outcome::Failed {
            bare: false,
            context: opening.map(|opening| match runc_words::stage(&error) {
                Some(stage) if environment.called_runc => format!("{opening}: {stage}"),
                _ => opening.to_owned(),
            }),
            error: Box::new(error),
            code: if is_exec { u8::MAX } else { 1 },
        },
    }
}

/// The exit code.
fn perform(
    context: Context<'_>,
    request: Request,
    environment: &Environment,
) -> Result<u8, CommandError> {
    match request {
        Request::Run(request) => return Ok(run_container(context, &request)?),
        Request::Exec(request) => return Ok(exec_process(context, &request)?),
        Request::Create(request) => {
            lifecycle::launch(context, &request, StartMode::Later, ConsoleEnd::Socket)?;
        }
        Request::Start(id) => start_container(context, &id, environment.notify_socket.as_deref())?,
        Request::Kill(request) => lifecycle::kill(context, &request)?,
        Request::Delete(request) => {
            lifecycle::delete(context, &request)?;
        }
        Request::Pause(id) => lifecycle::pause(context, &id)?,
        Request::Resume(id) => lifecycle::resume(context, &id)?,
        Request::State(id) => print(&StateReport::of(&lifecycle::state(context, &id)?).to_json())?,
        Request::List(request) => print(&list(context, request)?)?,
        Request::Ps(request) => print(&processes(context, &request)?)?,
        Request::Update(request) => lifecycle::update(context, &request)?,
        Request::Events(request) => events(context, &request)?,
        Request::Features => print(&output::features::Features::probe().to_json())?,
        Request::Spec(request) => write_spec(&request)?,
        Request::Plan(request, format) => {
            let explained = lifecycle::explain(context, &request)?;
            print(&match format {
                PlanFormat::Text => explained.to_string(),
                PlanFormat::Json => explained.to_json(),
            })?;
        }
        Request::Check(request) => return check(context, &request),
        Request::Checkpoint(request) => lifecycle::checkpoint(context, &request)?,
        Request::Restore(request) => return Ok(restore_container(context, &request)?),
    }
    Ok(0)
}

fn list(context: Context<'_>, request: ListRequest) -> Result<String, CommandError> {
    let names = UserNames::of_host();
    let containers = lifecycle::list(context)?;
    let with_owner = containers
        .iter()
        .map(|view| StateReport { owner: names.name(view.owner), ..StateReport::of(view) });
    let reports: Vec<StateReport> = with_owner.collect();
    Ok(match request {
        ListRequest { quiet: true, .. } => output::list::ids(&reports),
        ListRequest { format: OutputFormat::Json, .. } => output::list::json(&reports),
        ListRequest { format: OutputFormat::Table, .. } => output::list::table(&reports),
    })
}

fn processes(context: Context<'_>, request: &PsRequest) -> Result<String, CommandError> {
    let view = lifecycle::state(context, &request.id)?;
    let pids = match Cgroup::open(&view.record.cgroup).pids() {
        // systemd removes the cgroup of a scope that has ended.
        Err(error) if error.is_gone() && view.status == crate::state::Status::Stopped => Vec::new(),
        other => other?,
    };
    let pids: Vec<i32> = pids.into_iter().map(|pid| pid.0).collect();
    Ok(match request.format {
        OutputFormat::Json => output::ps::json(&pids),
        OutputFormat::Table => output::ps::table(&pids, &request.ps_args)?,
    })
}

fn events(context: Context<'_>, request: &EventsRequest) -> Result<(), CommandError> {
    let tell = |event| print(&output::events::line(&request.id, &event));
    lifecycle::events(context, request, tell).map_err(|error| match error {
        EventsError::Lifecycle(error) => error.into(),
        EventsError::Told(error) => error,
    })
}

/// A line a finding; 1 if creation would fail.
fn check(context: Context<'_>, request: &BundleRequest) -> Result<u8, CommandError> {
    let findings = lifecycle::check(context, request);
    let lines = findings.iter().map(|finding| format!("{}: {}\n", finding.level, finding.text));
    print(&lines.collect::<String>())?;
    if findings.iter().any(|finding| finding.level == Level::Error) {
        return Ok(1);
    }
    print("nothing stands in the way\n")?;
    Ok(0)
}

fn write_spec(request: &SpecRequest) -> Result<(), output::spec::WriteSpecError> {
    let privilege = if request.rootless {
        let (uid, gid) = (kernel::identity::effective_uid(), kernel::identity::effective_gid());
        Privilege::Rootless { uid, gid }
    } else {
        Privilege::Root
    };
    let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    output::spec::write(&request.bundle, &output::spec::text(privilege, unified))
}

/// Prints what a command found.
fn print(text: &str) -> Result<(), CommandError> {
    io::stdout().write_all(text.as_bytes()).map_err(CommandError::Stdout)
}
