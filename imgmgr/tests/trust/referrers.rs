//! What refers to an image goes along when it is copied.

use imgmgr::image::{Descriptor, media};
use imgmgr::store::{ImageEntry, Store};

use crate::registry::{Place, Registry, have, put_image, put_manifest};
use crate::{Key, attach, payload};

/// A manifest about `subject`, as SBOM tools attach them.
fn put_referrer(store: &Store, subject: &Descriptor, content: &str) -> Descriptor {
    let empty = store.put_blob(media::OCI_EMPTY, b"{}").unwrap();
    let blob = store.put_blob("application/spdx+json", content.as_bytes()).unwrap();
    let mut subject = subject.clone();
    subject.annotations = None;
    let target = put_manifest(store, empty, vec![blob], Some(subject));
    store.untag("v1").unwrap();
    store.tag(&ImageEntry::new("", target.clone())).unwrap();
    target
}

#[test]
fn copies_and_syncs_take_referrers_along() {
    if !have("docker-registry") || !have("openssl") {
        return;
    }
    let (registry, place) = (Registry::start(), Place::new());
    let store = place.layout("image");
    let image = put_image(&store, "one");
    let sbom = put_referrer(&store, &image, "sbom");
    let about_sbom = put_referrer(&store, &sbom, "about the sbom");
    store.tag(&ImageEntry::new("v1", image.clone())).unwrap();
    let digest = image.digest.to_string();
    let repository = |name: &str| format!("{}/{name}", registry.host);
    let names = |name: &str| {
        let listed = place.run(&["list-tags", "--format", "table", &repository(name)]);
        listed.lines().filter(|tag| tag.ends_with(".sig")).count()
    };
    let refer = |name: &str, to: &Descriptor| {
        place.run(&[
            "referrers",
            "--format",
            "json",
            &format!("{}@{}", repository(name), to.digest),
        ])
    };

    // From a layout: what names the image as its subject, and what names that.
    place.push("image", &format!("{}:v1", repository("a")));
    assert!(refer("a", &image).contains(&sbom.digest.to_string()));
    assert!(refer("a", &sbom).contains(&about_sbom.digest.to_string()));
    let key = Key::p256(&place, "key");
    let signed = payload(&repository("a"), &digest);
    attach(&place, &repository("a"), &digest, &[(signed.clone(), key.sign(&place, &signed))]);

    // From registry to registry; by itself only with --all.
    let from = format!("docker://{}:v1", repository("a"));
    let to = |name: &str| format!("docker://{}:v1", repository(name));
    place.run(&["copy", &from, &to("bare")]);
    place.run(&["copy", "--all", "--referrers=false", &from, &to("bare")]);
    assert_eq!((names("bare"), refer("bare", &image).trim()), (0, "[]"));
    place.run(&["copy", "--all", &from, &to("b")]);
    assert!(refer("b", &sbom).contains(&about_sbom.digest.to_string()));
    assert_eq!(names("b"), 1);

    // Through a layout, as a file that is carried somewhere.
    let carried = format!("oci:{}:app", place.path("carried").display());
    place.run(&["copy", "--referrers", &from, &carried]);
    place.run(&["copy", "--referrers", &carried, &to("c")]);
    assert!(refer("c", &image).contains(&sbom.digest.to_string()));
    assert!(refer("c", &sbom).contains(&about_sbom.digest.to_string()));

    // The signature is good there too.
    let requirement = format!(
        r#"{{"type":"sigstoreSigned","keyPath":"{}","signedIdentity":{{"type":"exactRepository","dockerRepository":"{}"}}}}"#,
        key.public,
        repository("a")
    );
    let policy = crate::policy(&place, &requirement);
    place.run(&["--policy", &policy, "pull", &format!("{}:v1", repository("c"))]);
    let error = place.fails(&["--policy", &policy, "pull", &format!("{}:v1", repository("bare"))]);
    assert!(error.contains(".sig"), "{error}");

    // A sync moves tags of images, and what refers to them comes along.
    let synced = place.run(&["sync", &repository("a"), "--to", &repository("mirror")]);
    assert_eq!(synced.lines().count(), 1, "{synced}");
    assert_eq!(names("mirror/a"), 1);
    assert!(refer("mirror/a", &image).contains(&sbom.digest.to_string()));
}
