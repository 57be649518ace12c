//! docker-registry on the loopback.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

const START: Duration = Duration::from_secs(60);

/// A running registry; killed when dropped.
pub(crate) struct Registry {
    pub(crate) host: String,
    process: Child,
}

impl Registry {
    pub(crate) fn start(work: &Path) -> Result<Self> {
        let host = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let config = work.join("registry.yml");
        std::fs::write(
            &config,
            format!(
                "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: \
                 {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{host}'}}\n",
                work.join("registry").display()
            ),
        )?;
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().context("no docker-registry")?;
        let registry = Self { host, process };
        let began = Instant::now();
        while TcpStream::connect(&registry.host).is_err() {
            ensure!(began.elapsed() < START, "docker-registry does not listen");
            std::thread::yield_now();
        }
        Ok(registry)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
