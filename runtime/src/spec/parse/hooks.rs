//! `hooks` (config.md#posix-platform-hooks).

use std::time::Duration;

use super::at::At;
use super::checks::{absolute, list, range, required};
use super::process::read_strings;
use super::{SpecError, limits};
use crate::spec::wire;
use crate::spec::{Hook, Hooks};

/// All six lists, each in listed order.
pub(super) fn read_hooks(hooks: Option<wire::Hooks<'_>>, at: &At<'_>) -> Result<Hooks, SpecError> {
    let Some(wire::Hooks {
        prestart,
        create_runtime,
        create_container,
        start_container,
        poststart,
        poststop,
    }) = hooks
    else {
        return Ok(Hooks::default());
    };
    Ok(Hooks {
        prestart: read_list(prestart, &at.field("prestart"))?,
        create_runtime: read_list(create_runtime, &at.field("createRuntime"))?,
        create_container: read_list(create_container, &at.field("createContainer"))?,
        start_container: read_list(start_container, &at.field("startContainer"))?,
        poststart: read_list(poststart, &at.field("poststart"))?,
        poststop: read_list(poststop, &at.field("poststop"))?,
    })
}

fn read_list(hooks: Option<Vec<wire::Hook<'_>>>, at: &At<'_>) -> Result<Vec<Hook>, SpecError> {
    let hooks = list(hooks, limits::MAX_HOOKS, at)?;
    hooks.into_iter().enumerate().map(|(index, hook)| read_hook(hook, &at.index(index))).collect()
}

fn read_hook(hook: wire::Hook<'_>, at: &At<'_>) -> Result<Hook, SpecError> {
    let wire::Hook { path, args, env, timeout } = hook;
    let at_path = at.field("path");
    let (args, used) = read_strings(args.unwrap_or_default(), 0, &at.field("args"))?;
    let (env, _) = read_strings(env.unwrap_or_default(), used, &at.field("env"))?;
    let timeout = match timeout {
        Some(seconds) => Some(range(seconds, 1u64, i32::MAX as u64, &at.field("timeout"))?),
        None => None,
    };
    Ok(Hook {
        path: absolute(required(path, &at_path)?, &at_path)?,
        args,
        env,
        timeout: timeout.map(Duration::from_secs),
    })
}
