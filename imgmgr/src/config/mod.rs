//! Configuration that other tools share: docker's logins, registries.conf, hosts.toml, certs.d.
//!
//! Nothing here reads the environment: the command says where the files lie ([`ConfigPaths`]).

mod certificates;
mod docker;
mod endpoints;
mod helper;
mod hosts;
mod login_file;
mod registries;

use std::path::PathBuf;

pub use certificates::{CertificatesError, load_certificates};
pub use docker::{DockerConfig, LoginError, MAX_AUTH_FILE_BYTES, credential_in};
pub use endpoints::{EndpointBook, EndpointsError, Insecure};
pub use hosts::{HostsError, HostsFile, parse_hosts};
pub use registries::{MirrorRule, RegistriesConf, RegistriesError, RegistryRule};

/// Where configuration is looked for.
#[derive(Clone, Debug, Default)]
pub struct ConfigPaths {
    /// Login files, the first of which is written by `login`; from all a logout removes.
    pub auth_files: Vec<PathBuf>,
    /// registries.conf, and beside it `registries.conf.d/`.
    pub registries_conf: Option<PathBuf>,
    /// Directories with `<host>/hosts.toml`, as containerd's `certs.d`.
    pub hosts_dirs: Vec<PathBuf>,
    /// Directories with `<host>/*.crt`, `*.cert` and `*.key`, as docker's `certs.d`.
    pub certificate_dirs: Vec<PathBuf>,
}
