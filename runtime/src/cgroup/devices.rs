//! The allowed device list: from rules to writes of version 1 or to an eBPF program of version 2.
//!
//! Rules apply in listed order and the last match wins, for each of read, write and mknod by
//! itself; what no rule matches is denied. A rule of type `a` that names numbers or a part of the
//! accesses means both kinds of device, not every device.

use std::fmt;

use kernel::bpf::Instruction;

use super::CgroupError;
use crate::spec::{DeviceAccess, DeviceNode, DeviceRule, DeviceRuleKind};

mod ebpf;
mod legacy;

pub use ebpf::compile;
pub(in crate::cgroup) use legacy::allow_list;
pub use legacy::plan_legacy;

const ALL: DeviceAccess = DeviceAccess { read: true, write: true, mknod: true };
const MKNOD: DeviceAccess = DeviceAccess { read: false, write: false, mknod: true };

/// What every container may use, appended after the config's rules: making any node, and the
/// devices of config-linux.md#default-devices with their terminals; `/dev/net/tun` is there for
/// those who rely on it since Docker's early days.
#[must_use]
pub fn default_rules(nodes: &[DeviceNode]) -> Vec<DeviceRule> {
    let rule = |kind, major, minor, access| DeviceRule { allow: true, kind, major, minor, access };
    let named = [
        ("/dev/null", 1, 3),
        ("/dev/random", 1, 8),
        ("/dev/full", 1, 7),
        ("/dev/tty", 5, 0),
        ("/dev/zero", 1, 5),
        ("/dev/urandom", 1, 9),
    ];
    let mut rules = vec![
        rule(DeviceRuleKind::Char, None, None, MKNOD),
        rule(DeviceRuleKind::Block, None, None, MKNOD),
    ];
    // A node of the config with the same path takes the default's place, and its rules hold.
    let replaced = |path| nodes.iter().any(|node| node.path.as_str() == path);
    for (path, major, minor) in named {
        if !replaced(path) {
            rules.push(rule(DeviceRuleKind::Char, Some(major), Some(minor), ALL));
        }
    }
    rules.push(rule(DeviceRuleKind::Char, Some(136), None, ALL));
    rules.push(rule(DeviceRuleKind::Char, Some(5), Some(2), ALL));
    rules.push(rule(DeviceRuleKind::Char, Some(10), Some(200), ALL));
    rules
}

/// How the kernel is told.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum DeviceFilter {
    /// Not at all: every device is allowed, or devices are not ours to filter.
    #[default]
    None,
    /// Files of the version 1 devices controller.
    Legacy {
        /// Index of the devices hierarchy into the plan's places.
        place: usize,
        /// In this order.
        writes: Vec<LegacyWrite>,
    },
    /// A program for the cgroup2 directory.
    Program(Vec<Instruction>),
}

/// One write to `devices.allow` or `devices.deny`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyWrite {
    /// Which of the two files.
    pub allow: bool,
    /// `c 1:3 rwm`, or `a` for everything.
    pub value: String,
}

impl LegacyWrite {
    /// Name of the control file.
    #[must_use]
    pub fn file(&self) -> &'static str {
        if self.allow { "devices.allow" } else { "devices.deny" }
    }
}

/// Whether `rules` let every access to every device through, so that no filter is needed.
#[must_use]
pub fn allow_everything(rules: &[DeviceRule]) -> bool {
    rules.iter().rev().find(|rule| !rule.allow || is_total(rule)).is_some_and(|rule| rule.allow)
}

/// Whether a failed load may be passed over: every rule only ever allows all accesses, so that
/// nothing of the config is lost but the denial of the rest.
#[must_use]
pub fn deny_nothing(rules: &[DeviceRule]) -> bool {
    rules.iter().all(|rule| rule.allow && rule.access == ALL)
}

/// Every device, every access.
fn is_total(rule: &DeviceRule) -> bool {
    rule.kind == DeviceRuleKind::All
        && rule.major.is_none()
        && rule.minor.is_none()
        && rule.access == ALL
}

/// `rule`, or the two it stands for when it is of type `a` and yet not about everything.
fn split_kinds(rule: &DeviceRule) -> impl Iterator<Item = DeviceRule> {
    let kinds: &[DeviceRuleKind] = match rule.kind {
        DeviceRuleKind::All if !is_total(rule) => &[DeviceRuleKind::Char, DeviceRuleKind::Block],
        DeviceRuleKind::All => &[DeviceRuleKind::All],
        DeviceRuleKind::Char => &[DeviceRuleKind::Char],
        DeviceRuleKind::Block => &[DeviceRuleKind::Block],
    };
    let rule = *rule;
    kinds.iter().map(move |kind| DeviceRule { kind: *kind, ..rule })
}

/// `1:3`, `*:*`.
struct Numbers(Option<u32>, Option<u32>);

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (before, number) in [("", self.0), (":", self.1)] {
            match number {
                Some(number) => write!(f, "{before}{number}")?,
                None => write!(f, "{before}*")?,
            }
        }
        Ok(())
    }
}

/// `rwm`, in this order.
struct Letters(DeviceAccess);

impl fmt::Display for Letters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [(self.0.read, "r"), (self.0.write, "w"), (self.0.mknod, "m")];
        letters.iter().filter(|(on, _)| *on).try_for_each(|(_, letter)| f.write_str(letter))
    }
}

/// `rwm`, in this order.
pub(in crate::cgroup) fn letters(access: DeviceAccess) -> String {
    Letters(access).to_string()
}

/// The rule as the devices controller prints it.
fn rule_text(rule: &DeviceRule) -> String {
    let kind = match rule.kind {
        DeviceRuleKind::All => "a",
        DeviceRuleKind::Char => "c",
        DeviceRuleKind::Block => "b",
    };
    format!("{kind} {} {}", Numbers(rule.major, rule.minor), Letters(rule.access))
}

/// What the rules cannot be turned into.
fn refuse(rule: &DeviceRule, why: &str) -> CgroupError {
    CgroupError::Refused {
        property: format!("linux.resources.devices: {}", rule_text(rule)),
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests;
