//! `process` and `hooks`.

use super::{accepted, check, check_type};
use crate::spec::{Capabilities, CapabilitySet, NumberSet};

/// [`check`] inside `process`.
#[track_caller]
fn check_process(patch: &str, expected: &str) {
    check(&format!("{{\"process\":{patch}}}"), expected);
}

#[test]
fn args_name_a_program() {
    check_process(r#"{"args":null}"#, "error: `process.args`: is missing");
    check_process(r#"{"args":[]}"#, "error: `process.args`: must not be empty");
    // There is no such program, which is said when it is looked for.
    check_process(r#"{"args":[""]}"#, "");
    check_process(r#"{"args":["a",""]}"#, "");
    check_process(r#"{"args":["a","b\u0000"]}"#, "error: `process.args[1]`: holds a NUL byte");
}

#[test]
fn args_and_env_fit_in_what_the_kernel_takes() {
    let long = "x".repeat(128 << 10);
    check_process(
        &format!("{{\"args\":[\"{long}\"]}}"),
        "error: `process.args[0]`: has 131072 bytes, more than 131071",
    );
    let many = vec!["\"a=aaaaaaaaaaaaa\""; (6 << 20) / 16].join(",");
    check_process(
        &format!("{{\"env\":[{many}]}}"),
        "error: `process.env`: has 6291459 bytes, more than 6291456",
    );
}

#[test]
fn of_variables_with_one_name_the_last_counts() {
    let spec = accepted(r#"{"process":{"env":["A=1","B=2","A=","C==","A=3"]}}"#);
    assert_eq!(spec.process.unwrap().env, ["B=2", "C==", "A=3"]);
    check_process(r#"{"env":["A=1","A"]}"#, "error: `process.env[1]`: `A` is not `NAME=value`");
    check_process(r#"{"env":["=1"]}"#, "error: `process.env[0]`: `=1` is not `NAME=value`");
    check_process(r#"{"env":["A=\u0000"]}"#, "error: `process.env[0]`: holds a NUL byte");
    check_process(r#"{"env":["A=\n"]}"#, "");
}

#[test]
fn cwd_is_absolute() {
    check_process(r#"{"cwd":null}"#, "error: `process.cwd`: is missing");
    check_process(r#"{"cwd":""}"#, "error: `process.cwd`: must not be empty");
    check_process(r#"{"cwd":"srv"}"#, "error: `process.cwd`: `srv` is not an absolute path");
    check_process(r#"{"cwd":"/a\u0000"}"#, "error: `process.cwd`: holds a NUL byte");
}

#[test]
fn console_size_is_ignored_without_a_terminal() {
    let ignored = "`process.consoleSize`: ignored: `terminal` is not true";
    check_process(r#"{"consoleSize":{"height":1,"width":99999}}"#, ignored);
    check_process(r#"{"terminal":true,"consoleSize":{"height":1,"width":2}}"#, "");
    check_process(
        r#"{"terminal":true,"consoleSize":{"height":1,"width":99999}}"#,
        "error: `process.consoleSize.width`: 99999 is not between 0 and 65535",
    );
    check_process(
        r#"{"terminal":true,"consoleSize":{"height":1}}"#,
        "error: `process.consoleSize.width`: is missing",
    );
}

/// S12 (CVE-2024-40635): what is no user id is an error, never 0.
#[test]
fn s12_user_ids_that_are_none_are_errors() {
    let wrong = [
        ("-1", "invalid value: integer `-1`, expected u32"),
        ("4294967296", "invalid value: integer `4294967296`, expected u32"),
        ("1e3", "invalid type: floating point `1000.0`, expected u32"),
        ("1.5", "invalid type: floating point `1.5`, expected u32"),
        (
            "18446744073709551616",
            "invalid type: floating point `1.8446744073709552e+19`, expected u32",
        ),
        ("\"0x0\"", "invalid type: string \"0x0\", expected u32"),
        ("\"1000\"", "invalid type: string \"1000\", expected u32"),
        ("\"\"", "invalid type: string \"\", expected u32"),
        ("[]", "invalid type: sequence, expected u32"),
        ("false", "invalid type: boolean `false`, expected u32"),
    ];
    for (value, why) in wrong {
        for field in ["uid", "gid"] {
            check_type(
                &format!("{{\"process\":{{\"user\":{{\"{field}\":{value}}}}}}}"),
                &format!("error: `process.user.{field}` has the wrong type or value: {why}"),
            );
        }
        check_type(
            &format!("{{\"process\":{{\"user\":{{\"additionalGids\":[5,{value}]}}}}}}"),
            &format!("error: `process.user.additionalGids[1]` has the wrong type or value: {why}"),
        );
    }
    // The kernel takes the largest number for "leave it as it is".
    check_process(
        r#"{"user":{"uid":4294967295}}"#,
        "error: `process.user.uid`: 4294967295 is not between 0 and 4294967294",
    );
    check_process(
        r#"{"user":{"additionalGids":[4294967295]}}"#,
        "error: `process.user.additionalGids[0]`: 4294967295 is not between 0 and 4294967294",
    );
}

#[test]
fn ids_are_mapped_in_a_new_user_namespace() {
    check_process(r#"{"user":{"uid":65535,"gid":65535}}"#, "");
    check_process(
        r#"{"user":{"uid":65536}}"#,
        "error: `process.user.uid`: id 65536 is not mapped by `linux.uidMappings`",
    );
    check_process(
        r#"{"user":{"additionalGids":[1,65536]}}"#,
        "error: `process.user.additionalGids[1]`: id 65536 is not mapped by `linux.gidMappings`",
    );
}

#[test]
fn umask_has_nine_bits() {
    check_process(r#"{"user":{"umask":511}}"#, "");
    check_process(
        r#"{"user":{"umask":512}}"#,
        "error: `process.user.umask`: 512 is not between 0 and 511",
    );
}

#[test]
fn oom_score_has_the_kernels_range() {
    check_process(r#"{"oomScoreAdj":-1000}"#, "");
    check_process(
        r#"{"oomScoreAdj":1001}"#,
        "error: `process.oomScoreAdj`: 1001 is not between -1000 and 1000",
    );
}

#[test]
fn capabilities_become_bits() {
    let spec = accepted(
        r#"{"process":{"capabilities":{"bounding":["CAP_CHOWN","CAP_CHECKPOINT_RESTORE"]}}}"#,
    );
    let bounding = CapabilitySet(1 | 1 << 40);
    let expected = Capabilities { bounding, ..Capabilities::default() };
    assert_eq!(spec.process.unwrap().capabilities, Some(expected));
    assert_eq!(accepted("{}").process.unwrap().capabilities, None);
}

#[test]
fn capabilities_nobody_knows_are_warned_about() {
    check_process(
        r#"{"capabilities":{"bounding":["UNKNOWN_CAP","CAP_UNKNOWN","CAP_KILL","CAP_UNKNOWN"]}}"#,
        "`process.capabilities.bounding`: ignoring unknown or unavailable capabilities: \
         [CAP_UNKNOWN UNKNOWN_CAP]",
    );
    // Names are exact, as for runc.
    check_process(
        r#"{"capabilities":{"permitted":["cap_kill"]}}"#,
        "`process.capabilities.permitted`: ignoring unknown or unavailable capabilities: \
         [cap_kill]",
    );
}

#[test]
fn capability_sets_the_kernel_refuses() {
    check_process(
        r#"{"capabilities":{"effective":["CAP_KILL","CAP_CHOWN"],"permitted":["CAP_KILL"]}}"#,
        "error: `process.capabilities.effective`: `CAP_CHOWN` is not supported: an effective \
         capability must be permitted as well",
    );
    let patch = r#"{"process":{"capabilities":{"inheritable":["CAP_KILL"],
        "permitted":["CAP_KILL","CAP_CHOWN"],"ambient":["CAP_KILL","CAP_CHOWN"]}}}"#;
    check(
        patch,
        "`process.capabilities.ambient`: can't raise ambient capability CAP_CHOWN: it is not both \
         permitted and inheritable",
    );
}

#[test]
fn rlimits_are_known_and_there_once() {
    let rlimit = |name: &str, soft: u64, hard: u64| {
        format!("{{\"type\":\"{name}\",\"soft\":{soft},\"hard\":{hard}}}")
    };
    let all = [
        "AS",
        "CORE",
        "CPU",
        "DATA",
        "FSIZE",
        "LOCKS",
        "MEMLOCK",
        "MSGQUEUE",
        "NICE",
        "NOFILE",
        "NPROC",
        "RSS",
        "RTPRIO",
        "RTTIME",
        "SIGPENDING",
        "STACK",
    ];
    let list: Vec<_> =
        all.iter().map(|name| rlimit(&format!("RLIMIT_{name}"), 1, u64::MAX)).collect();
    let spec = accepted(&format!("{{\"process\":{{\"rlimits\":[{}]}}}}", list.join(",")));
    assert_eq!(spec.process.unwrap().rlimits.len(), 16);
    check_process(
        &format!("{{\"rlimits\":[{}]}}", rlimit("RLIMIT_FOO", 1, 1)),
        "error: `process.rlimits[0].type`: invalid rlimit `RLIMIT_FOO`",
    );
    let twice = rlimit("RLIMIT_AS", 1, 1);
    check_process(
        &format!("{{\"rlimits\":[{twice},{twice}]}}"),
        "error: `process.rlimits[1].type`: `RLIMIT_AS` is there twice",
    );
    check_process(
        &format!("{{\"rlimits\":[{}]}}", rlimit("RLIMIT_AS", 2, 1)),
        "error: `process.rlimits[0].soft`: 2 is not between 0 and 1",
    );
    check_process(
        r#"{"rlimits":[{"type":"RLIMIT_AS","soft":1}]}"#,
        "error: `process.rlimits[0].hard`: is missing",
    );
}

#[test]
fn schedulers_the_kernel_takes() {
    let scheduler = |patch: &str, expected: &str| {
        check_process(&format!("{{\"scheduler\":{{{patch}}}}}"), expected);
    };
    scheduler(r#""policy":"SCHED_BATCH","priority":0,"nice":19"#, "");
    scheduler(r#""policy":"SCHED_RR","priority":99"#, "");
    scheduler(
        r#""policy":"SCHED_DEADLINE","nice":19,"runtime":42000,"deadline":100000,"period":1000000"#,
        "",
    );
    scheduler(r#""policy":"SCHED_DEADLINE","runtime":1024,"deadline":1024"#, "");
    scheduler(r#""nice":1"#, "error: `process.scheduler.policy`: is missing");
    scheduler(
        r#""policy":"SCHED_FAIR""#,
        "error: `process.scheduler.policy`: invalid scheduling policy `SCHED_FAIR`",
    );
    scheduler(
        r#""policy":"SCHED_ISO""#,
        "error: `process.scheduler.policy`: `SCHED_ISO` is not supported: Linux reserves its \
         number and does not implement it",
    );
    scheduler(
        r#""policy":"SCHED_OTHER","nice":20"#,
        "error: `process.scheduler.nice`: 20 is not between -20 and 19",
    );
    scheduler(
        r#""policy":"SCHED_FIFO""#,
        "error: `process.scheduler.priority`: 0 is not between 1 and 99",
    );
    scheduler(
        r#""policy":"SCHED_RR","priority":-1"#,
        "error: `process.scheduler.priority`: -1 is not between 1 and 99",
    );
    scheduler(
        r#""policy":"SCHED_OTHER","priority":1"#,
        "error: `process.scheduler.priority`: 1 is not between 0 and 0",
    );
    scheduler(
        r#""policy":"SCHED_OTHER","runtime":1"#,
        "error: `process.scheduler.runtime`: needs the policy `SCHED_DEADLINE`",
    );
    scheduler(
        r#""policy":"SCHED_DEADLINE","runtime":2000,"deadline":1500"#,
        "error: `process.scheduler.runtime`: 2000 is not between 1024 and 1500",
    );
    scheduler(
        r#""policy":"SCHED_DEADLINE","runtime":1024,"deadline":2048,"period":2047"#,
        "error: `process.scheduler.period`: 2047 is not between 2048 and 9223372036854775807",
    );
    scheduler(
        r#""policy":"SCHED_OTHER","flags":["SCHED_FLAG_RECLAIM","RECLAIM"]"#,
        "error: `process.scheduler.flags[1]`: invalid scheduling flag `RECLAIM`",
    );
}

#[test]
fn io_priorities_the_kernel_takes() {
    check_process(r#"{"ioPriority":{"class":"IOPRIO_CLASS_IDLE"}}"#, "");
    check_process(
        r#"{"ioPriority":{"class":"IOPRIO_CLASS_BE","priority":8}}"#,
        "error: `process.ioPriority.priority`: 8 is not between 0 and 7",
    );
    check_process(
        r#"{"ioPriority":{"class":"BE"}}"#,
        "error: `process.ioPriority.class`: invalid I/O class `BE`",
    );
}

#[test]
fn cpu_lists() {
    let set = |list: &str| NumberSet::parse(list).map(|set| set.0);
    assert_eq!(set("0-3,7"), Some(vec![0..=3, 7..=7]));
    assert_eq!(set(" 3 , 1-2,,0, 65535"), Some(vec![0..=3, 65_535..=65_535]));
    assert_eq!(set("1-4,2-3"), Some(vec![1..=4]));
    assert_eq!(set(""), Some(vec![]));
    for wrong in ["3-1", "-1", "1-", "65536", "0-9876543210", "a", "1 2", "0x1", "+1", "1-2-3"] {
        assert_eq!(set(wrong), None, "{wrong}");
    }
    check_process(r#"{"execCPUAffinity":{"initial":"","final":"0-1"}}"#, "");
    for list in ["x", ",", " "] {
        check_process(
            &format!("{{\"execCPUAffinity\":{{\"final\":\"{list}\"}}}}"),
            &format!(
                "error: `process.execCPUAffinity.final`: `{list}` is not a list of CPUs such as \
                 `0-3,7`"
            ),
        );
    }
}

#[test]
fn hooks_are_absolute_and_end() {
    let hook = |hook: &str, expected: &str| {
        check(&format!("{{\"hooks\":{{\"poststop\":[{{{hook}}}]}}}}"), expected);
    };
    hook(r#""path":"/bin/true","timeout":1"#, "");
    hook(r#""args":["x"]"#, "error: `hooks.poststop[0].path`: is missing");
    hook(r#""path":"true""#, "error: `hooks.poststop[0].path`: `true` is not an absolute path");
    for timeout in [0, -1] {
        hook(
            &format!("\"path\":\"/bin/true\",\"timeout\":{timeout}"),
            &format!(
                "error: `hooks.poststop[0].timeout`: {timeout} is not between 1 and 2147483647"
            ),
        );
    }
    hook(
        r#""path":"/bin/true","env":["A=\u0000"]"#,
        "error: `hooks.poststop[0].env[0]`: holds a NUL byte",
    );
}
