//! Which name a signature must be for: `signedIdentity` of containers-policy.json(5).

use serde::Deserialize;

use crate::reference::{Reference, Repository};

/// Which reference within a signature is accepted for an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub enum SignedIdentity {
    /// The same repository and tag.
    #[serde(rename = "matchExact")]
    Exact,
    /// The same repository and tag, or for an image by digest the same repository.
    #[default]
    #[serde(rename = "matchRepoDigestOrExact")]
    RepoDigestOrExact,
    /// The same repository: what cosign's signatures tell.
    #[serde(rename = "matchRepository")]
    Repository,
    /// This one, whatever the image is called.
    #[serde(rename = "exactReference")]
    ExactReference {
        /// With a tag.
        #[serde(rename = "dockerReference")]
        reference: String,
    },
    /// Any of this repository, whatever the image is called.
    #[serde(rename = "exactRepository")]
    ExactRepository {
        /// Without a tag.
        #[serde(rename = "dockerRepository")]
        repository: String,
    },
    /// As `matchRepoDigestOrExact`, once `prefix` is replaced.
    #[serde(rename = "remapIdentity")]
    Remap {
        /// Of the image.
        prefix: String,
        /// In the signature instead.
        #[serde(rename = "signedPrefix")]
        signed_prefix: String,
    },
}

/// A reference as a signature writes it: nothing is added to it.
#[derive(Debug, PartialEq, Eq)]
enum Signed {
    Repository(Repository),
    Reference(Reference),
}

impl Signed {
    fn parse(text: &str) -> Option<Self> {
        match Reference::parse_repository(text) {
            Ok(repository) => Some(Self::Repository(repository)),
            Err(_) => Reference::parse(text).ok().map(Self::Reference),
        }
    }

    fn repository(&self) -> &Repository {
        match self {
            Self::Repository(repository) => repository,
            Self::Reference(reference) => reference.repository(),
        }
    }
}

impl SignedIdentity {
    /// True if a signature for `signed` is one for `image`.
    #[must_use]
    pub fn accepts(&self, image: &Reference, signed: &str) -> bool {
        let Some(found) = Signed::parse(signed) else { return false };
        match self {
            Self::Exact => is_exact(image, &found),
            Self::RepoDigestOrExact => is_repo_digest_or_exact(image, &found),
            Self::Repository => image.repository() == found.repository(),
            Self::ExactReference { reference } => match Signed::parse(reference) {
                Some(wanted @ Signed::Reference(_)) => wanted == found,
                Some(Signed::Repository(_)) | None => false,
            },
            Self::ExactRepository { repository } => {
                Signed::parse(repository).is_some_and(|wanted| {
                    matches!(wanted, Signed::Repository(wanted) if wanted == *found.repository())
                })
            }
            Self::Remap { prefix, signed_prefix } => {
                remap(image, prefix, signed_prefix).is_some_and(|image| is_repo_digest_or_exact(&image, &found))
            }
        }
    }
}

fn is_exact(image: &Reference, signed: &Signed) -> bool {
    image.tag().is_some() && matches!(signed, Signed::Reference(signed) if signed == image)
}

fn is_repo_digest_or_exact(image: &Reference, signed: &Signed) -> bool {
    if image.tag().is_none() && image.digest().is_some() {
        return image.repository() == signed.repository();
    }
    is_exact(image, signed)
}

/// The image's name with another prefix; as it is if it has not the prefix.
fn remap(image: &Reference, prefix: &str, signed_prefix: &str) -> Option<Reference> {
    let name = image.to_string();
    match name.strip_prefix(prefix) {
        Some(rest) if rest.starts_with(['/', ':', '@']) || rest.is_empty() => {
            Reference::parse(&format!("{signed_prefix}{rest}")).ok()
        }
        _ => Some(image.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_accepts_what_its_manual_says() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let by_digest = format!("r.io/a/b@{digest}");
        let exact_reference = SignedIdentity::ExactReference { reference: "r.io/x:1".to_owned() };
        let exact_repository = SignedIdentity::ExactRepository { repository: "r.io/x".to_owned() };
        let remap = SignedIdentity::Remap {
            prefix: "mirror.io/r".to_owned(),
            signed_prefix: "r.io".to_owned(),
        };
        for (identity, image, signed, expected) in [
            (&SignedIdentity::Exact, "r.io/a/b:1", "r.io/a/b:1", true),
            (&SignedIdentity::Exact, "r.io/a/b:1", "r.io/a/b:2", false),
            (&SignedIdentity::Exact, "r.io/a/b:latest", "r.io/a/b", false),
            (&SignedIdentity::Exact, &by_digest, &by_digest, false),
            (&SignedIdentity::RepoDigestOrExact, &by_digest, "r.io/a/b:7", true),
            (&SignedIdentity::RepoDigestOrExact, &by_digest, "r.io/a/c:7", false),
            (&SignedIdentity::RepoDigestOrExact, "r.io/a/b:1", "r.io/a/b", false),
            (&SignedIdentity::Repository, "r.io/a/b:1", "r.io/a/b", true),
            (&SignedIdentity::Repository, "r.io/a/b:1", "r.io/a/b:2", true),
            (&SignedIdentity::Repository, "r.io/a/b:1", "r.io/a/bb", false),
            (&exact_reference, "r.io/a/b:1", "r.io/x:1", true),
            (&exact_reference, "r.io/a/b:1", "r.io/x:2", false),
            (&exact_repository, "r.io/a/b:1", "r.io/x:2", true),
            (&exact_repository, "r.io/a/b:1", "r.io/a/b:1", false),
            (&remap, "mirror.io/r/b:1", "r.io/b:1", true),
            (&remap, "mirror.io/r/b:1", "mirror.io/r/b:1", false),
            (&remap, "mirror.io/rx/b:1", "mirror.io/rx/b:1", true),
            (&SignedIdentity::Repository, "r.io/a/b:1", "not a name", false),
        ] {
            let image = Reference::parse(image).unwrap();
            assert_eq!(identity.accepts(&image, signed), expected, "{identity:?} {image} {signed}");
        }
    }
}
