//! Referrers: what says something about a manifest (distribution-spec 1.1, "Listing Referrers").

use reqwest::Method;
use reqwest::header::{ACCEPT, LINK};

use crate::digest::Digest;
use crate::image::{Descriptor, Index, MAX_MANIFEST_BYTES, Manifest, media};

use super::client::Remote;
use super::replies::next_page;
use super::session::{Ask, read_bounded, shown};
use super::{FailureKind, RegistryError, Result};

/// The most pages of a list of referrers.
const MAX_PAGES: usize = 100;
/// The most referrers of one manifest.
const MAX_REFERRERS: usize = 10_000;

impl Remote {
    /// Returns the manifests whose subject is `digest`, optionally of one artifact type.
    ///
    /// Asks the referrers API, and the fallback tag where there is none.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn referrers(
        &self,
        digest: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>> {
        let mut found = match self.referrers_api(digest, artifact_type).await {
            Ok(found) => found,
            Err(error) if matches!(error.kind(), FailureKind::NotFound | FailureKind::Lied) => {
                self.fallback_index(digest).await?.map(|index| index.manifests).unwrap_or_default()
            }
            Err(error) => return Err(error),
        };
        if let Some(wanted) = artifact_type {
            found.retain(|descriptor| descriptor.artifact_type.as_deref() == Some(wanted));
        }
        Ok(found)
    }

    async fn referrers_api(&self, digest: &Digest, kind: Option<&str>) -> Result<Vec<Descriptor>> {
        let endpoint =
            *self.endpoints_for("list referrers", |can| can.resolve)?.last().expect("one");
        let mut url = self.client.url(endpoint, &format!("referrers/{digest}")).await?;
        if let Some(kind) = kind {
            url.query_pairs_mut().append_pair("artifactType", kind);
        }
        let (mut next, mut found) = (Some(url.clone()), Vec::new());
        for _ in 0..MAX_PAGES {
            let Some(at) = next else { return Ok(found) };
            let ask = Ask::new(Method::GET, at.clone()).header(ACCEPT, media::OCI_INDEX);
            let response = self.client.send(endpoint, &ask).await?;
            next = next_page(&at, response.headers().get(LINK).and_then(|v| v.to_str().ok()));
            let body = read_bounded(response, MAX_MANIFEST_BYTES).await?;
            let manifest = Manifest::parse(&body, None)
                .map_err(|source| RegistryError::Manifest { url: shown(&at), source })?;
            let Manifest::Index(index) = manifest else {
                let reason = "not an index".to_owned();
                return Err(RegistryError::Protocol { url: shown(&at), reason });
            };
            found.extend(index.manifests);
            if found.len() > MAX_REFERRERS {
                break;
            }
        }
        let (url, what, limit) = (shown(&url), "referrers", MAX_REFERRERS);
        Err(RegistryError::TooMany { url, what, limit })
    }

    async fn fallback_index(&self, digest: &Digest) -> Result<Option<Index>> {
        match self.manifest(&fallback_tag(digest)).await {
            Ok(fetched) => match fetched.manifest {
                Manifest::Index(index) => Ok(Some(*index)),
                Manifest::Image(_) => Ok(None),
            },
            Err(error) if error.kind() == FailureKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds a referrer to the fallback tag of a registry without the referrers API.
    pub(super) async fn add_fallback_referrer(
        &self,
        subject: &Descriptor,
        referrer: &Descriptor,
        bytes: &[u8],
    ) -> Result<()> {
        let mut index =
            self.fallback_index(&subject.digest).await?.unwrap_or_else(|| Index::of(Vec::new()));
        if index.manifests.iter().any(|known| known.digest == referrer.digest) {
            return Ok(());
        }
        let mut entry =
            Descriptor::new(&referrer.media_type, referrer.digest.clone(), referrer.size);
        if let Ok(Manifest::Image(image)) = Manifest::parse(bytes, None) {
            entry.artifact_type = Some(image.artifact_kind().to_owned());
            entry.annotations = image.annotations;
        }
        index.manifests.push(entry);
        let json = serde_json::to_vec(&index).expect("strings and numbers serialise");
        let descriptor = Descriptor::of(media::OCI_INDEX, &json);
        Box::pin(self.put_manifest(&fallback_tag(&subject.digest), &descriptor, &json)).await
    }
}

/// `sha256-<hex>`, at most 128 characters.
fn fallback_tag(digest: &Digest) -> String {
    let tag = format!("{}-{}", digest.algorithm().name(), digest.hex());
    tag.chars().take(crate::reference::MAX_TAG_BYTES).collect()
}
