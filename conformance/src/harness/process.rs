//! Waiting for processes by pidfd, with a time limit.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, waitpid};

/// Waits until process `pid` has ended or `limit` has passed; `true` if it has ended.
///
/// A process that no longer exists has ended.
pub fn wait_ended(pid: i32, limit: Duration) -> Result<bool> {
    let Some(pid) = Pid::from_raw(pid) else { return Ok(true) };
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(rustix::io::Errno::SRCH) => return Ok(true),
        Err(errno) => return Err(errno).context("pidfd_open"),
    };
    is_ready(&pidfd, PollFlags::IN, limit)
}

/// Waits until `fd` shows one of `events` or `limit` has passed; `true` if it does.
pub fn is_ready(fd: &impl AsFd, events: PollFlags, limit: Duration) -> Result<bool> {
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).context("time limit")?;
        let mut fds = [PollFd::new(fd, events)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(count) => return Ok(count > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno).context("poll"),
        }
    }
}

/// Sends SIGKILL to `pid`; one that is gone is fine.
pub fn kill(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Collects the exit status of `pid` if it is our child and has ended.
pub fn reap(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

/// The children of process `pid`, in no order.
pub fn children(pid: u32) -> Vec<i32> {
    let mut found = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let listed = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        found.extend(listed.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    found
}

/// The command line of `pid`, words joined by spaces; empty for a zombie or a stranger.
pub fn command_line(pid: i32) -> String {
    let raw = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&raw).replace('\0', " ").trim().to_owned()
}

/// The value of `key` in `/proc/PID/status`.
pub fn status_of(pid: i32, key: &str) -> Result<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("status of process {pid}"))?;
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "))
        .with_context(|| format!("no `{key}` in the status of process {pid}"))
}
