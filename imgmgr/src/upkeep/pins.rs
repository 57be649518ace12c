//! Bundles hold on to the image that they were unpacked from, so that `repack` finds it.
//!
//! ```text
//! <bundle>/imgmgr.base            the digest of the image's manifest
//! x-imgmgr/bundles/<hash of path> <digest> <size> <media type> <path of the bundle>
//! ```
//! The bundle's own file decides: it is written first, so that it may name another image than the pin of a
//! process that was killed. A pin whose bundle is gone, or has a base that this store has not, is swept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::image::Descriptor;
use crate::layer::{Durability, decode_path, encode_path};
use crate::store::{Store, StoreError};
use crate::whole_file::replace;

/// The file of a bundle that names its image.
pub const BASE: &str = "imgmgr.base";

/// Notes that `bundle` was unpacked from `image`.
///
/// # Errors
/// If bundle or store can't be written.
pub fn pin_bundle(
    store: &Store,
    bundle: &Path,
    image: &Descriptor,
    durability: Durability,
) -> Result<(), StoreError> {
    use std::os::unix::ffi::OsStrExt;
    let bundle = bundle.canonicalize().map_err(StoreError::io("open", bundle))?;
    let base = bundle.join(BASE);
    let text = image.digest.to_string();
    replace(&base, text.as_bytes(), durability).map_err(StoreError::io("write", &base))?;
    let path = bundle.as_os_str().as_bytes();
    let note = store.private("bundles").join(Digest::of(path).hex());
    let Descriptor { digest, size, media_type, .. } = image;
    let text = format!("{digest} {size} {media_type} {}\n", encode_path(path));
    store.replace_file(&note, text.as_bytes())
}

/// Returns the images of bundles that are there.
pub(super) fn bases(store: &Store) -> Result<Vec<Descriptor>, StoreError> {
    Ok(read(store)?.into_iter().filter_map(|(_, image)| image).collect())
}

/// Removes the notes of bundles that are gone.
pub(super) fn sweep(store: &Store) -> Result<(), StoreError> {
    for (path, image) in read(store)? {
        if image.is_none() {
            store.drop_note(&path).map_err(StoreError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// Every note, with the image if its bundle is there.
fn read(store: &Store) -> Result<Vec<(PathBuf, Option<Descriptor>)>, StoreError> {
    let directory = store.private("bundles");
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(StoreError::Io { action: "read", path: directory, source }),
    };
    let mut notes = Vec::new();
    for entry in entries {
        let path = entry.map_err(StoreError::io("read", &directory))?.path();
        let text = fs::read_to_string(&path).unwrap_or_default();
        notes.push((path, base_of(store, &text)));
    }
    Ok(notes)
}

fn base_of(store: &Store, note: &str) -> Option<Descriptor> {
    use std::os::unix::ffi::OsStringExt;
    let mut words = note.strip_suffix('\n')?.split(' ');
    let (digest, size): (Digest, u64) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let media_type = words.next()?;
    let bundle = PathBuf::from(std::ffi::OsString::from_vec(decode_path(words.next()?)?));
    let base: Digest = fs::read_to_string(bundle.join(BASE)).ok()?.trim().parse().ok()?;
    if base == digest {
        return Some(Descriptor::new(media_type, digest, size));
    }
    store.describe_manifest(&base).ok()
}
