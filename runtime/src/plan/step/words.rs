//! Steps in words.

use super::{DeviceStep, EnterRootfs, MountSource, MountStep, Place, Step, libc_format};
use crate::spec::{NumberSet, Propagation};
use std::fmt;

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.shown)
    }
}

impl fmt::Display for MountStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            MountSource::Filesystem { fstype, source, options, .. } => {
                write!(f, "mount {fstype}")?;
                if !source.is_empty() && source != fstype {
                    write!(f, " of `{source}`")?;
                }
                write!(f, " at {}", self.target)?;
                let mut separator = " with ";
                for option in options {
                    write!(f, "{separator}{}", option.key)?;
                    if let Some(value) = &option.value {
                        write!(f, "={value}")?;
                    }
                    separator = ",";
                }
            }
            MountSource::Bind { source, recursive, .. } => {
                let kind = if *recursive { "bind tree" } else { "bind" };
                write!(f, "{kind} `{}` at {}", source.display(), self.target)?;
            }
            MountSource::Within { from, recursive, mapped, .. } => {
                let kind = if *recursive { "bind tree" } else { "bind" };
                let mapped = if mapped.is_some() { " with mapped ids" } else { "" };
                write!(f, "{kind} the container's {from}{mapped} at {}", self.target)?;
            }
            MountSource::Prepared { source, .. } => {
                write!(f, "attach prepared `{}` at {}", source.display(), self.target)?;
            }
        }
        let (own, all) = (self.attributes, self.recursive_attributes);
        if !own.is_empty() {
            write!(f, ", attributes +{:#x} -{:#x}", own.set, own.clear)?;
        }
        if !all.is_empty() {
            write!(f, ", recursive attributes +{:#x} -{:#x}", all.set, all.clear)?;
        }
        if self.keeps_locks && !own.is_empty() {
            f.write_str(", keeping what its source forbids")?;
        }
        self.propagation.iter().try_for_each(|p| write!(f, ", {p}"))
    }
}

impl fmt::Display for Propagation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::spec::PropagationKind as K;
        let name = match self.kind {
            K::Shared => "shared",
            K::Slave => "slave",
            K::Private => "private",
            K::Unbindable => "unbindable",
        };
        write!(f, "{}{name}", if self.recursive { "r" } else { "" })
    }
}

impl fmt::Display for DeviceStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.bind { "bind" } else { "make" };
        match self.format {
            libc_format::FIFO => write!(f, "{verb} fifo {}", self.at),
            format => {
                let kind = if format == libc_format::BLOCK { "b" } else { "c" };
                let (major, minor) = (self.major, self.minor);
                write!(f, "{verb} device {} {kind} {major}:{minor}", self.at)
            }
        }?;
        write!(f, " mode {:o} owner {}:{}", self.mode, self.uid, self.gid)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::DieWithRuntime => f.write_str("die with the runtime until ready"),
            Step::JoinNamespace { kind, path, .. } => {
                write!(f, "join namespace `{}`:", path.display())?;
                kind.iter_names().try_for_each(|(name, _)| write!(f, " {name}"))
            }
            Step::AwaitRuntime => f.write_str("wait for the runtime"),
            Step::BecomeNamespaceRoot => f.write_str("become root of the user namespace"),
            Step::UnshareCgroup => f.write_str("unshare the cgroup namespace"),
            Step::NewSessionKeyring { name } => write!(f, "join session keyring `{name}`"),
            Step::SetHostname(name) => write!(f, "set hostname to `{name}`"),
            Step::SetDomainname(name) => write!(f, "set domain name to `{name}`"),
            Step::LoopbackUp => f.write_str("bring the loopback device up"),
            Step::SetRootPropagation(p) => write!(f, "make all mounts {p}"),
            Step::IsolateRootfs { path } => {
                write!(f, "make the mount of `{}` private", path.display())
            }
            Step::BindRootfs { path, .. } => write!(f, "bind rootfs `{}`", path.display()),
            Step::OpenRootfs { path } => write!(f, "open rootfs `{}`", path.display()),
            Step::EnterRootOf { .. } => f.write_str("change root to the container's"),
            Step::Mount(mount) => mount.fmt(f),
            Step::Remount { target, attributes, .. } => {
                write!(f, "remount {target}, attributes +{:#x}", attributes.set)
            }
            Step::MakeDevice(device) => device.fmt(f),
            Step::MakeSymlink { at, target, .. } => write!(f, "link {at} to `{target}`"),
            Step::OpenConsole { .. } => f.write_str("open a terminal and send its master"),
            Step::RuntimeHooks => f.write_str("let the runtime run its hooks"),
            Step::RunHooks { kind, hooks } => {
                write!(f, "run {} {} hooks", hooks.len(), kind.name())
            }
            Step::EnterRootfs(EnterRootfs::Pivot { .. }) => f.write_str("pivot into the rootfs"),
            Step::EnterRootfs(EnterRootfs::Move) => f.write_str("move the rootfs over the root"),
            Step::EnterRootfs(EnterRootfs::Chroot) => f.write_str("change root to the rootfs"),
            Step::SetRootfsPropagation(p) => write!(f, "make the rootfs {p}"),
            Step::MakeDirectory { path } => {
                write!(f, "make the directory {path}, if it is missing")
            }
            Step::RootfsReadOnly => f.write_str("make the rootfs read-only"),
            Step::WriteSysctl { path, value } => write!(f, "set sysctl `{path}` to `{value}`"),
            Step::ReadOnlyPath(place) => write!(f, "make {place} read-only"),
            Step::MaskPath(place) => write!(f, "mask {place}"),
            Step::SetRlimit(l) => {
                write!(f, "set rlimit {} to {}:{}", rlimit_name(l.resource), l.soft, l.hard)
            }
            Step::SetScheduler { scheduler, .. } => {
                write!(f, "set scheduler policy {}", scheduler.policy)
            }
            Step::SetIoPriority { class, level } => {
                write!(f, "set I/O priority class {class} level {level}")
            }
            Step::SetAffinity(cpus) => write!(f, "run on CPUs {cpus}"),
            Step::ResetAffinity => f.write_str("run on all CPUs"),
            Step::SetPersonality(domain) => write!(f, "set personality {domain:#x}"),
            Step::SetMemoryPolicy { mode, nodes } => {
                write!(f, "set memory policy {mode:#x} on nodes {nodes}")
            }
            Step::NewCoreCookie => f.write_str("create a core-scheduling cookie"),
            Step::NewSession { terminal: None } => f.write_str("start a session"),
            Step::NewSession { terminal: Some(_) } => {
                f.write_str("start a session on the terminal")
            }
            Step::OwnNullStreams => f.write_str("take the container's /dev/null for the host's"),
            Step::OwnStdio { uid } => write!(f, "give stdio to user {uid}"),
            Step::SetUmask(mask) => write!(f, "set umask {mask:03o}"),
            Step::SetAppArmor(profile) => write!(f, "set AppArmor profile `{profile}`"),
            Step::SetSelinux(label) => write!(f, "set SELinux label `{label}`"),
            Step::NoNewPrivileges => f.write_str("set no_new_privs"),
            Step::LimitBounding { keep, .. } => write!(f, "limit the bounding set to {keep:#x}"),
            Step::SetUser { uid, gid, groups } => {
                write!(f, "become user {uid}, group {gid}, groups {groups:?}")
            }
            Step::SetEffective { .. } => f.write_str("have the program's capabilities in force"),
            Step::RaisePermitted => f.write_str("raise the permitted capabilities"),
            Step::SetCapabilities { effective, permitted, inheritable, ambient } => write!(
                f,
                "set capabilities effective {effective:#x} permitted {permitted:#x} \
                 inheritable {inheritable:#x} ambient {ambient:#x}"
            ),
            Step::ChangeDirectory { path, .. } => write!(f, "change directory to `{path}`"),
            Step::FindProgram => f.write_str("find the program"),
            Step::SealDescriptors { first } => {
                write!(f, "close descriptors from {first} up on execve")
            }
            Step::HeedSignals => f.write_str("let SIGTERM and its like end the container"),
            Step::ReportReady => f.write_str("report that the container is ready"),
            Step::OutliveRuntime => f.write_str("outlive the runtime"),
            Step::AwaitStart(_) => f.write_str("wait for start"),
            Step::RestrictPaths(_) => f.write_str("restrict paths by Landlock"),
            Step::LoadSeccomp { .. } => f.write_str("load the seccomp filter"),
            Step::Execute => f.write_str("execute the program"),
        }
    }
}

impl fmt::Display for NumberSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for range in &self.0 {
            match (range.start(), range.end()) {
                (a, b) if a == b => write!(f, "{separator}{a}")?,
                (a, b) => write!(f, "{separator}{a}-{b}")?,
            }
            separator = ",";
        }
        Ok(())
    }
}

/// The name getrlimit(2) has for a resource number.
fn rlimit_name(resource: u32) -> &'static str {
    const NAMES: [&str; 16] = [
        "RLIMIT_CPU",
        "RLIMIT_FSIZE",
        "RLIMIT_DATA",
        "RLIMIT_STACK",
        "RLIMIT_CORE",
        "RLIMIT_RSS",
        "RLIMIT_NPROC",
        "RLIMIT_NOFILE",
        "RLIMIT_MEMLOCK",
        "RLIMIT_AS",
        "RLIMIT_LOCKS",
        "RLIMIT_SIGPENDING",
        "RLIMIT_MSGQUEUE",
        "RLIMIT_NICE",
        "RLIMIT_RTPRIO",
        "RLIMIT_RTTIME",
    ];
    usize::try_from(resource).ok().and_then(|n| NAMES.get(n)).copied().unwrap_or("unknown")
}
