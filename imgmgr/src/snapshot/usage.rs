//! How much a snapshot's own changes take.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::error::{self, SnapshotError};

/// What a directory takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of blocks, each file counted once.
    pub bytes: u64,
    /// Files, directories and everything else.
    pub inodes: u64,
}

/// Measures a tree without following links.
pub(super) fn measure(root: &Path) -> Result<Usage, SnapshotError> {
    let mut usage = Usage::default();
    let mut seen = HashSet::new();
    let mut pending = vec![root.to_owned()];
    while let Some(path) = pending.pop() {
        let meta = fs::symlink_metadata(&path).map_err(error::io("read", &path))?;
        if meta.nlink() > 1 && !meta.is_dir() && !seen.insert(meta.ino()) {
            continue;
        }
        usage.bytes = usage.bytes.saturating_add(meta.blocks().saturating_mul(512));
        usage.inodes += 1;
        if meta.is_dir() {
            for entry in fs::read_dir(&path).map_err(error::io("read", &path))? {
                pending.push(entry.map_err(error::io("read", &path))?.path());
            }
        }
    }
    Ok(usage)
}
