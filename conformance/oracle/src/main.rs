//! `libcontainer` behind the commands of runc that the suite and the benchmarks need.
//!
//! The library runs in this process, with nothing of youki's own program around it: no copy into
//! a memfd, no logging set up, no options parsed but these.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use libcontainer::container::Container;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::json;

#[derive(Parser)]
#[command(name = "oracle", version, about = "Runs bundles by libcontainer")]
struct Cli {
    /// State directory
    #[arg(long, default_value = "/run/oracle")]
    root: PathBuf,
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Creates a container
    Create(Launch),
    /// Creates a container, starts it, and waits for its end
    Run(Launch),
    /// Starts a created container
    Start { id: String },
    /// Prints the state of a container
    State { id: String },
    /// Sends a signal to a container
    Kill {
        id: String,
        #[arg(default_value = "TERM")]
        signal: String,
        #[arg(long, short)]
        all: bool,
    },
    /// Deletes a container
    Delete {
        id: String,
        #[arg(long, short)]
        force: bool,
    },
}

#[derive(Args)]
struct Launch {
    #[arg(long, short, default_value = ".")]
    bundle: PathBuf,
    #[arg(long)]
    pid_file: Option<PathBuf>,
    #[arg(long)]
    console_socket: Option<PathBuf>,
    #[arg(long, default_value_t = 0)]
    preserve_fds: i32,
    #[arg(long)]
    no_pivot: bool,
    #[arg(long, short)]
    detach: bool,
    id: String,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match perform(&cli.root, cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(root: &Path, verb: Verb) -> Result<u8> {
    match verb {
        Verb::Create(launch) => build(root, &launch, Detached::Yes).map(|_| 0),
        Verb::Run(launch) => run(root, &launch),
        Verb::Start { id } => load(root, &id)?.start().map(|()| 0).context("start"),
        Verb::State { id } => state(root, &id),
        Verb::Kill { id, signal, all } => {
            let signal = libcontainer::signal::Signal::try_from(signal.as_str()).context("signal")?;
            load(root, &id)?.kill(signal, all).map(|()| 0).context("kill")
        }
        Verb::Delete { id, force } => {
            if force && !root.join(&id).exists() {
                return Ok(0);
            }
            load(root, &id)?.delete(force).map(|()| 0).context("delete")
        }
    }
}

/// Whether the container outlives this process.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detached {
    Yes,
    No,
}

fn build(root: &Path, launch: &Launch, detached: Detached) -> Result<Container> {
    std::fs::create_dir_all(root).context("state directory")?;
    ContainerBuilder::new(launch.id.clone(), SyscallType::default())
        .with_pid_file(launch.pid_file.clone())
        .context("pid file")?
        .with_console_socket(launch.console_socket.clone())
        .with_root_path(root)
        .context("state directory")?
        .with_preserved_fds(launch.preserve_fds)
        .validate_id()
        .context("id")?
        .as_init(&launch.bundle)
        .with_systemd(false)
        .with_detach(detached == Detached::Yes)
        .with_no_pivot(launch.no_pivot)
        .build()
        .context("create")
}

fn run(root: &Path, launch: &Launch) -> Result<u8> {
    let detached = if launch.detach { Detached::Yes } else { Detached::No };
    let mut container = build(root, launch, detached)?;
    container.start().context("start")?;
    if launch.detach {
        return Ok(0);
    }
    let pid = container.pid().context("a running container has a pid")?;
    let code = match waitpid(Pid::from_raw(pid.as_raw()), None).context("wait")? {
        WaitStatus::Exited(_, code) => u8::try_from(code).unwrap_or(u8::MAX),
        WaitStatus::Signaled(_, signal, _) => 128 + u8::try_from(signal as i32).unwrap_or(0),
        status => anyhow::bail!("unexpected {status:?}"),
    };
    load(root, &launch.id)?.delete(true).context("delete")?;
    Ok(code)
}

fn load(root: &Path, id: &str) -> Result<Container> {
    let dir = root.join(id);
    anyhow::ensure!(dir.exists(), "container `{id}` does not exist");
    let mut container = Container::load(dir).context("state")?;
    container.refresh_status().context("status")?;
    Ok(container)
}

fn state(root: &Path, id: &str) -> Result<u8> {
    let container = load(root, id)?;
    let state = &container.state;
    let text = serde_json::to_string_pretty(&json!({
        "ociVersion": state.oci_version,
        "id": state.id,
        "status": container.status().to_string(),
        "pid": state.pid.unwrap_or(0),
        "bundle": state.bundle,
        "annotations": state.annotations,
    }))?;
    writeln!(io::stdout(), "{text}")?;
    Ok(0)
}
