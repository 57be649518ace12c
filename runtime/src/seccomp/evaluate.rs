//! What a profile means, said slowly: one call at a time, no table, no graph.
//!
//! [`super::compile()`] is held against this in tests and by the fuzzer.
//!
//! - The native architecture and the listed ones take part; any other kills the thread, and so does
//!   an x32 number where x32 isn't listed.
//! - A rule whose action is the default action says nothing.
//! - The first rule without conditions decides, wherever it stands among the conditional ones.
//! - Else the first alternative whose conditions hold, in order of precedence, which only matters if
//!   their actions differ.
//! - Else the default action; but `ENOSYS` for a call that is newer than all the profile names, unless
//!   the default action is to let calls through.

use crate::spec::{SeccompAction, SeccompArch, SeccompArg, SeccompCompare, SeccompProfile};

use super::arch::{self, Word};
use super::dispatch::BAD_ARCH;
use super::interpret::SeccompData;
use super::rules::{self, Alternative};
use super::table::{self, NEWEST_NUMBER};

/// Returns what `profile` says about a call on a machine of the architecture `native`.
#[must_use]
pub fn evaluate(
    profile: &SeccompProfile,
    native: SeccompArch,
    data: &SeccompData,
) -> SeccompAction {
    let Some(arch) = arch_of(profile, native, data) else { return BAD_ARCH };
    if arch == SeccompArch::X86_64 && data.number == u32::MAX {
        return profile.default_action;
    }
    let name = table::name_of(arch, data.number);
    let mut alternatives = Vec::new();
    for rule in profile.rules.iter().filter(|rule| rule.action != profile.default_action) {
        for called in &rule.names {
            let plain = (Some(called.as_str()) == name).then_some(None);
            let carried = arch::multiplexed(arch, called)
                .filter(|carried| Some(carried.through) == name)
                .map(|carried| Some(carried.selector));
            for selector in [carried, plain].into_iter().flatten() {
                for conditions in rules::alternatives(&rule.args, arch::word(arch)) {
                    let conditions = match selector {
                        Some(selector) => rules::selected(&conditions, selector),
                        None => conditions,
                    };
                    if conditions.is_empty() {
                        return rule.action;
                    }
                    alternatives.push(Alternative { conditions, action: rule.action });
                }
            }
        }
    }
    rules::sort_by_precedence(&mut alternatives, arch::word(arch));
    let decided = !alternatives.is_empty();
    let matching = alternatives.into_iter().find(|alternative| {
        alternative.conditions.iter().all(|condition| holds(*condition, data, arch::word(arch)))
    });
    match matching {
        Some(alternative) => alternative.action,
        None if decided => profile.default_action,
        None => unnamed(profile, native, arch, data.number),
    }
}

/// Returns the architecture of a call, if the filter has it.
fn arch_of(
    profile: &SeccompProfile,
    native: SeccompArch,
    data: &SeccompData,
) -> Option<SeccompArch> {
    let has = |arch| arch == native || profile.architectures.contains(&arch);
    if data.arch == arch::audit(SeccompArch::X86_64) {
        let x32 = data.number >= arch::X32_BIT;
        if has(SeccompArch::X32) && x32 {
            return Some(SeccompArch::X32);
        }
        // -1 is no x32 call, but one that a tracer skips.
        let skipped = data.number == u32::MAX && !has(SeccompArch::X32);
        return (has(SeccompArch::X86_64) && (!x32 || skipped)).then_some(SeccompArch::X86_64);
    }
    arch::ALL.iter().copied().find(|arch| arch::audit(*arch) == data.arch && has(*arch))
}

fn holds(condition: SeccompArg, data: &SeccompData, word: Word) -> bool {
    let SeccompArg { index, op, value, value_two } = condition;
    let Some(&given) = data.args.get(usize::from(index)) else { return false };
    let given = match word {
        Word::Bits32 => given & u64::from(u32::MAX),
        Word::Bits64 => given,
    };
    match op {
        SeccompCompare::NotEqual => given != value,
        SeccompCompare::Less => given < value,
        SeccompCompare::LessOrEqual => given <= value,
        SeccompCompare::Equal => given == value,
        SeccompCompare::GreaterOrEqual => given >= value,
        SeccompCompare::Greater => given > value,
        SeccompCompare::MaskedEqual => given & value == value_two & value,
    }
}

/// Returns what happens to a call the profile has no rule for.
fn unnamed(
    profile: &SeccompProfile,
    native: SeccompArch,
    arch: SeccompArch,
    number: u32,
) -> SeccompAction {
    let enosys = SeccompAction::Errno(arch::enosys(arch));
    let lenient = matches!(
        profile.default_action,
        SeccompAction::Allow | SeccompAction::Log | SeccompAction::Trace(_)
    ) || profile.default_action == SeccompAction::Errno(arch::enosys(native));
    let names = profile.rules.iter().flat_map(|rule| &rule.names);
    let newest = names.filter_map(|name| table::find(name)).map(|call| call.since).max();
    let Some(newest) = newest.filter(|_| !lenient) else { return profile.default_action };
    let call = table::calls(arch).find(|(of, _)| *of == number).map(|(_, call)| call);
    let newer = match call {
        Some(call) => call.since > newest,
        None if number == 0 => matches!(arch, SeccompArch::S390 | SeccompArch::S390x),
        None => number > arch::number_base(arch) + NEWEST_NUMBER,
    };
    if newer { enosys } else { profile.default_action }
}
