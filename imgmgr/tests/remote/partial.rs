//! Partial pulls: of a zstd:chunked or eStargz layer, only the parts are fetched that no blob of
//! the store has.

use std::path::Path;
use std::process::Stdio;

use imgmgr::image::{Descriptor, ImageManifest, media};
use imgmgr::store::{Durability, ImageEntry, Store};

use super::chunked::{File, Format, Layer, digest, layer, layer_with};
use super::registry::{Registry, have};
use super::support::{Place, succeeds};
use super::wire::{Dammed, Direction, Listener};

/// Bytes of requests and answers besides blobs.
const TALK: u64 = 96 << 10;
const FORMATS: [Format; 2] = [Format::ZstdChunked, Format::Stargz];

/// Adds an image of one layer to the layout at `path`.
fn image(path: &Path, name: &str, layer: &Layer) {
    let store = Store::open_real(path, Durability::NoSync).unwrap();
    let mut blob = store.put_blob(layer.media_type, &layer.blob).unwrap();
    blob.annotations = Some(layer.annotations.clone());
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer.tar)] },
    });
    let manifest = ImageManifest {
        schema_version: 2,
        media_type: Some(media::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config: store.put_blob(media::OCI_CONFIG, config.to_string().as_bytes()).unwrap(),
        layers: vec![blob],
        subject: None,
        annotations: None,
    };
    let target: Descriptor = store.put_blob(media::OCI_MANIFEST, &manifest.to_bytes()).unwrap();
    store.tag(&ImageEntry::new(name, target)).unwrap();
}

/// A registry with `old` as `app:v1` and `new` as `app:v2`, seen through a wire that counts.
fn serve(old: &Layer, new: &Layer) -> Option<(Registry, Listener)> {
    let registry = Registry::open()?;
    let (wire, place) = (Listener::before(&registry.host), Place::new());
    for (name, layer) in [("v1", old), ("v2", new)] {
        image(&place.path("in"), name, layer);
        let from = format!("oci:{}:{name}", place.path("in").display());
        place.run(&["copy", &from, &format!("docker://{}/app:{name}", registry.host)]);
    }
    wire.moved(Direction::Received);
    Some((registry, wire))
}

fn files(count: u64, len: usize) -> Vec<File> {
    let dir = File { name: "data/".to_owned(), content: Vec::new() };
    let files = (0..count).map(|n| File::random(&format!("data/{n:05}"), n, len));
    std::iter::once(dir).chain(files).collect()
}

/// Pulls v1, then v2, checks both, and returns what v2 moved.
fn pull_both(wire: &Listener, place: &Place) -> u64 {
    place.run(&["pull", "--unpack", &format!("{}/app:v1", wire.host)]);
    wire.moved(Direction::Received);
    place.run(&["pull", "--unpack", &format!("{}/app:v2", wire.host)]);
    let moved = wire.moved(Direction::Received);
    // Every blob has its digest, every unpacked layer is what its blob unpacks to.
    assert_eq!(place.run(&["fsck"]), "clean\n");
    moved
}

#[test]
fn large_files_that_are_there_are_not_fetched() {
    for format in FORMATS {
        let mut all = files(12, 700 << 10);
        let old = layer(format, &all, |_| {});
        all[5] = File::random("data/00004", 99, 700 << 10);
        all.push(File::random("more", 77, 300 << 10));
        let new = layer(format, &all, |_| {});
        let Some((_registry, wire)) = serve(&old, &new) else { return };
        let moved = pull_both(&wire, &Place::new());
        // In eStargz the header of the next file is in the chunk before it.
        let changed = (1300 << 10) + if format == Format::Stargz { 256 << 10 } else { 0 };
        assert!(moved <= changed + TALK, "{format:?}: {moved} of {}", new.blob.len());
        assert!(moved >= 1000 << 10, "{format:?}: {moved}");
    }
}

#[test]
fn small_files_that_are_there_are_not_fetched() {
    for format in FORMATS {
        let mut all = files(1500, 4 << 10);
        let old = layer(format, &all, |_| {});
        for n in [100, 101, 102, 700, 1300] {
            all[n] = File::random(&all[n].name.clone(), n as u64 + 5000, 4 << 10);
        }
        let new = layer(format, &all, |_| {});
        let Some((_registry, wire)) = serve(&old, &new) else { return };
        let moved = pull_both(&wire, &Place::new());
        let toc: u64 = 400 << 10;
        assert!(moved <= toc + TALK, "{format:?}: {moved} of {}", new.blob.len());
    }
}

#[test]
fn equal_keys_for_other_bytes_cost_no_more_than_a_whole_pull() {
    for format in FORMATS {
        // The old layer's files are others than its table of contents says.
        let true_ones = files(6, 500 << 10);
        let mut others = files(6, 500 << 10);
        for (n, file) in others.iter_mut().enumerate().skip(1) {
            *file = File::random(&file.name.clone(), 1000 + n as u64, 500 << 10);
        }
        let new = layer(format, &true_ones, |_| {});
        let digests = std::cell::RefCell::new(Vec::new());
        layer(format, &true_ones, |toc| {
            let entries = toc["entries"].as_array().unwrap().iter();
            *digests.borrow_mut() = entries.map(|e| e["chunkDigest"].clone()).collect();
        });
        let old = layer(format, &others, |toc| {
            for (entry, digest) in
                toc["entries"].as_array_mut().unwrap().iter_mut().zip(&*digests.borrow())
            {
                if !digest.is_null() {
                    entry["chunkDigest"] = digest.clone();
                }
            }
        });
        let Some((_registry, wire)) = serve(&old, &new) else { return };
        let place = Place::new();
        let moved = pull_both(&wire, &place);
        let whole = new.blob.len() as u64;
        assert!(moved > whole / 2, "{format:?}: the keys were not equal, nothing was tested");
        assert!(moved <= whole + TALK, "{format:?}: {moved} of {whole}");
        let name = format!("{}/app:v1", wire.host);
        let findings = place.plain(&["validate", &name]).output().unwrap();
        let text = String::from_utf8_lossy(&findings.stdout);
        assert!(text.contains("the table of contents lies about `data/00000`"), "{text}");
        assert_eq!(place.run(&["validate", &format!("{}/app:v2", wire.host)]), "valid\n");
    }
}

/// A pull of `new` beside `old` uses nothing of the table of contents, and `validate` says `why`.
#[track_caller]
fn is_fetched_whole(format: Format, old: &Layer, new: &Layer, why: &str) {
    let Some((_registry, wire)) = serve(old, new) else { return };
    let place = Place::new();
    let moved = pull_both(&wire, &place);
    assert!(moved >= new.blob.len() as u64, "{format:?}: {moved}");
    let output = place.plain(&["validate", &format!("{}/app:v2", wire.host)]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(why), "{text}");
}

#[test]
fn a_toc_that_is_not_the_annotated_one_is_not_used() {
    for format in FORMATS {
        let all = files(4, 600 << 10);
        let old = layer(format, &all, |_| {});
        let mut new = layer(format, &all[1..], |_| {});
        for value in new.annotations.values_mut().filter(|value| value.starts_with("sha256:")) {
            *value = digest(b"another");
        }
        is_fetched_whole(format, &old, &new, "the table of contents has digest");
    }
}

/// eStargz and zstd:chunked are ordinary layers to whoever doesn't know them: a version that we
/// don't know makes them so to us, and `validate` tells it.
#[test]
fn a_toc_of_an_unknown_version_is_not_used() {
    for format in FORMATS {
        let all = files(4, 600 << 10);
        let old = layer(format, &all, |_| {});
        let new = layer(format, &all[1..], |toc| toc["version"] = 2.into());
        is_fetched_whole(format, &old, &new, "has version 2, and only 1 is known");
    }
}

#[test]
fn a_toc_whose_pieces_overlap_is_not_used() {
    let all = files(4, 600 << 10);
    let old = layer(Format::ZstdChunked, &all, |_| {});
    let new = layer(Format::ZstdChunked, &all[1..], |toc| {
        // The second file's first chunk would begin within the first file.
        let entries = toc["entries"].as_array_mut().unwrap();
        let second = entries.iter().rposition(|entry| entry["name"] == "data/00001").unwrap();
        entries[0]["endOffset"] = entries[second]["offset"].clone();
    });
    is_fetched_whole(Format::ZstdChunked, &old, &new, "its chunk overlaps another one");
}

/// Entries that take 25 times the memory of their JSON: a gigabyte without a limit.
#[test]
fn a_hostile_toc_takes_no_more_memory_than_is_named() {
    const ENTRIES: usize = 1 << 20;
    const BESIDES: usize = 192 << 20;
    let made = layer_with(Format::ZstdChunked, &files(1, 100), |_| {
        let entries = vec![r#"{"name":"","type":"dir","xattrs":{"":""}}"#; ENTRIES].join(",");
        format!(r#"{{"version":1,"entries":[{entries}]}}"#)
    });
    let place = Place::new();
    image(&place.path("in"), "v1", &made);
    place.run(&["copy", &format!("oci:{}:v1", place.path("in").display()), "img:1"]);
    let validate = place.plain(&["validate", "img:1"]);
    let kib = (imgmgr::toc::MAX_TOC_MEMORY + BESIDES) >> 10;
    let mut limited = std::process::Command::new("bash");
    limited.args(["-c", &format!("ulimit -v {kib}; exec \"$0\" \"$@\"")]);
    limited.arg(validate.get_program()).args(validate.get_args());
    limited.env_clear().envs(validate.get_envs().filter_map(|(key, value)| Some((key, value?))));
    // Room that is only reserved would count, too.
    let output = limited.env("MALLOC_ARENA_MAX", "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("exceeds the limit MAX_TOC_MEMORY"), "{text}{errors}");
}

#[test]
fn a_killed_partial_pull_goes_on() {
    for format in FORMATS {
        let mut all = files(40, 600 << 10);
        let old = layer(format, &all, |_| {});
        for n in (1..40).step_by(4) {
            all[n] = File::random(&all[n].name.clone(), n as u64 + 500, 600 << 10);
        }
        let new = layer(format, &all, |_| {});
        let Some((_registry, wire)) = serve(&old, &new) else { return };
        let place = Place::new();
        let (v1, v2) = (format!("{}/app:v1", wire.host), format!("{}/app:v2", wire.host));
        place.run(&["pull", "--unpack", &v1]);
        for at in [1 << 10, 100 << 10, 1 << 20, 3 << 20] {
            wire.moved(Direction::Received);
            let told = wire.at(Direction::Received, at, Dammed::Cut);
            let mut child = place
                .plain(&["pull", "--unpack", &v2])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            told.recv().unwrap();
            child.kill().unwrap();
            assert!(!child.wait().unwrap().success());
            wire.release();
            assert_eq!(place.run(&["fsck"]), "clean\n", "{format:?} at {at}");
        }
        place.run(&["pull", "--unpack", &v2]);
        assert_eq!(place.run(&["fsck"]), "clean\n", "{format:?}");
        let trees = ["a", "b"].map(|name| place.path(name));
        place.run(&["export", &v2, "--output", trees[0].to_str().unwrap()]);
        let other = Place::new();
        other.run(&["pull", "--unpack", &v2]);
        other.run(&["export", &v2, "--output", trees[1].to_str().unwrap()]);
        let [ours, theirs] = trees.map(|path| digest(&std::fs::read(path).unwrap()));
        assert_eq!(ours, theirs, "{format:?}");
    }
}

#[test]
fn skopeo_reads_what_was_put_together() {
    if !have("skopeo") {
        return;
    }
    let mut all = files(3, 600 << 10);
    let old = layer(Format::Stargz, &all, |_| {});
    all.push(File::random("more", 9, 1000));
    let new = layer(Format::Stargz, &all, |_| {});
    let Some((_registry, wire)) = serve(&old, &new) else { return };
    let place = Place::new();
    pull_both(&wire, &place);
    let from = format!("oci:{}:{}/app:v2", place.path("data/images").display(), wire.host);
    let to = format!("oci:{}:v2", place.path("out").display());
    let mut skopeo = std::process::Command::new("skopeo");
    succeeds(skopeo.args(["copy", "--insecure-policy", &from, &to]));
}
