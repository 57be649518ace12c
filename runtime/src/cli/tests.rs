//! Command lines to requests.

use super::*;
use crate::container_id::ContainerId;
use crate::request::*;
use crate::spec::SystemdProperties;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn environment() -> Environment {
    Environment {
        working_directory: PathBuf::from("/here"),
        xdg_runtime_dir: None,
        user_bus: None,
        notify_socket: None,
        listen_fds: 0,
        called_runc: false,
    }
}

fn parse_in(environment: &Environment, line: &str) -> Result<Invocation, UsageError> {
    let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    Parser::new(&words)?.invocation(environment)
}

fn parse(line: &str) -> Result<Invocation, UsageError> {
    parse_in(&environment(), line)
}

fn settings(line: &str) -> Settings {
    match parse(line) {
        Ok(Invocation::Command { settings, .. }) => settings,
        other => panic!("{line}: {other:?}"),
    }
}

fn request(line: &str) -> Request {
    match parse(line) {
        Ok(Invocation::Command { request, .. }) => *request,
        other => panic!("{line}: {other:?}"),
    }
}

fn text(line: &str) -> String {
    match parse(line) {
        Ok(Invocation::Text(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

fn failure(line: &str) -> String {
    parse(line).expect_err(line).to_string()
}

fn id(text: &str) -> ContainerId {
    ContainerId::parse(text).unwrap()
}

fn create(line: &str) -> CreateRequest {
    match request(line) {
        Request::Create(create) => *create,
        Request::Run(run) => run.create,
        other => panic!("{line}: {other:?}"),
    }
}

fn changes(line: &str) -> ProcessChanges {
    match request(line) {
        Request::Exec(exec) => match exec.process {
            ExecProcess::Changes(changes) => *changes,
            ExecProcess::File(path) => panic!("{line}: {path:?}"),
        },
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn definitions_are_sound() {
    command().debug_assert();
}

#[test]
fn commands_are_sorted() {
    assert!(COMMANDS.is_sorted_by_key(|entry| entry.name));
}

#[test]
fn settings_stand_before_the_command() {
    let given = settings("--root /r/../s --systemd-cgroup --rootless=false state x");
    assert_eq!(given.root, Path::new("/s"));
    assert!(!given.root_is_default);
    assert_eq!(given.cgroup_driver, CgroupDriver::Systemd);
    assert_eq!(given.rootless, Rootless::No);
    let default = settings("state x");
    assert_eq!((default.root.as_path(), default.root_is_default), (Path::new("/run/runt"), true));
    assert_eq!(default.systemd_properties, SystemdProperties::None);
    let given =
        settings("--allow-systemd-property KillSignal --allow-systemd-property=Delegate list");
    let names = ["KillSignal", "Delegate"].map(str::to_owned).to_vec();
    assert_eq!(given.systemd_properties, SystemdProperties::Named(names));
    let given = settings("--allow-systemd-property KillSignal --allow-systemd-property all list");
    assert_eq!(given.systemd_properties, SystemdProperties::All);
    assert_eq!(settings("-root sub list").root, Path::new("/here/sub"));
    assert_eq!(settings("--root a --root b list").root, Path::new("/here/b"));
}

#[test]
fn a_user_has_a_root_of_his_own() {
    let user = Environment { xdg_runtime_dir: Some("/run/user/7".into()), ..environment() };
    match parse_in(&user, "list").unwrap() {
        Invocation::Command { settings, .. } => {
            assert_eq!(settings.root, Path::new("/run/user/7/runt"));
        }
        Invocation::Text(text) => panic!("{text}"),
    }
}

#[test]
fn bad_settings_are_refused() {
    assert_eq!(failure("--root / list"), "option --root should not be set to /");
    assert_eq!(failure("--root ../.. list"), "option --root should not be set to /");
    assert!(failure("--rootless maybe list").contains("`maybe`"));
    assert!(failure("--allow-systemd-property Kill.Signal list").contains("`Kill.Signal`"));
    assert!(failure("--bogus list").contains("'--bogus'"));
    assert_eq!(failure("bogus"), "no such command: `bogus`");
    let words = ["--log-format", "xml", "list"].map(OsString::from);
    let log = Parser::new(&words).unwrap().log(&environment());
    assert_eq!(log.unwrap_err().to_string(), "invalid log-format: xml");
}

#[test]
fn log_options_are_known_before_the_command_is_read() {
    let words = ["--log=x", "--log-format=json", "--debug", "bogus"].map(OsString::from);
    let log = Parser::new(&words).unwrap().log(&environment()).unwrap();
    let file = Some(PathBuf::from("/here/x"));
    assert_eq!(
        log,
        LogOptions { file, format: log::LogFormat::Json, debug: true, ..LogOptions::default() }
    );
}

#[test]
fn create_takes_flags_on_both_sides_of_the_id() {
    let expected = CreateRequest {
        id: id("c1"),
        bundle: "/b".into(),
        console_socket: Some("/here/s".into()),
        pidfd_socket: Some("/p".into()),
        pid_file: Some("/here/pid".into()),
        no_pivot: true,
        no_new_keyring: true,
        inherited: InheritedFds { listen: 0, preserve: 3 },
        notify_socket: None,
    };
    let line = "create --bundle /b --console-socket s c1 --pidfd-socket=/p --pid-file pid \
                --no-pivot --no-new-keyring --preserve-fds 3";
    assert_eq!(create(line), expected);
    assert_eq!(create("run c1").bundle, Path::new("/here"));
    assert_eq!(create("run --bundle= c1").bundle, Path::new("/here"));
}

#[test]
fn run_has_flags_of_its_own() {
    match request("run -d --keep --no-subreaper c1") {
        Request::Run(run) => assert!(run.detach && run.keep && run.no_subreaper),
        other => panic!("{other:?}"),
    }
    match request("run --detach=false c1") {
        Request::Run(run) => assert!(!run.detach && !run.keep && !run.no_subreaper),
        other => panic!("{other:?}"),
    }
}

#[test]
fn sockets_of_the_caller_are_passed_on() {
    let env = Environment {
        notify_socket: Some("/run/systemd/notify".into()),
        listen_fds: 2,
        ..environment()
    };
    match parse_in(&env, "run --preserve-fds 1 c").unwrap() {
        Invocation::Command { request, .. } => match *request {
            Request::Run(run) => {
                assert_eq!(run.create.inherited, InheritedFds { listen: 2, preserve: 1 });
                assert_eq!(run.create.inherited.end(), 6);
                assert_eq!(run.create.notify_socket, env.notify_socket);
            }
            other => panic!("{other:?}"),
        },
        Invocation::Text(text) => panic!("{text}"),
    }
}

#[test]
fn operands_are_counted_and_ids_checked() {
    for line in ["state", "state a b", "run", "start a b", "kill", "kill a 9 9", "features x"] {
        assert!(parse(line).is_err(), "{line}");
    }
    assert!(failure("state a/b").contains("invalid container ID format"));
    assert!(failure("run --preserve-fds -1 x").contains("preserve-fds"));
    assert!(failure("run --preserve-fds 65537 x").contains("65536"));
}

#[test]
fn everything_behind_the_id_of_exec_is_the_command() {
    let given = changes("exec -t --cwd /w -e A=1 -e B=2 -u 7:8 -g 9 -g 10 -c CAP_KILL c sh -c -t");
    let expected = ProcessChanges {
        args: ["sh", "-c", "-t"].map(str::to_owned).to_vec(),
        terminal: true,
        cwd: Some("/w".to_owned()),
        env: vec!["A=1".to_owned(), "B=2".to_owned()],
        uid: Some(7),
        gid: Some(8),
        additional_gids: vec![9, 10],
        capabilities: vec!["CAP_KILL".to_owned()],
        ..ProcessChanges::default()
    };
    assert_eq!(given, expected);
    assert_eq!(changes("exec --user 5 c id").gid, None);
    assert_eq!(changes("exec c true").no_new_privileges, None);
    assert_eq!(changes("exec --no-new-privs c true").no_new_privileges, Some(true));
    assert_eq!(changes("exec c -- x").args, ["x"]);
}

#[test]
fn exec_from_a_file_needs_no_command() {
    match request("exec --process p.json --pid-file f -d --ignore-paused c") {
        Request::Exec(exec) => {
            assert_eq!(exec.process, ExecProcess::File("/here/p.json".into()));
            assert_eq!(exec.pid_file, Some("/here/f".into()));
            assert!(exec.detach && exec.ignore_paused);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(failure("exec c"), "exec args cannot be empty");
}

#[test]
fn users_that_are_no_plain_numbers_are_refused() {
    for user in ["-1", "0x0", "1:", ":1", "1:-1", "4294967295", "99999999999", "root", "1:2:3"] {
        assert!(failure(&format!("exec --user={user} c id")).starts_with("bad user"), "{user}");
    }
    assert!(parse("exec -g -5 c id").is_err());
}

#[test]
fn sub_cgroups_of_exec() {
    let cgroups = |line: &str| match request(line) {
        Request::Exec(exec) => exec.cgroups,
        other => panic!("{other:?}"),
    };
    let sub = |controllers: &[&str], path: &str| SubCgroup {
        controllers: controllers.iter().map(|c| (*c).to_owned()).collect(),
        path: path.to_owned(),
    };
    assert_eq!(cgroups("exec --cgroup sub c x"), [sub(&[], "sub")]);
    assert_eq!(
        cgroups("exec --cgroup cpu,cpuacct:a --cgroup memory:b c x"),
        [sub(&["cpu", "cpuacct"], "a"), sub(&["memory"], "b")]
    );
    assert!(failure("exec --cgroup a --cgroup b c x").contains("missing <controller>: prefix"));
    assert!(failure("exec --cgroup :a c x").contains("empty <controller> prefix"));
    assert!(failure("exec --cgroup cpu:a --cgroup cpu:b c x").contains("multiple times"));
    assert!(failure("exec --cgroup ../x c x").contains("bad sub cgroup path"));
}

#[test]
fn kill_sends_term_unless_told_otherwise() {
    let kill = |line: &str| match request(line) {
        Request::Kill(kill) => kill,
        other => panic!("{other:?}"),
    };
    assert_eq!(kill("kill c").signal, SignalNumber::TERM);
    assert_eq!(kill("kill c KILL").signal, SignalNumber::KILL);
    assert_eq!(
        kill("kill --all c 0"),
        KillRequest { id: id("c"), signal: SignalNumber(0), all: true }
    );
    assert!(failure("kill c -9").contains("unknown signal"));
    assert!(failure("kill c SIGNOPE").contains("unknown signal \"SIGNOPE\""));
}

#[test]
fn update_takes_sizes_and_numbers() {
    let line = "update --memory 32m --memory-swap -1 --memory-reservation 1g --cpu-quota -1 \
                --cpu-period 100000 --cpu-share 10 --cpu-idle 1 --pids-limit -1 --blkio-weight 20 \
                --cpuset-cpus 0-1 --l3-cache-schema L3:0=f c";
    match request(line) {
        Request::Update(update) => {
            assert_eq!(update.l3_cache_schema.as_deref(), Some("L3:0=f"));
            let ResourceChange::Flags(limits) = update.change else { panic!("{update:?}") };
            assert_eq!(limits.memory.limit, Some(32 << 20));
            assert_eq!(limits.memory.swap, Some(-1));
            assert_eq!(limits.memory.reservation, Some(1 << 30));
            assert_eq!((limits.cpu.quota, limits.cpu.period), (Some(-1), Some(100_000)));
            assert_eq!((limits.cpu.shares, limits.cpu.idle), (Some(10), Some(1)));
            assert_eq!(limits.cpu.cpus.as_deref(), Some("0-1"));
            assert_eq!(limits.cpu.burst, None);
            assert_eq!((limits.pids_limit, limits.block_io.weight), (Some(-1), Some(20)));
        }
        other => panic!("{other:?}"),
    }
    assert!(failure("update --cpu-period=-1 c").starts_with("invalid value for cpu-period"));
    assert!(failure("update --memory=lots c").starts_with("invalid value for memory: `lots`"));
}

#[test]
fn update_reads_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.json");
    std::fs::write(&path, b"{}").unwrap();
    match request(&format!("update -r {} c", path.display())) {
        Request::Update(update) => assert_eq!(update.change, ResourceChange::Json(b"{}".to_vec())),
        other => panic!("{other:?}"),
    }
    let missing = parse("update -r /nonexistent c").unwrap_err();
    assert_eq!(missing.to_string(), "cannot read resources from `/nonexistent`");
}

#[test]
fn events_have_a_rhythm() {
    let rhythm = |line: &str| match request(line) {
        Request::Events(events) => events.rhythm,
        other => panic!("{other:?}"),
    };
    assert_eq!(rhythm("events c"), EventsRhythm::Every(Duration::from_secs(5)));
    assert_eq!(
        rhythm("events --interval 100ms c"),
        EventsRhythm::Every(Duration::from_millis(100))
    );
    assert_eq!(rhythm("events --stats c"), EventsRhythm::Once);
    assert_eq!(failure("events --interval 0s c"), "duration interval must be greater than 0");
}

#[test]
fn list_and_ps_have_formats() {
    let json = ListRequest { format: OutputFormat::Json, quiet: false };
    assert_eq!(request("list -f json"), Request::List(json));
    assert!(matches!(request("list -q -f bogus"), Request::List(ListRequest { quiet: true, .. })));
    assert!(failure("list -f bogus").starts_with("invalid format option"));
    match request("ps c -e -o pid") {
        Request::Ps(ps) => assert_eq!(ps.ps_args, ["-e", "-o", "pid"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn checkpoint_and_restore_tell_criu() {
    match request("checkpoint --image-path i --page-server [::1]:99 --empty-ns network c") {
        Request::Checkpoint(checkpoint) => {
            assert_eq!(checkpoint.criu.image_path, Path::new("/here/i"));
            let server = PageServer { address: "::1".to_owned(), port: 99 };
            assert_eq!(checkpoint.page_server, Some(server));
            assert!(checkpoint.criu.empty_network_namespace);
            assert_eq!(checkpoint.status_fd, None);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn restore_makes_a_container() {
    match request("restore -d --manage-cgroups-mode strict --bundle /b --lsm-profile a:b c") {
        Request::Restore(restore) => {
            assert!(restore.run.detach);
            assert_eq!(restore.run.create.bundle, Path::new("/b"));
            assert_eq!(restore.criu.cgroups_mode, CriuCgroupsMode::Strict);
            assert_eq!(restore.criu.image_path, Path::new("/here/checkpoint"));
            assert_eq!(restore.lsm_profile.as_deref(), Some("a:b"));
        }
        other => panic!("{other:?}"),
    }
    assert!(failure("checkpoint --page-server x c").contains("ADDRESS:PORT"));
    assert!(failure("checkpoint --page-server ::1:9 c").contains("ADDRESS:PORT"));
    assert!(failure("checkpoint --parent-path /abs c").contains("relative"));
    assert!(failure("checkpoint --empty-ns pid c").contains("\"pid\""));
    assert!(failure("restore --manage-cgroups-mode x c").contains("manage-cgroups-mode"));
}

#[test]
fn help_is_there_for_everything() {
    let all = text("--help");
    for entry in COMMANDS {
        assert!(all.contains(entry.about), "{}", entry.name);
        let one = text(&format!("{} --help", entry.name));
        assert!(one.contains(&format!("runt {}", entry.name)), "{one}");
        assert_eq!(text(&format!("help {}", entry.name)), one);
    }
    assert_eq!(text(""), all);
    assert_eq!(text("-h"), all);
}

#[test]
fn the_version_is_written_as_dockerd_reads_it() {
    for line in ["--version", "-v"] {
        let text = text(line);
        let mut lines = text.lines();
        assert!(lines.next().is_some_and(|l| l.starts_with("runt version 0.")), "{text}");
        assert!(lines.next().is_some_and(|l| l.starts_with("commit: ")), "{text}");
        assert_eq!(lines.next(), Some("spec: 1.3.0"));
    }
}

#[test]
fn errors_name_what_is_wrong_and_how_it_would_be_right() {
    let error = parse("state").unwrap_err();
    let message = "the following required arguments were not provided: <CONTAINER-ID>";
    assert_eq!((error.to_string().as_str(), error.hint()), (message, "runt state <CONTAINER-ID>"));
    let error = parse("state a/b").unwrap_err();
    assert!(error.to_string().ends_with("invalid container ID format: `a/b`"), "{error}");
    assert!(std::error::Error::source(&error).is_none());
}

#[test]
fn exit_codes_are_runcs() {
    let code = |line: &str| {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let parser = Parser::new(&words).unwrap();
        let command = parser.command().map(OsStr::to_owned);
        parser.invocation(&environment()).unwrap_err().exit_code(command.as_deref())
    };
    for (line, expected) in [
        ("bogus", 3),
        ("state", 1),
        ("state a/b", 1),
        ("run --bogus x", 1),
        ("exec", 1),
        ("exec --bogus c x", 1),
        ("exec c", 255),
        ("exec a/b x", 255),
        ("exec -u root c x", 255),
    ] {
        assert_eq!(code(line), expected, "{line}");
    }
}
