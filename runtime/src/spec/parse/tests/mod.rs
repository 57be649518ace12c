//! Each case is a merge patch to [`base`] and what comes of it, in the words a person reads.

mod annotations;
mod clients;
mod files;
mod linux;
mod mounts;
mod process;
mod properties;
mod resources;
mod seccomp;

use std::error::Error;
use std::path::Path;

use serde_json::{Value, json};

use super::{ParseOptions, Parsed, SpecError};
use crate::spec::ContainerSpec;

/// A configuration that is accepted in silence: all that is required, and every namespace new.
fn base() -> Value {
    let kinds = ["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"];
    let kinds = kinds.map(|kind| json!({ "type": kind }));
    let ids = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
    json!({
        "ociVersion": "1.3.0",
        "root": { "path": "rootfs" },
        "process": { "cwd": "/", "args": ["sh"] },
        "linux": { "namespaces": kinds, "uidMappings": ids, "gidMappings": ids },
    })
}

/// [`base`] with `patch` merged in (RFC 7396).
fn patched(patch: &str) -> Value {
    let mut config = base();
    merge(&mut config, &serde_json::from_str(patch).unwrap());
    config
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.as_object_mut().unwrap().remove(key);
            }
            value => merge(&mut target[key], value),
        }
    }
}

fn parse(json: &str) -> Result<Parsed, SpecError> {
    ContainerSpec::from_json_with(json.as_bytes(), Path::new("/bundle"), ParseOptions::default())
}

/// The specification of a patch that is accepted in silence.
fn accepted(patch: &str) -> ContainerSpec {
    let parsed = parse(&patched(patch).to_string()).unwrap();
    assert_eq!(parsed.warnings, [], "{patch}");
    parsed.spec
}

/// Nothing if `patch` is accepted, its warnings a line each, or the error with its causes.
fn outcome<T>(result: Result<Parsed<T>, SpecError>) -> String {
    let lines: Vec<String> = match result {
        Ok(parsed) => parsed.warnings.iter().map(ToString::to_string).collect(),
        Err(error) => {
            let causes = std::iter::successors(error.source(), |cause| (*cause).source());
            let causes = causes.map(|cause| format!(": {cause}"));
            vec![format!("error: {error}{}", causes.collect::<String>())]
        }
    };
    lines.join("\n")
}

#[track_caller]
fn check(patch: &str, expected: &str) {
    assert_eq!(outcome(parse(&patched(patch).to_string())), expected, "{patch}");
}

/// [`check`] for errors of JSON itself, whose line and column are left out.
#[track_caller]
fn check_type(patch: &str, expected: &str) {
    let outcome = outcome(parse(&patched(patch).to_string()));
    let (without_place, _) = outcome.split_once(" at line ").unwrap_or((&outcome, ""));
    assert_eq!(without_place, expected, "{patch}");
}
