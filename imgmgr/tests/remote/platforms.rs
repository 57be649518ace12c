//! Which image of an index is taken, and whether it is still the right one.

use imgmgr::image::media;
use imgmgr::store::{Durability, ImageEntry, Store};

use super::registry::Registry;
use super::support::{Place, tar};

/// Writes a layout with an index, named `v1`, of an image for each platform.
fn index(place: &Place, platforms: &[&str]) {
    let store = Store::open_real(&place.path("in"), Durability::NoSync).unwrap();
    let manifests: Vec<_> = platforms
        .iter()
        .map(|text| {
            let platform: imgmgr::image::Platform = text.parse().unwrap();
            let layer =
                store.put_blob(media::OCI_LAYER, &tar(&text.replace('/', "-"), 100)).unwrap();
            let mut config = serde_json::to_value(&platform).unwrap();
            config["rootfs"] = serde_json::json!({ "type": "layers", "diff_ids": [layer.digest] });
            let config = config.to_string();
            let config = store.put_blob(media::OCI_CONFIG, config.as_bytes()).unwrap();
            let manifest = serde_json::json!({
                "schemaVersion": 2, "mediaType": media::OCI_MANIFEST,
                "config": config, "layers": [layer],
            });
            let bytes = manifest.to_string();
            let mut descriptor = store.put_blob(media::OCI_MANIFEST, bytes.as_bytes()).unwrap();
            descriptor.platform = Some(platform);
            descriptor
        })
        .collect();
    let index = serde_json::json!({
        "schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": manifests,
    });
    let target = store.put_blob(media::OCI_INDEX, index.to_string().as_bytes()).unwrap();
    store.tag(&ImageEntry::new("v1", target)).unwrap();
}

fn platform_of(place: &Place, image: &str) -> String {
    let config = place.run(&["inspect", "--config", image]);
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    let word = |name: &str| config[name].as_str().unwrap_or("").to_owned();
    format!("{}/{}", word("architecture"), word("variant"))
}

#[test]
fn a_pull_for_another_platform_takes_what_fits_best_now() {
    let Some(registry) = Registry::open() else { return };
    let place = Place::new();
    index(&place, &["linux/arm/v7", "linux/arm64", "linux/amd64/v2", "linux/amd64/v3"]);
    let image = format!("{}/app:1", registry.host);
    let from = format!("oci:{}:v1", place.path("in").display());
    place.run(&["copy", "--all", &from, &format!("docker://{image}")]);
    for (platform, expected, state) in [
        ("linux/arm/v7", "arm/v7", "pulled: "),
        ("linux/arm64", "arm64/", "pulled: "),
        ("linux/arm64/v8", "arm64/", "up to date: "),
        ("linux/arm64/v9", "arm64/", "up to date: "),
        ("linux/arm/v8", "arm/v7", "pulled: "),
        ("linux/arm/v8", "arm/v7", "up to date: "),
        ("linux/amd64/v2", "amd64/v2", "pulled: "),
        ("linux/amd64/v3", "amd64/v3", "pulled: "),
        ("linux/amd64/v4", "amd64/v3", "up to date: "),
        ("linux/amd64/v2", "amd64/v2", "pulled: "),
    ] {
        let printed = place.run(&["pull", "--platform", platform, &image]);
        assert!(printed.starts_with(state), "{platform}: {printed}");
        assert_eq!(platform_of(&place, &image), expected, "{platform}");
    }
}

#[test]
fn a_platform_that_the_image_is_not_for_is_refused_by_name() {
    let place = Place::new();
    index(&place, &["linux/arm/v7"]);
    let from = format!("oci:{}:v1", place.path("in").display());
    place.run(&["copy", "--platform", "linux/arm/v7", &from, "r.io/a:1"]);
    let bundle = place.path("bundle").to_str().unwrap().to_owned();
    for platform in ["linux/s390x", "linux/arm/v6"] {
        for command in [
            &["unpack", "r.io/a:1", &bundle][..],
            &["history", "r.io/a:1"],
            &["config", "r.io/a:1", "--config.user", "u"],
            &["push", "r.io/a:1", "127.0.0.1:1/a:1"],
            &["copy", "r.io/a:1", "r.io/b:1"],
            &["save", "r.io/a:1", "--output", &bundle],
            &["inspect", "r.io/a:1"],
        ] {
            let error = place.fails(1, &[command, &["--platform", platform]].concat());
            let expected = format!("has no image for {platform}; it has linux/arm/v7");
            assert!(error.contains(&expected), "{error}");
        }
    }
    place.run(&["history", "r.io/a:1", "--platform", "linux/arm64"]);
    place.run(&["history", "r.io/a:1"]);
    place.fails(2, &["history", "r.io/a:1", "--all"]);
}

#[test]
fn a_registrys_image_that_no_index_tells_of_is_refused_before_its_layers_come() {
    let Some(registry) = Registry::open() else { return };
    let place = Place::new();
    index(&place, &["linux/arm/v7"]);
    let from = format!("oci:{}:v1", place.path("in").display());
    let (image, docker) =
        (format!("{}/app:1", registry.host), format!("docker://{}/app:1", registry.host));
    place.run(&["copy", "--platform", "linux/arm/v7", &from, &docker]);
    let layout = format!("oci:{}:v1", place.path("out").display());
    let archive = format!("oci-archive:{}", place.path("out.tar").display());
    let refused = |command: &[&str]| {
        let error = place.fails(1, &[command, &["--platform", "linux/amd64"]].concat());
        assert!(error.contains("has no image for linux/amd64; it has linux/arm/v7"), "{error}");
    };
    refused(&["pull", &image]);
    let blobs = std::fs::read_dir(place.path("data/images/blobs/sha256")).unwrap().count();
    assert_eq!(blobs, 1, "the configuration, which tells");
    for to in [&layout, &archive, "r.io/b:1", &docker] {
        refused(&["copy", &docker, to]);
    }
    refused(&["sync", &image]);
    refused(&["inspect", &docker]);
    // Unasked it is taken as it is, and then known.
    for state in ["pulled: ", "up to date: "] {
        let printed = place.run(&["pull", &image]);
        assert!(printed.starts_with(state), "{printed}");
        refused(&["pull", &image]);
    }
    place.run(&["pull", &image, "--platform", "linux/arm64"]);
    let config = place.run(&["inspect", "--config", &docker, "--platform", "linux/arm/v7"]);
    assert!(config.contains("v7"), "{config}");
}
