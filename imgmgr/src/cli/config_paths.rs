//! Where configuration lies, by options, environment and custom.

use std::env;
use std::path::{Path, PathBuf};

use imgmgr::config::ConfigPaths;

use super::args::GlobalArgs;
use super::output::{CommandError, Done};

/// Configuration that somebody named: it must be there, since without it requests would go elsewhere.
#[derive(Debug)]
pub(super) struct Named {
    /// Only where logins are read: `login` makes the file.
    pub(super) logins: Option<PathBuf>,
    pub(super) files: Vec<PathBuf>,
    pub(super) directories: Vec<PathBuf>,
}

pub(super) fn directory(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// A file that an environment variable names; an empty one names none.
fn file(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

pub(super) fn named(global: &GlobalArgs) -> Named {
    let registries_conf = &global.registries_conf;
    let registries_conf = registries_conf.clone().or_else(|| file("CONTAINERS_REGISTRIES_CONF"));
    Named {
        logins: global.authfile.clone().or_else(|| file("REGISTRY_AUTH_FILE")),
        files: registries_conf.into_iter().collect(),
        directories: global.hosts_dir.iter().chain(&global.cert_dir).cloned().collect(),
    }
}

pub(super) fn readable_file(path: &PathBuf) -> Done {
    // Not opened, since a pipe might be read only once.
    let is_directory = std::fs::metadata(path)
        .map_err(|source| CommandError::file("read", path, source))?
        .is_dir();
    let source = std::io::ErrorKind::IsADirectory.into();
    if is_directory { Err(CommandError::file("read", path, source)) } else { Ok(()) }
}

pub(super) fn readable_directory(path: &PathBuf) -> Done {
    std::fs::read_dir(path).map(drop).map_err(|source| CommandError::file("read", path, source))
}

pub(super) fn config_paths(global: &GlobalArgs) -> ConfigPaths {
    let home = directory("HOME");
    let auth_files = match &global.authfile {
        Some(path) => vec![path.clone()],
        None => [
            file("REGISTRY_AUTH_FILE"),
            file("DOCKER_CONFIG")
                .or_else(|| Some(home.as_ref()?.join(".docker")))
                .map(|directory| directory.join("config.json")),
            directory("XDG_RUNTIME_DIR").map(|directory| directory.join("containers/auth.json")),
        ]
        .into_iter()
        .flatten()
        .collect(),
    };
    let registries_conf = global
        .registries_conf
        .clone()
        .or_else(|| file("CONTAINERS_REGISTRIES_CONF"))
        .or_else(|| {
            let own = home.as_ref()?.join(".config/containers/registries.conf");
            own.exists().then_some(own)
        })
        .or_else(|| Some(PathBuf::from("/etc/containers/registries.conf")));
    let hosts_dirs = match &global.hosts_dir {
        Some(directory) => vec![directory.clone()],
        None => vec![Path::new("/etc/containerd/certs.d").to_owned()],
    };
    let certificate_dirs = match &global.cert_dir {
        Some(directory) => vec![directory.clone()],
        None => home
            .map(|home| home.join(".config/containers/certs.d"))
            .into_iter()
            .chain(["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from))
            .collect(),
    };
    ConfigPaths { auth_files, registries_conf, hosts_dirs, certificate_dirs }
}
