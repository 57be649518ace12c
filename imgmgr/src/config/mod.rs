//! Configuration that other tools share: docker's logins, registries.conf, hosts.toml.
//!
//! Nothing here reads the environment: the command says where the files lie ([`ConfigPaths`]).

mod docker;
mod endpoints;
mod helper;
mod hosts;
mod registries;

use std::path::PathBuf;

pub use docker::{DockerConfig, LoginError, MAX_AUTH_FILE_BYTES};
pub use endpoints::{EndpointBook, Insecure};
pub use hosts::{HostsError, HostsFile, parse_hosts};
pub use registries::{MirrorRule, RegistriesConf, RegistriesError, RegistryRule};

/// Where configuration is looked for.
#[derive(Clone, Debug, Default)]
pub struct ConfigPaths {
    /// Login files, the first of which is written by `login`; later ones are read only.
    pub auth_files: Vec<PathBuf>,
    /// registries.conf, and beside it `registries.conf.d/`.
    pub registries_conf: Option<PathBuf>,
    /// Directories with `<host>/hosts.toml`, as containerd's `certs.d`.
    pub hosts_dirs: Vec<PathBuf>,
}
