//! Where images come from: each source gets into a store, or is one.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::image::Descriptor;
use crate::pull::pull;
use crate::store::{Durability, ImageEntry, Lease, Store, StoreError};
use crate::trust::check_file;

use super::output::blocking;
use super::{CopyContext, CopyError, Digests, Location, Result, archive_in, dir, store_name};

/// The most scratch directories that one process tries.
const MAX_TAKEN: u64 = 10_000;
/// How often a directory is removed to which a thread may still add what it has begun.
const REMOVALS: usize = 10;
/// The store in a scratch directory.
const SCRATCH_STORE: &str = "store";

/// An image in some store, and what keeps it there.
#[derive(Debug)]
pub struct Held {
    pub(super) store: Store,
    pub(super) entry: ImageEntry,
    _lease: Option<Lease>,
    _scratch: Option<Scratch>,
}

impl Held {
    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The image.
    pub fn entry(&self) -> &ImageEntry {
        &self.entry
    }
}

/// Opens an image of a layout, archive or directory to look at. What is not one's own store already is
/// read into a scratch one below `scratch`, which goes with what is returned.
///
/// # Errors
/// [`CopyError`]; [`CopyError::NoFile`] for a place in a registry or in the own store.
pub async fn open(place: &Location, scratch: &Path) -> Result<Held> {
    if let Location::Layout(path, name) = place {
        return open_layout(path, name.as_deref());
    }
    if place.file().is_none() {
        return Err(CopyError::NoFile { place: place.clone() });
    }
    let (scratch, store) = Scratch::new(scratch)?;
    let lease = store.lease()?;
    let entry = load(&store, &lease, place).await?;
    Ok(Held { store, entry, _lease: Some(lease), _scratch: Some(scratch) })
}

fn open_layout(path: &Path, name: Option<&str>) -> Result<Held> {
    let store = Store::view(path).map_err(|error| match error {
        StoreError::NotALayout { path } => CopyError::NoLayout { path },
        error => error.into(),
    })?;
    let found = store.find(name);
    let names = || -> Result<Vec<String>> {
        Ok(store.entries()?.into_iter().map(|entry| entry.name).collect())
    };
    let path = path.to_owned();
    let entry = match (found, name) {
        (Err(StoreError::NoImage { .. }), name) => {
            let (name, names) = (name.map(str::to_owned), names()?);
            return Err(CopyError::NoImage { path, name, names });
        }
        (Err(StoreError::AmbiguousImage { .. }), None) => {
            return Err(CopyError::SeveralImages { path, names: names()? });
        }
        (found, _) => found?,
    };
    Ok(Held { store, entry, _lease: None, _scratch: None })
}

/// Keeps images of a store from being swept for as long as the lease lives. `None` where the file system
/// is read-only: whoever sweeps there does it by another mount, and what is gone then is missed by name.
///
/// # Errors
/// If the disk refuses, or an image is not there.
pub fn keep<'i>(
    store: &Store,
    images: impl IntoIterator<Item = &'i Descriptor>,
) -> Result<Option<Lease>> {
    let lease = match store.lease() {
        Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::ReadOnlyFilesystem => {
            return Ok(None);
        }
        lease => lease?,
    };
    for image in images {
        if !lease.take(image)? {
            return Err(StoreError::NoBlob { digest: image.digest.clone() }.into());
        }
    }
    Ok(Some(lease))
}

/// A store that is removed when it is no longer needed.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Scratch {
    /// Makes a directory that was not there, and that nobody else may write to: `parent` may be everybody's.
    fn new(parent: &Path) -> Result<(Self, Store)> {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("imgmgr-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                // Of a killed process that had our number, or laid there for us.
                Err(error) if error.kind() == ErrorKind::AlreadyExists && number < MAX_TAKEN => {}
                made => {
                    made.map_err(CopyError::io("create", &path))?;
                    let scratch = Self(path.clone());
                    let store = path.join(SCRATCH_STORE);
                    return Ok((scratch, Store::open_real(&store, Durability::NoSync)?));
                }
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing more is made below a name that is gone, though a thread may still be at it.
        let _ = fs::rename(self.0.join(SCRATCH_STORE), self.0.join("gone"));
        let mut removals = (0..REMOVALS).map(|_| fs::remove_dir_all(&self.0));
        let _ = removals.find(|removed| match removed {
            Err(error) => error.kind() != ErrorKind::DirectoryNotEmpty,
            Ok(()) => true,
        });
    }
}

/// Gets the source into a store: the destination's where there is one.
pub(super) async fn take_in(context: &CopyContext, from: &Location, to: &Location) -> Result<Held> {
    if let Some((transport, path)) = from.file() {
        check_file(&context.pull.policy, transport, path)?;
    }
    match from {
        Location::Store(name) => {
            let store = context.store()?.clone();
            let entry = store.resolve(name)?;
            let lease = keep(&store, [&entry.target])?;
            return Ok(Held { store, entry, _lease: lease, _scratch: None });
        }
        Location::Layout(path, name) => return open_layout(path, name.as_deref()),
        _ => {}
    }
    let (scratch, store) = match to {
        Location::Store(_) => (None, context.store()?.clone()),
        // Elsewhere it gets its name only once it is known to be one that may have it.
        Location::Layout(path, _) if context.digests == Digests::MayChange => {
            (None, Store::open_real(path, context.durability)?)
        }
        _ => Scratch::new(&context.scratch).map(|(scratch, store)| (Some(scratch), store))?,
    };
    let lease = store.lease()?;
    let entry = match from {
        Location::Registry(reference) => {
            // The final name comes at the end; until then the image goes by its origin.
            let name = match to {
                Location::Store(name) => store_name(name),
                Location::Layout(_, name) => name.clone().unwrap_or_default(),
                _ => reference.to_string(),
            };
            let remote = context.client.remote(reference.repository());
            let progress = Arc::clone(&context.progress);
            pull(&remote, reference, &store, &name, &context.pull, progress, None).await?.entry
        }
        _ => load(&store, &lease, from).await?,
    };
    Ok(Held { store, entry, _lease: Some(lease), _scratch: scratch })
}

async fn load(store: &Store, lease: &Lease, from: &Location) -> Result<ImageEntry> {
    let (store, lease, from) = (store.clone(), lease.clone(), from.clone());
    blocking(move || take_in_file(&store, &lease, &from)).await
}

fn take_in_file(store: &Store, lease: &Lease, from: &Location) -> Result<ImageEntry> {
    let (path, images, wanted) = match from {
        Location::OciArchive(path, name) => {
            (path, archive_in::load_file(store, lease, path)?, name.clone())
        }
        Location::DockerArchive(path, reference) => {
            let name = reference.as_ref().map(ToString::to_string);
            (path, archive_in::load_file(store, lease, path)?, name)
        }
        Location::Dir(path) => (path, vec![dir::read(store, lease, path)?], None),
        Location::Registry(_) | Location::Store(_) | Location::Layout(..) => {
            unreachable!("these are no files")
        }
    };
    let path = path.clone();
    let names: Vec<String> = images.iter().map(|entry| entry.name.clone()).collect();
    let mut fitting = images.into_iter().filter(|entry| match &wanted {
        Some(name) => entry.name == *name || entry.name == store_name(name),
        None => true,
    });
    let entry = match (fitting.next(), wanted) {
        (Some(entry), Some(_)) => entry,
        (Some(entry), None) if names.len() == 1 => entry,
        (None, name) if name.is_some() || names.is_empty() => {
            return Err(CopyError::NoImage { path, name, names });
        }
        _ => return Err(CopyError::SeveralImages { path, names }),
    };
    archive_in::check_whole(store, std::slice::from_ref(&entry), &path)?;
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_store_goes_while_it_is_filled() {
        let parent = tempfile::tempdir().unwrap();
        for _ in 0..10 {
            let (scratch, store) = Scratch::new(parent.path()).unwrap();
            let (begun, wait) = std::sync::mpsc::channel();
            // Of archives' blobs, say, which nobody has stopped reading.
            let fillers = [0u8, 1, 2, 3].map(|filler| {
                let (store, begun) = (store.clone(), begun.clone());
                std::thread::spawn(move || {
                    for number in 0..2000u32 {
                        let _ = store.put_blob("x", format!("{filler} {number}").as_bytes());
                        let _ = begun.send(());
                    }
                })
            });
            assert!(wait.iter().nth(100).is_some());
            drop(scratch);
            let left = fs::read_dir(parent.path()).unwrap().count();
            fillers.into_iter().for_each(|filler| filler.join().unwrap());
            assert_eq!(left, 0);
            assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
        }
    }
}
