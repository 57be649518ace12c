//! A network namespace made ahead of the process that gets it.
//!
//! It is two thirds of what clone3(2) with a usual container's namespaces costs, and nothing that
//! comes before the clone needs it. So another process makes it while this one reads and
//! checks the configuration.

use crate::plan::Plan;
use kernel::beside::NewNetwork;
use kernel::process::CloneFlags;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::os::fd::OwnedFd;

/// A namespace under way. Dropped, it is waited for.
#[derive(Default)]
pub(super) struct NetworkAhead(Option<NewNetwork>);

impl NetworkAhead {
    /// Begins, where `config` looks as if it asked for one. Nothing is checked here: whatever
    /// fails is left to the clone, which then makes the namespace and says what is wrong.
    pub(super) fn begin(config: &[u8]) -> NetworkAhead {
        NetworkAhead(wants_network(config).then(NewNetwork::begin).and_then(Result::ok))
    }

    /// What is left of it where the namespace can't stand for the one that `plan` makes: nothing.
    pub(super) fn for_plan(self, plan: &Plan) -> NetworkAhead {
        if takes_network(plan) { self } else { NetworkAhead::default() }
    }

    /// Whether [`finish`](Self::finish) may give one.
    pub(super) fn is_under_way(&self) -> bool {
        self.0.is_some()
    }

    /// Waits for the process that makes it.
    pub(super) fn settle(&mut self) {
        if let Some(network) = &mut self.0 {
            network.settle();
        }
    }

    /// The namespace, its loopback device up, if there is one.
    pub(super) fn finish(self) -> Option<OwnedFd> {
        self.0?.finish()
    }
}

/// Whether no user namespace is to own it, and nobody looks for it before the container's process is
/// in it.
fn takes_network(plan: &Plan) -> bool {
    plan.new_namespaces.contains(CloneFlags::NEWNET)
        && !plan.new_namespaces.contains(CloneFlags::NEWUSER)
        && plan.stage.is_none()
        && plan.runtime.net_devices.is_empty()
}

const NETWORK: &[u8] = b"\"network\"";

/// As much of a configuration as decides.
#[derive(Deserialize)]
struct Config<'a> {
    #[serde(borrow)]
    linux: Option<Linux<'a>>,
}

#[derive(Deserialize)]
struct Linux<'a> {
    #[serde(borrow)]
    namespaces: Option<Vec<Namespace<'a>>>,
    /// They are moved by the runtime, as soon as the container has a process.
    #[serde(rename = "netDevices")]
    net_devices: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Namespace<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    path: Option<&'a str>,
}

/// Whether it asks for a new network namespace that belongs to the runtime's user namespace.
#[must_use]
pub fn wants_network(config: &[u8]) -> bool {
    // Most that have none need no second reader to see it.
    if !config.windows(NETWORK.len()).any(|word| word == NETWORK) {
        return false;
    }
    let config: Option<Config<'_>> = serde_json::from_slice(config).ok();
    let linux = config.and_then(|config| config.linux).filter(|linux| linux.net_devices.is_none());
    let namespaces = linux.and_then(|linux| linux.namespaces).unwrap_or_default();
    let is_new = |one: &Namespace<'_>| one.path.is_none_or(str::is_empty);
    namespaces.iter().any(|one| one.kind == "network" && is_new(one))
        && namespaces.iter().all(|one| one.kind != "user")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_clone_would_make_alike_is_made_ahead() {
        let wants = |namespaces: &str| {
            wants_network(format!(r#"{{"linux":{{"namespaces":[{namespaces}]}}}}"#).as_bytes())
        };
        assert!(wants(r#"{"type":"pid"},{"type":"network"}"#));
        assert!(wants(r#"{"type":"network","path":""}"#));
        assert!(!wants(r#"{"type":"network","path":"/run/netns/x"}"#));
        assert!(!wants(r#"{"type":"network"},{"type":"user"}"#));
        assert!(!wants(r#"{"type":"pid"}"#));
        assert!(!wants(r#"{"type":"network"}],"netDevices":{"eth1":{}},"x":["#));
        assert!(!wants_network(br#"{"linux":{}}"#));
        assert!(!wants_network(b"\"network\""));
    }

    #[test]
    fn none_is_made_for_a_configuration_without_the_word() {
        assert!(NetworkAhead::begin(br#"{"linux":{}}"#).0.is_none());
    }
}
