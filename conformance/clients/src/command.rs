//! Commands with a deadline, and their output.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// How long any one command may take; the machine may be busy.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// How many bytes of a failed command's output are shown.
const MAX_SHOWN: usize = 600;
/// How often a condition is looked at for which no event exists.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A finished command.
#[derive(Debug)]
pub(crate) struct Output {
    /// The exit code; 128 + signal if a signal ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    line: String,
}

impl Output {
    /// Fails unless the exit code is `code`.
    pub(crate) fn expect(self, code: i32) -> Result<Output> {
        ensure!(
            self.code == code,
            "`{}` ended with {}, not {code}: {} {}",
            self.line,
            self.code,
            end_of(&self.stdout),
            end_of(&self.stderr)
        );
        Ok(self)
    }

    /// What it printed, without white space around it, if it ended with 0.
    pub(crate) fn text(self) -> Result<String> {
        Ok(self.expect(0)?.stdout.trim().to_owned())
    }
}

/// A running command whose output goes to files, so that a daemon it leaves can't hold a pipe open.
pub(crate) struct Running {
    child: Child,
    stdout: File,
    stderr: File,
    line: String,
}

/// Runs a command to its end, at most until [`DEADLINE`].
pub(crate) fn run(command: &mut Command) -> Result<Output> {
    start(command)?.finish()
}

/// Starts a command with nothing on its standard input.
pub(crate) fn start(command: &mut Command) -> Result<Running> {
    let (stdout, stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let line = describe(command);
    let child = command
        .stdin(Stdio::null())
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?)
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    Ok(Running { child, stdout, stderr, line })
}

impl Running {
    /// Waits for its end, at most until [`DEADLINE`]; then kills it and fails.
    pub(crate) fn finish(mut self) -> Result<Output> {
        let status = wait(&mut self.child, DEADLINE);
        let (stdout, stderr) = (contents(&mut self.stdout)?, contents(&mut self.stderr)?);
        let line = self.line;
        let status =
            status.with_context(|| format!("`{line}`: {} {}", stdout.trim(), stderr.trim()))?;
        Ok(Output { code: exit_code(status), stdout, stderr, line })
    }
}

/// Waits for the end of `child`; kills it and fails if that takes longer than `limit`.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> Result<ExitStatus> {
    let pid = Pid::from_child(child);
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).context("pidfd_open")?;
    let timeout = Timespec::try_from(limit)?;
    let mut watched = [PollFd::new(&pidfd, PollFlags::IN)];
    if poll(&mut watched, Some(&timeout))? == 0 {
        child.kill()?;
        child.wait()?;
        bail!("still running after {} s", limit.as_secs());
    }
    Ok(child.wait()?)
}

/// The exit code as a shell gives it.
pub(crate) fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Waits until `condition` gives a value, at most until [`DEADLINE`].
pub(crate) fn await_some<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> Result<T> {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = condition() {
            return Ok(value);
        }
        ensure!(Instant::now() < end, "waited {} s for {what}", DEADLINE.as_secs());
        std::thread::sleep(LOOK_AGAIN);
    }
}

fn contents(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last part of a long text, from a character's start.
fn end_of(text: &str) -> &str {
    let text = text.trim();
    let from = text.len().saturating_sub(MAX_SHOWN);
    &text[text.ceil_char_boundary(from)..]
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
