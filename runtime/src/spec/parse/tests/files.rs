//! The file as a whole.

use super::{base, check, outcome, parse};
use crate::spec::{ContainerSpec, Process, Resources, SpecError, limits};

#[test]
fn the_base_is_accepted_in_silence() {
    check("{}", "");
}

#[test]
fn what_is_not_json_is_refused() {
    for text in ["", "{", "[]x", "{\"ociVersion\":\"1.0.0\"", "{} {}", "{,}"] {
        let error = parse(text).unwrap_err();
        assert!(matches!(error, SpecError::NotJson { .. }), "{text}: {error}");
    }
    for text in ["null", "7", "\"x\"", "true"] {
        let error = parse(text).unwrap_err();
        assert!(error.to_string().contains("not valid JSON"), "{text}: {error}");
    }
    assert!(ContainerSpec::from_json(b"{\"hostname\":\"\xff\"}", "/b".as_ref()).is_err());
}

#[test]
fn a_file_that_is_too_large_is_refused_before_it_is_read() {
    let mut text = base().to_string();
    text += &" ".repeat(limits::MAX_CONFIG_BYTES);
    assert!(matches!(parse(&text), Err(SpecError::TooLarge)));
}

#[test]
fn depth_is_a_wrong_type_where_a_type_is_known_and_harmless_elsewhere() {
    let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
    let with = |key: &str| base().to_string().replacen('{', &format!("{{\"{key}\":{deep},"), 1);
    assert_eq!(outcome(parse(&with("x"))), "`x`: ignoring unknown property");
    assert_eq!(outcome(parse(&with("vm"))), "`vm`: ignoring property of another platform");
    for key in ["hostname", "mounts", "annotations", "hooks"] {
        let error = parse(&with(key)).unwrap_err();
        assert!(error.property().unwrap().starts_with(key), "{error}");
    }
}

#[test]
fn a_property_given_twice_is_refused() {
    let text = base().to_string().replacen('{', "{\"hostname\":\"a\",\"hostname\":\"b\",", 1);
    assert!(outcome(parse(&text)).contains("duplicate field `hostname`"));
}

#[test]
fn null_is_the_same_as_absent() {
    let text = base().to_string();
    let text = text.replacen('{', "{\"hooks\":null,\"mounts\":null,\"annotations\":null,", 1);
    assert_eq!(parse(&text).unwrap().spec, parse(&base().to_string()).unwrap().spec);
}

#[test]
fn versions_of_the_specification() {
    for version in ["1.0.0", "1.0.0-rc5", "1.0.2-dev", "1.1.0+dev", "1.2.1", "1.3.0", "1.3.7-rc.1"]
    {
        check(&format!("{{\"ociVersion\":\"{version}\"}}"), "");
    }
    for version in ["0.9.0", "1.4.0", "2.0.0", "18446744073709551615.0.0"] {
        check(
            &format!("{{\"ociVersion\":\"{version}\"}}"),
            &format!(
                "error: `ociVersion`: `{version}` is not supported: this runtime honours versions \
                 1.0.0 to 1.3"
            ),
        );
    }
    for version in [
        "",
        "1",
        "1.0",
        "v1.0.0",
        "1.0.0.0",
        "01.0.0",
        "1.0.x",
        "1.0.0-",
        "1.0.0-a..b",
        "1.0.0+ä",
        "18446744073709551616.0.0",
        "+1.0.0",
        "1.-0.0",
    ] {
        check(
            &format!("{{\"ociVersion\":\"{version}\"}}"),
            &format!(
                "error: `ociVersion`: `{version}` is not a version as SemVer 2.0.0 writes it, \
                 such as `1.3.0`"
            ),
        );
    }
    check(r#"{"ociVersion":null}"#, "error: `ociVersion`: is missing");
}

#[test]
fn the_root_is_required_and_relative_to_the_bundle() {
    check(r#"{"root":null}"#, "error: `root`: is missing");
    check(r#"{"root":{"path":null}}"#, "error: `root.path`: is missing");
    check(r#"{"root":{"path":""}}"#, "error: `root.path`: must not be empty");
    check(r#"{"root":{"path":"a\u0000b"}}"#, "error: `root.path`: holds a NUL byte");
    let spec = super::accepted(r#"{"root":{"path":"/elsewhere"}}"#);
    assert_eq!(spec.root.path, std::path::Path::new("/elsewhere"));
}

#[test]
fn a_config_may_have_no_process_until_it_is_started() {
    assert_eq!(super::accepted(r#"{"process":null}"#).process, None);
}

#[test]
fn names_need_a_uts_namespace_and_fit_in_it() {
    let long = "x".repeat(65);
    for name in ["hostname", "domainname"] {
        check(&format!("{{\"{name}\":\"web\"}}"), "");
        check(
            &format!("{{\"{name}\":\"{long}\"}}"),
            &format!("error: `{name}`: has 65 bytes, more than 64"),
        );
        check(
            &format!("{{\"{name}\":\"web\",\"linux\":{{\"namespaces\":[{{\"type\":\"user\"}}]}}}}"),
            &format!("error: `{name}`: needs a uts namespace in `linux.namespaces`"),
        );
    }
}

#[test]
fn the_files_of_exec_and_update_name_properties_from_their_top() {
    let process = |json: &str| outcome(Process::from_json(json.as_bytes()));
    assert_eq!(process(r#"{"cwd":"/","args":["a"]}"#), "");
    assert_eq!(process(r#"{"cwd":"a","args":["a"]}"#), "error: `cwd`: `a` is not an absolute path");
    let unknown = "`user.x`: ignoring unknown property";
    assert_eq!(process(r#"{"cwd":"/","args":["a"],"user":{"x":1}}"#), unknown);
    let resources = |json: &str| outcome(Resources::from_json(json.as_bytes()));
    assert_eq!(resources("{}"), "");
    let range = "error: `cpu.idle`: 2 is not between 0 and 1";
    assert_eq!(resources(r#"{"cpu":{"idle":2}}"#), range);
}

#[test]
fn a_process_for_exec_has_ids_the_container_has() {
    let spec = super::accepted("{}");
    let process = |uid: u32| {
        let json = format!("{{\"cwd\":\"/\",\"args\":[\"a\"],\"user\":{{\"uid\":{uid}}}}}");
        Process::from_json(json.as_bytes()).unwrap().spec
    };
    assert!(spec.check_process(&process(65_535)).is_ok());
    let error = spec.check_process(&process(65_536)).unwrap_err();
    assert_eq!(error.to_string(), "`user.uid`: id 65536 is not mapped by `linux.uidMappings`");
}
