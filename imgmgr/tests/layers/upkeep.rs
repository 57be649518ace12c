//! `gc`, `fsck` and `df` over blobs, unpacked layers, snapshots and bundles, by the command.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use crate::support::{Head, TAR, Tar, can_run, digest, imgmgr, is_root, record, write_layout};

/// Held for reading by tests that mount, and for writing by those that make mount namespaces: a
/// namespace keeps what was mounted when it was made, and the command looks into every namespace.
static MOUNTS: RwLock<()> = RwLock::new(());

/// Until it is dropped no test mounts.
pub(crate) fn no_mounts() -> RwLockWriteGuard<'static, ()> {
    MOUNTS.write().unwrap_or_else(PoisonError::into_inner)
}

enum Mounts {
    Shared { _guard: RwLockReadGuard<'static, ()> },
    Alone { _guard: RwLockWriteGuard<'static, ()> },
}

impl Mounts {
    fn shared() -> Self {
        Self::Shared { _guard: MOUNTS.read().unwrap_or_else(PoisonError::into_inner) }
    }
}

/// A data directory with images in it, and a directory to mount on.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    /// Dropped last, when nothing is mounted any more.
    _mounts: Mounts,
}

impl Place {
    /// `None` where overlayfs or root is missing.
    pub(crate) fn new() -> Option<Self> {
        Self::inside(tempfile::tempdir().unwrap())
    }

    /// As [`Place::new`], for a test that makes mount namespaces.
    pub(crate) fn alone() -> Option<Self> {
        Self::with(tempfile::tempdir().unwrap(), || Mounts::Alone { _guard: no_mounts() })
    }

    /// As [`Place::new`], on the file system of the test's choice.
    pub(crate) fn inside(dir: tempfile::TempDir) -> Option<Self> {
        Self::with(dir, Mounts::shared)
    }

    fn with(dir: tempfile::TempDir, mounts: impl FnOnce() -> Mounts) -> Option<Self> {
        let overlay =
            fs::read_to_string("/proc/filesystems").is_ok_and(|text| text.contains("overlay"));
        (is_root() && can_run("overlayfs", overlay)).then(|| {
            fs::create_dir(dir.path().join("m")).unwrap();
            Self { dir, _mounts: mounts() }
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(imgmgr());
        command
            .arg("--no-sync")
            .arg("--root")
            .arg(self.path("d"))
            .args(args)
            .env_remove("SOURCE_DATE_EPOCH");
        command
    }

    pub(crate) fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs a command that must succeed.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let out = self.output(args);
        let text = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{args:?}: {text}{}", String::from_utf8_lossy(&out.stdout));
        String::from_utf8(out.stdout).unwrap()
    }

    /// Runs a command that must fail, and returns all that it says.
    pub(crate) fn fail(&self, args: &[&str]) -> String {
        let out = self.output(args);
        assert!(!out.status.success(), "{args:?} succeeded");
        String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()
    }

    /// Puts an image of these layers into the store.
    pub(crate) fn image(&self, name: &str, layers: &[Vec<u8>]) {
        let layout = tempfile::tempdir().unwrap();
        let named: Vec<_> =
            layers.iter().map(|tar| (TAR.to_owned(), tar.clone(), digest(tar))).collect();
        write_layout(layout.path(), &named, "{}");
        self.run(&["copy", &format!("oci:{}:latest", layout.path().display()), name]);
    }

    pub(crate) fn mount_point(&self) -> String {
        self.path("m").display().to_string()
    }

    pub(crate) fn mount(&self, image: &str) {
        self.run(&["mount", image, &self.mount_point()]);
    }

    pub(crate) fn umount(&self) {
        self.run(&["umount", &self.mount_point()]);
    }

    pub(crate) fn private(&self, name: &str) -> PathBuf {
        self.path("d/images/x-imgmgr").join(name)
    }

    /// Unpacks an image's layers.
    fn unpack(&self, image: &str) {
        self.mount(image);
        self.umount();
    }

    fn layers(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.private("layers"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains(['-', '@']))
            .collect();
        names.sort();
        names
    }

    fn count(&self, dir: &str) -> usize {
        fs::read_dir(self.private(dir)).map_or(0, Iterator::count)
    }

    fn blobs(&self) -> usize {
        fs::read_dir(self.path("d/images/blobs/sha256")).unwrap().count()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What a failed test left mounted would keep the directory from being removed.
        let _ = kernel::mount::detach(self.path("m").as_path());
    }
}

/// A base, a layer that reaches into it through a symbolic link, and one with a directory whose
/// metadata the base has.
pub(crate) fn dependent_layers() -> Vec<Vec<u8>> {
    let mut base = Tar::default();
    base.dir("usr").dir("usr/lib").file("usr/lib/a", b"library").symlink("lib", "usr/lib");
    base.add(&Head::new("root", b'5', 0o700), b"").hard_link("usr/same", "usr/lib/a");
    let mut next = Tar::default();
    next.file("lib/b", b"through the link");
    let mut last = Tar::default();
    last.file("root/.profile", b"hello");
    vec![base.end(), next.end(), last.end()]
}

fn plain_layer(name: &str) -> Vec<u8> {
    let mut tar = Tar::default();
    tar.dir("data").file(format!("data/{name}"), name.as_bytes());
    tar.end()
}

fn layer_name(tar: &[u8]) -> String {
    digest(tar).replace(':', "-")
}

#[test]
fn gc_keeps_what_is_mounted_and_takes_the_rest() {
    let Some(place) = Place::new() else { return };
    let layers = dependent_layers();
    place.image("a:1", &layers);
    place.image("b:1", &[plain_layer("b")]);
    place.unpack("b:1");
    place.mount("a:1");
    // Three layers, the second once more above the first, a seam, a note of both, and b's layer.
    assert_eq!(place.layers().len(), 7, "{:?}", place.layers());
    place.run(&["untag", "a:1", "b:1"]);
    let before = record(&place.path("m"));
    let would = place.run(&["gc", "--dry-run"]);
    assert!(would.contains(&layer_name(&plain_layer("b"))), "{would}");
    assert_eq!(place.layers().len(), 7, "a dry run removes nothing");
    let said = place.run(&["gc"]);
    assert!(said.contains(&layer_name(&plain_layer("b"))), "{said}");
    assert_eq!(place.layers().len(), 6);
    assert_eq!(place.blobs(), 5, "the mounted image's blobs stay: a commit needs them");
    assert_eq!(record(&place.path("m")), before);
    place.umount();
    place.run(&["gc"]);
    assert!(place.layers().is_empty());
    assert_eq!(place.blobs(), 0);
    assert_eq!((place.count("layers/ingest"), place.count("layers/locks")), (0, 0));
}

#[test]
fn gc_sees_mounts_that_no_snapshot_tells() {
    let Some(place) = Place::new() else { return };
    place.image("a:1", &dependent_layers());
    place.mount("a:1");
    fs::remove_dir_all(place.path("d/snapshots")).unwrap();
    place.run(&["untag", "a:1"]);
    place.run(&["gc"]);
    assert_eq!(place.blobs(), 0);
    // The layer that was unpacked once more is not itself mounted.
    assert_eq!(place.layers().len(), 4, "{:?}", place.layers());
    assert_eq!(fs::read(place.path("m/usr/lib/b")).unwrap(), b"through the link");
    kernel::mount::detach(place.path("m").as_path()).unwrap();
    place.run(&["gc"]);
    assert!(place.layers().is_empty());
}

#[test]
fn mounts_are_seen_whatever_the_data_directory_is_called() {
    // What separates options and layers in a table of mounts.
    for prefix in ["a=b", "a:b", "a,b", "a b", "a\\b"] {
        let odd = tempfile::Builder::new().prefix(prefix).tempdir().unwrap();
        let Some(place) = Place::inside(odd) else { return };
        place.image("a:1", &dependent_layers());
        place.run(&["snapshot", "prepare", "a:1", "s"]);
        place.run(&["snapshot", "mount", "s", &place.mount_point()]);
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let own = table.lines().find(|line| line.contains("/s/upper") || line.contains("/fd/"));
        if own.unwrap_or_else(|| panic!("{prefix}: {table}")).contains("=/proc/self/fd/") {
            // Before Linux 6.13 such a path can't be told.
            continue;
        }
        let said = place.fail(&["snapshot", "rm", "s"]);
        assert!(said.contains("snapshot `s` is mounted"), "{prefix}: {said}");
        fs::remove_dir_all(place.path("d/snapshots")).unwrap();
        place.run(&["untag", "a:1"]);
        place.run(&["gc"]);
        assert_eq!(fs::read(place.path("m/usr/lib/b")).unwrap(), b"through the link", "{prefix}");
    }
}

#[test]
fn a_busy_mount_is_not_unmounted() {
    let Some(place) = Place::new() else { return };
    place.image("a:1", &[plain_layer("a")]);
    place.mount("a:1");
    let open = fs::File::open(place.path("m/data")).unwrap();
    let said = place.fail(&["umount", &place.mount_point()]);
    assert!(said.contains("busy"), "{said}");
    place.run(&["untag", "a:1"]);
    place.run(&["gc"]);
    assert_eq!(fs::read(place.path("m/data/a")).unwrap(), b"a");
    drop(open);
    place.umount();
}

#[test]
fn a_bundle_keeps_its_image_for_repack() {
    let Some(place) = Place::new() else { return };
    place.image("a:1", &[plain_layer("a")]);
    let bundle = place.path("bundle");
    place.run(&["unpack", "a:1", bundle.to_str().unwrap(), "true"]);
    place.run(&["untag", "a:1"]);
    place.run(&["gc"]);
    assert_eq!(place.blobs(), 3);
    fs::write(bundle.join("rootfs/data/new"), b"new").unwrap();
    place.run(&["repack", bundle.to_str().unwrap(), "b:1"]);
    place.run(&["untag", "b:1"]);
    fs::remove_dir_all(&bundle).unwrap();
    place.run(&["gc"]);
    assert_eq!((place.blobs(), place.count("bundles")), (0, 0));
}

#[test]
fn a_refresh_that_is_cut_off_loses_no_change() {
    let Some(place) = Place::new() else { return };
    place.image("a:1", &[plain_layer("a")]);
    let bundle = place.path("bundle");
    let at = bundle.to_str().unwrap();
    place.run(&["unpack", "a:1", at, "true"]);
    fs::write(bundle.join("rootfs/data/new"), b"new").unwrap();
    // The bundle's base can't be changed, as if it had been killed just before.
    let base = bundle.join("imgmgr.base");
    let was = fs::read(&base).unwrap();
    fs::remove_file(&base).unwrap();
    fs::create_dir(&base).unwrap();
    place.fail(&["repack", "--refresh", "--base", "a:1", at, "b:1"]);
    fs::remove_dir(&base).unwrap();
    fs::write(&base, &was).unwrap();
    place.run(&["repack", at, "b:2"]);
    assert!(place.run(&["diff", "a:1", "b:2"]).contains("data/new"));
}

#[test]
fn a_bundles_own_file_says_which_image_it_keeps() {
    let Some(place) = Place::new() else { return };
    place.image("a:1", &[plain_layer("a")]);
    place.image("b:1", &[plain_layer("b")]);
    let bundle = place.path("bundle");
    place.run(&["unpack", "a:1", bundle.to_str().unwrap(), "true"]);
    let inspected = place.run(&["inspect", "b:1"]);
    let digest = inspected.split('"').find(|word| word.starts_with("sha256:")).unwrap();
    // As `repack --refresh` leaves it that is killed before the store knows.
    fs::write(bundle.join("imgmgr.base"), digest).unwrap();
    place.run(&["untag", "a:1", "b:1"]);
    place.run(&["gc"]);
    assert_eq!(place.blobs(), 3);
    fs::write(bundle.join("rootfs/data/new"), b"new").unwrap();
    place.run(&["repack", bundle.to_str().unwrap(), "c:1"]);
}

/// As a power cut may leave it after `--no-sync`.
#[test]
fn a_layer_without_its_facts_is_unpacked_again() {
    let Some(place) = Place::new() else { return };
    place.image(
        "a:1",
        &[{
            let mut tar = Tar::default();
            tar.file("file", b"content");
            tar.end()
        }],
    );
    place.unpack("a:1");
    let layer = place.private("layers").join(&place.layers()[0]);
    let facts = layer.join("facts");
    fs::write(&facts, b"").unwrap();
    let said = place.fail(&["mount", "a:1", &place.mount_point()]);
    assert!(said.contains("is not in its format"), "of this boot, it may be in use: {said}");
    fs::write(layer.join("unsynced"), b"another boot").unwrap();
    place.mount("a:1");
    assert_eq!(fs::read(place.path("m/file")).unwrap(), b"content");
    assert!(fs::metadata(&facts).unwrap().len() > 0);
    place.umount();
    assert_eq!(place.run(&["fsck"]), "clean\n");
}

#[test]
fn fsck_finds_and_mends_whatever_happened_to_a_layer() {
    let Some(place) = Place::new() else { return };
    let layers = dependent_layers();
    place.image("a:1", &layers);
    place.mount("a:1");
    let whole = record(&place.path("m"));
    place.umount();
    assert_eq!(place.run(&["fsck"]), "clean\n");
    let tree = |name: &str| place.private("layers").join(name).join("tree");
    let names = place.layers();
    let variant = names.iter().find(|name| name.contains('@') && name.starts_with("sha256-"));
    let seam = names.iter().find(|name| name.starts_with("seam@")).unwrap();
    let stack = names.iter().find(|name| name.starts_with("stack@")).unwrap();
    let stack = place.private("layers").join(stack).join("stack");
    assert_eq!(fs::read_to_string(&stack).unwrap(), "imgmgr-stack 1\nplain\nabove\nplain\nseam\n");
    let (base, variant) = (tree(&layer_name(&layers[0])), tree(variant.unwrap()));
    let seam = tree(seam);
    let same_times = |path: &Path, change: &dyn Fn(&Path)| {
        let meta = fs::symlink_metadata(path).unwrap();
        change(path);
        let times = fs::FileTimes::new().set_modified(meta.modified().unwrap());
        fs::File::open(path).unwrap().set_times(times).unwrap();
    };
    type Damage<'d> = (&'d str, Box<dyn Fn() + 'd>);
    let damages: Vec<Damage<'_>> = vec![
        (
            "content differs",
            Box::new(|| {
                same_times(&base.join("usr/lib/a"), &|at| fs::write(at, b"LIBRARY").unwrap())
            }),
        ),
        ("mode differs", Box::new(|| set_mode(&base.join("root"), 0o777))),
        (
            "is missing",
            Box::new(|| {
                same_times(&base, &|at| fs::remove_file(at.join("lib")).unwrap());
            }),
        ),
        (
            "does not belong",
            Box::new(|| {
                same_times(&base, &|at| fs::write(at.join("etc"), b"").unwrap());
            }),
        ),
        (
            "owner differs",
            Box::new(|| {
                std::os::unix::fs::lchown(base.join("lib"), Some(7), None).unwrap();
            }),
        ),
        (
            "extended attributes",
            Box::new(|| {
                let flags = rustix::fs::XattrFlags::empty();
                rustix::fs::setxattr(base.join("root"), "user.k", b"v", flags).unwrap();
            }),
        ),
        ("facts", Box::new(|| fs::remove_file(base.join("../facts")).unwrap())),
        ("facts", Box::new(|| fs::write(base.join("../facts"), b"").unwrap())),
        (
            "content differs",
            Box::new(|| {
                let path = variant.join("usr/lib/b");
                same_times(&path, &|at| fs::write(at, b"THROUGH THE LINK").unwrap());
            }),
        ),
        (
            "modification time",
            Box::new(|| {
                fs::File::open(seam.join("root"))
                    .unwrap()
                    .set_modified(std::time::SystemTime::now())
                    .unwrap();
            }),
        ),
    ];
    let damages = damages.into_iter().chain([(
        "does not say what the layers do",
        Box::new(|| fs::write(&stack, "imgmgr-stack 1\nplain\nplain\nplain\nseamless\n").unwrap())
            as _,
    )]);
    for (what, damage) in damages {
        damage();
        let said = place.fail(&["fsck"]);
        assert!(said.contains("damaged layer") && said.contains(what), "{what}: {said}");
        assert!(place.run(&["fsck", "--blobs-only"]) == "clean\n");
        let said = place.run(&["fsck", "--repair"]);
        assert!(said.contains("mended layer") && said.ends_with("repaired\n"), "{what}: {said}");
        assert_eq!(place.run(&["fsck"]), "clean\n", "{what}");
        place.mount("a:1");
        assert_eq!(record(&place.path("m")), whole, "{what}");
        place.umount();
    }
    assert_eq!(place.count("layers/ingest"), 0);
}

#[test]
fn fsck_does_not_trust_what_was_noted_of_damaged_layers() {
    let Some(place) = Place::new() else { return };
    place.image("a:1", &dependent_layers());
    place.mount("a:1");
    let whole = record(&place.path("m"));
    place.umount();
    // As if the layers had said of nothing that it depends on what is below.
    for name in place.layers().iter().filter(|name| name.contains('@')) {
        let dir = place.private("layers").join(name);
        if name.starts_with("stack@") {
            let plain = "imgmgr-stack 1\nplain\nplain\nplain\nseamless\n";
            fs::write(dir.join("stack"), plain).unwrap();
        } else {
            fs::remove_dir_all(dir).unwrap();
        }
    }
    assert!(place.fail(&["fsck"]).contains("does not say what the layers do"));
    assert!(place.run(&["fsck", "--repair"]).contains("mended layer stack@"));
    assert_eq!(place.run(&["fsck"]), "clean\n");
    place.mount("a:1");
    assert_eq!(record(&place.path("m")), whole);
    place.umount();
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_mounted_layer_is_not_replaced() {
    let Some(place) = Place::new() else { return };
    let tar = plain_layer("a");
    place.image("a:1", std::slice::from_ref(&tar));
    place.mount("a:1");
    let tree = place.private("layers").join(layer_name(&tar)).join("tree");
    let inode = fs::metadata(&tree).unwrap().ino();
    set_mode(&tree.join("data"), 0o700);
    let said = place.fail(&["fsck", "--repair"]);
    assert!(said.contains("mounted"), "{said}");
    assert_eq!(fs::metadata(&tree).unwrap().ino(), inode);
    place.umount();
    place.run(&["fsck", "--repair"]);
    assert_ne!(fs::metadata(&tree).unwrap().ino(), inode);
}

#[test]
fn df_tells_what_each_part_takes() {
    let Some(place) = Place::new() else { return };
    let mut tar = Tar::default();
    tar.file("big", &[7; 100_000]);
    place.image("a:1", &[tar.end()]);
    place.image("b:1", &[plain_layer("b")]);
    place.run(&["mount", "--writable", "a:1", &place.mount_point()]);
    fs::write(place.path("m/more"), [1; 50_000]).unwrap();
    let read =
        |args: &[&str]| -> serde_json::Value { serde_json::from_str(&place.run(args)).unwrap() };
    let df = read(&["df", "--format", "json"]);
    let part = |df: &serde_json::Value, name: &str, key: &str| {
        let parts = df["parts"].as_array().unwrap().clone();
        parts.iter().find(|part| part["part"] == name).unwrap()[key].as_u64().unwrap()
    };
    assert_eq!(part(&df, "blobs", "count"), 6);
    assert_eq!(part(&df, "layers", "count"), 1);
    assert!(part(&df, "layers", "size") >= 100_000);
    assert!(part(&df, "snapshots", "size") >= 50_000);
    assert_eq!(part(&df, "layers", "reclaimable"), 0);
    assert!(df["images"][0]["unpacked"].as_u64().unwrap() >= 100_000);
    assert_eq!(df["images"][1]["unpacked"], 0);
    place.run(&["untag", "a:1", "b:1"]);
    let df = read(&["df", "--format", "json"]);
    assert_eq!(part(&df, "layers", "reclaimable"), 0, "it is mounted");
    assert!(part(&df, "blobs", "reclaimable") < part(&df, "blobs", "size"));
    place.umount();
    let df = read(&["df", "--format", "json"]);
    assert_eq!(part(&df, "layers", "reclaimable"), part(&df, "layers", "size"));
    assert!(place.run(&["df"]).contains("RECLAIMABLE"));
    place.run(&["gc"]);
    let df = read(&["df", "--format", "json"]);
    assert!(["blobs", "layers", "snapshots"].iter().all(|name| part(&df, name, "size") == 0));
}

#[test]
fn a_killed_gc_leaves_a_store_that_is_whole() {
    let Some(place) = Place::new() else { return };
    let many = |name: &str| {
        let mut tar = Tar::default();
        for i in 0..400 {
            tar.file(format!("{name}-{i}"), b"x");
        }
        tar.end()
    };
    let kept = dependent_layers();
    place.image("kept:1", &kept);
    place.mount("kept:1");
    let whole = record(&place.path("m"));
    place.umount();
    let mut killed = 0;
    for round in 0..30u32 {
        place.image("gone:1", &[many("a"), many("b"), kept[0].clone()]);
        place.unpack("gone:1");
        place.run(&["untag", "gone:1"]);
        let mut child = place.command(&["gc"]).stdout(std::process::Stdio::null()).spawn().unwrap();
        // Later and later, so that every phase has its turn.
        let moment = Duration::from_micros(u64::from(round) * 1500);
        let start = Instant::now();
        while start.elapsed() < moment && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill();
        killed += u32::from(!child.wait().unwrap().success());
        assert_eq!(place.run(&["fsck"]), "clean\n", "round {round}");
    }
    assert!(killed > 0, "nothing was ever killed");
    place.run(&["gc"]);
    assert_eq!(place.layers().len(), 6, "{:?}", place.layers());
    assert_eq!((place.blobs(), place.count("layers/ingest")), (5, 0));
    place.mount("kept:1");
    assert_eq!(record(&place.path("m")), whole);
    place.umount();
}

#[test]
fn gc_among_processes_that_come_and_go_takes_nothing_from_them() {
    let Some(place) = Place::new() else { return };
    const ROUNDS: u32 = 12;
    let done = AtomicBool::new(false);
    let shared = plain_layer("shared");
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..3)
            .map(|worker| {
                let (place, shared) = (&place, shared.clone());
                scope.spawn(move || {
                    let at = place.path(&format!("m{worker}"));
                    fs::create_dir(&at).unwrap();
                    let (name, target) = (format!("w{worker}:1"), at.display().to_string());
                    for round in 0..ROUNDS {
                        let own = plain_layer(&format!("{worker}-{round}"));
                        place.image(&name, &[shared.clone(), own]);
                        place.run(&["mount", &name, &target]);
                        place.run(&["untag", &name]);
                        std::thread::yield_now();
                        assert_eq!(fs::read(at.join("data/shared")).unwrap(), b"shared");
                        let own = at.join(format!("data/{worker}-{round}"));
                        assert!(own.exists(), "{own:?}");
                        place.run(&["umount", &target]);
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                place.run(&["gc"]);
            }
        });
        let results: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(results.iter().all(Result::is_ok), "a worker failed");
    });
    place.run(&["gc"]);
    assert_eq!((place.layers().len(), place.blobs()), (0, 0));
    assert_eq!(place.count("layers/locks"), 0);
}
