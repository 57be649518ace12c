//! Each case is a patch to the smallest configuration, and what comes of it.

use std::path::Path;

use super::{Parsed, SpecError};
use crate::spec::ContainerSpec;

/// A configuration with nothing but what is required, and `more` at its top.
fn minimal(more: &str) -> String {
    format!(
        r#"{{"ociVersion":"1.3.0","root":{{"path":"rootfs"}},
            "process":{{"cwd":"/","args":["sh"]}}{more}}}"#
    )
}

fn parse(json: &str) -> Result<Parsed, SpecError> {
    ContainerSpec::from_json(json.as_bytes(), Path::new("/bundle"))
}

#[test]
fn the_smallest_configuration_is_accepted_in_silence() {
    let parsed = parse(&minimal("")).unwrap();
    assert_eq!(parsed.warnings, []);
    assert_eq!(parsed.spec.root.path, Path::new("/bundle/rootfs"));
    assert_eq!(parsed.spec.process.unwrap().args, ["sh"]);
}
