//! What of a bundle is open by force: it gets its mode back also if the process is killed.
//!
//! ```text
//! <bundle>/imgmgr.opened     a line for each: the mode that it had (octal), and its path
//! ```
//! A line is written before its file is opened, and the log goes when all are as they were. Who finds
//! one sets the modes back first, since a layer would tell them for changes otherwise.

use std::cell::OnceCell;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};

use crate::layer::narrow::{Opened, needed, set_mode};
use crate::layer::{decode_path, encode_path};

/// The most bytes of a log that are read.
const MAX_LOG_BYTES: u64 = 1 << 30;
/// No path leads out of the root file system, whatever was put there since.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

/// The log of one process; dropped, it is gone.
#[derive(Debug, Default)]
pub struct OpenLog {
    /// `None` for what is not kept if the process is killed.
    path: Option<PathBuf>,
    file: OnceCell<File>,
}

impl OpenLog {
    /// Starts a log at `path`, after what one of a killed process tells of `root` is as it was.
    ///
    /// # Errors
    /// Those of reading and removing that one.
    pub fn begin(path: &Path, root: BorrowedFd<'_>) -> io::Result<Self> {
        match File::open(path) {
            Ok(file) => {
                let mut text = String::new();
                file.take(MAX_LOG_BYTES).read_to_string(&mut text)?;
                narrow_again(root, &text);
                fs::remove_file(path)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(Self { path: Some(path.to_owned()), file: OnceCell::new() })
    }

    /// As [`Opened::directory_after`] a line of the log, for what is at `path` beneath the root.
    pub(super) fn directory(
        &self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
    ) -> io::Result<(OwnedFd, Opened)> {
        Opened::directory_after(dir, name, |mode| self.note(path, mode))
    }

    /// As [`Opened::file_after`] a line of the log, for what is at `path` beneath the root.
    pub(super) fn file(
        &self,
        dir: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
    ) -> io::Result<(OwnedFd, Opened)> {
        Opened::file_after(dir, name, |mode| self.note(path, mode))
    }

    fn note(&self, path: &[u8], mode: Mode) -> io::Result<()> {
        let Some(log) = &self.path else { return Ok(()) };
        let mut file = match self.file.get() {
            Some(file) => file,
            None => {
                let file = File::options().create(true).append(true).open(log)?;
                self.file.get_or_init(|| file)
            }
        };
        file.write_all(format!("{:o} {}\n", mode.as_raw_mode(), encode_path(path)).as_bytes())
    }
}

impl Drop for OpenLog {
    fn drop(&mut self) {
        if let (Some(path), Some(_)) = (&self.path, self.file.get()) {
            // One that stays says of nothing that it is open.
            let _ = fs::remove_file(path);
        }
    }
}

/// Sets back what is still open, the deepest first. What can't be reached was narrowed again, or is gone.
fn narrow_again(root: BorrowedFd<'_>, log: &str) {
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    for line in whole.split('\n').rev() {
        let told = line.split_once(' ').and_then(|(mode, path)| {
            Some((u32::from_str_radix(mode, 8).ok()?, decode_path(path)?))
        });
        let Some((mode, path)) = told else { continue };
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat2(root, path.as_slice(), flags, Mode::empty(), BENEATH);
        let Ok(fd) = opened else { continue };
        let Ok(stat) = fstat(&fd) else { continue };
        let kind = FileType::from_raw_mode(stat.st_mode);
        let by_force = kind.is_dir() || kind.is_file();
        if by_force && stat.st_mode & 0o7777 == mode | needed(kind) {
            let _ = set_mode(fd.as_fd(), Mode::from_raw_mode(mode));
        }
    }
}
