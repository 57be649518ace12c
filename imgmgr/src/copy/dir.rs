//! skopeo's `dir:`: `version`, `manifest.json`, and every blob under the digits of its digest. Where the
//! image is an index, `manifest.json` is that, and each manifest that it lists is `<hex>.manifest.json`.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::image::{Descriptor, MAX_MANIFEST_BYTES, Manifest, media};
use crate::store::{ImageEntry, Lease, MAX_INDEX_DEPTH, Store, StoreError, Visit};

use super::output::{blocking, write_file};
use super::{CopyError, Result};

const MANIFEST: &str = "manifest.json";
const VERSION: &str = "version";
/// What `version` says.
const VERSION_TEXT: &str = "Directory Transport Version: 1.1\n";
/// How every version of it begins.
const VERSION_START: &str = "Directory Transport Version: ";
/// The most files of a directory that is written again.
const MAX_FILES: usize = 100_000;
/// The digits of a sha256.
const SHA256_DIGITS: usize = 64;

/// Writes an image, or an index with all that the store has of it. What was there of another one goes
/// once the new one is whole. A file may be one of the old image's, too: it is there whole or as it was, also
/// when the future is dropped.
///
/// # Errors
/// [`CopyError::ForeignDirectory`] if there is something that is no image's.
pub(super) async fn write(store: &Store, target: &Descriptor, path: &Path) -> Result<()> {
    let (from, target) = (store.clone(), target.clone());
    let files = blocking(move || files_of(&from, &target)).await?;
    fs::create_dir_all(path).map_err(CopyError::io("create", path))?;
    let old = files_to_replace(path)?;
    let version = path.join(VERSION);
    put(&version, || Ok(VERSION_TEXT.as_bytes())).await?;
    let new: HashSet<PathBuf> = files.iter().map(|(name, _)| path.join(name)).collect();
    for (name, blob) in files.into_iter().rev() {
        let store = store.clone();
        put(&path.join(name), move || Ok(store.open_verified(&blob)?)).await?;
    }
    for file in old.iter().filter(|file| !new.contains(*file)) {
        fs::remove_file(file).map_err(CopyError::io("remove", file))?;
    }
    Ok(())
}

/// What is written, by the files' names, and is in the store. The first one is the top one, under the name
/// by which the image is found.
fn files_of(store: &Store, target: &Descriptor) -> Result<Vec<(String, Descriptor)>> {
    let mut found: Vec<(String, Descriptor)> = Vec::new();
    store.walk(target, &mut |visit| {
        match visit {
            Visit::Manifest(top, _) if found.is_empty() => found.push((MANIFEST.to_owned(), top)),
            Visit::Manifest(manifest, _) => found.push((manifest_name(&manifest.digest), manifest)),
            Visit::Blob(blob) if store.has(&blob)? => {
                found.push((blob.digest.hex().to_owned(), blob));
            }
            Visit::Blob(Descriptor { digest, .. }) => return Err(StoreError::NoBlob { digest }),
            Visit::Absent(_) => {}
        }
        Ok(())
    })?;
    if found.is_empty() { Err(absent(target)) } else { Ok(found) }
}

fn absent(target: &Descriptor) -> CopyError {
    StoreError::NoBlob { digest: target.digest.clone() }.into()
}

fn manifest_name(digest: &Digest) -> String {
    format!("{}.{MANIFEST}", digest.hex())
}

/// Refuses a directory that holds something and is no image's.
pub(super) fn check(path: &Path) -> Result<()> {
    files_to_replace(path).map(drop)
}

/// The files of the image that a directory holds, besides `version`.
fn files_to_replace(path: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error| CopyError::io("read", path)(error);
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name())).take(MAX_FILES + 1);
    let names = names.collect::<io::Result<Vec<_>>>().map_err(unreadable)?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let own = || names.iter().filter_map(|name| name.to_str()).filter(|name| is_of_image(name));
    // Where a copy was killed before it could say what the directory is, there is nothing else.
    let is_begun =
        own().count() == names.len() && own().all(|name| unfinished(name) == Some(VERSION));
    if names.len() > MAX_FILES || !(is_begun || is_image_directory(path)) {
        return Err(CopyError::ForeignDirectory { path: path.to_owned() });
    }
    Ok(own().map(|name| path.join(name)).collect())
}

fn is_image_directory(path: &Path) -> bool {
    let mut start = Vec::new();
    let version = File::open(path.join(VERSION));
    version.is_ok_and(|file| {
        file.take(VERSION_START.len() as u64).read_to_end(&mut start).is_ok()
            && start == VERSION_START.as_bytes()
    })
}

/// The name that a file was to have that a copy left when it was killed.
fn unfinished(name: &str) -> Option<&str> {
    name.rsplit_once(".tmp-").and_then(|(name, process)| is_number(process).then_some(name))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the image in a directory has a file of this name, besides `version`, or had it unfinished.
fn is_of_image(name: &str) -> bool {
    let is_hex = |text: &str| {
        text.len() >= SHA256_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    if unfinished(name) == Some(VERSION) {
        return true;
    }
    let name = unfinished(name).unwrap_or(name);
    let signature = name.rsplit_once("signature-");
    name == MANIFEST
        || is_hex(name)
        || name.strip_suffix(".manifest.json").is_some_and(is_hex)
        || signature.is_some_and(|(of, number)| {
            is_number(number) && (of.is_empty() || of.strip_suffix('-').is_some_and(is_hex))
        })
}

async fn put<R: Read>(
    path: &Path,
    open: impl FnOnce() -> Result<R> + Send + 'static,
) -> Result<()> {
    let to = path.to_owned();
    write_file(path, move |mut file| {
        io::copy(&mut open()?, &mut file).map(drop).map_err(CopyError::io("write", &to))
    })
    .await
}

/// Reads an image, or an index with those of its manifests that are there, into a store.
pub(super) fn read(store: &Store, lease: &Lease, path: &Path) -> Result<ImageEntry> {
    let from = path.join(MANIFEST);
    let mut bytes = Vec::new();
    File::open(&from)
        .and_then(|file| file.take(MAX_MANIFEST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(CopyError::io("read", &from))?;
    let manifest = Manifest::parse(&bytes, None)
        .map_err(|source| CopyError::Manifest { path: path.to_owned(), source })?;
    let mut seen = HashSet::new();
    take_children(store, lease, path, &manifest, 0, &mut seen)?;
    let target = lease.put(manifest.media_type(), &bytes)?;
    Ok(ImageEntry::new("", target))
}

fn take_children(
    store: &Store,
    lease: &Lease,
    path: &Path,
    manifest: &Manifest,
    depth: usize,
    seen: &mut HashSet<Digest>,
) -> Result<()> {
    for child in manifest.children() {
        if !seen.insert(child.digest.clone()) {
            continue;
        }
        if !(media::is_index(&child.media_type) || media::is_manifest(&child.media_type)) {
            take_blob(store, lease, child, &path.join(child.digest.hex()))?;
            continue;
        }
        if depth >= MAX_INDEX_DEPTH {
            let digest = child.digest.clone();
            return Err(StoreError::TooDeep { digest, limit: MAX_INDEX_DEPTH }.into());
        }
        let from = path.join(manifest_name(&child.digest));
        // Other platforms' may be absent altogether.
        if from.exists() {
            take_blob(store, lease, child, &from)?;
            let (_, inner) = store.manifest(child)?;
            take_children(store, lease, path, &inner, depth + 1, seen)?;
        }
    }
    Ok(())
}

fn take_blob(store: &Store, lease: &Lease, blob: &Descriptor, from: &Path) -> Result<()> {
    if lease.take(blob)? {
        return Ok(());
    }
    let mut writer = store.blob_writer()?;
    File::open(from)
        .and_then(|file| io::copy(&mut file.take(blob.size.saturating_add(1)), &mut writer))
        .map_err(CopyError::io("read", from))?;
    Ok(writer.publish_as(blob)?)
}
