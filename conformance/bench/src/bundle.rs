//! The bundles that are run: a busybox and three configurations.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

const BUSYBOX: &str = "/bin/busybox";
/// What Docker gives every container.
const DOCKER_CAPABILITIES: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// The bundle directories.
pub(crate) struct Bundles {
    /// What `spec` prints, running `true`.
    pub(crate) default: PathBuf,
    /// The same, running `sleep`.
    pub(crate) sleeping: PathBuf,
    /// What Docker makes: its capabilities, cgroup namespace and seccomp profile. Without device rules:
    /// Debian's crun can't load any where raising `RLIMIT_MEMLOCK` is not permitted.
    pub(crate) docker: PathBuf,
}

impl Bundles {
    /// Makes all bundles in `work`.
    pub(crate) fn make(work: &Path, profile: &Path) -> Result<Bundles> {
        let profile = fs::read(profile)
            .with_context(|| format!("no seccomp profile at `{}`", profile.display()))?;
        let bundle = |name: &str, config: &Value| -> Result<PathBuf> {
            let dir = work.join(name);
            fs::create_dir_all(dir.join("rootfs/bin"))?;
            for applet in ["true", "sleep"] {
                fs::copy(BUSYBOX, dir.join("rootfs/bin").join(applet))
                    .with_context(|| format!("no static busybox at `{BUSYBOX}`"))?;
            }
            fs::write(dir.join("config.json"), serde_json::to_vec(config)?)?;
            Ok(dir)
        };
        Ok(Bundles {
            default: bundle("default", &config(&["true"]))?,
            sleeping: bundle("sleeping", &config(&["sleep", "1000000"]))?,
            docker: bundle("docker", &docker_config(serde_json::from_slice(&profile)?))?,
        })
    }
}

/// The configuration that `spec` prints, without a terminal, and writable as images are.
fn config(args: &[&str]) -> Value {
    let capabilities = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": args,
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
            },
            "noNewPrivileges": true,
        },
        "root": {"path": "rootfs"},
        "hostname": "bench",
        "mounts": [
            mount("/proc", "proc", &[]),
            mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
            mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            mount("/sys/fs/cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]),
        ],
        "linux": {
            "namespaces": [
                {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"},
                {"type": "cgroup"},
            ],
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
            ],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    })
}

fn docker_config(profile: Value) -> Value {
    let mut config = config(&["true"]);
    let capabilities = json!(DOCKER_CAPABILITIES);
    let process = &mut config["process"];
    process["capabilities"] = json!({
        "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
    });
    process["noNewPrivileges"] = json!(false);
    process["oomScoreAdj"] = json!(0);
    config["linux"]["seccomp"] = profile;
    config
}

fn mount(at: &str, kind: &str, options: &[&str]) -> Value {
    json!({"destination": at, "type": kind, "source": kind, "options": options})
}
