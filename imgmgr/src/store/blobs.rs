//! Blobs: read with their digest checked, written under a temporary name until it is known.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::digest::{Algorithm, Digest, Hasher, VerifyReader, verify};
use crate::image::{Descriptor, ImageConfig, MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES, Manifest};

use super::{Result, Store, StoreError};

/// The disk starts on a blob whenever so much of it was written.
pub(super) const WRITEBACK_BYTES: u64 = 8 << 20;

impl Store {
    /// Where a blob lies, whether it is there or not.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.algorithm().name()).join(digest.hex())
    }

    /// The size of a blob, `None` if it is absent.
    ///
    /// # Errors
    /// If it can't be told.
    pub fn blob_size(&self, digest: &Digest) -> Result<Option<u64>> {
        let path = self.blob_path(digest);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::Io { action: "stat", path, source }),
        }
    }

    /// Whether the blob is there. Its bytes were verified before it got its name; `fsck` does so
    /// again.
    ///
    /// # Errors
    /// If it is there with another size than the descriptor says: one of the two lies.
    pub fn has(&self, descriptor: &Descriptor) -> Result<bool> {
        match self.blob_size(&descriptor.digest)? {
            None => Ok(false),
            Some(size) if size == descriptor.size => Ok(true),
            Some(actual) => Err(StoreError::Mismatch(crate::digest::Mismatch::Size {
                digest: descriptor.digest.clone(),
                expected: descriptor.size,
                actual,
            })),
        }
    }

    /// Opens a blob for reading, unverified.
    ///
    /// # Errors
    /// [`StoreError::NoBlob`] if it is absent.
    pub fn open_blob(&self, digest: &Digest) -> Result<File> {
        let path = self.blob_path(digest);
        File::open(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => StoreError::NoBlob { digest: digest.clone() },
            _ => StoreError::Io { action: "open", path, source },
        })
    }

    /// Opens a blob whose reader fails at the end if it is not what `descriptor` says.
    ///
    /// # Errors
    /// As [`Store::open_blob`].
    pub fn open_verified(&self, descriptor: &Descriptor) -> Result<VerifyReader<File>> {
        let file = self.open_blob(&descriptor.digest)?;
        Ok(VerifyReader::new(file, descriptor.digest.clone(), descriptor.size))
    }

    /// Reads a whole small blob and verifies it.
    ///
    /// # Errors
    /// If it is larger than `limit`, absent, or not what the descriptor says.
    pub fn read_blob(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>> {
        let digest = &descriptor.digest;
        if descriptor.size > limit {
            let size = descriptor.size;
            return Err(StoreError::TooLarge { digest: digest.clone(), size, limit });
        }
        let room = usize::try_from(descriptor.size.min(limit)).unwrap_or(0);
        let mut bytes = Vec::with_capacity(room + 1);
        self.open_blob(digest)?
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(StoreError::io("read", &self.blob_path(digest)))?;
        verify(&bytes, digest, descriptor.size)?;
        Ok(bytes)
    }

    /// Reads and parses a manifest or index.
    ///
    /// # Errors
    /// As [`Store::read_blob`], or if it is no manifest.
    pub fn manifest(&self, descriptor: &Descriptor) -> Result<(Vec<u8>, Manifest)> {
        let bytes = self.read_blob(descriptor, MAX_MANIFEST_BYTES)?;
        let manifest = Manifest::parse(&bytes, Some(&descriptor.media_type))
            .map_err(|source| StoreError::Manifest { digest: descriptor.digest.clone(), source })?;
        Ok((bytes, manifest))
    }

    /// Describes the manifest or index of which only the digest is known.
    ///
    /// # Errors
    /// As [`Store::manifest`].
    pub fn describe_manifest(&self, digest: &Digest) -> Result<Descriptor> {
        let absent = || StoreError::NoBlob { digest: digest.clone() };
        let size = self.blob_size(digest)?.ok_or_else(absent)?;
        let descriptor = Descriptor::new("", digest.clone(), size);
        let (_, manifest) = self.manifest(&descriptor)?;
        Ok(Descriptor::new(manifest.media_type(), digest.clone(), size))
    }

    /// Reads and parses an image configuration.
    ///
    /// # Errors
    /// As [`Store::read_blob`], or if it is no image configuration.
    pub fn image_config(&self, descriptor: &Descriptor) -> Result<(Vec<u8>, ImageConfig)> {
        let bytes = self.read_blob(descriptor, MAX_CONFIG_BYTES)?;
        let config = ImageConfig::parse(&bytes)
            .map_err(|source| StoreError::Config { digest: descriptor.digest.clone(), source })?;
        Ok((bytes, config))
    }

    /// Writes a small blob whose bytes are known, and returns what points at it.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn put_blob(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor> {
        let descriptor = Descriptor::of(media_type, bytes);
        self.put_verified(&descriptor.digest, bytes)?;
        Ok(descriptor)
    }

    /// Writes a small blob that was verified against `digest`, unless it is there.
    pub(crate) fn put_verified(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        if self.blob_size(digest)? == Some(bytes.len() as u64) {
            return Ok(());
        }
        let mut writer = self.blob_writer_of(digest.algorithm())?;
        writer.append(bytes)?;
        writer.publish().map(drop)
    }

    /// Starts a blob whose digest will be known at its end.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn blob_writer(&self) -> Result<BlobWriter> {
        self.blob_writer_of(Algorithm::Sha256)
    }

    fn blob_writer_of(&self, algorithm: Algorithm) -> Result<BlobWriter> {
        let (path, file) = self.create_temporary()?;
        let hasher = Hasher::new(algorithm);
        Ok(BlobWriter {
            store: self.clone(),
            file,
            path,
            hasher,
            size: 0,
            started: 0,
            published: false,
        })
    }

    /// Makes blobs durable all at once and gives them their names.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn publish_all(&self, blobs: Vec<VerifiedBlob>) -> Result<()> {
        let files: Vec<&File> = blobs.iter().map(|blob| &blob.0.file).collect();
        self.disk.sync_files(&files).map_err(StoreError::io("sync", &self.root))?;
        blobs.into_iter().try_for_each(|VerifiedBlob(mut writer, digest)| {
            self.name_file(&writer.path, &digest)?;
            writer.published = true;
            Ok(())
        })
    }

    /// Gives verified, durable data its name. The blob directory is synced by the tag that makes
    /// the blob reachable.
    pub(super) fn name_file(&self, from: &Path, digest: &Digest) -> Result<()> {
        let to = self.blob_path(digest);
        if digest.algorithm() != Algorithm::Sha256 {
            let parent = to.parent().unwrap_or(&self.root);
            self.disk.create_dirs(parent).map_err(StoreError::io("create", parent))?;
        }
        self.disk.rename(from, &to).map_err(StoreError::io("rename", &to))
    }
}

/// A blob being written; removed again unless it is published.
#[derive(Debug)]
pub struct BlobWriter {
    store: Store,
    file: File,
    path: PathBuf,
    hasher: Hasher,
    size: u64,
    /// Up to here write-back has started.
    started: u64,
    published: bool,
}

/// A blob whose bytes are right, still without its name; removed again unless it is published.
#[derive(Debug)]
pub struct VerifiedBlob(BlobWriter, Digest);

impl BlobWriter {
    /// Makes the blob durable, gives it its name, and returns digest and size.
    ///
    /// # Errors
    /// If the disk refuses; nothing is left then.
    pub fn publish(mut self) -> Result<(Digest, u64)> {
        let unused = Hasher::new(Algorithm::Sha256);
        let digest = std::mem::replace(&mut self.hasher, unused).finish();
        self.store.disk.sync_data(&self.file).map_err(StoreError::io("sync", &self.path))?;
        self.store.name_file(&self.path, &digest)?;
        self.published = true;
        Ok((digest, self.size))
    }

    /// As [`BlobWriter::publish`], but only if the blob is what `descriptor` says.
    ///
    /// # Errors
    /// [`StoreError::Mismatch`] if it is not; nothing is left then.
    pub fn publish_as(self, descriptor: &Descriptor) -> Result<()> {
        self.verify(descriptor)?.0.publish().map(drop)
    }

    /// Ends a blob that is published later, with others.
    ///
    /// # Errors
    /// [`StoreError::Mismatch`] if it is not what `descriptor` says; nothing is left then.
    pub fn verify(self, descriptor: &Descriptor) -> Result<VerifiedBlob> {
        use crate::digest::Mismatch;
        let actual = self.hasher.clone().finish();
        if self.size != descriptor.size {
            let (expected, actual) = (descriptor.size, self.size);
            let digest = descriptor.digest.clone();
            return Err(Mismatch::Size { digest, expected, actual }.into());
        }
        if actual != descriptor.digest {
            return Err(Mismatch::Digest { expected: descriptor.digest.clone(), actual }.into());
        }
        Ok(VerifiedBlob(self, actual))
    }
}

impl BlobWriter {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.store
            .disk
            .write_at(&self.file, bytes, self.size)
            .map_err(StoreError::io("write", &self.path))?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        let due = self.size - self.started;
        if due >= WRITEBACK_BYTES {
            self.store.disk.start_writeback(&self.file, self.started, due);
            self.started = self.size;
        }
        Ok(())
    }
}

impl Write for BlobWriter {
    /// Its errors name the file, whatever writes through it.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        if !self.published {
            let _ = self.store.disk.remove_file(&self.path);
        }
    }
}
