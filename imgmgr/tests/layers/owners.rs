//! Owners of a bundle's files, to the host and back into layers, as root and as nobody.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::{Head, Tar, can_run, has, has_static_busybox, imgmgr};
use crate::upkeep::Place;

const NOBODY: u32 = 65_534;

/// With directories that keep their owner out, and a layer that changes what is in them.
fn layers() -> Vec<Vec<u8>> {
    let mut base = Tar::default();
    base.add(&Head::new("./", b'5', 0o555), b"").dir("etc").file("etc/passwd", b"root:x:0:0::/:\n");
    for dir in ["proc", "sys", "dev"] {
        base.dir(dir);
    }
    base.add(&Head::new("home", b'5', 0o755), b"");
    base.add(&Head::new("home/u", b'5', 0o755).owner(33, 4), b"");
    base.add(&Head::new("home/u/f", b'0', 0o444).owner(33, 300), b"mine");
    base.add(&Head::new("etc/shadow", b'0', 0).owner(0, 42), b"root:*::::::::\n");
    base.add(&Head::new("shut", b'5', 0), b"").file("shut/in", b"1").file("shut/gone", b"");
    base.add(&Head::new("closed", b'5', 0o200), b"").file("closed/in", b"1");
    let mut next = Tar::default();
    next.file("shut/in", b"2").file("shut/.wh.gone", b"").file(".wh.closed", b"");
    next.file("implied/in", b"");
    let busybox = fs::read("/bin/busybox").unwrap_or_default();
    next.add(&Head::new("bin/busybox", b'0', 0o755), &busybox).symlink("bin/sh", "busybox");
    vec![base.end(), next.end()]
}

fn owner(path: impl AsRef<Path>) -> (u32, u32) {
    let stat = fs::symlink_metadata(path).unwrap();
    (stat.uid(), stat.gid())
}

fn config(bundle: &Path) -> Value {
    serde_json::from_slice(&fs::read(bundle.join("config.json")).unwrap()).unwrap()
}

/// Runs a shell's `script` in the bundle.
fn run_in(bundle: &Path, runtime: &mut Command, script: &str) -> String {
    let mut config = config(bundle);
    config["process"]["args"] = json!(["/bin/sh", "-c", script]);
    fs::write(bundle.join("config.json"), config.to_string()).unwrap();
    let name = bundle.file_name().unwrap().display();
    let id = format!("imgmgr-test-{name}-{}", std::process::id());
    let out = runtime.args(["run", "--no-pivot", "--bundle"]).arg(bundle).arg(id).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn nobody_makes_user_namespaces() -> bool {
    let mut unshare = Command::new("unshare");
    let status = unshare.args(["-rm", "true"]).uid(NOBODY).gid(NOBODY).current_dir("/").status();
    can_run("user namespaces without root", status.is_ok_and(|status| status.success()))
}

#[test]
fn mapped_owners_go_back_through_their_map() {
    let Some(place) = Place::alone() else { return };
    place.image("a:1", &layers());
    let bundle = place.path("mapped");
    let at = bundle.to_str().unwrap();
    let maps = ["--uid-map", "0:100000:65536", "--gid-map", "0:200000:65536"];
    place.run(&[&["unpack"], &maps[..], &["a:1", at]].concat());
    let root = bundle.join("rootfs");
    assert_eq!(owner(&root), (100_000, 200_000));
    assert_eq!(owner(root.join("implied")), (100_000, 200_000), "no entry tells it");
    assert_eq!(owner(root.join("home/u/f")), (100_033, 200_300));
    let linux = &config(&bundle)["linux"];
    let map = |host: u32| json!([{"containerID": 0, "hostID": host, "size": 65_536}]);
    assert_eq!(linux["uidMappings"], map(100_000));
    assert_eq!(linux["gidMappings"], map(200_000));
    assert!(linux["namespaces"].as_array().unwrap().contains(&json!({"type": "user"})));
    if has("runc") && has_static_busybox() {
        fs::set_permissions(place.dir.path(), Permissions::from_mode(0o755)).unwrap();
        let mut runc = Command::new("runc");
        runc.arg("--root").arg(place.path("state"));
        let script = "busybox stat -c %u:%g / /home/u/f; echo > /etc/made";
        assert_eq!(run_in(&bundle, &mut runc, script), "0:0\n33:300\n");
        fs::remove_file(root.join("etc/made")).unwrap();
    }
    fs::write(root.join("etc/hi"), b"hi").unwrap();
    let told = place.fail(&["repack", at, "r:1"]);
    assert!(told.contains("`etc/hi`, 0:0, is not in the bundle's id map"), "{told}");
    chown(root.join("etc/hi"), Some(100_033), Some(200_000)).unwrap();
    fs::set_permissions(root.join("home/u/f"), Permissions::from_mode(0o600)).unwrap();
    place.run(&["repack", "--refresh", at, "r:1"]);
    assert!(place.run(&["repack", at, "r:2"]).contains("(0 entries)"));
    chown(&root, Some(100_001), Some(200_000)).unwrap();
    place.run(&["repack", at, "r:2"]);
    place.mount("r:2");
    let of = |path: &str| owner(place.path("m").join(path));
    assert_eq!((of("etc"), of("etc/hi"), of("home/u/f")), ((0, 0), (33, 0), (33, 300)));
    assert_eq!(of(""), (1, 0));
    place.umount();
    chown(&root, Some(5), Some(5)).unwrap();
    let told = place.fail(&["repack", at, "r:3"]);
    assert!(told.contains("the owner of `/`, 5:5, is not in"), "{told}");
    let none = place.path("none");
    let lacks = ["--uid-map", "1:100001:65535", "--gid-map", "0:200000:65536"];
    let told = place.fail(&[&["unpack"], &lacks[..], &["a:1", none.to_str().unwrap()]].concat());
    assert!(told.contains("id 0 is in no range") && !none.exists(), "{told}");
}

/// A user without privileges, with a store of their own.
struct User {
    dir: PathBuf,
    command: PathBuf,
}

impl User {
    fn new(place: &Place) -> Self {
        let dir = place.path("user");
        fs::create_dir(&dir).unwrap();
        chown(&dir, Some(NOBODY), Some(NOBODY)).unwrap();
        fs::set_permissions(place.dir.path(), Permissions::from_mode(0o755)).unwrap();
        let command = dir.join("imgmgr");
        // Not by us: a process that another test forks meanwhile would keep it open for writing.
        let copied = Command::new("cp").arg(imgmgr()).arg(&command).status().unwrap();
        assert!(copied.success());
        Self { dir, command }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.command);
        command.args(["--no-sync", "--root", "store"]).args(args).current_dir(&self.dir);
        command.uid(NOBODY).gid(NOBODY).env("HOME", &self.dir);
        command
    }

    fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn run(&self, args: &[&str]) -> String {
        let out = self.output(args);
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }
}

#[test]
fn what_a_killed_repack_left_open_is_no_change() {
    let Some(place) = Place::alone() else { return };
    place.image("a:1", &layers());
    let layout = place.path("layout").display().to_string();
    place.run(&["copy", "a:1", &format!("oci:{layout}:a")]);
    let user = User::new(&place);
    user.run(&["copy", &format!("oci:{layout}:a"), "a:1"]);
    user.run(&["unpack", "a:1", "b"]);
    let shut = user.dir.join("b/rootfs/shut");
    let mode = || fs::metadata(&shut).unwrap().mode() & 0o7777;
    let new = fs::File::create(shut.join("new")).unwrap();
    new.set_len(200 << 20).unwrap();
    fs::set_permissions(shut.join("new"), Permissions::from_mode(0o000)).unwrap();
    chown(shut.join("new"), Some(NOBODY), Some(NOBODY)).unwrap();
    let mut repack = user.command(&["repack", "b", "r:1"]).spawn().unwrap();
    while mode() == 0 || fs::metadata(shut.join("new")).unwrap().mode() & 0o7777 == 0 {
        assert!(repack.try_wait().unwrap().is_none(), "it was faster");
    }
    repack.kill().unwrap();
    repack.wait().unwrap();
    assert_eq!(mode(), 0o500);
    new.set_len(0).unwrap();
    user.run(&["repack", "--refresh", "b", "r:1"]);
    assert_eq!(mode(), 0);
    assert!(!user.dir.join("b/imgmgr.opened").exists());
    let from = format!("oci:{}:docker.io/library/r:1", user.dir.join("store/images").display());
    place.run(&["copy", &from, "r:1"]);
    place.mount("r:1");
    for path in ["shut", "shut/new"] {
        let stat = fs::metadata(place.path("m").join(path)).unwrap();
        assert_eq!(stat.mode() & 0o7777, 0, "{path}");
    }
    place.umount();
}

#[test]
fn what_nobody_unpacks_goes_back_with_its_owners() {
    let Some(place) = Place::alone() else { return };
    place.image("a:1", &layers());
    let archive = place.path("a.tar");
    let archive = archive.to_str().unwrap();
    place.run(&["save", "a:1", "--output", archive]);
    let user = User::new(&place);
    fs::set_permissions(archive, Permissions::from_mode(0o644)).unwrap();
    user.run(&["load", "--input", archive]);
    let maps = ["--uid-map", "0:1:5", "--gid-map", "0:1:5"];
    let out = user.output(&[&["unpack"], &maps[..], &["a:1", "b"]].concat());
    assert_eq!(out.status.code(), Some(2), "it can't be done");
    user.run(&["unpack", "a:1", "b"]);
    let (bundle, root) = (user.dir.join("b"), user.dir.join("b/rootfs"));
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().mode() & 0o7777;
    assert_eq!((mode(""), mode("shut"), mode("home/u/f")), (0o555, 0, 0o444));
    assert_eq!(fs::read(root.join("shut/in")).unwrap(), b"2");
    assert!(!root.join("shut/gone").exists() && !root.join("closed").exists());
    for _ in 0..2 {
        assert!(user.run(&["repack", "b", "r:0"]).contains("(0 entries)"));
    }
    fs::write(root.join("sys/.wh.x"), b"").unwrap();
    assert!(!user.output(&["repack", "b", "r:0"]).status.success());
    fs::remove_file(root.join("sys/.wh.x")).unwrap();
    assert!(user.run(&["repack", "b", "r:0"]).contains("(1 entries)"), "of `sys` only");
    assert_eq!(mode("shut"), 0, "repack opened it for a while");
    let linux = &config(&bundle)["linux"];
    let map = json!([{"containerID": 0, "hostID": NOBODY, "size": 1}]);
    assert_eq!((&linux["uidMappings"], &linux["gidMappings"]), (&map, &map));
    if has("runc") && has_static_busybox() && nobody_makes_user_namespaces() {
        let mut runc = Command::new("runc");
        runc.arg("--root").arg(user.dir.join("state")).uid(NOBODY).gid(NOBODY);
        let script = "busybox id -u; cd /home/u && busybox chmod 600 f && echo more >> f";
        assert_eq!(run_in(&bundle, &mut runc, script), "0\n");
    }
    fs::write(root.join("home/u/new"), b"new").unwrap();
    chown(root.join("home/u/new"), Some(NOBODY), Some(NOBODY)).unwrap();
    fs::set_permissions(root.join("home/u/f"), Permissions::from_mode(0o640)).unwrap();
    fs::write(root.join("shut/in"), b"3").unwrap();
    fs::write(root.join("etc/shadow"), b"").unwrap();
    user.run(&["repack", "b", "r:1"]);
    user.run(&["save", "r:1", "--output", "r.tar"]);
    place.run(&["load", "--input", user.dir.join("r.tar").to_str().unwrap()]);
    place.mount("r:1");
    let at = place.path("m");
    let of = |path: &str| owner(at.join(path));
    assert_eq!((of("home/u"), of("home/u/f"), of("home/u/new")), ((33, 4), (33, 300), (0, 0)));
    assert_eq!((of("etc"), of("etc/shadow"), of("shut/in")), ((0, 0), (0, 42), (0, 0)));
    let mode = |path: &str| fs::metadata(at.join(path)).unwrap().mode() & 0o7777;
    assert_eq!((mode("shut"), mode("etc/shadow")), (0, 0));
    assert_eq!(fs::read(at.join("shut/in")).unwrap(), b"3");
    place.umount();
}

#[test]
fn what_nobody_fails_to_unpack_leaves_nothing() {
    let Some(place) = Place::new() else { return };
    let mut last = Tar::default();
    last.hard_link("etc/link", "nowhere");
    place.image("a:1", &[layers(), vec![last.end()]].concat());
    let archive = place.path("a.tar");
    place.run(&["save", "a:1", "--output", archive.to_str().unwrap()]);
    let user = User::new(&place);
    fs::set_permissions(&archive, Permissions::from_mode(0o644)).unwrap();
    user.run(&["load", "--input", archive.to_str().unwrap()]);
    let out = user.output(&["unpack", "a:1", "b"]);
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success() && told.contains("etc/link"), "{told}");
    assert!(!user.dir.join("b").exists());
}

#[test]
fn a_mode_for_the_end_is_set_on_no_other_file() {
    let Some(place) = Place::new() else { return };
    let user = User::new(&place);
    let outside = user.dir.join("outside");
    fs::create_dir(&outside).unwrap();
    chown(&outside, Some(NOBODY), Some(NOBODY)).unwrap();
    let mut base = Tar::default();
    base.dir("a").add(&Head::new("a/b", b'5', 0o500), b"");
    base.add(&Head::new("a/b/c", b'5', 0o500), b"").dir("a/gone").dir("a/gone/too");
    let mut next = Tar::default();
    next.file("a/b/c/.wh.x", b"").file("a/gone/too/.wh.x", b"");
    // Opens `a/b` for a while, removes it, and puts a link in its place.
    next.file("a/b/.wh.x", b"").file("a/.wh..wh..opq", b"");
    next.symlink("a/b", outside.to_str().unwrap());
    place.image("a:1", &[base.end(), next.end()]);
    let archive = place.path("a.tar");
    place.run(&["save", "a:1", "--output", archive.to_str().unwrap()]);
    fs::set_permissions(&archive, Permissions::from_mode(0o644)).unwrap();
    user.run(&["load", "--input", archive.to_str().unwrap()]);
    user.run(&["unpack", "a:1", "b"]);
    assert!(user.dir.join("b/rootfs/a/b").is_symlink());
    assert!(!user.dir.join("b/rootfs/a/gone").exists(), "nothing comes back");
    assert_eq!(fs::metadata(&outside).unwrap().mode() & 0o7777, 0o755);
}
