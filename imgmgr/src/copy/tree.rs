//! From store to store.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::digest::Digest;
use crate::image::Descriptor;
use crate::store::{Lease, Store, StoreError, VerifiedBlob, Visit};

/// What is read at a time.
const BUFFER_BYTES: usize = 1 << 20;
/// Blobs that are made durable together; each is an open file until then.
const MAX_OPEN_BLOBS: usize = 256;
/// Blobs that are copied at the same time.
const LANES: usize = 2;

/// Copies everything that `target` reaches from one store to another, verified, blobs first.
///
/// # Errors
/// [`StoreError`].
pub fn copy_tree(
    from: &Store,
    to: &Store,
    target: &Descriptor,
    lease: &Lease,
) -> Result<(), StoreError> {
    copy_tree_without(&HashSet::new(), from, to, target, lease)
}

/// As [`copy_tree`], where others come in place of some manifests.
pub(super) fn copy_tree_without(
    replaced: &HashSet<Digest>,
    from: &Store,
    to: &Store,
    target: &Descriptor,
    lease: &Lease,
) -> Result<(), StoreError> {
    let (mut manifests, mut blobs) = (Vec::new(), Vec::new());
    from.walk(target, &mut |visit| {
        match visit {
            Visit::Manifest(descriptor, _) if replaced.contains(&descriptor.digest) => {}
            Visit::Manifest(descriptor, _) => manifests.push(descriptor),
            Visit::Blob(descriptor) => blobs.push(descriptor),
            Visit::Absent(_) => {}
        }
        Ok(())
    })?;
    let next = AtomicUsize::new(0);
    let copied: Mutex<Result<Vec<VerifiedBlob>, StoreError>> = Mutex::new(Ok(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..LANES.min(blobs.len()) {
            scope.spawn(|| {
                while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = copy_blob(from, to, blob, lease);
                    let mut copied = copied.lock().unwrap_or_else(PoisonError::into_inner);
                    match (result, &mut *copied) {
                        (Ok(Some(blob)), Ok(ready)) => {
                            ready.push(blob);
                            if ready.len() >= MAX_OPEN_BLOBS
                                && let Err(error) = to.publish_all(std::mem::take(ready))
                            {
                                *copied = Err(error);
                            }
                        }
                        (Ok(None), _) | (_, Err(_)) => {}
                        (Err(error), _) => *copied = Err(error),
                    }
                    if copied.is_err() {
                        next.store(blobs.len(), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut copied = copied.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    for manifest in manifests.iter().rev() {
        copied.extend(copy_blob(from, to, manifest, lease)?);
    }
    // In this order they get their names: a manifest that is there is a whole one.
    to.publish_all(copied)
}

/// Copies what is not there yet.
fn copy_blob(
    from: &Store,
    to: &Store,
    blob: &Descriptor,
    lease: &Lease,
) -> Result<Option<VerifiedBlob>, StoreError> {
    if lease.take(blob)? {
        return Ok(None);
    }
    let mut source = from.open_blob(&blob.digest)?;
    let mut writer = to.blob_writer()?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let path = from.blob_path(&blob.digest);
    loop {
        let count = source.read(&mut buffer).map_err(StoreError::io("read", &path))?;
        if count == 0 {
            break;
        }
        writer.write_all(&buffer[..count]).map_err(StoreError::io("write", to.root()))?;
    }
    writer.verify(blob).map(Some)
}
