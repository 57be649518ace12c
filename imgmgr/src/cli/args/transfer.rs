//! Pull, push and copies between registries, the store, layouts and archives.

use std::path::PathBuf;

use clap::ValueEnum;

use super::PlatformsArgs;

#[derive(Debug, clap::Args)]
pub(crate) struct PullArgs {
    /// What to pull
    #[arg(required = true, value_name = "REFERENCE")]
    pub(crate) references: Vec<String>,
    #[command(flatten)]
    pub(crate) platform: PlatformsArgs,
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
    pub(crate) platform: PlatformsArgs,
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
    pub(crate) platform: PlatformsArgs,
    #[command(flatten)]
    pub(crate) referrers: ReferrersFlag,
    /// Fail where the copy would have another digest: docker's form of an image becomes OCI's in oci:
    /// and oci-archive:
    #[arg(long)]
    pub(crate) preserve_digests: bool,
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
    pub(crate) platform: PlatformsArgs,
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
    pub(crate) platform: PlatformsArgs,
}
