//! Snapshots and whole root file systems.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Format, PlatformArgs};

#[derive(Debug, clap::Args)]
pub(crate) struct MountArgs {
    /// Image of the store
    pub(crate) image: String,
    /// Directory to mount on
    pub(crate) target: PathBuf,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
    /// Take changes, which go when it is unmounted unless `commit` made an image of them
    #[arg(long, conflicts_with = "sealed")]
    pub(crate) writable: bool,
    /// Read nothing that the disk has changed: each file must have the fs-verity digest that was
    /// noted once all layers had been compared with their blobs. Linux 6.12, root, a file system
    /// with fs-verity
    #[arg(long)]
    pub(crate) sealed: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct UmountArgs {
    /// Where `mount` mounted
    pub(crate) target: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SnapshotArgs {
    #[command(subcommand)]
    pub(crate) command: SnapshotCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Make a writable snapshot of an image
    Prepare(SnapshotPrepareArgs),
    /// List snapshots
    #[command(visible_alias = "ls")]
    List(SnapshotListArgs),
    /// Mount a snapshot
    Mount(SnapshotMountArgs),
    /// Unmount a snapshot, which stays
    #[command(visible_alias = "unmount")]
    Umount(UmountArgs),
    /// Remove snapshots with their changes
    Rm(SnapshotRmArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct SnapshotPrepareArgs {
    /// Image of the store
    pub(crate) image: String,
    /// Name of the snapshot
    pub(crate) name: String,
    /// Without changes: a read-only view
    #[arg(long)]
    pub(crate) view: bool,
    /// A read-only view that shows nothing that the disk has changed, as `mount --sealed`
    #[arg(long, conflicts_with = "view")]
    pub(crate) sealed: bool,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SnapshotListArgs {
    /// How to print
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub(crate) format: Format,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SnapshotMountArgs {
    /// Name of the snapshot
    pub(crate) name: String,
    /// Directory to mount on
    pub(crate) target: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SnapshotRmArgs {
    /// Names of snapshots
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CommitArgs {
    /// snapshot:NAME, or the directory (/... or ./...) that `mount --writable` mounted on
    #[arg(value_name = "TREE")]
    pub(crate) tree: String,
    /// Name of the new image
    pub(crate) name: String,
    /// What the history says
    #[arg(long, value_name = "TEXT", default_value = "imgmgr commit")]
    pub(crate) created_by: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// Image of the store, snapshot:NAME, or a directory (/... or ./...) that `mount` mounted on
    #[arg(value_name = "TREE")]
    pub(crate) tree: String,
    /// File to write, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct FlattenArgs {
    /// Image of the store
    pub(crate) image: String,
    /// Name of the new image, instead of the old one's
    #[arg(long, short, value_name = "REFERENCE")]
    pub(crate) tag: Option<String>,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    /// Image of the store, snapshot:NAME, or a directory (/... or ./...) that `mount` mounted on
    #[arg(value_name = "TREE")]
    pub(crate) old: String,
    /// As the first; without it, a snapshot or mount is compared with its own image
    #[arg(value_name = "TREE")]
    pub(crate) new: Option<String>,
    /// How to print: lines of A, C or D and a path as `docker diff`, or JSON
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}
