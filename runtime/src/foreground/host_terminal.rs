//! The terminal that the caller sits at.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use kernel::Errno;
use kernel::terminal::{self, Settings};

/// In raw mode as long as this value lives.
#[derive(Debug)]
pub(super) struct HostTerminal {
    file: OwnedFd,
    settings: Settings,
}

impl HostTerminal {
    /// Takes the first of standard error, output and input that is a terminal, else the
    /// controlling one; `None` if there is none at all.
    pub(super) fn open() -> Result<Option<HostTerminal>, Errno> {
        let Some(file) = find() else { return Ok(None) };
        let settings = terminal::make_raw(&file)?;
        Ok(Some(HostTerminal { file, settings }))
    }
}

fn find() -> Option<OwnedFd> {
    let [stdin, stdout, stderr] = kernel::stream::standard();
    let standard = [stderr, stdout, stdin].into_iter().find(|fd| terminal::is_terminal(fd));
    match standard {
        Some(fd) => fd.try_clone_to_owned().ok(),
        None => File::options().read(true).write(true).open("/dev/tty").ok().map(OwnedFd::from),
    }
}

impl AsFd for HostTerminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for HostTerminal {
    fn drop(&mut self) {
        // Fails only where the terminal has hung up.
        let _ = terminal::restore(&self.file, &self.settings);
    }
}
