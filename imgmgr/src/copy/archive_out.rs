//! Archives out: one tar that is an OCI layout and, in docker's form, what `docker load` reads.
//!
//! `docker save` writes the same hybrid: `manifest.json` names configuration and layers below
//! `blobs/`, so nothing is recompressed and the image keeps its digest.

use std::collections::HashSet;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use serde_json::json;

use crate::digest::Digest;
use crate::image::{Annotations, Descriptor, Index, Manifest};
use crate::reference::Reference;
use crate::store::{Store, Visit};

use super::oci_form::oci_form;
use super::output::write_file;
use super::{CopyError, Result};

/// What is read at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// Which files an archive has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveForm {
    /// An OCI layout.
    Oci,
    /// An OCI layout with docker's `manifest.json`; images of one platform only.
    Docker,
}

/// Writes images with their names to a file that is there whole or as it was, also when the future is dropped.
///
/// # Errors
/// [`CopyError`].
pub async fn save_file(
    store: &Store,
    images: Vec<(String, Descriptor)>,
    form: ArchiveForm,
    path: &Path,
) -> Result<()> {
    let store = store.clone();
    write_file(path, move |file| save(&store, &images, form, file)).await
}

/// Writes images with their names as one tar stream; each blob once. Docker's manifests become OCI's in
/// OCI's form.
///
/// # Errors
/// [`CopyError`].
pub fn save(
    store: &Store,
    images: &[(String, Descriptor)],
    form: ArchiveForm,
    out: impl Write,
) -> Result<()> {
    let mut archive = ArchiveWriter { out: BufWriter::with_capacity(BUFFER_BYTES, out) };
    let written =
        |result: io::Result<()>| result.map_err(CopyError::io("write", Path::new("the archive")));
    let mut seen = HashSet::new();
    let mut docker = Vec::new();
    let mut index = Vec::new();
    for (name, target) in images {
        let mut replaced = HashSet::new();
        if form == ArchiveForm::Docker {
            docker.push(docker_entry(store, name, target)?);
            index.push(named(name, target));
        } else {
            let converted = oci_form(store, target, &mut |new, bytes| {
                if seen.insert(new.digest.clone()) {
                    written(archive.file(&blob_name(&new.digest), bytes))?;
                }
                Ok(())
            })?;
            index.push(named(name, &converted.target));
            replaced = converted.replaced;
        }
        let mut blobs = Vec::new();
        store.walk(target, &mut |visit| {
            match visit {
                Visit::Manifest(descriptor, _) if replaced.contains(&descriptor.digest) => {}
                Visit::Manifest(descriptor, _) | Visit::Blob(descriptor) => blobs.push(descriptor),
                Visit::Absent(_) => {}
            }
            Ok(())
        })?;
        for blob in blobs {
            if seen.insert(blob.digest.clone()) {
                let mut reader = store.open_verified(&blob)?;
                written(archive.entry(&blob_name(&blob.digest), blob.size, &mut reader))?;
            }
        }
    }
    let index = serde_json::to_vec(&Index::of(index)).expect("strings and numbers serialise");
    written(archive.file("index.json", &index))?;
    if form == ArchiveForm::Docker {
        let manifest = serde_json::to_vec(&docker).expect("strings and numbers serialise");
        written(archive.file("manifest.json", &manifest))?;
    }
    written(archive.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#))?;
    written(archive.finish())
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

/// The descriptor with the annotations by which docker, containerd and skopeo find names.
fn named(name: &str, target: &Descriptor) -> Descriptor {
    if name.is_empty() {
        return target.clone();
    }
    let mut annotations: Annotations = target.annotations.clone().unwrap_or_default();
    annotations.insert("org.opencontainers.image.ref.name".to_owned(), name.to_owned());
    if Reference::parse(name).is_ok_and(|reference| reference.to_string() == name) {
        annotations.insert("io.containerd.image.name".to_owned(), name.to_owned());
    }
    Descriptor { annotations: Some(annotations), ..target.clone() }
}

fn docker_entry(store: &Store, name: &str, target: &Descriptor) -> Result<serde_json::Value> {
    let (_, manifest) = store.manifest(target)?;
    let Manifest::Image(image) = manifest else {
        return Err(CopyError::IndexUnsupported { what: "a docker-archive:" });
    };
    let tags: Vec<String> = Reference::parse(name)
        .iter()
        .filter(|_| !name.is_empty())
        .map(Reference::familiar)
        .collect();
    let layers: Vec<String> = image.layers.iter().map(|layer| blob_name(&layer.digest)).collect();
    Ok(json!({ "Config": blob_name(&image.config.digest), "RepoTags": tags, "Layers": layers }))
}

struct ArchiveWriter<W: Write> {
    out: BufWriter<W>,
}

impl<W: Write> ArchiveWriter<W> {
    fn file(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.entry(name, bytes.len() as u64, &mut &*bytes)
    }

    /// Writes one file; the reader must give exactly `size` bytes, as a verifying one does.
    fn entry(&mut self, name: &str, size: u64, reader: &mut dyn Read) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_path(name)?;
        header.set_size(size);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        self.out.write_all(header.as_bytes())?;
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut written = 0u64;
        loop {
            let count = reader.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            self.out.write_all(&buffer[..count])?;
            written += count as u64;
        }
        if written != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let padding = usize::try_from(size.wrapping_neg() % 512).unwrap_or(0);
        self.out.write_all(&[0; 512][..padding])
    }

    fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&[0; 1024])?;
        self.out.flush()
    }
}
