//! Power cuts on a real file system: ext4 stops at a moment, without writing its journal, and is
//! mounted again. What a command reported done is there then, whatever it was; what it was in the
//! middle of spoils nothing.
//!
//! `IMGMGR_CUTS` says how many pulls are cut (12 without it).

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::full::{copy, inside, many_files, run, words};
use super::registry::{Registry, have};
use super::support::{Place, layout, succeeds, tar};
use super::wire::{Dammed, Direction, Listener};

const DISK_BYTES: u64 = 96 << 20;

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`: what is not in the journal is lost.
const CUT: &str = "open(my $root, '<', $ARGV[0]) or die $!; my $how = pack('L', 2); \
                   ioctl($root, 0x8004587d, $how) or die $!";

/// An ext4 on a loop device with the command's data directory.
struct Disk<'p> {
    image: &'p Path,
    at: &'p Path,
}

impl Disk<'_> {
    /// A new one.
    fn make(&self) {
        std::fs::File::create(self.image).unwrap().set_len(DISK_BYTES).unwrap();
        run("mkfs.ext4", &["-q", "-F", self.image.to_str().unwrap()]);
        std::fs::create_dir_all(self.at).unwrap();
        self.mount();
    }

    fn mount(&self) {
        run("mount", &["-o", "loop", self.image.to_str().unwrap(), self.at.to_str().unwrap()]);
    }

    /// From now on nothing is written.
    fn cut(&self) {
        run("perl", &["-e", CUT, self.at.to_str().unwrap()]);
    }

    /// Mounts what the cut left.
    fn boot(&self) {
        self.unmount();
        self.mount();
    }

    fn unmount(&self) {
        run("umount", &["-R", self.at.to_str().unwrap()]);
    }
}

#[track_caller]
fn succeeding(place: &Place, args: &str) -> String {
    let words = words(args);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    succeeds(place.durable(&words).arg("--tls-verify=false"))
}

fn can_cut() -> bool {
    have("mkfs.ext4") && have("perl")
}

#[test]
fn what_was_reported_done_survives_a_power_cut() {
    if !inside("power::what_was_reported_done_survives_a_power_cut") || !can_cut() {
        return;
    }
    let Some(registry) = Registry::open() else { return };
    let place = Place::new();
    layout(&place.path("in"), &[tar("a", 3 << 20), many_files(), tar("b", 30_000)]);
    let (from, name) = (format!("oci:{}:v1", place.path("in").display()), "r.io/app:1");
    let remote = format!("{}/app:1", registry.host);
    let archive = place.path("archive.tar");
    place.run(&["copy", &from, &format!("docker://{remote}")]);
    place.run(&["copy", &from, &format!("docker-archive:{}:{name}", archive.display())]);
    let (image, at) = (place.path("disk.img"), place.path("data"));
    std::fs::remove_dir_all(&at).unwrap();
    let disk = Disk { image: &image, at: &at };
    let bundle = at.join("bundle");
    let (pull, load) = (format!("pull --unpack {remote}"), format!("copy {from} {name}"));
    let prepare = format!("snapshot prepare {name} s");
    // What leads there, the command, and what shows that it was done, with a word of the answer.
    let list = "list --format json".to_owned();
    let cases: [(&[&str], String, &String, &str); 8] = [
        (&[], format!("pull {remote}"), &list, &remote),
        (&[], pull.clone(), &list, &remote),
        (&[], format!("load --input {}", archive.display()), &list, name),
        (&[], load.clone(), &list, name),
        (&[&load], format!("tag {name} r.io/second:2"), &list, "r.io/second:2"),
        (&[&load], prepare.clone(), &"snapshot list".to_owned(), "s"),
        (&[&load, &prepare], "commit snapshot:s r.io/new:1".to_owned(), &list, "r.io/new:1"),
        (&[&load], format!("unpack {name} {} sh", bundle.display()), &list, name),
    ];
    for (setup, command, question, answer) in cases {
        disk.make();
        for command in setup {
            succeeding(&place, command);
        }
        let upper = at.join("snapshots/s/upper");
        if upper.exists() {
            std::fs::write(upper.join("changed"), b"in the snapshot").unwrap();
        }
        succeeding(&place, &command);
        disk.cut();
        disk.boot();
        assert_eq!(succeeding(&place, "fsck"), "clean\n", "{command}");
        let told = succeeding(&place, question);
        assert!(told.contains(answer), "{command}: {told}");
        if bundle.exists() {
            let whole = place.path("whole");
            succeeding(&place, &format!("unpack {name} {} sh", whole.display()));
            let (found, expected) = (bundle.join("rootfs"), whole.join("rootfs"));
            succeeds(Command::new("diff").arg("-r").args([&found, &expected]));
        }
        if command.starts_with("pull --unpack") {
            // No layer has to be unpacked again.
            let layers = std::fs::read_dir(at.join("images/x-imgmgr/layers")).unwrap();
            let names = layers.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            assert_eq!(names.filter(|name| name.starts_with("sha256-")).count(), 3);
        }
        disk.unmount();
    }
}

#[test]
fn a_pull_that_a_power_cut_ends_spoils_nothing() {
    if !inside("power::a_pull_that_a_power_cut_ends_spoils_nothing") || !can_cut() {
        return;
    }
    let Some(registry) = Registry::open() else { return };
    let (wire, place) = (Listener::before(&registry.host), Place::new());
    let layers = [tar("a", 6 << 20), many_files(), tar("b", 2 << 20), tar("c", 300_000)];
    let bytes: u64 = layers.iter().map(|layer| layer.len() as u64).sum();
    layout(&place.path("in"), &layers);
    let from = format!("oci:{}:v1", place.path("in").display());
    let name = format!("{}/app:1", wire.host);
    place.run(&["copy", &from, &format!("docker://{}/app:1", registry.host)]);
    let (image, at) = (place.path("disk.img"), place.path("data"));
    let kept = place.path("kept");
    // A store with another image, of which no cut may take anything.
    layout(&place.path("other"), &[tar("other", 500_000)]);
    place.run(&["copy", &format!("oci:{}:v1", place.path("other").display()), "r.io/other:1"]);
    copy(&at, &kept);
    std::fs::remove_dir_all(&at).unwrap();
    let disk = Disk { image: &image, at: &at };
    let cuts: u64 = std::env::var("IMGMGR_CUTS").map_or(12, |text| text.parse().unwrap());
    let mut in_time = 0;
    for round in 0..cuts {
        disk.make();
        copy(&kept, &at);
        run("sync", &["-f", at.to_str().unwrap()]);
        wire.moved(Direction::Received);
        let mut pull = place.durable(&["pull", "--unpack", &name, "--tls-verify=false"]);
        let mut child = pull.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // At a byte, or a while after the last: while layers are synced and named.
        let told = wire.at(Direction::Received, 1 + bytes * (round % 8) / 8, Dammed::Pass);
        while told.try_recv().is_err() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(round * 97 % 300) {
            std::thread::yield_now();
        }
        disk.cut();
        let done = child.wait().unwrap().success();
        in_time += u64::from(!done);
        disk.boot();
        assert_eq!(succeeding(&place, "fsck"), "clean\n", "round {round}");
        let list = succeeding(&place, "list --format json");
        assert!(list.contains("r.io/other:1"), "round {round}: {list}");
        assert!(!done || list.contains(&name), "round {round}: {list}");
        succeeding(&place, &format!("pull --unpack {name}"));
        assert_eq!(succeeding(&place, "fsck"), "clean\n", "round {round}, pulled again");
        disk.unmount();
    }
    eprintln!("{in_time} of {cuts} pulls were cut in time");
    assert!(in_time > 0, "no pull was cut in time");
}
