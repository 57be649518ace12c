//! The rows of the table: what is measured, and what it must be.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::bundle::Bundles;
use crate::runtime::{Runtime, await_death, run};
use crate::samples::{Samples, interleave, order};
use crate::view;

/// How many mounts the host gets more, to see what they cost.
const EXTRA_MOUNTS: usize = 1000;
/// How many containers are made at once in the last row.
const AT_ONCE: usize = 8;
/// How often memory and system calls, which hardly vary, are counted.
const COUNTS: usize = 5;

/// All that a row needs.
pub(crate) struct Lab {
    /// The first is the one that the targets are for.
    pub(crate) runtimes: Vec<Runtime>,
    pub(crate) bundles: Bundles,
    pub(crate) work: PathBuf,
    pub(crate) rounds: usize,
    pub(crate) containers: usize,
}

/// A promise about the first runtime.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) enum Target {
    /// At most this many times what the peer of that name needs.
    Ratio(&'static str, f64),
    /// At most this number, in the row's unit.
    AtMost(f64),
}

/// One line of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    /// For each runtime: the median and the minimum.
    pub(crate) values: Vec<(f64, f64)>,
    pub(crate) targets: Vec<Target>,
}

type Measure = fn(&Lab) -> Result<Vec<Row>>;

const ROWS: [(&str, Measure); 8] = [
    ("run", run_true),
    ("exec", exec_true),
    ("lifecycle", lifecycle),
    ("docker", docker_like),
    ("mounts", extra_mounts),
    ("memory", peak_memory),
    ("syscalls", system_calls),
    ("many", many_containers),
];

/// Measures all rows whose name contains `filter`.
pub(crate) fn measure(lab: &Lab, filter: &str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, measure) in ROWS.iter().filter(|(name, _)| name.contains(filter)) {
        let _ = writeln!(io::stderr(), "measuring {name}");
        rows.extend(measure(lab).with_context(|| format!("row `{name}`"))?);
    }
    Ok(rows)
}

fn row(what: &str, samples: &[Samples], targets: &[Target]) -> Row {
    let values = samples.iter().map(|samples| (samples.median(), samples.min())).collect();
    Row { what: what.to_owned(), unit: "ms", values, targets: targets.to_vec() }
}

fn run_true(lab: &Lab) -> Result<Vec<Row>> {
    let samples = time_runs(lab, &lab.bundles.default)?;
    let targets = [Target::Ratio("crun", 0.45), Target::Ratio("runc", 0.2)];
    let heavier = time_runs(lab, &lab.bundles.busybox)?;
    Ok(vec![
        row("`run true`, default bundle", &samples, &targets),
        row("`run busybox true`, default bundle", &heavier, &[]),
    ])
}

fn docker_like(lab: &Lab) -> Result<Vec<Row>> {
    let samples = time_runs(lab, &lab.bundles.docker)?;
    let targets = [Target::Ratio("crun", 0.4)];
    Ok(vec![row("`run true`, Docker-like with its seccomp profile", &samples, &targets)])
}

fn time_runs(lab: &Lab, bundle: &std::path::Path) -> Result<Vec<Samples>> {
    let bundle = bundle.to_string_lossy();
    interleave(&lab.runtimes, lab.rounds, |runtime| {
        runtime.time(&["run", "--bundle", &bundle, "bench-run"])
    })
}

fn exec_true(lab: &Lab) -> Result<Vec<Row>> {
    for runtime in &lab.runtimes {
        runtime.create(&lab.bundles.sleeping, &format!("bench-exec-{}", runtime.name))?;
        runtime.time(&["start", &format!("bench-exec-{}", runtime.name)])?;
    }
    let samples = interleave(&lab.runtimes, lab.rounds, |runtime| {
        runtime.time(&["exec", &format!("bench-exec-{}", runtime.name), "true"])
    });
    for runtime in &lab.runtimes {
        runtime.remove(&format!("bench-exec-{}", runtime.name))?;
    }
    Ok(vec![row("`exec true`", &samples?, &[Target::Ratio("crun", 0.35)])])
}

fn lifecycle(lab: &Lab) -> Result<Vec<Row>> {
    let verbs = ["create", "state", "start", "kill", "delete"];
    let mut samples = vec![vec![Samples::default(); lab.runtimes.len()]; verbs.len()];
    for round in 0..=lab.rounds {
        for index in order(round, lab.runtimes.len()) {
            for (verb, took) in live_once(lab, &lab.runtimes[index])?.into_iter().enumerate() {
                if round > 0 {
                    samples[verb][index].push(took);
                }
            }
        }
    }
    let rows = verbs.iter().zip(&samples).map(|(verb, samples)| {
        // Making the container is measured by `run`; here it is only told.
        let target = (*verb != "create").then_some(Target::Ratio("crun", 0.3));
        row(&format!("`{verb}`"), samples, target.as_slice())
    });
    Ok(rows.collect())
}

/// One container's life; gives the time of each command.
fn live_once(lab: &Lab, runtime: &Runtime) -> Result<[Duration; 5]> {
    let id = format!("bench-life-{}", runtime.name);
    let began = Instant::now();
    let pid = runtime.create(&lab.bundles.sleeping, &id)?;
    let create = began.elapsed();
    let state = runtime.time(&["state", &id])?;
    let start = runtime.time(&["start", &id])?;
    let kill = runtime.time(&["kill", &id, "KILL"])?;
    await_death(pid)?;
    let delete = runtime.time(&["delete", &id])?;
    Ok([create, state, start, kill, delete])
}

fn extra_mounts(lab: &Lab) -> Result<Vec<Row>> {
    let dir = lab.work.join("mounts");
    let without = time_runs(lab, &lab.bundles.default)?;
    view::add_mounts(&dir, EXTRA_MOUNTS)?;
    let with = time_runs(lab, &lab.bundles.default);
    view::remove_mounts(&dir, EXTRA_MOUNTS)?;
    let with = with?;
    let added = |get: fn(&Samples) -> f64| -> Vec<f64> {
        with.iter().zip(&without).map(|(with, without)| get(with) - get(without)).collect()
    };
    let values = added(Samples::median).into_iter().zip(added(Samples::min)).collect();
    let what = format!("added to `run true` by {EXTRA_MOUNTS} host mounts");
    let targets = vec![Target::Ratio("crun", 1.0)];
    Ok(vec![Row { what, unit: "ms", values, targets }])
}

/// Peak resident memory of `run`, as `wait4` tells it to busybox, which is itself smaller than any runtime:
/// before it executes the runtime, a child's peak is that of its parent.
fn peak_memory(lab: &Lab) -> Result<Vec<Row>> {
    let bundle = lab.bundles.default.to_string_lossy();
    let report = lab.work.join("time");
    let values = count(lab, |runtime| {
        let time =
            ["/bin/busybox", "time", "-v", "-o", &report.to_string_lossy()].map(str::to_owned);
        run(&[&time[..], &runtime.words(&["run", "--bundle", &bundle, "bench-memory"])].concat())?;
        let text = fs::read_to_string(&report)?;
        let line = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("Maximum resident set size (kbytes): "));
        let shown: u32 = line.context("no peak memory")?.parse()?;
        // busybox takes the kernel's kibibytes for pages.
        let kibibytes_a_page = u32::try_from(rustix::param::page_size() / 1024)?;
        Ok(f64::from(shown / kibibytes_a_page))
    })?;
    let targets = vec![Target::Ratio("crun", 0.6)];
    Ok(vec![Row { what: "peak memory of `run true`".into(), unit: "KiB", values, targets }])
}

fn system_calls(lab: &Lab) -> Result<Vec<Row>> {
    let bundle = lab.bundles.default.to_string_lossy();
    let report = lab.work.join("strace");
    let values = count(lab, |runtime| {
        let strace = ["strace", "-f", "-c", "-o", &report.to_string_lossy()].map(str::to_owned);
        run(&[&strace[..], &runtime.words(&["run", "--bundle", &bundle, "bench-calls"])].concat())?;
        let text = fs::read_to_string(&report)?;
        let total = text.lines().find(|line| line.ends_with(" total")).context("no total")?;
        Ok(total.split_whitespace().nth(3).context("no count")?.parse()?)
    })?;
    let targets = vec![Target::AtMost(320.0)];
    Ok(vec![Row { what: "system calls of `run true`".into(), unit: "", values, targets }])
}

/// Counts something a few times for each runtime: median and minimum.
fn count(lab: &Lab, measure: impl Fn(&Runtime) -> Result<f64>) -> Result<Vec<(f64, f64)>> {
    let mut values = Vec::new();
    for runtime in &lab.runtimes {
        let mut counts = (0..COUNTS).map(|_| measure(runtime)).collect::<Result<Vec<_>>>()?;
        counts.sort_by(f64::total_cmp);
        values.push((counts[COUNTS / 2], counts[0]));
    }
    Ok(values)
}

fn many_containers(lab: &Lab) -> Result<Vec<Row>> {
    let mut values = Vec::new();
    for runtime in &lab.runtimes {
        let began = Instant::now();
        in_parallel(lab.containers, |id| {
            runtime.create(&lab.bundles.sleeping, id)?;
            runtime.time(&["start", id]).map(|_| ())
        })?;
        in_parallel(lab.containers, |id| runtime.remove(id))?;
        let took = began.elapsed().as_secs_f64();
        ensure_nothing_left(runtime)?;
        values.push((took, took));
    }
    let what =
        format!("{} containers created, started, {AT_ONCE} at a time, deleted", lab.containers);
    Ok(vec![Row { what, unit: "s", values, targets: vec![Target::Ratio("crun", 0.5)] }])
}

/// Calls `act` with `count` ids, some at a time.
fn in_parallel(count: usize, act: impl Fn(&str) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let worker = || -> Result<()> {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return Ok(());
                }
                act(&format!("bench-many-{index}"))?;
            }
        };
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })
}

fn ensure_nothing_left(runtime: &Runtime) -> Result<()> {
    let listed = Command::new(&runtime.path)
        .arg("--root")
        .arg(&runtime.root)
        .args(["list", "-q"])
        .output()
        .context("list")?;
    ensure!(listed.stdout.trim_ascii().is_empty(), "`{}` still lists containers", runtime.name);
    for entry in fs::read_dir("/sys/fs/cgroup")? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        ensure!(!name.contains("bench-many"), "`{}` left the cgroup `{name}`", runtime.name);
    }
    Ok(())
}
