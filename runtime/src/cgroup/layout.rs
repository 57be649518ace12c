//! Which control group hierarchies this host has, and where this process sits in each.
//!
//! ```text
//! pure v2    /sys/fs/cgroup            cgroup2
//! v1         /sys/fs/cgroup/<names>    cgroup, one directory a hierarchy
//! hybrid     v1, and /sys/fs/cgroup/unified   cgroup2
//! ```
//! Probing costs seven system calls on pure v2 and never reads `/proc/self/mountinfo` there.

use std::io;
use std::path::{Path, PathBuf};

use kernel::cgroupfs::{self, FsKind};

use super::{CgroupError, CgroupPath};

/// Where every hierarchy is looked for first.
pub const DEFAULT_ROOT: &str = "/sys/fs/cgroup";
const HYBRID_MOUNT: &str = "/sys/fs/cgroup/unified";
const OWN_CGROUPS: &str = "/proc/self/cgroup";
const MOUNTINFO: &str = "/proc/self/mountinfo";
/// Hierarchies a kernel can have: one a controller and some named ones.
const MAX_HIERARCHIES: usize = 64;

/// The host's hierarchies: probed once, then a plain value.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CgroupLayout {
    /// The cgroup2 hierarchy; on a hybrid host it usually has no controllers.
    pub unified: Option<Unified>,
    /// The version 1 hierarchies in the kernel's order; empty on pure v2.
    pub legacy: Vec<Legacy>,
}

/// The cgroup2 hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unified {
    /// Its mount point.
    pub mount: PathBuf,
    /// Where this process sits, below the mount point.
    pub own: CgroupPath,
    /// `cgroup.controllers` of the mount point.
    pub controllers: Vec<String>,
}

/// One hierarchy of version 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Legacy {
    /// Controllers mounted together (`cpu`, `cpuacct`), or one name with `name=` before it.
    pub names: Vec<String>,
    /// Its mount point.
    pub mount: PathBuf,
    /// Where this process sits, below the mount point.
    pub own: CgroupPath,
}

/// The three shapes a host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LayoutKind {
    /// cgroup2 alone.
    V2,
    /// Version 1 alone.
    V1,
    /// Version 1 with a cgroup2 beside it.
    Hybrid,
}

impl CgroupLayout {
    /// Looks at the host.
    ///
    /// # Errors
    /// [`CgroupError::Probe`] and [`CgroupError::ProbeParse`] if `/proc` can't be read; a host
    /// without any hierarchy gives an empty layout.
    pub fn probe() -> Result<CgroupLayout, CgroupError> {
        match cgroupfs::fs_kind(Path::new(DEFAULT_ROOT)) {
            Ok(FsKind::Cgroup2) => probe_unified(Path::new(DEFAULT_ROOT), &read(OWN_CGROUPS)?),
            Ok(_) => probe_legacy(&read(OWN_CGROUPS)?),
            Err(_) => Ok(CgroupLayout::default()),
        }
    }

    /// The shape; `None` if nothing is mounted.
    #[must_use]
    pub fn kind(&self) -> Option<LayoutKind> {
        match (&self.unified, self.legacy.is_empty()) {
            (Some(_), true) => Some(LayoutKind::V2),
            (None, false) => Some(LayoutKind::V1),
            (Some(_), false) => Some(LayoutKind::Hybrid),
            (None, true) => None,
        }
    }
}

fn probe_unified(mount: &Path, own_cgroups: &str) -> Result<CgroupLayout, CgroupError> {
    let own = parse_own_cgroups(own_cgroups).ok_or_else(|| malformed(OWN_CGROUPS, own_cgroups))?;
    let unified = unified_at(mount, own_unified(&own))?;
    Ok(CgroupLayout { unified: Some(unified), legacy: Vec::new() })
}

fn unified_at(mount: &Path, own: CgroupPath) -> Result<Unified, CgroupError> {
    let text = read(&mount.join("cgroup.controllers").to_string_lossy())?;
    let controllers = text.split_whitespace().map(str::to_owned).collect();
    Ok(Unified { mount: mount.to_owned(), own, controllers })
}

/// The unified hierarchy's line, `0::/path`; the root without one.
fn own_unified(own: &[OwnCgroup]) -> CgroupPath {
    own.iter().find(|own| own.names.is_empty()).map_or_else(CgroupPath::root, |o| o.path.clone())
}

fn probe_legacy(own_cgroups: &str) -> Result<CgroupLayout, CgroupError> {
    let own = parse_own_cgroups(own_cgroups).ok_or_else(|| malformed(OWN_CGROUPS, own_cgroups))?;
    let mut unified = None;
    let has_unified_line = own.iter().any(|own| own.names.is_empty());
    let hybrid = Path::new(HYBRID_MOUNT);
    if has_unified_line && cgroupfs::fs_kind(hybrid) == Ok(FsKind::Cgroup2) {
        unified = Some(unified_at(hybrid, own_unified(&own))?);
    }
    let named = || own.iter().filter(|own| !own.names.is_empty());
    let usual: Option<Vec<Legacy>> = named().map(usual_mount).collect();
    let legacy = match usual {
        Some(legacy) => legacy,
        None => {
            let text = read_whole(MOUNTINFO)?;
            let mounts = parse_mountinfo(&text);
            named().filter_map(|own| mount_of(own, &mounts)).collect()
        }
    };
    Ok(CgroupLayout { unified, legacy })
}

/// The hierarchy at its usual place, if this process's own cgroup is found below it. It is not in
/// a container that was given a part of the host's hierarchy as its mount.
fn usual_mount(own: &OwnCgroup) -> Option<Legacy> {
    let dir = own.names.join(",");
    let mount = Path::new(DEFAULT_ROOT).join(dir.strip_prefix("name=").unwrap_or(&dir));
    let kind = cgroupfs::fs_kind(&mount.join(own.path.relative()));
    (kind == Ok(FsKind::Cgroup1)).then(|| Legacy {
        names: own.names.clone(),
        mount,
        own: own.path.clone(),
    })
}

/// The hierarchy's first mount; own path and the mount's root share the host's prefix.
fn mount_of(own: &OwnCgroup, mounts: &[HierarchyMount]) -> Option<Legacy> {
    let mount = mounts.iter().find(|mount| own.names.iter().all(|n| mount.options.contains(n)))?;
    let below = own.path.as_str().strip_prefix(mount.root.trim_end_matches('/'));
    let own_path = below.and_then(|below| CgroupPath::parse(below).ok());
    Some(Legacy {
        names: own.names.clone(),
        mount: mount.at.clone(),
        own: own_path.unwrap_or_else(CgroupPath::root),
    })
}

/// A line of `/proc/<pid>/cgroup`: `4:cpu,cpuacct:/user.slice`; no names for the unified one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCgroup {
    /// Controllers, or one `name=`.
    pub names: Vec<String>,
    /// As the kernel prints it; a part above a cgroup namespace's root is cut to the root.
    pub path: CgroupPath,
}

/// Reads `/proc/<pid>/cgroup`; `None` if a line has no two colons.
#[must_use]
pub fn parse_own_cgroups(text: &str) -> Option<Vec<OwnCgroup>> {
    text.lines()
        .take(MAX_HIERARCHIES)
        .map(|line| {
            let mut fields = line.splitn(3, ':');
            let (_id, names, path) = (fields.next()?, fields.next()?, fields.next()?);
            let names = names.split(',').filter(|name| !name.is_empty());
            Some(OwnCgroup {
                names: names.map(str::to_owned).collect(),
                path: CgroupPath::parse(path).unwrap_or_else(|_| CgroupPath::root()),
            })
        })
        .collect()
}

/// A mount of a version 1 hierarchy, from `/proc/self/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HierarchyMount {
    /// The directory of the hierarchy that is mounted.
    pub root: String,
    /// Where.
    pub at: PathBuf,
    /// Options of the superblock: the controllers among them.
    pub options: Vec<String>,
}

/// Reads the mounts of version 1 hierarchies; lines of any other form are skipped.
#[must_use]
pub fn parse_mountinfo(text: &str) -> Vec<HierarchyMount> {
    let parse = |line: &str| {
        let (mount, fs) = line.split_once(" - ")?;
        let mut fs = fs.split(' ');
        let (kind, _source, options) = (fs.next()?, fs.next()?, fs.next()?);
        if kind != "cgroup" {
            return None;
        }
        let mut mount = mount.split(' ').skip(3);
        let (root, at) = (mount.next()?, mount.next()?);
        Some(HierarchyMount {
            root: unescape(root),
            at: PathBuf::from(unescape(at)),
            options: options.split(',').map(str::to_owned).collect(),
        })
    };
    text.lines().filter_map(parse).collect()
}

/// Undoes the octal escapes of mountinfo: space, tab, line end and backslash.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

fn read(path: &str) -> Result<String, CgroupError> {
    let bytes = cgroupfs::read_path(Path::new(path)).map_err(|errno| CgroupError::Probe {
        file: PathBuf::from(path),
        source: io::Error::from(errno),
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// As [`read`], for a file that the kernel prints line by line.
fn read_whole(path: &str) -> Result<String, CgroupError> {
    let bytes = cgroupfs::read_list(cgroupfs::CWD, path).map_err(|errno| CgroupError::Probe {
        file: PathBuf::from(path),
        source: io::Error::from(errno),
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn malformed(file: &str, text: &str) -> CgroupError {
    let line = text.lines().next().unwrap_or_default().to_owned();
    CgroupError::ProbeParse { file: PathBuf::from(file), line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_cgroups_of_each_layout() {
        let own = parse_own_cgroups("0::/user.slice/a.scope\n").unwrap();
        assert_eq!(own[0].path.as_str(), "/user.slice/a.scope");
        assert!(own[0].names.is_empty());
        let own = parse_own_cgroups("12:cpu,cpuacct:/a:b\n1:name=systemd:/\n0::/\n").unwrap();
        assert_eq!(own[0].names, ["cpu", "cpuacct"]);
        assert_eq!(own[0].path.as_str(), "/a:b");
        assert_eq!(own[1].names, ["name=systemd"]);
        assert_eq!(own_unified(&own), CgroupPath::root());
        assert_eq!(parse_own_cgroups("0::/../..\n").unwrap()[0].path, CgroupPath::root());
        assert_eq!(parse_own_cgroups("nonsense\n"), None);
    }

    #[test]
    fn a_container_sees_its_part_of_a_hierarchy_as_the_mount() {
        let text = "30 29 0:26 /docker/c1 /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:11 - cgroup \
                    cgroup rw,cpu,cpuacct\n31 29 0:27 / /sys/fs/cgroup/with\\040space rw - cgroup \
                    cgroup rw,xattr,name=systemd\n32 1 8:1 / / rw - ext4 /dev/sda rw\ngarbage\n";
        let mounts = parse_mountinfo(text);
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[1].at, Path::new("/sys/fs/cgroup/with space"));
        let own = parse_own_cgroups("4:cpuacct,cpu:/docker/c1/inner\n3:pids:/\n").unwrap();
        let legacy = mount_of(&own[0], &mounts).unwrap();
        assert_eq!(legacy.own.as_str(), "/inner");
        assert_eq!(legacy.mount, Path::new("/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(mount_of(&own[1], &mounts), None);
    }

    #[test]
    fn this_host_has_a_layout_that_holds_us() {
        let layout = CgroupLayout::probe().unwrap();
        assert!(layout.kind().is_some(), "no hierarchy below {DEFAULT_ROOT}");
        for legacy in &layout.legacy {
            let procs = legacy.mount.join(legacy.own.relative()).join("cgroup.procs");
            assert!(procs.exists(), "{}", procs.display());
        }
        if let Some(unified) = &layout.unified {
            assert!(unified.mount.join("cgroup.procs").exists());
        }
    }
}
