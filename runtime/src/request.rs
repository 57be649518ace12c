//! What a caller asks of the runtime: the command line, resolved and checked, as plain values.
//!
//! The lifecycle functions take these and nothing else: paths are absolute, ids are checked, and
//! what the environment says (`NOTIFY_SOCKET`, `LISTEN_FDS`) is a field.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::container_id::ContainerId;
use crate::spec::{Resources, SystemdProperties};

/// What holds for every command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `--root`: the state directory, absolute and never `/`.
    pub root: PathBuf,
    /// True unless `--root` was given: then a missing directory means that nothing is there.
    pub root_is_default: bool,
    /// `--systemd-cgroup`.
    pub cgroup_driver: CgroupDriver,
    /// `--rootless`.
    pub rootless: Rootless,
    /// The D-Bus address of the user's bus, where the environment tells one.
    pub user_bus: Option<String>,
    /// `--allow-systemd-property`.
    pub systemd_properties: SystemdProperties,
}

/// Who makes control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CgroupDriver {
    /// The runtime, with mkdir(2).
    #[default]
    Cgroupfs,
    /// systemd, asked over D-Bus for a transient scope.
    Systemd,
}

/// Whether errors for want of permission on control groups are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Rootless {
    /// Yes where the caller is not root, or is root of a user namespace.
    #[default]
    Auto,
    /// Yes.
    Yes,
    /// No.
    No,
}

/// `create`, and the part of `run` and `restore` that makes a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateRequest {
    /// The new container.
    pub id: ContainerId,
    /// Directory with `config.json`.
    pub bundle: PathBuf,
    /// Where the terminal's master end is sent to.
    pub console_socket: Option<PathBuf>,
    /// Where a pidfd of the init process is sent to.
    pub pidfd_socket: Option<PathBuf>,
    /// Where the init process's id is written to.
    pub pid_file: Option<PathBuf>,
    /// `MS_MOVE` and chroot(2) in the place of pivot_root(2).
    pub no_pivot: bool,
    /// The container stays in the caller's session keyring.
    pub no_new_keyring: bool,
    /// Descriptors that the container inherits.
    pub inherited: InheritedFds,
    /// `$NOTIFY_SOCKET`: where readiness is reported (sd_notify(3)).
    pub notify_socket: Option<PathBuf>,
}

/// Descriptors above stdio that a process of the container gets, from 3 on without a gap: first
/// those of socket activation, then those of `--preserve-fds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct InheritedFds {
    /// `$LISTEN_FDS`, where `$LISTEN_PID` is this process (sd_listen_fds(3)).
    pub listen: u32,
    /// `--preserve-fds`.
    pub preserve: u32,
}

impl InheritedFds {
    /// More than any caller has open.
    pub const MAX: u32 = 65_536;

    /// The first descriptor that is not inherited.
    #[must_use]
    pub fn end(self) -> u32 {
        3 + self.listen + self.preserve
    }
}

/// `run`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRequest {
    /// What to create.
    pub create: CreateRequest,
    /// Return once the program runs.
    pub detach: bool,
    /// Leave the stopped container.
    pub keep: bool,
    /// Don't become the parent of the container's orphans.
    pub no_subreaper: bool,
}

/// `exec`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecRequest {
    /// In which container.
    pub id: ContainerId,
    /// What runs.
    pub process: ExecProcess,
    /// Return once the program runs.
    pub detach: bool,
    /// Where the terminal's master end is sent to.
    pub console_socket: Option<PathBuf>,
    /// Where a pidfd of the process is sent to.
    pub pidfd_socket: Option<PathBuf>,
    /// Where the process id is written to.
    pub pid_file: Option<PathBuf>,
    /// Descriptors that the process inherits.
    pub inherited: InheritedFds,
    /// `--cgroup`: where below the container's own cgroup the process goes.
    pub cgroups: Vec<SubCgroup>,
    /// Allow it in a paused container, where it waits for `resume`.
    pub ignore_paused: bool,
}

/// What `exec` runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecProcess {
    /// `--process`: a file that holds the `process` object; nothing comes from the container's.
    File(PathBuf),
    /// The container's own `process` object with these changes.
    Changes(Box<ProcessChanges>),
}

/// Changes to the stored `process` object. What is `None`, empty or false keeps the stored value.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ProcessChanges {
    /// The command; at least one word.
    pub args: Vec<String>,
    /// Not from the stored value: a terminal only where it is asked for.
    pub terminal: bool,
    /// Working directory.
    pub cwd: Option<String>,
    /// `KEY=value`, appended.
    pub env: Vec<String>,
    /// User id.
    pub uid: Option<u32>,
    /// Group id.
    pub gid: Option<u32>,
    /// Supplementary groups, appended.
    pub additional_gids: Vec<u32>,
    /// Capability names, added to the bounding, effective and permitted sets, and to the ambient
    /// set of a process that has inheritable ones.
    pub capabilities: Vec<String>,
    /// SELinux context.
    pub selinux_label: Option<String>,
    /// AppArmor profile.
    pub apparmor_profile: Option<String>,
    /// no_new_privs, where said.
    pub no_new_privileges: Option<bool>,
}

/// One `--cgroup [controllers:]path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubCgroup {
    /// cgroup v1 controllers; empty for cgroup v2.
    pub controllers: Vec<String>,
    /// Below the container's cgroup, without `..`.
    pub path: String,
}

/// `kill`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KillRequest {
    /// Whose init process.
    pub id: ContainerId,
    /// Which signal.
    pub signal: SignalNumber,
    /// Every process of the container, and no error where none is left.
    pub all: bool,
}

/// A signal, 0 (only a test whether the process is there) to [`SignalNumber::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignalNumber(pub i32);

impl SignalNumber {
    /// `SIGRTMAX`.
    pub const MAX: i32 = 64;
    /// What `kill` sends unless told otherwise.
    pub const TERM: SignalNumber = SignalNumber(15);
    /// What `delete --force` sends.
    pub const KILL: SignalNumber = SignalNumber(9);
}

/// `delete`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteRequest {
    /// Which container.
    pub id: ContainerId,
    /// Kill it first; no error where there is none.
    pub force: bool,
}

/// `update`.
#[derive(Clone, Debug, PartialEq)]
pub struct UpdateRequest {
    /// Which container.
    pub id: ContainerId,
    /// What changes.
    pub change: ResourceChange,
    /// `--l3-cache-schema`.
    pub l3_cache_schema: Option<String>,
    /// `--mem-bw-schema`.
    pub mem_bw_schema: Option<String>,
}

/// Where the new limits come from.
#[derive(Clone, Debug, PartialEq)]
pub enum ResourceChange {
    /// `--resources`: a `linux.resources` object, as read.
    Json(Vec<u8>),
    /// The other flags.
    Flags(Box<Resources>),
}

/// `events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsRequest {
    /// Which container.
    pub id: ContainerId,
    /// How often.
    pub rhythm: EventsRhythm,
}

/// When statistics are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventsRhythm {
    /// `--stats`: now, and nothing more.
    Once,
    /// Every so often, with each OOM event as it comes, until the container stops.
    Every(Duration),
}

/// `list`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListRequest {
    /// How to print.
    pub format: OutputFormat,
    /// Ids only.
    pub quiet: bool,
}

/// `ps`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PsRequest {
    /// Which container.
    pub id: ContainerId,
    /// How to print.
    pub format: OutputFormat,
    /// For ps(1), instead of `-ef`.
    pub ps_args: Vec<String>,
}

/// For people or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OutputFormat {
    /// Columns.
    #[default]
    Table,
    /// One line of JSON.
    Json,
}

/// `spec`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecRequest {
    /// Where `config.json` is made.
    pub bundle: PathBuf,
    /// For a caller who is not root.
    pub rootless: bool,
}

/// `plan` and `check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleRequest {
    /// Directory with `config.json`.
    pub bundle: PathBuf,
    /// The name the container would have.
    pub id: ContainerId,
}

/// How `plan` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// `checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointRequest {
    /// Which container.
    pub id: ContainerId,
    /// What criu is told.
    pub criu: CriuOptions,
    /// `--parent-path`: images of an earlier pre-dump, relative to the image directory.
    pub parent_path: Option<PathBuf>,
    /// Don't stop the container.
    pub leave_running: bool,
    /// Memory only; the container goes on.
    pub pre_dump: bool,
    /// Skip connections in flight.
    pub tcp_skip_in_flight: bool,
    /// Link unlinked files back.
    pub link_remap: bool,
    /// Descriptor that criu writes a NUL byte to once it serves pages.
    pub status_fd: Option<u32>,
    /// Address and port of a page server.
    pub page_server: Option<PageServer>,
}

/// `--page-server ADDRESS:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageServer {
    /// Host name or address.
    pub address: String,
    /// TCP port.
    pub port: u16,
}

/// `restore`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreRequest {
    /// The container to make.
    pub run: RunRequest,
    /// What criu is told.
    pub criu: CriuOptions,
    /// `TYPE:NAME` of the profile to restore with.
    pub lsm_profile: Option<String>,
    /// The mount context to restore with.
    pub lsm_mount_context: Option<String>,
}

/// What `checkpoint` and `restore` both tell criu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CriuOptions {
    /// `--image-path`; `checkpoint` in the working directory unless given.
    pub image_path: PathBuf,
    /// `--work-path`.
    pub work_path: Option<PathBuf>,
    /// Open TCP connections are kept.
    pub tcp_established: bool,
    /// Unix sockets to outside are kept.
    pub ext_unix_sk: bool,
    /// A container on its caller's terminal.
    pub shell_job: bool,
    /// File locks are kept.
    pub file_locks: bool,
    /// Memory pages follow later.
    pub lazy_pages: bool,
    /// Memory images are deduplicated.
    pub auto_dedup: bool,
    /// `--empty-ns network`: the namespace is made but not filled.
    pub empty_network_namespace: bool,
    /// `--manage-cgroups-mode`.
    pub cgroups_mode: CriuCgroupsMode,
}

impl CriuOptions {
    /// Where the images are, and where the work is done if that is elsewhere.
    #[must_use]
    pub fn directories(&self) -> Vec<&Path> {
        std::iter::once(&self.image_path).chain(&self.work_path).map(PathBuf::as_path).collect()
    }
}

/// What criu does about control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CriuCgroupsMode {
    /// Properties only of groups that criu makes.
    #[default]
    Soft,
    /// Properties always.
    Full,
    /// Groups must exist.
    Strict,
    /// Not its matter.
    Ignore,
}
