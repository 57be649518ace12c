//! What `import`, `append` and `config` refuse, and what they make.

use std::io::Write;
use std::process::Command;

use imgmgr::image::{Manifest, media};
use imgmgr::store::{Durability, Store};

use super::registry::have;
use super::support::{Place, refuses, succeeds, tar};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A tar with an entry of a name that the `tar` crate would not write.
fn tar_leaving_the_root() -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..9].copy_from_slice(b"../../esc");
    header.set_size(0);
    header.set_mode(0o644);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.resize(3 * 512, 0);
    bytes
}

fn blobs(place: &Place) -> usize {
    std::fs::read_dir(place.path("data/images/blobs/sha256")).map_or(0, Iterator::count)
}

#[test]
fn what_is_no_layer_is_refused_by_name_and_leaves_nothing() {
    let place = Place::new();
    let good = tar("a", 100_000);
    let cut = good.len() / 2;
    let write = |name: &str, bytes: &[u8]| {
        let path = place.path(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let base = write("base.tar", &good);
    place.run(&["import", &base, "r.io/base:1"]);
    let before = blobs(&place);
    let digest = place.run(&["list", "--quiet", "--digests"]);
    for (name, bytes, reason) in [
        ("passwd", b"root:x:0:0:root:/root:/bin/sh\n".repeat(40), "invalid tar at byte 0"),
        ("short", b"root".to_vec(), "invalid tar at byte 0"),
        ("empty", Vec::new(), "it is empty"),
        ("a.tar.xz", b"\xfd7zXZ\0 and more".to_vec(), "it is compressed by xz"),
        ("a.tar.bz2", b"BZh91AY&SY".to_vec(), "it is compressed by bzip2"),
        ("cut.tar", good[..cut].to_vec(), "archive ends within"),
        ("cut.tar.gz", gzip(&good)[..cut].to_vec(), "cannot read"),
        ("garbage.gz", gzip(&vec![b'x'; 5000]), "invalid tar at byte 0"),
        ("behind.gz", [gzip(&good), b"behind".to_vec()].concat(), "cannot read"),
        ("escape.tar", tar_leaving_the_root(), "path leaves the root by `..`"),
    ] {
        let path = write(name, &bytes);
        for command in [&["import", &path, "r.io/new:1"][..], &["append", "r.io/base:1", &path]] {
            let error = place.fails(1, command);
            assert!(error.contains(reason), "{command:?}: {error}");
            assert!(
                error.starts_with(&format!("error: cannot make a layer of `{path}`")),
                "{error}"
            );
        }
        place.fails(1, &["append", "r.io/base:1", &base, &path]);
    }
    assert_eq!(place.run(&["list", "--quiet", "--digests"]), digest);
    place.run(&["gc"]);
    assert_eq!(blobs(&place), before);
    let left = std::fs::read_dir(place.path("data/images/x-imgmgr/ingest")).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn a_zstd_layer_makes_a_docker_image_an_oci_one() {
    let place = Place::new();
    let store = Store::open_real(&place.path("data/images"), Durability::NoSync).unwrap();
    let layer = tar("a", 1000);
    let layer = store.put_blob(media::DOCKER_LAYER, &layer).unwrap();
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [layer.digest] },
    });
    let config = store.put_blob(media::DOCKER_CONFIG, config.to_string().as_bytes()).unwrap();
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": media::DOCKER_MANIFEST, "config": config, "layers": [layer],
    });
    let target = store.put_blob(media::DOCKER_MANIFEST, manifest.to_string().as_bytes()).unwrap();
    store.tag(&imgmgr::store::ImageEntry::new("r.io/a:1", target)).unwrap();
    let kinds = |name: &str| {
        let target = store.resolve(name).unwrap().target;
        let (_, Manifest::Image(image)) = store.manifest(&target).unwrap() else { panic!() };
        let layers = image.layers.into_iter().map(|layer| layer.media_type);
        let top = [target.media_type, image.config.media_type];
        top.into_iter().chain(layers).collect::<Vec<_>>()
    };
    std::fs::write(place.path("b.gz"), gzip(&tar("b", 1000))).unwrap();
    let zstd = zstd::stream::encode_all(&*tar("c", 1000), 1).unwrap();
    std::fs::write(place.path("c.zst"), zstd).unwrap();
    let path = |name: &str| place.path(name).to_str().unwrap().to_owned();
    place.run(&["append", "r.io/a:1", &path("b.gz"), "--tag", "r.io/b:1"]);
    let docker = [media::DOCKER_MANIFEST, media::DOCKER_CONFIG, media::DOCKER_LAYER];
    assert_eq!(kinds("r.io/b:1"), [&docker[..], &[media::DOCKER_LAYER_GZIP]].concat());
    place.run(&["append", "r.io/b:1", &path("c.zst")]);
    let oci = [media::OCI_MANIFEST, media::OCI_CONFIG, media::OCI_LAYER];
    let all = [&oci[..], &[media::OCI_LAYER_GZIP, media::OCI_LAYER_ZSTD]].concat();
    assert_eq!(kinds("r.io/b:1"), all);
    assert_eq!(place.run(&["validate", "r.io/b:1"]), "valid\n");
    if have("skopeo") {
        let image = format!("oci:{}:r.io/b:1", place.path("data/images").display());
        let to = format!("dir:{}", place.path("out").display());
        let copy = ["copy", "--insecure-policy", &image, &to];
        let output = Command::new("skopeo").args(copy).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn values_that_no_reader_takes_are_refused_by_name() {
    let place = Place::new();
    std::fs::write(place.path("a.tar"), tar("a", 100)).unwrap();
    let archive = place.path("a.tar").to_str().unwrap().to_owned();
    place.run(&["import", &archive, "r.io/a:1"]);
    for time in ["yesterday", "2020-02-30T00:00:00Z", "2020-02-20 00:00:00Z", ""] {
        for command in [
            &["config", "r.io/a:1", "--created", time][..],
            &["append", "r.io/a:1", &archive, "--created", time],
            &["import", &archive, "r.io/b:1", "--created", time],
        ] {
            let error = place.fails(2, command);
            assert!(error.contains(&format!("--created: `{time}` is not a time")), "{error}");
        }
    }
    for seconds in ["yesterday", "-1", "253402300800", "18446744073709551615"] {
        let mut command = place.command(&["config", "r.io/a:1", "--config.user", "u"]);
        let error = refuses(2, command.env("SOURCE_DATE_EPOCH", seconds));
        assert!(error.contains(&format!("SOURCE_DATE_EPOCH: `{seconds}`")), "{error}");
    }
    for (option, value) in [
        ("--config.env", "=x"),
        ("--config.env", "x"),
        ("--config.label", "=x"),
        ("--manifest.annotation", "=v"),
        ("--config.exposedports", "abc"),
        ("--config.exposedports", "0"),
        ("--config.exposedports", "65536/tcp"),
        ("--config.exposedports", "+80"),
        ("--config.exposedports", "80/icmp"),
        ("--config.exposedports", "80/"),
        ("--config.volume", ""),
    ] {
        let error = place.fails(2, &["config", "r.io/a:1", option, value]);
        assert!(error.contains(&format!("`{value}`")) || value.is_empty(), "{error}");
    }
    let mut command = place.command(&["config", "r.io/a:1", "--config.exposedports", "80/udp"]);
    succeeds(command.env("SOURCE_DATE_EPOCH", "253402300799"));
    place.run(&["config", "r.io/a:1", "--created", "0001-01-01T00:00:00Z", "--config.env", "A="]);
    assert_eq!(place.run(&["validate", "r.io/a:1"]), "valid\n");
}
