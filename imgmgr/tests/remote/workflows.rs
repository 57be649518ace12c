//! The distribution-spec's workflows (pull, push, content discovery, management) against two
//! implementations of it; and the store as skopeo reads it.

use std::io::Write;
use std::process::Command;

use super::registry::{Registry, have};
use super::support::{Place, layout, tar};

#[test]
fn push_discover_pull_manage_with_docker_registry() {
    if let Some(registry) = Registry::open() {
        push_discover_pull_manage(&registry);
    }
}

#[test]
#[ignore = "conformance/other-registry installs the registry"]
fn push_discover_pull_manage_with_another_registry() {
    if let Some(registry) = Registry::other() {
        push_discover_pull_manage(&registry);
    }
}

fn push_discover_pull_manage(registry: &Registry) {
    let place = Place::new();
    let digest = layout(&place.path("in"), &[tar("a", 70_000), tar("b", 20 << 20)]);
    let from = format!("oci:{}:v1", place.path("in").display());
    let (one, two) =
        (format!("{}/team/app:v1", registry.host), format!("{}/app:v2", registry.host));

    // Push, also chunked (the second layer), and mounted by a sibling.
    let copied = place.run(&["copy", &from, &format!("docker://{one}")]);
    assert_eq!(copied.trim(), digest);
    place.run(&["pull", &one]);
    place.run(&["tag", &one, &two]);
    place.run(&["push", &two]);

    // Content discovery.
    let tags = place.run(&["list-tags", "--format", "table", &format!("{}/app", registry.host)]);
    assert_eq!(tags, "v2\n");
    let shown = place.run(&["inspect", &format!("docker://{two}")]);
    assert!(shown.contains(&digest) && shown.contains("A=b"), "{shown}");
    let raw = place.run(&["inspect", "--raw", &format!("docker://{two}")]);
    assert_eq!(imgmgr::digest::Digest::of(raw.as_bytes()).to_string(), digest);

    // Pull by digest into a fresh store.
    let other = Place::new();
    other.run(&["pull", &format!("{}/app@{digest}", registry.host)]);
    assert_eq!(other.run(&["fsck"]), "clean\n");
    assert_eq!(
        other.run(&["pull", &format!("{}/app@{digest}", registry.host)]).split(':').next(),
        Some("up to date")
    );

    // Management.
    place.run(&["delete", &two]);
    let error = place.fails(1, &["pull", &two]);
    assert!(error.starts_with("error: GET `http://") && error.contains("404"), "{error}");
    place.run(&["untag", &one, &two]);
    let freed = place.run(&["gc"]);
    assert!(freed.contains("in 4 blobs"), "{freed}");
    assert_eq!(place.run(&["list", "--quiet"]), "");
}

#[test]
fn archives_and_directories_go_round() {
    let place = Place::new();
    let digest = layout(&place.path("in"), &[tar("a", 5000), tar("b", 100)]);
    let at = |kind: &str, name: &str| format!("{kind}:{}", place.path(name).display());
    let from = format!("{}:v1", at("oci", "in"));
    for (place_to, back) in [
        (at("oci-archive", "o.tar"), at("oci", "back1")),
        (at("docker-archive", "d.tar"), at("oci", "back2")),
        (at("dir", "dir"), at("oci", "back3")),
    ] {
        place.run(&["copy", &from, &place_to]);
        assert_eq!(place.run(&["copy", &place_to, &back]).trim(), digest, "{place_to}");
        assert_eq!(place.run(&["validate", &back]), "valid\n");
        if have("skopeo") {
            let output = Command::new("skopeo").args(["inspect", "--raw", &back]).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    place.run(&["copy", &from, "r.io/a:1"]);
    place.run(&["tag", "r.io/a:1", "r.io/b:2"]);
    let both = place.path("both.tar").display().to_string();
    place.run(&["save", "--output", &both, "r.io/a:1", "r.io/b:2"]);
    let other = Place::new();
    let loaded = other.run(&["load", "--input", &both]);
    assert!(loaded.contains("r.io/a:1") && loaded.contains("r.io/b:2"), "{loaded}");
    assert_eq!(other.run(&["fsck"]), "clean\n");
}

#[test]
fn skopeo_reads_the_store_and_writes_what_we_read() {
    if !have("skopeo") {
        return;
    }
    let place = Place::new();
    let digest = layout(&place.path("in"), &[tar("a", 5000)]);
    place.run(&["copy", &format!("oci:{}:v1", place.path("in").display()), "r.io/team/a:1"]);
    let store = place.path("data").join("images");
    let named = format!("oci:{}:r.io/team/a:1", store.display());
    let output =
        Command::new("skopeo").args(["inspect", "--format", "{{.Digest}}", &named]).output();
    assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap().trim(), digest);
    // skopeo adds a name of its own; ours stays, and its is listed.
    let foreign = format!("oci:{}:r.io/foreign:9", store.display());
    let output = Command::new("skopeo")
        .args(["copy", "--insecure-policy", &named, &foreign])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = place.run(&["list", "--quiet"]);
    assert!(names.contains("r.io/team/a:1\n") && names.contains("r.io/foreign:9\n"), "{names}");
    assert_eq!(place.run(&["fsck"]), "clean\n");
}

#[test]
fn mistakes_are_told_with_their_exit_code() {
    let place = Place::new();
    assert!(place.fails(1, &["history", "absent"]).contains("hint: `imgmgr list`"));
    assert!(place.fails(2, &["pull", "UPPER CASE"]).contains("is not an image reference"));
    place.fails(2, &["frobnicate"]);
    place.fails(2, &["copy", "containers-storage:x", "y"]);
    let error = place.fails(1, &["--attempts", "1", "pull", "127.0.0.1:1/x"]);
    assert!(error.contains("caused by:"), "{error}");
}

#[test]
fn fsck_finds_damage_and_fetches_again() {
    let Some(registry) = Registry::open() else { return };
    let place = Place::new();
    layout(&place.path("in"), &[tar("a", 5000)]);
    let name = format!("{}/app:1", registry.host);
    let from = format!("oci:{}:v1", place.path("in").display());
    place.run(&["copy", &from, &format!("docker://{name}")]);
    place.run(&["pull", &name]);
    let blobs = place.path("data").join("images/blobs/sha256");
    let largest = std::fs::read_dir(&blobs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .max_by_key(|path| std::fs::metadata(path).unwrap().len())
        .unwrap();
    std::fs::OpenOptions::new().write(true).open(&largest).unwrap().write_all(b"rot").unwrap();
    place.fails(1, &["fsck"]);
    let repaired = place.run(&["fsck", "--repair"]);
    assert!(repaired.ends_with("repaired\n"), "{repaired}");
    assert_eq!(place.run(&["fsck"]), "clean\n");
}

#[test]
fn progress_lines_follow_their_schema() {
    let Some(registry) = Registry::open() else { return };
    let place = Place::new();
    layout(&place.path("in"), &[tar("a", 3 << 20)]);
    let from = format!("oci:{}:v1", place.path("in").display());
    let name = format!("{}/app:1", registry.host);
    let schema = include_str!("../../../docs/progress.schema.json");
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    let states = schema["properties"]["state"]["enum"].as_array().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for args in [["copy", &from, &format!("docker://{name}")].as_slice(), &["pull", &name]] {
        let output = place.plain(args).args(["--progress", "json"]).output().unwrap();
        assert!(output.status.success());
        for line in String::from_utf8(output.stderr).unwrap().lines() {
            let line: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(line).unwrap();
            assert!(line.keys().eq(schema["properties"].as_object().unwrap().keys()), "{line:?}");
            assert!(states.contains(&line["state"]), "{line:?}");
            assert!(line["moved"].as_u64().unwrap() <= line["size"].as_u64().unwrap());
            line["digest"].as_str().unwrap().parse::<imgmgr::digest::Digest>().unwrap();
            seen.insert(line["state"].to_string());
        }
    }
    assert!(seen.contains("\"moving\"") && seen.contains("\"done\""), "{seen:?}");
}
