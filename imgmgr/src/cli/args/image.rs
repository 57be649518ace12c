//! Names in the store, and images made of others.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{Format, PlatformArgs};

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
pub(crate) struct ConvertArgs {
    /// Image of the store
    pub(crate) image: String,
    /// How its layers are to be compressed
    #[arg(long, value_name = "FORM")]
    pub(crate) compress: Compress,
    /// Name of the new image, instead of the old one's
    #[arg(long, value_name = "REFERENCE")]
    pub(crate) tag: Option<String>,
    /// Show no progress
    #[arg(long, short)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compress {
    /// Not at all
    None,
    /// By gzip: for every client
    Gzip,
    /// By zstd: smaller, and unpacked faster
    Zstd,
    /// By zstd with a table of contents: clients that have a file already don't fetch it
    #[value(name = "zstd:chunked")]
    ZstdChunked,
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
