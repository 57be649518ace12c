//! Disk full at any write: each command, on a real file system of every size from what is used to
//! what is needed. A failure names the object and the cause and spoils nothing; with room it works.
//!
//! The test runs itself again in a mount namespace of its own, so that its mounts end with it.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::registry::Registry;
use super::support::{Place, layout, tar};

const INSIDE: &str = "IMGMGR_TEST_INSIDE";
const PAGE: u64 = 4096;
const ROOM: u64 = 256 << 20;

/// Sizes between what is used and what is needed at which a command is tried, besides the powers
/// of two: `IMGMGR_SIZES`, or 6.
fn sizes() -> u64 {
    std::env::var("IMGMGR_SIZES").map_or(6, |text| text.parse().unwrap())
}

/// Runs the test `name` again in a mount namespace; true if this is that run.
pub(super) fn inside(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: mounting takes root");
        assert!(std::env::var_os("REQUIRE_ALL").is_none(), "root is required");
        return false;
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(INSIDE, "1");
    let status = command.status().unwrap();
    assert!(status.success(), "in a mount namespace: {status}");
    false
}

pub(super) fn run(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).status().unwrap();
    assert!(status.success(), "{program} {args:?}: {status}");
}

/// What of a file system is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scarce {
    Bytes,
    Inodes,
}

/// A file system whose size the test sets, with the command's data directory.
struct Disk<'p> {
    at: &'p Path,
}

impl Disk<'_> {
    fn options(scarce: Scarce, amount: u64) -> String {
        match scarce {
            Scarce::Bytes => format!("size={amount},nr_inodes=100000"),
            Scarce::Inodes => format!("size={ROOM},nr_inodes={amount}"),
        }
    }

    fn mount(&self) {
        std::fs::create_dir_all(self.at).unwrap();
        let options = Self::options(Scarce::Bytes, ROOM);
        run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", self.at.to_str().unwrap()]);
    }

    fn resize(&self, scarce: Scarce, amount: u64) {
        let options = format!("remount,{}", Self::options(scarce, amount));
        run("mount", &["-o", &options, self.at.to_str().unwrap()]);
    }

    fn used(&self, scarce: Scarce) -> u64 {
        let stat = rustix::fs::statvfs(self.at).unwrap();
        match scarce {
            Scarce::Bytes => (stat.f_blocks - stat.f_bfree) * stat.f_frsize,
            Scarce::Inodes => stat.f_files - stat.f_ffree,
        }
    }

    /// Unmounts with what the command mounted beneath.
    fn unmount(&self) {
        run("umount", &["-R", self.at.to_str().unwrap()]);
    }
}

struct Case {
    name: &'static str,
    /// Commands that lead to the state in which it starts.
    setup: Vec<Vec<String>>,
    args: Vec<String>,
}

pub(super) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

pub(super) fn plain(place: &Place, args: &[String]) -> Output {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    place.plain(&args).output().unwrap()
}

/// Copies the data directory between the disk and where a state is kept.
pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    run("cp", &["-a", &format!("{}/.", from.display()), to.to_str().unwrap()]);
}

pub(super) fn entries(path: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// What a failed command may leave: nothing but what a resume uses.
pub(super) fn check_leftovers(data: &Path, case: &str) {
    let ours = data.join("images/x-imgmgr");
    for name in entries(&ours.join("ingest")) {
        assert!(!name.starts_with("tmp-"), "{case}: {name} is left");
    }
    assert_eq!(entries(&ours.join("leases")), [""; 0], "{case}");
    assert_eq!(entries(&ours.join("layers/ingest")), [""; 0], "{case}");
}

/// What the kernel says when there is no room, and how the hint begins.
const FULL: (&str, &str) = ("No space left on device", "hint: make room");

/// The command fails for lack of room, and says on what, why, and what to do; anything else fails
/// the test.
pub(super) fn check_failure(output: &Output, (cause, hint): (&str, &str), case: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), None, "{case}: {stderr}");
    assert_eq!(output.status.code(), Some(1), "{case}: {stderr}");
    assert!(stderr.contains(cause), "{case}: no cause: {stderr}");
    assert!(stderr.contains('`'), "{case}: no object: {stderr}");
    assert!(stderr.contains(hint), "{case}: no hint: {stderr}");
}

/// Tries `case` with `amount`; true if it succeeded.
fn attempt(place: &Place, disk: &Disk, case: &Case, scarce: Scarce, amount: u64) -> bool {
    let context = format!("{} with {amount} {scarce:?}", case.name);
    disk.mount();
    copy(&place.path("kept"), disk.at);
    disk.resize(scarce, amount);
    let output = plain(place, &case.args);
    let succeeded = output.status.success();
    if !succeeded {
        check_failure(&output, FULL, &context);
        check_leftovers(disk.at, &context);
    }
    disk.resize(Scarce::Bytes, ROOM);
    if disk.at.join("images/oci-layout").exists() {
        assert_eq!(place.run(&["fsck"]), "clean\n", "{context}");
    }
    if !succeeded {
        let again = plain(place, &case.args);
        let stderr = String::from_utf8_lossy(&again.stderr);
        assert!(again.status.success(), "{context}, then with room: {stderr}");
        assert_eq!(place.run(&["fsck"]), "clean\n", "{context}, then with room");
    }
    disk.unmount();
    succeeded
}

/// Keeps the state in which a case starts, and says how much of the disk it takes.
fn prepare(place: &Place, disk: &Disk, case: &Case, scarce: Scarce) -> u64 {
    let _ = std::fs::remove_dir_all(place.path("kept"));
    disk.mount();
    for args in &case.setup {
        let output = plain(place, args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {args:?}: {stderr}", case.name);
    }
    if case.name == "commit" {
        let upper = disk.at.join("snapshots/s/upper");
        for n in 0..20 {
            std::fs::write(upper.join(format!("new-{n}")), vec![b'n'; 6000]).unwrap();
        }
    }
    copy(disk.at, &place.path("kept"));
    disk.unmount();
    disk.mount();
    copy(&place.path("kept"), disk.at);
    let used = disk.used(scarce);
    disk.unmount();
    used
}

fn try_sizes(place: &Place, case: &Case, scarce: Scarce) {
    let at = place.path("data");
    let disk = Disk { at: &at };
    let used = prepare(place, &disk, case, scarce);
    let unit = if scarce == Scarce::Bytes { PAGE } else { 1 };
    let mut needed = 1;
    let mut failures = 0;
    while !attempt(place, &disk, case, scarce, used.max(unit) + needed * unit) {
        failures += 1;
        needed *= 2;
        assert!(needed * unit < ROOM, "{}: no size is enough", case.name);
    }
    let step = (needed / sizes()).max(1);
    for more in (0..needed).step_by(usize::try_from(step).unwrap()) {
        let enough = attempt(place, &disk, case, scarce, used.max(unit) + more * unit);
        failures += u64::from(!enough);
    }
    eprintln!("{}: {failures} failures for lack of {scarce:?}", case.name);
    // What a push keeps for a resume it can do without.
    assert!(failures > 0 || case.name == "push", "{}: nothing was ever full", case.name);
}

/// A layer of many files.
pub(super) fn many_files() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for n in 0..40 {
        let mut header = tar::Header::new_gnu();
        header.set_size(3000);
        header.set_mode(0o644);
        let content = vec![b'0' + (n % 10); 3000];
        builder.append_data(&mut header, format!("dir/{n}"), &*content).unwrap();
    }
    builder.into_inner().unwrap()
}

/// The same image in each place that one can come from.
pub(super) struct Sources {
    /// A layout, as `copy` takes it.
    pub(super) from: String,
    /// In the registry.
    pub(super) name: String,
    /// A docker archive.
    pub(super) archive: PathBuf,
}

impl Sources {
    pub(super) fn make(place: &Place, registry: &Registry) -> Self {
        layout(&place.path("in"), &[tar("a", 400_000), many_files(), tar("b", 30_000)]);
        let name = format!("{}/app:1", registry.host);
        let from = format!("oci:{}:v1", place.path("in").display());
        let archive = place.path("archive.tar");
        place.run(&["copy", &from, &format!("docker://{name}")]);
        place.run(&["copy", &from, &format!("docker-archive:{}:{name}", archive.display())]);
        Self { from, name, archive }
    }
}

#[test]
fn a_full_disk_spoils_nothing() {
    if !inside("full::a_full_disk_spoils_nothing") {
        return;
    }
    let Some(registry) = Registry::open() else { return };
    let place = Place::new();
    let Sources { from, name, archive } = Sources::make(&place, &registry);
    let target = place.path("mnt");
    std::fs::create_dir(&target).unwrap();
    let pulled = || vec![words(&format!("pull {name}"))];
    let unpacked = || vec![words(&format!("pull --unpack {name}"))];
    let case = |name, setup, args: String| Case { name, setup, args: words(&args) };
    let cases = [
        case("pull", vec![], format!("pull {name}")),
        case("pull --unpack", vec![], format!("pull --unpack {name}")),
        case("load", vec![], format!("load --input {}", archive.display())),
        case("copy", vec![], format!("copy {from} other:1")),
        case(
            "unpack",
            pulled(),
            format!("unpack {name} {} sh", place.path("data/bundle").display()),
        ),
        case("snapshot", pulled(), format!("snapshot prepare {name} s")),
        case("mount", pulled(), format!("mount {name} {}", target.display())),
        case(
            "commit",
            vec![
                words(&format!("pull --unpack {name}")),
                words(&format!("snapshot prepare {name} s")),
            ],
            "commit snapshot:s new:1".to_owned(),
        ),
        case("flatten", unpacked(), format!("flatten {name} --tag flat:1")),
        case("tag", pulled(), format!("tag {name} other:2")),
        case("push", pulled(), format!("push {name} {}/pushed:1", registry.host)),
    ];
    for case in cases {
        for scarce in [Scarce::Bytes, Scarce::Inodes] {
            try_sizes(&place, &case, scarce);
        }
    }
}

#[test]
fn a_full_disk_can_be_cleared() {
    if !inside("full::a_full_disk_can_be_cleared") {
        return;
    }
    let place = Place::new();
    let at = place.path("data");
    let disk = Disk { at: &at };
    for (scarce, spare) in [(Scarce::Bytes, 0), (Scarce::Bytes, PAGE), (Scarce::Inodes, 0)] {
        disk.mount();
        layout(&place.path("in"), &[tar("a", 400_000), many_files()]);
        let from = format!("oci:{}:v1", place.path("in").display());
        place.run(&["copy", &from, "r.io/a:1"]);
        place.run(&["snapshot", "prepare", "r.io/a:1", "s"]);
        place.run(&["snapshot", "rm", "s"]);
        disk.resize(scarce, disk.used(scarce) + spare);
        // A name can only be removed by a new index, for which a page must be left.
        let context = format!("{scarce:?}, {spare} to spare");
        let untag = words("untag r.io/a:1");
        let untagged = plain(&place, &untag);
        if !untagged.status.success() {
            check_failure(&untagged, FULL, &context);
        }
        place.run(&["gc", "--keep-downloads", "0s"]);
        if !untagged.status.success() {
            disk.resize(scarce, disk.used(scarce) + 8 * spare.max(1));
            place.run(&["untag", "r.io/a:1"]);
            place.run(&["gc"]);
        }
        assert_eq!(entries(&at.join("images/blobs/sha256")), [""; 0], "{context}");
        disk.resize(Scarce::Bytes, ROOM);
        assert_eq!(place.run(&["fsck"]), "clean\n", "{context}");
        disk.unmount();
    }
}
