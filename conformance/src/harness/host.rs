//! What this host offers, and what a test may need of it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Something a test can't do without; a host that lacks it skips the test, with the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The process runs as root.
    Root,
    /// cgroup v1 controllers are mounted under `/sys/fs/cgroup`.
    CgroupV1,
    /// `/sys/fs/cgroup` is a cgroup2 file system.
    CgroupV2,
    /// The cgroup controller is available, by either version.
    Controller(&'static str),
    /// systemd is pid 1 and answers on the system bus.
    Systemd,
    /// There are at least so many processors.
    Cpus(usize),
    /// The path exists.
    Path(&'static str),
    /// The path does not exist.
    NoPath(&'static str),
    /// The program is found in `PATH`.
    Program(&'static str),
    /// criu is installed and says that it can work here.
    Criu,
    /// The test process holds this capability (by number) in its permitted set.
    Capability(u32),
}

impl Need {
    /// Returns why the need is not met, or `None` if it is.
    pub fn unmet(self) -> Option<String> {
        let (met, why) = match self {
            Need::Root => (rustix::process::geteuid().is_root(), "not root".to_owned()),
            Need::CgroupV1 => (has_cgroup_v1(), "no cgroup v1 hierarchy".to_owned()),
            Need::CgroupV2 => (has_cgroup_v2(), "/sys/fs/cgroup is not cgroup2".to_owned()),
            Need::Controller(name) => {
                (has_controller(name), format!("no `{name}` cgroup controller"))
            }
            Need::Systemd => {
                (Path::new("/run/systemd/system").is_dir(), "systemd is not running".to_owned())
            }
            Need::Cpus(count) => (cpus() >= count, format!("fewer than {count} processors")),
            Need::Path(path) => (Path::new(path).exists(), format!("no `{path}`")),
            Need::NoPath(path) => (!Path::new(path).exists(), format!("`{path}` exists")),
            Need::Program(name) => (find_program(name), format!("no program `{name}`")),
            Need::Criu => (criu_works(), "`criu check` fails, or there is no criu".to_owned()),
            Need::Capability(number) => {
                (has_capability(number), format!("capability {number} is not permitted here"))
            }
        };
        (!met).then_some(why)
    }
}

/// Whether `/sys/fs/cgroup` itself is cgroup2.
pub fn has_cgroup_v2() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// Whether cgroup v1 controllers are mounted where every runtime looks for them.
pub fn has_cgroup_v1() -> bool {
    !has_cgroup_v2() && Path::new("/sys/fs/cgroup/freezer").is_dir()
}

fn has_controller(name: &str) -> bool {
    if has_cgroup_v2() {
        let listed = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
        // In cgroup v2 these two are part of every cgroup.
        matches!(name, "freezer" | "devices") || listed.split_whitespace().any(|c| c == name)
    } else {
        Path::new("/sys/fs/cgroup").join(name).is_dir()
    }
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn find_program(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()))
}

fn criu_works() -> bool {
    static WORKS: OnceLock<bool> = OnceLock::new();
    *WORKS.get_or_init(|| {
        let mut check = Command::new("criu");
        check.arg("check").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        check.status().is_ok_and(|status| status.success())
    })
}

fn has_capability(number: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapPrm:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .is_some_and(|set| set >> number & 1 == 1)
}
