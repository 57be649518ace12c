//! What refers to an image goes along: manifests whose subject it is, and cosign's tags.
//!
//! A registry lists referrers by digest (or under its fallback tag), and cosign's tags carry the
//! digest in their names. In a layout, referrers are entries of `index.json` without a name,
//! cosign's tags entries with one.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crate::digest::Digest;
use crate::image::Descriptor;
use crate::pull::{Platforms, PullOptions, pull};
use crate::push::{Absent, PushRequest, push};
use crate::reference::Reference;
use crate::registry::Remote;
use crate::store::{ImageEntry, Store, Visit};
use crate::trust::Policy;

use super::tree::copy_tree;
use super::{CopyContext, CopyError, Held, Location, Result};

/// What cosign puts behind the digest in a tag: signatures, attestations, SBOMs.
const COSIGN_SUFFIXES: [&str; 3] = ["sig", "att", "sbom"];
/// Most referrers, and referrers of referrers, that go along with one image.
const MAX_TAKEN_ALONG: usize = 1000;

/// One thing that goes along.
struct Referrer {
    target: Descriptor,
    /// Its tag, if it goes by one.
    tag: Option<String>,
}

/// True for a tag that names what refers to an image rather than an image: cosign's, and that
/// of the referrers of a registry without the API.
#[must_use]
pub fn is_referrer_tag(tag: &str) -> bool {
    let (name, suffix) = tag.split_once('.').map_or((tag, None), |(name, end)| (name, Some(end)));
    name.replacen('-', ":", 1).parse::<Digest>().is_ok()
        && suffix.is_none_or(|suffix| COSIGN_SUFFIXES.contains(&suffix))
}

/// Copies whatever refers to `target`, which was copied, or to anything below it. Returns how
/// many manifests that were; none where source or destination keep no referrers.
pub(super) async fn take_along(
    context: &CopyContext,
    held: &Held,
    from: &Location,
    to: &Location,
    target: &Descriptor,
) -> Result<usize> {
    let source = match from {
        Location::Registry(reference) => From::Registry {
            remote: context.client.remote(reference.repository()),
            reference,
            context,
        },
        Location::Layout(..) => From::Layout,
        _ => return Ok(0),
    };
    let sink = match to {
        Location::Registry(reference) => {
            To::Registry(context.client.remote(reference.repository()))
        }
        Location::Layout(path, _) => To::Layout(Store::open_real(path, context.durability)?),
        _ => return Ok(0),
    };
    let mut pending: VecDeque<Digest> = VecDeque::new();
    held.store.walk(target, &mut |visit| {
        if let Visit::Manifest(descriptor, _) = visit {
            pending.push_back(descriptor.digest);
        }
        Ok(())
    })?;
    let mut seen: HashSet<Digest> = pending.iter().cloned().collect();
    let mut taken = 0;
    while let Some(subject) = pending.pop_front() {
        for referrer in source.referrers(held, &subject).await? {
            if !seen.insert(referrer.target.digest.clone()) {
                continue;
            }
            taken += 1;
            if taken > MAX_TAKEN_ALONG {
                let limit = MAX_TAKEN_ALONG;
                return Err(CopyError::TooManyReferrers { digest: target.digest.clone(), limit });
            }
            let store = source.fetch(held, &sink, &referrer).await?;
            sink.put(context, &store, &referrer).await?;
            pending.push_back(referrer.target.digest);
        }
    }
    Ok(taken)
}

/// Where referrers come from.
enum From<'a> {
    Registry { remote: Remote, reference: &'a Reference, context: &'a CopyContext },
    Layout,
}

impl From<'_> {
    async fn referrers(&self, held: &Held, subject: &Digest) -> Result<Vec<Referrer>> {
        let name = |suffix| format!("{}-{}.{suffix}", subject.algorithm().name(), subject.hex());
        let tags = COSIGN_SUFFIXES.map(name);
        match self {
            Self::Registry { remote, .. } => {
                let found = remote.referrers(subject, None).await?;
                let bare = |found: Descriptor| Referrer {
                    target: Descriptor::new(&found.media_type, found.digest, found.size),
                    tag: None,
                };
                let mut all: Vec<Referrer> = found.into_iter().map(bare).collect();
                for tag in tags {
                    if let Some(target) = remote.head_manifest(&tag).await? {
                        all.push(Referrer { target, tag: Some(tag) });
                    }
                }
                Ok(all)
            }
            Self::Layout => {
                let mut all = Vec::new();
                for entry in held.store.entries()? {
                    let named = tags.iter().find(|tag| entry.name.rsplit(':').next() == Some(tag));
                    let refers = named.is_none() && {
                        let manifest = held.store.manifest(&entry.target);
                        manifest.is_ok_and(|(_, manifest)| {
                            manifest.subject().is_some_and(|known| known.digest == *subject)
                        })
                    };
                    if named.is_some() || refers {
                        all.push(Referrer { target: entry.target, tag: named.cloned() });
                    }
                }
                Ok(all)
            }
        }
    }

    /// Gets a referrer into a store, the destination's where it is one.
    async fn fetch(&self, held: &Held, sink: &To, referrer: &Referrer) -> Result<Store> {
        let Self::Registry { remote, reference, context } = self else {
            return Ok(held.store.clone());
        };
        let store = match sink {
            To::Layout(store) => store.clone(),
            To::Registry(_) => held.store.clone(),
        };
        // It says something about an image that may come in.
        let options = PullOptions {
            platforms: Platforms::All,
            policy: Arc::new(Policy::default()),
            ..context.pull.clone()
        };
        let at = reference.at(referrer.target.digest.clone());
        let name = referrer.tag.as_deref().unwrap_or_default();
        let progress = Arc::clone(&context.progress);
        pull(remote, &at, &store, name, &options, progress, None).await?;
        Ok(store)
    }
}

/// Where they go.
enum To {
    Registry(Remote),
    Layout(Store),
}

impl To {
    async fn put(&self, context: &CopyContext, from: &Store, referrer: &Referrer) -> Result<()> {
        let Referrer { target, tag } = referrer;
        match self {
            Self::Registry(remote) => {
                let selector = tag.clone().unwrap_or_else(|| target.digest.to_string());
                let request = PushRequest {
                    target: target.clone(),
                    selector,
                    mount: None,
                    notes: context.store()?.clone(),
                    absent: Absent::Skip,
                };
                Ok(push(from, remote, &request, &*context.progress).await?)
            }
            Self::Layout(store) => {
                let lease = store.lease()?;
                if from.root() != store.root() {
                    copy_tree(from, store, target, &lease)?;
                }
                let name = tag.as_deref().unwrap_or_default();
                Ok(store.tag(&ImageEntry::new(name, target.clone()))?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_referrers_are_known() {
        let tag = format!("sha256-{}", Digest::of(b"x").hex());
        for (tag, expected) in [
            (tag.clone(), true),
            (format!("{tag}.sig"), true),
            (format!("{tag}.sbom"), true),
            (format!("{tag}.txt"), false),
            ("sha256-abc.sig".to_owned(), false),
            ("v1".to_owned(), false),
        ] {
            assert_eq!(is_referrer_tag(&tag), expected, "{tag}");
        }
    }
}
