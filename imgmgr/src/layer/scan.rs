//! Reads a layer's tar as extraction would, and makes nothing of it.

use std::io::BufRead;

use super::extract::check_names;
use super::tar::TarReader;
use super::{LayerError, LayerLimits};

/// Reads a tar to the stream's end, and refuses what no layer may have whatever lies below it:
/// a broken format, paths that leave the root, reserved names.
///
/// # Errors
/// [`LayerError`].
pub(crate) fn scan(tar: impl BufRead, limits: &LayerLimits) -> Result<(), LayerError> {
    let mut reader = TarReader::new(tar, limits.max_file_bytes);
    let mut entries = 0u64;
    while reader.next_entry()?.is_some() {
        entries += 1;
        if entries > limits.max_entries {
            return Err(LayerError::Limit { limit: "max_entries", value: limits.max_entries });
        }
        check_names(reader.entry())?;
    }
    Ok(reader.drain()?)
}
