//! What a test must not leave behind, and how what it left is removed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;

use super::process::{children, command_line, kill, wait_ended};
use super::scene::Scene;
use super::{cgroups, patience};

/// How long a process may take to disappear after its container was deleted.
const PROCESS_LIMIT: u64 = 2;

/// The mounts of this mount namespace, as they were before the test.
pub struct Before {
    mounts: BTreeSet<String>,
}

impl Before {
    /// Looks at the host before the test.
    pub fn look() -> Before {
        Before { mounts: mounts() }
    }

    /// Deletes the containers that are left, and returns what is still there afterwards: one
    /// line per process, cgroup, mount and file. Everything is then removed by force.
    pub fn leaks(&self, scene: &Scene) -> Result<Vec<String>> {
        let mut leaks = Vec::new();
        delete_all(scene, &mut leaks)?;
        leaks.extend(processes());
        leaks.extend(self.new_mounts());
        leaks.extend(cgroups::tagged(&scene.tag).iter().map(|dir| named("cgroup", dir)));
        leaks.extend(entries(&scene.dir.join("root")).map(|path| named("state", &path)));
        for dir in ["tmp", "xdg"] {
            leaks.extend(files(&scene.dir.join(dir)));
        }
        for dir in cgroups::tagged(&scene.tag).iter().rev() {
            cgroups::destroy(dir);
        }
        Ok(leaks)
    }

    fn new_mounts(&self) -> Vec<String> {
        let new: Vec<_> = mounts().difference(&self.mounts).cloned().collect();
        for line in new.iter().rev() {
            if let Some(at) = line.split(' ').nth(1) {
                let _ = nix::mount::umount2(at, nix::mount::MntFlags::MNT_DETACH);
            }
        }
        new.into_iter().map(|line| format!("mount {line}")).collect()
    }
}

/// `ID TARGET TYPE` of each mount; propagation is left out, since the kernel renumbers it.
fn mounts() -> BTreeSet<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let id = words.next()?;
            Some(format!("{id} {}", words.nth(3)?))
        })
        .collect()
}

/// `delete --force` for each container that still has state.
fn delete_all(scene: &Scene, leaks: &mut Vec<String>) -> Result<()> {
    for id in scene.ids() {
        if !scene.root().join(&id).exists() {
            continue;
        }
        let output = scene.runtime(&["delete", "--force", &id]).run()?;
        if output.code() != 0 {
            leaks.push(format!("container {id}: delete --force failed: {}", output.stderr.trim()));
        }
    }
    Ok(())
}

/// The orphans of this test that do not end by themselves. They are killed.
///
/// Our parent adopts and reaps them.
fn processes() -> Vec<String> {
    let end = Instant::now() + patience::seconds(PROCESS_LIMIT);
    let mut leaks = Vec::new();
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let parent = std::os::unix::process::parent_id();
    for pid in children(parent).into_iter().filter(|pid| *pid != own) {
        let left = end.saturating_duration_since(Instant::now());
        if !wait_ended(pid, left).unwrap_or(true) {
            leaks.push(format!("process {pid} `{}`", command_line(pid)));
            kill(pid);
            let _ = wait_ended(pid, patience::seconds(PROCESS_LIMIT));
        }
    }
    leaks
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// What lies in `dir` and below, except directories: those a runtime may make once for all.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for path in entries(dir) {
        if path.is_dir() && !path.is_symlink() {
            found.extend(files(&path));
        } else {
            found.push(named("file", &path));
        }
    }
    found
}

fn named(kind: &str, path: &Path) -> String {
    format!("{kind} {}", path.display())
}
