//! `linux.seccomp`.

use super::{accepted, check};
use crate::spec::{SeccompAction, SeccompArch, SeccompProfile};

/// [`check`] inside `linux.seccomp`.
#[track_caller]
fn check_seccomp(seccomp: &str, expected: &str) {
    check(&format!("{{\"linux\":{{\"seccomp\":{{{seccomp}}}}}}}"), expected);
}

/// [`check_seccomp`] with one rule.
#[track_caller]
fn check_rule(rule: &str, expected: &str) {
    check_seccomp(
        &format!("\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{{{rule}}}]"),
        expected,
    );
}

fn read(seccomp: &str) -> SeccompProfile {
    accepted(&format!("{{\"linux\":{{\"seccomp\":{{{seccomp}}}}}}}")).seccomp.unwrap()
}

#[test]
fn actions_and_what_they_return() {
    let default =
        |action: &str| read(&format!("\"defaultAction\":\"SCMP_ACT_{action}")).default_action;
    assert_eq!(default("KILL\""), SeccompAction::KillThread);
    assert_eq!(default("KILL_THREAD\""), SeccompAction::KillThread);
    assert_eq!(default("KILL_PROCESS\""), SeccompAction::KillProcess);
    assert_eq!(default("ERRNO\""), SeccompAction::Errno(1));
    assert_eq!(default("ERRNO\",\"defaultErrnoRet\":0"), SeccompAction::Errno(0));
    assert_eq!(default("ERRNO\",\"defaultErrnoRet\":4095"), SeccompAction::Errno(4095));
    assert_eq!(default("TRACE\",\"defaultErrnoRet\":65535"), SeccompAction::Trace(65_535));
    check_seccomp(
        r#""defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":4096"#,
        "error: `linux.seccomp.defaultErrnoRet`: 4096 is not between 0 and 4095",
    );
    for action in ["ALLOW", "KILL", "KILL_PROCESS", "TRAP", "LOG"] {
        check_seccomp(
            &format!("\"defaultAction\":\"SCMP_ACT_{action}\",\"defaultErrnoRet\":1"),
            "error: `linux.seccomp.defaultErrnoRet`: needs `SCMP_ACT_ERRNO` or `SCMP_ACT_TRACE`",
        );
        check_rule(
            &format!("\"names\":[\"read\"],\"action\":\"SCMP_ACT_{action}\",\"errnoRet\":1"),
            "error: `linux.seccomp.syscalls[0].errnoRet`: needs `SCMP_ACT_ERRNO` or \
             `SCMP_ACT_TRACE`",
        );
    }
    check_seccomp(
        r#""defaultAction":"ALLOW""#,
        "error: `linux.seccomp.defaultAction`: invalid seccomp action `ALLOW`",
    );
    check_seccomp("", "error: `linux.seccomp.defaultAction`: is missing");
}

#[test]
fn architectures_and_flags() {
    let profile = read(
        r#""defaultAction":"SCMP_ACT_ALLOW",
            "architectures":["SCMP_ARCH_X86","SCMP_ARCH_LOONGARCH64","SCMP_ARCH_X86"],
            "flags":["SECCOMP_FILTER_FLAG_LOG","SECCOMP_FILTER_FLAG_TSYNC"]"#,
    );
    assert_eq!(profile.architectures, [SeccompArch::X86, SeccompArch::Loongarch64]);
    assert_eq!(profile.flags, 2);
    assert_eq!(read(r#""defaultAction":"SCMP_ACT_ALLOW""#).flags, 4);
    assert_eq!(read(r#""defaultAction":"SCMP_ACT_ALLOW","flags":[]"#).flags, 0);
    check_seccomp(
        r#""defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_PDP11"]"#,
        "error: `linux.seccomp.architectures[0]`: invalid seccomp architecture `SCMP_ARCH_PDP11`",
    );
    check_seccomp(
        r#""defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]"#,
        "`linux.seccomp.flags`: ignoring `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`: no rule has the \
         action `SCMP_ACT_NOTIFY`",
    );
    let waiting = read(
        r#""defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
            "listenerPath":"/a","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}]"#,
    );
    assert_eq!(waiting.flags, 32);
    check_seccomp(
        r#""defaultAction":"SCMP_ACT_ALLOW","flags":["LOG"]"#,
        "error: `linux.seccomp.flags[0]`: invalid seccomp flag `LOG`",
    );
}

#[test]
fn rules_name_calls() {
    check_rule(
        r#""action":"SCMP_ACT_ALLOW""#,
        "error: `linux.seccomp.syscalls[0].names`: is missing",
    );
    check_rule(
        r#""action":"SCMP_ACT_ALLOW","names":[]"#,
        "error: `linux.seccomp.syscalls[0].names`: must not be empty",
    );
    check_rule(
        r#""action":"SCMP_ACT_ALLOW","names":["read",""]"#,
        "error: `linux.seccomp.syscalls[0].names[1]`: must not be empty",
    );
    check_rule(r#""names":["read"]"#, "error: `linux.seccomp.syscalls[0].action`: is missing");
    check_rule(r#""action":"SCMP_ACT_ALLOW","names":["no_such_call"]"#, "");
}

#[test]
fn conditions() {
    let arg = |arg: &str, expected: &str| {
        check_rule(
            &format!("\"action\":\"SCMP_ACT_ERRNO\",\"names\":[\"read\"],\"args\":[{{{arg}}}]"),
            expected,
        );
    };
    arg(r#""index":5,"value":18446744073709551615,"op":"SCMP_CMP_GE""#, "");
    arg(
        r#""index":6,"value":1,"op":"SCMP_CMP_GE""#,
        "error: `linux.seccomp.syscalls[0].args[0].index`: 6 is not between 0 and 5",
    );
    arg(
        r#""value":1,"op":"SCMP_CMP_GE""#,
        "error: `linux.seccomp.syscalls[0].args[0].index`: is missing",
    );
    arg(
        r#""index":1,"op":"SCMP_CMP_GE""#,
        "error: `linux.seccomp.syscalls[0].args[0].value`: is missing",
    );
    arg(
        r#""index":1,"value":1,"op":"==""#,
        "error: `linux.seccomp.syscalls[0].args[0].op`: invalid seccomp operator `==`",
    );
}

#[test]
fn notify_needs_a_listener_and_a_runtime_that_can_go_on() {
    let notify = r#""defaultAction":"SCMP_ACT_ALLOW",
        "syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}]"#;
    let missing = "error: `linux.seccomp.listenerPath`: is missing";
    check_seccomp(notify, missing);
    check_seccomp(&format!("{notify},\"listenerPath\":\"\""), missing);
    check_seccomp(&format!("{notify},\"listenerPath\":\"/a\",\"listenerMetadata\":\"b\""), "");
    check_seccomp(
        &format!("{notify},\"listenerPath\":\"@a\""),
        "error: `linux.seccomp.listenerPath`: `@a` is not an absolute path",
    );
    check_seccomp(
        r#""defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/a""#,
        "`linux.seccomp.listenerPath`: ignored: no rule has the action `SCMP_ACT_NOTIFY`",
    );
    check_seccomp(
        r#""defaultAction":"SCMP_ACT_ALLOW","listenerMetadata":"a""#,
        "error: `linux.seccomp.listenerMetadata`: needs `listenerPath`",
    );
    check_seccomp(
        r#""defaultAction":"SCMP_ACT_NOTIFY","listenerPath":"/a""#,
        "error: `linux.seccomp.defaultAction`: `SCMP_ACT_NOTIFY` is not supported: the runtime \
         itself would wait for the answer",
    );
    check_rule(
        r#""names":["read","write"],"action":"SCMP_ACT_NOTIFY""#,
        "error: `linux.seccomp.syscalls[0].names[1]`: `write` is not supported: SCMP_ACT_NOTIFY \
         cannot be used for the write syscall: the runtime itself would wait for the answer",
    );
}

#[test]
fn the_number_of_rules_is_limited() {
    let rule = r#"{"names":["read"],"action":"SCMP_ACT_ALLOW"}"#;
    check_seccomp(
        &format!(
            "\"defaultAction\":\"SCMP_ACT_KILL\",\"syscalls\":[{}]",
            vec![rule; 4097].join(",")
        ),
        "error: `linux.seccomp.syscalls`: has 4097 entries, more than 4096",
    );
    let names = vec!["\"read\""; 65_537].join(",");
    check_seccomp(
        &format!(
            "\"defaultAction\":\"SCMP_ACT_KILL\",\
             \"syscalls\":[{{\"names\":[{names}],\"action\":\"SCMP_ACT_ALLOW\"}}]"
        ),
        "error: `linux.seccomp.syscalls`: has 65537 entries, more than 65536",
    );
}
