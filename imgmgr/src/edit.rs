//! New images out of old ones: edited configurations and appended layers.
//!
//! Edits work on the JSON of a configuration, so that fields unknown here survive. The result is a
//! new manifest; the old one stays. Given a fixed time, the result is the same bytes every time.

mod layer;

use std::io::Read;

use serde_json::{Map, Value, json};

use crate::digest::Digest;
use crate::image::{
    Annotations, ConfigError, Descriptor, ImageManifest, MAX_CONFIG_BYTES, MAX_LAYERS, Manifest,
    Platform, media,
};
use crate::layer::{Compression, LayerError};
use crate::store::{Lease, Store, StoreError};
use layer::NewLayer;

/// Why an image could not be edited.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// In the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The image is an index or an artifact.
    #[error("`{digest}` is no image of one platform")]
    NotAnImage {
        /// What it is.
        digest: Digest,
    },
    /// The configuration is not JSON of the right shape.
    #[error("the image configuration can't be edited")]
    Config {
        /// Why.
        source: ConfigError,
    },
    /// The layer can't be read or decompressed, or is no tar that could be unpacked.
    #[error(transparent)]
    Layer {
        /// Why.
        source: LayerError,
    },
    /// The layer is compressed as no layer may be.
    #[error("it is compressed by {name}; a layer is a tar, plain or compressed by gzip or zstd")]
    Compression {
        /// By what.
        name: &'static str,
    },
    /// Not even the end of a tar.
    #[error("it is empty")]
    EmptyLayer,
    /// The image would have more layers than any may have.
    #[error("the image has {MAX_LAYERS} layers already")]
    TooManyLayers,
}

type Result<T> = std::result::Result<T, EditError>;

/// One change of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Sets a text within `config`: `User`, `WorkingDir`, `StopSignal`.
    SetRun(&'static str, String),
    /// Replaces a list within `config`: `Entrypoint`, `Cmd`.
    SetList(&'static str, Vec<String>),
    /// Adds to a list of `NAME=value`, in place of the same name: `Env`.
    SetPair(&'static str, String),
    /// Adds a key to a set within `config`: `ExposedPorts`, `Volumes`.
    AddKey(&'static str, String),
    /// Sets a label.
    SetLabel(String, String),
    /// Removes a field within `config`.
    ClearRun(&'static str),
    /// Sets a text at the top: `author`, `architecture`, `os`, `created`, `variant`.
    SetTop(&'static str, String),
    /// Sets an annotation of the manifest.
    Annotate(String, String),
}

/// Says how a change came about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// When, RFC 3339.
    pub created: String,
    /// By which command.
    pub created_by: String,
    /// A remark.
    pub comment: Option<String>,
}

/// An image taken apart, to be put together again.
struct Draft {
    manifest: ImageManifest,
    config: Value,
}

impl Draft {
    fn of(store: &Store, target: &Descriptor) -> Result<Self> {
        let not_an_image = || EditError::NotAnImage { digest: target.digest.clone() };
        let (_, Manifest::Image(manifest)) = store.manifest(target)? else {
            return Err(not_an_image());
        };
        if !manifest.is_image() {
            return Err(not_an_image());
        }
        let bytes = store.read_blob(&manifest.config, MAX_CONFIG_BYTES)?;
        let config = serde_json::from_slice(&bytes)
            .map_err(|source| EditError::Config { source: ConfigError::Syntax { source } })?;
        Ok(Self { manifest: *manifest, config })
    }

    fn empty(platform: &Platform) -> Self {
        let nothing = Descriptor::of(media::OCI_CONFIG, b"{}");
        let mut config = json!({
            "architecture": platform.architecture,
            "os": platform.os,
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": [] },
            "history": [],
        });
        if let Some(variant) = &platform.variant {
            config["variant"] = json!(variant);
        }
        let manifest = ImageManifest {
            schema_version: 2,
            media_type: Some(media::OCI_MANIFEST.to_owned()),
            artifact_type: None,
            config: nothing,
            layers: Vec::new(),
            subject: None,
            annotations: None,
        };
        Self { manifest, config }
    }

    fn top(&mut self) -> &mut Map<String, Value> {
        as_object(&mut self.config)
    }

    fn run(&mut self) -> &mut Map<String, Value> {
        as_object(self.top().entry("config").or_insert(Value::Null))
    }

    fn record(&mut self, step: &Step, empty_layer: bool) {
        let mut entry = json!({ "created": step.created, "created_by": step.created_by });
        if let Some(comment) = &step.comment {
            entry["comment"] = json!(comment);
        }
        if empty_layer {
            entry["empty_layer"] = json!(true);
        }
        let layers = self.config["rootfs"]["diff_ids"].as_array().map_or(0, Vec::len);
        let history = as_array(self.top().entry("history").or_insert(Value::Null));
        // A new layer's diff ID is there already.
        crate::repack::pad_history(history, layers.saturating_sub(usize::from(!empty_layer)));
        history.push(entry);
        self.top().insert("created".to_owned(), json!(step.created));
    }

    /// Turns docker's media types into OCI's.
    fn become_oci(&mut self) {
        for layer in &mut self.manifest.layers {
            layer.media_type = media::oci_layer(&layer.media_type).to_owned();
        }
        self.manifest.config.media_type = media::OCI_CONFIG.to_owned();
        self.manifest.media_type = Some(media::OCI_MANIFEST.to_owned());
    }

    fn store(mut self, lease: &Lease) -> Result<Descriptor> {
        let bytes = serde_json::to_vec(&self.config).expect("a JSON value serialises");
        let kind = self.manifest.config.media_type.clone();
        self.manifest.config = lease.put(&kind, &bytes)?;
        let kind = self.manifest.media_type.clone();
        let kind = kind.as_deref().unwrap_or(media::OCI_MANIFEST);
        Ok(lease.put(kind, &self.manifest.to_bytes())?)
    }
}

/// A value as an object; what is none, docker's `null` above all, becomes an empty one.
fn as_object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it was just made one")
}

fn as_array(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().expect("it was just made one")
}

/// Makes an image with an edited configuration and one more step in its history.
///
/// # Errors
/// [`EditError`].
pub fn edit_config(
    store: &Store,
    lease: &Lease,
    target: &Descriptor,
    edits: &[Edit],
    step: &Step,
) -> Result<Descriptor> {
    let mut draft = Draft::of(store, target)?;
    draft.record(step, true);
    for edit in edits {
        apply(&mut draft, edit);
    }
    draft.store(lease)
}

fn apply(draft: &mut Draft, edit: &Edit) {
    match edit {
        Edit::SetRun(key, value) => drop(draft.run().insert((*key).to_owned(), json!(value))),
        Edit::SetList(key, values) => drop(draft.run().insert((*key).to_owned(), json!(values))),
        Edit::SetPair(key, pair) => {
            let name = pair.split_once('=').map_or(pair.as_str(), |(name, _)| name);
            let list = as_array(draft.run().entry(*key).or_insert(Value::Null));
            let same = |known: &Value| {
                known
                    .as_str()
                    .and_then(|known| known.split_once('='))
                    .is_some_and(|(n, _)| n == name)
            };
            match list.iter_mut().find(|known| same(known)) {
                Some(known) => *known = json!(pair),
                None => list.push(json!(pair)),
            }
        }
        Edit::AddKey(key, member) => {
            let set = as_object(draft.run().entry(*key).or_insert(Value::Null));
            set.insert(member.clone(), json!({}));
        }
        Edit::SetLabel(name, value) => {
            let labels = as_object(draft.run().entry("Labels").or_insert(Value::Null));
            labels.insert(name.clone(), json!(value));
        }
        Edit::ClearRun(key) => drop(draft.run().remove(*key)),
        Edit::SetTop(key, value) => drop(draft.top().insert((*key).to_owned(), json!(value))),
        Edit::Annotate(name, value) => {
            let annotations: &mut Annotations =
                draft.manifest.annotations.get_or_insert_with(Annotations::new);
            annotations.insert(name.clone(), value.clone());
        }
    }
}

/// Makes an image with one more layer: a tar stream, plain, gzip or zstd.
///
/// # Errors
/// [`EditError`].
pub fn append_layer(
    store: &Store,
    lease: &Lease,
    target: &Descriptor,
    layer: impl Read,
    step: &Step,
) -> Result<Descriptor> {
    append(store, lease, Draft::of(store, target)?, layer, step)
}

/// Makes an image of one layer.
///
/// # Errors
/// [`EditError`].
pub fn import(
    store: &Store,
    lease: &Lease,
    platform: &Platform,
    layer: impl Read,
    step: &Step,
) -> Result<Descriptor> {
    append(store, lease, Draft::empty(platform), layer, step)
}

fn append(
    store: &Store,
    lease: &Lease,
    mut draft: Draft,
    stream: impl Read,
    step: &Step,
) -> Result<Descriptor> {
    if draft.manifest.layers.len() >= MAX_LAYERS {
        return Err(EditError::TooManyLayers);
    }
    let NewLayer { compression, digest, size, diff_id } = layer::take_in(store, lease, stream)?;
    if compression == Compression::Zstd {
        // docker's manifests know no such layers.
        draft.become_oci();
    }
    let docker = draft.manifest.media_type.as_deref() == Some(media::DOCKER_MANIFEST);
    let kind = match compression {
        Compression::None if docker => media::DOCKER_LAYER,
        Compression::None => media::OCI_LAYER,
        Compression::Gzip if docker => media::DOCKER_LAYER_GZIP,
        Compression::Gzip => media::OCI_LAYER_GZIP,
        Compression::Zstd => media::OCI_LAYER_ZSTD,
    };
    draft.manifest.layers.push(Descriptor::new(kind, digest, size));
    let rootfs = as_object(draft.top().entry("rootfs").or_insert(Value::Null));
    as_array(rootfs.entry("diff_ids").or_insert(Value::Null)).push(json!(diff_id));
    draft.record(step, false);
    draft.store(lease)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::store::{Durability, ImageEntry};

    fn step() -> Step {
        let created = "2024-01-02T03:04:05Z".to_owned();
        Step { created, created_by: "test".to_owned(), comment: None }
    }

    #[test]
    fn imported_appended_and_edited_images_are_valid() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open_real(&directory.path().join("s"), Durability::NoSync).unwrap();
        let lease = store.lease().unwrap();
        let tar = tar::Builder::new(Vec::new()).into_inner().unwrap();
        let platform: Platform = "linux/arm/v7".parse().unwrap();
        let first = import(&store, &lease, &platform, &*tar, &step()).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar).unwrap();
        let gzip = gzip.finish().unwrap();
        let second = append_layer(&store, &lease, &first, &*gzip, &step()).unwrap();
        let edits = [
            Edit::SetPair("Env", "A=1".to_owned()),
            Edit::SetPair("Env", "A=2".to_owned()),
            Edit::SetList("Cmd", vec!["sh".to_owned()]),
            Edit::AddKey("Volumes", "/data".to_owned()),
            Edit::SetLabel("l".to_owned(), "v".to_owned()),
            Edit::Annotate("a".to_owned(), "b".to_owned()),
        ];
        let third = edit_config(&store, &lease, &second, &edits, &step()).unwrap();
        let again = edit_config(&store, &lease, &second, &edits, &step()).unwrap();
        assert_eq!(third, again, "the same edits give the same bytes");
        store.tag(&ImageEntry::new("r.io/a:1", third.clone())).unwrap();
        assert_eq!(store.validate(Some("r.io/a:1"), &()).unwrap(), []);
        let (_, Manifest::Image(image)) = store.manifest(&third).unwrap() else { panic!() };
        let (_, config) = store.image_config(&image.config).unwrap();
        assert_eq!(config.rootfs.diff_ids, [Digest::of(&tar), Digest::of(&tar)]);
        assert_eq!(config.config.env, ["A=2"]);
        let entry = store.resolve("r.io/a:1").unwrap();
        let layers = (tar.len() + gzip.len()) as u64;
        assert_eq!(entry.size, Some(third.size + image.config.size + layers));
        assert_eq!(entry.created, Some(step().created));
        assert_eq!(config.history.len(), 3);
        assert_eq!(config.platform().to_string(), "linux/arm/v7");
    }
}
