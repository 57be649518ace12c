//! Runs tests of one runtime, a worker process each, and judges what became of them.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::harness::command::read_lossy;
use crate::harness::process::{children, kill, reap, wait_ended};
use crate::harness::{cgroups, patience, rootfs};
use crate::known::Known;
use crate::report::{Line, Outcome};
use crate::suite::Entry;

/// How the suite is run.
pub(crate) struct Settings {
    pub(crate) jobs: usize,
    pub(crate) rounds: u32,
    pub(crate) oracle: Option<PathBuf>,
    pub(crate) require_all: bool,
    pub(crate) limit: Duration,
}

/// A runtime by name and path.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// Runs `entries` on `subject`; `show` sees each line as it comes.
///
/// Result: in the order of `entries`.
pub(crate) fn run(
    subject: &Subject,
    entries: &[Entry],
    known: &Known,
    settings: &Settings,
    show: &(dyn Fn(&Line) + Sync),
) -> Result<Vec<Line>> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let work = tempfile::Builder::new().prefix("conformance-").tempdir()?;
    fs::set_permissions(work.path(), Permissions::from_mode(0o755))?;
    rootfs::prepare(work.path())?;
    let run = Run { subject, known, settings, work: &work, live: Mutex::new(Vec::new()) };
    let next = AtomicUsize::new(0);
    let lines = Mutex::new(Vec::new());
    std::thread::scope(|threads| {
        for _ in 0..settings.jobs.max(1) {
            threads.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(entry) = entries.get(index) else { break };
                    let line = run.one(entry, index);
                    show(&line);
                    if let Ok(mut lines) = lines.lock() {
                        lines.push((index, line));
                    }
                }
            });
        }
    });
    let mut lines = lines.into_inner().unwrap_or_default();
    lines.sort_by_key(|(index, _)| *index);
    Ok(lines.into_iter().map(|(_, line)| line).collect())
}

struct Run<'r> {
    subject: &'r Subject,
    known: &'r Known,
    settings: &'r Settings,
    work: &'r TempDir,
    /// The workers that are running: children of ours that are not orphans.
    live: Mutex<Vec<i32>>,
}

impl Run<'_> {
    fn one(&self, entry: &Entry, index: usize) -> Line {
        let start = Instant::now();
        let mut outcome = match entry.test.needs.iter().find_map(|need| need.unmet()) {
            Some(why) => Outcome::Skipped(why),
            None => self
                .work_on(entry, index)
                .unwrap_or_else(|error| Outcome::Failed(format!("suite: {error:#}"))),
        };
        if let (Outcome::Skipped(why), true) = (&outcome, self.settings.require_all) {
            outcome = Outcome::Failed(format!("REQUIRE_ALL=1 and it is skipped: {why}"));
        }
        let milliseconds = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let name = entry.full_name();
        let known = self.known.reason(&name);
        let test = entry.test;
        Line::judge(entry.area, test.name.to_owned(), test.spec, outcome, known, milliseconds)
    }

    fn work_on(&self, entry: &Entry, index: usize) -> Result<Outcome> {
        let tag = format!("cf{}x{index}", std::process::id());
        let report = self.work.path().join(format!("{tag}.json"));
        let error = self.work.path().join(format!("{tag}.err"));
        let mut child = self.start_worker(entry, &tag, &report, &error)?;
        let pid = i32::try_from(child.id()).context("pid")?;
        let ended = wait_ended(pid, self.settings.limit)?;
        if !ended {
            kill(pid);
        }
        let status = child.wait()?;
        self.forget(pid);
        if !ended {
            self.remove_rest(&tag);
            let limit = self.settings.limit.as_secs();
            return Ok(Outcome::Failed(format!("did not end within {limit} s")));
        }
        serde_json::from_str(&read_lossy(&report)).with_context(|| {
            self.remove_rest(&tag);
            format!("worker: {status}; {}", read_lossy(&error).trim())
        })
    }

    fn start_worker(&self, entry: &Entry, tag: &str, report: &Path, error: &Path) -> Result<Child> {
        // The lock is held over the start, so that no other thread takes the worker for an orphan.
        let mut live = self.live.lock().map_err(|_| anyhow::anyhow!("a worker thread panicked"))?;
        let child = Command::new("/proc/self/exe")
            .arg("worker")
            .arg("--runtime")
            .arg(&self.subject.path)
            .args(["--name", &self.subject.name])
            .args(["--rounds", &self.settings.rounds.to_string()])
            .arg("--work")
            .arg(self.work.path())
            .args(["--tag", tag])
            .args(
                self.settings
                    .oracle
                    .iter()
                    .flat_map(|path| ["--oracle".as_ref(), path.as_os_str()]),
            )
            .arg(entry.full_name())
            .stdin(Stdio::null())
            .stdout(File::create(report)?)
            .stderr(File::create(error)?)
            .spawn()
            .context("starting a worker")?;
        live.push(i32::try_from(child.id()).context("pid")?);
        Ok(child)
    }

    fn forget(&self, pid: i32) {
        if let Ok(mut live) = self.live.lock() {
            live.retain(|other| *other != pid);
        }
    }

    /// Removes what a worker that was killed could not: its orphans and its cgroups.
    fn remove_rest(&self, tag: &str) {
        for dir in cgroups::tagged(tag).iter().rev() {
            cgroups::destroy(dir);
        }
        let Ok(live) = self.live.lock() else { return };
        for pid in children(std::process::id()).into_iter().filter(|pid| !live.contains(pid)) {
            kill(pid);
            let _ = wait_ended(pid, patience::seconds(2));
            reap(pid);
        }
    }
}
