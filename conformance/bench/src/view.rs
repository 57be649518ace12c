//! The mount namespace that everything is measured in.

use std::path::Path;

use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

const CGROUPS: &str = "/sys/fs/cgroup";

/// Leaves the host's mount namespace for one where cgroup2 alone is mounted.
pub(crate) fn enter() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context("cannot make a mount namespace")?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
    umount2(CGROUPS, MntFlags::MNT_DETACH).context("unmounting the host's cgroups")?;
    mount(Some("cgroup2"), CGROUPS, Some("cgroup2"), MsFlags::empty(), None::<&str>)
        .context("mounting cgroup2")
}

/// Makes a directory in memory.
pub(crate) fn mount_tmpfs(at: &Path) -> Result<()> {
    std::fs::create_dir_all(at)?;
    mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::empty(), None::<&str>)
        .with_context(|| format!("cannot mount at `{}`", at.display()))
}

/// Takes away what is mounted there.
pub(crate) fn unmount(at: &Path) -> Result<()> {
    umount2(at, MntFlags::MNT_DETACH).with_context(|| format!("cannot unmount `{}`", at.display()))
}

/// Mounts `count` file systems more, below `dir`.
pub(crate) fn add_mounts(dir: &Path, count: usize) -> Result<()> {
    for index in 0..count {
        mount_tmpfs(&dir.join(index.to_string()))?;
    }
    Ok(())
}

/// Undoes [`add_mounts`].
pub(crate) fn remove_mounts(dir: &Path, count: usize) -> Result<()> {
    for index in 0..count {
        unmount(&dir.join(index.to_string()))?;
    }
    Ok(())
}
