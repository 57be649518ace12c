//! A fresh file system for each run.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// A mounted ext4 on a loop device; unmounted when dropped.
pub(crate) struct FreshDisk {
    image: PathBuf,
    at: PathBuf,
}

impl FreshDisk {
    /// Makes one of `bytes` in `work`, where the file under it stays for the next one.
    ///
    /// What is written to it costs what it costs on a disk: each block of the file is there and
    /// written before, so that the file system below has none to find and nothing to note in a
    /// journal of its own; it goes past the page cache; and nothing initializes inode tables later.
    pub(crate) fn make(work: &Path, bytes: u64) -> Result<Self> {
        let (image, at) = (work.join("disk.img"), work.join("disk"));
        if fs::metadata(&image).map_or(0, |found| found.len()) != bytes {
            fill(&image, bytes).with_context(|| format!("filling {}", image.display()))?;
        }
        fs::create_dir_all(&at)?;
        let (image_text, at_text) = (image.display().to_string(), at.display().to_string());
        let options = "nodiscard,lazy_itable_init=0,lazy_journal_init=0";
        tool("mkfs.ext4", &["-q", "-F", "-E", options, &image_text])?;
        let device = tool("losetup", &["--direct-io=on", "--find", "--show", &image_text])?
            .trim()
            .to_owned();
        let mounted = tool("mount", &["-o", "noatime", &device, &at_text]);
        // The device goes with the mount.
        tool("losetup", &["--detach", &device])?;
        mounted?;
        Ok(Self { image, at })
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
        let unmounted = Command::new("umount").arg(&self.at).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            // Something holds it. The next disk is to be another one.
            let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
            let _ = fs::remove_file(&self.image);
        }
    }
}

/// Writes zeros to the end.
fn fill(image: &Path, bytes: u64) -> Result<()> {
    let mut file = File::create(image)?;
    let zeros = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let count = left.min(zeros.len() as u64);
        file.write_all(&zeros[..usize::try_from(count)?])?;
        left -= count;
    }
    Ok(file.sync_all()?)
}

fn tool(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program).args(args).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {}", errors.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
