//! Leases: what a living process needs though no name points at it yet.
//!
//! A lease is a file that its owner keeps flocked, with a line `<digest> <size> <media type>` for
//! each blob. When the owner dies the kernel frees the lock, and the next sweep removes the file. A
//! leased manifest protects everything it refers to.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::digest::Digest;
use crate::image::Descriptor;

use super::lock::Lock;
use super::{BlobWriter, Result, Store, StoreError};

/// Keeps blobs from being swept until it is dropped; clones share it.
#[derive(Clone, Debug)]
pub struct Lease(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    path: PathBuf,
    file: File,
    len: Mutex<u64>,
}

impl Store {
    /// Starts a lease on nothing.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn lease(&self) -> Result<Lease> {
        let (temporary, file) = self.create_temporary()?;
        let name = temporary.file_name().unwrap_or_default().to_string_lossy().replace("tmp-", "");
        let path = self.private("leases").join(name);
        self.disk.rename(&temporary, &path).map_err(|source| {
            // A rename takes room, too; the error that counts is the first one.
            let _ = self.disk.remove_file(&temporary);
            StoreError::io("rename", &path)(source)
        })?;
        let len = Mutex::new(0);
        Ok(Lease(Arc::new(Inner { store: self.clone(), path, file, len })))
    }

    /// Returns what living processes lease, and removes the leases of dead ones.
    pub(super) fn living_leases(&self) -> Result<Vec<Descriptor>> {
        let directory = self.private("leases");
        let mut leased = Vec::new();
        for entry in fs::read_dir(&directory).map_err(StoreError::io("read", &directory))? {
            let path = entry.map_err(StoreError::io("read", &directory))?.path();
            if let Some(_held) = Lock::try_removable(&*self.disk, &path)? {
                self.disk.remove_file(&path).map_err(StoreError::io("remove", &path))?;
                continue;
            }
            let text = match fs::read_to_string(&path) {
                // Its process ended just now; what it was for is reached by what is read after.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                read => read.map_err(StoreError::io("read", &path))?,
            };
            leased.extend(text.lines().filter_map(|line| {
                let mut words = line.splitn(3, ' ');
                let (digest, size) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
                Some(Descriptor::new(words.next()?, digest, size))
            }));
        }
        Ok(leased)
    }
}

impl Lease {
    /// Leases a blob, and says whether it is in the store: if so, it stays there.
    ///
    /// # Errors
    /// As [`Store::has`].
    pub fn take(&self, descriptor: &Descriptor) -> Result<bool> {
        let store = &self.0.store;
        let _no_sweep = Lock::shared(&*store.disk, &store.private("gc.lock"))?;
        self.note(descriptor)?;
        store.has(descriptor)
    }

    /// Writes a small blob whose bytes are known, leased from its first moment, and returns what
    /// points at it.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn put(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor> {
        let descriptor = Descriptor::of(media_type, bytes);
        self.take(&descriptor)?;
        self.0.store.put_verified(&descriptor.digest, bytes)?;
        Ok(descriptor)
    }

    /// Publishes a blob whose digest nobody knew before, leased from its first moment.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn publish(&self, writer: BlobWriter) -> Result<(Digest, u64)> {
        let store = &self.0.store;
        let _no_sweep = Lock::shared(&*store.disk, &store.private("gc.lock"))?;
        let (digest, size) = writer.publish()?;
        self.note(&Descriptor::new("application/octet-stream", digest.clone(), size))?;
        Ok((digest, size))
    }

    fn note(&self, descriptor: &Descriptor) -> Result<()> {
        let Inner { store, path, file, len } = &*self.0;
        let Descriptor { digest, size, media_type, .. } = descriptor;
        let line = format!("{digest} {size} {}\n", media_type.replace('\n', ""));
        let mut len = len.lock().unwrap_or_else(PoisonError::into_inner);
        store.disk.write_at(file, line.as_bytes(), *len).map_err(StoreError::io("write", path))?;
        *len += line.len() as u64;
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _ = self.store.disk.remove_file(&self.path);
    }
}
