//! The command line: `run`, `table`, and the worker that both start.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::harness::cgroups;
use crate::known::Known;
use crate::report::{Counts, Line, Verdict, table};
use crate::runner::{self, Settings, Subject};
use crate::suite::{self, Entry};
use crate::worker::{self, Order};

/// Where the lists of known failures lie in the source tree.
const KNOWN_FAILURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/known-failures");

#[derive(Parser)]
#[command(name = "conformance", about = "Runs the conformance suite over any OCI runtime")]
struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs the suite, or part of it, over one runtime
    Run(RunArgs),
    /// Runs the suite over several runtimes and prints runtime x area
    Table(TableArgs),
    /// Runs one test (used by the other commands)
    #[command(hide = true)]
    Worker(WorkerArgs),
    /// Runs one test (used by the worker)
    #[command(hide = true)]
    Inner(WorkerArgs),
}

#[derive(Args)]
struct Selection {
    /// Only this area; may be repeated
    #[arg(long)]
    area: Vec<String>,
    /// Only this test (`name`, `area/name`, or a prefix with `*`); may be repeated
    #[arg(long)]
    test: Vec<String>,
    /// Tests at once
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// How often the repeating tests repeat
    #[arg(long, default_value_t = 300)]
    rounds: u32,
    /// Seconds that one test may take
    #[arg(long, default_value_t = 120)]
    limit: u64,
    /// Run in a private mount namespace where `/sys/fs/cgroup` is cgroup2 only
    #[arg(long)]
    cgroup2_view: bool,
    /// The program of `conformance/oracle`, for the area `oracle`
    #[arg(long)]
    oracle: Option<PathBuf>,
    /// Directory of the lists of known failures
    #[arg(long, default_value = KNOWN_FAILURES)]
    known_failures: PathBuf,
}

#[derive(Args)]
struct RunArgs {
    /// The runtime binary: `PATH` or `NAME=PATH`
    #[arg(long, required_unless_present = "list")]
    runtime: Option<String>,
    /// How results are printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Print the names of the tests and where their behaviour is specified
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    selection: Selection,
}

#[derive(Args)]
struct TableArgs {
    /// A runtime as `NAME=PATH`; may be repeated
    #[arg(long, required = true)]
    runtime: Vec<String>,
    #[command(flatten)]
    selection: Selection,
}

#[derive(Args)]
struct WorkerArgs {
    #[arg(long)]
    runtime: PathBuf,
    #[arg(long)]
    name: String,
    #[arg(long)]
    work: PathBuf,
    #[arg(long)]
    tag: String,
    #[arg(long)]
    rounds: u32,
    #[arg(long)]
    oracle: Option<PathBuf>,
    test: String,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Verb::Run(args) => run(&args),
        Verb::Table(args) => run_table(&args),
        Verb::Worker(_) => {
            let rest = std::env::args_os().skip(2);
            worker::adopt(&std::iter::once("inner".into()).chain(rest).collect::<Vec<_>>())
        }
        Verb::Inner(args) => run_worker(&args),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &RunArgs) -> Result<bool> {
    let entries = select(&args.selection)?;
    if args.list {
        for entry in &entries {
            print_line(&format!("{}\t{}", entry.full_name(), entry.test.spec));
        }
        return Ok(true);
    }
    let subject = subject(args.runtime.as_deref().context("no --runtime")?)?;
    enter_view(&args.selection)?;
    let show = |line: &Line| {
        if args.format == Format::Text {
            print_line(&line.text());
        }
    };
    let lines = run_subject(&subject, &entries, &args.selection, &show)?;
    let counts = Counts::of(&lines);
    if args.format == Format::Json {
        print_line(&serde_json::to_string_pretty(&lines)?);
    } else {
        print_line("");
        print_line(table(&[(subject.name.clone(), lines)]).trim_end());
        if counts.known > 0 {
            print_line(&format!("\n{} known failures", counts.known));
        }
        let Counts { passed, failed, skipped, .. } = counts;
        print_line(&format!("{passed} passed, {failed} failed, {skipped} skipped"));
    }
    Ok(counts.failed == 0)
}

fn run_table(args: &TableArgs) -> Result<bool> {
    let entries = select(&args.selection)?;
    let subjects =
        args.runtime.iter().map(|name| subject(name)).collect::<Result<Vec<Subject>>>()?;
    enter_view(&args.selection)?;
    let mut runs = Vec::new();
    for subject in subjects {
        let show = |line: &Line| {
            if line.verdict == Verdict::Failed {
                print_line(&format!("{}: {}", subject.name, line.text()));
            }
        };
        let lines = run_subject(&subject, &entries, &args.selection, &show)?;
        runs.push((subject.name.clone(), lines));
    }
    print_line("");
    print_line(table(&runs).trim_end());
    Ok(runs.iter().all(|(_, lines)| Counts::of(lines).failed == 0))
}

fn run_subject(
    subject: &Subject,
    entries: &[Entry],
    selection: &Selection,
    show: &(dyn Fn(&Line) + Sync),
) -> Result<Vec<Line>> {
    let known = Known::load(&selection.known_failures, &subject.name)?;
    let all: Vec<String> = suite::entries().iter().map(Entry::full_name).collect();
    if let Some(name) = known.strangers(&all).first() {
        bail!("known failures of {}: there is no test `{name}`", subject.name);
    }
    let settings = Settings {
        jobs: selection.jobs,
        rounds: selection.rounds,
        oracle: selection.oracle.as_deref().map(std::fs::canonicalize).transpose()?,
        require_all: std::env::var_os("REQUIRE_ALL").is_some_and(|value| value == "1"),
        limit: Duration::from_secs(selection.limit),
    };
    runner::run(subject, entries, &known, &settings, show)
}

fn select(selection: &Selection) -> Result<Vec<Entry>> {
    let entries = suite::select(&selection.area, &selection.test);
    if entries.is_empty() {
        bail!("no test is named so");
    }
    Ok(entries)
}

/// Resolves `NAME=PATH` or `PATH`; the name is then that of the file.
fn subject(word: &str) -> Result<Subject> {
    let (name, path) = match word.split_once('=') {
        Some((name, path)) => (Some(name.to_owned()), path),
        None => (None, word),
    };
    let path = find(path)?;
    let name = match name {
        Some(name) => name,
        None => path.file_name().context("no file name")?.to_string_lossy().into_owned(),
    };
    Ok(Subject { name, path })
}

fn find(path: &str) -> Result<PathBuf> {
    if path.contains('/') {
        return std::fs::canonicalize(path).with_context(|| format!("no runtime `{path}`"));
    }
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&dirs)
        .map(|dir| dir.join(path))
        .find(|path| path.is_file())
        .with_context(|| format!("no runtime `{path}` in PATH"))
}

/// Makes the host look like pure cgroup v2 for this process, if asked for.
fn enter_view(selection: &Selection) -> Result<()> {
    if !selection.cgroup2_view {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWNS).context("new mount namespace")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
    let at = Path::new(cgroups::MOUNT);
    umount2(at, MntFlags::MNT_DETACH).context("unmounting the cgroups")?;
    mount(Some("cgroup2"), at, Some("cgroup2"), MsFlags::empty(), None::<&str>)
        .context("mounting cgroup2")
}

fn run_worker(args: &WorkerArgs) -> Result<bool> {
    let entries = suite::select(&[], std::slice::from_ref(&args.test));
    let entry = entries.first().with_context(|| format!("no test `{}`", args.test))?;
    let order = Order {
        work: &args.work,
        tag: &args.tag,
        runtime: &args.runtime,
        name: &args.name,
        rounds: args.rounds,
        oracle: args.oracle.as_deref(),
    };
    print_line(&serde_json::to_string(&worker::run(entry.test, &order))?);
    Ok(true)
}

fn print_line(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}
