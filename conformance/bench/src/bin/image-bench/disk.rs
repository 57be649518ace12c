//! A fresh file system for each run.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use rustix::fs::FallocateFlags;

/// A mounted ext4 on a loop device; gone when dropped.
pub(crate) struct FreshDisk {
    image: PathBuf,
    at: PathBuf,
}

impl FreshDisk {
    /// Makes one of `bytes` in `work`.
    pub(crate) fn make(work: &Path, bytes: u64) -> Result<Self> {
        let disk = Self { image: work.join("disk.img"), at: work.join("disk") };
        // With its room reserved, and past the host's page cache: as near to a disk as a file gets.
        let room = FallocateFlags::empty();
        rustix::fs::fallocate(File::create(&disk.image)?, room, 0, bytes)?;
        fs::create_dir_all(&disk.at)?;
        tool("mkfs.ext4", &["-q", "-F", &disk.image.display().to_string()])?;
        let (image, at) = (disk.image.display().to_string(), disk.at.display().to_string());
        let device =
            tool("losetup", &["--direct-io=on", "--find", "--show", &image])?.trim().to_owned();
        let mounted = tool("mount", &["-o", "noatime", &device, &at]);
        // The device goes with the mount.
        tool("losetup", &["--detach", &device])?;
        mounted?;
        Ok(disk)
    }

    /// A path on it.
    pub(crate) fn path(&self, name: &str) -> String {
        self.at.join(name).display().to_string()
    }
}

impl Drop for FreshDisk {
    fn drop(&mut self) {
        // Overlay mounts that a tool left behind keep the disk busy.
        for at in [self.path("root/overlay"), self.path("mnt")] {
            let _ = Command::new("umount").arg(at).stderr(Stdio::null()).status();
        }
        let _ = Command::new("umount").args(["--lazy"]).arg(&self.at).status();
        let _ = fs::remove_file(&self.image);
    }
}

fn tool(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program).args(args).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {}", errors.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
