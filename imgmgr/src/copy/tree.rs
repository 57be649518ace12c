//! From store to store.

use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::image::Descriptor;
use crate::store::{Lease, Store, StoreError, Visit};

/// What is read at a time.
const BUFFER_BYTES: usize = 1 << 20;
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
    let (mut manifests, mut blobs) = (Vec::new(), Vec::new());
    from.walk(target, &mut |visit| {
        match visit {
            Visit::Manifest(descriptor, _) => manifests.push(descriptor),
            Visit::Blob(descriptor) => blobs.push(descriptor),
            Visit::Absent(_) => {}
        }
        Ok(())
    })?;
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..LANES.min(blobs.len()) {
            scope.spawn(|| {
                while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = copy_blob(from, to, blob, lease) {
                        next.store(blobs.len(), Ordering::Relaxed);
                        *failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
                            Some(error);
                    }
                }
            });
        }
    });
    if let Some(error) = failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        return Err(error);
    }
    manifests.iter().rev().try_for_each(|manifest| copy_blob(from, to, manifest, lease))
}

fn copy_blob(from: &Store, to: &Store, blob: &Descriptor, lease: &Lease) -> Result<(), StoreError> {
    if lease.take(blob)? {
        return Ok(());
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
    writer.publish_as(blob)
}
