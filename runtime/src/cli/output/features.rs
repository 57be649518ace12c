//! `runt features`: what this build can do, as features.md of the runtime-spec wants it told.
//!
//! The lists come from the code that reads or compiles what they name; this file adds only what
//! has no list of its own.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::SPEC_VERSION;
use crate::seccomp::features::probe_supported_flags;
use crate::spec::{MemoryPolicy, SeccompProfile, known_mount_options};

/// The document, in the order of features.md.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Features {
    oci_version_min: &'static str,
    oci_version_max: &'static str,
    hooks: &'static [&'static str],
    mount_options: Vec<&'static str>,
    linux: Linux,
    annotations: BTreeMap<&'static str, &'static str>,
    potentially_unsafe_config_annotations: &'static [&'static str],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    namespaces: &'static [&'static str],
    capabilities: Vec<String>,
    cgroup: Cgroup,
    seccomp: Seccomp,
    apparmor: Enabled,
    selinux: Enabled,
    intel_rdt: IntelRdt,
    memory_policy: MemoryPolicies,
    mount_extensions: MountExtensions,
    net_devices: Enabled,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "a table of switches by specification")]
struct Cgroup {
    v1: bool,
    v2: bool,
    systemd: bool,
    systemd_user: bool,
    rdma: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Seccomp {
    enabled: bool,
    actions: Vec<&'static str>,
    operators: Vec<&'static str>,
    archs: Vec<&'static str>,
    known_flags: Vec<&'static str>,
    supported_flags: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct Enabled {
    enabled: bool,
}

#[derive(Debug, Serialize)]
struct IntelRdt {
    enabled: bool,
    schemata: bool,
    monitoring: bool,
}

#[derive(Debug, Serialize)]
struct MemoryPolicies {
    modes: Vec<&'static str>,
    flags: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct MountExtensions {
    idmap: Enabled,
}

/// In the order they run in.
const HOOKS: &[&str] =
    &["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

const NAMESPACES: &[&str] = &["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"];

/// A dot at the end makes a prefix.
const UNSAFE_ANNOTATIONS: &[&str] = &["io.tug.runt.", "org.criu.config", "org.systemd.property."];

impl Features {
    /// What is so on this host: of capabilities those its kernel has, of filter flags those it
    /// takes.
    pub(in super::super) fn probe() -> Features {
        let last = kernel::identity::last_capability().unwrap_or(u32::MAX);
        Features {
            oci_version_min: "1.0.0",
            oci_version_max: SPEC_VERSION,
            hooks: HOOKS,
            mount_options: sorted(known_mount_options()),
            linux: Linux {
                namespaces: NAMESPACES,
                capabilities: capabilities(last),
                cgroup: Cgroup {
                    v1: true,
                    v2: true,
                    systemd: true,
                    systemd_user: true,
                    rdma: true,
                },
                seccomp: Seccomp {
                    enabled: true,
                    actions: sorted(SeccompProfile::known_actions()),
                    operators: sorted(SeccompProfile::known_operators()),
                    archs: sorted(SeccompProfile::known_architectures().map(|(name, _)| name)),
                    known_flags: sorted(SeccompProfile::known_flags()),
                    supported_flags: sorted(probe_supported_flags()),
                },
                apparmor: Enabled { enabled: true },
                selinux: Enabled { enabled: true },
                intel_rdt: IntelRdt { enabled: true, schemata: true, monitoring: true },
                memory_policy: MemoryPolicies {
                    modes: sorted(MemoryPolicy::known_modes()),
                    flags: sorted(MemoryPolicy::known_flags()),
                },
                mount_extensions: MountExtensions { idmap: Enabled { enabled: true } },
                net_devices: Enabled { enabled: true },
            },
            annotations: BTreeMap::from([
                ("io.tug.runt.version", env!("CARGO_PKG_VERSION")),
                ("org.opencontainers.runc.checkpoint.enabled", "true"),
            ]),
            potentially_unsafe_config_annotations: UNSAFE_ANNOTATIONS,
        }
    }

    /// Indented by four spaces, as runc's.
    pub(in super::super) fn to_json(&self) -> String {
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        let mut json = Vec::new();
        self.serialize(&mut serde_json::Serializer::with_formatter(&mut json, formatter))
            .expect("strings, switches and lists of them");
        json.push(b'\n');
        String::from_utf8(json).expect("JSON is UTF-8")
    }
}

fn sorted(names: impl IntoIterator<Item = &'static str>) -> Vec<&'static str> {
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// By number, up to the kernel's `last` one.
fn capabilities(last: u32) -> Vec<String> {
    let mut known: Vec<caps::Capability> = caps::all().into_iter().collect();
    known.sort_unstable_by_key(caps::Capability::index);
    let in_kernel = known.into_iter().filter(|capability| u32::from(capability.index()) <= last);
    in_kernel.map(|capability| capability.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn document() -> Value {
        serde_json::from_str(&Features::probe().to_json()).unwrap()
    }

    /// Every property of features-schema.json and features-linux.json of runtime-spec 1.3, and
    /// those that features-linux.md adds in prose, with the type it must have.
    const SCHEMA: &[(&str, &str)] = &[
        ("/ociVersionMin", "string"),
        ("/ociVersionMax", "string"),
        ("/hooks", "strings"),
        ("/mountOptions", "strings"),
        ("/annotations", "map"),
        ("/potentiallyUnsafeConfigAnnotations", "strings"),
        ("/linux/namespaces", "strings"),
        ("/linux/capabilities", "strings"),
        ("/linux/cgroup/v1", "boolean"),
        ("/linux/cgroup/v2", "boolean"),
        ("/linux/cgroup/systemd", "boolean"),
        ("/linux/cgroup/systemdUser", "boolean"),
        ("/linux/cgroup/rdma", "boolean"),
        ("/linux/seccomp/enabled", "boolean"),
        ("/linux/seccomp/actions", "strings"),
        ("/linux/seccomp/operators", "strings"),
        ("/linux/seccomp/archs", "strings"),
        ("/linux/seccomp/knownFlags", "strings"),
        ("/linux/seccomp/supportedFlags", "strings"),
        ("/linux/apparmor/enabled", "boolean"),
        ("/linux/selinux/enabled", "boolean"),
        ("/linux/intelRdt/enabled", "boolean"),
        ("/linux/intelRdt/schemata", "boolean"),
        ("/linux/intelRdt/monitoring", "boolean"),
        ("/linux/memoryPolicy/modes", "strings"),
        ("/linux/memoryPolicy/flags", "strings"),
        ("/linux/mountExtensions/idmap/enabled", "boolean"),
        ("/linux/netDevices/enabled", "boolean"),
    ];

    fn kind(value: &Value) -> &'static str {
        match value {
            Value::Bool(_) => "boolean",
            Value::String(_) => "string",
            Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_string) => {
                "strings"
            }
            Value::Object(map) if map.values().all(Value::is_string) => "map",
            _ => "neither",
        }
    }

    fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(map) if kind(value) != "map" => {
                map.iter().for_each(|(key, value)| pointers(value, &format!("{at}/{key}"), found));
            }
            _ => found.push(at.to_owned()),
        }
    }

    #[test]
    fn every_property_of_the_schema_is_there_and_no_other() {
        let document = document();
        for (pointer, expected) in SCHEMA {
            let value = document.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is missing"));
            assert_eq!(kind(value), *expected, "{pointer}");
        }
        let mut found = Vec::new();
        pointers(&document, "", &mut found);
        let unknown: Vec<_> =
            found.iter().filter(|at| SCHEMA.iter().all(|(known, _)| known != at)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn another_reader_of_the_document_agrees() {
        let read: oci_spec::runtime::Features =
            serde_json::from_str(&Features::probe().to_json()).unwrap();
        assert_eq!(read.oci_version_max(), SPEC_VERSION);
        let linux = read.linux().as_ref().unwrap();
        assert_eq!(linux.namespaces().as_ref().unwrap().len(), NAMESPACES.len());
        assert!(linux.seccomp().as_ref().unwrap().enabled().unwrap());
    }

    #[test]
    fn capabilities_end_with_the_kernels_last() {
        assert_eq!(capabilities(2), ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"]);
        assert_eq!(capabilities(u32::MAX).len(), caps::all().len());
    }
}
