//! Real registries, each with a directory of its own.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running registry; killed when dropped.
pub(crate) struct Registry {
    pub(crate) host: String,
    process: Child,
    _directory: tempfile::TempDir,
}

/// What a docker-registry is asked to be, besides being there.
#[derive(Default)]
pub(crate) struct Options {
    /// Only this user gets in, with [`PASSWORD`].
    pub(crate) user: Option<&'static str>,
    /// Certificate and key to serve with.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// The authority of those who may come in.
    pub(crate) client_authority: Option<PathBuf>,
}

/// The password of every user.
pub(crate) const PASSWORD: &str = "secret";
const HASH: &str = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";

/// Whether `program` can be run; a skip says why, and fails where everything is required.
pub(crate) fn have(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: there is no `{program}`");
        assert!(std::env::var_os("REQUIRE_ALL").is_none(), "`{program}` is required");
    }
    found
}

/// A port that nobody listens at.
pub(crate) fn free_host() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

impl Registry {
    /// Starts Debian's docker-registry, or says why not.
    pub(crate) fn start(options: &Options) -> Option<Self> {
        have("docker-registry").then(|| {
            Self::run(|directory, host| {
                let config = docker_config(options, directory, host);
                let path = directory.join("config.yml");
                std::fs::write(&path, config).unwrap();
                let mut command = Command::new("docker-registry");
                command.arg("serve").arg(&path);
                command
            })
        })
    }

    pub(crate) fn open() -> Option<Self> {
        Self::start(&Options::default())
    }

    /// Starts NORA, another implementation of the specification. `NORA_REGISTRY` names the
    /// program; `conformance/other-registry` installs it.
    pub(crate) fn other() -> Option<Self> {
        let program = std::env::var("NORA_REGISTRY").unwrap_or_else(|_| "nora".to_owned());
        have(&program).then(|| {
            Self::run(|directory, host| {
                let (address, port) = host.split_once(':').unwrap();
                let mut command = Command::new(&program);
                command
                    .current_dir(directory)
                    .env_clear()
                    .env("NORA_HOST", address)
                    .env("NORA_PORT", port)
                    .env("NORA_STORAGE_PATH", directory.join("data"))
                    // It would ask others for what it has not.
                    .env("NORA_DOCKER_PROXIES", "");
                command
            })
        })
    }

    /// Runs the command that `make` makes for a directory and a host until it listens there.
    fn run(make: impl Fn(&Path, &str) -> Command) -> Self {
        // Somebody else may take the port in between: then the registry ends.
        for _ in 0..10 {
            let (directory, host) = (tempfile::tempdir().unwrap(), free_host());
            let mut command = make(directory.path(), &host);
            let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let mut registry = Self { host, process, _directory: directory };
            if registry.listens() {
                return registry;
            }
        }
        panic!("the registry ends");
    }

    fn listens(&mut self) -> bool {
        loop {
            let connected = TcpStream::connect(&self.host).is_ok();
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            if connected {
                return true;
            }
            std::thread::yield_now();
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn docker_config(options: &Options, directory: &Path, host: &str) -> String {
    let mut text = format!(
        "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n  \
         filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\nhttp:\n  addr: '{host}'\n",
        directory.join("data").display()
    );
    if let Some((certificate, key)) = &options.tls {
        let (certificate, key) = (certificate.display(), key.display());
        text.push_str(&format!("  tls:\n    certificate: {certificate}\n    key: {key}\n"));
        if let Some(authority) = &options.client_authority {
            text.push_str(&format!("    clientcas: ['{}']\n", authority.display()));
        }
    }
    if let Some(user) = options.user {
        let users = directory.join("users");
        std::fs::write(&users, format!("{user}:{HASH}\n")).unwrap();
        let users = users.display();
        text.push_str(&format!("auth: {{htpasswd: {{realm: x, path: '{users}'}}}}\n"));
    }
    text
}
