//! A layer of changes on top of an image makes a new image: blob, configuration, manifest.
//!
//! The base's manifest and configuration are edited as JSON, so that whatever else they hold
//! stays. The bytes depend only on the base, the changes and the given time.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::digest::{Algorithm, Digest, Hasher};
use crate::image::{Descriptor, media};
use crate::layer::gzip_encoder;
use crate::snapshot::{StoredImage, StoredImageError};
use crate::store::{Lease, Store, StoreError};

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

/// What becomes of the layers that an image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The new one goes on top of them.
    OnTop,
    /// The new one takes their place, and the history starts anew.
    Alone,
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
    lease: &'s Lease,
    encoder: flate2::write::GzEncoder<crate::store::BlobWriter>,
    diff_id: Hasher,
}

impl std::fmt::Debug for LayerSink<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LayerSink").finish_non_exhaustive()
    }
}

impl<'s> LayerSink<'s> {
    /// Starts a layer; the lease keeps it until the image has a name.
    ///
    /// # Errors
    /// [`RepackError::Store`].
    pub fn new(store: &Store, lease: &'s Lease) -> Result<Self, RepackError> {
        let writer = store.blob_writer().map_err(|source| RepackError::Store { source })?;
        let encoder = gzip_encoder(writer);
        Ok(Self { lease, encoder, diff_id: Hasher::new(Algorithm::Sha256) })
    }

    /// Ends the layer and stores the image that `base` becomes with it.
    ///
    /// # Errors
    /// [`RepackError`].
    pub fn finish(
        self,
        base: &StoredImage,
        placement: Placement,
        note: &LayerNote,
    ) -> Result<Descriptor, RepackError> {
        let writer = self.encoder.finish().map_err(|source| RepackError::Write { source })?;
        let stored = |source| RepackError::Store { source };
        let (digest, size) = self.lease.publish(writer).map_err(stored)?;
        let diff_id = self.diff_id.finish();
        let mut manifest = parse(&base.manifest, "manifest")?;
        let media_type = base.target.media_type.as_str();
        let docker = media_type.starts_with("application/vnd.docker.");
        let layer_type = if docker { media::DOCKER_LAYER_GZIP } else { media::OCI_LAYER_GZIP };
        let config = add_to_config(&base.config, &diff_id, placement, note)?;
        let form = || RepackError::Form { what: "manifest" };
        let config_type = manifest.pointer("/config/mediaType").and_then(Value::as_str);
        let config_type = config_type.ok_or_else(form)?.to_owned();
        let config = self.lease.put(&config_type, &config).map_err(stored)?;
        manifest["config"] = json!({"mediaType": config_type, "digest": config.digest.to_string(), "size": config.size});
        let layers = manifest.get_mut("layers").and_then(Value::as_array_mut).ok_or_else(form)?;
        if placement == Placement::Alone {
            layers.clear();
        }
        layers.push(json!({"mediaType": layer_type, "digest": digest.to_string(), "size": size}));
        let bytes = serde_json::to_vec(&manifest).expect("a value is always serialisable");
        self.lease.put(media_type, &bytes).map_err(stored)
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
    placement: Placement,
    note: &LayerNote,
) -> Result<Vec<u8>, RepackError> {
    let form = || RepackError::Form { what: "configuration" };
    let mut config = parse(config, "configuration")?;
    let diff_ids = config.pointer_mut("/rootfs/diff_ids").and_then(Value::as_array_mut);
    let diff_ids = diff_ids.ok_or_else(form)?;
    if placement == Placement::Alone {
        diff_ids.clear();
    }
    let layers = diff_ids.len();
    diff_ids.push(diff_id.to_string().into());
    if placement == Placement::Alone {
        config["history"] = Value::Null;
    }
    let entry = json!({"created": note.created, "created_by": note.created_by});
    let mut history = match config["history"].take() {
        Value::Array(history) => history,
        Value::Null => Vec::new(),
        _ => return Err(form()),
    };
    pad_history(&mut history, layers);
    history.push(entry);
    config["history"] = history.into();
    config["created"] = note.created.clone().into();
    Ok(serde_json::to_vec(&config).expect("a value is always serialisable"))
}

/// Adds what a history lacks, so that it tells of every layer once it tells of a new one.
pub(crate) fn pad_history(history: &mut Vec<Value>, layers: usize) {
    let is_layer = |entry: &&Value| entry.get("empty_layer") != Some(&Value::Bool(true));
    let told = history.iter().filter(is_layer).count();
    for _ in told..layers {
        history.push(json!({"comment": "a layer without history"}));
    }
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
        let new = add_to_config(config, &Digest::of(b"x"), Placement::OnTop, &note).unwrap();
        let new: Value = serde_json::from_slice(&new).unwrap();
        assert_eq!(new["x-own"], json!([1]));
        assert_eq!(new["rootfs"]["diff_ids"], json!(["sha256:aa", Digest::of(b"x").to_string()]));
        assert_eq!(new["history"][1]["created_by"], "test", "the layer before has its entry too");
        assert!(add_to_config(b"[]", &Digest::of(b"x"), Placement::OnTop, &note).is_err());
        assert!(add_to_config(b"{}", &Digest::of(b"x"), Placement::OnTop, &note).is_err());
    }
}
