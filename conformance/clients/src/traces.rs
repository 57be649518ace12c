//! What there is of a container on the host: its cgroup's limits while it lives, and afterwards nothing.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::await_some;

const CGROUPS: &str = "/sys/fs/cgroup";
/// Deeper than any engine nests what it makes.
const MAX_DEPTH: usize = 12;

/// Reads a limit of the cgroup that the process `pid` is in: `v1` of that controller, or `v2`.
pub(crate) fn limit(pid: u32, controller: &str, v1: &str, v2: &str) -> Result<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))
        .with_context(|| format!("no process {pid}"))?;
    let mut unified = None;
    for line in text.lines() {
        let [_, controllers, path] = line.splitn(3, ':').collect::<Vec<_>>()[..] else {
            bail!("strange line in /proc/{pid}/cgroup: {line}");
        };
        let path = path.trim_start_matches('/');
        if controllers.split(',').any(|name| name == controller) {
            return read(&Path::new(CGROUPS).join(controllers).join(path).join(v1));
        }
        if controllers.is_empty() {
            unified = Some(Path::new(CGROUPS).join(path).join(v2));
        }
    }
    read(&unified.context("no cgroup has this controller")?)
}

/// Waits until no process, cgroup, mount or file of the container `id` is left.
pub(crate) fn await_none(id: &str) -> Result<()> {
    let mut left = Vec::new();
    await_some(&format!("the end of `{id}`"), || {
        left = find(id);
        left.is_empty().then_some(())
    })
    .with_context(|| format!("left behind: {}", left.join(", ")))
}

fn find(id: &str) -> Vec<String> {
    let mut found = Vec::new();
    for root in [CGROUPS, "/run"] {
        find_files(Path::new(root), id, MAX_DEPTH, &mut found);
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounts = mounts.lines().filter(|line| line.contains(id));
    found.extend(mounts.map(|line| format!("mount {line}")));
    found.extend(find_processes(id));
    found
}

fn find_files(dir: &Path, id: &str, depth: usize, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().contains(id) {
            found.push(format!("file {}", entry.path().display()));
        } else if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            find_files(&entry.path(), id, depth - 1, found);
        }
    }
}

fn find_processes(id: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(id) {
            found.push(format!("process {}: {line}", entry.file_name().to_string_lossy()));
        }
    }
    found
}

fn read(file: &PathBuf) -> Result<String> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))?;
    Ok(text.trim().to_owned())
}
