//! Device rules as the version 1 controller can hold them: a default, and exceptions to it.
//!
//! An exception goes away only by a rule with exactly its numbers, so a rule that would have to
//! cut a hole in a wider exception is refused: the kernel would ignore it in silence.

use std::collections::BTreeMap;

use super::{LegacyWrite, is_total, refuse, rule_text, split_kinds};
use crate::cgroup::CgroupError;
use crate::spec::{DeviceAccess, DeviceRule, DeviceRuleKind};

/// What an exception is about: major, minor, and whether it is a block device; sorted as the
/// writes shall be.
type Matched = (Option<u32>, Option<u32>, bool);

#[derive(Default)]
struct Controller {
    allows_by_default: bool,
    exceptions: BTreeMap<Matched, DeviceAccess>,
}

/// Plans the writes that bring a fresh cgroup to `rules`; none if they allow everything.
///
/// # Errors
/// [`CgroupError::Refused`] if the controller can't hold the rules.
pub fn plan_legacy(rules: &[DeviceRule]) -> Result<Vec<LegacyWrite>, CgroupError> {
    let mut controller = Controller::default();
    for rule in rules.iter().flat_map(split_kinds) {
        controller.apply(&rule)?;
    }
    Ok(controller.writes())
}

/// The devices that `rules` allow, where everything else is denied and that is all there is to
/// say; sorted by their numbers.
pub(in crate::cgroup) fn allow_list(rules: &[DeviceRule]) -> Option<Vec<DeviceRule>> {
    let mut controller = Controller::default();
    rules.iter().flat_map(split_kinds).try_for_each(|rule| controller.apply(&rule)).ok()?;
    (!controller.allows_by_default).then(|| controller.exceptions())
}

impl Controller {
    fn apply(&mut self, rule: &DeviceRule) -> Result<(), CgroupError> {
        if is_total(rule) {
            *self = Controller { allows_by_default: rule.allow, exceptions: BTreeMap::new() };
            return Ok(());
        }
        let matched = (rule.major, rule.minor, rule.kind == DeviceRuleKind::Block);
        if rule.allow == self.allows_by_default {
            self.drop_exception(matched, rule)
        } else {
            let access = self.exceptions.entry(matched).or_insert(NOTHING);
            *access = with(*access, rule.access);
            Ok(())
        }
    }

    fn drop_exception(&mut self, matched: Matched, rule: &DeviceRule) -> Result<(), CgroupError> {
        let (major, minor, block) = matched;
        for wider in [(None, minor, block), (major, None, block), (None, None, block)] {
            let held = self.exceptions.get(&wider).copied().unwrap_or(NOTHING);
            if wider != matched && common(held, rule.access) != NOTHING {
                return Err(refuse(
                    rule,
                    "the devices controller of cgroup v1 cannot cut a hole \
                     into a wider rule before it",
                ));
            }
        }
        if let Some(held) = self.exceptions.get_mut(&matched) {
            *held = without(*held, rule.access);
            if *held == NOTHING {
                self.exceptions.remove(&matched);
            }
        }
        Ok(())
    }

    fn writes(self) -> Vec<LegacyWrite> {
        if self.allows_by_default && self.exceptions.is_empty() {
            return Vec::new();
        }
        let reset = LegacyWrite { allow: self.allows_by_default, value: "a".to_owned() };
        let write = |rule: &DeviceRule| LegacyWrite { allow: rule.allow, value: rule_text(rule) };
        std::iter::once(reset).chain(self.exceptions().iter().map(write)).collect()
    }

    fn exceptions(self) -> Vec<DeviceRule> {
        let allow = !self.allows_by_default;
        let rule = |((major, minor, block), access): (Matched, DeviceAccess)| {
            let kind = if block { DeviceRuleKind::Block } else { DeviceRuleKind::Char };
            DeviceRule { allow, kind, major, minor, access }
        };
        self.exceptions.into_iter().map(rule).collect()
    }
}

const NOTHING: DeviceAccess = DeviceAccess { read: false, write: false, mknod: false };

fn each(a: DeviceAccess, b: DeviceAccess, f: impl Fn(bool, bool) -> bool) -> DeviceAccess {
    DeviceAccess { read: f(a.read, b.read), write: f(a.write, b.write), mknod: f(a.mknod, b.mknod) }
}

fn with(a: DeviceAccess, b: DeviceAccess) -> DeviceAccess {
    each(a, b, |a, b| a || b)
}

fn without(a: DeviceAccess, b: DeviceAccess) -> DeviceAccess {
    each(a, b, |a, b| a && !b)
}

fn common(a: DeviceAccess, b: DeviceAccess) -> DeviceAccess {
    each(a, b, |a, b| a && b)
}
