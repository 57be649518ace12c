//! Docker's form of an image, and what becomes of it in layouts.

use imgmgr::image::{Index, Manifest, media};
use imgmgr::store::ImageEntry;

use super::places::{Scene, skopeo};
use super::registry::{Registry, have};

/// The image of the scene as docker has it, alone and in a list.
fn name_dockers(scene: &Scene) {
    let store = scene.layout();
    let (_, manifest) = store.manifest(&scene.target()).unwrap();
    let Manifest::Image(mut image) = manifest else { unreachable!() };
    image.media_type = Some(media::DOCKER_MANIFEST.to_owned());
    image.config.media_type = media::DOCKER_CONFIG.to_owned();
    for layer in &mut image.layers {
        layer.media_type = media::DOCKER_LAYER.to_owned();
    }
    let mut target = store.put_blob(media::DOCKER_MANIFEST, &image.to_bytes()).unwrap();
    store.tag(&ImageEntry::new("docker", target.clone())).unwrap();
    target.platform = Some("linux/amd64".parse().unwrap());
    let list = Index { media_type: Some(media::DOCKER_LIST.to_owned()), ..Index::of(vec![target]) };
    let list = store.put_blob(media::DOCKER_LIST, &serde_json::to_vec(&list).unwrap()).unwrap();
    store.tag(&ImageEntry::new("list", list)).unwrap();
}

#[test]
fn dockers_images_become_ocis_in_layouts() {
    let scene = Scene::new();
    let place = &scene.place;
    name_dockers(&scene);
    let docker = format!("{}:docker", scene.at("oci", "in"));
    let list = format!("{}:list", scene.at("oci", "in"));
    let layout = format!("{}:a:1", scene.at("oci", "out"));
    let archive = format!("{}:a:1", scene.at("oci-archive", "out.tar"));
    place.run(&["copy", &docker, "r.io/a:1"]);
    let kept = place.run(&["inspect", "--raw", "r.io/a:1"]);
    assert!(kept.contains(media::DOCKER_LAYER), "{kept}");
    let mut places = vec![(docker, layout.clone()), ("r.io/a:1".to_owned(), archive.clone())];
    if let Some(registry) = Registry::open() {
        let remote = format!("docker://{}/a:1", registry.host);
        place.run(&["push", "r.io/a:1", &remote]);
        assert_eq!(place.run(&["inspect", "--raw", &remote]), kept);
        let nameless = scene.at("oci", "nameless");
        let copied = place.run(&["copy", &remote, &nameless]);
        assert_eq!(copied.trim(), scene.digest, "the image was OCI's first");
        // The only one there.
        assert!(place.run(&["inspect", &nameless]).contains(media::OCI_LAYER));
        assert_eq!(place.run(&["validate", &nameless]), "valid\n");
        let kept = scene.at("oci", "kept");
        place.fails(1, &["copy", "--preserve-digests", &remote, &kept]);
        assert!(!place.path("kept").exists());
    }
    for (from, to) in places.drain(..) {
        let error = place.fails(1, &["copy", "--preserve-digests", &from, &to]);
        assert!(error.contains("was to be preserved"), "{error}");
        assert_eq!(place.run(&["copy", &from, &to]).trim(), scene.digest);
        let back = scene.at("dir", "back");
        assert_eq!(place.run(&["copy", "--preserve-digests", &to, &back]).trim(), scene.digest);
    }
    let saved = place.path("saved.tar").display().to_string();
    place.run(&["save", "--format", "oci-archive", "--output", &saved, "r.io/a:1"]);
    let all = format!("{}:all", scene.at("oci", "out"));
    place.run(&["copy", "--all", &list, &all]);
    assert!(place.run(&["inspect", "--raw", &all]).contains(media::OCI_INDEX));
    assert_eq!(place.run(&["copy", &all, "one:1"]).trim(), scene.digest);
    assert_eq!(place.run(&["validate", &all]), "valid\n");
    if have("skopeo") {
        for image in [&layout, &archive, &format!("oci-archive:{saved}")] {
            assert!(skopeo(&["inspect", image]).contains(&scene.digest), "{image}");
        }
        skopeo(&["copy", "--insecure-policy", "--all", &all, &scene.at("dir", "theirs")]);
    }
}

#[test]
fn attestations_of_dockers_images_refer_to_what_these_become() {
    let scene = Scene::new();
    name_dockers(&scene);
    let store = scene.layout();
    let image = store.resolve("docker").unwrap().target;
    let mut attestation = scene.name_index("attestation", vec![]);
    let annotations = ["vnd.docker.reference.digest", "other"]
        .map(|key| (key.to_owned(), image.digest.to_string()));
    attestation.annotations = Some(annotations.into());
    // It may come before its image.
    let list = Index {
        media_type: Some(media::DOCKER_LIST.to_owned()),
        ..Index::of(vec![attestation, image.clone()])
    };
    let list = store.put_blob(media::DOCKER_LIST, &serde_json::to_vec(&list).unwrap()).unwrap();
    store.tag(&ImageEntry::new("attested", list)).unwrap();
    let from = format!("{}:attested", scene.at("oci", "in"));
    let out = scene.at("oci", "out");
    scene.place.run(&["copy", "--all", &from, &out]);
    let raw = scene.place.run(&["inspect", "--raw", &out]);
    assert_eq!(raw.matches(&scene.digest).count(), 2, "{raw}");
    assert_eq!(raw.matches(&image.digest.to_string()).count(), 1, "{raw}");
}
