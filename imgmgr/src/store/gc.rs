//! Garbage collection: mark without a lock, sweep under the exclusive one.
//!
//! Whoever takes up a blob leases it under the shared lock and only then looks whether it is there,
//! so under the exclusive lock the leases are complete: what neither a name nor a lease reaches
//! then, nobody is about to use. The long part, reading manifests, happens before; under the lock
//! only names and leases that are new since are followed.
//!
//! Unpacked layers and snapshots lie beside the blobs and are swept in the same breath: see
//! [`crate::upkeep`].

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::digest::Digest;
use crate::image::{Descriptor, media};

use super::lock::Lock;
use super::walk::{Seen, Visit};
use super::{Result, Store, StoreError};

/// What to collect.
#[derive(Clone, Copy, Debug)]
pub struct GcRequest {
    /// Interrupted downloads and uploads that nobody took up for this long go too.
    pub keep_ingests: Duration,
    /// Only say what would go.
    pub dry_run: DryRun,
}

/// Whether anything is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// Nothing is.
    Yes,
    /// Everything unreachable is.
    No,
}

impl GcRequest {
    /// How long the parts of an interrupted download are kept, unless told otherwise.
    pub const KEEP_INGESTS: Duration = Duration::from_secs(7 * 24 * 3600);
}

impl Default for GcRequest {
    fn default() -> Self {
        Self { keep_ingests: Self::KEEP_INGESTS, dry_run: DryRun::No }
    }
}

/// What a collection found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Blobs that went, or would.
    pub removed: Vec<Digest>,
    /// Their bytes, and those of interrupted downloads.
    pub freed: u64,
    /// Blobs that stay.
    pub kept: usize,
}

/// What names, leases and further roots reach.
#[derive(Clone, Debug, Default)]
pub struct Live {
    seen: Seen,
    /// Manifests among them that are not there.
    absent: Vec<Descriptor>,
    /// Image configurations among them, there or not.
    pub configs: Vec<Descriptor>,
}

impl Store {
    /// Removes every blob that no name and no lease reaches.
    ///
    /// # Errors
    /// If a named manifest that is there can't be read: its blobs can't be told from garbage, so
    /// nothing is removed.
    pub fn gc(&self, request: GcRequest) -> Result<GcReport> {
        self.collect(request, &|| Ok(Vec::new()), |_| Ok(()))
    }

    /// As [`Store::gc`], with `roots` that only the caller knows; `also` sweeps what belongs to
    /// blobs, first, while nobody can take up one.
    ///
    /// # Errors
    /// As [`Store::gc`], and those of `roots` and `also`: nothing is removed then.
    pub fn collect<E: From<StoreError>>(
        &self,
        request: GcRequest,
        roots: &dyn Fn() -> std::result::Result<Vec<Descriptor>, E>,
        also: impl FnOnce(&Live) -> std::result::Result<(), E>,
    ) -> std::result::Result<GcReport, E> {
        let mut live = Live::default();
        self.mark(&mut live, roots)?;
        let _sweep = Lock::exclusive(&*self.disk, &self.private("gc.lock"))?;
        self.mark(&mut live, roots)?;
        also(&live)?;
        Ok(self.sweep(request, &live)?)
    }

    fn sweep(&self, request: GcRequest, live: &Live) -> Result<GcReport> {
        let mut report = GcReport::default();
        for (digest, path, size) in self.blobs()? {
            if live.seen.contains(&digest) {
                report.kept += 1;
                continue;
            }
            if request.dry_run == DryRun::No {
                self.disk.remove_file(&path).map_err(StoreError::io("remove", &path))?;
            }
            report.removed.push(digest);
            report.freed += size;
        }
        if request.dry_run == DryRun::No {
            let now = SystemTime::now();
            let is_stale = |file: &fs::Metadata| {
                let age = file.modified().ok().and_then(|at| now.duration_since(at).ok());
                age.is_some_and(|age| age >= request.keep_ingests)
            };
            report.freed += self.sweep_ingests(is_stale)?;
            self.sweep_uploads(is_stale)?;
        }
        Ok(report)
    }

    fn mark<E: From<StoreError>>(
        &self,
        live: &mut Live,
        further: &dyn Fn() -> std::result::Result<Vec<Descriptor>, E>,
    ) -> std::result::Result<(), E> {
        // Leases first: before one ends, what it was for is reached by something of the rest.
        let mut roots = self.living_leases()?;
        // It may have come since, with what it needs.
        let absent = std::mem::take(&mut live.absent);
        absent.iter().for_each(|manifest| live.seen.forget(manifest));
        roots.extend(absent);
        roots.extend(further()?);
        roots.extend(self.read_index()?.manifests);
        Ok(self.walk_roots(live, &roots)?)
    }

    fn walk_roots(&self, live: &mut Live, roots: &[Descriptor]) -> Result<()> {
        let Live { seen, absent, configs } = live;
        roots.iter().try_for_each(|root| {
            self.walk_from(root, 0, seen, &mut |visit| {
                match visit {
                    Visit::Blob(blob) if media::is_image_config(&blob.media_type) => {
                        configs.push(blob);
                    }
                    Visit::Absent(manifest) => absent.push(manifest),
                    Visit::Blob(_) | Visit::Manifest(..) => {}
                }
                Ok(())
            })
        })
    }

    /// Lists the blobs on the disk with path and size; files that are no blob are left alone.
    pub(super) fn blobs(&self) -> Result<Vec<(Digest, PathBuf, u64)>> {
        let mut blobs = Vec::new();
        for algorithm in ["sha256", "sha512"] {
            let directory = self.root.join("blobs").join(algorithm);
            let entries = match fs::read_dir(&directory) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(source) => {
                    return Err(StoreError::Io { action: "read", path: directory, source });
                }
            };
            for entry in entries {
                let entry = entry.map_err(StoreError::io("read", &directory))?;
                let name = entry.file_name();
                let Ok(digest) = format!("{algorithm}:{}", name.to_string_lossy()).parse() else {
                    continue;
                };
                let size = entry.metadata().map_or(0, |metadata| metadata.len());
                blobs.push((digest, entry.path(), size));
            }
        }
        Ok(blobs)
    }
}
