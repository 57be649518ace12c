//! `linux.seccomp`: actions, error numbers, argument conditions, architectures, listeners.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result};
use rustix::event::PollFlags;
use serde_json::{Value, json};

use crate::harness::bundle::Bundle;
use crate::harness::elf;
use crate::harness::expect::{equal, holds};
use crate::harness::host::Need;
use crate::harness::process::is_ready;
use crate::harness::scene::Scene;
use crate::harness::sockets::DescriptorSocket;
use crate::suite::{Test, test};

const SPEC: &str = "config-linux.md#seccomp";
const NOTIFY: &str = "config-linux.md#the-container-process-state";
/// The programs below speak x86.
const X86: &[Need] = &[Need::Path("/lib64/ld-linux-x86-64.so.2")];

/// System call numbers of x86-64.
const GETPID: u32 = 39;
const GETUID: u32 = 102;
const PERSONALITY: u32 = 135;
/// `personality` asked, not set.
const ASK: u64 = 0xffff_ffff;
/// Error numbers.
const EPERM: i32 = 1;
const ENOSYS: i32 = 38;

pub(crate) const TESTS: &[Test] = &[
    test("seccomp-errno-default", SPEC, X86, errno_default),
    test("seccomp-nothing-allowed", SPEC, X86, nothing_allowed),
    test("seccomp-program-of-another-user", SPEC, X86, program_of_another),
    test("seccomp-errno-ret", SPEC, X86, errno_ret),
    test("seccomp-errno-per-rule", SPEC, X86, errno_per_rule),
    test("seccomp-default-errno-ret", SPEC, X86, default_errno_ret),
    test("seccomp-allow", SPEC, X86, allow),
    test("seccomp-log", SPEC, X86, log),
    test("seccomp-kill-process", SPEC, X86, kill_process),
    test("seccomp-kill-thread", SPEC, X86, kill_thread),
    test("seccomp-kill", SPEC, X86, kill),
    test("seccomp-trap", SPEC, X86, trap),
    test("seccomp-trace-without-tracer", SPEC, X86, trace),
    test("seccomp-default-denies", SPEC, X86, default_denies),
    test("seccomp-args-eq", SPEC, X86, |s| compare(s, "SCMP_CMP_EQ", 5, None, &[5], &[4, 6])),
    test("seccomp-args-ne", SPEC, X86, |s| compare(s, "SCMP_CMP_NE", 5, None, &[4, 6], &[5])),
    test("seccomp-args-lt", SPEC, X86, |s| compare(s, "SCMP_CMP_LT", 5, None, &[0, 4], &[5, 6])),
    test("seccomp-args-le", SPEC, X86, |s| compare(s, "SCMP_CMP_LE", 5, None, &[4, 5], &[6])),
    test("seccomp-args-gt", SPEC, X86, |s| {
        compare(s, "SCMP_CMP_GT", 5, None, &[6, 1 << 40], &[5, 4])
    }),
    test("seccomp-args-ge", SPEC, X86, |s| compare(s, "SCMP_CMP_GE", 5, None, &[5, 6], &[4])),
    test("seccomp-args-masked", SPEC, X86, |s| {
        compare(s, "SCMP_CMP_MASKED_EQ", 0xf0, Some(0x50), &[0x50, 0x5f], &[0x60, 0])
    }),
    test("seccomp-args-64-bits", SPEC, X86, |s| {
        compare(s, "SCMP_CMP_EQ", 0x1_0000_0005, None, &[0x1_0000_0005], &[5, 0x2_0000_0005])
    }),
    test("seccomp-args-high-compare", SPEC, X86, |s| {
        compare(
            s,
            "SCMP_CMP_GT",
            0x1_0000_0000,
            None,
            &[0x1_0000_0001, 0x2_0000_0000],
            &[0xffff_ffff, 0x1_0000_0000],
        )
    }),
    test("seccomp-args-two-conditions", SPEC, X86, two_conditions),
    test("seccomp-args-two-rules", SPEC, X86, two_rules),
    test("seccomp-args-index-out-of-range-refused", SPEC, &[], index_out_of_range),
    test("seccomp-i386", SPEC, X86, i386),
    test("seccomp-i386-not-listed-is-killed", SPEC, X86, i386_not_listed),
    test("seccomp-x32-not-listed-is-denied", SPEC, X86, x32_not_listed),
    test("seccomp-unknown-name-passed-over", SPEC, &[], unknown_name),
    test("seccomp-unknown-action-refused", SPEC, &[], unknown_action),
    test("seccomp-unknown-architecture-refused", SPEC, &[], unknown_arch),
    test("seccomp-unknown-operator-refused", SPEC, &[], unknown_operator),
    test("seccomp-unknown-flag-refused", SPEC, &[], unknown_flag),
    test("seccomp-errno-on-allow-refused", SPEC, &[], errno_on_allow),
    test("seccomp-empty-names-refused", SPEC, &[], empty_names),
    test("seccomp-newer-calls-are-enosys", "runc", X86, newer),
    test("seccomp-flag-log", SPEC, X86, flag_log),
    test("seccomp-flag-spec-allow", SPEC, X86, flag_spec_allow),
    test("seccomp-mode-is-filter", SPEC, &[], mode),
    test("seccomp-exec-too", SPEC, X86, exec_too),
    test("seccomp-without-no-new-privileges", SPEC, X86, without_nnp),
    test("seccomp-unprivileged-with-nnp", SPEC, X86, unprivileged),
    test("seccomp-listener", NOTIFY, X86, listener),
    test("seccomp-listener-state", NOTIFY, X86, listener_state),
    test("seccomp-listener-closed-is-enosys", NOTIFY, X86, listener_closed),
    test("seccomp-listener-exec", NOTIFY, X86, listener_exec),
    test("seccomp-listener-missing-refused", NOTIFY, &[], listener_missing),
    test("seccomp-notify-without-listener-refused", NOTIFY, &[], notify_without_listener),
    test("seccomp-notify-as-default-refused", "runc", &[], notify_default),
    test("seccomp-metadata-without-path-refused", SPEC, &[], metadata_without_path),
    test("seccomp-many-rules", SPEC, X86, many_rules),
];

/// A profile that allows all but `rules`.
fn profile(rules: Value) -> Value {
    json!({ "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": rules })
}

fn denies(names: &[&str], action: &str) -> Value {
    profile(json!([{ "names": names, "action": action }]))
}

/// Runs `program` under `seccomp` and returns the exit code of the runtime.
fn code(scene: &Scene, seccomp: &Value, program: &[u8]) -> Result<i32> {
    let mut bundle = scene.bundle()?;
    bundle.program("/probe", program)?;
    bundle.set("/linux/seccomp", seccomp.clone()).sh("/probe; exit $?");
    let output = scene.run(&bundle)?;
    holds(
        &format!("the container did not start: {}", output.stderr),
        !output.stderr.contains("level=error"),
    )?;
    Ok(output.code())
}

fn ask() -> Vec<u8> {
    elf::x86_64(PERSONALITY, &[ASK])
}

fn errno_default(scene: &Scene) -> Result<()> {
    equal("errno", code(scene, &denies(&["personality"], "SCMP_ACT_ERRNO"), &ask())?, EPERM)
}

/// Not even exit(2): the process ends all the same, and with it the command.
fn nothing_allowed(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.set("/linux/seccomp", json!({ "defaultAction": "SCMP_ACT_ERRNO" })).args(&["true"]);
    // It is made, for the filter comes last, and ends before or at its start.
    let container = scene.create(&bundle)?;
    let _ = container.command("start", &[]).run()?;
    container.wait()?;
    container.is("stopped")
}

/// Loading a filter without no_new_privs takes rights that the program does not have: it is looked
/// for without them.
fn program_of_another(scene: &Scene) -> Result<()> {
    let edit = |b: &mut Bundle| {
        let _ = b.program("/bin/own", "#!/bin/sh\n");
        let _ = fs::set_permissions(b.host_path("/bin/own"), fs::Permissions::from_mode(0o700));
        b.set("/process/user", json!({ "uid": 1000, "gid": 1000 })).args(&["/bin/own"]);
        b.set("/process/noNewPrivileges", json!(false));
        b.set("/linux/seccomp", json!({ "defaultAction": "SCMP_ACT_ALLOW" }));
    };
    scene.refuses(edit, &["ermission denied"])
}

fn errno_ret(scene: &Scene) -> Result<()> {
    let rules = json!([{ "names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77 }]);
    equal("errno", code(scene, &profile(rules), &ask())?, 77)
}

fn errno_per_rule(scene: &Scene) -> Result<()> {
    let rules = json!([
        { "names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 61 },
        { "names": ["getuid", "syslog"], "action": "SCMP_ACT_ERRNO", "errnoRet": 62 },
    ]);
    equal("errno", code(scene, &profile(rules.clone()), &ask())?, 61)?;
    equal("errno", code(scene, &profile(rules), &elf::x86_64(GETUID, &[]))?, 62)
}

fn default_errno_ret(scene: &Scene) -> Result<()> {
    equal("errno", code(scene, &allow_list(json!({ "defaultErrnoRet": 88 })), &ask())?, 88)
}

fn allow(scene: &Scene) -> Result<()> {
    equal(
        "errno",
        code(scene, &denies(&["getuid"], "SCMP_ACT_ALLOW"), &elf::x86_64(GETUID, &[]))?,
        0,
    )
}

fn log(scene: &Scene) -> Result<()> {
    equal("errno", code(scene, &denies(&["personality"], "SCMP_ACT_LOG"), &ask())?, 0)
}

/// 128 + SIGSYS, as a shell says it.
const SIGSYS: i32 = 128 + 31;

fn kill_process(scene: &Scene) -> Result<()> {
    equal("code", code(scene, &denies(&["personality"], "SCMP_ACT_KILL_PROCESS"), &ask())?, SIGSYS)
}

fn kill_thread(scene: &Scene) -> Result<()> {
    equal("code", code(scene, &denies(&["personality"], "SCMP_ACT_KILL_THREAD"), &ask())?, SIGSYS)
}

fn kill(scene: &Scene) -> Result<()> {
    equal("code", code(scene, &denies(&["personality"], "SCMP_ACT_KILL"), &ask())?, SIGSYS)
}

fn trap(scene: &Scene) -> Result<()> {
    equal("code", code(scene, &denies(&["personality"], "SCMP_ACT_TRAP"), &ask())?, SIGSYS)
}

fn trace(scene: &Scene) -> Result<()> {
    equal("errno", code(scene, &denies(&["personality"], "SCMP_ACT_TRACE"), &ask())?, ENOSYS)
}

/// A profile that denies all but what a shell needs, with `extra` properties.
fn allow_list(extra: Value) -> Value {
    let names = [
        "access",
        "arch_prctl",
        "brk",
        "capget",
        "chdir",
        "clone",
        "clone3",
        "close",
        "close_range",
        "dup",
        "dup2",
        "dup3",
        "epoll_create1",
        "epoll_ctl",
        "epoll_pwait",
        "eventfd2",
        "execve",
        "execveat",
        "exit",
        "exit_group",
        "faccessat",
        "faccessat2",
        "fchdir",
        "fcntl",
        "fstat",
        "fstatfs",
        "futex",
        "getcwd",
        "getdents64",
        "getegid",
        "geteuid",
        "getgid",
        "getpgid",
        "getpgrp",
        "getpid",
        "getppid",
        "getrandom",
        "getsid",
        "gettid",
        "getuid",
        "ioctl",
        "kill",
        "lseek",
        "lstat",
        "madvise",
        "mmap",
        "mprotect",
        "mremap",
        "munmap",
        "nanosleep",
        "newfstatat",
        "open",
        "openat",
        "openat2",
        "pipe",
        "pipe2",
        "poll",
        "ppoll",
        "prctl",
        "pread64",
        "prlimit64",
        "read",
        "readlink",
        "readlinkat",
        "readv",
        "rseq",
        "rt_sigaction",
        "rt_sigprocmask",
        "rt_sigreturn",
        "sched_getaffinity",
        "sched_yield",
        "set_robust_list",
        "set_tid_address",
        "setgid",
        "setgroups",
        "setresgid",
        "setresuid",
        "setsid",
        "setuid",
        "sigaltstack",
        "stat",
        "statfs",
        "statx",
        "sysinfo",
        "tgkill",
        "time",
        "umask",
        "uname",
        "vfork",
        "wait4",
        "write",
        "writev",
        "capset",
        "clock_gettime",
        "clock_nanosleep",
    ];
    let mut all = json!({
        "defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{ "names": &names[..], "action": "SCMP_ACT_ALLOW" }],
    });
    if let (Some(all), Value::Object(extra)) = (all.as_object_mut(), extra) {
        all.extend(extra);
    }
    all
}

fn default_denies(scene: &Scene) -> Result<()> {
    equal("errno", code(scene, &allow_list(json!({})), &ask())?, EPERM)?;
    equal("errno", code(scene, &allow_list(json!({})), &elf::x86_64(GETPID, &[]))?, 0)
}

/// A profile that denies `getuid` when its first argument meets the conditions.
fn conditional(args: Value) -> Value {
    profile(
        json!([{ "names": ["getuid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 9, "args": args }]),
    )
}

fn compare(
    scene: &Scene,
    op: &str,
    value: u64,
    second: Option<u64>,
    hit: &[u64],
    miss: &[u64],
) -> Result<()> {
    let mut condition = json!({ "index": 1, "value": value, "op": op });
    if let Some(second) = second {
        condition["valueTwo"] = json!(second);
    }
    let mut bundle = scene.bundle()?;
    let mut script = String::new();
    let mut want = String::new();
    for (number, (argument, errno)) in
        hit.iter().map(|v| (v, 9)).chain(miss.iter().map(|v| (v, 0))).enumerate()
    {
        bundle.program(&format!("/p{number}"), elf::x86_64(GETUID, &[0, *argument]))?;
        script += &format!("/p{number}; echo {argument:#x}=$?\n");
        want += &format!("{argument:#x}={errno}\n");
    }
    bundle.set("/linux/seccomp", conditional(json!([condition]))).sh(&script);
    scene.run(&bundle)?.prints(&want).map(drop)
}

/// Conditions of one rule on different arguments must all hold.
fn two_conditions(scene: &Scene) -> Result<()> {
    let profile = conditional(json!([
        { "index": 0, "value": 1, "op": "SCMP_CMP_EQ" },
        { "index": 1, "value": 2, "op": "SCMP_CMP_EQ" },
    ]));
    equal("both", code(scene, &profile, &elf::x86_64(GETUID, &[1, 2]))?, 9)?;
    equal("one", code(scene, &profile, &elf::x86_64(GETUID, &[1, 3]))?, 0)
}

fn two_rules(scene: &Scene) -> Result<()> {
    let rule = |value: u64| json!({ "names": ["getuid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 9, "args": [{ "index": 0, "value": value, "op": "SCMP_CMP_EQ" }] });
    let profile = profile(json!([rule(1), rule(2)]));
    for (argument, errno) in [(1, 9), (2, 9), (3, 0)] {
        equal("errno", code(scene, &profile, &elf::x86_64(GETUID, &[argument]))?, errno)?;
    }
    Ok(())
}

fn refused(scene: &Scene, seccomp: Value, parts: &[&str]) -> Result<()> {
    scene.refuses(
        |b| {
            b.set("/linux/seccomp", seccomp);
        },
        parts,
    )
}

fn index_out_of_range(scene: &Scene) -> Result<()> {
    refused(
        scene,
        conditional(json!([{ "index": 6, "value": 1, "op": "SCMP_CMP_EQ" }])),
        &["seccomp", "index", "invalid argument"],
    )
}

/// `getuid32` of 32-bit x86 is number 199.
fn i386(scene: &Scene) -> Result<()> {
    let mut seccomp = denies(&["getuid", "getuid32"], "SCMP_ACT_ERRNO");
    seccomp["architectures"] = json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]);
    equal("errno", code(scene, &seccomp, &elf::i386(199, &[]))?, EPERM)?;
    equal("getpid", code(scene, &seccomp, &elf::i386(20, &[]))?, 0)
}

fn i386_not_listed(scene: &Scene) -> Result<()> {
    equal(
        "code",
        code(scene, &denies(&["personality"], "SCMP_ACT_ERRNO"), &elf::i386(20, &[]))?,
        SIGSYS,
    )
}

/// The x32 numbers share the architecture of x86-64, and must not slip through its rules.
fn x32_not_listed(scene: &Scene) -> Result<()> {
    let got = code(
        scene,
        &denies(&["getuid"], "SCMP_ACT_ERRNO"),
        &elf::x86_64(elf::X32_BIT | GETUID, &[]),
    )?;
    holds(&format!("x32 getuid ended with {got}"), got == SIGSYS || got == EPERM || got == ENOSYS)
}

fn unknown_name(scene: &Scene) -> Result<()> {
    let seccomp = denies(&["frobnicate", "personality"], "SCMP_ACT_ERRNO");
    equal("errno", code(scene, &seccomp, &ask())?, EPERM)
}

fn unknown_action(scene: &Scene) -> Result<()> {
    refused(scene, denies(&["getuid"], "SCMP_ACT_FROB"), &["SCMP_ACT_FROB"])
}

fn unknown_arch(scene: &Scene) -> Result<()> {
    let mut seccomp = denies(&["getuid"], "SCMP_ACT_ERRNO");
    seccomp["architectures"] = json!(["SCMP_ARCH_FROB"]);
    refused(scene, seccomp, &["SCMP_ARCH_FROB"])
}

fn unknown_operator(scene: &Scene) -> Result<()> {
    refused(
        scene,
        conditional(json!([{ "index": 0, "value": 1, "op": "SCMP_CMP_FROB" }])),
        &["SCMP_CMP_FROB"],
    )
}

fn unknown_flag(scene: &Scene) -> Result<()> {
    let mut seccomp = denies(&["getuid"], "SCMP_ACT_ERRNO");
    seccomp["flags"] = json!(["SECCOMP_FILTER_FLAG_FROB"]);
    refused(scene, seccomp, &["SECCOMP_FILTER_FLAG_FROB", "flag"])
}

fn errno_on_allow(scene: &Scene) -> Result<()> {
    let rules = json!([{ "names": ["getuid"], "action": "SCMP_ACT_ALLOW", "errnoRet": 5 }]);
    let seccomp = json!({ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules });
    refused(scene, seccomp, &["errno"])
}

fn empty_names(scene: &Scene) -> Result<()> {
    refused(
        scene,
        profile(json!([{ "names": [], "action": "SCMP_ACT_ERRNO" }])),
        &["names", "seccomp"],
    )
}

/// A call that is newer than every name of the profile is "not there", so that programs fall back.
fn newer(scene: &Scene) -> Result<()> {
    equal("errno", code(scene, &allow_list(json!({})), &elf::x86_64(1000, &[]))?, ENOSYS)
}

fn with_flag(scene: &Scene, flag: &str) -> Result<()> {
    let mut seccomp = denies(&["personality"], "SCMP_ACT_ERRNO");
    seccomp["flags"] = json!([flag]);
    equal("errno", code(scene, &seccomp, &ask())?, EPERM)
}

fn flag_log(scene: &Scene) -> Result<()> {
    with_flag(scene, "SECCOMP_FILTER_FLAG_LOG")
}

fn flag_spec_allow(scene: &Scene) -> Result<()> {
    with_flag(scene, "SECCOMP_FILTER_FLAG_SPEC_ALLOW")
}

fn filtered(b: &mut Bundle) {
    b.set("/linux/seccomp", denies(&["personality"], "SCMP_ACT_ERRNO"));
}

fn mode(scene: &Scene) -> Result<()> {
    scene.prints(
        filtered,
        "grep -E '^Seccomp' /proc/self/status",
        "Seccomp:\t2\nSeccomp_filters:\t1\n",
    )
}

fn exec_too(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.program("/probe", ask())?;
    filtered(&mut bundle);
    let container = scene.start(bundle.idle())?;
    container.exec(&["/probe"])?.exits(EPERM)?;
    let status = container.exec(&["grep", "-E", "^Seccomp", "/proc/self/status"])?;
    status.prints("Seccomp:\t2\nSeccomp_filters:\t1\n").map(drop)
}

fn without_nnp(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.program("/probe", ask())?;
    filtered(&mut bundle);
    bundle
        .set("/process/noNewPrivileges", json!(false))
        .sh("/probe; echo $?; grep NoNewPrivs /proc/self/status");
    scene.run(&bundle)?.prints("1\nNoNewPrivs:\t0\n").map(drop)
}

fn unprivileged(scene: &Scene) -> Result<()> {
    let mut bundle = scene.bundle()?;
    bundle.program("/probe", ask())?;
    filtered(&mut bundle);
    bundle.capabilities(&[]).set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    scene.run(bundle.sh("/probe; echo $?"))?.prints("1\n").map(drop)
}

/// A profile that asks the listener about `personality`.
fn asking(socket: &DescriptorSocket) -> Value {
    let mut seccomp = denies(&["personality"], "SCMP_ACT_NOTIFY");
    seccomp["listenerPath"] = json!(socket.path);
    seccomp["listenerMetadata"] = json!("some metadata");
    seccomp
}

/// A container with the probe and a profile that asks `socket`.
fn asked_bundle(scene: &Scene, socket: &DescriptorSocket, script: &str) -> Result<Bundle> {
    let mut bundle = scene.bundle()?;
    bundle.program("/probe", ask())?;
    bundle.set("/linux/seccomp", asking(socket)).sh(script);
    Ok(bundle)
}

fn listener(scene: &Scene) -> Result<()> {
    let socket = DescriptorSocket::listen(scene.path("seccomp.sock"))?;
    let bundle = asked_bundle(scene, &socket, "/probe; sleep 1000000")?;
    // The specification leaves open whether the agent hears of the container at create or at start.
    let _container = scene.start(&bundle)?;
    let listener = socket.receive()?.one()?;
    let limit = crate::harness::patience::seconds(10);
    holds("no notification came", is_ready(&listener, PollFlags::IN, limit)?)
}

fn listener_state(scene: &Scene) -> Result<()> {
    let socket = DescriptorSocket::listen(scene.path("seccomp.sock"))?;
    let mut bundle = asked_bundle(scene, &socket, "true")?;
    bundle.set("/annotations", json!({ "com.example.k": "v" }));
    let container = scene.create(&bundle)?;
    let pid = container.pid()?;
    container.start()?;
    let received = socket.receive()?;
    let state: Value =
        serde_json::from_slice(&received.bytes).context("container process state")?;
    equal("fds", &state["fds"], &json!(["seccompFd"]))?;
    equal("metadata", &state["metadata"], "some metadata")?;
    equal("pid", &state["pid"], pid)?;
    equal("state id", state["state"]["id"].as_str(), Some(container.id.as_str()))?;
    equal("state bundle", state["state"]["bundle"].as_str(), bundle.dir.to_str())?;
    equal("state annotations", &state["state"]["annotations"], &json!({ "com.example.k": "v" }))?;
    holds("ociVersion", state["ociVersion"].is_string())
}

/// When the agent goes, the calls fail, and the container does not hang.
fn listener_closed(scene: &Scene) -> Result<()> {
    let socket = DescriptorSocket::listen(scene.path("seccomp.sock"))?;
    let bundle = asked_bundle(scene, &socket, "/probe; echo $?")?;
    let container = scene.create(&bundle)?;
    let pid = container.pid()?;
    container.start()?;
    drop(socket.receive()?);
    container.wait_pid(pid)?;
    equal("output", container.stdout(), format!("{ENOSYS}\n"))
}

fn listener_exec(scene: &Scene) -> Result<()> {
    let socket = DescriptorSocket::listen(scene.path("seccomp.sock"))?;
    let bundle = asked_bundle(scene, &socket, "sleep 1000000")?;
    let container = scene.start(&bundle)?;
    let _of_init = socket.receive()?;
    let running = container.exec_command(&[], &["/probe"]).spawn()?;
    let received = socket.receive()?;
    let state: Value = serde_json::from_slice(&received.bytes)?;
    let init = container.pid()?;
    holds("the pid is that of init", state["pid"].as_i64() != Some(i64::from(init)))?;
    drop(received);
    running.wait()?.exits(ENOSYS).map(drop)
}

fn listener_missing(scene: &Scene) -> Result<()> {
    let mut seccomp = denies(&["personality"], "SCMP_ACT_NOTIFY");
    seccomp["listenerPath"] = json!("/nonexistent.sock");
    refused(scene, seccomp, &["/nonexistent.sock", "no such file"])
}

fn notify_without_listener(scene: &Scene) -> Result<()> {
    refused(
        scene,
        denies(&["personality"], "SCMP_ACT_NOTIFY"),
        &["listener", "SCMP_ACT_NOTIFY", "notify"],
    )
}

fn notify_default(scene: &Scene) -> Result<()> {
    let seccomp =
        json!({ "defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/nonexistent.sock" });
    refused(scene, seccomp, &["SCMP_ACT_NOTIFY", "default"])
}

fn metadata_without_path(scene: &Scene) -> Result<()> {
    let mut seccomp = denies(&["personality"], "SCMP_ACT_ERRNO");
    seccomp["listenerMetadata"] = json!("x");
    refused(scene, seccomp, &["listener", "metadata"])
}

/// Hundreds of conditional rules, as profiles of real images have them.
fn many_rules(scene: &Scene) -> Result<()> {
    let rules: Vec<Value> = (0..300).map(|n| json!({ "names": ["getuid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 9, "args": [{ "index": 0, "value": 1000 + n, "op": "SCMP_CMP_EQ" }] })).collect();
    let seccomp = profile(json!(rules));
    equal("the last", code(scene, &seccomp, &elf::x86_64(GETUID, &[1299]))?, 9)?;
    equal("none", code(scene, &seccomp, &elf::x86_64(GETUID, &[1300]))?, 0)
}
