//! Where the cgroups of a container lie, by either version.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::host::has_cgroup_v2;
use super::process::kill;

/// Where every runtime looks for cgroups.
pub const MOUNT: &str = "/sys/fs/cgroup";

/// How deep below a mount a container's cgroup may lie.
const MAX_DEPTH: usize = 6;

/// The directory for `controller`, given the paths of `/proc/PID/cgroup` by controller.
pub fn directory(paths: &BTreeMap<String, String>, controller: &str) -> Result<PathBuf> {
    let (mount, key) = if has_cgroup_v2() {
        (PathBuf::from(MOUNT), "")
    } else if controller == "unified" {
        (Path::new(MOUNT).join("unified"), "")
    } else {
        (Path::new(MOUNT).join(controller), controller)
    };
    let path = paths.get(key).with_context(|| format!("process has no `{controller}` cgroup"))?;
    Ok(mount.join(path.trim_start_matches('/')))
}

/// Every cgroup whose name has `tag` in it, parents first.
pub fn tagged(tag: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(Path::new(MOUNT), tag, 0, &mut found);
    found
}

fn walk(dir: &Path, tag: &str, depth: usize, found: &mut Vec<PathBuf>) {
    if depth > MAX_DEPTH {
        return;
    }
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        if entry.file_name().to_string_lossy().contains(tag) {
            found.push(path.clone());
        }
        walk(&path, tag, depth + 1, found);
    }
}

/// Kills what is in the cgroup `dir` and below, and removes it.
pub fn destroy(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            destroy(&entry.path());
        }
    }
    for thaw in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
        let _ = fs::write(dir.join(thaw.0), thaw.1);
    }
    let procs = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    let pids: Vec<i32> = procs.lines().filter_map(|pid| pid.parse().ok()).collect();
    pids.iter().copied().for_each(kill);
    for pid in pids {
        let _ = super::process::wait_ended(pid, super::patience::seconds(2));
        super::process::reap(pid);
    }
    let _ = fs::remove_dir(dir);
}
