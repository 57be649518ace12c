//! Checks an image or a whole layout against the OCI image-spec 1.1.
//!
//! `fsck` asks whether the store kept its promises; this asks whether what was stored is what the
//! specification allows: media types, digests, sizes, shapes, layer counts, annotations, and the layers
//! themselves.

mod layers;

use std::collections::HashSet;
use std::fmt;
use std::fs;

use serde_json::Value;

use crate::digest::Digest;
use crate::image::{Descriptor, ImageManifest, Manifest, media};
use crate::progress::Progress;
use crate::rfc3339::is_rfc3339;
use crate::toc;

use super::walk::Visit;
use super::{Result, Store, StoreError};

/// Where the two formats of a table of contents are described, each by its own project.
const TOC_SECTION: &str = "zstd:chunked, eStargz";

/// Something that the specification does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where: a file or digest.
    pub place: String,
    /// The section of the specification.
    pub section: &'static str,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.place, self.reason, self.section)
    }
}

struct Findings<'p> {
    found: Vec<Finding>,
    progress: &'p dyn Progress,
    /// What was read as a layer, each with the media type and diff ID that it was compared with.
    layers: HashSet<(Digest, String, Option<Digest>)>,
    /// The listings of layers whose tables of contents were looked at.
    tocs: HashSet<String>,
}

impl<'p> Findings<'p> {
    fn new(progress: &'p dyn Progress) -> Self {
        Self { found: Vec::new(), progress, layers: HashSet::new(), tocs: HashSet::new() }
    }

    fn was_read(&self, blob: &Descriptor) -> bool {
        self.layers.iter().any(|(digest, ..)| *digest == blob.digest)
    }

    fn add(&mut self, place: impl fmt::Display, section: &'static str, reason: impl Into<String>) {
        let finding = Finding { place: place.to_string(), section, reason: reason.into() };
        if !self.found.contains(&finding) {
            self.found.push(finding);
        }
    }
}

impl Store {
    /// Validates the image `name`, or the whole layout; the result is empty for a valid one.
    ///
    /// # Errors
    /// If it can't be found or read at all.
    pub fn validate(&self, name: Option<&str>, progress: &dyn Progress) -> Result<Vec<Finding>> {
        let mut findings = Findings::new(progress);
        self.validate_layout(&mut findings);
        let entries = match name {
            Some(name) => vec![self.find(Some(name))?],
            None => self.entries()?,
        };
        for entry in entries {
            self.validate_descriptor(&entry.target, "index.json", &mut findings);
            let walked = self.walk(&entry.target, &mut |visit| {
                match visit {
                    Visit::Manifest(at, manifest) => {
                        self.validate_manifest(&at, &manifest, &mut findings)
                    }
                    Visit::Blob(blob) => self.validate_blob(&blob, &mut findings),
                    Visit::Absent(at) => {
                        findings.add(at.digest, "image-layout.md#blobs", "the blob is not there");
                    }
                }
                Ok(())
            });
            match walked {
                Ok(()) => {}
                Err(StoreError::Manifest { digest, source }) => {
                    let cause = std::error::Error::source(&source).map(|c| format!(": {c}"));
                    let reason = format!("{source}{}", cause.unwrap_or_default());
                    findings.add(digest, "manifest.md", reason);
                }
                Err(StoreError::Mismatch(mismatch)) => {
                    findings.add(
                        &entry.target.digest,
                        "descriptor.md#digests",
                        mismatch.to_string(),
                    );
                }
                Err(error) => return Err(error),
            }
        }
        Ok(findings.found)
    }

    fn validate_layout(&self, findings: &mut Findings<'_>) {
        let section = "image-layout.md#oci-layout-file";
        let version = fs::read(self.root.join("oci-layout")).ok().and_then(|bytes| {
            let layout: Value = serde_json::from_slice(&bytes).ok()?;
            Some(layout.get("imageLayoutVersion")?.as_str()?.to_owned())
        });
        match version.as_deref() {
            Some("1.0.0") => {}
            Some(other) => findings.add("oci-layout", section, format!("version `{other}`")),
            None => findings.add("oci-layout", section, "no imageLayoutVersion"),
        }
        if !self.root.join("blobs").is_dir() {
            findings.add("blobs", "image-layout.md#blobs", "the directory is absent");
        }
    }

    fn validate_descriptor(&self, at: &Descriptor, place: &str, findings: &mut Findings<'_>) {
        if !is_media_type(&at.media_type) {
            let reason = format!("`{}` is no media type", at.media_type);
            findings.add(place, "descriptor.md#properties", reason);
        }
        for key in at.annotations.iter().flat_map(|annotations| annotations.keys()) {
            if key.is_empty() {
                findings.add(place, "annotations.md#rules", "an annotation's key is empty");
            }
        }
        for url in &at.urls {
            if reqwest::Url::parse(url).is_err() {
                findings.add(place, "descriptor.md#properties", format!("`{url}` is no URL"));
            }
        }
    }

    fn validate_manifest(&self, at: &Descriptor, manifest: &Manifest, findings: &mut Findings<'_>) {
        let place = at.digest.to_string();
        if manifest.media_type() != at.media_type {
            let reason = format!("mediaType is not the descriptor's `{}`", at.media_type);
            findings.add(&place, "descriptor.md#properties", reason);
        }
        if let Some(subject) = manifest.subject() {
            self.validate_descriptor(subject, &place, findings);
        }
        for child in manifest.children() {
            self.validate_descriptor(child, &place, findings);
        }
        match manifest {
            Manifest::Image(image) => self.validate_image(&place, image, findings),
            Manifest::Index(index) => {
                for child in &index.manifests {
                    let platform = child.platform.as_ref();
                    if platform.is_some_and(|p| p.os.is_empty() || p.architecture.is_empty()) {
                        findings.add(
                            &place,
                            "image-index.md",
                            "a platform lacks os or architecture",
                        );
                    }
                }
            }
        }
    }

    fn validate_image(&self, place: &str, image: &ImageManifest, findings: &mut Findings<'_>) {
        if image.config.media_type == media::OCI_EMPTY && image.artifact_type.is_none() {
            let reason = "artifactType must be set when config is the empty descriptor";
            findings.add(place, "manifest.md#image-manifest-property-descriptions", reason);
        }
        if !image.is_image() {
            return;
        }
        for layer in &image.layers {
            let nondistributable = media::is_foreign(&layer.media_type);
            if !(nondistributable || media::is_layer(&layer.media_type)) {
                let reason = format!("`{}` is no layer's media type", layer.media_type);
                findings.add(place, "manifest.md#image-manifest-property-descriptions", reason);
            }
            self.validate_toc(layer, findings);
        }
        layers::validate_docker(place, image, findings);
        let section = "config.md#properties";
        let config = match self.image_config(&image.config) {
            Ok((bytes, config)) => {
                validate_config_json(&bytes, &image.config.digest, findings);
                config
            }
            Err(error) => {
                findings.add(&image.config.digest, section, error.to_string());
                return self.validate_layers(&image.layers, &[], findings);
            }
        };
        let diff_ids = config.diff_ids_for(image.layers.len()).unwrap_or_default();
        self.validate_layers(&image.layers, diff_ids, findings);
        let place = &image.config.digest;
        if config.rootfs.kind != "layers" {
            findings.add(place, section, "rootfs.type must be `layers`");
        }
        if config.architecture.is_empty() || config.os.is_empty() {
            findings.add(place, section, "architecture and os must be set");
        }
        let (layers, ids) = (image.layers.len(), config.rootfs.diff_ids.len());
        if layers != ids {
            findings.add(place, section, format!("{ids} diff_ids for {layers} layers"));
        }
        let steps = config.history.iter().filter(|step| !step.empty_layer).count();
        if !config.history.is_empty() && steps != layers {
            findings.add(place, section, format!("history makes {steps} layers, not {layers}"));
        }
        for env in &config.config.env {
            if !env.contains('=') {
                findings.add(place, section, format!("Env `{env}` is not NAME=value"));
            }
        }
    }

    /// Compares the table of contents of a zstd:chunked or eStargz layer with the layer.
    fn validate_toc(&self, layer: &Descriptor, findings: &mut Findings<'_>) {
        // A blob that is absent or damaged is a finding of its own.
        let Ok(blob) = self.open_blob(&layer.digest) else { return };
        // Many images share a layer, and each look decompresses it twice.
        let annotations = layer.annotations.iter().flatten();
        let listing =
            format!("{} {} {:?}", layer.digest, layer.size, annotations.collect::<Vec<_>>());
        if !findings.tocs.insert(listing) {
            return;
        }
        match toc::check::check(&blob, layer) {
            Ok(lies) => {
                for lie in lies {
                    findings.add(&layer.digest, TOC_SECTION, lie);
                }
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                let reason = format!("{error}{}", cause.unwrap_or_default());
                findings.add(&layer.digest, TOC_SECTION, reason);
            }
        }
    }

    fn validate_blob(&self, blob: &Descriptor, findings: &mut Findings<'_>) {
        match self.has(blob) {
            Ok(true) if findings.was_read(blob) => return,
            Ok(true) => {}
            Ok(false) => {
                return findings.add(
                    &blob.digest,
                    "image-layout.md#blobs",
                    "the blob is not there",
                );
            }
            Err(error) => {
                return findings.add(&blob.digest, "descriptor.md#properties", error.to_string());
            }
        }
        let read = self.open_verified(blob).map(|reader| reader.finish());
        if let Ok(Err(error)) = read {
            findings.add(&blob.digest, "descriptor.md#digests", error.to_string());
        }
    }
}

/// Checks what the typed view forgives: nulls and times.
fn validate_config_json(bytes: &[u8], place: &Digest, findings: &mut Findings<'_>) {
    let Ok(json) = serde_json::from_slice::<Value>(bytes) else { return };
    let times = json.get("history").and_then(Value::as_array).into_iter().flatten();
    for holder in times.chain([&json]) {
        if let Some(time) = holder.get("created").and_then(Value::as_str)
            && !is_rfc3339(time)
        {
            findings.add(place, "config.md#properties", format!("`{time}` is no RFC 3339 time"));
        }
    }
}

/// `type/subtype` of RFC 6838's restricted names.
fn is_media_type(text: &str) -> bool {
    let word = |word: &str| {
        (1..=127).contains(&word.len())
            && word.starts_with(|c: char| c.is_ascii_alphanumeric())
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    text.split_once('/').is_some_and(|(kind, subtype)| word(kind) && word(subtype))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types() {
        assert!(is_media_type(media::OCI_LAYER_GZIP));
        assert!(!is_media_type("layer"));
        assert!(!is_media_type("a/b c"));
    }
}
