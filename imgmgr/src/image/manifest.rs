//! Manifests and indexes, OCI and docker schema 2.

use serde::{Deserialize, Serialize};

use super::{Annotations, Descriptor, media};

/// The largest manifest or index that is read; registries accept at most this (4 MiB).
pub const MAX_MANIFEST_BYTES: u64 = 4 << 20;
/// The most layers of one image. Overlayfs itself takes 500, docker 127.
pub const MAX_LAYERS: usize = 1000;
/// The most entries of one index.
pub const MAX_INDEX_ENTRIES: usize = 10_000;
/// The empty JSON object that stands for "no configuration", image-spec 1.1 manifest.md.
pub const EMPTY_JSON: &[u8] = b"{}";

/// A manifest of one image or artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    /// Always 2.
    pub schema_version: u32,
    /// Optional in OCI, required by docker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of artifact this is, if it is not an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    #[serde(default)]
    pub layers: Vec<Descriptor>,
    /// The manifest this one says something about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free text by key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
}

/// An OCI index or docker manifest list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// Optional in OCI, required by docker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What kind of artifact this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The manifests, in order of preference.
    pub manifests: Vec<Descriptor>,
    /// The manifest this one says something about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free text by key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Annotations>,
}

impl Index {
    /// Makes an OCI index of `manifests`.
    pub fn of(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(media::OCI_INDEX.to_owned()),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: None,
        }
    }
}

/// Either of the two things a manifest digest can name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manifest {
    /// One image or artifact.
    Image(Box<ImageManifest>),
    /// Several, by platform or otherwise.
    Index(Box<Index>),
}

/// Why a manifest was refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Longer than [`MAX_MANIFEST_BYTES`].
    #[error("the manifest is {0} bytes long; the limit is {MAX_MANIFEST_BYTES}")]
    TooLarge(u64),
    /// Not JSON, or not of a manifest's shape.
    #[error("the manifest is not valid")]
    Syntax {
        /// Line, column and what was expected.
        source: serde_json::Error,
    },
    /// Docker's schema 1, which no registry serves any more, or something from the future.
    #[error("manifest schema version {0} is not supported, only 2")]
    SchemaVersion(u64),
    /// A media type that is neither a manifest nor an index.
    #[error("`{0}` is not a manifest's media type")]
    MediaType(String),
    /// `Content-Type` or descriptor says one thing, the document another.
    #[error("the manifest calls itself `{inner}` but was announced as `{outer}`")]
    TypeConflict {
        /// From the `mediaType` field.
        inner: String,
        /// From the descriptor or header.
        outer: String,
    },
    /// Both `manifests` and `layers`: readers would disagree about what this is (CVE-2021-41190).
    #[error("the document has both `manifests` and `layers`/`config`, so it is ambiguous")]
    Ambiguous,
    /// More than [`MAX_LAYERS`] or [`MAX_INDEX_ENTRIES`].
    #[error("{what}: {count}, the limit is {limit}")]
    TooMany {
        /// `layers` or `index entries`.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
}

/// The fields that decide what a document is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    #[serde(default)]
    schema_version: u64,
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
}

impl Manifest {
    /// Parses a manifest or index; `media_type` is what the descriptor or `Content-Type` said,
    /// if anything. The bytes are already verified where a digest was known.
    ///
    /// # Errors
    /// [`ManifestError`] for everything that a later step could trip over.
    pub fn parse(bytes: &[u8], media_type: Option<&str>) -> Result<Self, ManifestError> {
        if bytes.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge(bytes.len() as u64));
        }
        let syntax = |source| ManifestError::Syntax { source };
        let shape: Shape = serde_json::from_slice(bytes).map_err(syntax)?;
        if shape.schema_version != 2 {
            return Err(ManifestError::SchemaVersion(shape.schema_version));
        }
        if shape.manifests.is_some() && (shape.layers.is_some() || shape.config.is_some()) {
            return Err(ManifestError::Ambiguous);
        }
        let outer = media_type.filter(|t| media::is_index(t) || media::is_manifest(t));
        if let (Some(outer), Some(inner)) = (outer, &shape.media_type)
            && outer != inner
        {
            return Err(ManifestError::TypeConflict {
                inner: inner.clone(),
                outer: outer.to_owned(),
            });
        }
        let is_index = match shape.media_type.as_deref().or(outer) {
            Some(kind) if media::is_index(kind) => true,
            Some(kind) if media::is_manifest(kind) => false,
            Some(kind) => return Err(ManifestError::MediaType(kind.to_owned())),
            None => shape.manifests.is_some(),
        };
        let limit = |what, count, limit| {
            if count > limit { Err(ManifestError::TooMany { what, count, limit }) } else { Ok(()) }
        };
        if is_index {
            let index: Box<Index> = serde_json::from_slice(bytes).map_err(syntax)?;
            limit("index entries", index.manifests.len(), MAX_INDEX_ENTRIES)?;
            Ok(Self::Index(index))
        } else {
            let image: Box<ImageManifest> = serde_json::from_slice(bytes).map_err(syntax)?;
            limit("layers", image.layers.len(), MAX_LAYERS)?;
            Ok(Self::Image(image))
        }
    }

    /// The media type to announce it with: its own, or OCI's.
    pub fn media_type(&self) -> &str {
        match self {
            Self::Image(image) => image.media_type.as_deref().unwrap_or(media::OCI_MANIFEST),
            Self::Index(index) => index.media_type.as_deref().unwrap_or(media::OCI_INDEX),
        }
    }

    /// The manifest this one refers to, for the referrers API.
    pub fn subject(&self) -> Option<&Descriptor> {
        match self {
            Self::Image(image) => image.subject.as_ref(),
            Self::Index(index) => index.subject.as_ref(),
        }
    }

    /// Every blob and manifest this one needs, in the order they are written.
    ///
    /// Foreign layers with `urls` are left out: they stay where these say.
    pub fn children(&self) -> Vec<&Descriptor> {
        match self {
            Self::Image(image) => std::iter::once(&image.config)
                .chain(image.layers.iter().filter(|layer| !layer.is_elsewhere()))
                .collect(),
            Self::Index(index) => index.manifests.iter().collect(),
        }
    }
}

impl ImageManifest {
    /// Whether this is an image that can be unpacked, and not an artifact. Cosign's signatures
    /// have an image's configuration, but none of their layers is one.
    pub fn is_image(&self) -> bool {
        let may_be_layer = |blob: &Descriptor| {
            blob.media_type.contains("layer") || blob.media_type.contains("rootfs")
        };
        media::is_image_config(&self.config.media_type)
            && (self.layers.is_empty() || self.layers.iter().any(may_be_layer))
    }

    /// The artifact type: its own, or its configuration's media type.
    pub fn artifact_kind(&self) -> &str {
        self.artifact_type.as_deref().unwrap_or(&self.config.media_type)
    }

    /// Serialises for a new manifest. Never used on a manifest that came from elsewhere.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers serialise")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn parse(json: &str) -> Result<Manifest, String> {
        Manifest::parse(json.as_bytes(), None).map_err(|error| {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            format!("{error}: {}", source.unwrap_or_default())
        })
    }

    fn descriptor(kind: &str) -> String {
        format!(r#"{{"mediaType":"{kind}","digest":"{DIGEST}","size":0}}"#)
    }

    #[test]
    fn shapes() {
        let config = descriptor(media::OCI_CONFIG);
        let image = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{config}]}}"#);
        assert!(matches!(parse(&image).unwrap(), Manifest::Image(i) if i.layers.len() == 1));
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{config}]}}"#);
        assert!(matches!(parse(&index).unwrap(), Manifest::Index(_)));
        assert!(Manifest::parse(image.as_bytes(), Some("text/html")).is_ok());
        assert!(Manifest::parse(image.as_bytes(), Some(media::OCI_INDEX)).is_err());
    }

    #[test]
    fn refusals() {
        let config = descriptor(media::OCI_CONFIG);
        for (json, reason) in [
            ("<html>".to_owned(), "not valid"),
            ("{}".to_owned(), "schema version 0"),
            (r#"{"schemaVersion":1,"fsLayers":[]}"#.to_owned(), "schema version 1"),
            (format!(r#"{{"schemaVersion":2,"manifests":[],"config":{config}}}"#), "ambiguous"),
            (r#"{"schemaVersion":2,"mediaType":"text/html"}"#.to_owned(), "text/html"),
            (format!(r#"{{"schemaVersion":2,"config":{}}}"#, config.replace(":0", ":-1")), "valid"),
            (format!(r#"{{"schemaVersion":2,"config":{}}}"#, config.replace("e3b", "../")), "hex"),
            (format!("{{\"a\":{}", "[".repeat(100_000)), "not valid"),
        ] {
            let error = parse(&json).unwrap_err();
            assert!(error.contains(reason), "{error} should name {reason}");
        }
        let layers = vec![descriptor(media::OCI_LAYER); MAX_LAYERS + 1].join(",");
        let many = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layers}]}}"#);
        assert!(parse(&many).unwrap_err().contains("the limit is 1000"));
    }
}
