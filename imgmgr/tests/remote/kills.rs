//! Pulls and pushes that are killed at any point, again and again: the store is clean after each,
//! and the next one goes on.
//!
//! `IMGMGR_KILLS` says how many processes must die in the middle of their work (24 without it; the
//! promise of the project is 1,000).

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::registry::Registry;
use super::support::{Place, layout, tar};
use super::wire::{Dammed, Direction, Listener};

fn kills() -> u64 {
    std::env::var("IMGMGR_KILLS").map_or(24, |text| text.parse().unwrap())
}

/// How many rounds there may be for each kill: some processes end before theirs.
const ROUNDS_PER_KILL: u64 = 4;

/// Where in a transfer it ends.
enum End {
    /// When so many bytes went through the wire.
    Byte(u64),
    /// After so long: also before the first byte, and after the last.
    Moment(Duration),
}

/// Spreads the ends evenly over a transfer of `bytes`.
fn end(round: u64, kills: u64, bytes: u64) -> End {
    if round.is_multiple_of(2) {
        End::Byte(1 + bytes * (round % kills) / kills)
    } else {
        End::Moment(Duration::from_micros(round * 7_919 % 200_000))
    }
}

/// Kills the process at its end, and says whether that was in time.
fn kill_at(mut child: Child, end: &End, wire: &Listener, direction: Direction) -> bool {
    match end {
        End::Byte(bytes) => {
            let told = wire.at(direction, *bytes, Dammed::Cut);
            // The process may need fewer bytes than the transfer as a whole has.
            while told.try_recv().is_err() && child.try_wait().unwrap().is_none() {
                std::thread::yield_now();
            }
        }
        End::Moment(after) => {
            let start = Instant::now();
            while start.elapsed() < *after && child.try_wait().unwrap().is_none() {
                std::thread::yield_now();
            }
        }
    }
    let _ = child.kill();
    let killed = !child.wait().unwrap().success();
    wire.release();
    killed
}

struct Scene {
    _registry: Registry,
    wire: Listener,
    place: Place,
    bytes: u64,
}

fn scene() -> Option<Scene> {
    let registry = Registry::open()?;
    let (wire, place) = (Listener::before(&registry.host), Place::new());
    let layers = [tar("a", 3 << 20), tar("b", 1 << 20), tar("c", 300_000), tar("d", 2000)];
    layout(&place.path("in"), &layers);
    let bytes = layers.iter().map(|layer| layer.len() as u64).sum();
    Some(Scene { _registry: registry, wire, place, bytes })
}

fn push(scene: &Scene, tag: u64) -> Child {
    let from = format!("oci:{}:v1", scene.place.path("in").display());
    let to = format!("docker://{}/app{tag}:1", scene.wire.host);
    scene
        .place
        .plain(&["copy", &from, &to])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn killed_pulls_leave_a_clean_store() {
    let Some(scene) = scene() else { return };
    assert!(push(&scene, 0).wait().unwrap().success());
    let name = format!("{}/app0:1", scene.wire.host);
    let (place, kills) = (Place::new(), kills());
    let (mut killed, mut round) = (0, 0);
    while killed < kills {
        scene.wire.moved(Direction::Received);
        let pull = ["pull", "--unpack", &name];
        let child = place.plain(&pull).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let end = end(round, kills, scene.bytes);
        let in_time = kill_at(child.unwrap(), &end, &scene.wire, Direction::Received);
        killed += u64::from(in_time);
        assert_eq!(place.run(&["fsck"]), "clean\n", "round {round}");
        // From the start again now and then, or the next rounds would have nothing to do.
        if !in_time || round % 3 == 2 {
            place.run(&["pull", "--unpack", &name]);
            place.run(&["untag", &name]);
            place.run(&["gc"]);
        }
        round += 1;
        assert!(round < kills * ROUNDS_PER_KILL, "{killed} of {round} were killed in time");
    }
    eprintln!("{killed} of {round} pulls were killed in time");
    place.run(&["pull", "--unpack", &name]);
    assert_eq!(place.run(&["fsck"]), "clean\n");
    let ingest = std::fs::read_dir(place.path("data/images/x-imgmgr/ingest")).unwrap();
    let left: Vec<_> = ingest.map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().starts_with("tmp-")), "{left:?}");
    place.run(&["gc"]);
    let mut ingest = std::fs::read_dir(place.path("data/images/x-imgmgr/ingest")).unwrap();
    assert!(ingest.next().is_none());
}

#[test]
fn killed_pushes_end_in_a_whole_image() {
    let Some(scene) = scene() else { return };
    let kills = kills();
    let (mut killed, mut round, mut tag) = (0, 0, 0);
    while killed < kills {
        scene.wire.moved(Direction::Sent);
        let end = end(round, kills, scene.bytes);
        let in_time = kill_at(push(&scene, tag), &end, &scene.wire, Direction::Sent);
        killed += u64::from(in_time);
        if !in_time || round % 3 == 2 {
            assert!(push(&scene, tag).wait().unwrap().success());
            let other = Place::new();
            other.run(&["pull", &format!("{}/app{tag}:1", scene.wire.host)]);
            assert_eq!(other.run(&["fsck"]), "clean\n", "round {round}");
            // A blob that is there is not sent: a repository of its own for the next.
            tag += 1;
        }
        round += 1;
        assert!(round < kills * ROUNDS_PER_KILL, "{killed} of {round} were killed in time");
    }
    eprintln!("{killed} of {round} pushes were killed in time");
}
