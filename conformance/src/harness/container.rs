//! A container that the runtime was asked to create.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::command::{Cmd, Output};
use super::expect;
use super::patience;
use super::process::wait_ended;
use super::scene::Scene;

/// How long a container may take to end after it was told to.
const END_LIMIT: u64 = 10;

/// A container by its id, and the output of the command that made it.
pub struct Container<'s> {
    scene: &'s Scene,
    /// The id.
    pub id: String,
    created: Output,
}

impl<'s> Container<'s> {
    /// Wraps the container that `created` reports on.
    pub fn new(scene: &'s Scene, id: String, created: Output) -> Container<'s> {
        Container { scene, id, created }
    }

    /// A command of the runtime on this container: `verb FLAGS ID`.
    pub fn command(&self, verb: &str, flags: &[&str]) -> Cmd {
        self.scene.runtime(&[verb]).args(flags).arg(&self.id)
    }

    /// `start`, which must succeed.
    pub fn start(&self) -> Result<()> {
        self.command("start", &[]).run()?.ok().map(drop)
    }

    /// The JSON of `state`.
    pub fn state(&self) -> Result<Value> {
        self.command("state", &[]).run()?.json()
    }

    /// The status word of `state`.
    pub fn status(&self) -> Result<String> {
        let state = self.state()?;
        Ok(state["status"].as_str().context("state without a status")?.to_owned())
    }

    /// Fails unless the status is `want`.
    pub fn is(&self, want: &str) -> Result<()> {
        expect::equal("status", self.status()?.as_str(), want)
    }

    /// The process id of init, as the host sees it.
    pub fn pid(&self) -> Result<i32> {
        let state = self.state()?;
        let pid = state["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
        pid.filter(|pid| *pid > 0).with_context(|| format!("no pid in {state}"))
    }

    /// A file of `/proc/PID` of init.
    pub fn proc(&self, name: &str) -> Result<String> {
        let path = format!("/proc/{}/{name}", self.pid()?);
        fs::read_to_string(&path).with_context(|| path)
    }

    /// `kill` with `signal`, which must succeed.
    pub fn kill(&self, signal: &str) -> Result<()> {
        self.command("kill", &[]).arg(signal).run()?.ok().map(drop)
    }

    /// Waits until the process `pid`, init of this container, has ended.
    pub fn wait_pid(&self, pid: i32) -> Result<()> {
        let limit = patience::seconds(END_LIMIT);
        if !wait_ended(pid, limit)? {
            bail!("container {} did not end within {} s", self.id, limit.as_secs());
        }
        Ok(())
    }

    /// Waits until init has ended.
    pub fn wait(&self) -> Result<()> {
        let state = self.state()?;
        match state["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()) {
            Some(pid) if pid > 0 => self.wait_pid(pid),
            _ => Ok(()),
        }
    }

    /// Kills init and waits for its end.
    pub fn stop(&self) -> Result<()> {
        let pid = self.pid()?;
        self.kill("KILL")?;
        self.wait_pid(pid)
    }

    /// `delete`, which must succeed.
    pub fn delete(&self) -> Result<()> {
        self.command("delete", &[]).run()?.ok().map(drop)
    }

    /// `exec`, as a command that can be changed further.
    pub fn exec_command(&self, flags: &[&str], words: &[&str]) -> Cmd {
        self.command("exec", flags).args(words)
    }

    /// `exec` of `words` in the foreground.
    pub fn exec(&self, words: &[&str]) -> Result<Output> {
        self.exec_command(&[], words).run()
    }

    /// `exec` of a shell script that must succeed; returns what it printed.
    pub fn sh(&self, script: &str) -> Result<String> {
        Ok(self.exec(&["sh", "-c", script])?.ok()?.stdout)
    }

    /// What init has written to standard error so far.
    pub fn stderr(&self) -> String {
        self.created.stderr_now()
    }

    /// What init has written to standard output so far.
    pub fn stdout(&self) -> String {
        self.created.stdout_now()
    }

    /// The cgroup of init by controller; the key of cgroup v2 is the empty string.
    pub fn cgroups(&self) -> Result<BTreeMap<String, String>> {
        let mut found = BTreeMap::new();
        for line in self.proc("cgroup")?.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(names), Some(path)) = (parts.next(), parts.next()) else { continue };
            for name in names.split(',') {
                found.insert(name.to_owned(), path.to_owned());
            }
        }
        Ok(found)
    }

    /// The directory of init's cgroup for `controller`, by either version.
    pub fn cgroup_dir(&self, controller: &str) -> Result<PathBuf> {
        super::cgroups::directory(&self.cgroups()?, controller)
    }

    /// A file of init's cgroup for `controller`, trimmed.
    pub fn cgroup_file(&self, controller: &str, file: &str) -> Result<String> {
        let path = self.cgroup_dir(controller)?.join(file);
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(text.trim().to_owned())
    }
}
