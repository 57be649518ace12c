//! Checks what a store promises: blobs are what their names say, names point at whole images.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::digest::{Digest, VerifyReader};
use crate::image::Descriptor;

use super::walk::Seen;
use super::walk::Visit;
use super::{ImageEntry, Result, Store, StoreError};

/// Blobs that are read at the same time.
const LANES: usize = 2;

/// Something that a store must not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A blob's bytes hash to something else, or can't be read.
    DamagedBlob {
        /// What its name says.
        digest: Digest,
        /// What is wrong.
        reason: String,
    },
    /// An image refers to a blob that is not there.
    MissingBlob {
        /// The image.
        image: String,
        /// The blob.
        digest: Digest,
    },
    /// An image's manifest or configuration can't be used.
    BrokenImage {
        /// The image.
        image: String,
        /// Why.
        reason: String,
    },
    /// A file among the blobs that is none.
    StrayFile {
        /// The file.
        path: PathBuf,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DamagedBlob { digest, reason } => write!(f, "damaged blob {digest}: {reason}"),
            Self::MissingBlob { image, digest } => write!(f, "`{image}` lacks blob {digest}"),
            Self::BrokenImage { image, reason } => write!(f, "`{image}` is broken: {reason}"),
            Self::StrayFile { path } => write!(f, "stray file `{}`", path.display()),
        }
    }
}

impl Store {
    /// Reads every blob and follows every name; the result is empty for a clean store.
    ///
    /// # Errors
    /// If `index.json` or a directory can't be read at all.
    pub fn fsck(&self) -> Result<Vec<Problem>> {
        let blobs = self.blobs()?;
        let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..LANES {
                scope.spawn(|| {
                    while let Some((digest, _, size)) =
                        blobs.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        if let Some(problem) = self.check_blob(digest, *size) {
                            found.lock().unwrap_or_else(PoisonError::into_inner).push(problem);
                        }
                    }
                });
            }
        });
        let mut problems = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        problems.sort_by_key(ToString::to_string);
        problems.extend(self.stray_files()?);
        for entry in self.entries()? {
            problems.extend(self.check_image(&entry));
        }
        Ok(problems)
    }

    fn check_blob(&self, digest: &Digest, size: u64) -> Option<Problem> {
        let read = self.open_blob(digest).map_err(|error| error.to_string()).and_then(|file| {
            VerifyReader::new(file, digest.clone(), size).finish().map_err(|e| e.to_string())
        });
        let reason = read.err()?;
        // A sweep may have removed it since it was listed; then it is no problem.
        let gone = matches!(self.blob_size(digest), Ok(None));
        (!gone).then(|| Problem::DamagedBlob { digest: digest.clone(), reason })
    }

    fn stray_files(&self) -> Result<Vec<Problem>> {
        let mut stray = Vec::new();
        for algorithm in ["sha256", "sha512"] {
            let directory = self.root.join("blobs").join(algorithm);
            for entry in std::fs::read_dir(&directory).into_iter().flatten() {
                let entry = entry.map_err(StoreError::io("read", &directory))?;
                let name = entry.file_name();
                let digest = format!("{algorithm}:{}", name.to_string_lossy());
                if digest.parse::<Digest>().is_err() {
                    stray.push(Problem::StrayFile { path: entry.path() });
                }
            }
        }
        Ok(stray)
    }

    fn check_image(&self, entry: &ImageEntry) -> Vec<Problem> {
        let image = if entry.name.is_empty() {
            entry.target.digest.to_string()
        } else {
            entry.name.clone()
        };
        let mut problems = Vec::new();
        let walked = self.walk(&entry.target, &mut |visit| {
            match visit {
                Visit::Blob(blob) => match self.has(&blob) {
                    Ok(true) => {}
                    Ok(false) => problems
                        .push(Problem::MissingBlob { image: image.clone(), digest: blob.digest }),
                    Err(error) => problems.push(Problem::BrokenImage {
                        image: image.clone(),
                        reason: error.to_string(),
                    }),
                },
                // Other platforms' images may be absent, the named one may not.
                Visit::Absent(missing) if missing.digest == entry.target.digest => problems
                    .push(Problem::MissingBlob { image: image.clone(), digest: missing.digest }),
                Visit::Absent(_) | Visit::Manifest(..) => {}
            }
            Ok(())
        });
        if let Err(error) = walked {
            problems.push(Problem::BrokenImage { image, reason: error.to_string() });
        }
        problems
    }

    /// Removes damaged blobs, so that a pull fetches them again.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn remove_damaged(&self, problems: &[Problem]) -> Result<()> {
        for problem in problems {
            if let Problem::DamagedBlob { digest, .. } = problem {
                let path = self.blob_path(digest);
                self.disk.remove_file(&path).map_err(StoreError::io("remove", &path))?;
            }
        }
        Ok(())
    }

    /// The names of images that lack something.
    ///
    /// # Errors
    /// If `index.json` can't be read.
    pub fn incomplete(&self) -> Result<Vec<String>> {
        let entries = self.list()?;
        let lacking = entries.into_iter().filter(|entry| !self.check_image(entry).is_empty());
        Ok(lacking.map(|entry| entry.name).collect())
    }
}

/// What images and the rest take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Each image, in the order of the list.
    pub images: Vec<ImageUsage>,
    /// How many blobs there are.
    pub blob_count: usize,
    /// Bytes of all blobs.
    pub blobs: u64,
    /// Bytes of blobs that no image needs.
    pub reclaimable: u64,
    /// How many interrupted or running downloads there are.
    pub download_count: usize,
    /// Their bytes.
    pub downloads: u64,
}

/// What one image takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageUsage {
    /// Its name.
    pub name: String,
    /// Bytes of everything it needs.
    pub total: u64,
    /// Bytes that only images of the same content need.
    pub unique: u64,
}

impl Store {
    /// Counts what images and the rest take.
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn usage(&self) -> Result<Usage> {
        self.usage_with(&[])
    }

    /// As [`Store::usage`]; what `roots` reach is needed too.
    ///
    /// # Errors
    /// As [`Store::usage`].
    pub fn usage_with(&self, roots: &[Descriptor]) -> Result<Usage> {
        let sizes: BTreeMap<Digest, u64> =
            self.blobs()?.into_iter().map(|(digest, _, size)| (digest, size)).collect();
        let mut reached: Vec<(String, Digest, HashSet<Digest>)> = Vec::new();
        for entry in self.entries()? {
            let mut seen = Seen::default();
            self.walk_from(&entry.target, 0, &mut seen, &mut |_| Ok(()))?;
            reached.push((entry.name, entry.target.digest, seen.into_digests()));
        }
        // How many different images need each blob; further names of one image don't count.
        let mut users: BTreeMap<&Digest, HashSet<&Digest>> = BTreeMap::new();
        for (_, target, seen) in &reached {
            for digest in seen {
                users.entry(digest).or_default().insert(target);
            }
        }
        let sum = |digests: &mut dyn Iterator<Item = &Digest>| -> u64 {
            digests.filter_map(|digest| sizes.get(digest)).sum()
        };
        let images = reached
            .iter()
            .map(|(name, _, seen)| ImageUsage {
                name: name.clone(),
                total: sum(&mut seen.iter()),
                unique: sum(&mut seen.iter().filter(|digest| users[digest].len() == 1)),
            })
            .collect();
        let blobs: u64 = sizes.values().sum();
        let mut needed: HashSet<Digest> = users.keys().map(|digest| (*digest).clone()).collect();
        let mut further = Seen::default();
        for root in roots {
            self.walk_from(root, 0, &mut further, &mut |_| Ok(()))?;
        }
        needed.extend(further.into_digests());
        let reclaimable = blobs - sum(&mut needed.iter());
        let (download_count, downloads) = self.download_bytes()?;
        let blob_count = sizes.len();
        Ok(Usage { images, blob_count, blobs, reclaimable, download_count, downloads })
    }
}
