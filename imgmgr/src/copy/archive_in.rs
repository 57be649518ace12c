//! Archives in: OCI layouts and `docker save`'s tar files, old and new, read once front to back.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use serde::Deserialize;

use crate::image::{Descriptor, ImageConfig, ImageManifest, Index, MAX_MANIFEST_BYTES, media};
use crate::reference::Reference;
use crate::store::{ImageEntry, Lease, Store};

use super::archive_stream::ArchiveStream;
use super::{CopyError, Result};

/// The most entries of an archive of images.
pub const MAX_ARCHIVE_ENTRIES: usize = 200_000;
/// The most images of an archive, one with several names counted for each.
const MAX_ARCHIVE_IMAGES: usize = 10_000;
/// The most bytes of a name in an archive.
const MAX_NAME_BYTES: usize = 1024;
/// How many links are followed from one name to another.
const MAX_LINKS: usize = 8;
/// What is read at a time.
const BUFFER_BYTES: usize = 256 << 10;

/// What an archive held.
#[derive(Default)]
struct Contents {
    /// Blobs by their name in the archive, with the media type that their first bytes show.
    blobs: HashMap<String, (Descriptor, &'static str)>,
    links: HashMap<String, String>,
    index: Option<Vec<u8>>,
    docker: Option<Vec<u8>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEntry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// Reads an archive file into a store. Images may lack blobs: see [`check_whole`].
pub(super) fn load_file(store: &Store, lease: &Lease, path: &Path) -> Result<Vec<ImageEntry>> {
    let file = File::open(path).map_err(CopyError::io("open", path))?;
    read_images(store, lease, file, path)
}

/// Reads an archive into a store, and returns its images: nothing is named yet, so `lease` keeps
/// what was read. `path` is for messages.
///
/// # Errors
/// [`CopyError`].
pub fn load(store: &Store, lease: &Lease, from: impl Read, path: &Path) -> Result<Vec<ImageEntry>> {
    let images = read_images(store, lease, from, path)?;
    check_whole(store, &images, path)?;
    Ok(images)
}

/// Refuses images that lack a blob. Other platforms' manifests may be absent altogether, as archives
/// of one platform have it.
pub(super) fn check_whole(store: &Store, images: &[ImageEntry], path: &Path) -> Result<()> {
    let roots: Vec<Descriptor> = images.iter().map(|image| image.target.clone()).collect();
    let Some((image, missing)) = store.first_missing(&roots)? else { return Ok(()) };
    let reason = format!("`{image}` needs blob `{missing}`, which is not there");
    Err(CopyError::Archive { path: path.to_owned(), reason })
}

fn read_images(
    store: &Store,
    lease: &Lease,
    from: impl Read,
    path: &Path,
) -> Result<Vec<ImageEntry>> {
    let contents = read_contents(store, lease, from, path)?;
    let bad = |reason: String| CopyError::Archive { path: path.to_owned(), reason };
    if let Some(bytes) = &contents.index {
        let index: Index = serde_json::from_slice(bytes).map_err(|e| bad(e.to_string()))?;
        if index.manifests.len() > MAX_ARCHIVE_IMAGES {
            return Err(bad(format!("more than {MAX_ARCHIVE_IMAGES} images")));
        }
        // What the store had before stays there, too.
        index.manifests.iter().try_for_each(|target| lease.take(target).map(drop))?;
        return Ok(index.manifests.into_iter().map(oci_entry).collect());
    }
    let bytes = contents.docker.as_deref();
    let bytes = bytes.ok_or_else(|| bad("neither index.json nor manifest.json".to_owned()))?;
    let entries: Vec<DockerEntry> =
        serde_json::from_slice(bytes).map_err(|e| bad(e.to_string()))?;
    let names = |entry: &DockerEntry| entry.repo_tags.as_ref().map_or(1, |tags| tags.len().max(1));
    if entries.iter().map(names).sum::<usize>() > MAX_ARCHIVE_IMAGES {
        return Err(bad(format!("more than {MAX_ARCHIVE_IMAGES} images")));
    }
    let mut images = Vec::new();
    for entry in &entries {
        let image = docker_image(store, lease, &contents, entry, path)?;
        let tags = entry.repo_tags.iter().flatten();
        let names: Vec<String> =
            tags.filter_map(|tag| Reference::parse(tag).ok()).map(|r| r.to_string()).collect();
        if names.is_empty() {
            images.push(ImageEntry { name: String::new(), ..image.clone() });
        }
        images.extend(names.into_iter().map(|name| ImageEntry { name, ..image.clone() }));
    }
    Ok(images)
}

fn oci_entry(mut descriptor: Descriptor) -> ImageEntry {
    let mut annotations = descriptor.annotations.take().unwrap_or_default();
    let full = annotations.remove("io.containerd.image.name");
    let name = annotations.remove("org.opencontainers.image.ref.name");
    let mut entry = ImageEntry::new(&full.or(name).unwrap_or_default(), descriptor);
    entry.created = annotations.remove("org.opencontainers.image.created");
    entry
}

fn read_contents(store: &Store, lease: &Lease, from: impl Read, path: &Path) -> Result<Contents> {
    let unreadable = |error| CopyError::tar(path, error);
    let stream = ArchiveStream::open(from, path)?;
    let room = stream.room();
    let mut archive = tar::Archive::new(stream);
    let mut entries = archive.entries().map_err(unreadable)?;
    let mut contents = Contents::default();
    for count in 0.. {
        room.headers();
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(unreadable)?;
        room.content();
        let name = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned();
        if count >= MAX_ARCHIVE_ENTRIES || name.len() > MAX_NAME_BYTES {
            let reason =
                format!("more than {MAX_ARCHIVE_ENTRIES} entries, or a name over {MAX_NAME_BYTES}");
            return Err(CopyError::Archive { path: path.to_owned(), reason });
        }
        let kind = entry.header().entry_type();
        if kind.is_symlink() || kind.is_hard_link() {
            if let Some(target) = entry.link_name_bytes() {
                let target = String::from_utf8_lossy(&target).into_owned();
                let target = if kind.is_symlink() { resolve(&name, &target) } else { target };
                contents.links.insert(name, target);
            }
            io::copy(&mut entry, &mut io::sink()).map_err(unreadable)?;
            continue;
        }
        if !kind.is_file() {
            io::copy(&mut entry, &mut io::sink()).map_err(unreadable)?;
            continue;
        }
        match name.as_str() {
            "index.json" => contents.index = Some(read_small(&mut entry, path)?),
            "manifest.json" => contents.docker = Some(read_small(&mut entry, path)?),
            "oci-layout" | "repositories" => {
                io::copy(&mut entry, &mut io::sink()).map_err(unreadable)?;
            }
            _ => {
                let blob = read_blob(store, lease, &mut entry, &name, path)?;
                contents.blobs.insert(name, blob);
            }
        }
    }
    Ok(contents)
}

fn read_small(entry: &mut dyn Read, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = entry.take(MAX_MANIFEST_BYTES + 1).read_to_end(&mut bytes);
    if read.map_err(|error| CopyError::tar(path, error))? as u64 > MAX_MANIFEST_BYTES {
        let reason = format!("an index.json or manifest.json above {MAX_MANIFEST_BYTES} bytes");
        return Err(CopyError::Archive { path: path.to_owned(), reason });
    }
    Ok(bytes)
}

/// Streams one file into the store. Below `blobs/` its name says what it must hash to.
fn read_blob(
    store: &Store,
    lease: &Lease,
    entry: &mut tar::Entry<'_, impl Read>,
    name: &str,
    path: &Path,
) -> Result<(Descriptor, &'static str)> {
    let promised = entry.size();
    let mut writer = store.blob_writer()?;
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut kind = None;
    loop {
        let count = entry.read(&mut buffer).map_err(|error| CopyError::tar(path, error))?;
        if count == 0 {
            break;
        }
        kind.get_or_insert_with(|| layer_type(&buffer[..count]));
        writer.write_all(&buffer[..count]).map_err(CopyError::io("write", store.root()))?;
    }
    let (digest, size) = lease.publish(writer)?;
    if size < promised {
        let reason = format!("it ends within `{name}`, after {size} of {promised} bytes");
        return Err(CopyError::Archive { path: path.to_owned(), reason });
    }
    if let Some(promised) = name.strip_prefix("blobs/sha256/")
        && promised != digest.hex()
    {
        let reason = format!("`{name}` hashes to `{digest}`");
        return Err(CopyError::Archive { path: path.to_owned(), reason });
    }
    let kind = kind.unwrap_or(media::OCI_LAYER);
    Ok((Descriptor::new(kind, digest, size), kind))
}

fn layer_type(start: &[u8]) -> &'static str {
    match start {
        [0x1f, 0x8b, ..] => media::OCI_LAYER_GZIP,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => media::OCI_LAYER_ZSTD,
        _ => media::OCI_LAYER,
    }
}

/// A symbolic link's target as a name in the archive.
fn resolve(name: &str, target: &str) -> String {
    let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
    let mut parts: Vec<&str> = parent.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    parts.join("/")
}

impl Contents {
    fn blob(&self, name: &str) -> Option<&Descriptor> {
        let mut name = name;
        for _ in 0..MAX_LINKS {
            if let Some((descriptor, _)) = self.blobs.get(name) {
                return Some(descriptor);
            }
            name = self.links.get(name)?;
        }
        None
    }
}

/// Makes the manifest that docker's archives lack.
fn docker_image(
    store: &Store,
    lease: &Lease,
    contents: &Contents,
    entry: &DockerEntry,
    path: &Path,
) -> Result<ImageEntry> {
    let find = |name: &str| {
        contents.blob(name).cloned().ok_or_else(|| CopyError::Archive {
            path: path.to_owned(),
            reason: format!("manifest.json names `{name}`, which is not there"),
        })
    };
    let mut config = find(&entry.config)?;
    config.media_type = media::OCI_CONFIG.to_owned();
    let layers =
        entry.layers.iter().flatten().map(|name| find(name)).collect::<Result<Vec<_>>>()?;
    let (_, parsed): (_, ImageConfig) = store.image_config(&config)?;
    parsed.diff_ids_for(layers.len()).map_err(|source| CopyError::Archive {
        path: path.to_owned(),
        reason: source.to_string(),
    })?;
    let manifest = ImageManifest {
        schema_version: 2,
        media_type: Some(media::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config,
        layers,
        subject: None,
        annotations: None,
    };
    let target = lease.put(media::OCI_MANIFEST, &manifest.to_bytes())?;
    Ok(ImageEntry::new("", target))
}
