//! Manifests: by tag or digest, fetched, put and deleted.

use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use reqwest::{Method, Response};

use crate::digest::{Digest, verify};
use crate::image::{Descriptor, MAX_MANIFEST_BYTES, Manifest, media};

use super::client::Remote;
use super::endpoint::Endpoint;
use super::session::{Ask, read_bounded, shown};
use super::{FailureKind, RegistryError, Result};

const DIGEST_HEADER: HeaderName = HeaderName::from_static("docker-content-digest");
const SUBJECT_HEADER: HeaderName = HeaderName::from_static("oci-subject");

/// A manifest as it came, verified and parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedManifest {
    /// What points at it.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What they say.
    pub manifest: Manifest,
}

impl Remote {
    /// Fetches what a tag or digest names.
    ///
    /// A digest is verified; for a tag the digest is computed, and one that the registry states
    /// must agree with it.
    ///
    /// # Errors
    /// [`RegistryError`]; its `kind` tells absence from refusal.
    pub async fn manifest(&self, selector: &str) -> Result<FetchedManifest> {
        let digest: Option<Digest> = selector.parse().ok();
        let endpoints = if digest.is_some() {
            self.endpoints_for("pull", |can| can.pull)?
        } else {
            self.endpoints_for("resolve tags", |can| can.pull && can.resolve)?
        };
        let digest = digest.as_ref();
        self.first(endpoints, |endpoint| self.manifest_at(endpoint, selector, digest)).await
    }

    /// Fetches a manifest that a descriptor points at.
    ///
    /// # Errors
    /// As [`Remote::manifest`], and if size or type are not the descriptor's.
    pub async fn manifest_of(&self, descriptor: &Descriptor) -> Result<FetchedManifest> {
        let fetched = self.manifest(&descriptor.digest.to_string()).await?;
        let url = self.repository.to_string();
        verify(&fetched.bytes, &descriptor.digest, descriptor.size)
            .map_err(|source| RegistryError::Mismatch { url: url.clone(), source })?;
        Manifest::parse(&fetched.bytes, Some(&descriptor.media_type))
            .map_err(|source| RegistryError::Manifest { url, source })?;
        Ok(FetchedManifest { descriptor: descriptor.clone(), ..fetched })
    }

    async fn manifest_at(
        &self,
        endpoint: &Endpoint,
        selector: &str,
        digest: Option<&Digest>,
    ) -> Result<FetchedManifest> {
        let url = self.client.url(endpoint, &format!("manifests/{selector}")).await?;
        let ask = accepting_manifests(Ask::new(Method::GET, url));
        let response = self.client.send(endpoint, &ask).await?;
        let url = shown(response.url());
        let media_type = content_type(&response);
        let stated = header_digest(&response);
        let bytes = read_bounded(response, MAX_MANIFEST_BYTES).await?;
        let expected = digest.or(stated.as_ref());
        if let Some(expected) = expected {
            verify(&bytes, expected, bytes.len() as u64)
                .map_err(|source| RegistryError::Mismatch { url: url.clone(), source })?;
        }
        let manifest = Manifest::parse(&bytes, media_type.as_deref())
            .map_err(|source| RegistryError::Manifest { url, source })?;
        let digest = expected.cloned().unwrap_or_else(|| Digest::of(&bytes));
        let kind = media_type.filter(|t| media::is_index(t) || media::is_manifest(t));
        let kind = kind.unwrap_or_else(|| manifest.media_type().to_owned());
        let descriptor = Descriptor::new(&kind, digest, bytes.len() as u64);
        Ok(FetchedManifest { descriptor, bytes, manifest })
    }

    /// What a tag or digest names, without fetching it; `None` if there is no such manifest, or
    /// the registry doesn't say its digest and size.
    ///
    /// # Errors
    /// For anything but absence.
    pub async fn head_manifest(&self, selector: &str) -> Result<Option<Descriptor>> {
        let by_digest = selector.parse::<Digest>().is_ok();
        let endpoints = self.endpoints_for("pull", |can| can.pull)?;
        let endpoints =
            endpoints.into_iter().filter(|e| by_digest || e.capabilities.resolve).collect();
        let answer = self
            .first(endpoints, |endpoint| async move {
                let url = self.client.url(endpoint, &format!("manifests/{selector}")).await?;
                let ask = accepting_manifests(Ask::new(Method::HEAD, url));
                self.client.send(endpoint, &ask).await
            })
            .await;
        let response = match answer {
            Ok(response) => response,
            Err(error) if error.kind() == FailureKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let size = response
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let (Some(digest), Some(size), Some(kind)) =
            (header_digest(&response), size, content_type(&response))
        else {
            return Ok(None);
        };
        Ok(Some(Descriptor::new(&kind, digest, size)))
    }

    /// Puts a manifest under a tag or its digest.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn put_manifest(
        &self,
        selector: &str,
        descriptor: &Descriptor,
        bytes: &[u8],
    ) -> Result<()> {
        let endpoint = self.writer()?;
        let url = self.client.url(endpoint, &format!("manifests/{selector}")).await?;
        let ask = Ask::new(Method::PUT, url)
            .actions("pull,push")
            .header(CONTENT_TYPE, &descriptor.media_type)
            .body(|| bytes.to_vec().into());
        let response = self.client.send(endpoint, &ask).await?;
        let url = shown(response.url());
        if let Some(stated) = header_digest(&response)
            && stated != descriptor.digest
        {
            let reason = format!("it stored `{}` as `{stated}`", descriptor.digest);
            return Err(RegistryError::Protocol { url, reason });
        }
        let manifest = Manifest::parse(bytes, Some(&descriptor.media_type));
        if let Some(subject) = manifest.ok().as_ref().and_then(Manifest::subject)
            && !response.headers().contains_key(SUBJECT_HEADER)
        {
            // The registry knows no referrers: keep the list for it, distribution-spec 1.1.
            self.add_fallback_referrer(subject, descriptor, bytes).await?;
        }
        Ok(())
    }

    /// Deletes a tag, or a manifest with all its tags if `selector` is a digest.
    ///
    /// # Errors
    /// [`RegistryError`]; many registries refuse deletion.
    pub async fn delete_manifest(&self, selector: &str) -> Result<()> {
        let endpoint = self.writer()?;
        let url = self.client.url(endpoint, &format!("manifests/{selector}")).await?;
        let ask = Ask::new(Method::DELETE, url).actions("pull,push,delete");
        self.client.send(endpoint, &ask).await.map(drop)
    }
}

fn accepting_manifests(ask: Ask<'_>) -> Ask<'_> {
    ask.header(ACCEPT, &media::MANIFEST_TYPES.join(", "))
}

/// `Content-Type` without its parameters.
fn content_type(response: &Response) -> Option<String> {
    let value = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_owned())
}

fn header_digest(response: &Response) -> Option<Digest> {
    response.headers().get(DIGEST_HEADER)?.to_str().ok()?.parse().ok()
}
