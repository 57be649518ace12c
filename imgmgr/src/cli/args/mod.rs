//! The command line: what every command takes, and the list of commands.

mod bundle;
mod image;
mod registry;
mod transfer;
mod tree;
mod upkeep;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use bundle::{RepackArgs, UnpackArgs};
pub(crate) use image::{
    AppendArgs, Compress, ConfigArgs, ConvertArgs, HistoryArgs, ImportArgs, ListArgs, TagArgs,
    UntagArgs,
};
pub(crate) use registry::{
    DeleteArgs, InspectArgs, ListTagsArgs, LoginArgs, LogoutArgs, ReferrersArgs,
};
pub(crate) use transfer::{
    CopyArgs, LoadArgs, PullArgs, PushArgs, ReferrersFlag, SaveArgs, SaveForm, SyncArgs,
};
pub(crate) use tree::{
    CommitArgs, DiffArgs, ExportArgs, FlattenArgs, MountArgs, SnapshotArgs, SnapshotCommand,
    SnapshotListArgs, SnapshotMountArgs, SnapshotPrepareArgs, UmountArgs,
};
pub(crate) use upkeep::{DfArgs, FsckArgs, GcArgs, ValidateArgs};

/// Moves, keeps and unpacks container images.
#[derive(Debug, Parser)]
#[command(
    name = "imgmgr",
    version,
    max_term_width = 100,
    subcommand_required = true,
    args_override_self = true
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
pub(crate) struct GlobalArgs {
    /// Data directory; the image store is DIR/images [default: /var/lib/tug, or
    /// $XDG_DATA_HOME/tug for others than root]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Don't wait for the disk: a power cut may lose or damage what was just stored
    #[arg(long, global = true)]
    pub(crate) no_sync: bool,
    /// Progress on stderr: lines for people, JSON lines for programs, or none [default: a display
    /// on a terminal, else none]
    #[arg(long, global = true, value_name = "FORM")]
    pub(crate) progress: Option<ProgressForm>,
    /// Login file, as docker's config.json or podman's auth.json
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) authfile: Option<PathBuf>,
    /// registries.conf to use
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) registries_conf: Option<PathBuf>,
    /// Directory with HOST/hosts.toml files, as containerd's certs.d
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) hosts_dir: Option<PathBuf>,
    /// Directory with HOST[:PORT]/ directories of *.crt, *.cert and *.key files, as docker's certs.d
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) cert_dir: Option<PathBuf>,
    /// Registry that may be spoken to without (verified) TLS; may be repeated
    #[arg(long = "insecure-registry", global = true, value_name = "HOST[:PORT]")]
    pub(crate) insecure: Vec<String>,
    /// `false`: every registry that the command names may be spoken to without (verified) TLS
    #[arg(long, global = true, value_name = "BOOL", default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    pub(crate) tls_verify: Option<bool>,
    /// CA certificates (PEM) to trust besides the system's
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca_file: Vec<PathBuf>,
    /// Client certificate and key (PEM, in one file)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) client_cert: Option<PathBuf>,
    /// Credentials for every registry of this command, instead of stored ones
    #[arg(long, global = true, value_name = "USER[:PASSWORD]")]
    pub(crate) creds: Option<String>,
    /// Which images may come in, as containers-policy.json(5) [default: ~/.config/containers or
    /// /etc/containers/policy.json, where there is one; else any image may]
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "insecure_policy")]
    pub(crate) policy: Option<PathBuf>,
    /// Any image may come in, whatever a policy says
    #[arg(long, global = true)]
    pub(crate) insecure_policy: bool,
    /// Attempts at a request that fails for a reason that may pass
    #[arg(long, global = true, value_name = "N", default_value_t = 5)]
    pub(crate) attempts: u32,
    /// Seconds without a byte after which a connection counts as cut
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) stall_timeout: u64,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressForm {
    /// For people.
    Plain,
    /// For programs.
    Json,
    /// Not at all.
    None,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Pull an image from a registry into the store
    Pull(PullArgs),
    /// Push an image of the store to a registry
    Push(PushArgs),
    /// Copy an image between registries, the store, layouts and archives
    Copy(CopyArgs),
    /// Write images of the store to an archive
    Save(SaveArgs),
    /// Read images from an archive into the store
    Load(LoadArgs),
    /// Copy all tags of repositories to another registry or to the store
    Sync(SyncArgs),
    /// List the images of the store
    #[command(visible_alias = "images")]
    List(ListArgs),
    /// Give an image another name
    Tag(TagArgs),
    /// Take names away; `gc` frees the space
    #[command(visible_alias = "rm")]
    Untag(UntagArgs),
    /// Show how an image was built
    History(HistoryArgs),
    /// Make an image with an edited configuration
    Config(Box<ConfigArgs>),
    /// Make an image with more layers
    Append(AppendArgs),
    /// Make an image whose layers are compressed in another way
    Convert(ConvertArgs),
    /// Make an image of one layer
    Import(ImportArgs),
    /// Show an image of the store, a registry, a layout or an archive
    Inspect(InspectArgs),
    /// List the tags of a repository
    ListTags(ListTagsArgs),
    /// Delete an image from a registry
    Delete(DeleteArgs),
    /// List what refers to an image in a registry: signatures, attestations, SBOMs
    Referrers(ReferrersArgs),
    /// Log in to a registry
    Login(LoginArgs),
    /// Log out of a registry
    Logout(LogoutArgs),
    /// Make an OCI bundle of an image: configuration and root file system
    Unpack(UnpackArgs),
    /// Make an image of what changed in a bundle's root file system
    Repack(RepackArgs),
    /// Mount an image's root file system, its layers shared with every other mount
    Mount(MountArgs),
    /// Unmount what `mount` mounted
    #[command(visible_alias = "unmount")]
    Umount(UmountArgs),
    /// Prepare, list, mount and remove snapshots
    Snapshot(SnapshotArgs),
    /// Make an image of the changes in a snapshot or a writable mount
    Commit(CommitArgs),
    /// Write a root file system as a tar
    Export(ExportArgs),
    /// Make an image of one layer out of an image
    Flatten(FlattenArgs),
    /// List the paths that differ between two images, or that a snapshot changed
    Diff(DiffArgs),
    /// Remove blobs and unpacked layers that no image, snapshot, bundle or mount needs
    Gc(GcArgs),
    /// Check the store: every blob, name and reference, and every unpacked layer against its blob
    Fsck(FsckArgs),
    /// Check an image or layout against the OCI image specification
    Validate(ValidateArgs),
    /// Show how much space images, unpacked layers and snapshots take
    Df(DfArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct PlatformArgs {
    /// Choose the image for this platform instead of this machine's
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub(crate) platform: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PlatformsArgs {
    #[command(flatten)]
    pub(crate) one: PlatformArgs,
    /// Take every image of an index
    #[arg(long, short = 'a', visible_alias = "all-platforms", conflicts_with = "platform")]
    pub(crate) all: bool,
}

/// Table, or JSON for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}
