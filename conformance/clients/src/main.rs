//! Runs podman, containerd with ctr, and dockerd, as Debian packages them, with a given OCI runtime.
//!
//! Everything happens in an [`enclosure`]: own pid, mount, network and cgroup namespaces, so that no
//! engine meets one of the host, and nothing survives this program. Within it each test makes
//! its containers with the engine's own command line, and afterwards nothing may be left of them.

#![forbid(unsafe_code)]

mod command;
mod containerd;
mod docker_like;
mod enclosure;
mod engine;
mod image;
mod report;
mod terminal;
mod traces;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::report::Report;

/// Runs real engines with an OCI runtime and checks what they do with it.
#[derive(Parser)]
#[command(name = "clients")]
struct Cli {
    /// The OCI runtime's binary
    #[arg(long)]
    runtime: PathBuf,
    /// Only this engine (podman, containerd, docker); may be repeated
    #[arg(long)]
    client: Vec<String>,
    /// Only tests whose name contains this
    #[arg(long, default_value = "")]
    test: String,
    /// This process is inside the enclosure already
    #[arg(long, hide = true)]
    inside: bool,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            report::complain(&error);
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool> {
    let mut cli = Cli::parse();
    cli.runtime = std::fs::canonicalize(&cli.runtime)
        .with_context(|| format!("no runtime `{}`", cli.runtime.display()))?;
    if !cli.inside {
        return enclosure::run_inside();
    }
    enclosure::furnish()?;
    let work = tempfile::Builder::new().prefix("clients.").tempdir()?;
    // conmon leaves a file where it is started.
    std::env::set_current_dir(work.path())?;
    let image = image::build(work.path())?;
    let mut report = Report::new(cli.test);
    for client in engine::CLIENTS {
        if cli.client.is_empty() || cli.client.iter().any(|name| name == client.name) {
            (client.test)(&cli.runtime, work.path(), &image, &mut report);
        }
    }
    Ok(report.finish())
}
