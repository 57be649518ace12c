//! Settings of a terminal that a person sits at.

use crate::Result;
use rustix::termios::{OptionalActions, OutputModes, Termios, tcgetattr, tcsetattr};
use std::os::fd::AsFd;

/// Settings to return to.
#[derive(Clone, Debug)]
pub struct Settings(Termios);

/// A size in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// True if `file` is a terminal.
#[must_use]
pub fn is_terminal(file: impl AsFd) -> bool {
    rustix::termios::isatty(file)
}

/// Passes every key on as it is, and returns the former settings. Output is still processed, so
/// that a bare newline starts a line at its left end.
///
/// # Errors
/// `ENOTTY` if it is no terminal.
pub fn make_raw(terminal: impl AsFd) -> Result<Settings> {
    let former = tcgetattr(&terminal)?;
    let mut raw = former.clone();
    raw.make_raw();
    raw.output_modes |= OutputModes::OPOST;
    tcsetattr(&terminal, OptionalActions::Now, &raw)?;
    Ok(Settings(former))
}

/// Returns to former settings.
///
/// # Errors
/// `EIO` once the terminal has hung up.
pub fn restore(terminal: impl AsFd, settings: &Settings) -> Result<()> {
    tcsetattr(terminal, OptionalActions::Now, &settings.0)
}

/// Lets newlines through as they are: the terminal at the far end will process them.
///
/// # Errors
/// `ENOTTY` if it is no terminal.
pub fn pass_newlines(terminal: impl AsFd) -> Result<()> {
    let mut settings = tcgetattr(&terminal)?;
    settings.output_modes -= OutputModes::ONLCR;
    tcsetattr(&terminal, OptionalActions::Now, &settings)
}

/// The size; zero where nobody has set one.
///
/// # Errors
/// `ENOTTY` if it is no terminal.
pub fn size(terminal: impl AsFd) -> Result<Size> {
    let size = rustix::termios::tcgetwinsize(terminal)?;
    Ok(Size { width: size.ws_col, height: size.ws_row })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, openpt, unlockpt};
    use rustix::termios::LocalModes;
    use std::os::fd::OwnedFd;

    fn pair() -> (OwnedFd, OwnedFd) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        unlockpt(&master).unwrap();
        let peer = crate::pty::open_peer(&master).unwrap();
        (master, peer)
    }

    #[test]
    fn raw_and_back() {
        let (_master, peer) = pair();
        let modes = || tcgetattr(&peer).unwrap();
        assert!(modes().local_modes.contains(LocalModes::ECHO | LocalModes::ISIG));
        let settings = make_raw(&peer).unwrap();
        assert!(!modes().local_modes.intersects(LocalModes::ECHO | LocalModes::ISIG));
        assert!(modes().output_modes.contains(OutputModes::OPOST | OutputModes::ONLCR));
        restore(&peer, &settings).unwrap();
        assert!(modes().local_modes.contains(LocalModes::ECHO | LocalModes::ISIG));
    }

    #[test]
    fn newlines_are_passed_through_the_master_too() {
        let (master, peer) = pair();
        pass_newlines(&master).unwrap();
        assert!(!tcgetattr(&peer).unwrap().output_modes.contains(OutputModes::ONLCR));
    }

    #[test]
    fn sizes_are_shared_by_both_ends() {
        let (master, peer) = pair();
        crate::pty::set_size(&master, 132, 43).unwrap();
        assert_eq!(size(&peer), Ok(Size { width: 132, height: 43 }));
    }

    #[test]
    fn a_file_is_no_terminal() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(!is_terminal(&file));
        assert_eq!(make_raw(&file).err(), Some(crate::Errno::NOTTY));
    }
}
