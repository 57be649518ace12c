//! Images that say something else of their layers than these are.

use std::io::Write;

use imgmgr::digest::Digest;
use imgmgr::image::{Descriptor, media};
use imgmgr::store::{Durability, ImageEntry, Store};
use serde_json::json;

use super::support::{Place, tar};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Names `r.io/a:1` an image of one layer.
fn image(store: &Store, manifest: &str, config: &str, layer: &Descriptor, diff_id: &Digest) {
    let text = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [diff_id] },
    });
    let config = store.put_blob(config, text.to_string().as_bytes()).unwrap();
    let text = json!({
        "schemaVersion": 2, "mediaType": manifest, "config": config, "layers": [layer],
    });
    let target = store.put_blob(manifest, text.to_string().as_bytes()).unwrap();
    store.tag(&ImageEntry::new("r.io/a:1", target)).unwrap();
}

#[test]
fn layers_are_read_as_their_media_type_says() {
    let place = Place::new();
    let store = Store::open_real(&place.path("data/images"), Durability::NoSync).unwrap();
    let tar = tar("a", 100_000);
    let packed = gzip(&tar);
    let (plain, gzipped) = (media::OCI_LAYER, media::OCI_LAYER_GZIP);
    let text = b"no tar at all\n".repeat(100);
    for (kind, bytes, inner, finding) in [
        (plain, tar.clone(), &tar[..], ""),
        (gzipped, packed.clone(), &tar, ""),
        (gzipped, packed.clone(), &text, "layer has diff ID"),
        (gzipped, tar.clone(), &tar, "layer is not compressed where its media type"),
        (plain, packed.clone(), &packed, "layer is gzip where its media type"),
        (gzipped, packed[..packed.len() / 2].to_vec(), &tar, "cannot decompress the layer"),
        (gzipped, [&packed[..], b"garbage"].concat(), &tar, "cannot decompress the layer"),
        (plain, text.clone(), &text, "invalid tar at byte 0"),
        (gzipped, gzip(&text), &text, "invalid tar at byte 0"),
        // Nobody can look into what is encrypted; that it is no layer's type is said already.
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", text.clone(), &tar, "no layer's"),
    ] {
        let layer = store.put_blob(kind, &bytes).unwrap();
        image(&store, media::OCI_MANIFEST, media::OCI_CONFIG, &layer, &Digest::of(inner));
        let output = place.command(&["validate", "r.io/a:1"]).output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        if finding.is_empty() {
            assert_eq!(stdout, "valid\n");
        } else {
            assert_eq!(output.status.code(), Some(1), "{finding}");
            assert!(stdout.contains(finding) && stdout.lines().count() == 1, "{finding}: {stdout}");
        }
    }
}

#[test]
fn a_manifest_of_dockers_has_dockers_media_types() {
    let place = Place::new();
    let store = Store::open_real(&place.path("data/images"), Durability::NoSync).unwrap();
    let (tar, docker) = (tar("a", 100), media::DOCKER_MANIFEST);
    let layer = |kind| store.put_blob(kind, &tar).unwrap();
    let diff_id = Digest::of(&tar);
    image(&store, docker, media::DOCKER_CONFIG, &layer(media::DOCKER_LAYER), &diff_id);
    assert_eq!(place.run(&["validate", "r.io/a:1"]), "valid\n");
    image(&store, docker, media::OCI_CONFIG, &layer(media::OCI_LAYER), &diff_id);
    let output = place.command(&["validate", "r.io/a:1"]).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(stdout.matches("in a manifest of docker's").count(), 2, "{stdout}");
}

#[test]
fn what_is_no_layer_is_not_read_as_one() {
    let place = Place::new();
    let store = Store::open_real(&place.path("data/images"), Durability::NoSync).unwrap();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "artifactType": "text/x-sbom",
        "config": store.put_blob(media::OCI_EMPTY, b"{}").unwrap(),
        "layers": [store.put_blob(media::OCI_LAYER_GZIP, b"of some use to somebody").unwrap()],
    });
    let bytes = manifest.to_string();
    let target = store.put_blob(media::OCI_MANIFEST, bytes.as_bytes()).unwrap();
    store.tag(&ImageEntry::new("r.io/a:1", target)).unwrap();
    assert_eq!(place.run(&["validate", "r.io/a:1"]), "valid\n");
    let mut command = place.command(&["validate", "r.io/a:1"]);
    let output = command.args(["--progress", "json"]).output().unwrap();
    assert_eq!(output.stderr, b"");
}
