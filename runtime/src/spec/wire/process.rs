//! `process` (config.md#process), also the whole file of `exec --process`.

use serde::Deserialize;

use super::Text;

/// config.md#process
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct Process<'a> {
    pub(in crate::spec) terminal: Option<bool>,
    pub(in crate::spec) console_size: Option<ConsoleSize>,
    pub(in crate::spec) user: Option<User>,
    pub(in crate::spec) args: Option<Vec<Text<'a>>>,
    pub(in crate::spec) env: Option<Vec<Text<'a>>>,
    pub(in crate::spec) cwd: Option<Text<'a>>,
    pub(in crate::spec) capabilities: Option<Capabilities<'a>>,
    pub(in crate::spec) rlimits: Option<Vec<Rlimit<'a>>>,
    pub(in crate::spec) no_new_privileges: Option<bool>,
    pub(in crate::spec) apparmor_profile: Option<Text<'a>>,
    pub(in crate::spec) selinux_label: Option<Text<'a>>,
    pub(in crate::spec) oom_score_adj: Option<i64>,
    pub(in crate::spec) scheduler: Option<Scheduler<'a>>,
    pub(in crate::spec) io_priority: Option<IoPriority<'a>>,
    #[serde(rename = "execCPUAffinity")]
    pub(in crate::spec) exec_cpu_affinity: Option<ExecCpuAffinity<'a>>,
}

/// `process.consoleSize`
#[derive(Clone, Copy, Debug, Deserialize)]
pub(in crate::spec) struct ConsoleSize {
    pub(in crate::spec) height: Option<u64>,
    pub(in crate::spec) width: Option<u64>,
}

/// config.md#posix-platform-user
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::spec) struct User {
    pub(in crate::spec) uid: Option<u32>,
    pub(in crate::spec) gid: Option<u32>,
    pub(in crate::spec) umask: Option<u32>,
    pub(in crate::spec) additional_gids: Option<Vec<u32>>,
}

/// `process.capabilities`
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct Capabilities<'a> {
    pub(in crate::spec) bounding: Option<Vec<Text<'a>>>,
    pub(in crate::spec) effective: Option<Vec<Text<'a>>>,
    pub(in crate::spec) inheritable: Option<Vec<Text<'a>>>,
    pub(in crate::spec) permitted: Option<Vec<Text<'a>>>,
    pub(in crate::spec) ambient: Option<Vec<Text<'a>>>,
}

/// `process.rlimits[]`
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct Rlimit<'a> {
    pub(in crate::spec) r#type: Option<Text<'a>>,
    pub(in crate::spec) soft: Option<u64>,
    pub(in crate::spec) hard: Option<u64>,
}

/// `process.scheduler`
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct Scheduler<'a> {
    pub(in crate::spec) policy: Option<Text<'a>>,
    pub(in crate::spec) nice: Option<i32>,
    pub(in crate::spec) priority: Option<i32>,
    pub(in crate::spec) flags: Option<Vec<Text<'a>>>,
    pub(in crate::spec) runtime: Option<u64>,
    pub(in crate::spec) deadline: Option<u64>,
    pub(in crate::spec) period: Option<u64>,
}

/// `process.ioPriority`
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct IoPriority<'a> {
    pub(in crate::spec) class: Option<Text<'a>>,
    pub(in crate::spec) priority: Option<i32>,
}

/// `process.execCPUAffinity`
#[derive(Debug, Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct ExecCpuAffinity<'a> {
    pub(in crate::spec) initial: Option<Text<'a>>,
    pub(in crate::spec) r#final: Option<Text<'a>>,
}
