//! What the container's own process does, step by step, from clone3(2) to execve(2).
//!
//! A step names its objects; the executor in [`crate::init`] holds their descriptors. `Display`
//! (in `words`) reads like a trace and is what a failure is reported with.

mod words;

use crate::spec::{
    Access, ConsoleSize, ContainerPath, FilesystemOption, Hook, Landlock, MountAttributes,
    NumberSet, Propagation, Rlimit, Scheduler,
};
use std::path::PathBuf;

/// A place in the executor's table of held descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub usize);

/// A path to be resolved beneath a directory that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What it is resolved beneath: a file system this plan made, or the rootfs.
    pub beneath: Beneath,
    /// Relative; `.` is the base itself.
    pub path: String,
    /// As the container sees it, for people.
    pub shown: ContainerPath,
}

/// The base of a [`Place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beneath {
    /// The container's root.
    Rootfs,
    /// A mount kept in a slot.
    Slot(Slot),
}

/// One thing the new process does.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Die with the runtime, until the container is ready.
    DieWithRuntime,
    /// Join a namespace whose file the runtime has opened into a slot.
    JoinNamespace {
        /// `CLONE_NEW*`.
        kind: kernel::process::CloneFlags,
        /// Its file.
        file: Slot,
        /// For people.
        path: PathBuf,
    },
    /// Wait until the runtime has done its part (id maps, cgroups v1).
    AwaitRuntime,
    /// Become root of the user namespace.
    BecomeNamespaceRoot,
    /// New cgroup namespace, rooted at the container's cgroup.
    UnshareCgroup,
    /// Join a new session keyring.
    NewSessionKeyring {
        /// Its name.
        name: String,
    },
    /// sethostname(2).
    SetHostname(String),
    /// setdomainname(2).
    SetDomainname(String),
    /// Bring `lo` up.
    LoopbackUp,
    /// Set the propagation of everything mounted.
    SetRootPropagation(Propagation),
    /// Make the mount that the rootfs lies in private, so that no mount in the container reaches
    /// the host's rootfs.
    IsolateRootfs {
        /// On the host.
        path: PathBuf,
    },
    /// Make the rootfs a mount of its own and hold it.
    BindRootfs {
        /// On the host.
        path: PathBuf,
        /// A tree the runtime has cloned already, where the child could not.
        prepared: Option<Slot>,
    },
    /// Hold a rootfs directory without mounting anything.
    OpenRootfs {
        /// On the host.
        path: PathBuf,
    },
    /// Take the root of a process that has one of its own in a mount namespace it shares.
    EnterRootOf {
        /// Its pidfd.
        process: Slot,
    },
    /// Mount something.
    Mount(Box<MountStep>),
    /// Change what is mounted at a place.
    Remount {
        /// Where.
        target: Place,
        /// Mount attributes.
        attributes: MountAttributes,
        /// And those of all mounts below.
        recursive_attributes: MountAttributes,
        /// `MS_*` for the superblock, with its options; `None` leaves it.
        superblock: Option<(u64, String)>,
    },
    /// Make a device node, or bind the host's where it can't be made.
    MakeDevice(DeviceStep),
    /// Make a symlink unless the name is taken.
    MakeSymlink {
        /// Where.
        at: Place,
        /// What it says.
        target: String,
        /// Take away what has the name.
        replace: bool,
    },
    /// Open a pseudo-terminal, bind it to /dev/console, and send its master away.
    OpenConsole {
        /// The devpts multiplexer.
        ptmx: Place,
        /// `/dev/console`; `None` for exec.
        console: Option<Place>,
        /// Connected socket the master goes to.
        socket: Slot,
        /// Where the terminal is held.
        terminal: Slot,
        /// Initial size.
        size: Option<ConsoleSize>,
        /// Newlines pass as they are: the terminal it is relayed to processes them.
        is_relayed: bool,
    },
    /// Let the runtime run its hooks, and wait for them.
    RuntimeHooks,
    /// Run hooks from here.
    RunHooks {
        /// `createContainer` or `startContainer`.
        kind: HookKind,
        /// In order.
        hooks: Vec<Hook>,
    },
    /// Make the rootfs the root.
    EnterRootfs(EnterRootfs),
    /// Set the propagation of the new root.
    SetRootfsPropagation(Propagation),
    /// Make the root mount read-only.
    RootfsReadOnly,
    /// Write a kernel parameter through a procfs that is known to be one.
    WriteSysctl {
        /// Below `/proc/sys`.
        path: String,
        /// As it is.
        value: String,
    },
    /// Make a path and what is below it read-only.
    ReadOnlyPath(Place),
    /// Make a path unreadable.
    MaskPath(Place),
    /// One resource limit.
    SetRlimit(Rlimit),
    /// sched_setattr(2).
    SetScheduler {
        /// What is asked for.
        scheduler: Scheduler,
        /// The cgroup has CPUs of its own, which a deadline excludes.
        on_some_cpus: bool,
    },
    /// ioprio_set(2).
    SetIoPriority {
        /// 1 to 3.
        class: u8,
        /// 0 to 7.
        level: u8,
    },
    /// sched_setaffinity(2).
    SetAffinity(NumberSet),
    /// Run on every CPU that the cgroup allows, whatever the runtime was bound to.
    ResetAffinity,
    /// personality(2).
    SetPersonality(u32),
    /// set_mempolicy(2).
    SetMemoryPolicy {
        /// With flags.
        mode: u32,
        /// NUMA nodes.
        nodes: NumberSet,
    },
    /// A core-scheduling cookie of its own.
    NewCoreCookie,
    /// New session; with a terminal, it becomes stdio and the controlling terminal.
    NewSession {
        /// The terminal.
        terminal: Option<Slot>,
    },
    /// Give stdio to the user.
    OwnStdio {
        /// In the container.
        uid: u32,
    },
    /// umask(2).
    SetUmask(u32),
    /// AppArmor profile for the program.
    SetAppArmor(String),
    /// SELinux context for the program.
    SetSelinux(String),
    /// no_new_privs.
    NoNewPrivileges,
    /// Keep only these in the bounding set.
    LimitBounding {
        /// Capabilities kept.
        keep: u64,
        /// Those that the set has, or more.
        of: u64,
    },
    /// Groups, group, user; capabilities stay permitted.
    SetUser {
        /// In the container.
        uid: u32,
        /// In the container.
        gid: u32,
        /// Exactly these; `None` where the namespace denies setgroups.
        groups: Option<Vec<u32>>,
    },
    /// Put in force what the program will have in force, and keep what is permitted.
    SetEffective {
        /// In force.
        effective: u64,
    },
    /// Put everything permitted in force again after a change of user.
    RaisePermitted,
    /// The program's capabilities.
    SetCapabilities {
        /// In force.
        effective: u64,
        /// May be put in force.
        permitted: u64,
        /// Kept by programs.
        inheritable: u64,
        /// Given to programs.
        ambient: u64,
    },
    /// chdir(2), and make sure that it is inside the container.
    ChangeDirectory {
        /// In the container.
        path: String,
        /// Make it where it is missing.
        create: bool,
    },
    /// Find the program, so that a missing one fails `create`.
    FindProgram,
    /// Make a directory of the container where there is none.
    MakeDirectory {
        /// The path.
        path: String,
    },
    /// Close-on-exec from this descriptor up.
    SealDescriptors {
        /// The first one.
        first: u32,
    },
    /// Take the container's `/dev/null` for standard streams that are the host's.
    OwnNullStreams,
    /// Let a signal that means the container's end be one, before anybody could send it.
    HeedSignals,
    /// Tell the runtime that all went well.
    ReportReady,
    /// Live on without the runtime.
    OutliveRuntime,
    /// Wait for `start`.
    AwaitStart(StartVia),
    /// Landlock rules for what follows.
    RestrictPaths(Landlock),
    /// Load the seccomp filter.
    LoadSeccomp {
        /// `SECCOMP_FILTER_FLAG_*`.
        flags: u64,
        /// Connected socket that the notify descriptor goes to.
        listener: Option<Slot>,
    },
    /// The end: execve(2).
    Execute,
}

/// How the root becomes the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnterRootfs {
    /// pivot_root(2), the old root detached.
    Pivot {
        /// The old root must first be made a slave.
        shared: bool,
    },
    /// `--no-pivot`: `MS_MOVE` and chroot(2).
    Move,
    /// No mount namespace of its own: chroot(2).
    Chroot,
}

/// File systems whose new instances are the same in every network namespace.
const WITHOUT_NETWORK: [&str; 4] = ["proc", "tmpfs", "devpts", "mqueue"];

impl Step {
    /// Whether it is the same in every network namespace, and does not wait for the runtime.
    #[must_use]
    pub fn is_apart_from_network(&self) -> bool {
        match self {
            Step::NewSessionKeyring { .. }
            | Step::SetHostname(_)
            | Step::SetDomainname(_)
            | Step::SetRootPropagation(_)
            | Step::IsolateRootfs { .. }
            | Step::BindRootfs { .. }
            | Step::OpenRootfs { .. }
            | Step::MakeDevice(_)
            | Step::MakeSymlink { .. } => true,
            Step::Mount(mount) => match &mount.source {
                MountSource::Filesystem { fstype, .. } => WITHOUT_NETWORK.contains(&&**fstype),
                _ => false,
            },
            _ => false,
        }
    }
}

/// Where the start signal comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartVia {
    /// A connection to the container's start socket.
    Socket(Slot),
    /// The runtime that made the container (`run`).
    Runtime,
}

/// Hooks that run in the container's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookKind {
    /// Before pivot_root.
    CreateContainer,
    /// Before the program.
    StartContainer,
}

impl HookKind {
    /// As in config.json.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            HookKind::CreateContainer => "createContainer",
            HookKind::StartContainer => "startContainer",
        }
    }
}

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountStep {
    /// Where.
    pub target: Place,
    /// What may be at the end of the path.
    pub target_rule: TargetRule,
    /// What.
    pub source: MountSource,
    /// Of this mount.
    pub attributes: MountAttributes,
    /// Of this mount and all below.
    pub recursive_attributes: MountAttributes,
    /// Changes in order.
    pub propagation: Vec<Propagation>,
    /// What the source's mount forbids stays forbidden unless the spec asks for the contrary,
    /// which is an error then: the container's user namespace is not the source's.
    pub keeps_locks: bool,
    /// Where it is held afterwards.
    pub keep: Option<Slot>,
}

/// What a mount's destination may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetRule {
    /// Symlinks are followed inside the root.
    Follow,
    /// A symlink at the end is mounted over.
    NoFollow,
    /// No symlink anywhere on the way: procfs and sysfs must be where they seem to be.
    NoSymlinks,
    /// Likewise, and what is mounted must be a procfs: a bind mount over `/proc`.
    ProcOnly,
}

/// What a mount mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountSource {
    /// A new instance.
    Filesystem {
        /// As in `/proc/filesystems`.
        fstype: String,
        /// Device or dummy.
        source: String,
        /// For fsconfig(2).
        options: Vec<FilesystemOption>,
        /// `MS_*` to set on the superblock.
        superblock: u64,
        /// A tmpfs takes the mode of the directory it covers, unless it has one of its own.
        mode_of_target: bool,
        /// Copy what is at the destination into it.
        copy_up: bool,
    },
    /// A bind mount of a host path.
    Bind {
        /// On the host.
        source: PathBuf,
        /// With what is mounted below.
        recursive: bool,
        /// A symlink is bound itself.
        nofollow: bool,
    },
    /// A bind mount of a path of the container itself, as the mounts before have made it.
    Within {
        /// Where it is.
        from: Place,
        /// With what is mounted below.
        recursive: bool,
        /// A symlink is bound itself.
        nofollow: bool,
        /// The number of its [`super::LateTree`], where the runtime is to map its ids.
        mapped: Option<usize>,
    },
    /// A tree that the runtime has cloned, and id-mapped where asked.
    Prepared {
        /// Where it is.
        tree: Slot,
        /// For people.
        source: PathBuf,
    },
}

/// A device node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceStep {
    /// Where.
    pub at: Place,
    /// `S_IFCHR`, `S_IFBLK` or `S_IFIFO`.
    pub format: u32,
    /// Device number.
    pub major: u32,
    /// Device number.
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    /// Owner in the container.
    pub uid: u32,
    /// Group in the container.
    pub gid: u32,
    /// Don't try to make it: bind the host's node of this path.
    pub bind: bool,
}

/// The `S_IFMT` values (inode(7)).
pub mod libc_format {
    /// Character device.
    pub const CHAR: u32 = 0o020_000;
    /// Block device.
    pub const BLOCK: u32 = 0o060_000;
    /// Fifo.
    pub const FIFO: u32 = 0o010_000;
}

/// True for [`Access::ReadOnly`].
#[must_use]
pub(crate) fn is_read_only(access: Access) -> bool {
    access == Access::ReadOnly
}
