//! Any bytes as a policy, as a key in PEM, and as the payload of a signature.

use std::path::Path;

use imgmgr::digest::Digest;
use imgmgr::reference::Reference;
use imgmgr::trust::{KeySource, Policy, PublicKey, Requirement, Signature, SignedIdentity, Source};

use crate::text_of;

pub(crate) fn run(bytes: &[u8]) {
    let images = ["busybox", "r.io:5000/team/app:1.2", "a.corp.io/x/y/z:1"];
    let images = images.map(|name| Reference::parse(name).expect("a constant that parses"));
    let mut identities =
        vec![SignedIdentity::Exact, SignedIdentity::RepoDigestOrExact, SignedIdentity::Repository];
    if let Ok(policy) = Policy::parse(bytes, Path::new("policy.json")) {
        let file = Source::File("oci", Path::new("/nonexistent/layout"));
        for source in images.iter().map(Source::Registry).chain([file]) {
            let (requirements, scope) = policy.requirements(source);
            assert!(!requirements.is_empty(), "nothing is accepted for want of a requirement");
            assert!(!scope.is_empty());
            identities.extend(requirements.iter().filter_map(signed_identity));
        }
    }
    let signature = Signature { payload: bytes.to_vec(), signature: Vec::new() };
    if let Ok(claim) = signature.claim() {
        assert_eq!(claim.digest.to_string().parse::<Digest>().as_ref(), Ok(&claim.digest));
        check(&identities, &images, &claim.reference);
    }
    check(&identities, &images, text_of(bytes));
    let _ = PublicKey::from_pem(bytes).map(|key| assert!(!key.verifies(b"message", bytes)));
}

/// Its identity; that its keys were checked.
fn signed_identity(requirement: &Requirement) -> Option<SignedIdentity> {
    let Requirement::Sigstore { keys, identity } = requirement else { return None };
    assert!(!keys.is_empty());
    for key in keys {
        // Others are files, to be left alone.
        if matches!(key, KeySource::Inline(_)) {
            let _ = key.load();
        }
    }
    Some(identity.clone())
}

/// What is right more strictly is right less strictly, too.
fn check(identities: &[SignedIdentity], images: &[Reference], signed: &str) {
    for image in images {
        for identity in identities {
            let _ = identity.accepts(image, signed);
        }
        let accepts = |identity: SignedIdentity| identity.accepts(image, signed);
        let exact = accepts(SignedIdentity::Exact);
        assert!(!exact || accepts(SignedIdentity::RepoDigestOrExact));
        assert!(!exact || accepts(SignedIdentity::Repository));
    }
}
