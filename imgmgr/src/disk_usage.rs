//! How much space a tree takes.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What a tree takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskUsage {
    /// Bytes of blocks, each file counted once.
    pub bytes: u64,
    /// Files, directories and everything else.
    pub inodes: u64,
}

impl DiskUsage {
    fn add(&mut self, meta: &fs::Metadata, seen: &mut HashSet<u64>) {
        if meta.nlink() > 1 && !meta.is_dir() && !seen.insert(meta.ino()) {
            return;
        }
        self.bytes = self.bytes.saturating_add(meta.blocks().saturating_mul(512));
        self.inodes += 1;
    }
}

/// Measures a tree without following links; what goes away meanwhile doesn't count.
///
/// # Errors
/// Those of reading directories.
pub fn measure(root: &Path) -> io::Result<DiskUsage> {
    let mut usage = DiskUsage::default();
    let mut seen = HashSet::new();
    let top = fs::symlink_metadata(root)?;
    usage.add(&top, &mut seen);
    let mut pending = if top.is_dir() { vec![root.to_owned()] } else { Vec::new() };
    while let Some(dir) = pending.pop() {
        for entry in unless_gone(fs::read_dir(&dir))?.into_iter().flatten() {
            let entry = entry?;
            let Some(meta) = unless_gone(entry.metadata())? else { continue };
            usage.add(&meta, &mut seen);
            if meta.is_dir() {
                pending.push(entry.path());
            }
        }
    }
    Ok(usage)
}

fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
