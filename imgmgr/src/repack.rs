//! A layer of changes on top of an image makes a new image: blob, configuration, manifest.
//!
//! The base's manifest and configuration are edited as JSON, so that whatever else they hold
//! stays. The bytes depend only on the base, the changes and the given time.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::digest::{Algorithm, Digest, Hasher};
use crate::image::Descriptor;
use crate::snapshot::{StoredImage, StoredImageError};
use crate::store::{Store, StoreError};

/// Why a layer could not be added to an image.
#[derive(Debug, thiserror::Error)]
pub enum RepackError {
    /// The base can't be read.
    #[error("cannot read the image to build on")]
    Base {
        /// Why not.
        source: StoredImageError,
    },
    /// Its manifest or configuration is no JSON object of the right form.
    #[error("the {what} of the image to build on is not of the right form")]
    Form {
        /// `manifest` or `configuration`.
        what: &'static str,
    },
    /// The store refused a new blob.
    #[error("cannot store the new image")]
    Store {
        /// Why not.
        source: StoreError,
    },
    /// The layer could not be written.
    #[error("cannot write the new layer")]
    Write {
        /// Why not.
        source: io::Error,
    },
}

/// What the history says of a new layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerNote {
    /// When, RFC 3339; part of the bytes.
    pub created: String,
    /// By what command.
    pub created_by: String,
}

/// Writes a layer's tar into the store, compressed, while its digests are computed.
pub struct LayerSink<'s> {
    store: &'s Store,
    encoder: flate2::write::GzEncoder<crate::store::BlobWriter>,
    diff_id: Hasher,
}

impl std::fmt::Debug for LayerSink<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LayerSink").finish_non_exhaustive()
    }
}

impl<'s> LayerSink<'s> {
    /// Starts a layer.
    ///
    /// # Errors
    /// [`RepackError::Store`].
    pub fn new(store: &'s Store) -> Result<Self, RepackError> {
        let writer = store.blob_writer().map_err(|source| RepackError::Store { source })?;
        // Neither a time nor a name goes into the gzip header.
        let encoder = flate2::GzBuilder::new().write(writer, flate2::Compression::new(6));
        Ok(Self { store, encoder, diff_id: Hasher::new(Algorithm::Sha256) })
    }

    /// Ends the layer and stores the image that has it on top of `base`.
    ///
    /// # Errors
    /// [`RepackError`].
    pub fn finish(self, base: &StoredImage, note: &LayerNote) -> Result<Descriptor, RepackError> {
        let writer = self.encoder.finish().map_err(|source| RepackError::Write { source })?;
        let stored = |source| RepackError::Store { source };
        let (digest, size) = writer.publish().map_err(stored)?;
        let diff_id = self.diff_id.finish();
        let mut manifest = parse(&base.manifest, "manifest")?;
        let media_type = base.target.media_type.as_str();
        let docker = media_type.starts_with("application/vnd.docker.");
        let layer_type = if docker {
            "application/vnd.docker.image.rootfs.diff.tar.gzip"
        } else {
            "application/vnd.oci.image.layer.v1.tar+gzip"
        };
        let config = add_to_config(&base.config, &diff_id, note)?;
        let form = || RepackError::Form { what: "manifest" };
        let config_type = manifest.pointer("/config/mediaType").and_then(Value::as_str);
        let config_type = config_type.ok_or_else(form)?.to_owned();
        let config = self.store.put_blob(&config_type, &config).map_err(stored)?;
        manifest["config"] = json!({"mediaType": config_type, "digest": config.digest.to_string(), "size": config.size});
        let layers = manifest.get_mut("layers").and_then(Value::as_array_mut).ok_or_else(form)?;
        layers.push(json!({"mediaType": layer_type, "digest": digest.to_string(), "size": size}));
        let bytes = serde_json::to_vec(&manifest).expect("a value is always serialisable");
        self.store.put_blob(media_type, &bytes).map_err(stored)
    }
}

impl Write for LayerSink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.encoder.write(bytes)?;
        self.diff_id.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}

fn add_to_config(
    config: &[u8],
    diff_id: &Digest,
    note: &LayerNote,
) -> Result<Vec<u8>, RepackError> {
    let form = || RepackError::Form { what: "configuration" };
    let mut config = parse(config, "configuration")?;
    let diff_ids = config.pointer_mut("/rootfs/diff_ids").and_then(Value::as_array_mut);
    diff_ids.ok_or_else(form)?.push(diff_id.to_string().into());
    let entry = json!({"created": note.created, "created_by": note.created_by});
    match config.get_mut("history") {
        Some(Value::Array(history)) => history.push(entry),
        None | Some(Value::Null) => config["history"] = json!([entry]),
        Some(_) => return Err(form()),
    }
    config["created"] = note.created.clone().into();
    Ok(serde_json::to_vec(&config).expect("a value is always serialisable"))
}

fn parse(bytes: &[u8], what: &'static str) -> Result<Value, RepackError> {
    let value = serde_json::from_slice(bytes).ok().filter(Value::is_object);
    value.ok_or(RepackError::Form { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_configuration_holds_otherwise_stays() {
        let config = br#"{"architecture":"amd64","os":"linux","x-own":[1],"config":{"Cmd":["a"]},
            "rootfs":{"type":"layers","diff_ids":["sha256:aa"]}}"#;
        let note = LayerNote { created: "2020-01-01T00:00:00Z".into(), created_by: "test".into() };
        let new = add_to_config(config, &Digest::of(b"x"), &note).unwrap();
        let new: Value = serde_json::from_slice(&new).unwrap();
        assert_eq!(new["x-own"], json!([1]));
        assert_eq!(new["rootfs"]["diff_ids"], json!(["sha256:aa", Digest::of(b"x").to_string()]));
        assert_eq!(new["history"][0]["created_by"], "test");
        assert!(add_to_config(b"[]", &Digest::of(b"x"), &note).is_err());
        assert!(add_to_config(b"{}", &Digest::of(b"x"), &note).is_err());
    }
}
