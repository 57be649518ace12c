//! Checks, and what goes.

use super::Format;

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
