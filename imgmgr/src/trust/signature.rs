//! Cosign's signatures: a manifest under the tag `sha256-<hex>.sig`, whose layers are payloads in
//! the simple signing format, each with its signature as an annotation.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use crate::digest::Digest;
use crate::image::Manifest;
use crate::registry::{FailureKind, RegistryError, Remote};

/// The media type of a payload.
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation of a payload that holds its signature, in base64.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// What every payload calls itself.
const PAYLOAD_KIND: &str = "cosign container image signature";
/// Most signatures of one image that are looked at.
const MAX_SIGNATURES: usize = 100;
/// Most bytes of a payload.
const MAX_PAYLOAD_BYTES: u64 = 1 << 20;

/// A payload and its signature, neither to be believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The bytes that were signed.
    pub payload: Vec<u8>,
    /// The signature over them.
    pub signature: Vec<u8>,
}

/// What a payload says, to be believed once its signature is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The manifest that was signed.
    pub digest: Digest,
    /// What the signer called it.
    pub reference: String,
}

/// The tag of an image's signatures.
#[must_use]
pub fn signature_tag(digest: &Digest) -> String {
    format!("{}-{}.sig", digest.algorithm().name(), digest.hex())
}

impl Signature {
    /// Fetches the signatures of the manifest `digest`; empty if there are none.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn fetch(remote: &Remote, digest: &Digest) -> Result<Vec<Self>, RegistryError> {
        let fetched = match remote.manifest(&signature_tag(digest)).await {
            Ok(fetched) => fetched,
            Err(error) if error.kind() == FailureKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let Manifest::Image(manifest) = fetched.manifest else { return Ok(Vec::new()) };
        let mut signatures = Vec::new();
        for layer in manifest.layers.iter().take(MAX_SIGNATURES) {
            let text = layer.annotation(SIGNATURE).filter(|_| layer.media_type == PAYLOAD);
            let Some(signature) = text.and_then(|text| BASE64_STANDARD.decode(text).ok()) else {
                continue;
            };
            let payload = remote.blob(layer, MAX_PAYLOAD_BYTES).await?;
            signatures.push(Self { payload, signature });
        }
        Ok(signatures)
    }

    /// Reads what the payload claims.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn claim(&self) -> Result<Claim, &'static str> {
        let wire: WirePayload =
            serde_json::from_slice(&self.payload).map_err(|_| "its payload is not valid")?;
        let WireCritical { identity, image, kind } = wire.critical;
        if kind != PAYLOAD_KIND {
            return Err("its payload is not that of an image's signature");
        }
        let digest = image.digest.parse().map_err(|_| "its payload names no digest")?;
        Ok(Claim { digest, reference: identity.reference })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePayload {
    critical: WireCritical,
    #[serde(rename = "optional", default)]
    _optional: serde::de::IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCritical {
    identity: WireIdentity,
    image: WireImage,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireIdentity {
    #[serde(rename = "docker-reference")]
    reference: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireImage {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_payloads_claim_something() {
        let digest = Digest::of(b"x");
        let claim = |payload: &str| {
            Signature { payload: payload.as_bytes().to_vec(), signature: Vec::new() }.claim()
        };
        let good = format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"r.io/a"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"{PAYLOAD_KIND}"}},"optional":null}}"#
        );
        assert_eq!(claim(&good).unwrap(), Claim { digest, reference: "r.io/a".to_owned() });
        for (from, to) in [
            ("cosign container", "atomic"),
            ("docker-manifest-digest", "digest"),
            ("\"identity\"", "\"extra\":1,\"identity\""),
            ("sha256:", "md5:"),
            ("null}", "null"),
        ] {
            assert!(claim(&good.replacen(from, to, 1)).is_err(), "{from}");
        }
    }
}
