//! Times `imgmgr` beside skopeo, umoci, podman and containerd, and prints a table of ratios.
//!
//! Every run has a fresh ext4 on a loop device, since making files on a used one costs as much again. The
//! tools of a row take turns within a round, so that whatever else the machine does meets all of them.
//! CPU seconds are user and system time of the command with its children, and of containerd
//! while its client ran. Layers hold real files of `/usr`; the registry is docker-registry on the
//! loopback, its data on the disk that the work directory is on.

#![forbid(unsafe_code)]

mod containerd;
mod cost;
mod disk;
mod image;
mod killed;
mod registry;
mod rows;
mod table;
mod wire;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use crate::image::Size;

/// Times imgmgr beside its peers.
#[derive(Parser)]
#[command(name = "image-bench")]
struct Cli {
    /// The imgmgr to measure
    #[arg(long)]
    imgmgr: PathBuf,
    /// Rounds of every row
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The image of the project's targets: 80,000 entries in 30 layers, instead of 8,000 in 10
    #[arg(long)]
    big: bool,
    /// Only rows whose name contains this
    #[arg(long, default_value = "")]
    row: String,
    /// A directory with the room that it takes
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let result = match words.get(1).map(String::as_str) {
        Some(cost::MEASURE) => cost::measure(&words[2..]),
        _ => run(&Cli::parse()),
    };
    match result {
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
    ensure!(rustix::process::geteuid().is_root(), "only root can mount a fresh file system");
    let parent = cli.work.clone().unwrap_or_else(std::env::temp_dir);
    rows::check(&cli.row)?;
    let made = std::fs::create_dir_all(&parent);
    let work =
        made.and_then(|()| tempfile::Builder::new().prefix("image-bench.").tempdir_in(&parent));
    let work = work.with_context(|| format!("making a directory in `{}`", parent.display()))?;
    let size = if cli.big { Size::BIG } else { Size::SMALL };
    let imgmgr = std::fs::canonicalize(&cli.imgmgr).context("no such imgmgr")?;
    let lab = rows::Lab::prepare(work.path(), imgmgr, &size, cli.rounds)?;
    let rows = rows::measure(&lab, &cli.row)?;
    Ok(format!("{}\n\n{}", lab.describe(), table::markdown(&rows)))
}
