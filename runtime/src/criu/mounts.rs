//! Mounts of a container as criu must see them: those that come from outside, which it must not
//! look into, and the places for them, which must be there before it restores.

use super::CriuError;
use crate::plan::{DeviceStep, MountSource, Plan, Step};
use crate::spec::ContainerPath;
use kernel::mount::{self, CloneTree, PropagationFlags};
use kernel::rootdir::{Missing, RootDir};
use kernel::{Errno, file};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// A mount that the host gives, at restore anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalMount {
    /// As configured; its name in the images, too.
    pub destination: ContainerPath,
    /// On the host.
    pub source: PathBuf,
}

/// The mounts of `plan` that are made of something on the host: bind mounts, the container's
/// cgroups, devices where nodes can't be made.
///
/// # Errors
/// [`CriuError::IdMappedMount`]: criu would mount it without its mapping.
pub fn external_mounts(plan: &Plan) -> Result<Vec<ExternalMount>, CriuError> {
    let mut found = Vec::new();
    for step in &plan.steps {
        match step {
            Step::Mount(step) => {
                let source = match &step.source {
                    // What comes from the container itself criu finds out by itself.
                    MountSource::Filesystem { .. } | MountSource::Within { mapped: None, .. } => {
                        continue;
                    }
                    MountSource::Within { mapped: Some(_), .. } => {
                        let destination = step.target.shown.to_string();
                        return Err(CriuError::IdMappedMount { destination });
                    }
                    MountSource::Bind { source, .. } => source,
                    MountSource::Prepared { tree, source } => {
                        let mapped =
                            |p: &&crate::plan::PreparedTree| p.slot == *tree && p.idmap.is_some();
                        if plan.prepared.iter().find(mapped).is_some() {
                            let destination = step.target.shown.to_string();
                            return Err(CriuError::IdMappedMount { destination });
                        }
                        source
                    }
                };
                let destination = step.target.shown.clone();
                // criu takes the path apart: `.` is no name to it.
                found.push(ExternalMount { destination, source: source.components().collect() });
            }
            // It has the path of the host's.
            Step::MakeDevice(DeviceStep { at, bind: true, .. }) => {
                let source = PathBuf::from(at.shown.as_str());
                found.push(ExternalMount { destination: at.shown.clone(), source });
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The paths that `plan` masks.
pub fn masked_paths(plan: &Plan) -> impl Iterator<Item = &ContainerPath> {
    plan.steps.iter().filter_map(|step| match step {
        Step::MaskPath(place) => Some(&place.shown),
        _ => None,
    })
}

/// What is mounted where a restoring criu runs: a mount namespace of its own, which goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreMounts {
    /// On the host.
    pub rootfs: PathBuf,
    /// A directory where it is mounted for criu, which wants a mount as root.
    pub at: PathBuf,
    /// A directory where the host's cgroups are mounted for criu (cgroup v2).
    pub cgroups: Option<PathBuf>,
    /// Places that must be there, in order.
    pub points: Vec<MountPoint>,
}

/// A place where criu will mount something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountPoint {
    /// In the container.
    pub path: ContainerPath,
    /// What is mounted there meanwhile.
    pub cover: Cover,
}

/// What a place is covered by while the next ones are made, since they may lie in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cover {
    /// Nothing: criu makes the file system and all that was in it.
    Fresh,
    /// This of the host.
    Host(PathBuf),
    /// This of the container's root.
    Within(String),
}

impl RestoreMounts {
    /// Those of `plan`, in the order of its mounts. Nothing lies in a file system that the plan
    /// makes: criu restores what was in it.
    #[must_use]
    pub fn of(plan: &Plan, rootfs: &Path, at: PathBuf, cgroups: Option<PathBuf>) -> RestoreMounts {
        let mut points = Vec::new();
        let mut made: Vec<&str> = Vec::new();
        for step in &plan.steps {
            let Step::Mount(step) = step else { continue };
            let path = &step.target.shown;
            let is_made = |dir: &&str| {
                path.as_str().strip_prefix(*dir).is_some_and(|rest| rest.starts_with('/'))
            };
            let cover = match &step.source {
                MountSource::Filesystem { .. } => Cover::Fresh,
                MountSource::Within { from, .. } => Cover::Within(from.shown.relative().to_owned()),
                MountSource::Bind { source, .. } | MountSource::Prepared { source, .. } => {
                    Cover::Host(source.clone())
                }
            };
            let is_fresh = cover == Cover::Fresh;
            if path.as_str() != "/" && !made.iter().any(is_made) {
                points.push(MountPoint { path: path.clone(), cover });
            }
            if is_fresh {
                made.push(path.as_str());
            }
        }
        RestoreMounts { rootfs: rootfs.to_owned(), at, cgroups, points }
    }

    /// Makes them, in the caller's mount namespace.
    ///
    /// # Errors
    /// What could not be done, in words.
    pub fn perform(&self) -> Result<(), String> {
        let failed = |what: String| {
            move |errno: Errno| format!("cannot {what}: {}", kernel::error_text(errno))
        };
        // What is mounted on the host goes on to appear here, and nothing the other way.
        let slave = PropagationFlags::DOWNSTREAM | PropagationFlags::REC;
        mount::set_propagation(c"/", slave)
            .map_err(failed("keep mounts to the new namespace".to_owned()))?;
        let mount_root = || self.mount_root().map_err(failed(self.rootfs.display().to_string()));
        let root = RootDir::new(mount_root()?);
        for point in &self.points {
            point.make(&root).map_err(failed(format!("make the place `{}`", point.path)))?;
        }
        drop(root);
        // Only the places were wanted: what is in them is criu's to mount.
        mount::detach(self.at.as_path())
            .map_err(failed(format!("unmount `{}`", self.at.display())))?;
        if let Some(place) = &self.cgroups {
            mount::clone_tree(file::CWD, c"/sys/fs/cgroup", CloneTree::default())
                .and_then(|tree| mount::attach_at_path(&tree, place.as_path()))
                .map_err(failed("mount the cgroups for criu".to_owned()))?;
        }
        mount_root().map(drop)
    }

    fn mount_root(&self) -> kernel::Result<std::os::fd::OwnedFd> {
        let all = CloneTree { recursive: true, nofollow: false };
        let tree = mount::clone_tree(file::CWD, self.rootfs.as_path(), all)?;
        mount::attach_at_path(&tree, self.at.as_path())?;
        Ok(tree)
    }
}

impl MountPoint {
    fn make(&self, root: &RootDir<impl AsFd>) -> kernel::Result<()> {
        let tree = match &self.cover {
            Cover::Fresh => return self.make_place(root),
            Cover::Host(source) => {
                mount::clone_tree(file::CWD, source.as_path(), CloneTree::default())?
            }
            Cover::Within(from) => match root.open(from) {
                // It lies in what criu has yet to make, and so does all that lies in this.
                Err(Errno::NOENT) => return self.make_place(root),
                from => mount::clone_tree_at(from?, CloneTree::default())?,
            },
        };
        let missing = if file::kind(&tree)?.is_dir() { Missing::Directory } else { Missing::File };
        mount::attach(&tree, root.open_or_make(self.path.relative(), missing)?)
    }

    fn make_place(&self, root: &RootDir<impl AsFd>) -> kernel::Result<()> {
        root.open_or_make(self.path.relative(), Missing::Directory).map(drop)
    }
}
