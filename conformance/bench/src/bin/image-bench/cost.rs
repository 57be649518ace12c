//! What a command takes: time, CPU time with its children, and the peak of memory.
//!
//! The command runs below a process of its own, which asks the kernel for the sums at its end.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};

/// The word by which this program measures instead of running a benchmark.
pub(crate) const MEASURE: &str = "measure-command";

/// What one run took.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Cost {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
    /// Mebibytes, of the largest process.
    pub(crate) peak: f64,
    /// What went over a wire, where there was one.
    #[serde(skip)]
    pub(crate) moved: Option<Moved>,
    /// Layers that were unpacked, where that was counted.
    #[serde(skip)]
    pub(crate) unpacked: Option<usize>,
}

/// Bytes, beside those that it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    pub(crate) bytes: u64,
    pub(crate) of: u64,
}

impl Moved {
    /// Per cent.
    #[expect(clippy::cast_precision_loss, reason = "no image has 2^52 bytes")]
    pub(crate) fn share(self) -> f64 {
        self.bytes as f64 * 100.0 / self.of as f64
    }
}

/// Runs the words to their end in this process's name, and returns their cost as JSON.
pub(crate) fn measure(words: &[String]) -> Result<String> {
    let (program, args) = words.split_first().context("no command")?;
    // What came before is not to be written meanwhile.
    rustix::fs::sync();
    let began = Instant::now();
    let output = Command::new(program).args(args).stdin(Stdio::null()).output()?;
    let wall = began.elapsed().as_secs_f64();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{}`: {}", words.join(" "), errors.trim());
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    let cpu = seconds(usage.user_time()) + seconds(usage.system_time());
    let peak = usage.max_rss() as f64 / 1024.0;
    Ok(serde_json::to_string(&Cost { wall, cpu, peak, ..Cost::default() })?)
}

/// Runs a command below a measuring process.
pub(crate) fn cost_of(words: &[String]) -> Result<Cost> {
    let me = std::env::current_exe()?;
    let output = Command::new(me).arg(MEASURE).args(words).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", errors.trim());
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Runs a command that only prepares something.
pub(crate) fn prepare(words: &[String]) -> Result<()> {
    cost_of(words).map(drop)
}
