//! Questions to registries, and logins.

use super::{Format, PlatformArgs};

#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    /// docker://REF, oci:DIR[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE[:REF], dir:DIR,
    /// or a name in the store
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
    /// Log out of every registry
    #[arg(long, short, conflicts_with = "registry")]
    pub(crate) all: bool,
}
