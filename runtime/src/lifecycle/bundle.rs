//! A bundle: `config.json` read once, parsed, and kept as it was.

use super::{Context, LifecycleError};
use crate::journal::{Journal, Level};
use crate::spec::{ContainerSpec, ParseOptions, WarningReason, limits};
use kernel::{Errno, file};
use std::path::{Path, PathBuf};

/// What a bundle holds.
pub(super) struct Bundle {
    /// Absolute.
    pub(super) path: PathBuf,
    /// Byte for byte.
    pub(super) config: Vec<u8>,
    pub(super) spec: ContainerSpec,
}

impl Bundle {
    /// Reads the config of the bundle at `path` and makes that the working directory, as hooks
    /// expect.
    pub(super) fn open(path: &Path, context: Context<'_>) -> Result<Bundle, LifecycleError> {
        Bundle::of(read(path)?, path, context)
    }

    /// The bundle at `path`, of which [`read`] gave `config`.
    pub(super) fn of(
        config: Vec<u8>,
        path: &Path,
        context: Context<'_>,
    ) -> Result<Bundle, LifecycleError> {
        let options = ParseOptions { systemd_properties: &context.settings.systemd_properties };
        let spec = parse_with(&config, path, options, context.journal)?;
        Ok(Bundle { path: path.to_owned(), config, spec })
    }
}

/// Reads the config of the bundle at `path` and makes that the working directory, as hooks
/// expect.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, LifecycleError> {
    let failed = |errno: Errno| LifecycleError::ReadConfig {
        path: path.join("config.json"),
        source: errno.into(),
    };
    file::change_dir(path).map_err(failed)?;
    match file::read_limited(file::CWD, c"config.json", limits::MAX_CONFIG_BYTES) {
        Err(Errno::FBIG) => {
            let path = path.join("config.json");
            Err(LifecycleError::ConfigTooLarge { path, limit: limits::MAX_CONFIG_BYTES })
        }
        other => other.map_err(failed),
    }
}

/// Parses the config that a container was made of: its warnings were told then, its unit is made.
pub(super) fn parse(config: &[u8], bundle: &Path) -> Result<ContainerSpec, LifecycleError> {
    parse_with(config, bundle, ParseOptions::default(), &())
}

fn parse_with(
    config: &[u8],
    bundle: &Path,
    options: ParseOptions<'_>,
    journal: &dyn Journal,
) -> Result<ContainerSpec, LifecycleError> {
    let parsed = ContainerSpec::from_json_with(config, bundle, options)?;
    for warning in &parsed.warnings {
        // What the specification wants ignored is no news to a person; a capability that is not
        // granted, or an option that only looks as if it did something, is.
        let level = match warning.reason {
            WarningReason::UnknownCapabilities { .. }
            | WarningReason::AmbientNotRaised { .. }
            | WarningReason::BindData { .. } => Level::Warning,
            _ => Level::Debug,
        };
        journal.record(level, format_args!("{warning}"));
    }
    Ok(parsed.spec)
}
