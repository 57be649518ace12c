//! What `features` says of seccomp: the names a profile may use.

use std::collections::BTreeSet;

use kernel::seccomp::{FilterFlags, probe_action, probe_flags};

use crate::spec::SeccompAction;

use super::action;
use super::arch;

/// Operators of argument conditions, sorted.
pub const OPERATORS: &[&str] = &[
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_LE",
    "SCMP_CMP_LT",
    "SCMP_CMP_MASKED_EQ",
    "SCMP_CMP_NE",
];

/// Actions by name, sorted.
const ACTIONS: &[(&str, SeccompAction)] = &[
    ("SCMP_ACT_ALLOW", SeccompAction::Allow),
    ("SCMP_ACT_ERRNO", SeccompAction::Errno(0)),
    ("SCMP_ACT_KILL", SeccompAction::KillThread),
    ("SCMP_ACT_KILL_PROCESS", SeccompAction::KillProcess),
    ("SCMP_ACT_KILL_THREAD", SeccompAction::KillThread),
    ("SCMP_ACT_LOG", SeccompAction::Log),
    ("SCMP_ACT_NOTIFY", SeccompAction::Notify),
    ("SCMP_ACT_TRACE", SeccompAction::Trace(0)),
    ("SCMP_ACT_TRAP", SeccompAction::Trap),
];

/// Flags by name, sorted.
const FLAGS: &[(&str, FilterFlags)] = &[
    ("SECCOMP_FILTER_FLAG_LOG", FilterFlags::LOG),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", FilterFlags::SPEC_ALLOW),
    ("SECCOMP_FILTER_FLAG_TSYNC", FilterFlags::TSYNC),
    ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", FilterFlags::WAIT_KILLABLE_RECV),
];

/// Returns the actions a profile may name, sorted.
pub fn known_actions() -> impl Iterator<Item = &'static str> {
    ACTIONS.iter().map(|(name, _)| *name)
}

/// Returns the architectures a profile may name, sorted.
#[must_use]
pub fn known_archs() -> BTreeSet<&'static str> {
    arch::ALL.iter().map(|arch| arch::name(*arch)).collect()
}

/// Returns the flags a profile may name, sorted.
pub fn known_flags() -> impl Iterator<Item = &'static str> {
    FLAGS.iter().map(|(name, _)| *name)
}

/// Returns the known actions that this kernel has, sorted.
pub fn probe_supported_actions() -> impl Iterator<Item = &'static str> {
    let supported = ACTIONS.iter().filter(|(_, action)| probe_action(action::encode(*action)));
    supported.map(|(name, _)| *name)
}

/// Returns the known flags that this kernel has, sorted.
pub fn probe_supported_flags() -> impl Iterator<Item = &'static str> {
    let supported = probe_flags(FLAGS.iter().map(|(_, flag)| *flag).collect());
    FLAGS.iter().filter(move |(_, flag)| supported.contains(*flag)).map(|(name, _)| *name)
}
