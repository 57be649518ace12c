//! Flags before the command's name.

use std::path::{Component, Path, PathBuf};

use clap::Args;

use super::super::Environment;
use super::super::log::{LogFormat, LogOptions};
use super::super::request::UsageError;
use super::path::{absolute, absolute_option};
use crate::request::{CgroupDriver, Rootless, Settings};
use crate::spec::SystemdProperties;

#[derive(Args, Debug)]
pub(in super::super) struct SettingsArgs {
    /// Directory that holds the state of containers [default: /run/runt, or
    /// $XDG_RUNTIME_DIR/runt for a caller who is not root]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,

    /// File that messages are appended to [default: standard error]
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,

    /// Format of messages: text or json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: String,

    /// Log what is done
    #[arg(long)]
    debug: bool,

    /// Let systemd make control groups; cgroupsPath is then slice:prefix:name
    #[arg(long)]
    systemd_cgroup: bool,

    /// Go on where permission on control groups is missing: true, false or auto
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    rootless: String,

    /// Let annotations set this property of the container's systemd scope; `all`: any, also those
    /// that run programs on the host
    #[arg(long, value_name = "NAME")]
    allow_systemd_property: Vec<String>,

    /// Accepted and ignored: criu is taken from $PATH
    #[arg(long, value_name = "FILE", hide = true)]
    criu: Option<PathBuf>,

    /// Print the version
    #[arg(long, short = 'v')]
    version: bool,
}

impl SettingsArgs {
    /// Whether `--version` was asked for.
    pub(in super::super) fn version(&self) -> bool {
        self.version
    }

    /// Where messages go to. Comes first, so that all later errors reach the log.
    pub(in super::super) fn log(&self, env: &Environment) -> Result<LogOptions, UsageError> {
        let format = match self.log_format.as_str() {
            "" | "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            other => return Err(UsageError::LogFormat { given: other.to_owned() }),
        };
        let file = absolute_option(self.log.clone(), env);
        Ok(LogOptions { file, format, debug: self.debug, called_runc: env.called_runc })
    }

    /// The rest.
    pub(in super::super) fn resolve(self, env: &Environment) -> Result<Settings, UsageError> {
        let root_is_default = self.root.is_none();
        let root = match self.root {
            Some(root) => checked_root(&root, env)?,
            None => env.default_root(),
        };
        let cgroup_driver =
            if self.systemd_cgroup { CgroupDriver::Systemd } else { CgroupDriver::Cgroupfs };
        let rootless = match self.rootless.to_ascii_lowercase().as_str() {
            "" | "auto" => Rootless::Auto,
            "1" | "t" | "true" => Rootless::Yes,
            "0" | "f" | "false" => Rootless::No,
            _ => return Err(UsageError::Rootless { given: self.rootless }),
        };
        let user_bus = env.user_bus.clone();
        let systemd_properties = allowed_properties(self.allow_systemd_property)?;
        Ok(Settings {
            root,
            root_is_default,
            cgroup_driver,
            rootless,
            user_bus,
            systemd_properties,
        })
    }
}

fn allowed_properties(names: Vec<String>) -> Result<SystemdProperties, UsageError> {
    if let Some(given) = names.iter().find(|name| !SystemdProperties::is_name(name)) {
        return Err(UsageError::SystemdProperty { given: given.clone() });
    }
    Ok(if names.iter().any(|name| name == "all") {
        SystemdProperties::All
    } else if names.is_empty() {
        SystemdProperties::None
    } else {
        SystemdProperties::Named(names)
    })
}

/// Absolute and lexically clean; a state directory of `/` is a mistake.
fn checked_root(root: &Path, environment: &Environment) -> Result<PathBuf, UsageError> {
    let mut clean = PathBuf::from("/");
    for component in absolute(root, environment).components() {
        match component {
            Component::ParentDir => {
                clean.pop();
            }
            Component::Normal(name) => clean.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    if clean == Path::new("/") { Err(UsageError::RootIsSlash) } else { Ok(clean) }
}
