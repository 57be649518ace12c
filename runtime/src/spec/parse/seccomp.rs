//! `linux.seccomp` (config-linux.md#seccomp).

use super::at::At;
use super::checks::{absolute, list, no_nul, non_empty, optional, range, required, word};
use super::{Context, Problem, SpecError, WarningReason, limits};
use crate::spec::wire::{self, Text};
use crate::spec::{
    SeccompAction, SeccompArch, SeccompArg, SeccompCompare, SeccompProfile, SeccompRule,
};

/// The kernel's `MAX_ERRNO`: seccomp(2) caps larger ones.
const MAX_ERRNO: u16 = 4095;

/// What an `errnoRet` is where none is given.
const EPERM: u16 = 1;

/// Arguments of a system call.
const SYSCALL_ARGS: u8 = 6;

/// The action words; `Errno` and `Trace` stand for any number.
const ACTIONS: [(&str, SeccompAction); 9] = [
    ("SCMP_ACT_KILL", SeccompAction::KillThread),
    ("SCMP_ACT_KILL_PROCESS", SeccompAction::KillProcess),
    ("SCMP_ACT_KILL_THREAD", SeccompAction::KillThread),
    ("SCMP_ACT_TRAP", SeccompAction::Trap),
    ("SCMP_ACT_ERRNO", SeccompAction::Errno(EPERM)),
    ("SCMP_ACT_TRACE", SeccompAction::Trace(EPERM)),
    ("SCMP_ACT_ALLOW", SeccompAction::Allow),
    ("SCMP_ACT_LOG", SeccompAction::Log),
    ("SCMP_ACT_NOTIFY", SeccompAction::Notify),
];

const ARCHITECTURES: [(&str, SeccompArch); 23] = [
    ("SCMP_ARCH_X86", SeccompArch::X86),
    ("SCMP_ARCH_X86_64", SeccompArch::X86_64),
    ("SCMP_ARCH_X32", SeccompArch::X32),
    ("SCMP_ARCH_ARM", SeccompArch::Arm),
    ("SCMP_ARCH_AARCH64", SeccompArch::Aarch64),
    ("SCMP_ARCH_MIPS", SeccompArch::Mips),
    ("SCMP_ARCH_MIPS64", SeccompArch::Mips64),
    ("SCMP_ARCH_MIPS64N32", SeccompArch::Mips64n32),
    ("SCMP_ARCH_MIPSEL", SeccompArch::Mipsel),
    ("SCMP_ARCH_MIPSEL64", SeccompArch::Mipsel64),
    ("SCMP_ARCH_MIPSEL64N32", SeccompArch::Mipsel64n32),
    ("SCMP_ARCH_PPC", SeccompArch::Ppc),
    ("SCMP_ARCH_PPC64", SeccompArch::Ppc64),
    ("SCMP_ARCH_PPC64LE", SeccompArch::Ppc64le),
    ("SCMP_ARCH_S390", SeccompArch::S390),
    ("SCMP_ARCH_S390X", SeccompArch::S390x),
    ("SCMP_ARCH_PARISC", SeccompArch::Parisc),
    ("SCMP_ARCH_PARISC64", SeccompArch::Parisc64),
    ("SCMP_ARCH_RISCV64", SeccompArch::Riscv64),
    ("SCMP_ARCH_LOONGARCH64", SeccompArch::Loongarch64),
    ("SCMP_ARCH_M68K", SeccompArch::M68k),
    ("SCMP_ARCH_SH", SeccompArch::Sh),
    ("SCMP_ARCH_SHEB", SeccompArch::Sheb),
];

/// `SECCOMP_FILTER_FLAG_*` bits. The filter is loaded while the process has one thread, so every
/// thread has it, which is all TSYNC asks for.
const FLAGS: [(&str, u64); 4] = [
    ("SECCOMP_FILTER_FLAG_TSYNC", 0),
    ("SECCOMP_FILTER_FLAG_LOG", 1 << 1),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", FLAG_SPEC_ALLOW),
    ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", FLAG_WAIT_KILLABLE_RECV),
];

/// What `flags` is where the property is absent, as for runc.
const FLAG_SPEC_ALLOW: u64 = 1 << 2;

/// The kernel refuses it for a filter without a listener.
const FLAG_WAIT_KILLABLE_RECV: u64 = 1 << 5;

const OPERATORS: [(&str, SeccompCompare); 7] = [
    ("SCMP_CMP_NE", SeccompCompare::NotEqual),
    ("SCMP_CMP_LT", SeccompCompare::Less),
    ("SCMP_CMP_LE", SeccompCompare::LessOrEqual),
    ("SCMP_CMP_EQ", SeccompCompare::Equal),
    ("SCMP_CMP_GE", SeccompCompare::GreaterOrEqual),
    ("SCMP_CMP_GT", SeccompCompare::Greater),
    ("SCMP_CMP_MASKED_EQ", SeccompCompare::MaskedEqual),
];

/// The words `features` lists.
impl SeccompProfile {
    /// `SCMP_ACT_*`
    pub fn known_actions() -> impl Iterator<Item = &'static str> {
        ACTIONS.iter().map(|(name, _)| *name)
    }

    /// `SCMP_CMP_*`
    pub fn known_operators() -> impl Iterator<Item = &'static str> {
        OPERATORS.iter().map(|(name, _)| *name)
    }

    /// `SCMP_ARCH_*`
    pub fn known_architectures() -> impl Iterator<Item = (&'static str, SeccompArch)> {
        ARCHITECTURES.iter().copied()
    }

    /// `SECCOMP_FILTER_FLAG_*`
    pub fn known_flags() -> impl Iterator<Item = &'static str> {
        FLAGS.iter().map(|(name, _)| *name)
    }
}

/// `linux.seccomp`.
pub(super) fn read_seccomp(
    seccomp: wire::Seccomp<'_>,
    at: &At<'_>,
    cx: &mut Context<'_>,
) -> Result<SeccompProfile, SpecError> {
    let wire::Seccomp {
        default_action,
        default_errno_ret,
        architectures,
        flags,
        listener_path,
        listener_metadata,
        syscalls,
    } = seccomp;
    let at_default = at.field("defaultAction");
    let at_errno = at.field("defaultErrnoRet");
    let default_action = read_action(default_action, default_errno_ret, &at_default, &at_errno)?;
    if default_action == SeccompAction::Notify {
        let why = "the runtime itself would wait for the answer";
        return at_default.fail(Problem::Unsupported { value: "SCMP_ACT_NOTIFY".to_owned(), why });
    }
    let rules = read_rules(syscalls, &at.field("syscalls"))?;
    let notifies = rules.iter().any(|rule| rule.action == SeccompAction::Notify);
    let (listener_path, listener_metadata) =
        read_listener(listener_path, listener_metadata, notifies, at, cx)?;
    Ok(SeccompProfile {
        default_action,
        architectures: read_architectures(architectures, &at.field("architectures"))?,
        flags: read_flags(flags, notifies, &at.field("flags"), cx)?,
        listener_path,
        listener_metadata,
        rules,
    })
}

fn read_action(
    action: Option<Text<'_>>,
    errno: Option<u32>,
    at: &At<'_>,
    at_errno: &At<'_>,
) -> Result<SeccompAction, SpecError> {
    let name = required(action, at)?;
    let action = word(&name, &ACTIONS, "seccomp action", at)?;
    let Some(errno) = errno else { return Ok(action) };
    match action {
        SeccompAction::Errno(_) => range(errno, 0, MAX_ERRNO, at_errno).map(SeccompAction::Errno),
        SeccompAction::Trace(_) => range(errno, 0, u16::MAX, at_errno).map(SeccompAction::Trace),
        _ => at_errno.fail(Problem::Needs { what: "`SCMP_ACT_ERRNO` or `SCMP_ACT_TRACE`" }),
    }
}

fn read_architectures(
    names: Option<Vec<Text<'_>>>,
    at: &At<'_>,
) -> Result<Vec<SeccompArch>, SpecError> {
    let mut read = Vec::new();
    for (index, name) in names.unwrap_or_default().iter().enumerate() {
        let arch = word(name, &ARCHITECTURES, "seccomp architecture", &at.index(index))?;
        if !read.contains(&arch) {
            read.push(arch);
        }
    }
    Ok(read)
}

fn read_flags(
    names: Option<Vec<Text<'_>>>,
    notifies: bool,
    at: &At<'_>,
    cx: &mut Context<'_>,
) -> Result<u64, SpecError> {
    let Some(names) = names else { return Ok(FLAG_SPEC_ALLOW) };
    let names = names.iter().enumerate();
    let mut bits = 0;
    for (index, name) in names {
        bits |= word(name, &FLAGS, "seccomp flag", &at.index(index))?;
    }
    if bits & FLAG_WAIT_KILLABLE_RECV != 0 && !notifies {
        let value = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV".to_owned();
        cx.warn(at, WarningReason::IgnoredValue { value, why: NO_NOTIFY });
        bits &= !FLAG_WAIT_KILLABLE_RECV;
    }
    Ok(bits)
}

const NO_NOTIFY: &str = "no rule has the action `SCMP_ACT_NOTIFY`";

type Listener = (Option<std::path::PathBuf>, Option<String>);

fn read_listener(
    path: Option<Text<'_>>,
    metadata: Option<Text<'_>>,
    notifies: bool,
    at: &At<'_>,
    cx: &mut Context<'_>,
) -> Result<Listener, SpecError> {
    let (at_path, at_metadata) = (at.field("listenerPath"), at.field("listenerMetadata"));
    let path = match path.filter(|path| !path.is_empty()) {
        Some(path) => Some(absolute(path, &at_path)?),
        None => None,
    };
    let metadata = optional(metadata, &at_metadata)?;
    match &path {
        None if metadata.is_some() => at_metadata.fail(Problem::Needs { what: "`listenerPath`" }),
        None if notifies => at_path.fail(Problem::Missing),
        Some(_) if !notifies => {
            cx.warn(&at_path, WarningReason::Ignored { why: NO_NOTIFY });
            Ok((None, None))
        }
        _ => Ok((path, metadata)),
    }
}

fn read_rules(
    syscalls: Option<Vec<wire::Syscall<'_>>>,
    at: &At<'_>,
) -> Result<Vec<SeccompRule>, SpecError> {
    let syscalls = list(syscalls, limits::MAX_SECCOMP_RULES, at)?;
    let mut rules = Vec::with_capacity(syscalls.len());
    let mut names = 0;
    for (index, syscall) in syscalls.into_iter().enumerate() {
        let rule = read_rule(syscall, &at.index(index))?;
        names += rule.names.len();
        if names > limits::MAX_SECCOMP_NAMES {
            return at.fail(Problem::TooMany { count: names, max: limits::MAX_SECCOMP_NAMES });
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn read_rule(syscall: wire::Syscall<'_>, at: &At<'_>) -> Result<SeccompRule, SpecError> {
    let wire::Syscall { names, action, errno_ret, args } = syscall;
    let action = read_action(action, errno_ret, &at.field("action"), &at.field("errnoRet"))?;
    let at_names = at.field("names");
    let names = required(names, &at_names)?;
    if names.is_empty() {
        return at_names.fail(Problem::Empty);
    }
    for (index, name) in names.iter().enumerate() {
        let at_name = at_names.index(index);
        non_empty(name, &at_name)?;
        no_nul(name, &at_name)?;
        if action == SeccompAction::Notify && &**name == "write" {
            let why = "SCMP_ACT_NOTIFY cannot be used for the write syscall: the runtime itself would \
                       wait for the answer";
            return at_name.fail(Problem::Unsupported { value: name.to_string(), why });
        }
    }
    let at_args = at.field("args");
    let args = list(args, limits::MAX_SECCOMP_ARGS, &at_args)?.into_iter().enumerate();
    Ok(SeccompRule {
        names: names.into_iter().map(Text::into_string).collect(),
        action,
        args: args
            .map(|(index, arg)| read_arg(arg, &at_args.index(index)))
            .collect::<Result<_, _>>()?,
    })
}

fn read_arg(arg: wire::SyscallArg<'_>, at: &At<'_>) -> Result<SeccompArg, SpecError> {
    let wire::SyscallArg { index, value, value_two, op } = arg;
    let (at_index, at_op) = (at.field("index"), at.field("op"));
    let op = word(&required(op, &at_op)?, &OPERATORS, "seccomp operator", &at_op)?;
    Ok(SeccompArg {
        index: range(required(index, &at_index)?, 0, SYSCALL_ARGS - 1, &at_index)?,
        op,
        value: required(value, &at.field("value"))?,
        // The other operators compare with one value; profiles carry a second one all the same.
        value_two: match op {
            SeccompCompare::MaskedEqual => value_two.unwrap_or(0),
            _ => 0,
        },
    })
}
