//! Where copies come from and go to: what is there already, names, and files as skopeo has them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use imgmgr::image::{Descriptor, Index, Manifest, media};
use imgmgr::store::{Durability, ImageEntry, Store};
use rustix::process::{Pid, Signal, kill_process};

use super::full::{inside, run};
use super::registry::{Registry, have};
use super::support::{Place, layout, succeeds, tar};

/// A layout with an image in a place.
pub(super) struct Scene {
    pub(super) place: Place,
    pub(super) digest: String,
}

impl Scene {
    pub(super) fn new() -> Self {
        let place = Place::new();
        let digest = layout(&place.path("in"), &[tar("a", 5000), tar("b", 100)]);
        Self { place, digest }
    }

    pub(super) fn at(&self, kind: &str, name: &str) -> String {
        format!("{kind}:{}", self.place.path(name).display())
    }

    fn image(&self) -> String {
        format!("{}:v1", self.at("oci", "in"))
    }

    pub(super) fn layout(&self) -> Store {
        Store::open_real(&self.place.path("in"), Durability::NoSync).unwrap()
    }

    pub(super) fn target(&self) -> Descriptor {
        self.layout().resolve("v1").unwrap().target
    }

    /// Names an index of `entries` in the layout.
    pub(super) fn name_index(&self, name: &str, entries: Vec<Descriptor>) -> Descriptor {
        let store = self.layout();
        let bytes = serde_json::to_vec(&Index::of(entries)).unwrap();
        let target = store.put_blob(media::OCI_INDEX, &bytes).unwrap();
        store.tag(&ImageEntry::new(name, target.clone())).unwrap();
        target
    }
}

fn files(path: &Path) -> Vec<String> {
    let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

pub(super) fn skopeo(args: &[&str]) -> String {
    succeeds(Command::new("skopeo").args(args))
}

#[test]
fn a_directory_of_somebody_elses_is_left_alone() {
    let scene = Scene::new();
    let dir = scene.place.path("dir");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("manifest.json"), "mine").unwrap();
    let error = scene.place.fails(1, &["copy", &scene.image(), &scene.at("dir", "dir")]);
    assert!(error.contains("holds no image of `dir:`"), "{error}");
    assert_eq!(fs::read_to_string(dir.join("manifest.json")).unwrap(), "mine");
    assert_eq!(files(&dir), ["manifest.json"]);
}

#[test]
fn a_directory_gets_another_image_in_place_of_the_one_it_had() {
    let scene = Scene::new();
    let (dir, to) = (scene.place.path("a/dir:1"), scene.at("dir", "a/dir:1"));
    scene.place.run(&["copy", &scene.image(), &to]);
    fs::write(dir.join("notes.txt"), "mine").unwrap();
    fs::write(dir.join("signature-1"), "old").unwrap();
    layout(&scene.place.path("other"), &[tar("c", 10)]);
    scene.place.run(&["copy", &format!("{}:v1", scene.at("oci", "other")), &to]);
    assert_eq!(files(&dir).len(), 5, "{:?}", files(&dir));
    assert_eq!(fs::read_to_string(dir.join("notes.txt")).unwrap(), "mine");
    scene.place.run(&["copy", &to, &scene.at("oci", "back")]);
    assert_eq!(scene.place.run(&["validate", &scene.at("oci", "back")]), "valid\n");
}

#[test]
fn a_directory_loses_what_a_killed_copy_left() {
    let scene = Scene::new();
    let (dir, to) = (scene.place.path("dir"), scene.at("dir", "dir"));
    fs::create_dir(&dir).unwrap();
    // Before it said what the directory is, and after.
    let blob = format!("{}.tmp-12", "a".repeat(64));
    for left in [&["version.tmp-12"][..], &["version.tmp-12", "manifest.json.tmp-3", &blob]] {
        left.iter().for_each(|name| fs::write(dir.join(name), "part").unwrap());
        scene.place.run(&["copy", &scene.image(), &to]);
        assert_eq!(files(&dir).iter().filter(|name| name.contains("tmp")).count(), 0);
    }
    fs::write(dir.join("manifest.json.tmp-old"), "mine").unwrap();
    scene.place.run(&["copy", &scene.image(), &to]);
    assert_eq!(fs::read_to_string(dir.join("manifest.json.tmp-old")).unwrap(), "mine");
}

#[test]
fn a_directory_keeps_its_image_until_there_is_another() {
    let scene = Scene::new();
    let (dir, to) = (scene.place.path("dir"), scene.at("dir", "dir"));
    layout(&scene.place.path("good"), &[tar("c", 10), tar("b", 100)]);
    scene.place.run(&["copy", &format!("{}:v1", scene.at("oci", "good")), &to]);
    let before = files(&dir);
    let (_, manifest) = scene.layout().manifest(&scene.target()).unwrap();
    let blobs = scene.layout().root().join("blobs/sha256");
    // The layer that both have is damaged, then the other one is gone.
    let shared = blobs.join(manifest.children()[2].digest.hex());
    let mut content = fs::read(&shared).unwrap();
    content[600] ^= 1;
    fs::write(&shared, &content).unwrap();
    scene.place.fails(1, &["copy", &scene.image(), &to]);
    assert_eq!(scene.place.run(&["copy", &to, &scene.at("oci", "back")]).trim().len(), 71);
    fs::remove_file(blobs.join(manifest.children()[1].digest.hex())).unwrap();
    scene.place.run(&["copy", &format!("{}:v1", scene.at("oci", "good")), &to]);
    assert_eq!(files(&dir), before);
    scene.place.fails(1, &["copy", &scene.image(), &to]);
    assert_eq!(files(&dir), before);
    scene.place.run(&["copy", &to, &scene.at("oci", "again")]);
    assert_eq!(scene.place.run(&["validate", &scene.at("oci", "again")]), "valid\n");
}

#[test]
fn an_index_goes_to_a_directory_and_back() {
    let scene = Scene::new();
    let mut here = scene.target();
    here.platform = Some("linux/amd64".parse().unwrap());
    let index = scene.name_index("all", vec![here]);
    let (from, dir) = (format!("{}:all", scene.at("oci", "in")), scene.at("dir", "dir"));
    let digest = index.digest.to_string();
    assert_eq!(scene.place.run(&["copy", "--all", &from, &dir]).trim(), digest);
    let back = scene.at("oci", "back");
    assert_eq!(scene.place.run(&["copy", "--all", &dir, &back]).trim(), digest);
    assert_eq!(scene.place.run(&["validate", &back]), "valid\n");
    assert_eq!(scene.place.run(&["copy", &dir, &scene.at("oci", "one")]).trim(), scene.digest);
    if !have("skopeo") {
        return;
    }
    let (theirs, again) = (scene.at("dir", "theirs"), scene.at("oci", "again"));
    skopeo(&["copy", "--insecure-policy", "--all", &dir, &theirs]);
    assert_eq!(files(&scene.place.path("theirs")), files(&scene.place.path("dir")));
    assert_eq!(scene.place.run(&["copy", "--all", &theirs, &again]).trim(), digest);
    // Neither minds the other's files.
    scene.place.run(&["copy", &scene.image(), &theirs]);
    skopeo(&["copy", "--insecure-policy", &scene.image(), &dir]);
}

#[test]
fn an_archive_of_docker_is_not_replaced() {
    let scene = Scene::new();
    let to = format!("{}:a:1", scene.at("docker-archive", "d.tar"));
    fs::write(scene.place.path("d.tar"), "").unwrap();
    scene.place.run(&["copy", &scene.image(), &to]);
    let before = fs::read(scene.place.path("d.tar")).unwrap();
    let error = scene.place.fails(1, &["copy", &scene.image(), &to]);
    assert!(error.contains("can't be added to"), "{error}");
    assert_eq!(fs::read(scene.place.path("d.tar")).unwrap(), before);
    let error = scene.place.fails(1, &["copy", &to.replace("a:1", "b:2"), "x"]);
    assert!(error.contains("it has `docker.io/library/a:1`"), "{error}");
}

#[test]
fn an_index_without_platforms_has_an_image() {
    let scene = Scene::new();
    let artifact = Descriptor { artifact_type: Some("text/x-sbom".to_owned()), ..scene.target() };
    scene.name_index("bare", vec![artifact, scene.target(), scene.target()]);
    let from = format!("{}:bare", scene.at("oci", "in"));
    assert_eq!(scene.place.run(&["copy", &from, "a:1"]).trim(), scene.digest);
    let Some(registry) = Registry::open() else { return };
    let name = format!("{}/bare:1", registry.host);
    scene.place.run(&["copy", "--all", &from, &format!("docker://{name}")]);
    scene.place.run(&["pull", &name]);
    assert!(scene.place.run(&["list", "--digests"]).contains(&scene.digest));
}

#[test]
fn images_get_names_by_which_they_are_found() {
    let scene = Scene::new();
    for name in ["Foo:Bar", "a b", "../x", "http://x/y", "a\nb", "docker:127.0.0.1:5601/a/x:1", ""]
    {
        for name in [name.to_owned(), format!("store:{name}")] {
            scene.place.fails(2, &["copy", &scene.image(), &name]);
        }
    }
    assert_eq!(scene.place.run(&["list", "--quiet"]), "");
    // Whatever a layout calls an image, a copy of it that is loaded has a reference.
    let store = scene.layout();
    store.tag(&ImageEntry::new("a\u{1b}[2J b\nc", scene.target())).unwrap();
    let archive = scene.place.path("in.tar");
    succeeds(Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(store.root()).arg("."));
    scene.place.run(&["load", "--input", archive.to_str().unwrap()]);
    let short = scene.target().digest.short().to_owned();
    let expected = format!("localhost/loaded:v1\nlocalhost/loaded:{short}\n");
    assert_eq!(scene.place.run(&["list", "--quiet"]), expected);
}

#[test]
fn untag_goes_on_after_a_name_that_is_absent() {
    let scene = Scene::new();
    for name in ["r.io/a:1", "r.io/b:1"] {
        scene.place.run(&["copy", &scene.image(), name]);
    }
    let error = scene.place.fails(1, &["untag", "r.io/a:1", "absent", "absent-too", "r.io/b:1"]);
    assert_eq!(error.matches("error: ").count(), 2, "{error}");
    assert_eq!(scene.place.run(&["list", "--quiet"]), "");
}

#[test]
fn a_foreign_layer_without_addresses_goes_along() {
    let scene = Scene::new();
    let (place, store) = (&scene.place, scene.layout());
    let (_, manifest) = store.manifest(&scene.target()).unwrap();
    let Manifest::Image(mut image) = manifest else { unreachable!() };
    image.layers[0].media_type = media::OCI_LAYER.replace("layer.v1", "layer.nondistributable.v1");
    let target = store.put_blob(media::OCI_MANIFEST, &image.to_bytes()).unwrap();
    store.tag(&ImageEntry::new("foreign", target)).unwrap();
    let from = format!("{}:foreign", scene.at("oci", "in"));
    place.run(&["copy", &from, "r.io/foreign:1"]);
    place.run(&["gc"]);
    let mut places = vec![scene.at("dir", "dir"), scene.at("oci-archive", "a.tar")];
    if let Some(registry) = Registry::open() {
        let remote = format!("docker://{}/foreign:1", registry.host);
        place.run(&["push", "r.io/foreign:1", &remote]);
        let back = scene.at("oci", "pulled");
        place.run(&["copy", &remote, &back]);
        assert!(place.path("pulled/blobs/sha256").join(image.layers[0].digest.hex()).exists());
    }
    for (number, to) in places.drain(..).enumerate() {
        place.run(&["copy", "r.io/foreign:1", &to]);
        let back = format!("back{number}");
        place.run(&["copy", &to, &scene.at("oci", &back)]);
        assert!(place.path(&back).join("blobs/sha256").join(image.layers[0].digest.hex()).exists());
    }
    assert_eq!(place.run(&["fsck"]), "clean\n");
}

#[test]
fn compressed_archives_are_read() {
    let scene = Scene::new();
    let place = &scene.place;
    place.run(&["copy", &scene.image(), "r.io/a:1"]);
    let plain = place.path("a.tar");
    place.run(&["save", "--output", plain.to_str().unwrap(), "r.io/a:1"]);
    let zstd = place.path("a.tar.zst");
    fs::write(&zstd, zstd::encode_all(&*fs::read(&plain).unwrap(), 3).unwrap()).unwrap();
    succeeds(Command::new("gzip").arg("--keep").arg(&plain));
    for name in ["a.tar.gz", "a.tar.zst"] {
        for kind in ["docker-archive", "oci-archive"] {
            let to = scene.at("oci", &format!("{kind}.{name}"));
            assert_eq!(place.run(&["copy", &scene.at(kind, name), &to]).trim(), scene.digest);
        }
        let other = Place::new();
        other.run(&["load", "--input", place.path(name).to_str().unwrap()]);
        assert_eq!(other.run(&["list", "--quiet"]), "r.io/a:1\n");
        assert_eq!(other.run(&["fsck"]), "clean\n");
    }
    let cut = place.path("cut.tar");
    fs::write(&cut, &fs::read(&plain).unwrap()[..4000]).unwrap();
    let error = place.fails(1, &["load", "--input", cut.to_str().unwrap()]);
    assert!(error.contains("it ends within `blobs/"), "{error}");
    let error = place.fails(1, &["load", "--input", "/etc/passwd"]);
    assert!(error.contains("no tar archive") && !error.contains("root"), "{error}");
}

#[test]
fn whatever_holds_an_image_can_be_inspected() {
    let scene = Scene::new();
    let place = &scene.place;
    let archive = format!("{}:r.io/a:1", scene.at("docker-archive", "d.tar"));
    for to in [archive, scene.at("oci-archive", "o.tar"), scene.at("dir", "dir")] {
        place.run(&["copy", &scene.image(), &to]);
        let shown = place.run(&["inspect", &to]);
        assert!(shown.contains(&scene.digest) && shown.contains("A=b"), "{shown}");
        let config = place.run(&["inspect", "--config", &to]);
        assert_eq!(config, place.run(&["inspect", "--config", &scene.image()]));
    }
    assert!(!place.path("data").exists(), "nothing needed the store");
    // One whose archive never ends leaves nothing behind.
    let (pipe, scratch) = (place.path("pipe"), place.path("scratch"));
    fs::create_dir(&scratch).unwrap();
    succeeds(Command::new("mkfifo").arg(&pipe));
    let mut inspect = place.plain(&["inspect", &scene.at("docker-archive", "pipe")]);
    let mut child = inspect.env("TMPDIR", &scratch).stderr(Stdio::null()).spawn().unwrap();
    let _open = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    assert_eq!(files(&scratch).len(), 1);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(files(&scratch).len(), 0);
}

#[test]
fn a_source_without_the_image_says_what_it_has() {
    let scene = Scene::new();
    let place = &scene.place;
    scene.layout().tag(&ImageEntry::new("v2", scene.target())).unwrap();
    let layout = scene.at("oci", "in");
    let error = place.fails(1, &["copy", &format!("{layout}:v3"), "a:1"]);
    assert!(error.contains("has no image `v3`; it has `v1`, `v2`\n"), "{error}");
    assert!(!error.contains("hint:"), "{error}");
    let error = place.fails(1, &["copy", &layout, "a:1"]);
    assert!(error.contains("name one of them: `v1`, `v2`\n"), "{error}");
    for command in
        [&["copy", &scene.at("oci", "absent"), "a:1"][..], &["inspect", &scene.at("oci", "absent")]]
    {
        let error = place.fails(1, command);
        assert!(
            error.contains("there is no OCI image layout at") && !error.contains("hint:"),
            "{error}"
        );
    }
    let (_, manifest) = scene.layout().manifest(&scene.target()).unwrap();
    let blob = scene.layout().root().join("blobs/sha256").join(manifest.children()[1].digest.hex());
    fs::remove_file(blob).unwrap();
    let targets = [scene.at("oci", "out"), scene.at("dir", "dir"), "a:1".to_owned()];
    for to in &targets {
        let error = place.fails(1, &["copy", &scene.image(), to]);
        assert!(
            error.contains("in` is damaged: blob `sha256:") && !error.contains("fsck"),
            "{error}"
        );
    }
}

#[test]
fn damage_is_told_of_the_place_that_has_it() {
    let scene = Scene::new();
    let place = &scene.place;
    place.run(&["copy", &scene.image(), "r.io/a:1"]);
    let (_, manifest) = scene.layout().manifest(&scene.target()).unwrap();
    let name = format!("blobs/sha256/{}", manifest.children()[1].digest.hex());
    let cut = |path: &Path| fs::write(path.join(&name), "cut").unwrap();
    cut(&place.path("data/images"));
    let error = place.fails(1, &["copy", &scene.image(), "r.io/b:1"]);
    assert!(!error.contains("is damaged") && error.contains("fsck"), "{error}");
    cut(scene.layout().root());
    let error = place.fails(1, &["copy", &scene.image(), &scene.at("oci", "out")]);
    assert!(error.contains("in` is damaged\n") && !error.contains("fsck"), "{error}");
}

#[test]
fn a_read_only_store_is_read() {
    if !inside("places::a_read_only_store_is_read") {
        return;
    }
    let scene = Scene::new();
    let place = &scene.place;
    place.run(&["copy", &scene.image(), "r.io/a:1"]);
    let data = place.path("data").display().to_string();
    run("mount", &["--bind", &data, &data]);
    run("mount", &["-o", "remount,bind,ro", &data]);
    let saved = place.path("saved.tar").display().to_string();
    place.run(&["save", "--output", &saved, "r.io/a:1"]);
    assert_eq!(place.run(&["copy", "r.io/a:1", &scene.at("dir", "dir")]).trim(), scene.digest);
    place.run(&["inspect", "r.io/a:1"]);
    if let Some(registry) = Registry::open() {
        place.run(&["push", "r.io/a:1", &format!("{}/a:1", registry.host)]);
    }
    let error = place.fails(1, &["copy", &scene.image(), "r.io/b:1"]);
    assert!(error.contains("Read-only file system"), "{error}");
    run("umount", &[&data]);
}
