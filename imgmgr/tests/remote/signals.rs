//! Copies that send nothing end at the first signal, as by its own action.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};

use super::support::{Place, layout, tar};

/// How long a process may take to die.
const PATIENCE: Duration = Duration::from_secs(20);

fn ends(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("the signal is ignored");
        }
        std::thread::yield_now();
    }
}

/// The command with signals as they are at a terminal: whoever runs the tests in the background may ignore SIGINT.
fn heeding(command: &Command) -> Command {
    let mut heeding = Command::new("env");
    heeding.env_clear().envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
    heeding.arg("--default-signal=INT,TERM").arg(command.get_program()).args(command.get_args());
    heeding
}

#[test]
fn the_first_signal_ends_a_local_copy() {
    let place = Place::new();
    layout(&place.path("in"), &[tar("a", 4 << 20)]);
    let at = |kind: &str, name: &str| format!("{kind}:{}", place.path(name).display());
    place.run(&["copy", &format!("{}:v1", at("oci", "in")), "r.io/a:1"]);
    place.run(&["copy", "r.io/a:1", &at("oci-archive", "a.tar")]);
    std::fs::create_dir(place.path("scratch")).unwrap();
    mknodat(CWD, place.path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    for signal in [Signal::INT, Signal::TERM] {
        for from in
            [format!("{}:v1", at("oci", "in")), "r.io/a:1".to_owned(), at("oci-archive", "a.tar")]
        {
            let copy = place.command(&["copy", &from, &at("oci-archive", "pipe")]);
            let mut command = heeding(&copy);
            let mut child = command.env("TMPDIR", place.path("scratch")).spawn().unwrap();
            // Whoever writes to the pipe is in the middle of it, since nobody reads.
            let reader = std::fs::File::open(place.path("pipe")).unwrap();
            kill_process(Pid::from_child(&child), signal).unwrap();
            let status = ends(&mut child);
            assert_eq!(status.signal(), Some(signal.as_raw()), "{from}: {status}");
            drop(reader);
            assert_eq!(std::fs::read_dir(place.path("scratch")).unwrap().count(), 0, "{from}");
        }
    }
    assert_eq!(place.run(&["fsck"]), "clean\n");
}

/// Starts a command and sends it a signal once `begun` says so.
fn ended_once(place: &Place, args: &[&str], begun: impl Fn() -> bool) -> ExitStatus {
    let mut command = place.command(args);
    let mut child = command.env("TMPDIR", place.path("scratch")).spawn().unwrap();
    while !begun() {
        assert!(child.try_wait().unwrap().is_none(), "{args:?} was faster");
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    ends(&mut child)
}

#[test]
fn a_file_that_is_not_whole_goes_with_the_signal() {
    let place = Place::new();
    layout(&place.path("in"), &[tar("a", 40 << 20)]);
    for name in ["scratch", "out"] {
        std::fs::create_dir(place.path(name)).unwrap();
    }
    let files = || std::fs::read_dir(place.path("out")).unwrap().count();
    let from = format!("oci:{}:v1", place.path("in").display());
    place.run(&["copy", &from, "r.io/a:1"]);
    let out = place.path("out/a.tar").display().to_string();
    for args in
        [&["copy", &from, &format!("oci-archive:{out}")][..], &["save", "-o", &out, "r.io/a:1"]]
    {
        let status = ended_once(&place, args, || files() > 0);
        assert_eq!(status.signal(), Some(Signal::TERM.as_raw()), "{args:?}");
        assert_eq!(files(), 0, "{args:?}");
    }
    let dir = || std::fs::read_dir(place.path("out/dir")).into_iter().flatten().flatten();
    let names = || dir().map(|file| file.file_name().into_string().unwrap());
    let is_begun = |name: &String| name.contains(".tmp-") && !name.starts_with("version");
    let to = format!("dir:{}", place.path("out/dir").display());
    let status = ended_once(&place, &["copy", &from, &to], || names().any(|name| is_begun(&name)));
    assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
    assert_eq!(names().collect::<Vec<_>>(), ["version"]);
}
