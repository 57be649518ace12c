//! Transfers that are cut off at nine tenths: the rerun moves what is missing and little more.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::registry::Registry;
use super::support::{Place, layout, tar};
use super::uploads::{Cut, Uploads};
use super::wire::{Dammed, Direction, Listener};

/// Bytes of requests and answers besides blobs.
const TALK: u64 = 256 << 10;

/// An image that is to be pushed, and the wire to the registry.
struct Scene {
    place: Place,
    wire: Listener,
    bytes: u64,
}

impl Scene {
    fn new(wire: Listener, layers: &[Vec<u8>]) -> Self {
        let place = Place::new();
        layout(&place.path("in"), layers);
        Self { place, wire, bytes: layers.iter().map(|layer| layer.len() as u64).sum() }
    }

    /// A push through the wire, with what may outlive it on its standard error.
    fn push(&self) -> Command {
        let from = format!("oci:{}:v1", self.place.path("in").display());
        let to = format!("docker://{}/a:1", self.wire.host);
        let mut push = self.place.plain(&["copy", &from, &to]);
        push.stdout(Stdio::null()).stderr(Stdio::piped());
        push
    }

    fn start_push(&self) -> Child {
        self.push().spawn().unwrap()
    }

    /// Pushes until nine tenths went.
    fn push_most(&self, dammed: Dammed) -> Child {
        let nine_tenths = self.wire.at(Direction::Sent, self.bytes * 9 / 10, dammed);
        let child = self.start_push();
        nine_tenths.recv().unwrap();
        child
    }

    /// Pushes until nine tenths went, sends the process `signals`, and returns what the rerun sends.
    fn push_again(&self, signals: &[Signal], dammed: Dammed) -> u64 {
        let mut child = self.push_most(dammed);
        for &signal in signals {
            send(&child, signal);
        }
        if signals.contains(&Signal::KILL) {
            assert!(!child.wait().unwrap().success());
        }
        self.wire.release();
        // Its worker has the same standard error.
        std::io::copy(&mut child.stderr.take().unwrap(), &mut std::io::sink()).unwrap();
        // Who is asked to end at the last chunk may be done by then.
        child.wait().unwrap();
        self.wire.moved(Direction::Sent);
        assert!(self.start_push().wait().unwrap().success());
        self.wire.moved(Direction::Sent)
    }
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// A tenth of `bytes` and half a per cent of them.
fn tenth(bytes: u64) -> u64 {
    bytes * 105 / 1000 + TALK
}

#[test]
fn a_cut_push_goes_on_where_the_registry_keeps_what_came() {
    let server = Uploads::start(Cut::Kept);
    let layers = [tar("a", 60 << 20), tar("b", 40 << 20)];
    let scene = Scene::new(Listener::before(&server.host), &layers);
    let again = scene.push_again(&[Signal::KILL], Dammed::Cut);
    assert!(again <= tenth(scene.bytes), "{again} of {}", scene.bytes);
    assert_eq!(server.blobs(), 3);
}

#[test]
fn a_cut_push_repeats_a_chunk_where_the_registry_keeps_whole_ones() {
    let server = Uploads::start(Cut::Dropped);
    let layers = [tar("a", 100 << 20)];
    let scene = Scene::new(Listener::before(&server.host), &layers);
    let again = scene.push_again(&[Signal::KILL], Dammed::Cut);
    assert!(again <= tenth(scene.bytes) + (16 << 20), "{again} of {}", scene.bytes);
    assert_eq!(server.blobs(), 2);
}

#[test]
fn a_push_starts_over_where_the_registry_forgot_it() {
    let server = Uploads::start(Cut::Forgotten);
    let layers = [tar("a", 40 << 20)];
    let scene = Scene::new(Listener::before(&server.host), &layers);
    let again = scene.push_again(&[Signal::KILL], Dammed::Cut);
    assert!(again >= scene.bytes, "{again}");
    assert_eq!(server.blobs(), 2);
}

#[test]
fn an_interrupted_push_to_docker_registry_goes_on() {
    let Some(registry) = Registry::open() else { return };
    let layers = [tar("a", 96 << 20)];
    let scene = Scene::new(Listener::before(&registry.host), &layers);
    let again = scene.push_again(&[Signal::TERM], Dammed::Pass);
    assert!(again <= tenth(scene.bytes), "{again} of {}", scene.bytes);
}

#[test]
fn a_cut_push_to_docker_registry_repeats_only_what_was_under_way() {
    let Some(registry) = Registry::open() else { return };
    // docker-registry forgets a layer that was cut off; the smallest come last.
    let layers: Vec<Vec<u8>> = (1..=20).map(|n| tar("a", n << 19)).collect();
    let scene = Scene::new(Listener::before(&registry.host), &layers);
    let again = scene.push_again(&[Signal::KILL], Dammed::Cut);
    assert!(again <= scene.bytes * 20 / 100 + TALK, "{again} of {}", scene.bytes);
}

#[test]
fn a_killed_push_to_docker_registry_goes_on() {
    let Some(registry) = Registry::open() else { return };
    // In chunks, in one piece each, and both.
    for sizes in [vec![96], vec![8; 12], vec![40, 30, 6, 5, 4, 3, 2, 1, 1]] {
        // Layers differ from those of other rounds.
        let layers: Vec<Vec<u8>> =
            (0..).zip(&sizes).map(|(n, mib)| tar("a", (mib << 20) + n)).collect();
        let scene = Scene::new(Listener::before(&registry.host), &layers);
        let again = scene.push_again(&[Signal::KILL], Dammed::Pause);
        assert!(again <= tenth(scene.bytes), "{again} of {}, in {sizes:?}", scene.bytes);
    }
}

#[test]
fn who_pushes_again_at_once_waits_for_what_is_under_way() {
    let Some(registry) = Registry::open() else { return };
    let layers = [tar("a", 96 << 20)];
    let scene = Scene::new(Listener::before(&registry.host), &layers);
    let mut killed = scene.push_most(Dammed::Pause);
    killed.kill().unwrap();
    let mut again = scene.start_push();
    assert!(!killed.wait().unwrap().success());
    scene.wire.release();
    assert!(again.wait().unwrap().success());
    let sent = scene.wire.moved(Direction::Sent);
    assert!(sent <= scene.bytes + TALK, "{sent}");
}

/// The worker of a push.
fn worker(child: &Child) -> Pid {
    let path = format!("/proc/{0}/task/{0}/children", child.id());
    let children = std::fs::read_to_string(path).unwrap();
    Pid::from_raw(children.trim().parse().unwrap()).unwrap()
}

fn wait_until_stopped(pid: Pid) {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    while !std::fs::read_to_string(&path).unwrap().contains(") T ") {
        std::thread::yield_now();
    }
}

#[test]
fn a_push_can_be_stopped_from_its_terminal() {
    let Some(registry) = Registry::open() else { return };
    let layers = [tar("a", 40 << 20)];
    let scene = Scene::new(Listener::before(&registry.host), &layers);
    let half = scene.wire.at(Direction::Sent, scene.bytes / 2, Dammed::Pause);
    // A group that has nobody in another one of its session is never stopped: as a shell's job.
    let mut push = scene.push().process_group(0).spawn().unwrap();
    half.recv().unwrap();
    let (pid, worker) = (Pid::from_child(&push), worker(&push));
    let changed = |options| {
        let options = options | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(pid), options).unwrap().unwrap()
    };
    send(&push, Signal::TSTP);
    assert!(changed(WaitIdOptions::STOPPED).stopped());
    wait_until_stopped(worker);
    send(&push, Signal::CONT);
    assert!(changed(WaitIdOptions::CONTINUED).continued());
    scene.wire.release();
    assert!(push.wait().unwrap().success());
}

#[test]
fn a_push_that_ends_twice_loses_nothing() {
    let Some(registry) = Registry::open() else { return };
    // `timeout -k`; a terminal that goes away; a stopped push that is killed.
    let (hup, term, kill) = (Signal::HUP, Signal::TERM, Signal::KILL);
    let cases = [vec![term, kill], vec![hup], vec![hup, hup, kill], vec![Signal::TSTP, kill]];
    for (round, signals) in cases.into_iter().enumerate() {
        let layers = [tar("a", (40 << 20) + round)];
        let scene = Scene::new(Listener::before(&registry.host), &layers);
        let again = scene.push_again(&signals, Dammed::Pause);
        assert!(again <= tenth(scene.bytes), "{again} of {} after {signals:?}", scene.bytes);
    }
}

#[test]
fn what_the_caller_ignores_does_not_end_a_push() {
    let Some(registry) = Registry::open() else { return };
    let layers = [tar("a", 40 << 20)];
    let scene = Scene::new(Listener::before(&registry.host), &layers);
    let half = scene.wire.at(Direction::Sent, scene.bytes / 2, Dammed::Pause);
    let push = scene.push();
    // nohup, and a caller that reaps nobody
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP CHLD; exec \"$@\"", "sh"]).arg(push.get_program());
    shell.args(push.get_args()).envs(push.get_envs().filter_map(|(k, v)| Some((k, v?))));
    let mut child = shell.stdout(Stdio::null()).spawn().unwrap();
    half.recv().unwrap();
    send(&child, Signal::HUP);
    scene.wire.release();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_slow_network_is_no_stalled_one() {
    let server = Uploads::start(Cut::Kept);
    let layers = [tar("a", 12 << 20)];
    let scene = Scene::new(Listener::slow(&server.host, 8 << 20), &layers);
    let mut push = scene.push();
    assert!(push.args(["--stall-timeout", "1", "--attempts", "1"]).status().unwrap().success());
    assert!(scene.wire.moved(Direction::Sent) < scene.bytes + TALK);
}

#[test]
fn pushes_of_the_same_layers_send_them_once() {
    let Some(registry) = Registry::open() else { return };
    let layers = [tar("a", 40 << 20), tar("b", 20 << 20), tar("c", 6 << 20)];
    let scene = Scene::new(Listener::before(&registry.host), &layers);
    let mut pushes: Vec<Child> = (0..4).map(|_| scene.start_push()).collect();
    for push in &mut pushes {
        assert!(push.wait().unwrap().success());
    }
    let sent = scene.wire.moved(Direction::Sent);
    assert!(sent <= scene.bytes + TALK, "{sent}");
}

#[test]
fn a_killed_pull_goes_on() {
    let Some(registry) = Registry::open() else { return };
    let layers = [tar("a", 90 << 20), tar("b", 50 << 20), tar("c", 10 << 20)];
    let scene = Scene::new(Listener::before(&registry.host), &layers);
    assert!(scene.start_push().wait().unwrap().success());
    let name = format!("{}/a:1", scene.wire.host);
    let (other, bytes) = (Place::new(), scene.bytes);
    scene.wire.moved(Direction::Received);
    let _told = scene.wire.at(Direction::Received, bytes * 9 / 10, Dammed::Cut);
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
    scene.wire.release();
    scene.wire.moved(Direction::Received);
    other.run(&["pull", &name]);
    let again = scene.wire.moved(Direction::Received);
    // A granule for each of the lanes is fetched again besides.
    assert!(again <= tenth(bytes) + 6 * (256 << 10), "{again} of {bytes}");
    assert_eq!(other.run(&["fsck"]), "clean\n");
}
