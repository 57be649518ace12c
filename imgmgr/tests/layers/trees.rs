//! `export`, `flatten`, `diff`, `commit` and `snapshot`, by the command, beside the mount.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::{Head, Record, Tar, differences, gnu_tar, record};
use crate::upkeep::{Place, dependent_layers};

/// Layers with everything that merging has to get right.
fn layers() -> Vec<Vec<u8>> {
    let mut layers = dependent_layers();
    let mut more = Tar::default();
    more.add(&Head::new("./", b'5', 0o750).mtime(1_000_000_000), b"");
    more.dir("opt").dir("opt/old").file("opt/old/a", b"a").file("opt/old/b", b"b").dir("srv");
    more.file("srv/keep", b"keep").pax(b'x', &[("SCHILY.xattr.user.k", b"v")]);
    more.file("srv/attr", b"attr").add(&Head::new("dev0", b'3', 0o600).device(5, 1), b"");
    let mut last = Tar::default();
    last.dir("opt").dir("opt/old").file("opt/old/.wh..wh..opq", b"").file("opt/old/c", b"c");
    last.file("srv/.wh.keep", b"").file("srv/h", b"h");
    last.hard_link("srv/link", "srv/h").symlink("srv/s", "h");
    layers.extend([more.end(), last.end()]);
    layers
}

fn shown(place: &Place, image: &str) -> BTreeMap<PathBuf, Record> {
    place.mount(image);
    let shown = record(&place.path("m"));
    place.umount();
    shown
}

#[test]
fn an_export_is_what_the_mount_shows() {
    let Some(place) = Place::new() else { return };
    place.image("a:1", &layers());
    let tar = place.output(&["export", "a:1"]).stdout;
    let again = place.path("again.tar");
    place.run(&["export", "a:1", "--output", again.to_str().unwrap()]);
    assert_eq!(tar, fs::read(&again).unwrap(), "the same bytes");
    let out = place.path("out");
    fs::create_dir(&out).unwrap();
    gnu_tar(&tar, &out).unwrap();
    let whole = shown(&place, "a:1");
    let found = differences(&record(&out), &whole);
    assert!(found.is_empty(), "{}", found.join("\n"));
    // And back: the same tree as an image of one layer.
    place.run(&["import", again.to_str().unwrap(), "b:1"]);
    let found = differences(&shown(&place, "b:1"), &whole);
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(place.run(&["diff", "a:1", "b:1"]), "");
    assert_eq!(place.run(&["fsck"]), "clean\n");
}

#[test]
fn a_flat_image_is_the_same_tree_in_one_layer() {
    let Some(place) = Place::new() else { return };
    place.image("a:1", &layers());
    let flatten = |name: &str| {
        let mut command = place.command(&["flatten", "a:1", "--tag", name]);
        let out = command.env("SOURCE_DATE_EPOCH", "1700000000").output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    assert_eq!(flatten("flat:1"), flatten("flat:2"), "the same bytes");
    let manifest: serde_json::Value =
        serde_json::from_str(&place.run(&["inspect", "--raw", "flat:1"])).unwrap();
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    assert_eq!(place.run(&["validate", "flat:1"]), "valid\n");
    let found = differences(&shown(&place, "flat:1"), &shown(&place, "a:1"));
    assert!(found.is_empty(), "{}", found.join("\n"));
    let history = place.run(&["history", "flat:1"]);
    assert!(history.contains("2023-11-14") && history.contains("imgmgr flatten"), "{history}");
}

#[test]
fn commit_makes_an_image_of_what_was_changed() {
    let Some(place) = Place::new() else { return };
    place.image("a:1", &layers());
    place.run(&["mount", "--writable", "a:1", &place.mount_point()]);
    let at = place.path("m");
    fs::write(at.join("srv/h"), b"changed").unwrap();
    fs::remove_dir_all(at.join("opt")).unwrap();
    fs::create_dir(at.join("opt")).unwrap();
    fs::write(at.join("opt/new"), b"new").unwrap();
    let commit = |name: &str| {
        let mut command = place.command(&["commit", &place.mount_point(), name]);
        let out = command.env("SOURCE_DATE_EPOCH", "1700000000").output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    assert_eq!(commit("b:1"), commit("b:2"), "the same bytes");
    let changed = record(&at);
    let changes = "D /opt/old\nD /opt/old/c\nA /opt/new\nC /srv/h\nC /srv/link\n";
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    // Alone, a mount is compared with its own image. Only one of two names was changed, but both
    // are: overlayfs breaks the link.
    let found = place.run(&["diff", &place.mount_point()]);
    let expected: Vec<_> =
        sorted(changes).into_iter().filter(|line| line != "C /srv/link").collect();
    assert_eq!(sorted(&found), expected);
    let exported = place.output(&["export", &place.mount_point()]).stdout;
    place.umount();
    assert_eq!(place.run(&["validate", "b:1"]), "valid\n");
    let (mut ours, mut theirs) = (shown(&place, "b:1"), changed);
    for record in ours.values_mut().chain(theirs.values_mut()) {
        // Limited in the layer.
        record.mtime = (0, 0);
    }
    let found = differences(&ours, &theirs);
    assert!(found.is_empty(), "{}", found.join("\n"));
    let out = place.path("out");
    fs::create_dir(&out).unwrap();
    gnu_tar(&exported, &out).unwrap();
    assert_eq!(fs::read(out.join("srv/h")).unwrap(), b"changed");
    assert_eq!(sorted(&place.run(&["diff", "a:1", "b:1"])), expected);
    // A view has nothing to commit.
    place.mount("a:1");
    assert!(place.fail(&["commit", &place.mount_point(), "c:1"]).contains("read-only"));
    place.umount();
}

#[test]
fn diff_names_every_path_that_differs() {
    let Some(place) = Place::new() else { return };
    let mut base = Tar::default();
    base.dir("d").file("d/same", b"same").file("d/content", b"1").file("d/gone", b"").dir("e");
    base.file("e/in", b"").file("kind", b"").add(&Head::new("d/mode", b'0', 0o644), b"");
    base.file("d/touched", b"x");
    let mut next = Tar::default();
    next.file("d/content", b"2").file("d/.wh.gone", b"").file(".wh.e", b"").dir("kind");
    next.add(&Head::new("d/mode", b'0', 0o600), b"").file("kind/in", b"new");
    next.add(&Head::new("d/touched", b'0', 0o644).mtime(5), b"x");
    place.image("a:1", &[base.end()]);
    place.image("b:1", &[base.end(), next.end()]);
    let expected = "C /d/content\nD /d/gone\nC /d/mode\nD /e\nD /e/in\nC /kind\nA /kind/in\n";
    assert_eq!(place.run(&["diff", "a:1", "b:1"]), expected);
    let values: serde_json::Value =
        serde_json::from_str(&place.run(&["diff", "a:1", "b:1", "--format", "json"])).unwrap();
    let last = &values.as_array().unwrap()[6];
    assert_eq!(*last, serde_json::json!({"path": "/kind/in", "change": "added", "size": 3}));
    assert_eq!(place.run(&["diff", "a:1", "a:1"]), "");
}

#[test]
fn snapshots_have_names_and_a_life_of_their_own() {
    let Some(place) = Place::new() else { return };
    place.image("a:1", &layers());
    place.run(&["snapshot", "prepare", "a:1", "work"]);
    place.run(&["snapshot", "prepare", "--view", "a:1", "view"]);
    assert!(place.fail(&["snapshot", "prepare", "a:1", "work"]).contains("exists"));
    place.run(&["snapshot", "mount", "work", &place.mount_point()]);
    fs::write(place.path("m/new"), b"new").unwrap();
    assert!(place.fail(&["snapshot", "rm", "work"]).contains("mounted"));
    place.run(&["snapshot", "umount", &place.mount_point()]);
    let list = place.run(&["snapshot", "list"]);
    assert!(list.contains("view") && list.contains("work"), "{list}");
    assert_eq!(place.run(&["diff", "snapshot:work"]), "A /new\n");
    assert_eq!(place.run(&["diff", "snapshot:view", "snapshot:work"]), "A /new\n");
    place.run(&["commit", "snapshot:work", "b:1"]);
    place.mount("b:1");
    assert_eq!(fs::read(place.path("m/new")).unwrap(), b"new");
    place.umount();
    place.run(&["snapshot", "rm", "work", "view"]);
    assert_eq!(place.run(&["snapshot", "list", "--format", "json"]), "[]\n");
    assert!(place.fail(&["diff", "snapshot:work"]).contains("no snapshot"));
}

#[test]
fn a_user_namespace_mounts_without_being_root() {
    let Some(place) = Place::alone() else { return };
    let works = std::process::Command::new("unshare").args(["-rm", "true"]).status();
    if !crate::support::can_run("user namespaces", works.is_ok_and(|status| status.success())) {
        return;
    }
    place.image("root:1", &layers());
    let layout = place.path("layout").display().to_string();
    place.run(&["copy", "root:1", &format!("oci:{layout}:a")]);
    // A store of its own: what root unpacked has other attributes.
    let store = place.path("user").display().to_string();
    let bin = crate::support::imgmgr();
    let bin = bin.to_str().unwrap();
    let at = place.mount_point();
    let script = format!(
        "set -e; i=\"{bin} --no-sync --root {store}\"
         $i copy oci:{layout}:a a:1 >&2
         $i mount a:1 {at}; ls {at}/opt/old {at}/srv; cat {at}/usr/lib/b; $i umount {at}
         $i mount --writable a:1 {at}; rm -r {at}/opt; mkdir {at}/opt; echo new > {at}/opt/new
         $i commit {at} b:1 >&2; $i diff {at}; $i umount {at}
         $i mount b:1 {at}; ls {at}/opt; $i umount {at}; $i fsck; $i untag a:1 b:1 >&2; $i gc >&2
         ls {store}/images/blobs/sha256"
    );
    let out = std::process::Command::new("unshare").args(["-rm", "sh", "-c", &script]).output();
    let out = out.unwrap();
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stdout));
    let old = format!("{at}/opt/old:\nc\n\n{at}/srv:\nattr\nh\nlink\ns\n");
    let rest = "through the linkA /opt/new\nD /opt/old\nD /opt/old/c\nnew\nclean\n";
    assert_eq!(String::from_utf8_lossy(&out.stdout), format!("{old}{rest}"), "{text}");
}

#[test]
fn the_root_directory_changes_too() {
    let Some(place) = Place::new() else { return };
    // Its root has an entry, and then none.
    for (image, layers) in [("a:1", layers()), ("b:1", dependent_layers())] {
        place.image(image, &layers);
        place.run(&["mount", "--writable", image, &place.mount_point()]);
        let root = place.path("m");
        fs::write(root.join("new"), b"").unwrap();
        assert_eq!(
            place.run(&["diff", &place.mount_point()]),
            "A /new\n",
            "a name is no change of it"
        );
        place.run(&["commit", &place.mount_point(), "c:1"]);
        assert_eq!(place.run(&["diff", image, "c:1"]), "A /new\n");
        fs::set_permissions(&root, fs::Permissions::from_mode(0o711)).unwrap();
        std::os::unix::fs::chown(&root, Some(5), None).unwrap();
        assert_eq!(place.run(&["diff", &place.mount_point()]), "C /\nA /new\n");
        place.run(&["commit", &place.mount_point(), "c:1"]);
        place.umount();
        assert_eq!(place.run(&["diff", image, "c:1"]), "C /\nA /new\n");
        let bundle = place.path(&image.replace(':', "-"));
        let at = bundle.to_str().unwrap();
        place.run(&["unpack", image, at]);
        fs::write(bundle.join("rootfs/new"), b"").unwrap();
        place.run(&["repack", "--refresh", at, "r:1"]);
        assert_eq!(place.run(&["diff", image, "r:1"]), "A /new\n");
        fs::set_permissions(bundle.join("rootfs"), fs::Permissions::from_mode(0o711)).unwrap();
        place.run(&["repack", at, "r:1"]);
        place.mount("r:1");
        assert_eq!(fs::metadata(&root).unwrap().permissions().mode() & 0o7777, 0o711);
        place.umount();
    }
}

#[test]
fn a_file_that_would_mean_a_deletion_is_refused() {
    let Some(place) = Place::new() else { return };
    place.image("a:1", &layers());
    place.run(&["mount", "--writable", "a:1", &place.mount_point()]);
    fs::write(place.path("m/srv/.wh.h"), b"").unwrap();
    let told = place.fail(&["commit", &place.mount_point(), "c:1"]);
    assert!(told.contains("`srv/.wh.h` can't be in a layer"), "{told}");
    place.umount();
    let bundle = place.path("b");
    let at = bundle.to_str().unwrap();
    place.run(&["unpack", "a:1", at]);
    let srv = bundle.join("rootfs/srv");
    for name in [".wh.h", ".wh..wh..opq"] {
        fs::create_dir(srv.join(name)).unwrap();
        let told = place.fail(&["repack", at, "c:1"]);
        assert!(told.contains(&format!("`srv/{name}` can't be in a layer")), "{told}");
        fs::remove_dir(srv.join(name)).unwrap();
    }
    let kind = rustix::fs::FileType::CharacterDevice;
    let dir = fs::File::open(&srv).unwrap();
    rustix::fs::mknodat(&dir, "h0", kind, rustix::fs::Mode::RUSR, 0).unwrap();
    let told = place.fail(&["repack", at, "c:1"]);
    assert!(told.contains("`srv/h0` can't be in a layer: a character device 0:0"), "{told}");
    assert!(!place.run(&["list"]).contains("c:1"));
}

#[test]
fn a_layer_brings_no_whiteout_of_overlayfs() {
    let Some(place) = Place::new() else { return };
    let mut layer = Tar::default();
    layer.dir("srv").add(&Head::new("srv/keep", b'3', 0o600).device(0, 0), b"");
    place.image("a:1", &[layers(), vec![layer.end()]].concat());
    let bundle = place.path("b");
    for args in [
        ["mount", "a:1", &place.mount_point()],
        ["unpack", "a:1", bundle.to_str().unwrap()],
        ["export", "a:1", "--output=x"],
    ] {
        let told = place.fail(&args);
        assert!(told.contains("srv/keep`") && told.contains("character device 0:0"), "{told}");
    }
    assert!(!bundle.exists());
}

#[test]
fn what_was_unmounted_by_other_means_can_be_mounted_again() {
    let Some(place) = Place::new() else { return };
    place.image("a:1", &layers());
    let at = place.mount_point();
    let by_hand = || kernel::mount::detach(place.path("m").as_path()).unwrap();
    let single = || place.image("one:1", &layers()[..1]);
    single();
    for (args, image) in [(&["mount"][..], "a:1"), (&["mount"], "one:1")] {
        let mount = [args, &[image, &at]].concat();
        place.run(&mount);
        let told = place.fail(&mount);
        assert!(told.contains(&format!("`{at}` already; `imgmgr umount {at}` first")), "{told}");
        by_hand();
        place.run(&mount);
        assert!(place.path("m/usr").exists());
        place.umount();
    }
    place.run(&["mount", "--writable", "a:1", &at]);
    fs::write(place.path("m/new"), b"").unwrap();
    by_hand();
    let told = place.fail(&["mount", "a:1", &at]);
    assert!(told.contains(&format!("`imgmgr umount {at}` drops them")), "{told}");
    place.run(&["commit", &at, "b:1"]);
    assert_eq!(place.run(&["diff", "a:1", "b:1"]), "A /new\n");
    place.umount();
    for args in [&["umount", &at][..], &["diff", &at], &["commit", &at, "c:1"], &["export", &at]] {
        let told = place.fail(args);
        assert!(told.contains(&format!("no image is mounted on `{at}`")), "{told}");
    }
    assert!(place.fail(&["umount", "/"]).contains("no image is mounted on `/`"));
}

#[test]
fn only_what_was_mounted_by_us_is_unmounted() {
    let Some(place) = Place::new() else { return };
    place.image("a:1", &layers());
    place.image("one:1", &layers()[..1]);
    let (at, target) = (place.mount_point(), place.path("m"));
    let tmpfs = || {
        let mut mount = std::process::Command::new("mount");
        assert!(mount.args(["-t", "tmpfs", "foreign", &at]).status().unwrap().success());
        fs::write(target.join("foreign"), b"").unwrap();
    };
    let by_hand = || kernel::mount::detach(target.as_path()).unwrap();
    for image in ["a:1", "one:1"] {
        // Over the image.
        place.mount(image);
        tmpfs();
        for args in [&["umount", &at][..], &["mount", image, &at]] {
            let told = place.fail(args);
            assert!(told.contains("something else is mounted over the image on"), "{told}");
        }
        assert!(target.join("foreign").exists());
        by_hand();
        place.umount();
        // In its place.
        place.mount(image);
        by_hand();
        tmpfs();
        place.run(&["mount", image, &at]);
        assert!(target.join("usr").exists());
        place.umount();
        assert!(target.join("foreign").exists(), "as it was before");
        place.mount(image);
        by_hand();
        place.umount();
        assert!(target.join("foreign").exists());
        assert!(place.fail(&["umount", &at]).contains("no image is mounted on"));
        by_hand();
    }
}

#[test]
fn a_deep_tree_takes_one_descriptor_a_level() {
    let Some(place) = Place::new() else { return };
    place.image("a:1", &layers());
    let bundle = place.path("b");
    place.run(&["unpack", "a:1", bundle.to_str().unwrap()]);
    const DEPTH: usize = 300;
    fs::create_dir_all(bundle.join("rootfs").join("d/".repeat(DEPTH))).unwrap();
    let command = place.command(&["repack", "--refresh", bundle.to_str().unwrap(), "r:1"]);
    let mut limited = std::process::Command::new("prlimit");
    limited.arg(format!("--nofile={}", DEPTH + 50)).arg(command.get_program());
    let out = limited.args(command.get_args()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}
