//! Policies and signatures, by the command, against docker-registry on the loopback. Keys and
//! signatures are openssl's.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]
#![expect(clippy::print_stderr, reason = "a skip says why")]

mod referrers;
mod registry;

use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use imgmgr::image::{Annotations, Index, Platform, media};
use imgmgr::store::ImageEntry;
use imgmgr::trust::signature_tag;

use registry::{Place, Registry, have, put_image, put_manifest};

const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

fn openssl(args: &[&str]) -> Vec<u8> {
    let out = Command::new("openssl").args(args).output().unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

/// A private key in a file, with the public one beside it.
struct Key {
    private: String,
    public: String,
    pure: bool,
}

impl Key {
    fn make(place: &Place, name: &str, algorithm: &[&str]) -> Self {
        let private = place.path(name).display().to_string();
        let public = format!("{private}.pub");
        openssl(&[&["genpkey", "-out", &private, "-algorithm"], algorithm].concat());
        openssl(&["pkey", "-in", &private, "-pubout", "-out", &public]);
        Self { private, public, pure: algorithm == ["ED25519"] }
    }

    fn p256(place: &Place, name: &str) -> Self {
        Self::make(place, name, &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"])
    }

    fn sign(&self, place: &Place, payload: &str) -> Vec<u8> {
        let file = place.file("payload", payload.as_bytes());
        if self.pure {
            openssl(&["pkeyutl", "-sign", "-rawin", "-inkey", &self.private, "-in", &file])
        } else {
            openssl(&["dgst", "-sha256", "-sign", &self.private, &file])
        }
    }
}

fn payload(name: &str, digest: &str) -> String {
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"{name}"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}"#
    )
}

/// Pushes a manifest of signatures: each a payload and the signature over it.
fn attach(place: &Place, repository: &str, digest: &str, signatures: &[(String, Vec<u8>)]) {
    let layout = format!("signature-{}", signatures.len());
    let store = place.layout(&layout);
    let layers = signatures.iter().map(|(payload, signature)| {
        let mut layer = store.put_blob(PAYLOAD, payload.as_bytes()).unwrap();
        layer.annotations = Some(Annotations::from([(
            "dev.cosignproject.cosign/signature".to_owned(),
            BASE64_STANDARD.encode(signature),
        )]));
        layer
    });
    let layers = layers.collect();
    let config = store.put_blob(
        media::OCI_CONFIG,
        br#"{"architecture":"","os":"","rootfs":{"type":"layers","diff_ids":[]}}"#,
    );
    put_manifest(&store, config.unwrap(), layers, None);
    let tag = signature_tag(&digest.parse().unwrap());
    // The manifest is no image whose layers can be unpacked; it is copied as it stands.
    let from = format!("oci:{}:v1", place.path(&layout).display());
    place.run(&[
        "--insecure-policy",
        "copy",
        "--all",
        &from,
        &format!("docker://{repository}:{tag}"),
    ]);
    std::fs::remove_dir_all(place.path(&layout)).unwrap();
}

fn policy(place: &Place, requirement: &str) -> String {
    place.file("policy.json", format!(r#"{{"default":[{requirement}]}}"#).as_bytes())
}

fn by_key(key: &str, identity: &str) -> String {
    format!(
        r#"{{"type":"sigstoreSigned","keyPath":"{key}","signedIdentity":{{"type":"{identity}"}}}}"#
    )
}

#[test]
fn only_what_the_policy_asks_for_comes_in() {
    if !have("docker-registry") || !have("openssl") {
        return;
    }
    let (registry, place) = (Registry::start(), Place::new());
    let digest = put_image(&place.layout("image"), "one").digest.to_string();
    let repository = format!("{}/team/app", registry.host);
    let image = format!("{repository}:v1");
    place.push("image", &image);
    let (key, other) = (Key::p256(&place, "key"), Key::p256(&place, "other"));
    let wanted = policy(&place, &by_key(&key.public, "matchRepository"));
    let pull = ["--policy", &wanted, "pull", &image];

    let error = place.fails(&pull);
    let tag = signature_tag(&digest.parse().unwrap());
    assert!(error.contains(&tag) && error.contains(&key.public), "{error}");
    assert_eq!(place.run(&["list", "-q"]), "");
    let blobs = place.path("data/images/blobs/sha256");
    assert_eq!(std::fs::read_dir(&blobs).unwrap().count(), 0, "nothing was fetched");
    let error = place.fails(&["--policy", &wanted, "copy", &format!("docker://{image}"), "here:1"]);
    assert!(error.contains(&tag), "{error}");

    let good = payload(&repository, &digest);
    let elsewhere = payload("r.io/other", &digest);
    let foreign = payload(&repository, &imgmgr::digest::Digest::of(b"x").to_string());
    let mut garbled = key.sign(&place, &good);
    garbled[10] ^= 1;
    attach(
        &place,
        &repository,
        &digest,
        &[
            (good.clone(), other.sign(&place, &good)),
            (elsewhere.clone(), key.sign(&place, &elsewhere)),
            (foreign.clone(), key.sign(&place, &foreign)),
            (good.clone(), garbled),
            ("{}".to_owned(), key.sign(&place, "{}")),
        ],
    );
    let error = place.fails(&pull);
    for reason in [
        "signature 1 is by another key",
        "signature 2 is for the name `r.io/other`",
        "signature 3 is for sha256:",
        "signature 4 is by another key",
        "signature 5 can't be used: its payload is not valid",
    ] {
        assert!(error.contains(reason), "{reason}: {error}");
    }

    attach(
        &place,
        &repository,
        &digest,
        &[(good.clone(), other.sign(&place, &good)), (good.clone(), key.sign(&place, &good))],
    );
    place.run(&pull);
    place.run(&["--policy", &wanted, "copy", &format!("docker://{image}"), "here:1"]);
    // Also what is there already is asked about again.
    for (requirement, reason) in [
        (by_key(&key.public, "matchRepoDigestOrExact"), "is for the name"),
        (by_key("/no/key", "matchRepository"), "/no/key"),
        (r#"{"type":"reject"}"#.to_owned(), "rejected"),
        (r#"{"type":"signedBy","keyType":"GPGKeys"}"#.to_owned(), "signedBy can't be checked"),
    ] {
        let policy = policy(&place, &requirement);
        let error = place.fails(&["--policy", &policy, "pull", &image]);
        assert!(error.contains(reason), "{requirement}: {error}");
    }
    let exact = policy(&place, &by_key(&key.public, "matchRepoDigestOrExact"));
    place.run(&["--policy", &exact, "pull", &format!("{repository}@{digest}")]);
    place.run(&["--insecure-policy", "pull", &image]);
}

#[test]
fn keys_of_every_supported_type_verify() {
    if !have("docker-registry") || !have("openssl") {
        return;
    }
    let (registry, place) = (Registry::start(), Place::new());
    let digest = put_image(&place.layout("image"), "one").digest.to_string();
    let types: [(&str, &[&str]); 4] = [
        ("p256", &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
        ("p384", &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
        ("ed25519", &["ED25519"]),
        ("rsa", &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    ];
    let keys = types.map(|(name, algorithm)| (name, Key::make(&place, name, algorithm)));
    for (name, key) in &keys {
        let image = format!("{}/{name}:v1", registry.host);
        place.push("image", &image);
        let signed = payload(&image, &digest);
        let repository = format!("{}/{name}", registry.host);
        attach(&place, &repository, &digest, &[(signed.clone(), key.sign(&place, &signed))]);
        for (other, candidate) in &keys {
            let wanted = policy(&place, &by_key(&candidate.public, "matchExact"));
            let pulled = place.output(&["--policy", &wanted, "pull", &image]);
            assert_eq!(pulled.status.success(), name == other, "{name} by {other}");
        }
        let pem = BASE64_STANDARD.encode(std::fs::read(&key.public).unwrap());
        let inline =
            policy(&place, &format!(r#"{{"type":"sigstoreSigned","keyDatas":["{pem}"]}}"#));
        place.run(&["--policy", &inline, "pull", &image]);
    }
}

#[test]
fn a_signed_index_vouches_for_its_images() {
    if !have("docker-registry") || !have("openssl") {
        return;
    }
    let (registry, place) = (Registry::start(), Place::new());
    let store = place.layout("image");
    let mut entries = Vec::new();
    for (content, platform) in [("one", "linux/amd64"), ("two", "linux/arm64")] {
        let mut entry = put_image(&store, content);
        entry.platform = Some(platform.parse::<Platform>().unwrap());
        entries.push(entry);
    }
    let bytes = serde_json::to_vec(&Index::of(entries)).unwrap();
    let index = store.put_blob(media::OCI_INDEX, &bytes).unwrap();
    store.tag(&ImageEntry::new("v1", index.clone())).unwrap();
    let repository = format!("{}/app", registry.host);
    let image = format!("{repository}:v1");
    place.push("image", &image);
    let key = Key::p256(&place, "key");
    let wanted = policy(&place, &by_key(&key.public, "matchRepository"));
    let digest = index.digest.to_string();
    let signed = payload(&repository, &digest);
    let pull = ["--policy", &wanted, "pull", "--platform", "linux/arm64", &image];
    assert!(place.fails(&pull).contains(".sig or sha256-"));
    attach(&place, &repository, &digest, &[(signed.clone(), key.sign(&place, &signed))]);
    place.run(&pull);
    place.run(&["--policy", &wanted, "pull", "--all", &image]);
}

#[test]
fn files_are_asked_about_too() {
    let place = Place::new();
    put_image(&place.layout("image"), "one");
    let from = format!("oci:{}:v1", place.path("image").display());
    let text = format!(
        r#"{{"default":[{{"type":"reject"}}],"transports":{{"oci":{{"{}":[{{"type":"insecureAcceptAnything"}}]}}}}}}"#,
        place.path("image").display()
    );
    let wanted = place.file("policy.json", text.as_bytes());
    let archive = place.path("a.tar").display().to_string();
    place.run(&["--policy", &wanted, "copy", &from, "a:1"]);
    place.run(&["--policy", &wanted, "save", "a:1", "-o", &archive]);
    let error = place.fails(&["--policy", &wanted, "load", "-i", &archive]);
    assert!(error.contains("docker-archive:") && error.contains("rejected"), "{error}");
    let signed = policy(&place, r#"{"type":"sigstoreSigned","keyPath":"/k"}"#);
    let error = place.fails(&["--policy", &signed, "copy", &from, "b:1"]);
    assert!(error.contains("only registries hold signatures"), "{error}");
    // A policy in its usual place counts without a word.
    std::fs::create_dir_all(place.path(".config/containers")).unwrap();
    place.file(".config/containers/policy.json", br#"{"default":[{"type":"reject"}]}"#);
    assert!(place.fails(&["copy", &from, "b:1"]).contains("rejected"));
    place.run(&["--insecure-policy", "copy", &from, "b:1"]);
    place.file(".config/containers/policy.json", b"{");
    assert!(place.fails(&["copy", &from, "b:1"]).contains("not a valid policy"));
}
