//! Docker's manifests as OCI's, for layouts: other tools read nothing else there.
//!
//! Configuration and layers stay as they are; only what names them is written anew.

use std::collections::{HashMap, HashSet};

use crate::digest::Digest;
use crate::image::{Descriptor, ImageManifest, Index, Manifest, media};
use crate::store::{MAX_INDEX_DEPTH, Store, StoreError};

use super::Result;

/// By what BuildKit's entry of an attestation names its image in the same index.
const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";

/// What an image is in OCI's form.
pub(super) struct OciForm {
    /// What points at it.
    pub(super) target: Descriptor,
    /// Manifests in whose place there are others.
    pub(super) replaced: HashSet<Digest>,
}

/// Makes OCI's manifests of docker's that `target` reaches, and of what lists them. Each goes to `put`
/// after those that it lists. What is OCI's, or is not there, stays.
pub(super) fn oci_form(
    store: &Store,
    target: &Descriptor,
    put: &mut dyn FnMut(&Descriptor, &[u8]) -> Result<()>,
) -> Result<OciForm> {
    let mut rewrite = Rewrite { store, put, done: HashMap::new() };
    let target = rewrite.manifest(target, 0)?;
    let replaced = |(old, new): (Digest, Descriptor)| (old != new.digest).then_some(old);
    Ok(OciForm { target, replaced: rewrite.done.into_iter().filter_map(replaced).collect() })
}

struct Rewrite<'r> {
    store: &'r Store,
    put: &'r mut dyn FnMut(&Descriptor, &[u8]) -> Result<()>,
    done: HashMap<Digest, Descriptor>,
}

impl Rewrite<'_> {
    fn manifest(&mut self, at: &Descriptor, depth: usize) -> Result<Descriptor> {
        if !(media::is_index(&at.media_type) || media::is_manifest(&at.media_type)) {
            return Ok(at.clone());
        }
        if depth > MAX_INDEX_DEPTH {
            let digest = at.digest.clone();
            return Err(StoreError::TooDeep { digest, limit: MAX_INDEX_DEPTH }.into());
        }
        let new = match self.done.get(&at.digest) {
            Some(new) => new.clone(),
            None => {
                let new = self.rewritten(at, depth)?.unwrap_or_else(|| at.clone());
                self.done.insert(at.digest.clone(), new.clone());
                new
            }
        };
        let Descriptor { media_type, digest, size, .. } = new;
        let data = at.data.clone().filter(|_| digest == at.digest);
        Ok(Descriptor { media_type, digest, size, data, ..at.clone() })
    }

    /// `None` for what stays.
    fn rewritten(&mut self, at: &Descriptor, depth: usize) -> Result<Option<Descriptor>> {
        let manifest = match self.store.manifest(at) {
            Err(StoreError::NoBlob { .. }) if depth > 0 => return Ok(None),
            read => read?.1,
        };
        let is_docker = [&*at.media_type, manifest.media_type()]
            .iter()
            .any(|kind| matches!(*kind, media::DOCKER_MANIFEST | media::DOCKER_LIST));
        let (kind, bytes) = match manifest {
            Manifest::Image(_) if !is_docker => return Ok(None),
            Manifest::Image(image) => (media::OCI_MANIFEST, oci_image(*image).to_bytes()),
            Manifest::Index(index) => {
                let children = index.manifests.iter().map(|child| self.manifest(child, depth + 1));
                let mut manifests = children.collect::<Result<Vec<_>>>()?;
                manifests.iter_mut().for_each(|child| self.rename_reference(child));
                if !is_docker && manifests == index.manifests {
                    return Ok(None);
                }
                let index =
                    Index { manifests, media_type: Some(media::OCI_INDEX.to_owned()), ..*index };
                let bytes = serde_json::to_vec(&index).expect("strings and numbers serialise");
                (media::OCI_INDEX, bytes)
            }
        };
        let new = Descriptor::of(kind, &bytes);
        (self.put)(&new, &bytes)?;
        Ok(Some(new))
    }

    /// Lets an attestation's entry refer to what its image has become.
    fn rename_reference(&self, entry: &mut Descriptor) {
        let value = entry.annotations.as_mut().and_then(|all| all.get_mut(REFERENCE_DIGEST));
        if let Some(value) = value
            && let Some(new) = value.parse().ok().and_then(|old: Digest| self.done.get(&old))
        {
            *value = new.digest.to_string();
        }
    }
}

fn oci_image(mut image: ImageManifest) -> ImageManifest {
    if image.config.media_type == media::DOCKER_CONFIG {
        image.config.media_type = media::OCI_CONFIG.to_owned();
    }
    for layer in &mut image.layers {
        layer.media_type = media::oci_layer(&layer.media_type).to_owned();
    }
    image.media_type = Some(media::OCI_MANIFEST.to_owned());
    image
}
