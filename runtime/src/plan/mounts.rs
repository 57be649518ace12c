//! The file system part of a plan: rootfs, mounts, devices, masked and read-only paths.

use super::{
    Beneath, CgroupMount, DeviceStep, EnterRootfs, HostFacts, LateTree, MountSource, MountStep,
    Place, PlanError, PlanOptions, PreparedTree, Slot, Slots, Step, TargetRule, TreeIdMap,
    TreeMapping, has_user_namespace, is_read_only, libc_format,
};
use crate::spec::{
    ConsoleSize, ContainerPath, ContainerSpec, DeviceKind, FilesystemOption, Mount,
    MountAttributes, MountKind, Namespace, Propagation, PropagationKind,
};
use std::path::{Path, PathBuf};

/// The file system part of a plan, in four runs of steps and what comes before them.
pub(super) struct FilesystemPlan {
    /// Rootfs, mounts, devices.
    pub(super) mounts: Vec<Step>,
    /// Where a console comes from.
    pub(super) console: ConsolePlaces,
    /// pivot_root and what belongs to it.
    pub(super) enter: Vec<Step>,
    /// Read-only and masked paths.
    pub(super) protect: Vec<Step>,
    /// Trees to clone before.
    pub(super) prepared: Vec<PreparedTree>,
    /// Trees to clone on the way.
    pub(super) late: Vec<LateTree>,
}

/// Where a terminal is opened and bound.
pub(super) struct ConsolePlaces {
    ptmx: Place,
    console: Place,
}

impl ConsolePlaces {
    pub(super) fn open(
        self,
        socket: Slot,
        terminal: Slot,
        size: Option<ConsoleSize>,
        is_relayed: bool,
    ) -> Step {
        let console = Some(self.console);
        Step::OpenConsole { ptmx: self.ptmx, console, socket, terminal, size, is_relayed }
    }
}

/// Nodes every container has (config-linux.md#default-devices): name, major, minor.
const DEFAULT_DEVICES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// Links every container has: name, target.
const DEFAULT_LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// `MOUNT_ATTR_RDONLY`.
const MOUNT_ATTR_RDONLY: u64 = 1;
const MOUNT_ATTR_NOSUID: u64 = 2;
const MOUNT_ATTR_NODEV: u64 = 4;
const MOUNT_ATTR_NOEXEC: u64 = 8;
/// `MS_RDONLY`.
const MS_RDONLY: u64 = 1;

pub(super) fn plan_filesystem(
    spec: &ContainerSpec,
    host: &HostFacts,
    options: &PlanOptions,
    joined_user: Option<Slot>,
    slots: &mut Slots,
) -> Result<FilesystemPlan, PlanError> {
    let mut planner = Planner::new(spec, host, options, joined_user, slots);
    planner.rootfs();
    for (index, mount) in spec.mounts.iter().enumerate() {
        check_over_proc(index, mount)?;
        planner.mount(mount)?;
    }
    if let Some(dir) = &options.notify_dir {
        planner.notify_dir(dir);
    }
    planner.devices();
    let console = ConsolePlaces {
        ptmx: planner.place(&container_path("/dev/pts/ptmx")),
        console: planner.place(&container_path("/dev/console")),
    };
    let protect = planner.protect();
    let mut enter = enter_rootfs(spec, options, planner.peers.is_some());
    let Planner { steps, prepared, late, read_only_later, .. } = planner;
    enter.extend(close(spec, read_only_later));
    Ok(FilesystemPlan { mounts: steps, console, enter, protect, prepared, late })
}

/// Files of procfs that lxcfs emulates and that may be mounted over.
const MOUNTABLE_PROC_FILES: [&str; 10] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
];

/// A false `/proc` would let the image say what the runtime has set: labels, limits, namespaces.
fn check_over_proc(index: usize, mount: &Mount) -> Result<(), PlanError> {
    let at = mount.destination.as_str();
    let refuse =
        |why| Err(PlanError::OverProc { index, destination: mount.destination.to_string(), why });
    if at == "/proc" {
        return match &mount.kind {
            MountKind::Filesystem(fs) if fs.fstype == "proc" => Ok(()),
            // Its source is looked at when it is mounted.
            MountKind::Bind { .. } | MountKind::Remount { .. } => Ok(()),
            _ => refuse("not of type proc"),
        };
    }
    if at.starts_with("/proc/") && !MOUNTABLE_PROC_FILES.contains(&at) {
        return refuse("inside /proc");
    }
    Ok(())
}

fn container_path(text: &str) -> ContainerPath {
    ContainerPath::normalise(text).expect("a constant without NUL")
}

struct Planner<'a> {
    spec: &'a ContainerSpec,
    host: &'a HostFacts,
    /// What [`shares_mounts`] says.
    peers: Option<Propagation>,
    slots: &'a mut Slots,
    steps: Vec<Step>,
    prepared: Vec<PreparedTree>,
    late: Vec<LateTree>,
    /// What turns read-only once it is filled.
    read_only_later: Vec<Step>,
    /// The user namespace that is joined.
    joined_user: Option<Slot>,
    /// Mounts so far: where, and the slot of those that this plan makes anew.
    made: Vec<(ContainerPath, Option<Slot>)>,
}

impl<'a> Planner<'a> {
    fn new(
        spec: &'a ContainerSpec,
        host: &'a HostFacts,
        options: &PlanOptions,
        joined_user: Option<Slot>,
        slots: &'a mut Slots,
    ) -> Planner<'a> {
        Planner {
            spec,
            host,
            peers: shares_mounts(spec, host, options),
            slots,
            steps: Vec::new(),
            prepared: Vec::new(),
            late: Vec::new(),
            read_only_later: Vec::new(),
            joined_user,
            made: Vec::new(),
        }
    }

    /// True if root makes a user namespace: then the child, who is nobody on the host, may not
    /// reach what the runtime can.
    fn child_is_weaker(&self) -> bool {
        child_is_weaker(self.spec, self.host)
    }

    fn rootfs(&mut self) {
        let path = self.spec.root.path.clone();
        if self.spec.namespaces.mount == Namespace::Inherit {
            self.steps.push(Step::BindRootfs { path, prepared: None });
            return;
        }
        let kind = self.namespace_propagation();
        let propagation = self.peers.unwrap_or(Propagation { kind, recursive: true });
        self.steps.push(Step::SetRootPropagation(propagation));
        if self.peers.is_some() {
            self.steps.push(Step::IsolateRootfs { path: path.clone() });
        }
        let prepared = self.child_is_weaker().then(|| {
            let slot = self.slots.next();
            self.prepared.push(PreparedTree {
                slot,
                source: path.clone(),
                recursive: true,
                nofollow: false,
                propagation: Some(kind),
                idmap: None,
            });
            slot
        });
        self.steps.push(Step::BindRootfs { path, prepared });
    }

    /// What becomes of all mounts in a mount namespace of the container's own, but for one that
    /// [`shares_mounts`], and of trees that are cloned outside of it.
    fn namespace_propagation(&self) -> PropagationKind {
        match self.spec.rootfs_propagation {
            Some(p) if p.kind == PropagationKind::Private => PropagationKind::Private,
            _ => PropagationKind::Slave,
        }
    }

    /// Resolves `path` beneath the topmost mount over it, where this plan made that mount anew:
    /// then nothing in the image can lead it astray.
    fn place(&self, path: &ContainerPath) -> Place {
        let covering = self.made.iter().rev().find_map(|(at, slot)| {
            let rest = strip(path, at)?;
            Some((*slot, rest))
        });
        let shown = path.clone();
        match covering {
            Some((Some(slot), rest)) => {
                Place { beneath: Beneath::Slot(slot), path: rest.to_owned(), shown }
            }
            _ => Place { beneath: Beneath::Rootfs, path: path.relative().to_owned(), shown },
        }
    }

    fn mount(&mut self, mount: &Mount) -> Result<(), PlanError> {
        let target = self.place(&mount.destination);
        match &mount.kind {
            MountKind::Filesystem(fs) => {
                let fresh = matches!(
                    fs.fstype.as_str(),
                    "proc" | "sysfs" | "tmpfs" | "devpts" | "mqueue" | "devtmpfs"
                ) && !fs.copy_up;
                let keep = fresh.then(|| self.slots.next());
                let strict = matches!(fs.fstype.as_str(), "proc" | "sysfs");
                let source = MountSource::Filesystem {
                    fstype: fs.fstype.clone(),
                    source: fs.source.clone(),
                    options: self.labelled(fs.fstype.as_str(), &fs.options),
                    // Of a file system without a device, only the mount is read-only: the
                    // instance may be shared, or has yet to be filled.
                    superblock: fs.superblock.set
                        & if fresh || fs.copy_up { !MS_RDONLY } else { u64::MAX },
                    mode_of_target: fs.fstype == "tmpfs",
                    copy_up: fs.copy_up,
                };
                let rule = if strict { TargetRule::NoSymlinks } else { TargetRule::Follow };
                // Devices are still to come, and the targets of mounts below it.
                if fs.fstype == "tmpfs" || mount.destination.as_str() == "/dev" {
                    let filled = self.fill_first(mount, &target, keep);
                    self.push_mount(&filled, target, rule, source, keep);
                } else {
                    self.push_mount(mount, target, rule, source, keep);
                }
            }
            MountKind::Bind { source, recursive, nofollow, dest_nofollow, remount: false } => {
                let rule = match mount.destination.as_str() {
                    "/proc" => TargetRule::ProcOnly,
                    _ if *dest_nofollow => TargetRule::NoFollow,
                    _ => TargetRule::Follow,
                };
                let source = self.bind_source(mount, source, *recursive, *nofollow);
                self.push_mount(mount, target, rule, source, None);
            }
            MountKind::Bind { remount: true, .. } => self.steps.push(Step::Remount {
                target,
                attributes: mount.attributes,
                recursive_attributes: mount.recursive_attributes,
                superblock: None,
            }),
            MountKind::Remount { options, superblock } => {
                let text = options.iter().map(option_text).collect::<Vec<_>>().join(",");
                self.steps.push(Step::Remount {
                    target,
                    attributes: mount.attributes,
                    recursive_attributes: mount.recursive_attributes,
                    superblock: Some((superblock.set, text)),
                });
            }
            MountKind::Cgroup { .. } => self.cgroup(mount, target)?,
        }
        Ok(())
    }

    /// What is to be read-only is writable until all that belongs in it was made.
    fn fill_first(&mut self, mount: &Mount, target: &Place, keep: Option<Slot>) -> Mount {
        let mut mount = mount.clone();
        if mount.attributes.set & MOUNT_ATTR_RDONLY == 0 {
            return mount;
        }
        mount.attributes.set &= !MOUNT_ATTR_RDONLY;
        let shown = target.shown.clone();
        let target = match keep {
            Some(slot) => Place { beneath: Beneath::Slot(slot), path: ".".into(), shown },
            None => target.clone(),
        };
        self.read_only_later.push(Step::Remount {
            target,
            attributes: MountAttributes { set: MOUNT_ATTR_RDONLY, clear: 0 },
            recursive_attributes: MountAttributes::default(),
            superblock: None,
        });
        mount
    }

    fn push_mount(
        &mut self,
        mount: &Mount,
        target: Place,
        target_rule: TargetRule,
        source: MountSource,
        keep: Option<Slot>,
    ) {
        self.steps.push(Step::Mount(Box::new(MountStep {
            target,
            target_rule,
            source,
            attributes: mount.attributes,
            recursive_attributes: mount.recursive_attributes,
            propagation: mount.propagation.clone(),
            keeps_locks: has_user_namespace(self.spec)
                && matches!(mount.kind, MountKind::Bind { .. }),
            keep,
        })));
        self.made.push((mount.destination.clone(), keep));
    }

    fn labelled(&self, fstype: &str, options: &[FilesystemOption]) -> Vec<FilesystemOption> {
        let mut options = options.to_vec();
        let takes_label = !matches!(fstype, "proc" | "sysfs" | "cgroup" | "cgroup2" | "mqueue");
        if let Some(label) = self.spec.mount_label.as_ref().filter(|_| takes_label) {
            options.push(FilesystemOption { key: "context".into(), value: Some(label.clone()) });
        }
        options
    }

    fn bind_source(
        &mut self,
        mount: &Mount,
        source: &Path,
        recursive: bool,
        nofollow: bool,
    ) -> MountSource {
        let idmap = mount.idmap.as_ref().map(|idmap| {
            let own = || match self.joined_user {
                Some(slot) => TreeMapping::Namespace(slot),
                None => TreeMapping::Maps(self.spec.uid_map.clone(), self.spec.gid_map.clone()),
            };
            let given = |(users, groups)| TreeMapping::Maps(users, groups);
            let mapping = idmap.mapping.clone().map_or_else(own, given);
            TreeIdMap { recursive: idmap.recursive, mapping }
        });
        if let Some(inside) = ContainerPath::of_host(source, &self.spec.root.path) {
            let from = self.place(&inside);
            let mapped = idmap.map(|idmap| {
                self.late.push(LateTree { source: inside, recursive, idmap });
                self.late.len() - 1
            });
            return MountSource::Within { from, recursive, nofollow, mapped };
        }
        let source = source.to_owned();
        if idmap.is_none() && !self.child_is_weaker() {
            return MountSource::Bind { source, recursive, nofollow };
        }
        let tree = self.slots.next();
        self.prepared.push(PreparedTree {
            slot: tree,
            source: source.clone(),
            recursive,
            nofollow,
            propagation: (self.spec.namespaces.mount != Namespace::Inherit)
                .then(|| self.namespace_propagation()),
            idmap,
        });
        MountSource::Prepared { tree, source }
    }

    fn cgroup(&mut self, mount: &Mount, target: Place) -> Result<(), PlanError> {
        let namespaced = self.spec.namespaces.cgroup != Namespace::Inherit;
        let mut mount = mount.clone();
        if mount.propagation.is_empty() {
            mount.propagation = self.apart();
        }
        match self.host.cgroup_mount.clone() {
            CgroupMount::Absent => {
                Err(PlanError::NoCgroup { destination: mount.destination.to_string() })
            }
            CgroupMount::Unified { own, hierarchy } => {
                let source = if namespaced { own } else { hierarchy };
                let rootless = self.host.uid != 0 || self.host.in_user_namespace;
                let bind = MountSource::Bind { source, recursive: false, nofollow: false };
                if rootless && !namespaced {
                    // CVE-2023-25809: the whole hierarchy, and some of it is the caller's.
                    mount.attributes.set |= MOUNT_ATTR_RDONLY;
                    mount.attributes.clear &= !MOUNT_ATTR_RDONLY;
                }
                self.push_mount(&mount, target, TargetRule::Follow, bind, None);
                Ok(())
            }
            CgroupMount::HostReadOnly => {
                let source = PathBuf::from("/sys/fs/cgroup");
                let bind = MountSource::Bind { source, recursive: true, nofollow: false };
                mount.recursive_attributes.set |= MOUNT_ATTR_RDONLY;
                self.push_mount(&mount, target, TargetRule::Follow, bind, None);
                Ok(())
            }
            CgroupMount::PerController { hierarchies, links } => {
                self.cgroup_v1(&mount, target, &hierarchies, &links);
                Ok(())
            }
        }
    }

    /// The propagation of mounts of the host that nobody asked to share.
    fn apart(&self) -> Vec<Propagation> {
        let private = Propagation { kind: PropagationKind::Private, recursive: true };
        self.peers.map(|_| private).into_iter().collect()
    }

    /// A tmpfs with a bind mount per hierarchy; the tmpfs turns read-only once it is filled.
    fn cgroup_v1(
        &mut self,
        mount: &Mount,
        target: Place,
        hierarchies: &[(String, PathBuf)],
        links: &[(String, String)],
    ) {
        let read_only = mount.attributes.set & MOUNT_ATTR_RDONLY != 0;
        let writable = Mount {
            attributes: MountAttributes {
                set: mount.attributes.set & !MOUNT_ATTR_RDONLY,
                clear: mount.attributes.clear,
            },
            ..mount.clone()
        };
        let slot = self.slots.next();
        let mode = FilesystemOption { key: "mode".into(), value: Some("755".into()) };
        let tmpfs = MountSource::Filesystem {
            fstype: "tmpfs".into(),
            source: "cgroup".into(),
            options: self.labelled("tmpfs", &[mode]),
            superblock: 0,
            mode_of_target: false,
            copy_up: false,
        };
        self.push_mount(&writable, target.clone(), TargetRule::Follow, tmpfs, Some(slot));
        for (name, source) in hierarchies {
            let at = container_path(&format!("{}/{name}", mount.destination));
            let bind =
                MountSource::Bind { source: source.clone(), recursive: false, nofollow: false };
            let target = self.place(&at);
            let each = Mount { destination: at, ..mount.clone() };
            self.push_mount(&each, target, TargetRule::Follow, bind, None);
        }
        for (name, says) in links {
            let at = self.place(&container_path(&format!("{}/{name}", mount.destination)));
            self.steps.push(Step::MakeSymlink { at, target: says.clone(), replace: false });
        }
        if read_only {
            let target =
                Place { beneath: Beneath::Slot(slot), path: ".".into(), shown: target.shown };
            self.steps.push(Step::Remount {
                target,
                attributes: MountAttributes { set: MOUNT_ATTR_RDONLY, clear: 0 },
                recursive_attributes: MountAttributes::default(),
                superblock: None,
            });
        }
    }

    fn notify_dir(&mut self, dir: &Path) {
        let target = self.place(&container_path("/run/notify"));
        self.steps.push(Step::Mount(Box::new(MountStep {
            target,
            target_rule: TargetRule::Follow,
            source: MountSource::Bind { source: dir.into(), recursive: false, nofollow: false },
            attributes: MountAttributes {
                set: MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
                clear: 0,
            },
            recursive_attributes: MountAttributes::default(),
            propagation: self.apart(),
            keeps_locks: false,
            keep: None,
        })));
    }

    fn devices(&mut self) {
        let dev = container_path("/dev");
        let binds_dev = |m: &Mount| {
            m.destination == dev && matches!(m.kind, MountKind::Bind { remount: false, .. })
        };
        if self.spec.mounts.iter().any(binds_dev) {
            return;
        }
        let bind = has_user_namespace(self.spec) || self.host.in_user_namespace;
        for (name, major, minor) in DEFAULT_DEVICES {
            let at = container_path(&format!("/dev/{name}"));
            if self.spec.devices.iter().any(|d| d.path == at) {
                continue;
            }
            let format = libc_format::CHAR;
            let device = DeviceStep {
                at: self.place(&at),
                format,
                major,
                minor,
                mode: 0o666,
                uid: 0,
                gid: 0,
                bind,
            };
            self.steps.push(Step::MakeDevice(device));
        }
        let ptmx = container_path("/dev/ptmx");
        // It is the one of the container's own /dev/pts, whatever a list of devices says.
        for device in self.spec.devices.iter().filter(|device| device.path != ptmx) {
            let (format, major, minor) = match device.kind {
                DeviceKind::Char { major, minor } => (libc_format::CHAR, major, minor),
                DeviceKind::Block { major, minor } => (libc_format::BLOCK, major, minor),
                DeviceKind::Fifo => (libc_format::FIFO, 0, 0),
            };
            self.steps.push(Step::MakeDevice(DeviceStep {
                at: self.place(&device.path),
                format,
                major,
                minor,
                mode: device.mode.unwrap_or(0o666) & 0o7777,
                uid: device.uid.unwrap_or_default().0,
                gid: device.gid.unwrap_or_default().0,
                bind: bind && device.kind != DeviceKind::Fifo,
            }));
        }
        for (name, target) in DEFAULT_LINKS {
            let at = self.place(&container_path(&format!("/dev/{name}")));
            self.steps.push(Step::MakeSymlink { at, target: target.into(), replace: false });
        }
        let at = self.place(&ptmx);
        self.steps.push(Step::MakeSymlink { at, target: "pts/ptmx".into(), replace: true });
    }

    fn protect(&self) -> Vec<Step> {
        let read_only =
            self.spec.readonly_paths.iter().map(|path| Step::ReadOnlyPath(self.place(path)));
        let paths = &self.spec.masked_paths;
        let first = |(at, path): &(usize, &ContainerPath)| !paths[..*at].contains(path);
        let masked = paths.iter().enumerate().filter(first);
        let masked = masked.map(|(_, path)| Step::MaskPath(self.place(path)));
        read_only.chain(masked).collect()
    }
}

fn child_is_weaker(spec: &ContainerSpec, host: &HostFacts) -> bool {
    host.uid == 0 && has_user_namespace(spec)
}

/// `rootfsPropagation` of a container whose mounts reach the host where a volume is shared: its
/// mount namespace has peers of the host's mounts. With a user namespace the kernel has none, and
/// `--no-pivot` takes mounts of the host out of its own namespace.
fn shares_mounts(
    spec: &ContainerSpec,
    host: &HostFacts,
    options: &PlanOptions,
) -> Option<Propagation> {
    let is_shared = |p: &Propagation| p.kind == PropagationKind::Shared;
    let possible = !options.no_pivot && !child_is_weaker(spec, host);
    spec.rootfs_propagation.filter(|p| possible && is_shared(p))
}

/// What is left of `path` below `at`: `.` for `at` itself.
fn strip<'p>(path: &'p ContainerPath, at: &ContainerPath) -> Option<&'p str> {
    if at.as_str() == "/" {
        return Some(path.relative());
    }
    match path.as_str().strip_prefix(at.as_str())? {
        "" => Some("."),
        rest => rest.strip_prefix('/'),
    }
}

fn option_text(option: &FilesystemOption) -> String {
    match &option.value {
        Some(value) => format!("{}={value}", option.key),
        None => option.key.clone(),
    }
}

fn enter_rootfs(spec: &ContainerSpec, options: &PlanOptions, shared: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    if spec.namespaces.mount == Namespace::Inherit {
        steps.push(Step::EnterRootfs(EnterRootfs::Chroot));
        return steps;
    }
    steps.push(Step::EnterRootfs(if options.no_pivot {
        EnterRootfs::Move
    } else {
        EnterRootfs::Pivot { shared }
    }));
    let later =
        |p: &Propagation| matches!(p.kind, PropagationKind::Shared | PropagationKind::Unbindable);
    if let Some(propagation) = spec.rootfs_propagation.filter(later) {
        steps.push(Step::SetRootfsPropagation(propagation));
    }
    steps
}

/// Makes read-only, now that all is mounted, the root and `later`. A missing working directory must
/// be made before: neither then nor behind a read-only path can it be made any more. Which one that
/// is behind, only the symlinks on its way tell; but in /proc and /sys no directory is made.
fn close(spec: &ContainerSpec, later: Vec<Step>) -> Vec<Step> {
    let root = is_read_only(spec.root.access) && spec.namespaces.mount != Namespace::Inherit;
    let kernels = [container_path("/proc"), container_path("/sys")];
    let closes = |path: &ContainerPath| kernels.iter().all(|at| strip(path, at).is_none());
    let closed = root || !later.is_empty() || spec.readonly_paths.iter().any(closes);
    let cwd = spec.process.iter().map(|process| &process.cwd);
    let cwd = cwd.filter(|cwd| closed && !cwd.trim_matches('/').is_empty());
    let mut steps: Vec<Step> = cwd.map(|cwd| Step::MakeDirectory { path: cwd.clone() }).collect();
    steps.extend(root.then_some(Step::RootfsReadOnly));
    steps.extend(later);
    steps
}
