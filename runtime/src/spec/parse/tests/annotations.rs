//! `annotations`.

use std::path::Path;

use super::{accepted, check, outcome, patched};
use crate::spec::{ContainerSpec, Extensions, ParseOptions, SystemdProperties};

#[track_caller]
fn check_annotation(key: &str, value: &str, expected: &str) {
    check(&format!("{{\"annotations\":{{\"{key}\":\"{value}\"}}}}"), expected);
}

fn extensions(key: &str, value: &str) -> Extensions {
    accepted(&format!("{{\"annotations\":{{\"{key}\":\"{value}\"}}}}")).extensions
}

#[test]
fn annotations_are_free_but_for_ours() {
    check_annotation("com.example.key", "", "");
    check_annotation("", "x", "error: `annotations[\"\"]`: must not be empty");
    check_annotation(
        "io.tug.runt.landlok.read",
        "/",
        "error: `annotations[\"io.tug.runt.landlok.read\"]`: invalid annotation of this runtime \
         `io.tug.runt.landlok.read`",
    );
    check(r#"{"annotations":{"a":"1"}}"#, "");
}

#[test]
fn landlock_paths() {
    let landlock = extensions("io.tug.runt.landlock.read", "/usr:/etc/").landlock.unwrap();
    let read: Vec<_> = landlock.read.iter().map(|path| path.as_str()).collect();
    assert_eq!(read, ["/usr", "/etc"]);
    assert_eq!(landlock.write, []);
    assert!(extensions("io.tug.runt.landlock.write", "").landlock.is_some());
    check_annotation(
        "io.tug.runt.landlock.write",
        "/a:b",
        "error: `annotations[\"io.tug.runt.landlock.write\"]`: `b` is not an absolute path",
    );
}

#[test]
fn byte_sizes() {
    let high = |value: &str| extensions("io.tug.runt.memory.high", value).memory_high;
    assert_eq!(high("4096"), Some(4096));
    assert_eq!(high("64M"), Some(64 << 20));
    assert_eq!(high("1gib"), Some(1 << 30));
    assert_eq!(high("2kB"), Some(2048));
    assert_eq!(high("max"), Some(u64::MAX));
    for wrong in ["", "M", "-1", "1.5G", "1 M", "99999999999T", "1Mx", "64MM"] {
        check_annotation(
            "io.tug.runt.memory.min",
            wrong,
            &format!(
                "error: `annotations[\"io.tug.runt.memory.min\"]`: `{wrong}` is not a number of \
                 bytes such as `64M`, or `max`"
            ),
        );
    }
}

#[test]
fn core_scheduling_is_on_or_off() {
    assert!(extensions("io.tug.runt.core-scheduling", "true").core_scheduling);
    check_annotation(
        "io.tug.runt.core-scheduling",
        "yes",
        "error: `annotations[\"io.tug.runt.core-scheduling\"]`: `yes` is not `true` or `false`",
    );
}

/// S16 (CVE-2024-3154): off unless the administrator allows it.
#[test]
fn s16_systemd_properties_are_the_administrators_choice() {
    check_annotation(
        "org.systemd.property.CPUQuota",
        "'x'",
        "`annotations[\"org.systemd.property.CPUQuota\"]`: ignored: the administrator has not \
         allowed annotations to set systemd properties",
    );
    let with = |systemd_properties: &SystemdProperties, key: &str| {
        let config = patched(&format!("{{\"annotations\":{{\"{key}\":\"uint32 7\"}}}}"));
        let options = ParseOptions { systemd_properties };
        let bytes = config.to_string();
        ContainerSpec::from_json_with(bytes.as_bytes(), Path::new("/bundle"), options)
    };
    let named = SystemdProperties::Named(vec!["CollectMode".to_owned(), "TasksMax".to_owned()]);
    let expected = [("TasksMax".to_owned(), "uint32 7".to_owned())];
    for choice in [&named, &SystemdProperties::All] {
        let parsed = with(choice, "org.systemd.property.TasksMax").unwrap();
        assert_eq!(parsed.spec.extensions.systemd_properties, expected);
        assert_eq!(outcome(Ok(parsed)), "");
    }
    let other = with(&named, "org.systemd.property.ExecStopPost");
    assert!(outcome(other).contains("has not allowed"));
    for name in ["", "ab", "Tasks-Max", "Tasks1", "Täsks"] {
        let key = format!("org.systemd.property.{name}");
        assert_eq!(
            outcome(with(&SystemdProperties::All, &key)),
            format!(
                "error: `annotations[\"{key}\"]`: `{name}` is not the name of a systemd property"
            )
        );
    }
}
