//! `linux.seccomp` (config-linux.md#seccomp).

use serde::Deserialize;

use super::Text;

/// `linux.seccomp`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct Seccomp<'a> {
    pub(in crate::spec) default_action: Option<Text<'a>>,
    pub(in crate::spec) default_errno_ret: Option<u32>,
    pub(in crate::spec) architectures: Option<Vec<Text<'a>>>,
    pub(in crate::spec) flags: Option<Vec<Text<'a>>>,
    pub(in crate::spec) listener_path: Option<Text<'a>>,
    pub(in crate::spec) listener_metadata: Option<Text<'a>>,
    pub(in crate::spec) syscalls: Option<Vec<Syscall<'a>>>,
}

/// `linux.seccomp.syscalls[]`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct Syscall<'a> {
    pub(in crate::spec) names: Option<Vec<Text<'a>>>,
    pub(in crate::spec) action: Option<Text<'a>>,
    pub(in crate::spec) errno_ret: Option<u32>,
    pub(in crate::spec) args: Option<Vec<SyscallArg<'a>>>,
}

/// `linux.seccomp.syscalls[].args[]`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(in crate::spec) struct SyscallArg<'a> {
    pub(in crate::spec) index: Option<u32>,
    pub(in crate::spec) value: Option<u64>,
    pub(in crate::spec) value_two: Option<u64>,
    pub(in crate::spec) op: Option<Text<'a>>,
}
