//! Images whose layers are compressed in another way.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use imgmgr::image::{Descriptor, Manifest, media};
use imgmgr::store::{Durability, Store};

use super::chunked::digest;
use super::registry::{Registry, have};
use super::support::{Place, layout, succeeds, tar};
use super::wire::{Direction, Listener};

const CHUNK: usize = imgmgr::toc::write::CHUNK_BYTES;
const FORMS: [&str; 4] = ["none", "gzip", "zstd", "zstd:chunked"];

/// A tar of all that a table of contents can list, with files around the size of a chunk.
fn varied() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |kind, name: &str, link: Option<&str>, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o4755);
        header.set_uid(1000);
        header.set_gid(3_000_000);
        header.set_mtime(1_600_000_000);
        header.set_size(content.len() as u64);
        match link {
            Some(link) => builder.append_link(&mut header, name, link).unwrap(),
            None if kind == tar::EntryType::Char => {
                header.set_device_major(1).unwrap();
                header.set_device_minor(3).unwrap();
                builder.append_data(&mut header, name, content).unwrap();
            }
            None => builder.append_data(&mut header, name, content).unwrap(),
        }
    };
    use tar::EntryType as Kind;
    add(Kind::Directory, "d/", None, b"");
    let bytes: Vec<u8> = tar("x", 3 * CHUNK + 7).split_off(512);
    for len in [0, 1, 511, 512, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7] {
        add(Kind::Regular, &format!("d/{len}"), None, &bytes[..len]);
    }
    add(Kind::Regular, &format!("d/{}", "long".repeat(60)), None, b"a long name");
    add(Kind::Link, "d/linked", Some("d/512"), b"");
    add(Kind::Symlink, "d/symbolic", Some("../d/512"), b"");
    add(Kind::Char, "d/null", None, b"");
    add(Kind::Fifo, "d/fifo", None, b"");
    let attributes = [
        ("SCHILY.xattr.user.name", &b"val\xffue"[..]),
        ("mtime", b"-86399.25"),
        ("path", "d/f\u{e4}den".as_bytes()),
    ];
    builder.append_pax_extensions(attributes).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(3);
    header.set_mode(0o600);
    builder.append_data(&mut header, "short", &b"abc"[..]).unwrap();
    let mut tar = builder.into_inner().unwrap();
    // GNU tar fills its record.
    tar.resize(tar.len().next_multiple_of(10_240), 0);
    tar
}

fn import(place: &Place, name: &str, tar: &[u8]) {
    let path = place.path("layer.tar");
    std::fs::write(&path, tar).unwrap();
    place.run(&["import", path.to_str().unwrap(), name, "--created", "2024-01-02T03:04:05Z"]);
}

/// The manifest's digest and media type, and its only layer with the blob.
fn stored(place: &Place, name: &str) -> (String, String, Descriptor, Vec<u8>) {
    let store = Store::open_real(&place.path("data/images"), Durability::NoSync).unwrap();
    let target = store.resolve(name).unwrap().target;
    let (_, Manifest::Image(mut manifest)) = store.manifest(&target).unwrap() else { panic!() };
    let layer = manifest.layers.remove(0);
    let blob = std::fs::read(store.blob_path(&layer.digest)).unwrap();
    (target.digest.to_string(), target.media_type, layer, blob)
}

fn decompressed(form: &str, blob: Vec<u8>) -> Vec<u8> {
    let mut tar = Vec::new();
    match form {
        "none" => return blob,
        "gzip" => flate2::read::MultiGzDecoder::new(&*blob).read_to_end(&mut tar).unwrap(),
        _ => zstd::stream::read::Decoder::new(Cursor::new(blob))
            .unwrap()
            .read_to_end(&mut tar)
            .unwrap(),
    };
    tar
}

#[test]
fn every_form_holds_the_same_tar() {
    let (place, tar) = (Place::new(), varied());
    import(&place, "r.io/a:none", &tar);
    let original = stored(&place, "r.io/a:none").0;
    let named = |form: &str| format!("r.io/a:{}", form.replace(':', "-"));
    for form in &FORMS[1..] {
        place.run(&["convert", "r.io/a:none", "--compress", form, "--tag", &named(form)]);
    }
    for from in FORMS {
        for to in FORMS {
            let convert = ["convert", &named(from), "--compress", to, "--tag", "r.io/b:1"];
            let printed = place.run(&convert);
            let (found, _, layer, blob) = stored(&place, "r.io/b:1");
            assert_eq!(printed.trim(), found);
            assert_eq!(digest(&blob), layer.digest.to_string());
            assert_eq!(digest(&decompressed(to, blob)), digest(&tar), "{from} to {to}");
            assert_eq!(place.run(&["validate", "r.io/b:1"]), "valid\n", "{from} to {to}");
            assert!(to != "none" || found == original, "{from}");
            // What has a table of contents keeps it where the compression stays.
            let listed = to == "zstd:chunked" || (from, to) == ("zstd:chunked", "zstd");
            assert_eq!(layer.annotations.map_or(0, |all| all.len()), 3 * usize::from(listed));
        }
    }
    assert_eq!(place.run(&["fsck"]), "clean\n");
}

#[test]
fn what_is_converted_twice_is_the_same() {
    let place = Place::new();
    import(&place, "r.io/a:1", &varied());
    let once = place.run(&["convert", "r.io/a:1", "--compress=zstd:chunked", "--tag=r.io/b:1"]);
    let again = place.run(&["convert", "r.io/a:1", "--compress=zstd:chunked", "--tag=r.io/c:1"]);
    let kept = place.run(&["convert", "r.io/c:1", "--compress=zstd:chunked"]);
    assert_eq!([&again, &kept], [&once; 2]);
}

#[test]
fn what_no_table_of_contents_can_list_is_refused() {
    let named = |path: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path);
        header.set_size(0);
        header.set_mode(0o644);
        header.set_cksum();
        let mut tar = header.as_bytes().to_vec();
        tar.resize(2048, 0);
        tar
    };
    let late = {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_pax_extensions([("mtime", &b"99999999999999"[..])]).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(0);
        builder.append_data(&mut header, "late", &b""[..]).unwrap();
        builder.into_inner().unwrap()
    };
    let sparse = {
        let mut builder = tar::Builder::new(Vec::new());
        let map = [("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.minor", b"0")];
        let names = [("GNU.sparse.name", &b"holes"[..]), ("GNU.sparse.realsize", b"4096")];
        builder.append_pax_extensions(map.into_iter().chain(names)).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(512);
        let mut body = b"1\n4096\n0\n".to_vec();
        body.resize(512, 0);
        builder.append_data(&mut header, "GNUSparseFile.0/holes", &*body).unwrap();
        builder.into_inner().unwrap()
    };
    for (tar, reason) in
        [(named(b"caf\xe9"), "not UTF-8"), (late, "after 9999"), (sparse, "it is sparse")]
    {
        let place = Place::new();
        import(&place, "r.io/a:1", &tar);
        let before = place.run(&["list", "--format", "json"]);
        let error = place.fails(1, &["convert", "r.io/a:1", "--compress=zstd:chunked"]);
        assert!(error.contains(reason), "{error}");
        assert_eq!(place.run(&["list", "--format", "json"]), before);
        let left = std::fs::read_dir(place.path("data/images/x-imgmgr/ingest")).unwrap();
        assert_eq!(left.count(), 0);
        // It can be compressed all the same.
        place.run(&["convert", "r.io/a:1", "--compress=zstd"]);
        assert_eq!(place.run(&["validate", "r.io/a:1"]), "valid\n");
    }
}

#[test]
fn a_damaged_layer_is_not_converted() {
    for form in ["gzip", "zstd:chunked"] {
        let place = Place::new();
        import(&place, "r.io/a:1", &varied());
        let (before, _, layer, _) = stored(&place, "r.io/a:1");
        let path = place.path("data/images/blobs/sha256").join(layer.digest.hex());
        let mut blob = std::fs::read(&path).unwrap();
        blob[CHUNK + 5000] ^= 1;
        std::fs::write(&path, blob).unwrap();
        let error = place.fails(1, &["convert", "r.io/a:1", "--compress", form]);
        assert!(error.contains("has digest `sha256:"), "{error}");
        assert_eq!(stored(&place, "r.io/a:1").0, before);
    }
}

#[test]
fn a_docker_image_becomes_one_of_oci() {
    if !have("skopeo") {
        return;
    }
    let Some(registry) = Registry::open() else { return };
    let place = Place::new();
    layout(&place.path("in"), &[tar("a", 300_000), tar("b", 1000), tar("a", 300_000)]);
    let from = format!("oci:{}:v1", place.path("in").display());
    let name = format!("{}/app:v1", registry.host);
    let mut skopeo = std::process::Command::new("skopeo");
    skopeo.args(["copy", "--insecure-policy", "--format=v2s2", "--dest-tls-verify=false"]);
    succeeds(skopeo.args([&from, &format!("docker://{name}")]));
    place.run(&["pull", &name]);
    assert_eq!(stored(&place, &name).1, media::DOCKER_MANIFEST);
    place.run(&["convert", &name, "--compress=zstd:chunked"]);
    let (_, media_type, layer, _) = stored(&place, &name);
    assert_eq!((&*media_type, &*layer.media_type), (media::OCI_MANIFEST, media::OCI_LAYER_ZSTD));
    assert_eq!(place.run(&["validate", &name]), "valid\n");
    place.run(&["push", &name]);
    let to = format!("dir:{}", place.path("out").display());
    let mut skopeo = std::process::Command::new("skopeo");
    skopeo.args(["copy", "--insecure-policy", "--src-tls-verify=false"]);
    succeeds(skopeo.args([&format!("docker://{name}"), &to]));
}

#[test]
fn files_of_a_converted_layer_that_are_there_are_not_fetched() {
    let Some(registry) = Registry::open() else { return };
    let (wire, place) = (Listener::before(&registry.host), Place::new());
    let both = |name: &str, last: &str| {
        let mut builder = tar::Builder::new(Vec::new());
        for (index, file) in ["one", "two", "three", last].iter().enumerate() {
            let mut header = tar::Header::new_gnu();
            let content = tar(file, 2 * CHUNK + index).split_off(512);
            let content = &content[..2 * CHUNK + index];
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, file, content).unwrap();
        }
        let name = format!("{}/app:{name}", registry.host);
        import(&place, &name, &builder.into_inner().unwrap());
        place.run(&["convert", &name, "--compress=zstd:chunked"]);
        place.run(&["push", &name]);
    };
    both("v1", "old");
    both("v2", "new");
    let other = Place::new();
    other.run(&["pull", "--unpack", &format!("{}/app:v1", wire.host)]);
    wire.moved(Direction::Received);
    other.run(&["pull", "--unpack", &format!("{}/app:v2", wire.host)]);
    let moved = wire.moved(Direction::Received);
    assert!(moved < 100 << 10, "{moved}: only names differ");
    assert_eq!(other.run(&["fsck"]), "clean\n");
}

/// The tar that a tar-split describes, given its files; every checksum is compared.
fn joined(split: &[u8], files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    use base64::Engine as _;
    let mut tar = Vec::new();
    for (index, line) in split.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()).enumerate() {
        let entry: serde_json::Value = serde_json::from_slice(line).unwrap();
        assert_eq!(entry["position"], index);
        let payload = entry["payload"].as_str();
        let payload = payload.map(|text| base64::engine::general_purpose::STANDARD.decode(text));
        let payload = payload.transpose().unwrap();
        if entry["type"] == 2 {
            tar.extend(payload.unwrap());
            continue;
        }
        let content = files.get(entry["name"].as_str().unwrap()).map_or(&[][..], Vec::as_slice);
        assert_eq!(entry["size"], content.len());
        assert_eq!(payload.is_some(), !content.is_empty());
        assert!(payload.is_none_or(|checksum| checksum == crc64(content).to_be_bytes()));
        tar.extend_from_slice(content);
    }
    tar
}

/// CRC-64 of ISO 3309, bit by bit.
fn crc64(bytes: &[u8]) -> u64 {
    !bytes.iter().fold(u64::MAX, |crc, byte| {
        (0..8).fold(crc ^ u64::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xd800_0000_0000_0000 & (crc & 1).wrapping_neg())
        })
    })
}

/// The tar-split of a layer; `None` if there is none.
fn tar_split(layer: &Descriptor, blob: &[u8]) -> Option<Vec<u8>> {
    let place = layer.annotation("io.github.containers.zstd-chunked.tarsplit-position")?;
    let numbers: Vec<usize> = place.split(':').map(|number| number.parse().unwrap()).collect();
    let split = zstd::decode_all(&blob[numbers[0]..numbers[0] + numbers[1]]).unwrap();
    assert_eq!(split.len(), numbers[2]);
    Some(split)
}

#[test]
fn the_tar_split_gives_the_tar_again() {
    let (place, tar) = (Place::new(), varied());
    import(&place, "r.io/a:1", &tar);
    place.run(&["convert", "r.io/a:1", "--compress=zstd:chunked"]);
    let (.., layer, blob) = stored(&place, "r.io/a:1");
    let mut files = BTreeMap::new();
    let mut archive = tar::Archive::new(&*tar);
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        files.insert(name, content);
    }
    let split = tar_split(&layer, &blob).unwrap();
    assert_eq!(digest(&joined(&split, &files)), digest(&tar));
}

#[test]
fn what_others_would_miss_in_the_table_of_contents_has_no_tar_split() {
    let one = |edit: &dyn Fn(&mut tar::Header), pax: &[(&str, &[u8])]| {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_pax_extensions(pax.iter().copied()).unwrap();
        for name in ["first", "second"] {
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            header.set_mode(0o100_644);
            header.set_path(name).unwrap();
            edit(&mut header);
            header.set_cksum();
            builder.append(&header, &b""[..]).unwrap();
        }
        builder.into_inner().unwrap()
    };
    let global = {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::XGlobalHeader);
        header.set_size(13);
        header.set_cksum();
        let mut tar = header.as_bytes().to_vec();
        tar.extend(b"13 comment=x\n");
        tar.resize(1024, 0);
        [tar, one(&|_| {}, &[])].concat()
    };
    for (tar, has_split) in [
        (one(&|_| {}, &[]), true),
        (one(&|_| {}, &[("mtime", b"5.5"), ("SCHILY.xattr.user.a", b"b")]), true),
        (one(&|_| {}, &[("atime", b"5")]), false),
        (one(&|_| {}, &[("ctime", b"5")]), false),
        (one(&|header| header.set_path("same").unwrap(), &[]), false),
        (one(&|header| header.set_entry_type(tar::EntryType::Continuous), &[]), false),
        (one(&|header| header.set_device_major(7).unwrap(), &[]), false),
        (one(&|header| header.as_gnu_mut().unwrap().set_atime(7), &[]), false),
        (global, false),
    ] {
        let place = Place::new();
        import(&place, "r.io/a:1", &tar);
        place.run(&["convert", "r.io/a:1", "--compress=zstd:chunked"]);
        assert_eq!(place.run(&["validate", "r.io/a:1"]), "valid\n");
        let (.., layer, blob) = stored(&place, "r.io/a:1");
        let split = tar_split(&layer, &blob);
        assert_eq!(split.is_some(), has_split, "{:?}", String::from_utf8_lossy(&tar[..600]));
        assert_eq!(layer.annotations.unwrap().len(), 2 + usize::from(has_split));
    }
}

#[test]
fn layers_are_converted_each_for_itself() {
    let place = Place::new();
    let (one, other) = (tar("one", 70_000), tar("other", 900));
    layout(&place.path("in"), &[one.clone(), other, one]);
    let path = place.path("in");
    place.run(&["copy", &format!("oci:{}:v1", path.display()), "r.io/a:1"]);
    let store = Store::open_real(&place.path("data/images"), Durability::NoSync).unwrap();
    let annotated = |name: &str| {
        let entry = store.resolve(name).unwrap();
        let (_, Manifest::Image(manifest)) = store.manifest(&entry.target).unwrap() else {
            panic!()
        };
        (entry, *manifest)
    };
    let (mut entry, mut manifest) = annotated("r.io/a:1");
    let stale = "io.containers.zstd-chunked.manifest-checksum";
    for (layer, text) in manifest.layers.iter_mut().zip(["first", "second", "third"]) {
        let all = [("note", text), (stale, "sha256:00")];
        layer.annotations = Some(all.map(|(key, text)| (key.to_owned(), text.to_owned())).into());
    }
    entry.target = store.put_blob(media::OCI_MANIFEST, &manifest.to_bytes()).unwrap();
    store.tag(&entry).unwrap();
    place.run(&["convert", "r.io/a:1", "--compress=zstd"]);
    let (_, manifest) = annotated("r.io/a:1");
    let notes: Vec<_> = manifest.layers.iter().map(|layer| layer.annotation("note")).collect();
    assert_eq!(notes, [Some("first"), Some("second"), Some("third")]);
    let digests: Vec<_> = manifest.layers.iter().map(|layer| &layer.digest).collect();
    assert!(digests[0] == digests[2] && digests[0] != digests[1]);
    assert!(manifest.layers.iter().all(|layer| layer.annotation(stale).is_none()));
    assert_eq!(place.run(&["validate", "r.io/a:1"]), "valid\n");
}

/// Damage that makes an entry of what can't be listed is still damage.
#[test]
fn damage_is_not_taken_for_what_the_layer_says() {
    let place = Place::new();
    import(&place, "r.io/a:1", &tar("name", 100));
    let (.., layer, mut blob) = stored(&place, "r.io/a:1");
    // A name that is not UTF-8, with the right checksum.
    blob[0] = 0xff;
    let sum = blob[..512].iter().enumerate();
    let sum = sum.map(|(at, byte)| u64::from(if (148..156).contains(&at) { b' ' } else { *byte }));
    let sum = format!("{:06o}\0 ", sum.sum::<u64>());
    blob[148..156].copy_from_slice(sum.as_bytes());
    let path = place.path("data/images/blobs/sha256").join(layer.digest.hex());
    std::fs::write(&path, blob).unwrap();
    let error = place.fails(1, &["convert", "r.io/a:1", "--compress=zstd:chunked"]);
    assert!(error.contains("has digest `sha256:"), "{error}");
}
