//! A containerd for one run, and what it takes besides its client.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::cost::{Cost, cost_of};

const START: Duration = Duration::from_secs(60);

/// A running daemon; killed when dropped.
pub(crate) struct Containerd {
    socket: String,
    process: Child,
}

impl Containerd {
    /// Starts one whose data is in `root`.
    pub(crate) fn start(root: &str) -> Result<Self> {
        let socket = format!("{root}/s");
        fs::create_dir_all(root)?;
        let config = Path::new(root).join("config.toml");
        fs::write(&config, "version = 2\ndisabled_plugins = ['io.containerd.grpc.v1.cri']\n")?;
        let mut command = Command::new("containerd");
        command.args(["--root", &format!("{root}/data"), "--state", &format!("{root}/state")]);
        command.args(["--address", &socket, "--config"]).arg(config);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let daemon = Self { process: command.spawn().context("no containerd")?, socket };
        let began = Instant::now();
        while UnixStream::connect(&daemon.socket).is_err() {
            ensure!(began.elapsed() < START, "containerd does not listen");
            std::thread::yield_now();
        }
        Ok(daemon)
    }

    /// Pulls and unpacks, and adds what the daemon took.
    pub(crate) fn pull(&self, name: &str) -> Result<Cost> {
        let before = self.cpu()?;
        let words = ["ctr", "--address", &self.socket, "images", "pull", "--plain-http", name];
        let mut cost = cost_of(&words.map(str::to_owned))?;
        cost.cpu += self.cpu()? - before;
        cost.peak = cost.peak.max(self.peak()?);
        Ok(cost)
    }

    fn cpu(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let fields: Vec<&str> =
            stat.rsplit_once(')').context("stat")?.1.split_whitespace().collect();
        let ticks = fields[11..15].iter().filter_map(|field| field.parse::<u32>().ok());
        Ok(f64::from(ticks.sum::<u32>()) / rustix::param::clock_ticks_per_second() as f64)
    }

    fn peak(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.context("VmHWM")?.trim().trim_end_matches(" kB").parse::<u32>()?;
        Ok(f64::from(kib) / 1024.0)
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
