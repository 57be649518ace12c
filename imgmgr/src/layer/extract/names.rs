//! Names that no layer may have, wherever it is unpacked.

use super::tree::refused;
use super::whiteout::{self, Name};
use super::{LayerError, path};
use crate::layer::tar::{Entry, EntryKind};

/// Refuses an entry that extraction refuses for its name alone.
///
/// # Errors
/// [`LayerError::Refused`].
pub(in crate::layer) fn check_names(entry: &Entry) -> Result<(), LayerError> {
    let mut cleaned = Vec::new();
    path::clean(&entry.path, &mut cleaned).map_err(|reason| refused(&entry.path, reason))?;
    let (dir, name) = path::split(&cleaned);
    if whiteout::is_aufs_directory(dir) {
        return Ok(());
    }
    if dir.split(|b| *b == b'/').any(whiteout::is_reserved) {
        return Err(refused(&cleaned, "a parent of it has a whiteout's name"));
    }
    let name = whiteout::classify(name).map_err(|reason| refused(&cleaned, reason))?;
    if matches!(name, Name::Plain(_)) && entry.kind == EntryKind::HardLink {
        let mut target = Vec::new();
        path::clean(&entry.link, &mut target).map_err(|reason| refused(&entry.link, reason))?;
        if target.is_empty() {
            return Err(refused(&cleaned, "hard link to the root"));
        }
    }
    Ok(())
}
