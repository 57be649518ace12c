//! skopeo's `dir:`: `version`, `manifest.json`, and every blob under the digits of its digest.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use crate::image::{Descriptor, MAX_MANIFEST_BYTES, Manifest};
use crate::store::{ImageEntry, Lease, Store};

use super::{CopyError, Result};

const VERSION: &str = "Directory Transport Version: 1.1\n";

/// Writes an image of one platform.
pub(super) fn write(store: &Store, target: &Descriptor, path: &Path) -> Result<()> {
    let (bytes, manifest) = store.manifest(target)?;
    if matches!(manifest, Manifest::Index(_)) {
        return Err(CopyError::IndexUnsupported { what: "a dir:" });
    }
    fs::create_dir_all(path).map_err(CopyError::io("create", path))?;
    for blob in manifest.children() {
        let to = path.join(blob.digest.hex());
        let mut reader = store.open_verified(blob)?;
        File::create(&to)
            .and_then(|mut file| std::io::copy(&mut reader, &mut file))
            .map_err(CopyError::io("write", &to))?;
    }
    for (name, bytes) in [("manifest.json", &bytes[..]), ("version", VERSION.as_bytes())] {
        let to = path.join(name);
        File::create(&to)
            .and_then(|mut file| file.write_all(bytes))
            .map_err(CopyError::io("write", &to))?;
    }
    Ok(())
}

/// Reads an image into a store.
pub(super) fn read(store: &Store, lease: &Lease, path: &Path) -> Result<ImageEntry> {
    let from = path.join("manifest.json");
    let mut bytes = Vec::new();
    File::open(&from)
        .and_then(|file| file.take(MAX_MANIFEST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(CopyError::io("read", &from))?;
    let manifest = Manifest::parse(&bytes, None)
        .map_err(|source| CopyError::Manifest { path: path.to_owned(), source })?;
    if matches!(manifest, Manifest::Index(_)) {
        return Err(CopyError::IndexUnsupported { what: "read from a dir:" });
    }
    for blob in manifest.children() {
        if lease.take(blob)? {
            continue;
        }
        let from = path.join(blob.digest.hex());
        let mut writer = store.blob_writer()?;
        File::open(&from)
            .and_then(|file| std::io::copy(&mut file.take(blob.size + 1), &mut writer))
            .map_err(CopyError::io("read", &from))?;
        writer.publish_as(blob)?;
    }
    let target = lease.put(manifest.media_type(), &bytes)?;
    Ok(ImageEntry::new("", target))
}
