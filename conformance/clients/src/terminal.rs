//! A terminal with a person's end: what a command with `-t` is run on.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::command::{self, DEADLINE};

/// A command on its own terminal.
pub(crate) struct Terminal {
    person: File,
    child: Child,
    /// All that has appeared so far.
    screen: String,
    /// How much of it earlier calls of [`Terminal::expect`] have matched.
    seen: usize,
}

impl Terminal {
    /// Starts `command` in a new session, with a terminal of `rows` and `columns` that it controls.
    pub(crate) fn start(command: &Command, rows: u16, columns: u16) -> Result<Terminal> {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&person)?;
        unlockpt(&person)?;
        let name = ptsname(&person, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let program = open(&*name, flags, Mode::empty()).context("cannot open the terminal")?;
        tcsetwinsize(&person, size(rows, columns))?;
        let child = Command::new("setsid")
            .args(["--ctty", "--wait"])
            .arg(command.get_program())
            .args(command.get_args())
            .env("TERM", "dumb")
            .stdin(program.try_clone()?)
            .stdout(program.try_clone()?)
            .stderr(program)
            .spawn()
            .context("cannot start `setsid`")?;
        Ok(Terminal {
            person: File::from(person as OwnedFd),
            child,
            screen: String::new(),
            seen: 0,
        })
    }

    /// Changes the size; the kernel tells the command by `SIGWINCH`.
    pub(crate) fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        Ok(tcsetwinsize(&self.person, size(rows, columns))?)
    }

    /// Types `text`.
    pub(crate) fn send(&mut self, text: &str) -> Result<()> {
        Ok(self.person.write_all(text.as_bytes())?)
    }

    /// Reads until `text` has appeared after all that was expected before.
    pub(crate) fn expect(&mut self, text: &str) -> Result<()> {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(at) = self.screen[self.seen..].find(text) {
                self.seen += at + text.len();
                return Ok(());
            }
            let left = end.saturating_duration_since(Instant::now());
            ensure!(
                self.read(&Timespec::try_from(left)?)?,
                "`{text}` did not appear on the terminal; it shows:\n{}",
                self.screen
            );
        }
    }

    /// Waits for the command's end and gives its exit code.
    pub(crate) fn finish(mut self) -> Result<i32> {
        // A full terminal would block the command: read until it closes its end.
        let limit = Timespec::try_from(DEADLINE)?;
        while self.read(&limit)? {}
        let status = command::wait(&mut self.child, DEADLINE);
        Ok(command::exit_code(status.with_context(|| format!("on screen:\n{}", self.screen))?))
    }

    /// Reads once; false at the end of the terminal or after `limit`.
    fn read(&mut self, limit: &Timespec) -> Result<bool> {
        if poll(&mut [PollFd::new(&self.person, PollFlags::IN)], Some(limit))? == 0 {
            return Ok(false);
        }
        let mut bytes = [0; 4096];
        match self.person.read(&mut bytes) {
            // EIO is how a terminal says that nobody has its other end open.
            Ok(0) | Err(_) => Ok(false),
            Ok(count) => {
                self.screen.push_str(&String::from_utf8_lossy(&bytes[..count]));
                Ok(true)
            }
        }
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}
