//! A file that somebody named for output: there whole, or as it was before.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::layer::Durability;

/// A file that takes its name by [`WholeFile::keep`]; dropped before, it is gone.
///
/// What is there and no regular file (a device, a pipe) is not replaced but written to.
#[derive(Debug)]
pub struct WholeFile {
    file: File,
    path: PathBuf,
    /// Where it lies until it is kept.
    temporary: Option<PathBuf>,
}

impl WholeFile {
    /// Creates a file beside `path`.
    ///
    /// # Errors
    /// Those of creating it.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::create_as(path, 0o666)
    }

    /// As [`WholeFile::create`]; nobody else may read it.
    ///
    /// # Errors
    /// Those of creating it.
    pub fn create_private(path: &Path) -> io::Result<Self> {
        Self::create_as(path, 0o600)
    }

    fn create_as(path: &Path, mode: u32) -> io::Result<Self> {
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            let file = File::options().write(true).open(path)?;
            return Ok(Self { file, path: path.to_owned(), temporary: None });
        }
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".tmp-{}", std::process::id()));
        let temporary = PathBuf::from(temporary);
        let mut options = File::options();
        let file = options.write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        Ok(Self { file, path: path.to_owned(), temporary: Some(temporary) })
    }

    /// The file to write to.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// Those of `rename(2)`.
    pub fn keep(mut self) -> io::Result<()> {
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, &self.path)?;
            self.temporary = None;
        }
        Ok(())
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Replaces a small file that only we write, so that a killed process leaves the old or the new one, whole.
pub(crate) fn replace(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    if durability == Durability::Durable {
        // A rename may reach the disk before what it renames.
        file.sync_data()?;
    }
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out");
        fs::write(&path, "old").unwrap();
        let write = || {
            let whole = WholeFile::create(&path).unwrap();
            whole.file().write_all(b"new").unwrap();
            whole
        };
        drop(write());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        write().keep().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_pipe_is_written_to_and_not_replaced() {
        use std::os::unix::fs::FileTypeExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let mut reader = File::options().read(true).write(true).open(&path).unwrap();
        let whole = WholeFile::create(&path).unwrap();
        whole.file().write_all(b"new").unwrap();
        whole.keep().unwrap();
        let mut text = [0; 3];
        io::Read::read_exact(&mut reader, &mut text).unwrap();
        assert_eq!(&text, b"new");
        assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
    }
}
