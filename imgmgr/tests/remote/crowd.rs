//! Ten processes that pull images with layers in common into one store, while others collect
//! garbage and images come and go.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use imgmgr::store::{Durability, Store};

use super::registry::{Registry, have};
use super::support::{Place, layout, tar};
use super::wire::{Dammed, Direction, Listener};

const IMAGES: usize = 10;
const LAYERS: usize = 14;
const ROUNDS: usize = 3;

/// The layers of image `n`: each stands in several images, at several heights.
fn layers_of(n: usize, all: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut chosen: Vec<Vec<u8>> = (0..5).map(|k| all[(n * 3 + k * 4) % LAYERS].clone()).collect();
    chosen.dedup();
    chosen
}

fn start(place: &Place, args: &[&str]) -> Child {
    place.plain(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn finish(child: Child, what: &str) {
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {stderr}");
}

/// Collects, one process after the other, and makes an image come and go, until `done`.
fn collect_until(place: &Place, from: &str, done: &AtomicBool, collections: &AtomicUsize) {
    while !done.load(Ordering::Relaxed) {
        finish(start(place, &["gc"]), "gc");
        finish(start(place, &["copy", from, "r.io/passing:1"]), "copy");
        finish(start(place, &["untag", "r.io/passing:1"]), "untag");
        collections.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn ten_pulls_of_overlapping_images_at_once() {
    let Some(registry) = Registry::open() else { return };
    let place = Place::new();
    let all: Vec<Vec<u8>> =
        (0..LAYERS).map(|n| tar(&format!("layer-{n}"), 100_000 + n * 130_000)).collect();
    let names: Vec<String> = (0..IMAGES).map(|n| format!("{}/app{n}:1", registry.host)).collect();
    let mut digests = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let path = place.path(&format!("in{n}"));
        digests.push(layout(&path, &layers_of(n, &all)));
        place.run(&["copy", &format!("oci:{}:v1", path.display()), &format!("docker://{name}")]);
    }
    // It has a layer of the others' and one of its own.
    layout(&place.path("passing"), &[all[0].clone(), tar("passing", 5000)]);
    let passing = format!("oci:{}:v1", place.path("passing").display());

    for round in 0..ROUNDS {
        let (done, collections) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            let collector = scope.spawn(|| collect_until(&place, &passing, &done, &collections));
            let pulls: Vec<Child> =
                names.iter().map(|name| start(&place, &["pull", "--unpack", name])).collect();
            for (child, name) in pulls.into_iter().zip(&names) {
                finish(child, name);
            }
            done.store(true, Ordering::Relaxed);
            collector.join().unwrap();
        });
        eprintln!("round {round}: {collections:?} collections beside the pulls");
        assert_eq!(place.run(&["fsck"]), "clean\n", "round {round}");
        let store = Store::open_real(&place.path("data/images"), Durability::NoSync).unwrap();
        for (name, digest) in names.iter().zip(&digests) {
            assert_eq!(store.resolve(name).unwrap().target.digest.to_string(), *digest);
            assert_eq!(place.run(&["validate", name]), "valid\n", "round {round}: {name}");
        }
        for name in &names {
            // Complete to the last file, and nothing of it need be unpacked.
            let tree = place.run(&["diff", name, name]);
            assert_eq!(tree, "");
            let listed = place.run(&["export", name, "--output", "/dev/null"]);
            assert_eq!(listed, "");
        }
        assert_eq!(
            std::fs::read_dir(place.path("data/images/x-imgmgr/ingest")).unwrap().count(),
            0
        );
        let unpacked = std::fs::read_dir(place.path("data/images/x-imgmgr/layers")).unwrap();
        let layers = unpacked
            .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().contains("sha256-"));
        assert_eq!(layers.count(), LAYERS, "round {round}: each layer once");
        if round + 1 < ROUNDS {
            // Half of them go; the rest must stay whole, and these come again.
            for name in names.iter().step_by(2) {
                place.run(&["untag", name]);
            }
            place.run(&["gc"]);
            assert_eq!(place.run(&["fsck"]), "clean\n", "round {round}");
        }
    }
}

#[test]
fn a_layer_that_came_is_there_for_others_while_the_next_stalls() {
    let Some(registry) = Registry::open() else { return };
    let (wire, place) = (Listener::before(&registry.host), Place::new());
    let (small, large) = (tar("small", 100_000), tar("large", 8 << 20));
    for (name, layers) in [("one", vec![small.clone()]), ("both", vec![small, large])] {
        layout(&place.path(name), &layers);
        let from = format!("oci:{}:v1", place.path(name).display());
        place.run(&["copy", &from, &format!("docker://{}/{name}:1", registry.host)]);
    }
    let pull = |name: &str| {
        let mut pull = place.durable(&["--tls-verify=false", "pull", "--parallel=1", name]);
        pull.stdout(Stdio::null()).stderr(Stdio::piped());
        pull.spawn().unwrap()
    };
    let halfway = wire.at(Direction::Received, 4 << 20, Dammed::Pause);
    let stalled = pull(&format!("{}/both:1", wire.host));
    halfway.recv().unwrap();
    finish(pull(&format!("{}/one:1", registry.host)), "the other pull");
    wire.release();
    finish(stalled, "the pull that stalled");
    assert_eq!(place.run(&["fsck"]), "clean\n");
}

#[test]
fn a_pull_of_many_layers_has_few_files_open() {
    if !have("strace") {
        return;
    }
    let Some(registry) = Registry::open() else { return };
    let place = Place::new();
    let layers: Vec<Vec<u8>> = (0..150).map(|n| tar(&format!("layer-{n}"), 1000 + n)).collect();
    layout(&place.path("in"), &layers);
    let from = format!("oci:{}:v1", place.path("in").display());
    let name = format!("{}/many:1", registry.host);
    place.run(&["copy", &from, &format!("docker://{name}")]);
    let pull = place.durable(&["--tls-verify=false", "pull", &name]);
    // What came waits for a slow disk.
    let slowly = "ulimit -n 190; exec strace -f -qq -o /dev/null -e trace=syncfs \
        -e inject=syncfs:delay_enter=500000 \"$0\" \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", slowly]).arg(pull.get_program()).args(pull.get_args()).env_clear();
    shell.envs(pull.get_envs().filter_map(|(key, value)| Some((key, value?))));
    finish(shell.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap(), "the pull");
    assert_eq!(place.run(&["validate", &name]), "valid\n");
}
