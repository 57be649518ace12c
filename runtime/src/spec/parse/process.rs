//! `process` (config.md#process).

use super::at::At;
use super::checks::{id, len, list, no_nul, non_empty, optional, range, required, word};
use super::scheduling::{read_affinity, read_io_priority, read_scheduler};
use super::{Context, Problem, SpecError, WarningReason, checks, limits};
use crate::spec::wire::{self, Text};
use crate::spec::{
    Capabilities, CapabilitySet, ConsoleSize, ContainerGid, ContainerUid, Process, Rlimit, User,
};

/// `process`, and the file of `exec --process`.
pub(super) fn read_process(
    process: wire::Process<'_>,
    at: &At<'_>,
    cx: &mut Context<'_>,
) -> Result<Process, SpecError> {
    let wire::Process {
        terminal,
        console_size,
        user,
        args,
        env,
        cwd,
        capabilities,
        rlimits,
        no_new_privileges,
        apparmor_profile,
        selinux_label,
        oom_score_adj,
        scheduler,
        io_priority,
        exec_cpu_affinity,
    } = process;
    let terminal = terminal.unwrap_or(false);
    let (args, env) = read_args_and_env(args, env, at)?;
    let capabilities = match capabilities {
        Some(wire) => Some(read_capabilities(wire, &at.field("capabilities"), cx)?),
        None => None,
    };
    Ok(Process {
        terminal,
        console_size: read_console_size(console_size, terminal, &at.field("consoleSize"), cx)?,
        user: read_user(user, &at.field("user"))?,
        args,
        env,
        cwd: read_cwd(cwd, &at.field("cwd"))?,
        capabilities,
        rlimits: read_rlimits(rlimits, &at.field("rlimits"))?,
        no_new_privileges: no_new_privileges.unwrap_or(false),
        apparmor_profile: optional(apparmor_profile, &at.field("apparmorProfile"))?,
        selinux_label: optional(selinux_label, &at.field("selinuxLabel"))?,
        oom_score_adj: match oom_score_adj {
            Some(score) => Some(range(score, -1000i32, 1000, &at.field("oomScoreAdj"))?),
            None => None,
        },
        scheduler: match scheduler {
            Some(wire) => Some(read_scheduler(wire, &at.field("scheduler"))?),
            None => None,
        },
        io_priority: match io_priority {
            Some(wire) => Some(read_io_priority(wire, &at.field("ioPriority"))?),
            None => None,
        },
        exec_cpu_affinity: read_affinity(exec_cpu_affinity, &at.field("execCPUAffinity"))?,
    })
}

fn read_console_size(
    size: Option<wire::ConsoleSize>,
    terminal: bool,
    at: &At<'_>,
    cx: &mut Context<'_>,
) -> Result<Option<ConsoleSize>, SpecError> {
    let Some(wire::ConsoleSize { height, width }) = size else { return Ok(None) };
    if !terminal {
        cx.warn(at, WarningReason::Ignored { why: "`terminal` is not true" });
        return Ok(None);
    }
    let (at_height, at_width) = (at.field("height"), at.field("width"));
    Ok(Some(ConsoleSize {
        height: range(required(height, &at_height)?, 0, u16::MAX, &at_height)?,
        width: range(required(width, &at_width)?, 0, u16::MAX, &at_width)?,
    }))
}

/// An absent `user` or id is 0, as for every tool that writes these files.
fn read_user(user: Option<wire::User>, at: &At<'_>) -> Result<User, SpecError> {
    let Some(wire::User { uid, gid, umask, additional_gids }) = user else {
        return Ok(User::default());
    };
    let at_gids = at.field("additionalGids");
    let gids = list(additional_gids, limits::MAX_GROUPS, &at_gids)?;
    let read_gid = |(index, gid)| id(gid, &at_gids.index(index)).map(ContainerGid);
    Ok(User {
        uid: ContainerUid(id(uid.unwrap_or(0), &at.field("uid"))?),
        gid: ContainerGid(id(gid.unwrap_or(0), &at.field("gid"))?),
        umask: match umask {
            Some(umask) => Some(range(umask, 0u32, 0o777, &at.field("umask"))?),
            None => None,
        },
        additional_gids: gids.into_iter().enumerate().map(read_gid).collect::<Result<_, _>>()?,
    })
}

fn read_cwd(cwd: Option<Text<'_>>, at: &At<'_>) -> Result<String, SpecError> {
    let cwd = required(cwd, at)?;
    non_empty(&cwd, at)?;
    checks::path(&cwd, at)?;
    match cwd.starts_with('/') {
        true => Ok(cwd.into_string()),
        false => at.fail(Problem::NotAbsolute { value: cwd.into_string() }),
    }
}

/// `args` and `env`, which share the kernel's limit.
fn read_args_and_env(
    args: Option<Vec<Text<'_>>>,
    env: Option<Vec<Text<'_>>>,
    at: &At<'_>,
) -> Result<(Vec<String>, Vec<String>), SpecError> {
    let (at_args, at_env) = (at.field("args"), at.field("env"));
    let args = required(args, &at_args)?;
    if args.is_empty() {
        return at_args.fail(Problem::Empty);
    }
    let env = env.unwrap_or_default();
    let (args, args_bytes) = read_strings(args, 0, &at_args)?;
    let (env, _) = read_strings(env, args_bytes, &at_env)?;
    let env = last_of_each_name(env, &at_env)?;
    Ok((args, env))
}

/// Strings as execve(2) takes them, and the bytes they need after the `used` ones.
pub(super) fn read_strings(
    texts: Vec<Text<'_>>,
    used: usize,
    at: &At<'_>,
) -> Result<(Vec<String>, usize), SpecError> {
    let mut strings = Vec::with_capacity(texts.len());
    let mut bytes = used;
    for (index, text) in texts.into_iter().enumerate() {
        let at_text = at.index(index);
        no_nul(&text, &at_text)?;
        len(&text, limits::MAX_ARG_BYTES, &at_text)?;
        bytes += text.len() + 1;
        if bytes > limits::MAX_ARGS_BYTES {
            return at.fail(Problem::TooLong { len: bytes, max: limits::MAX_ARGS_BYTES });
        }
        strings.push(text.into_string());
    }
    Ok((strings, bytes))
}

/// Drops all but the last of the variables that share a name; the order stays.
fn last_of_each_name(env: Vec<String>, at: &At<'_>) -> Result<Vec<String>, SpecError> {
    let mut names = std::collections::HashSet::with_capacity(env.len());
    let mut last = vec![false; env.len()];
    for (index, variable) in env.iter().enumerate().rev() {
        let name = match variable.split_once('=') {
            Some((name, _)) if !name.is_empty() => name,
            _ => {
                let expected = "`NAME=value`";
                let value = variable.clone();
                return at.index(index).fail(Problem::Malformed { value, expected });
            }
        };
        last[index] = names.insert(name);
    }
    Ok(env.into_iter().zip(last).filter_map(|(variable, last)| last.then_some(variable)).collect())
}

fn read_capabilities(
    capabilities: wire::Capabilities<'_>,
    at: &At<'_>,
    cx: &mut Context<'_>,
) -> Result<Capabilities, SpecError> {
    let wire::Capabilities { bounding, effective, inheritable, permitted, ambient } = capabilities;
    let (at_effective, at_ambient) = (at.field("effective"), at.field("ambient"));
    let mut sets = Capabilities {
        bounding: read_capability_set(bounding, &at.field("bounding"), cx)?,
        effective: read_capability_set(effective, &at_effective, cx)?,
        inheritable: read_capability_set(inheritable, &at.field("inheritable"), cx)?,
        permitted: read_capability_set(permitted, &at.field("permitted"), cx)?,
        ambient: read_capability_set(ambient, &at_ambient, cx)?,
    };
    // capset(2) refuses the first; prctl(2) refuses the second, of which runc only warns.
    if let Some(name) = first_capability(sets.effective.0 & !sets.permitted.0) {
        let why = "an effective capability must be permitted as well";
        return at_effective.fail(Problem::Unsupported { value: name, why });
    }
    let raisable = sets.permitted.0 & sets.inheritable.0;
    while let Some(name) = first_capability(sets.ambient.0 & !raisable) {
        sets.ambient.0 &= !capability_bit(&name).unwrap_or(u64::MAX);
        cx.warn(&at_ambient, WarningReason::AmbientNotRaised { name });
    }
    Ok(sets)
}

fn read_capability_set(
    names: Option<Vec<Text<'_>>>,
    at: &At<'_>,
    cx: &mut Context<'_>,
) -> Result<CapabilitySet, SpecError> {
    let mut set = CapabilitySet::default();
    let mut unknown = Vec::new();
    for name in list(names, limits::MAX_ENTRIES, at)? {
        match capability_bit(&name) {
            Some(bit) => set.0 |= bit,
            None => unknown.push(name.into_string()),
        }
    }
    if !unknown.is_empty() {
        unknown.sort_unstable();
        unknown.dedup();
        cx.warn(at, WarningReason::UnknownCapabilities { names: unknown });
    }
    Ok(set)
}

fn capability_bit(name: &str) -> Option<u64> {
    name.parse().ok().map(|capability: caps::Capability| capability.bitmask())
}

/// The name of the lowest capability in `bits`.
fn first_capability(bits: u64) -> Option<String> {
    let all = caps::all();
    let lowest = all.iter().filter(|cap| bits & cap.bitmask() != 0).min_by_key(|cap| cap.index());
    lowest.map(|capability| capability.to_string())
}

/// The numbers of getrlimit(2); those of MIPS, SPARC and Alpha differ and are not built for.
const RLIMITS: [(&str, u32); 16] = [
    ("RLIMIT_CPU", 0),
    ("RLIMIT_FSIZE", 1),
    ("RLIMIT_DATA", 2),
    ("RLIMIT_STACK", 3),
    ("RLIMIT_CORE", 4),
    ("RLIMIT_RSS", 5),
    ("RLIMIT_NPROC", 6),
    ("RLIMIT_NOFILE", 7),
    ("RLIMIT_MEMLOCK", 8),
    ("RLIMIT_AS", 9),
    ("RLIMIT_LOCKS", 10),
    ("RLIMIT_SIGPENDING", 11),
    ("RLIMIT_MSGQUEUE", 12),
    ("RLIMIT_NICE", 13),
    ("RLIMIT_RTPRIO", 14),
    ("RLIMIT_RTTIME", 15),
];

fn read_rlimits(
    rlimits: Option<Vec<wire::Rlimit<'_>>>,
    at: &At<'_>,
) -> Result<Vec<Rlimit>, SpecError> {
    let mut read: Vec<Rlimit> = Vec::new();
    for (index, wire) in rlimits.unwrap_or_default().into_iter().enumerate() {
        let at = at.index(index);
        let wire::Rlimit { r#type, soft, hard } = wire;
        let at_type = at.field("type");
        let name = required(r#type, &at_type)?;
        let resource = word(&name, &RLIMITS, "rlimit", &at_type)?;
        if read.iter().any(|other| other.resource == resource) {
            return at_type.fail(Problem::Duplicate { value: name.into_string() });
        }
        let hard = required(hard, &at.field("hard"))?;
        let at_soft = at.field("soft");
        let soft = range(required(soft, &at_soft)?, 0, hard, &at_soft)?;
        read.push(Rlimit { resource, soft, hard });
    }
    Ok(read)
}
