//! What of a specification's needs this host does not have, for `check`. What planning refuses by
//! itself is left to it.

use crate::journal::Level;
use crate::seccomp::features::{probe_supported_actions, probe_supported_flags};
use crate::spec::{ContainerSpec, Feature, LinuxVersion, Need};
use kernel::{file, identity, landlock};

/// Bytes of a file of procfs that is read for an answer.
const MAX_ANSWER: usize = 64 << 10;
/// `CAP_NET_ADMIN`.
const NET_ADMIN: u64 = 1 << 12;

/// Whether the host has a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Has,
    Lacks,
    /// Only the version of the kernel says so, and distributions carry features back.
    Older(LinuxVersion),
}

/// The needs of `spec` that this host does not meet, in the order of its properties.
pub(super) fn unmet(spec: &ContainerSpec) -> Vec<(Level, String)> {
    spec.needs().iter().filter_map(|need| finding(need, probe(need.feature))).collect()
}

fn finding(need: &Need, answer: Answer) -> Option<(Level, String)> {
    match answer {
        Answer::Has => None,
        Answer::Lacks => Some((Level::Error, format!("{need}, which this host does not have"))),
        Answer::Older(LinuxVersion { major, minor }) => {
            let text = format!("{need}, and this is Linux {major}.{minor}");
            Some((Level::Warning, text))
        }
    }
}

fn probe(feature: Feature) -> Answer {
    let exists = |path: &str| file::exists(file::CWD, path);
    let has = match feature {
        Feature::UserNamespaces => {
            exists("/proc/self/ns/user") && read("/proc/sys/user/max_user_namespaces").trim() != "0"
        }
        Feature::CgroupNamespaces => exists("/proc/self/ns/cgroup"),
        Feature::TimeNamespaces => exists("/proc/self/ns/time"),
        Feature::SeccompFilter => probe_supported_actions().next().is_some(),
        Feature::SeccompLogAndKillProcess => {
            let wanted = ["SCMP_ACT_LOG", "SCMP_ACT_KILL_PROCESS"];
            wanted.iter().all(|name| probe_supported_actions().any(|action| action == *name))
        }
        Feature::SeccompNotify => probe_supported_actions().any(|a| a == "SCMP_ACT_NOTIFY"),
        Feature::SeccompWaitKillable => {
            probe_supported_flags().any(|f| f == "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV")
        }
        Feature::Landlock => landlock::probe_abi().is_ok(),
        Feature::MoveNetworkDevices => {
            identity::capabilities().is_ok_and(|sets| sets.effective & NET_ADMIN != 0)
        }
        Feature::Systemd => exists("/run/systemd/system"),
        // Known by the version alone; cgroups, labels and resctrl are planning's to refuse.
        _ => return by_version(feature.since(), release(&read("/proc/sys/kernel/osrelease"))),
    };
    if has { Answer::Has } else { Answer::Lacks }
}

fn by_version(since: Option<LinuxVersion>, running: Option<LinuxVersion>) -> Answer {
    match (since, running) {
        (Some(since), Some(running)) if running < since => Answer::Older(running),
        _ => Answer::Has,
    }
}

/// The version in the text of `osrelease`: `6.1.0-13-amd64`.
fn release(text: &str) -> Option<LinuxVersion> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some(LinuxVersion { major: next()?, minor: next()? })
}

fn read(path: &str) -> String {
    let bytes = file::read_limited(file::CWD, path, MAX_ANSWER).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(major: u32, minor: u32) -> LinuxVersion {
        LinuxVersion { major, minor }
    }

    #[test]
    fn an_older_kernel_is_a_warning_and_a_missing_feature_an_error() {
        assert_eq!(release("6.1.0-13-amd64\n"), Some(version(6, 1)));
        assert_eq!(release("next"), None);
        let since = Feature::IdmappedMounts.since();
        assert_eq!(by_version(since, Some(version(5, 12))), Answer::Has);
        assert_eq!(by_version(since, None), Answer::Has);
        let need = Need { property: "mounts[0]".into(), feature: Feature::IdmappedMounts };
        let older = finding(&need, by_version(since, Some(version(5, 10)))).unwrap();
        let text = "`mounts[0]` needs id-mapped mounts (Linux 5.12), and this is Linux 5.10";
        assert_eq!(older, (Level::Warning, text.to_owned()));
        let lacking = finding(&need, Answer::Lacks).unwrap();
        assert_eq!(lacking.0, Level::Error);
        assert_eq!(finding(&need, Answer::Has), None);
    }

    #[test]
    fn a_systemd_is_there_or_not() {
        let is_there = std::path::Path::new("/run/systemd/system").exists();
        let expected = if is_there { Answer::Has } else { Answer::Lacks };
        assert_eq!(probe(Feature::Systemd), expected);
    }
}
