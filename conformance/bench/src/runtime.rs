//! A runtime's commands, timed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// How long a container may take to die.
const DEATH: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

/// A runtime under test.
#[derive(Clone)]
pub(crate) struct Runtime {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Its own state directory.
    pub(crate) root: PathBuf,
}

impl Runtime {
    /// The words of a command, the program first.
    pub(crate) fn words(&self, verb: &[&str]) -> Vec<String> {
        let (path, root) = (self.path.to_string_lossy(), self.root.to_string_lossy());
        let first = [&*path, "--root", &*root];
        first.iter().chain(verb).map(|word| (*word).to_owned()).collect()
    }

    /// Runs a command that must succeed, and times it.
    pub(crate) fn time(&self, verb: &[&str]) -> Result<Duration> {
        run(&self.words(verb))
    }

    /// Creates a container and gives its init process.
    pub(crate) fn create(&self, bundle: &Path, id: &str) -> Result<Pid> {
        let pid_file = self.root.with_extension(format!("{id}.pid"));
        let (bundle, file) = (bundle.to_string_lossy(), pid_file.to_string_lossy());
        self.time(&["create", "--bundle", &bundle, "--pid-file", &file, id])?;
        let pid = fs::read_to_string(&pid_file)?.trim().parse()?;
        fs::remove_file(&pid_file)?;
        Pid::from_raw(pid).context("no pid")
    }

    /// Kills a container whatever it does, and removes it.
    pub(crate) fn remove(&self, id: &str) -> Result<()> {
        self.time(&["delete", "--force", id]).map(|_| ())
    }
}

/// Runs a command line to its end; fails if it does.
pub(crate) fn run(words: &[String]) -> Result<Duration> {
    // No disk has a part in what is timed.
    let mut errors = fs::File::from(memfd_create("errors", MemfdFlags::CLOEXEC)?);
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors.try_clone()?);
    let began = Instant::now();
    let mut child: Child = command.spawn().with_context(|| format!("cannot run `{}`", words[0]))?;
    let status = child.wait()?;
    let took = began.elapsed();
    if !status.success() {
        use std::io::{Read, Seek};
        let mut text = String::new();
        errors.rewind()?;
        errors.read_to_string(&mut text)?;
        ensure!(status.success(), "`{}` ended with {status}: {}", words.join(" "), text.trim());
    }
    Ok(took)
}

/// Waits for the end of a process that is no child of ours.
pub(crate) fn await_death(pid: Pid) -> Result<()> {
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(()) };
    let ended = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&DEATH))?;
    ensure!(ended == 1, "process {} lives on", pid.as_raw_nonzero());
    Ok(())
}
