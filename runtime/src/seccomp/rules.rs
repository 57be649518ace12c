//! What the rules of a profile mean for each system call: libseccomp's reading, as runc uses it.
//!
//! - A rule whose action is the default action says nothing and is left out.
//! - The first rule without conditions decides, whatever conditional rules stand before or after it.
//!   Conditions that always hold (a mask of 0) are no conditions.
//! - Conditional rules with one action are alternatives. With several actions the one that is
//!   tried first is the one libseccomp's tree has in front, see [`sort_by_precedence`].
//! - A rule with two conditions on one argument is one rule for each of its conditions.
//! - socketcall(2) and ipc(2) are filtered along with the calls they carry; of those only the
//!   selector can be seen, so a condition on the first argument is lost there.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::spec::{SeccompAction, SeccompArch, SeccompArg, SeccompCompare, SeccompProfile};

use super::arch::{self, Word};
use super::conditions::ARGUMENTS;
use super::table::{self, Call, KernelVersion, NEWEST_NUMBER, PRIVATE_MARK};
use super::table_data::N;

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Always the same.
    Always(SeccompAction),
    /// The action of the first whose conditions hold, else the default action.
    FirstOf(Vec<Alternative>),
}

/// Conditions that must all hold, and what happens then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alternative {
    /// By argument index, one for an argument.
    pub(super) conditions: Vec<SeccompArg>,
    pub(super) action: SeccompAction,
}

/// The calls a profile decides on one architecture, by number.
pub(super) type Verdicts = Vec<(u32, Verdict)>;

/// Returns the verdicts of `profile` on `arch`, sorted by number.
///
/// A number without one gets the default action, or, above the newest one all architectures have in
/// common, what a call gets that is newer than the profile.
/// Calls that are newer than the profile get `ENOSYS`, so that programs fall back to what the
/// profile's author knew, unless the default action lets them through or already is `ENOSYS`.
pub(super) fn verdicts(profile: &Names<'_>, arch: SeccompArch) -> Verdicts {
    let word = arch::word(arch);
    let mut slots = Slots::new(arch);
    for rule in &profile.rules {
        let alternatives = match word {
            Word::Bits32 => &rule.alternatives_32,
            Word::Bits64 => &rule.alternatives_64,
        };
        for call in &rule.calls {
            let through = arch::multiplexed(arch, call.name);
            if let Some((carrier, through)) =
                through.and_then(|through| Some((table::find(through.through)?, through)))
                && let Some(slot) = slots.slot(carrier)
            {
                for conditions in alternatives {
                    slot.add(&selected(conditions, through.selector), rule.action);
                }
            }
            if let Some(slot) = slots.slot(call) {
                for conditions in alternatives {
                    slot.add(conditions, rule.action);
                }
            }
        }
    }
    slots.finish(profile.newest, profile.default_action)
}

/// A profile with its names looked up.
pub(super) struct Names<'a> {
    rules: Vec<NamedRule>,
    /// The release that brought the newest call the profile names; `None` if calls that are newer
    /// than the profile aren't to be told apart.
    pub(super) newest: Option<KernelVersion>,
    pub(super) default_action: SeccompAction,
    /// Names that are no call on any architecture, sorted.
    pub(super) unknown: Vec<&'a str>,
}

struct NamedRule {
    calls: Vec<&'static Call>,
    action: SeccompAction,
    alternatives_32: Vec<Vec<SeccompArg>>,
    alternatives_64: Vec<Vec<SeccompArg>>,
}

impl<'a> Names<'a> {
    pub(super) fn look_up(profile: &'a SeccompProfile, native: SeccompArch) -> Self {
        let mut rules = Vec::with_capacity(profile.rules.len());
        let mut newest = None;
        let mut unknown = Vec::new();
        for rule in &profile.rules {
            let mut calls = Vec::with_capacity(rule.names.len());
            for name in &rule.names {
                match table::find(name) {
                    Some(call) => {
                        newest = newest.max(Some(call.since));
                        calls.push(call);
                    }
                    None => unknown.push(name.as_str()),
                }
            }
            if rule.action == profile.default_action {
                continue;
            }
            rules.push(NamedRule {
                calls,
                action: rule.action,
                alternatives_32: alternatives(&rule.args, Word::Bits32),
                alternatives_64: alternatives(&rule.args, Word::Bits64),
            });
        }
        unknown.sort_unstable();
        unknown.dedup();
        let newest = newest.filter(|_| hides_newer_calls(profile.default_action, native));
        Self { rules, newest, default_action: profile.default_action, unknown }
    }
}

/// Whether programs would see something worse than `ENOSYS` for a call that the profile is too old
/// to know.
fn hides_newer_calls(default_action: SeccompAction, native: SeccompArch) -> bool {
    match default_action {
        // A tracer is expected to answer for new calls itself.
        SeccompAction::Allow | SeccompAction::Log | SeccompAction::Trace(_) => false,
        SeccompAction::Errno(errno) => errno != arch::enosys(native),
        SeccompAction::KillThread
        | SeccompAction::KillProcess
        | SeccompAction::Trap
        | SeccompAction::Notify => true,
    }
}

/// Splits a rule's conditions into lists that must hold as a whole; an empty list always holds.
///
/// On 32-bit architectures the upper half of a value is dropped, as of the argument.
pub(super) fn alternatives(args: &[SeccompArg], word: Word) -> Vec<Vec<SeccompArg>> {
    let mut seen = [false; ARGUMENTS as usize];
    let repeated = args.iter().any(|arg| match seen.get_mut(usize::from(arg.index)) {
        Some(seen) => std::mem::replace(seen, true),
        None => false,
    });
    let needed = |arg: &SeccompArg| condition(*arg, word);
    if repeated {
        return args.iter().map(|arg| needed(arg).into_iter().collect()).collect();
    }
    let mut all: Vec<SeccompArg> = args.iter().filter_map(needed).collect();
    all.sort_unstable_by_key(|arg| arg.index);
    vec![all]
}

/// Returns the condition as `word` sees it, or `None` if it always holds.
fn condition(arg: SeccompArg, word: Word) -> Option<SeccompArg> {
    let seen = match word {
        Word::Bits32 => u64::from(u32::MAX),
        Word::Bits64 => u64::MAX,
    };
    let arg = SeccompArg { value: arg.value & seen, value_two: arg.value_two & seen, ..arg };
    let always_holds = arg.op == SeccompCompare::MaskedEqual && arg.value == 0;
    (!always_holds).then_some(arg)
}

/// Returns the conditions on a call as they apply to the call that carries it.
pub(super) fn selected(conditions: &[SeccompArg], selector: u64) -> Vec<SeccompArg> {
    let selector =
        SeccompArg { index: 0, op: SeccompCompare::Equal, value: selector, value_two: 0 };
    let rest = conditions.iter().filter(|condition| condition.index != 0).copied();
    std::iter::once(selector).chain(rest).collect()
}

/// The verdicts under construction, by number in the table.
struct Slots {
    arch: SeccompArch,
    slots: Vec<Option<Verdict>>,
}

impl Slots {
    /// Numbers of the table are below this, ARM's private ones not counted.
    const PUBLIC: u16 = 0x240;
    /// Those follow.
    const PRIVATE: u16 = 0x10;

    fn new(arch: SeccompArch) -> Self {
        Self { arch, slots: vec![None; usize::from(Self::PUBLIC + Self::PRIVATE)] }
    }

    fn slot(&mut self, call: &Call) -> Option<&mut Option<Verdict>> {
        let index = match call.numbers[arch::column(self.arch)] {
            N => return None,
            private @ PRIVATE_MARK.. => private - PRIVATE_MARK + Self::PUBLIC,
            number => number,
        };
        self.slots.get_mut(usize::from(index))
    }

    fn finish(mut self, newest: Option<KernelVersion>, default: SeccompAction) -> Verdicts {
        let common = arch::number_base(self.arch) + NEWEST_NUMBER;
        let enosys = Verdict::Always(SeccompAction::Errno(arch::enosys(self.arch)));
        for (number, call) in table::calls(self.arch) {
            let newer = newest.is_some_and(|newest| call.since > newest);
            let Some(slot @ None) = self.slot(call) else { continue };
            if newer {
                *slot = Some(enosys.clone());
            } else if number > common {
                // Among numbers that mean nothing yet, so it has to be told from them.
                *slot = Some(Verdict::Always(default));
            }
        }
        let arch = self.arch;
        let decided = self.slots.into_iter().zip(0u16..);
        let verdicts = decided.filter_map(|(verdict, index)| {
            let number = match index.checked_sub(Self::PUBLIC) {
                Some(private) => table::private_number(private),
                None => arch::number_base(arch) + u32::from(index),
            };
            let mut verdict = verdict?;
            if let Verdict::FirstOf(alternatives) = &mut verdict {
                sort_by_precedence(alternatives, arch::word(arch));
            }
            Some((number, verdict))
        });
        verdicts.collect()
    }
}

/// Adds rules to a call that may have none yet.
trait AddRule {
    fn add(&mut self, conditions: &[SeccompArg], action: SeccompAction);
}

impl AddRule for Option<Verdict> {
    fn add(&mut self, conditions: &[SeccompArg], action: SeccompAction) {
        match self {
            Some(Verdict::Always(_)) => {}
            _ if conditions.is_empty() => *self = Some(Verdict::Always(action)),
            Some(Verdict::FirstOf(alternatives)) => {
                alternatives.push(Alternative { conditions: conditions.to_vec(), action });
            }
            None => {
                let alternative = Alternative { conditions: conditions.to_vec(), action };
                *self = Some(Verdict::FirstOf(vec![alternative]));
            }
        }
    }
}

/// Puts alternatives for a call in the order they are tried in, where that makes a difference.
///
/// That is the order of the nodes in libseccomp's tree. Conditions are compared one by one, in
/// order of their arguments: the higher argument is first; of one argument `==`, `!=` and masks are
/// before `<` and `<=`, those before `>` and `>=`; then the narrower one is first: the smaller
/// value for `<` and `<=`, the larger for all others. 64-bit values are compared by their upper
/// halves, then by their lower ones. Where halves are equal but compared in different ways, say
/// through different masks, the way listed first is first, with all that share it. A list that ends
/// is before one that goes on. What is equal keeps its order.
///
/// It is not followed where it isn't an order: in libseccomp, which of two `!=` that both hold is
/// tried first depends on the argument's value, and some contradictions are refused.
pub(super) fn sort_by_precedence(alternatives: &mut [Alternative], word: Word) {
    let Some(first) = alternatives.first() else { return };
    let action = first.action;
    if alternatives.iter().all(|alternative| alternative.action == action) {
        return;
    }
    let mut first_seen = HashMap::new();
    let all = alternatives.iter().flat_map(|alternative| &alternative.conditions);
    for (at, node) in all.flat_map(|condition| nodes(condition, word)).enumerate() {
        first_seen.entry(node).or_insert(at);
    }
    alternatives.sort_by_cached_key(|alternative| {
        let nodes = alternative.conditions.iter().flat_map(|condition| nodes(condition, word));
        nodes.map(|node| (node.rank, first_seen[&node])).collect::<Vec<_>>()
    });
}

/// One comparison of half a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct HalfTest {
    /// Argument, class, and value, such that the lesser is tried first.
    rank: (Reverse<u8>, u8, u32),
    /// What else makes it the same test.
    kind: HalfTestKind,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum HalfTestKind {
    Upper,
    Equal,
    Masked(u32),
    Greater,
    GreaterOrEqual,
}

/// Returns the comparisons of the upper half, if it is looked at, and of the lower one.
fn nodes(condition: &SeccompArg, word: Word) -> impl Iterator<Item = HalfTest> + use<> {
    let SeccompArg { index, op, value, value_two } = *condition;
    let (class, value, mask) = match op {
        SeccompCompare::MaskedEqual => (0, !(value & value_two), Some(halves(value))),
        SeccompCompare::Equal | SeccompCompare::NotEqual => (0, !value, None),
        SeccompCompare::Less | SeccompCompare::LessOrEqual => (1, value, None),
        SeccompCompare::Greater | SeccompCompare::GreaterOrEqual => (2, !value, None),
    };
    let (upper, lower) = halves(value);
    let kind = |mask, ranged| match mask {
        Some(mask) => HalfTestKind::Masked(mask),
        None if class == 0 => HalfTestKind::Equal,
        None => ranged,
    };
    let of_lower = match op {
        SeccompCompare::Less | SeccompCompare::GreaterOrEqual => HalfTestKind::GreaterOrEqual,
        _ => HalfTestKind::Greater,
    };
    let upper = HalfTest {
        rank: (Reverse(index), class, upper),
        kind: kind(mask.map(|(upper, _)| upper), HalfTestKind::Upper),
    };
    let lower = HalfTest {
        rank: (Reverse(index), class, lower),
        kind: kind(mask.map(|(_, lower)| lower), of_lower),
    };
    (word == Word::Bits64).then_some(upper).into_iter().chain([lower])
}

fn halves(value: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = value.to_be_bytes();
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}
