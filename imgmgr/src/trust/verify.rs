//! Decides whether an image meets a policy, and says what is missing if not.

use std::path::Path;

use crate::digest::Digest;
use crate::reference::Reference;
use crate::registry::{RegistryError, Remote};

use super::policy::{KeySource, Policy, Requirement, Source};
use super::{PublicKey, Signature, SignedIdentity, signature_tag};

/// Why an image may not come in.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The policy refuses it.
    #[error("the policy does not allow `{image}` (scope {scope}): {reason}")]
    Refused {
        /// What was to come in.
        image: String,
        /// Which part of the policy is for it.
        scope: String,
        /// What is missing.
        reason: String,
    },
    /// Its signatures can't be fetched.
    #[error("cannot fetch the signatures of `{image}`")]
    Registry {
        /// What was to come in.
        image: String,
        /// Why not.
        source: RegistryError,
    },
}

/// Checks an image of a registry: `digests` are those that its name leads to, an index and the
/// image chosen from it. A signature of either counts, since the one names the other.
///
/// # Errors
/// [`TrustError`].
pub async fn check_registry(
    policy: &Policy,
    remote: &Remote,
    reference: &Reference,
    digests: &[Digest],
) -> Result<(), TrustError> {
    let (requirements, scope) = policy.requirements(Source::Registry(reference));
    let image = reference.to_string();
    let mut signatures: Option<Vec<Signature>> = None;
    for requirement in requirements {
        let refused = |reason: String| TrustError::Refused {
            image: image.clone(),
            scope: scope.clone(),
            reason,
        };
        let Requirement::Sigstore { keys, identity } = requirement else {
            unsigned(requirement).map_err(refused)?;
            continue;
        };
        let signatures =
            match &mut signatures {
                Some(signatures) => signatures,
                None => {
                    let mut found = Vec::new();
                    for digest in digests {
                        let fetched = Signature::fetch(remote, digest).await;
                        found.extend(fetched.map_err(|source| TrustError::Registry {
                            image: image.clone(),
                            source,
                        })?);
                    }
                    signatures.insert(found)
                }
            };
        signed(signatures, keys, identity, reference, digests).map_err(refused)?;
    }
    Ok(())
}

/// Checks an image from a file or directory; `transport` is skopeo's name of its form.
///
/// # Errors
/// [`TrustError::Refused`]; a signature that is required is always missing there.
pub fn check_file(policy: &Policy, transport: &'static str, path: &Path) -> Result<(), TrustError> {
    let (requirements, scope) = policy.requirements(Source::File(transport, path));
    let refused = |reason| TrustError::Refused {
        image: format!("{transport}:{}", path.display()),
        scope: scope.clone(),
        reason,
    };
    requirements.iter().try_for_each(|requirement| unsigned(requirement).map_err(refused))
}

/// What can be said without a signature.
fn unsigned(requirement: &Requirement) -> Result<(), String> {
    match requirement {
        Requirement::Anything => Ok(()),
        Requirement::Reject => Err("it is rejected".to_owned()),
        Requirement::Sigstore { .. } => {
            Err("a signature is required, and only registries hold signatures".to_owned())
        }
        Requirement::Unsupported(what) => Err(format!("{what} can't be checked here")),
    }
}

fn signed(
    signatures: &[Signature],
    sources: &[KeySource],
    identity: &SignedIdentity,
    reference: &Reference,
    digests: &[Digest],
) -> Result<(), String> {
    let keys: Vec<PublicKey> = sources.iter().map(KeySource::load).collect::<Result<_, _>>()?;
    let names: Vec<String> = sources.iter().map(ToString::to_string).collect();
    let by = names.join(" or ");
    if signatures.is_empty() {
        let tags: Vec<String> = digests.iter().map(signature_tag).collect();
        return Err(format!("no signature by {by}: there is no tag {}", tags.join(" or ")));
    }
    let mut reasons = Vec::new();
    for (number, signature) in (1..).zip(signatures) {
        match one(signature, &keys, identity, reference, digests) {
            Ok(()) => return Ok(()),
            Err(reason) => reasons.push(format!("signature {number} {reason}")),
        }
    }
    Err(format!("no signature by {by} for it: {}", reasons.join(", ")))
}

fn one(
    signature: &Signature,
    keys: &[PublicKey],
    identity: &SignedIdentity,
    reference: &Reference,
    digests: &[Digest],
) -> Result<(), String> {
    if !keys.iter().any(|key| key.verifies(&signature.payload, &signature.signature)) {
        return Err("is by another key".to_owned());
    }
    let claim = signature.claim().map_err(|reason| format!("can't be used: {reason}"))?;
    if !digests.contains(&claim.digest) {
        return Err(format!("is for {}", claim.digest));
    }
    if !identity.accepts(reference, &claim.reference) {
        return Err(format!("is for the name `{}`", claim.reference));
    }
    Ok(())
}
