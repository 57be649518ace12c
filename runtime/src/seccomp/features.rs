//! What this kernel has of the words a profile may use: the rest of what `features` says of seccomp
//! is [`SeccompProfile`](crate::spec::SeccompProfile)'s to list.

use kernel::seccomp::{FilterFlags, probe_action, probe_flags};

use crate::spec::SeccompAction;

use super::action;

const ACTIONS: [(&str, SeccompAction); 9] = [
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

const FLAGS: [(&str, FilterFlags); 4] = [
    ("SECCOMP_FILTER_FLAG_LOG", FilterFlags::LOG),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", FilterFlags::SPEC_ALLOW),
    ("SECCOMP_FILTER_FLAG_TSYNC", FilterFlags::TSYNC),
    ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", FilterFlags::WAIT_KILLABLE_RECV),
];

/// Returns the actions that this kernel has, sorted.
pub fn probe_supported_actions() -> impl Iterator<Item = &'static str> {
    let supported = ACTIONS.iter().filter(|(_, action)| probe_action(action::encode(*action)));
    supported.map(|(name, _)| *name)
}

/// Returns the flags that this kernel has, sorted.
pub fn probe_supported_flags() -> impl Iterator<Item = &'static str> {
    let supported = probe_flags(FLAGS.iter().map(|(_, flag)| *flag).collect());
    FLAGS.iter().filter(move |(_, flag)| supported.contains(*flag)).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::SeccompProfile;

    #[test]
    fn every_known_word_can_be_probed() {
        let sorted = |words: Vec<&'static str>| {
            let mut words = words;
            words.sort_unstable();
            words
        };
        let known = sorted(SeccompProfile::known_actions().collect());
        assert_eq!(known, ACTIONS.map(|(name, _)| name));
        let known = sorted(SeccompProfile::known_flags().collect());
        assert_eq!(known, FLAGS.map(|(name, _)| name));
    }

    #[test]
    fn what_every_supported_kernel_has_is_found() {
        let actions: Vec<_> = probe_supported_actions().collect();
        for action in ["SCMP_ACT_ALLOW", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_LOG"] {
            assert!(actions.contains(&action), "{action}");
        }
        assert!(probe_supported_flags().any(|flag| flag == "SECCOMP_FILTER_FLAG_LOG"));
    }
}
