//! `linux.sysctl` (config-linux.md#sysctl): only what a namespace of the container's own holds.

use super::at::At;
use super::checks::{count, no_nul};
use super::{Problem, SpecError, limits};
use crate::spec::wire::{Entries, Text};
use crate::spec::{Namespaces, Sysctl};

/// In an ipc namespace, besides all of `fs.mqueue`.
const IPC_KEYS: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shm_rmid_forced",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
];

/// Sorted by key.
pub(super) fn read_sysctls(
    sysctls: Option<Entries<'_, Text<'_>>>,
    namespaces: &Namespaces,
    at: &At<'_>,
) -> Result<Vec<Sysctl>, SpecError> {
    let entries = sysctls.map(|entries| entries.0).unwrap_or_default();
    count(entries.len(), limits::MAX_SYSCTLS, at)?;
    let mut read: Vec<Sysctl> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let at = at.key(&key);
        check_key(&key, namespaces, &at)?;
        no_nul(&value, &at)?;
        let path = key.replace('.', "/");
        match read.binary_search_by(|other| other.path.cmp(&path)) {
            Ok(_) => return at.fail(Problem::Duplicate { value: key.to_string() }),
            Err(place) => read.insert(place, Sysctl { path, value: value.into_string() }),
        }
    }
    Ok(read)
}

fn check_key(key: &str, namespaces: &Namespaces, at: &At<'_>) -> Result<(), SpecError> {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
    };
    if !key.split('.').all(part) {
        let expected = "a sysctl's name in dotted form, such as `net.ipv4.ip_forward`";
        return at.fail(Problem::Malformed { value: key.to_owned(), expected });
    }
    let (namespace, what) = match key {
        _ if IPC_KEYS.contains(&key) || key.starts_with("fs.mqueue.") => {
            (&namespaces.ipc, "an ipc namespace in `linux.namespaces`")
        }
        _ if key.starts_with("net.") => {
            (&namespaces.network, "a network namespace in `linux.namespaces`")
        }
        _ if key.starts_with("user.") => {
            (&namespaces.user, "a user namespace in `linux.namespaces`")
        }
        "kernel.domainname" => (&namespaces.uts, "a uts namespace in `linux.namespaces`"),
        "kernel.hostname" => {
            return at.fail(Problem::Contradicts { what: "`hostname`, which sets the same" });
        }
        _ => {
            let why = "it belongs to no namespace, so it would change the host";
            return at.fail(Problem::Unsupported { value: key.to_owned(), why });
        }
    };
    if namespace.is_inherited() { at.fail(Problem::Needs { what }) } else { Ok(()) }
}
