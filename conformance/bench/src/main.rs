//! Times an OCI runtime beside its peers and prints a table of ratios.
//!
//! Every number of a row comes from one loop that runs each runtime once a round (A B C A C B A B ...), so that
//! whatever else the machine does meets all of them; a ratio is one of medians, and minima stand beside it.
//! A sample is the time from `posix_spawn` of the runtime to its end; there is no shell in between.
//! All runs in a private mount namespace where `/sys/fs/cgroup` is cgroup2 alone, the one layout that
//! every peer accepts.

#![forbid(unsafe_code)]

mod bundle;
mod rows;
mod runtime;
mod samples;
mod table;
mod view;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};

use crate::bundle::Bundles;
use crate::rows::Lab;
use crate::runtime::Runtime;

const PROFILE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../runtime/testdata/seccomp/docker.json");

/// Times an OCI runtime beside its peers.
#[derive(Parser)]
#[command(name = "bench")]
struct Cli {
    /// The runtime that the targets are for: `PATH` or `NAME=PATH`
    #[arg(long)]
    runtime: String,
    /// What it is measured against: `PATH`, `NAME=PATH` or a name in PATH; may be repeated
    #[arg(long, default_values = ["crun", "runc"])]
    peer: Vec<String>,
    /// Rounds of every loop
    #[arg(long, default_value_t = 100)]
    rounds: usize,
    /// Containers of the last row
    #[arg(long, default_value_t = 500)]
    containers: usize,
    /// Only rows whose name contains this
    #[arg(long, default_value = "")]
    row: String,
    /// The seccomp profile of the Docker-like bundle, in the form of `linux.seccomp`
    #[arg(long, default_value = PROFILE)]
    seccomp_profile: PathBuf,
    /// How the table is printed
    #[arg(long, value_enum, default_value = "markdown")]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Markdown,
    Json,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(text) => {
            let _ = writeln!(io::stdout(), "{}", text.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<String> {
    ensure!(rustix::process::geteuid().is_root(), "only root can measure the default bundle");
    view::enter()?;
    let work = tempfile::Builder::new().prefix("bench.").tempdir()?;
    let bundles = Bundles::make(work.path(), &cli.seccomp_profile)?;
    // Where runtimes keep their state by default, in `/run`, is no disk either.
    let run = work.path().join("run");
    view::mount_tmpfs(&run)?;
    let runtimes = std::iter::once(&cli.runtime)
        .chain(&cli.peer)
        .map(|word| find(word, &run))
        .collect::<Result<Vec<_>>>()?;
    let lab = Lab {
        runtimes,
        bundles,
        work: work.path().to_owned(),
        rounds: cli.rounds,
        containers: cli.containers,
    };
    let rows = rows::measure(&lab, &cli.row);
    view::unmount(&run)?;
    let rows = rows?;
    match cli.format {
        Format::Markdown => Ok(table::markdown(&lab.runtimes, &rows)),
        Format::Json => Ok(serde_json::to_string_pretty(&rows)?),
    }
}

/// Resolves `NAME=PATH`, `PATH` or a name in PATH.
fn find(word: &str, run: &Path) -> Result<Runtime> {
    let (name, path) = word.split_once('=').unwrap_or(("", word));
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    let found = if path.contains('/') {
        std::fs::canonicalize(path).ok()
    } else {
        std::env::split_paths(&dirs).map(|dir| dir.join(path)).find(|path| path.is_file())
    };
    let path = found.with_context(|| format!("no runtime `{path}`"))?;
    let name = match name {
        "" => path.file_name().context("no file name")?.to_string_lossy().into_owned(),
        name => name.to_owned(),
    };
    Ok(Runtime { root: run.join(&name), name, path })
}
