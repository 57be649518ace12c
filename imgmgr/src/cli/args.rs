//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use super::tree_args::{
    CommitArgs, DiffArgs, ExportArgs, FlattenArgs, MountArgs, SnapshotArgs, SnapshotCommand,
    SnapshotListArgs, SnapshotMountArgs, SnapshotPrepareArgs, UmountArgs,
};

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
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", conflicts_with = "all")]
    pub(crate) platform: Option<String>,
    /// Take every image of an index
    #[arg(long, short = 'a', visible_alias = "all-platforms")]
    pub(crate) all: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct UnpackArgs {
    /// Image of the store
    pub(crate) image: String,
    /// Directory to make; it must not exist or be empty
    pub(crate) bundle: PathBuf,
    /// Command to run instead of the image's
    #[arg(trailing_var_arg = true)]
    pub(crate) args: Vec<String>,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
    /// Environment variable to set, or without a value to remove; may be repeated
    #[arg(long, short, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// User to run as, by name or number
    #[arg(long, short, value_name = "USER[:GROUP]")]
    pub(crate) user: Option<String>,
    /// Working directory
    #[arg(long, short, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// Host name
    #[arg(long, value_name = "NAME")]
    pub(crate) hostname: Option<String>,
    /// With a terminal
    #[arg(long, short)]
    pub(crate) tty: bool,
    /// With a root file system that can't be written
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Give all files to the calling user, as without being root
    #[arg(long, conflicts_with_all = ["uid_map", "gid_map"])]
    pub(crate) rootless: bool,
    /// Map user ids of the image to others; may be repeated
    #[arg(long, value_name = "CONTAINER:HOST:LENGTH", requires = "gid_map")]
    pub(crate) uid_map: Vec<String>,
    /// Map group ids of the image to others; may be repeated
    #[arg(long, value_name = "CONTAINER:HOST:LENGTH", requires = "uid_map")]
    pub(crate) gid_map: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RepackArgs {
    /// Bundle that `unpack` made
    pub(crate) bundle: PathBuf,
    /// Name of the new image
    pub(crate) name: String,
    /// Image to build on instead of the one that was unpacked
    #[arg(long, value_name = "IMAGE")]
    pub(crate) base: Option<String>,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
    /// What the history says
    #[arg(long, value_name = "TEXT", default_value = "imgmgr repack")]
    pub(crate) created_by: String,
    /// Take the new image for the base of the next repack
    #[arg(long)]
    pub(crate) refresh: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PullArgs {
    /// What to pull
    #[arg(required = true, value_name = "REFERENCE")]
    pub(crate) references: Vec<String>,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
    /// Layers to fetch at the same time
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub(crate) parallel: usize,
    /// Unpack the layers while they come
    #[arg(long)]
    pub(crate) unpack: bool,
    /// Print only what was pulled
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PushArgs {
    /// Image of the store
    pub(crate) image: String,
    /// Where to, if not to the registry that the name says
    #[arg(value_name = "REFERENCE")]
    pub(crate) destination: Option<String>,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReferrersFlag {
    /// Take along what refers to an image, and cosign's tags: signatures, attestations, SBOMs;
    /// between registries and layouts [default: with `copy --all` and `sync`]
    #[arg(long, value_name = "BOOL", default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    pub(crate) referrers: Option<bool>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CopyArgs {
    /// docker://REF, oci:DIR[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE[:REF], dir:DIR,
    /// or a name in the store
    pub(crate) source: String,
    /// As SOURCE
    pub(crate) destination: String,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
    #[command(flatten)]
    pub(crate) referrers: ReferrersFlag,
    /// Write the digest of what was copied to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) digestfile: Option<PathBuf>,
}

/// The form of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SaveForm {
    /// As `docker save`; every tool reads it.
    DockerArchive,
    /// An OCI layout in a tar file.
    OciArchive,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SaveArgs {
    /// Images of the store
    #[arg(required = true, value_name = "IMAGE")]
    pub(crate) images: Vec<String>,
    /// File to write, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Form of the archive
    #[arg(long, value_name = "FORM", default_value = "docker-archive")]
    pub(crate) format: SaveForm,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LoadArgs {
    /// File to read, instead of standard input
    #[arg(long, short, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Name for an image that the archive doesn't name
    #[arg(long, value_name = "REFERENCE")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SyncArgs {
    /// Repository, or image with a tag
    #[arg(value_name = "REPOSITORY")]
    pub(crate) source: String,
    /// Registry or path in one that gets the repository; the store if absent
    #[arg(long, value_name = "HOST[/PATH]")]
    pub(crate) to: Option<String>,
    /// Remove tags at the destination that the source has not
    #[arg(long, requires = "to")]
    pub(crate) delete: bool,
    #[command(flatten)]
    pub(crate) referrers: ReferrersFlag,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

/// Table, or JSON for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Only names that contain this
    pub(crate) filter: Option<String>,
    /// Only names or digests, one a line
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Full digests
    #[arg(long)]
    pub(crate) digests: bool,
    /// How to print
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub(crate) format: Format,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TagArgs {
    /// Image of the store
    pub(crate) image: String,
    /// New names
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct UntagArgs {
    /// Names to remove
    #[arg(required = true)]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HistoryArgs {
    /// Image of the store
    pub(crate) image: String,
    /// How to print
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

/// The names of the options are umoci's.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    /// Image of the store
    pub(crate) image: String,
    /// Name of the new image, instead of the old one's
    #[arg(long, value_name = "REFERENCE")]
    pub(crate) tag: Option<String>,
    /// User and group
    #[arg(long = "config.user", value_name = "USER[:GROUP]")]
    pub(crate) user: Option<String>,
    /// Working directory
    #[arg(long = "config.workingdir", value_name = "DIR")]
    pub(crate) workingdir: Option<String>,
    /// Signal that asks it to stop
    #[arg(long = "config.stopsignal", value_name = "SIGNAL")]
    pub(crate) stopsignal: Option<String>,
    /// Word of the entrypoint; may be repeated
    #[arg(long = "config.entrypoint", value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) entrypoint: Vec<String>,
    /// Word of the default arguments; may be repeated
    #[arg(long = "config.cmd", value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) cmd: Vec<String>,
    /// Environment variable; may be repeated
    #[arg(long = "config.env", value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Port; may be repeated
    #[arg(long = "config.exposedports", value_name = "PORT[/PROTOCOL]")]
    pub(crate) exposedports: Vec<String>,
    /// Directory that gets a volume; may be repeated
    #[arg(long = "config.volume", value_name = "DIR")]
    pub(crate) volume: Vec<String>,
    /// Label; may be repeated
    #[arg(long = "config.label", value_name = "NAME=VALUE")]
    pub(crate) label: Vec<String>,
    /// Annotation of the manifest; may be repeated
    #[arg(long = "manifest.annotation", value_name = "NAME=VALUE")]
    pub(crate) annotation: Vec<String>,
    /// Author
    #[arg(long)]
    pub(crate) author: Option<String>,
    /// Architecture, in Go's words
    #[arg(long)]
    pub(crate) architecture: Option<String>,
    /// Operating system, in Go's words
    #[arg(long)]
    pub(crate) os: Option<String>,
    /// Time of creation, RFC 3339 [default: $SOURCE_DATE_EPOCH, or now]
    #[arg(long, value_name = "TIME")]
    pub(crate) created: Option<String>,
    /// Remark in the history
    #[arg(long = "history.comment", value_name = "TEXT")]
    pub(crate) comment: Option<String>,
    /// Field to empty first, as in config.env; may be repeated
    #[arg(long, value_name = "FIELD")]
    pub(crate) clear: Vec<String>,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct AppendArgs {
    /// Image of the store
    pub(crate) image: String,
    /// Tar files, plain, gzip or zstd; `-` is standard input
    #[arg(required = true, value_name = "LAYER")]
    pub(crate) layers: Vec<PathBuf>,
    /// Name of the new image, instead of the old one's
    #[arg(long, value_name = "REFERENCE")]
    pub(crate) tag: Option<String>,
    /// Time of creation, RFC 3339 [default: $SOURCE_DATE_EPOCH, or now]
    #[arg(long, value_name = "TIME")]
    pub(crate) created: Option<String>,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// Tar file of a root file system, plain, gzip or zstd; `-` is standard input
    pub(crate) archive: PathBuf,
    /// Name of the image
    #[arg(value_name = "REFERENCE")]
    pub(crate) name: String,
    /// Time of creation, RFC 3339 [default: $SOURCE_DATE_EPOCH, or now]
    #[arg(long, value_name = "TIME")]
    pub(crate) created: Option<String>,
    /// Remark in the history
    #[arg(long = "message", short, value_name = "TEXT")]
    pub(crate) comment: Option<String>,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    /// docker://REF, oci:DIR[:NAME], or a name in the store
    pub(crate) image: String,
    /// Print the manifest as it is stored
    #[arg(long)]
    pub(crate) raw: bool,
    /// Print the image configuration
    #[arg(long)]
    pub(crate) config: bool,
    /// Leave the repository's tags out
    #[arg(long, short)]
    pub(crate) no_tags: bool,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListTagsArgs {
    /// Repository, with or without docker://
    pub(crate) repository: String,
    /// How to print
    #[arg(long, value_name = "FORM", default_value = "json")]
    pub(crate) format: Format,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DeleteArgs {
    /// Image in a registry, with or without docker://
    pub(crate) reference: String,
    /// Only the tag, where the registry can; the image stays under its digest
    #[arg(long)]
    pub(crate) tag_only: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ReferrersArgs {
    /// Image in a registry, with or without docker://
    pub(crate) reference: String,
    /// Only of this type
    #[arg(long, value_name = "TYPE")]
    pub(crate) artifact_type: Option<String>,
    /// How to print
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub(crate) format: Format,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LoginArgs {
    /// Registry
    #[arg(default_value = "docker.io")]
    pub(crate) registry: String,
    /// User name
    #[arg(long, short)]
    pub(crate) username: Option<String>,
    /// Password; better given by --password-stdin
    #[arg(long, short, conflicts_with = "password_stdin")]
    pub(crate) password: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct LogoutArgs {
    /// Registry
    #[arg(default_value = "docker.io")]
    pub(crate) registry: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct GcArgs {
    /// Only say what would go
    #[arg(long, short = 'n')]
    pub(crate) dry_run: bool,
    /// Interrupted downloads go too, unless they are younger than this
    #[arg(long, value_name = "DURATION", default_value = "7d")]
    pub(crate) keep_downloads: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct FsckArgs {
    /// Fetch damaged blobs again, and unpack damaged layers again
    #[arg(long)]
    pub(crate) repair: bool,
    /// Leave unpacked layers out, which takes as long as unpacking them
    #[arg(long)]
    pub(crate) blobs_only: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ValidateArgs {
    /// Name in the store, or oci:DIR[:NAME]
    pub(crate) image: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DfArgs {
    /// How to print
    #[arg(long, value_name = "FORM", default_value = "table")]
    pub(crate) format: Format,
}
