//! Where the engines run: namespaces and cgroups of their own.
//!
//! ```text
//! clients            makes one cgroup per hierarchy, joins it, and waits
//!   unshare          pid, mount, network, uts, ipc and cgroup namespaces
//!     clients --inside   as pid 1: what it leaves behind the kernel ends
//! ```
//! Inside, the cgroup file systems are mounted anew, in the host's layout, and show only the cgroup made
//! outside; `/run`, and the directories engines use when nobody tells them otherwise, are empty.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::command::{self, exit_code};

const CGROUPS: &str = "/sys/fs/cgroup";
/// Directories of the host that engines write to by default.
const EMPTIED: [&str; 7] = [
    "/run",
    "/var/lib/containers",
    "/var/lib/containerd",
    "/var/lib/docker",
    "/var/lib/cni",
    "/etc/containerd",
    "/etc/docker",
];

/// One cgroup file system of the host.
struct Hierarchy {
    at: PathBuf,
    kind: String,
    options: String,
}

/// Runs this same command line inside new namespaces; true if it succeeded.
pub(crate) fn run_inside() -> Result<bool> {
    ensure!(rustix::process::geteuid().is_root(), "only root can make the enclosure");
    let name = format!("clients-{}", std::process::id());
    let mut cgroups: BTreeSet<PathBuf> = BTreeSet::new();
    let result = enter_cgroups(&name, &mut cgroups).and_then(|()| {
        let status = Command::new("unshare")
            .args(["--pid", "--mount", "--net", "--uts", "--ipc", "--cgroup"])
            .args(["--fork", "--kill-child", "--mount-proc", "--"])
            .arg(std::env::current_exe()?)
            .args(std::env::args_os().skip(1))
            .arg("--inside")
            .status()
            .context("cannot start `unshare`")?;
        Ok(exit_code(status))
    });
    for cgroup in &cgroups {
        leave_cgroup(cgroup)?;
    }
    Ok(result? == 0)
}

/// Makes the inside of the new namespaces what engines expect of a host.
pub(crate) fn furnish() -> Result<()> {
    let hierarchies = hierarchies()?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
    umount2(CGROUPS, MntFlags::MNT_DETACH).context("unmounting the host's cgroups")?;
    if hierarchies.iter().any(|hierarchy| hierarchy.at != Path::new(CGROUPS)) {
        mount_empty(Path::new(CGROUPS))?;
    }
    for Hierarchy { at, kind, options } in &hierarchies {
        fs::create_dir_all(at)?;
        let options = Some(options.as_str()).filter(|_| kind == "cgroup");
        mount(Some(kind.as_str()), at, Some(kind.as_str()), MsFlags::empty(), options)
            .with_context(|| format!("cannot mount {kind} at `{}`", at.display()))?;
        if kind == "cgroup2" && at == Path::new(CGROUPS) {
            delegate_all(at)?;
        }
    }
    for dir in EMPTIED.map(Path::new) {
        if dir.is_dir() {
            mount_empty(dir)?;
        }
    }
    command::run(Command::new("ip").args(["link", "set", "lo", "up"]))?.expect(0)?;
    Ok(())
}

fn mount_empty(at: &Path) -> Result<()> {
    mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))
        .with_context(|| format!("cannot mount a tmpfs at `{}`", at.display()))
}

/// Moves this process out of the root of a cgroup2 tree and enables every controller below it.
fn delegate_all(root: &Path) -> Result<()> {
    let inner = root.join("init");
    fs::create_dir(&inner)?;
    for pid in fs::read_to_string(root.join("cgroup.procs"))?.lines() {
        fs::write(inner.join("cgroup.procs"), pid)?;
    }
    for controller in fs::read_to_string(root.join("cgroup.controllers"))?.split_whitespace() {
        fs::write(root.join("cgroup.subtree_control"), format!("+{controller}"))?;
    }
    Ok(())
}

fn enter_cgroups(name: &str, made: &mut BTreeSet<PathBuf>) -> Result<()> {
    for hierarchy in hierarchies()? {
        let cgroup = hierarchy.at.join(name);
        fs::create_dir(&cgroup).with_context(|| format!("cannot make `{}`", cgroup.display()))?;
        made.insert(cgroup.clone());
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if hierarchy.kind == "cgroup" && cgroup.join(file).exists() {
                fs::write(cgroup.join(file), fs::read(hierarchy.at.join(file))?)?;
            }
        }
        fs::write(cgroup.join("cgroup.procs"), "0")
            .with_context(|| format!("cannot join `{}`", cgroup.display()))?;
    }
    Ok(())
}

/// Goes back to the parent of `cgroup` and removes all that is left below it.
fn leave_cgroup(cgroup: &Path) -> Result<()> {
    let parent = cgroup.parent().context("a cgroup has a parent")?;
    fs::write(parent.join("cgroup.procs"), "0")?;
    command::await_some(&format!("the removal of `{}`", cgroup.display()), || {
        remove_tree(cgroup).ok()
    })
}

fn remove_tree(cgroup: &Path) -> Result<()> {
    for entry in fs::read_dir(cgroup)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    Ok(fs::remove_dir(cgroup)?)
}

/// The cgroup file systems of this mount namespace.
fn hierarchies() -> Result<Vec<Hierarchy>> {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo")?;
    let found: Vec<Hierarchy> = mountinfo.lines().filter_map(parse_hierarchy).collect();
    ensure!(!found.is_empty(), "no cgroup file system is mounted");
    Ok(found)
}

/// `47 46 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu` is one hierarchy.
fn parse_hierarchy(line: &str) -> Option<Hierarchy> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let at = mount.split(' ').nth(4)?;
    let [kind, _, options] = filesystem.split(' ').collect::<Vec<_>>()[..] else { return None };
    let wanted = (kind == "cgroup" || kind == "cgroup2") && at.starts_with(CGROUPS);
    let options = options.split(',').filter(|option| !matches!(*option, "rw" | "ro"));
    wanted.then(|| Hierarchy {
        at: PathBuf::from(at),
        kind: kind.to_owned(),
        options: options.collect::<Vec<_>>().join(","),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_v1_hierarchy_is_mounted_by_its_controllers() {
        let line = "48 47 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct";
        let found = parse_hierarchy(line).expect("a hierarchy");
        assert_eq!((found.kind.as_str(), found.options.as_str()), ("cgroup", "cpu,cpuacct"));
        assert_eq!(found.at, Path::new("/sys/fs/cgroup/cpu"));
    }

    #[test]
    fn other_file_systems_are_no_hierarchy() {
        assert!(parse_hierarchy("22 1 0:5 / /proc rw - proc proc rw").is_none());
    }
}
