//! `runt state`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::lifecycle::ContainerView;

/// The state of a container as people and programs see it: fields and order are runc's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StateReport {
    /// `ociVersion` of the configuration.
    pub oci_version: String,
    /// The container.
    pub id: String,
    /// Its init process; 0 where there is none any more.
    pub pid: i32,
    /// `created`, `running`, `paused` or `stopped`.
    pub status: String,
    /// Directory of the bundle.
    pub bundle: String,
    /// Root file system.
    pub rootfs: String,
    /// RFC 3339, in UTC.
    pub created: String,
    /// Those of the configuration.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Whose state directory it is: a name, or `#` and the user id. Only `list` says.
    pub owner: String,
}

impl StateReport {
    /// Without the owner.
    pub(in super::super) fn of(view: &ContainerView) -> StateReport {
        let ContainerView { record, status, pid, owner: _ } = view;
        StateReport {
            oci_version: record.oci_version.clone(),
            id: record.id.clone(),
            pid: *pid,
            status: status.name().to_owned(),
            bundle: record.bundle.to_string_lossy().into_owned(),
            rootfs: record.rootfs.to_string_lossy().into_owned(),
            created: record.created.clone(),
            annotations: record.annotations.clone(),
            owner: String::new(),
        }
    }

    /// Indented by two spaces, without a newline at the end.
    pub(in super::super) fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings, a number and a map of strings")
    }
}

#[cfg(test)]
pub(super) fn example() -> StateReport {
    StateReport {
        oci_version: "1.2.0".to_owned(),
        id: "c1".to_owned(),
        pid: 42,
        status: "running".to_owned(),
        bundle: "/b".to_owned(),
        rootfs: "/b/rootfs".to_owned(),
        created: "2026-01-02T03:04:05.678Z".to_owned(),
        annotations: BTreeMap::new(),
        owner: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_printed_like_runcs() {
        let mut state = example();
        state.annotations.insert("k".to_owned(), "v".to_owned());
        assert_eq!(
            state.to_json(),
            r#"{
  "ociVersion": "1.2.0",
  "id": "c1",
  "pid": 42,
  "status": "running",
  "bundle": "/b",
  "rootfs": "/b/rootfs",
  "created": "2026-01-02T03:04:05.678Z",
  "annotations": {
    "k": "v"
  },
  "owner": ""
}"#
        );
    }
}
