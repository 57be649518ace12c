//! SIGKILL, or EIO from the kernel, at the n-th system call that changes a file: the store is clean,
//! the same command run again succeeds, and nothing is left over.
//!
//! `IMGMGR_POINTS` says at how many calls of each command (8 without it; 100000 for every one).

use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::registry::have;
use super::support::{Place, layout, tar};

/// The calls that change something that outlives the process.
const CALLS: &str = "write,pwrite64,ftruncate,fallocate,rename,renameat,renameat2,link,linkat,\
    symlink,symlinkat,unlink,unlinkat,rmdir,mkdir,mkdirat,mknodat,openat,openat2,fsync,fdatasync,\
    syncfs,flock,fchmod,fchmodat,fchown,fchownat,utimensat,fsetxattr";

/// Those of them that a disk makes fail; not `write`, which also wakes threads by eventfd.
const DISK_CALLS: &str = "pwrite64,ftruncate,rename,mkdir,linkat,fsync,fdatasync,syncfs";

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    Kill,
    Fail,
}

impl Blow {
    fn calls(self) -> &'static str {
        match self {
            Self::Kill => CALLS,
            Self::Fail => DISK_CALLS,
        }
    }

    fn injected(self) -> &'static str {
        match self {
            Self::Kill => "signal=SIGKILL",
            Self::Fail => "error=EIO",
        }
    }
}

fn points() -> usize {
    std::env::var("IMGMGR_POINTS").map_or(8, |text| text.parse().unwrap())
}

struct Case {
    name: &'static str,
    /// From the state that all cases start in.
    setup: Vec<String>,
    args: String,
    /// What the command says when run again though it had done its work.
    done: &'static str,
    /// The names that there are afterwards, besides `r.io/a:1`.
    names: &'static [&'static str],
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).unwrap();
    let from = format!("{}/.", from.display());
    assert!(Command::new("cp").args(["-a", &from]).arg(to).status().unwrap().success());
}

fn traced(place: &Place, blow: Blow, options: &[&str], args: &str) -> Command {
    let command = place.plain(&words(args));
    // Without that, nothing is synced and no sync can fail.
    let args = command.get_args().filter(|arg| blow == Blow::Kill || *arg != "--no-sync");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", &format!("trace={}", blow.calls())]).args(options);
    strace.arg(command.get_program()).args(args);
    strace.env_clear().envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
    strace.stdout(Stdio::null());
    strace
}

/// Every call that the command makes, as its name and how many of that name went before in the
/// same thread: `when=` counts each name of each thread for itself.
fn calls(place: &Place, case: &Case, blow: Blow) -> Vec<(String, usize)> {
    let log = place.path("strace.log");
    let options = ["-o", log.to_str().unwrap()];
    let status = traced(place, blow, &options, &case.args).status().unwrap();
    assert!(status.success(), "{}: {status}", case.name);
    let mut counts: HashMap<(String, String), usize> = HashMap::new();
    let mut calls = Vec::new();
    for line in std::fs::read_to_string(&log).unwrap().lines() {
        let mut parts = line.splitn(2, ' ');
        let (Some(thread), Some(rest)) = (parts.next(), parts.next()) else { continue };
        let Some((name, _)) = rest.trim_start().split_once('(') else { continue };
        if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            continue; // the rest of a call that was interrupted by another thread's
        }
        let count = counts.entry((thread.to_owned(), name.to_owned())).or_default();
        *count += 1;
        if !calls.contains(&(name.to_owned(), *count)) {
            calls.push((name.to_owned(), *count));
        }
    }
    calls
}

fn entries(path: &Path) -> usize {
    std::fs::read_dir(path).map_or(0, Iterator::count)
}

/// Strikes the command at the `n`-th call of a name, and says whether that ended it.
fn strike(place: &Place, case: &Case, blow: Blow, call: &str, n: usize) -> bool {
    let context = format!("{}, {blow:?} at {call} {n}", case.name);
    copy(&place.path("kept"), &place.path("data"));
    let inject = format!("inject={call}:{}:when={n}", blow.injected());
    let options = ["-o", "/dev/null", "-e", &inject];
    let output = traced(place, blow, &options, &case.args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let ended = match blow {
        Blow::Kill => output.status.signal() == Some(9),
        Blow::Fail => output.status.code() == Some(1),
    };
    assert!(ended || output.status.success(), "{context}: {}: {stderr}", output.status);
    if blow == Blow::Fail && ended {
        assert!(stderr.contains("Input/output error"), "{context}: no cause: {stderr}");
        assert!(stderr.contains('`'), "{context}: no object: {stderr}");
    }
    assert_eq!(place.run(&["fsck"]), "clean\n", "{context}");
    let again = place.plain(&words(&case.args)).output().unwrap();
    let stderr = String::from_utf8_lossy(&again.stderr);
    let was_done = !case.done.is_empty() && stderr.contains(case.done);
    assert!(again.status.success() || was_done, "{context}, then again: {stderr}");
    place.run(&["gc", "--keep-downloads", "0s"]);
    assert_eq!(place.run(&["fsck"]), "clean\n", "{context}, then again");
    let mut names = words_of(&place.run(&["list", "--quiet"]));
    names.retain(|name| name != "r.io/a:1");
    assert_eq!(names, case.names, "{context}");
    let ours = place.path("data/images/x-imgmgr");
    for directory in ["ingest", "leases", "layers/ingest"] {
        assert_eq!(entries(&ours.join(directory)), 0, "{context}: {directory}");
    }
    let snapshots = std::fs::read_dir(place.path("data/snapshots")).into_iter().flatten();
    for entry in snapshots {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        assert!(!name.starts_with("new-") && !name.starts_with("gone-"), "{context}: {name}");
    }
    ended
}

fn words_of(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn strike_everywhere(place: &Place, base: &Path, case: &Case, blow: Blow) {
    copy(base, &place.path("data"));
    for args in &case.setup {
        place.run(&words(args));
    }
    if case.name == "commit" {
        std::fs::write(place.path("data/snapshots/s/upper/new"), vec![b'n'; 100_000]).unwrap();
    }
    copy(&place.path("data"), &place.path("kept"));
    let calls = calls(place, case, blow);
    let step = (calls.len() / points()).max(1);
    let (mut tried, mut ended) = (0, 0);
    for (call, n) in calls.iter().step_by(step) {
        tried += 1;
        ended += usize::from(strike(place, case, blow, call, *n));
    }
    eprintln!("{}: {blow:?} at {} calls, ended by {ended} of {tried}", case.name, calls.len());
    assert!(ended * 2 > tried, "{}: ended {ended} times of {tried}", case.name);
}

#[test]
fn killed_at_any_system_call() {
    strike_all_commands(Blow::Kill);
}

#[test]
fn refused_any_system_call() {
    strike_all_commands(Blow::Fail);
}

fn strike_all_commands(blow: Blow) {
    if !have("strace") {
        return;
    }
    let place = Place::new();
    layout(&place.path("in"), &[tar("a", 150_000), tar("b", 30_000)]);
    layout(&place.path("other"), &[tar("a", 150_000), tar("c", 400_000)]);
    let from = |name: &str| format!("oci:{}:v1", place.path(name).display());
    let archive = place.path("archive.tar");
    place.run(&[
        "copy",
        &from("other"),
        &format!("docker-archive:{}:r.io/new:1", archive.display()),
    ]);
    place.run(&["copy", &from("in"), "r.io/a:1"]);
    copy(&place.path("data"), &place.path("base"));
    let commands = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let snapshot = "snapshot prepare r.io/a:1 s";
    let case = |name, setup: &[&str], args: &str, done, names| Case {
        name,
        setup: commands(setup),
        args: args.to_owned(),
        done,
        names,
    };
    let cases = [
        case("load", &[], &format!("load --input {}", archive.display()), "", &["r.io/new:1"]),
        case("copy", &[], &format!("copy {} r.io/new:1", from("other")), "", &["r.io/new:1"]),
        case("tag", &[], "tag r.io/a:1 r.io/b:1", "", &["r.io/b:1"]),
        case("untag", &["tag r.io/a:1 r.io/b:1"], "untag r.io/b:1", "no image", &[]),
        case("snapshot prepare", &[], snapshot, "exists", &[]),
        case("snapshot rm", &[snapshot], "snapshot rm s", "no snapshot", &[]),
        case("commit", &[snapshot], "commit snapshot:s r.io/new:1", "", &["r.io/new:1"]),
        case("flatten", &[], "flatten r.io/a:1 --tag r.io/new:1", "", &["r.io/new:1"]),
        case(
            "gc",
            &[
                snapshot,
                "snapshot rm s",
                &format!("copy {} r.io/x:1", from("other")),
                "untag r.io/x:1",
            ],
            "gc",
            "",
            &[],
        ),
    ];
    for case in cases {
        strike_everywhere(&place, &place.path("base"), &case, blow);
    }
}
