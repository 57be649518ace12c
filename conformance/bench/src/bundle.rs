//! The bundles that are run: a `true` of three instructions, a busybox, and three configurations.
//!
//! What a C library does before it comes to `true` is the same whoever started it, and takes 0.7 ms where
//! `cpuid` is an exit to the hypervisor: as long as the whole `exec` of a good runtime. So it is
//! left out; one row tells what `run` takes with busybox's.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
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
    /// The same with busybox's `true`.
    pub(crate) busybox: PathBuf,
    /// The default, running `sleep`.
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
            let bin = dir.join("rootfs/bin");
            fs::copy(BUSYBOX, bin.join("busybox"))
                .with_context(|| format!("no static busybox at `{BUSYBOX}`"))?;
            symlink("busybox", bin.join("sleep"))?;
            fs::write(bin.join("true"), tiny_true())?;
            fs::set_permissions(bin.join("true"), Permissions::from_mode(0o755))?;
            fs::write(dir.join("config.json"), serde_json::to_vec(config)?)?;
            Ok(dir)
        };
        Ok(Bundles {
            default: bundle("default", &config(&["true"]))?,
            busybox: bundle("busybox", &config(&["busybox", "true"]))?,
            sleeping: bundle("sleeping", &config(&["sleep", "1000000"]))?,
            docker: bundle("docker", &docker_config(serde_json::from_slice(&profile)?))?,
        })
    }
}

/// An ELF program (elf(5)) that ends with status 0.
fn tiny_true() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u16 = 64 + 56;
    #[cfg(target_arch = "x86_64")]
    const MACHINE: u16 = 62;
    #[cfg(target_arch = "aarch64")]
    const MACHINE: u16 = 183;
    // xor %edi,%edi; mov $231,%eax; syscall
    #[cfg(target_arch = "x86_64")]
    const CODE: &[u8] = &[0x31, 0xff, 0xb8, 0xe7, 0, 0, 0, 0x0f, 0x05];
    // mov x0, #0; mov x8, #94; svc #0
    #[cfg(target_arch = "aarch64")]
    const CODE: &[u8] = &[0, 0, 0x80, 0xd2, 0xc8, 0x0b, 0x80, 0xd2, 1, 0, 0, 0xd4];
    let size = u64::from(HEADERS) + CODE.len() as u64;
    // 64 bits, little-endian, version 1.
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // ET_EXEC; EV_CURRENT; entry, program headers, no sections.
    elf.extend([2u16, MACHINE].map(u16::to_le_bytes).as_flattened());
    elf.extend([1u32].map(u32::to_le_bytes).as_flattened());
    elf.extend([BASE + u64::from(HEADERS), 64, 0].map(u64::to_le_bytes).as_flattened());
    elf.extend([0u32].map(u32::to_le_bytes).as_flattened());
    elf.extend([64u16, 56, 1, 0, 0, 0].map(u16::to_le_bytes).as_flattened());
    // PT_LOAD, readable and executable: all of the file.
    elf.extend([1u32, 5].map(u32::to_le_bytes).as_flattened());
    elf.extend([0u64, BASE, BASE, size, size, 0x1000].map(u64::to_le_bytes).as_flattened());
    elf.extend(CODE);
    elf
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
