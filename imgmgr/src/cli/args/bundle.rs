//! Bundles.

use std::path::PathBuf;

use super::PlatformArgs;

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
