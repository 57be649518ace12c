//! Whether the blobs of an image's layers are what media types and diff IDs say.

use crate::digest::Digest;
use crate::image::{Descriptor, ImageManifest, media};
use crate::layer::{Cancel, LayerDescriptor, LayerError, LayerLimits, pipeline, scan};
use crate::progress::{BlobState, Counted};
use crate::store::Store;

use super::Findings;

/// Docker's own specification of its manifests.
const DOCKER_SECTION: &str = "distribution, manifest-v2-2.md";
const LAYER_SECTION: &str = "layer.md";
const DIGEST_SECTION: &str = "descriptor.md#digests";
const MEDIA_TYPE_SECTION: &str = "descriptor.md#properties";
const DIFF_ID_SECTION: &str = "config.md#layer-diffid";

impl Store {
    /// Reads every layer to its end: digest, compression, diff ID, and each entry of the tar.
    /// `diff_ids` has one for each layer, or is empty where the configuration has another number.
    pub(super) fn validate_layers(
        &self,
        layers: &[Descriptor],
        diff_ids: &[Digest],
        findings: &mut Findings<'_>,
    ) {
        for (index, layer) in layers.iter().enumerate() {
            // What has another name for a type (encrypted layers) can't be read.
            if media::is_layer(&layer.media_type) && !media::is_foreign(&layer.media_type) {
                self.validate_layer(layer, diff_ids.get(index), findings);
            }
        }
    }

    fn validate_layer(
        &self,
        layer: &Descriptor,
        diff_id: Option<&Digest>,
        findings: &mut Findings<'_>,
    ) {
        // An absent blob is a finding of its own.
        let Ok(blob) = self.open_blob(&layer.digest) else { return };
        let seen = (layer.digest.clone(), layer.media_type.clone(), diff_id.cloned());
        if !findings.layers.insert(seen) {
            return;
        }
        let progress = findings.progress;
        progress.state(layer, BlobState::Moving { resumed: 0 });
        let described = LayerDescriptor {
            media_type: layer.media_type.clone(),
            digest: layer.digest.clone(),
            size: layer.size,
            diff_id: diff_id.cloned(),
        };
        let read = pipeline::follow(
            Counted::new(blob, progress.counter(layer)),
            &described,
            &LayerLimits::default(),
            &Cancel::default(),
            |tar| scan(tar, &LayerLimits::default()),
            LayerError::is_of_the_bytes,
        );
        progress.state(layer, if read.is_ok() { BlobState::Done } else { BlobState::Failed });
        if let Err(error) = read {
            findings.add(&layer.digest, section(&error), with_cause(&error));
        }
    }
}

fn section(error: &LayerError) -> &'static str {
    match error {
        LayerError::Size { .. } | LayerError::Digest { .. } => DIGEST_SECTION,
        LayerError::Magic { .. } => MEDIA_TYPE_SECTION,
        LayerError::DiffId { .. } => DIFF_ID_SECTION,
        _ => LAYER_SECTION,
    }
}

fn with_cause(error: &LayerError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

/// Looks for media types that docker's manifests have no place for.
pub(super) fn validate_docker(place: &str, image: &ImageManifest, findings: &mut Findings<'_>) {
    if image.media_type.as_deref() != Some(media::DOCKER_MANIFEST) {
        return;
    }
    for part in image.layers.iter().chain([&image.config]) {
        if !part.media_type.starts_with("application/vnd.docker.") {
            let reason = format!("`{}` in a manifest of docker's", part.media_type);
            findings.add(place, DOCKER_SECTION, reason);
        }
    }
}
