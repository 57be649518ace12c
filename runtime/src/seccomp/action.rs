//! Actions as the kernel's `SECCOMP_RET_*` values.

use crate::spec::SeccompAction;

const KILL_PROCESS: u32 = 0x8000_0000;
const KILL_THREAD: u32 = 0;
const TRAP: u32 = 0x0003_0000;
const ERRNO: u32 = 0x0005_0000;
const USER_NOTIF: u32 = 0x7fc0_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;

/// Returns what a filter returns for `action`.
#[must_use]
pub const fn encode(action: SeccompAction) -> u32 {
    match action {
        SeccompAction::KillProcess => KILL_PROCESS,
        SeccompAction::KillThread => KILL_THREAD,
        SeccompAction::Trap => TRAP,
        SeccompAction::Errno(errno) => ERRNO | errno as u32,
        SeccompAction::Trace(value) => TRACE | value as u32,
        SeccompAction::Log => LOG,
        SeccompAction::Allow => ALLOW,
        SeccompAction::Notify => USER_NOTIF,
    }
}

/// Returns the action a filter's result stands for, or `None` for what no profile can say.
#[must_use]
pub fn decode(result: u32) -> Option<SeccompAction> {
    let data = u16::try_from(result & 0xffff).ok()?;
    match (result & 0xffff_0000, data) {
        (KILL_PROCESS, 0) => Some(SeccompAction::KillProcess),
        (KILL_THREAD, 0) => Some(SeccompAction::KillThread),
        (TRAP, 0) => Some(SeccompAction::Trap),
        (ERRNO, errno) => Some(SeccompAction::Errno(errno)),
        (TRACE, value) => Some(SeccompAction::Trace(value)),
        (LOG, 0) => Some(SeccompAction::Log),
        (ALLOW, 0) => Some(SeccompAction::Allow),
        (USER_NOTIF, 0) => Some(SeccompAction::Notify),
        _ => None,
    }
}
