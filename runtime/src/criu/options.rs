//! What criu is told, from what the command line and the container say. Pure.

use super::MASK;
use super::mounts::ExternalMount;
use super::wire::{self, CgroupRoot, CgroupsMode, InheritFd, JoinNamespace, Options};
use crate::request::{CheckpointRequest, CriuCgroupsMode, CriuOptions, RestoreRequest};
use crate::spec::Namespaces;
use kernel::process::CloneFlags;
use std::collections::BTreeMap;
use std::os::fd::RawFd;

/// criu tells of errors, warnings and what it does.
const LOG_LEVEL: i32 = 4;
/// The annotation that names criu's configuration file; empty for none.
const CONFIG_ANNOTATION: &str = "org.criu.config";
/// The file where it doesn't, if it is there.
const CONFIG_FILE: &str = "/etc/criu/runc.conf";

/// The namespaces that criu leaves alone where the config gives their path: name in
/// `/proc/PID/ns`, and what the images call it.
const EXTERNAL_NAMESPACES: [(&str, &str); 2] = [("net", "extRootNetNS"), ("pid", "extRootPidNS")];

/// A container that is to be dumped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump<'a> {
    /// What the command line says.
    pub request: &'a CheckpointRequest,
    /// Of this process: where the images go.
    pub images: RawFd,
    /// Of this process: where the log goes.
    pub work: Option<RawFd>,
    /// The container's init.
    pub pid: i32,
    /// On the host.
    pub rootfs: String,
    /// Place in the container by now, and what it is.
    pub mounts: Vec<(String, ExternalMount)>,
    /// Files that are masked.
    pub masked: Vec<String>,
    /// Inodes of the namespaces that the config gives the path of: network, pid.
    pub joined: [Option<u64>; 2],
    /// The cgroup that is frozen.
    pub freezer: Option<String>,
    /// A directory with the host's cgroups.
    pub yard: Option<String>,
    /// Of the config.
    pub annotations: &'a BTreeMap<String, String>,
}

/// A container that is to be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restore<'a> {
    /// What the command line says.
    pub request: &'a RestoreRequest,
    /// Of this process: where the images are.
    pub images: RawFd,
    /// Of this process: where the log goes.
    pub work: Option<RawFd>,
    /// Where the rootfs is mounted.
    pub root: String,
    /// What comes from the host.
    pub mounts: Vec<ExternalMount>,
    /// Of the config.
    pub namespaces: &'a Namespaces,
    /// criu's descriptors of the network and pid namespaces that the config gives the path of.
    pub joined: [Option<RawFd>; 2],
    /// What the standard streams were.
    pub streams: Vec<String>,
    /// A directory with the host's cgroups.
    pub yard: Option<String>,
    /// Controllers and path of each hierarchy where criu is by now.
    pub cgroups: Vec<(String, String)>,
    /// Of the config.
    pub annotations: &'a BTreeMap<String, String>,
}

fn shared(criu: &CriuOptions, annotations: &BTreeMap<String, String>) -> Options {
    let mode = match criu.cgroups_mode {
        CriuCgroupsMode::Soft => CgroupsMode::Soft,
        CriuCgroupsMode::Full => CgroupsMode::Full,
        CriuCgroupsMode::Strict => CgroupsMode::Strict,
        CriuCgroupsMode::Ignore => CgroupsMode::Ignore,
    };
    let config_file = annotations.get(CONFIG_ANNOTATION).map_or(CONFIG_FILE, String::as_str);
    // The network of a container is not the runtime's to restore, with and without `--empty-ns`.
    let empty = u32::try_from(CloneFlags::NEWNET.bits()).unwrap_or(0);
    Options {
        log_level: Some(LOG_LEVEL),
        notify_scripts: Some(true),
        shell_job: Some(criu.shell_job),
        ext_unix_sk: Some(criu.ext_unix_sk),
        tcp_established: Some(criu.tcp_established),
        file_locks: Some(criu.file_locks),
        auto_dedup: Some(criu.auto_dedup),
        lazy_pages: Some(criu.lazy_pages),
        orphan_pts_master: Some(true),
        empty_ns: Some(empty),
        manage_cgroups: Some(true),
        manage_cgroups_mode: Some(mode.into()),
        config_file: (!config_file.is_empty()).then(|| config_file.to_owned()),
        ..Options::default()
    }
}

/// The options of a dump.
#[must_use]
pub fn dump_options(dump: &Dump<'_>) -> Options {
    let request = dump.request;
    let mounts = dump.mounts.iter().map(|(place, mount)| wire::ExternalMount {
        key: place.clone(),
        value: mount.destination.to_string(),
    });
    let masks = dump
        .masked
        .iter()
        .map(|place| wire::ExternalMount { key: place.clone(), value: MASK.to_owned() });
    let external = EXTERNAL_NAMESPACES
        .iter()
        .zip(dump.joined)
        .filter_map(|((name, key), inode)| Some(format!("{name}[{}]:{key}", inode?)));
    Options {
        images_dir_fd: dump.images,
        work_dir_fd: dump.work,
        log_file: Some("dump.log".to_owned()),
        pid: Some(dump.pid),
        root: Some(dump.rootfs.clone()),
        leave_running: Some(request.leave_running),
        tcp_skip_in_flight: Some(request.tcp_skip_in_flight),
        link_remap: Some(request.link_remap),
        page_server: request.page_server.as_ref().map(|server| wire::PageServer {
            address: Some(server.address.clone()),
            port: Some(server.port.into()),
        }),
        parent_img: request.parent_path.as_ref().map(|p| p.to_string_lossy().into_owned()),
        track_mem: request.parent_path.as_ref().map(|_| true),
        freeze_cgroup: dump.freezer.clone(),
        cgroup_yard: dump.yard.clone(),
        // Memory alone needs none of this.
        ext_mnt: if request.pre_dump { Vec::new() } else { mounts.chain(masks).collect() },
        external: external.collect(),
        ..shared(&request.criu, dump.annotations)
    }
}

/// The options of a restore.
#[must_use]
pub fn restore_options(restore: &Restore<'_>) -> Options {
    let mounts = restore.mounts.iter().map(|mount| wire::ExternalMount {
        key: mount.destination.to_string(),
        value: mount.source.to_string_lossy().into_owned(),
    });
    let mask = wire::ExternalMount { key: MASK.to_owned(), value: MASK.to_owned() };
    let joined = EXTERNAL_NAMESPACES
        .iter()
        .zip(restore.joined)
        .filter_map(|((_, key), fd)| Some(InheritFd { key: (*key).to_owned(), fd: fd? }));
    let streams = restore
        .streams
        .iter()
        .zip(0..)
        .filter(|(stream, _)| stream.contains("pipe:"))
        .map(|(stream, fd)| InheritFd { key: stream.clone(), fd });
    Options {
        images_dir_fd: restore.images,
        work_dir_fd: restore.work,
        log_file: Some("restore.log".to_owned()),
        root: Some(restore.root.clone()),
        evasive_devices: Some(true),
        rst_sibling: Some(true),
        ext_mnt: mounts.chain([mask]).collect(),
        inherit_fd: joined.chain(streams).collect(),
        join_ns: joined_by_path(restore.namespaces),
        cgroup_yard: restore.yard.clone(),
        cg_root: restore
            .cgroups
            .iter()
            .map(|(controllers, path)| CgroupRoot {
                controllers: Some(controllers.clone()),
                path: path.clone(),
            })
            .collect(),
        lsm_profile: restore.request.lsm_profile.clone(),
        lsm_mount_context: restore.request.lsm_mount_context.clone(),
        ..shared(&restore.request.criu, restore.annotations)
    }
}

/// Those that criu enters by itself. It has no word for a cgroup namespace.
fn joined_by_path(namespaces: &Namespaces) -> Vec<JoinNamespace> {
    let Namespaces { user, pid: _, network: _, mount, ipc, uts, cgroup: _, time } = namespaces;
    [(user, "user"), (mount, "mnt"), (ipc, "ipc"), (uts, "uts"), (time, "time")]
        .into_iter()
        .filter_map(|(namespace, kind)| {
            let file = namespace.path()?.to_string_lossy().into_owned();
            Some(JoinNamespace { kind: kind.to_owned(), file })
        })
        .collect()
}
