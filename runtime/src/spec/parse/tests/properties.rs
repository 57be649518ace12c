//! Every property of the specification is honoured or refused by name; none is dropped in
//! silence (`runtime/tests/data/properties.txt`).

use serde_json::{Value, json};

use super::merge;
use crate::spec::{Parsed, SpecError, WarningReason};

const FULL: &str = include_str!("../../../../tests/data/full.json");
const PROPERTIES: &str = include_str!("../../../../tests/data/properties.txt");

/// A line of `properties.txt`.
struct Property {
    fate: &'static str,
    path: &'static str,
    /// A configuration that has it.
    config: Value,
}

fn properties() -> Vec<Property> {
    let lines = PROPERTIES.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (fate, rest) = line.split_once(' ').unwrap();
            let rest = rest.trim_start();
            let (path, patch) = rest.split_once(' ').unwrap_or((rest, "{}"));
            let mut config = full();
            merge(&mut config, &serde_json::from_str(patch).unwrap());
            Property { fate, path, config }
        })
        .collect()
}

fn full() -> Value {
    serde_json::from_str(FULL).unwrap()
}

fn parse(config: &Value) -> Result<Parsed, SpecError> {
    super::parse(&config.to_string())
}

/// The keys and indices that lead to the first value `path` names in `config`.
fn pointer(config: &Value, path: &str) -> String {
    let mut pointer = String::new();
    for word in path.replace("[]", ".0").split('.') {
        let here = config.pointer(&pointer).unwrap();
        let key = match (word, here) {
            ("*", Value::Object(map)) => map.keys().next().unwrap().clone(),
            _ => word.to_owned(),
        };
        pointer = format!("{pointer}/{key}");
    }
    pointer
}

/// How an error names the value at `pointer`: JSON paths without their punctuation.
fn words(property: &str) -> Vec<&str> {
    property.split(['.', '[', ']', '"', '/']).filter(|word| !word.is_empty()).collect()
}

fn set(config: &Value, pointer: &str, value: Value) -> Value {
    let mut config = config.clone();
    *config.pointer_mut(pointer).unwrap() = value;
    config
}

#[test]
fn the_full_configuration_is_accepted_in_silence() {
    assert_eq!(parse(&full()).unwrap().warnings, []);
}

#[test]
fn a_value_of_the_wrong_type_is_an_error_that_names_it() {
    for Property { fate, path, config } in properties() {
        if fate == "not-linux" {
            continue;
        }
        let at = pointer(&config, path);
        let value = config.pointer(&at).unwrap_or_else(|| panic!("{path} is not in the config"));
        let wrong = if value.is_object() { json!(7) } else { json!({ "": 7 }) };
        let error = parse(&set(&config, &at, wrong)).expect_err(path);
        assert_eq!(words(error.property().unwrap_or_default()), words(&at), "{path}: {error}");
        if value.pointer("/0").is_some_and(|first| !first.is_object()) {
            let at = format!("{at}/0");
            let error = parse(&set(&config, &at, json!({}))).expect_err(path);
            assert_eq!(words(error.property().unwrap_or_default()), words(&at), "{error}");
        }
    }
}

#[test]
fn an_honoured_property_reaches_the_domain() {
    for Property { fate, path, config } in properties() {
        if fate != "honoured" {
            continue;
        }
        let with = parse(&config).unwrap_or_else(|error| panic!("{path}: {error}")).spec;
        // A null is the same as no property at all.
        let without = parse(&set(&config, &pointer(&config, path), Value::Null));
        assert!(without.is_err() || without.unwrap().spec != with, "{path} has no effect");
    }
}

#[test]
fn a_property_without_valid_values_is_refused_by_name() {
    for Property { path, config, .. } in properties().iter().filter(|p| p.fate == "refused") {
        let error = parse(config).expect_err(path);
        assert!(error.property().unwrap().starts_with(path), "{error}");
    }
}

#[test]
fn another_platforms_property_is_ignored_with_a_warning() {
    let plain = parse(&full()).unwrap().spec;
    for Property { path, config, .. } in properties().iter().filter(|p| p.fate == "not-linux") {
        let parsed = parse(config).unwrap();
        assert_eq!(parsed.spec, plain);
        let [warning] = parsed.warnings.try_into().unwrap_or_else(|all| panic!("{path}: {all:?}"));
        assert_eq!((&*warning.property, warning.reason), (*path, WarningReason::OtherPlatform));
    }
}

/// A property that is new in a specification is ignored wherever it is, as config.md demands.
#[test]
fn an_unknown_property_is_ignored_with_a_warning_wherever_it_is() {
    let plain = parse(&full()).unwrap().spec;
    let objects = properties().into_iter().filter(|p| p.fate == "honoured");
    for Property { path, config, .. } in objects {
        let at = pointer(&config, path);
        let mut patched = config.clone();
        let is_map = PROPERTIES.contains(&format!("{path}.*"));
        match patched.pointer_mut(&at).unwrap() {
            // In a map every key is known, but what is inside the values.
            Value::Object(object) if !is_map && path != "linux.timeOffsets" => {
                object.insert("x-new".to_owned(), json!([{ "deep": 1 }]));
            }
            _ => continue,
        }
        let parsed = parse(&patched).unwrap();
        assert_eq!(parsed.spec, plain, "{path}");
        let [warning] = parsed.warnings.try_into().unwrap_or_else(|all| panic!("{path}: {all:?}"));
        assert_eq!(warning.reason, WarningReason::UnknownProperty);
        assert_eq!(words(&warning.property), words(&format!("{at}/x-new")));
    }
}

/// Nothing in `full.json` escapes the list.
#[test]
fn every_property_of_the_full_configuration_is_listed() {
    let listed: Vec<&str> = properties().iter().map(|property| property.path).collect();
    let mut left = vec![(String::new(), full())];
    while let Some((path, value)) = left.pop() {
        let is_map = listed.contains(&format!("{path}.*").as_str());
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    let key = if is_map { "*" } else { &key };
                    let path = format!("{path}.{key}").trim_start_matches('.').to_owned();
                    assert!(listed.contains(&path.as_str()), "{path} is not in properties.txt");
                    left.push((path, value));
                }
            }
            Value::Array(list) => {
                left.extend(list.into_iter().map(|value| (format!("{path}[]"), value)));
            }
            _ => {}
        }
    }
}
