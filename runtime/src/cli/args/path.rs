//! Paths of the command line.

use std::path::{Path, PathBuf};

use super::super::Environment;

/// `path` as seen from where the command was called: the runtime itself never changes directory.
pub(super) fn absolute(path: &Path, environment: &Environment) -> PathBuf {
    environment.working_directory.join(path)
}

/// The same for one that may be missing or, as runc takes for missing, empty.
pub(super) fn absolute_option(path: Option<PathBuf>, environment: &Environment) -> Option<PathBuf> {
    let path = path.filter(|path| !path.as_os_str().is_empty())?;
    Some(absolute(&path, environment))
}

/// The bundle: the working directory unless named.
pub(super) fn bundle(path: Option<PathBuf>, environment: &Environment) -> PathBuf {
    absolute_option(path, environment).unwrap_or_else(|| environment.working_directory.clone())
}
