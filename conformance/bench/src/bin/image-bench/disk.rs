//! A fresh file system for each run.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

/// A mounted ext4 on a loop device; gone when dropped.
pub(crate) struct FreshDisk {
    image: PathBuf,
    at: PathBuf,
}

impl FreshDisk {
    /// Makes one of `bytes` in `work`.
    pub(crate) fn make(work: &Path, bytes: u64) -> Result<Self> {
        let disk = Self { image: work.join("disk.img"), at: work.join("disk") };
        File::create(&disk.image)?.set_len(bytes)?;
        fs::create_dir_all(&disk.at)?;
        tool("mkfs.ext4", &["-q", "-F", &disk.image.display().to_string()])?;
        let (image, at) = (disk.image.display().to_string(), disk.at.display().to_string());
        tool("mount", &["-o", "loop,noatime", &image, &at])?;
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

fn tool(program: &str, args: &[&str]) -> Result<()> {
    let output = Command::new(program).args(args).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {}", errors.trim());
    Ok(())
}
