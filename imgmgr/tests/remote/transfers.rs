//! Transfers that are cut off at nine tenths: the rerun moves what is missing and little more.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::registry::Registry;
use super::support::{Place, layout, tar};
use super::uploads::{Cut, Uploads};
use super::wire::{Direction, Listener};

/// Bytes of requests and answers besides blobs.
const TALK: u64 = 256 << 10;

fn size(layers: &[Vec<u8>]) -> u64 {
    layers.iter().map(|layer| layer.len() as u64).sum()
}

/// Starts a push through the wire.
fn start_push(place: &Place, wire: &Listener) -> Child {
    let from = format!("oci:{}:v1", place.path("in").display());
    let to = format!("docker://{}/a:1", wire.host);
    let mut push = place.plain(&["copy", &from, &to]);
    push.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Pushes until nine tenths went.
fn push_most(place: &Place, wire: &Listener, bytes: u64, network: Network) -> Child {
    let nine_tenths = wire.at(Direction::Sent, bytes * 9 / 10, network == Network::Dies);
    let child = start_push(place, wire);
    nine_tenths.recv().unwrap();
    child
}

/// What happens to connections at nine tenths.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Network {
    Lives,
    Dies,
}

/// Pushes until nine tenths went, ends the process by `signal`, and returns what the rerun sends.
fn push_again(place: &Place, wire: &Listener, bytes: u64, signal: Signal, network: Network) -> u64 {
    let mut child = push_most(place, wire, bytes, network);
    kill_process(Pid::from_child(&child), signal).unwrap();
    assert!(!child.wait().unwrap().success());
    wire.release();
    // Its worker has the same standard error.
    std::io::copy(&mut child.stderr.take().unwrap(), &mut std::io::sink()).unwrap();
    wire.moved(Direction::Sent);
    assert!(start_push(place, wire).wait().unwrap().success());
    wire.moved(Direction::Sent)
}

/// A tenth of `bytes` and half a per cent of them.
fn tenth(bytes: u64) -> u64 {
    bytes * 105 / 1000 + TALK
}

#[test]
fn a_cut_push_goes_on_where_the_registry_keeps_what_came() {
    let server = Uploads::start(Cut::Kept);
    let (place, wire) = (Place::new(), Listener::before(&server.host));
    let layers = [tar("a", 60 << 20), tar("b", 40 << 20)];
    layout(&place.path("in"), &layers);
    let again = push_again(&place, &wire, size(&layers), Signal::KILL, Network::Dies);
    assert!(again <= tenth(size(&layers)), "{again} of {}", size(&layers));
    assert_eq!(server.blobs(), 3);
}

#[test]
fn a_cut_push_repeats_a_chunk_where_the_registry_keeps_whole_ones() {
    let server = Uploads::start(Cut::Dropped);
    let (place, wire) = (Place::new(), Listener::before(&server.host));
    let layers = [tar("a", 100 << 20)];
    layout(&place.path("in"), &layers);
    let again = push_again(&place, &wire, size(&layers), Signal::KILL, Network::Dies);
    assert!(again <= tenth(size(&layers)) + (16 << 20), "{again} of {}", size(&layers));
    assert_eq!(server.blobs(), 2);
}

#[test]
fn a_push_starts_over_where_the_registry_forgot_it() {
    let server = Uploads::start(Cut::Forgotten);
    let (place, wire) = (Place::new(), Listener::before(&server.host));
    let layers = [tar("a", 40 << 20)];
    layout(&place.path("in"), &layers);
    let again = push_again(&place, &wire, size(&layers), Signal::KILL, Network::Dies);
    assert!(again >= size(&layers), "{again}");
    assert_eq!(server.blobs(), 2);
}

#[test]
fn an_interrupted_push_to_docker_registry_goes_on() {
    let Some(registry) = Registry::open() else { return };
    let (place, wire) = (Place::new(), Listener::before(&registry.host));
    let layers = [tar("a", 96 << 20)];
    layout(&place.path("in"), &layers);
    let again = push_again(&place, &wire, size(&layers), Signal::TERM, Network::Lives);
    assert!(again <= tenth(size(&layers)), "{again} of {}", size(&layers));
}

#[test]
fn a_cut_push_to_docker_registry_repeats_only_what_was_under_way() {
    let Some(registry) = Registry::open() else { return };
    let (place, wire) = (Place::new(), Listener::before(&registry.host));
    // docker-registry forgets a layer that was cut off; the smallest come last.
    let layers: Vec<Vec<u8>> = (1..=20).map(|n| tar("a", n << 19)).collect();
    layout(&place.path("in"), &layers);
    let again = push_again(&place, &wire, size(&layers), Signal::KILL, Network::Dies);
    assert!(again <= size(&layers) * 20 / 100 + TALK, "{again} of {}", size(&layers));
}

#[test]
fn a_killed_push_to_docker_registry_goes_on() {
    let Some(registry) = Registry::open() else { return };
    // In chunks, in one piece each, and both.
    for sizes in [vec![96], vec![8; 12], vec![40, 30, 6, 5, 4, 3, 2, 1, 1]] {
        let (place, wire) = (Place::new(), Listener::before(&registry.host));
        // Layers differ from those of other rounds.
        let layers: Vec<Vec<u8>> =
            (0..).zip(&sizes).map(|(n, mib)| tar("a", (mib << 20) + n)).collect();
        layout(&place.path("in"), &layers);
        let bytes = size(&layers);
        let again = push_again(&place, &wire, bytes, Signal::KILL, Network::Lives);
        assert!(again <= tenth(bytes), "{again} of {bytes}, in {sizes:?}");
    }
}

#[test]
fn who_pushes_again_at_once_waits_for_what_is_under_way() {
    let Some(registry) = Registry::open() else { return };
    let (place, wire) = (Place::new(), Listener::before(&registry.host));
    let layers = [tar("a", 96 << 20)];
    layout(&place.path("in"), &layers);
    let mut killed = push_most(&place, &wire, size(&layers), Network::Lives);
    killed.kill().unwrap();
    let mut again = start_push(&place, &wire);
    assert!(!killed.wait().unwrap().success());
    assert!(again.wait().unwrap().success());
    let sent = wire.moved(Direction::Sent);
    assert!(sent <= size(&layers) + TALK, "{sent}");
}

#[test]
fn a_push_can_be_stopped_from_its_terminal() {
    let Some(registry) = Registry::open() else { return };
    let (place, wire) = (Place::new(), Listener::before(&registry.host));
    let layers = [tar("a", 40 << 20)];
    layout(&place.path("in"), &layers);
    let mut push = push_most(&place, &wire, size(&layers) / 2, Network::Lives);
    let pid = Pid::from_child(&push);
    let changed = |options| waitid(WaitId::Pid(pid), options).unwrap().unwrap();
    kill_process(pid, Signal::TSTP).unwrap();
    assert!(changed(WaitIdOptions::STOPPED).stopped());
    kill_process(pid, Signal::CONT).unwrap();
    assert!(changed(WaitIdOptions::CONTINUED).continued());
    assert!(push.wait().unwrap().success());
}

#[test]
fn pushes_of_one_layer_send_it_once() {
    let Some(registry) = Registry::open() else { return };
    let (place, wire) = (Place::new(), Listener::before(&registry.host));
    let layers = [tar("a", 40 << 20)];
    layout(&place.path("in"), &layers);
    let mut pushes: Vec<Child> = (0..4).map(|_| start_push(&place, &wire)).collect();
    for push in &mut pushes {
        assert!(push.wait().unwrap().success());
    }
    let sent = wire.moved(Direction::Sent);
    assert!(sent <= size(&layers) + TALK, "{sent}");
}

#[test]
fn a_killed_pull_goes_on() {
    let Some(registry) = Registry::open() else { return };
    let (place, wire) = (Place::new(), Listener::before(&registry.host));
    let layers = [tar("a", 90 << 20), tar("b", 50 << 20), tar("c", 10 << 20)];
    layout(&place.path("in"), &layers);
    assert!(start_push(&place, &wire).wait().unwrap().success());
    let name = format!("{}/a:1", wire.host);
    let (other, bytes) = (Place::new(), size(&layers));
    wire.moved(Direction::Received);
    let _told = wire.at(Direction::Received, bytes * 9 / 10, true);
    let mut child = other
        .plain(&["--progress", "json", "pull", &name])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // What went through the wire may not have arrived yet: the program says what has.
    let mut moved = std::collections::HashMap::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        moved.insert(line["digest"].to_string(), line["moved"].as_u64().unwrap());
        if moved.values().sum::<u64>() + TALK >= bytes * 9 / 10 {
            break;
        }
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    wire.release();
    wire.moved(Direction::Received);
    other.run(&["pull", &name]);
    let again = wire.moved(Direction::Received);
    // A granule for each of the lanes is fetched again besides.
    assert!(again <= tenth(bytes) + 6 * (256 << 10), "{again} of {bytes}");
    assert_eq!(other.run(&["fsck"]), "clean\n");
}
