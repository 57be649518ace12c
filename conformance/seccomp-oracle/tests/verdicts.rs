//! What our filters decide against what libseccomp's decide, over architectures, numbers and
//! argument values at the edges of the conditions.
//!
//! Profiles are put into libseccomp exactly as runc does. Verdicts of both programs come from
//! `runt`'s interpreter, whose agreement with the kernel is tested by loading filters elsewhere.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{Read, Seek};

use kernel::seccomp::SockFilter;
use libseccomp::{
    ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall,
};
use runt::seccomp::interpret::{SeccompData, run};
use runt::seccomp::{action_of, arch_name, audit_arch, compile, name_of, names, number_of};
use runt::spec::{
    ContainerSpec, SeccompAction, SeccompArch, SeccompArg, SeccompCompare, SeccompProfile,
    SeccompRule,
};

use SeccompAction::{Allow, Errno, KillProcess, KillThread, Log, Trace, Trap};
use SeccompArch::{
    Aarch64, Arm, Mips, Mips64, Mips64n32, Mipsel, Mipsel64, Mipsel64n32, Parisc, Ppc, Ppc64,
    Ppc64le, Riscv64, S390, S390x, X32, X86, X86_64,
};

/// `ENOSYS` of MIPS, PA-RISC and all others.
const ENOSYS: [SeccompAction; 3] = [Errno(89), Errno(251), Errno(38)];

/// `BPF_RET | BPF_K`.
const RETURN: u16 = 6;

/// The host's architecture: libseccomp reads names as its calls.
const HOST: SeccompArch = X86_64;

/// The architectures a filter can have together, by byte order.
const LITTLE: &[SeccompArch] =
    &[X86_64, X86, X32, Aarch64, Arm, Riscv64, Ppc64le, Mipsel, Mipsel64, Mipsel64n32];
const BIG: &[SeccompArch] = &[S390x, S390, Ppc64, Ppc, Mips, Mips64, Mips64n32, Parisc];

/// Builds the filter as runc does. `None` if libseccomp refuses it: two rules contradict each other.
fn libseccomp(profile: &SeccompProfile, native: SeccompArch) -> Option<Vec<SockFilter>> {
    let mut filter = ScmpFilterContext::new(action(profile.default_action)).unwrap();
    if !profile.rules.is_empty() {
        // The binary tree, as runc asks for with more than 32 calls. Without it libseccomp 2.5.4
        // forgets to load the number if its first rule is for a call the architecture lacks.
        filter.set_ctl_optimize(2).unwrap();
    }
    if native != HOST {
        filter.remove_arch(ScmpArch::Native).unwrap();
        filter.add_arch(arch_name(native).parse().unwrap()).unwrap();
    }
    for arch in &profile.architectures {
        filter.add_arch(arch_name(*arch).parse().unwrap()).unwrap();
    }
    for rule in profile.rules.iter().filter(|rule| rule.action != profile.default_action) {
        let conditions: Vec<_> = rule.args.iter().map(condition).collect();
        let repeated = rule
            .args
            .iter()
            .enumerate()
            .any(|(at, arg)| rule.args[..at].iter().any(|earlier| earlier.index == arg.index));
        for name in &rule.names {
            let Ok(call) = ScmpSyscall::from_name(name) else { continue };
            let mut add = |conditions: &[ScmpArgCompare]| {
                filter.add_rule_conditional(action(rule.action), call, conditions).is_ok()
            };
            let added = if repeated {
                conditions.iter().all(|condition| add(&[*condition]))
            } else {
                add(&conditions)
            };
            if !added {
                return None;
            }
        }
    }
    Some(export(&filter, BIG.contains(&native)))
}

fn action(action: SeccompAction) -> ScmpAction {
    match action {
        KillThread => ScmpAction::KillThread,
        KillProcess => ScmpAction::KillProcess,
        Trap => ScmpAction::Trap,
        Errno(errno) => ScmpAction::Errno(errno.into()),
        Trace(value) => ScmpAction::Trace(value),
        Log => ScmpAction::Log,
        Allow => ScmpAction::Allow,
        SeccompAction::Notify => ScmpAction::Notify,
    }
}

fn condition(arg: &SeccompArg) -> ScmpArgCompare {
    let (op, value) = match arg.op {
        SeccompCompare::NotEqual => (ScmpCompareOp::NotEqual, arg.value),
        SeccompCompare::Less => (ScmpCompareOp::Less, arg.value),
        SeccompCompare::LessOrEqual => (ScmpCompareOp::LessOrEqual, arg.value),
        SeccompCompare::Equal => (ScmpCompareOp::Equal, arg.value),
        SeccompCompare::GreaterOrEqual => (ScmpCompareOp::GreaterEqual, arg.value),
        SeccompCompare::Greater => (ScmpCompareOp::Greater, arg.value),
        SeccompCompare::MaskedEqual => (ScmpCompareOp::MaskedEqual(arg.value), arg.value_two),
    };
    ScmpArgCompare::new(arg.index.into(), op, value)
}

fn export(filter: &ScmpFilterContext, big_endian: bool) -> Vec<SockFilter> {
    let mut file = tempfile::tempfile().unwrap();
    filter.export_bpf(&file).unwrap();
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    let instructions = bytes.as_chunks::<8>().0.iter().map(|&[c0, c1, jt, jf, k0, k1, k2, k3]| {
        if big_endian {
            let mut k = u32::from_be_bytes([k0, k1, k2, k3]);
            // Where it repeats a verdict nearby, a host of the other byte order swaps it twice.
            if u16::from_be_bytes([c0, c1]) == RETURN && action_of(k).is_none() {
                k = k.swap_bytes();
            }
            return SockFilter { code: u16::from_be_bytes([c0, c1]), jt, jf, k };
        }
        let k = u32::from_le_bytes([k0, k1, k2, k3]);
        SockFilter { code: u16::from_le_bytes([c0, c1]), jt, jf, k }
    });
    instructions.collect()
}

fn verdict(program: &[SockFilter], data: &SeccompData, native: SeccompArch) -> SeccompAction {
    let result = run(program, data, native).unwrap();
    action_of(result).unwrap_or_else(|| panic!("{result:#x}"))
}

/// Compares the verdicts on `calls`. Ours may be `ENOSYS` where a call without a rule is newer than
/// the profile: runc adds that to libseccomp's filter too, by number.
fn compare(profile: &SeccompProfile, native: SeccompArch, calls: &[SeccompData]) -> Comparison {
    let ours = compile(profile, native).unwrap().instructions;
    let Some(theirs) = libseccomp(profile, native) else { return Comparison::Refused };
    for data in calls {
        let (ours, theirs) = (verdict(&ours, data, native), verdict(&theirs, data, native));
        let may_be_newer =
            ENOSYS.contains(&ours) && theirs == profile.default_action && !has_rule(profile, data);
        if ours != theirs && !may_be_newer {
            return Comparison::Differs { data: *data, ours, theirs };
        }
    }
    Comparison::Equal
}

enum Comparison {
    Equal,
    Refused,
    Differs { data: SeccompData, ours: SeccompAction, theirs: SeccompAction },
}

/// Whether a rule names the call of that number on any architecture with this value.
fn has_rule(profile: &SeccompProfile, data: &SeccompData) -> bool {
    let archs = LITTLE.iter().chain(BIG).filter(|arch| audit_arch(**arch) == data.arch);
    let mut called = archs.filter_map(|arch| name_of(*arch, data.number));
    called.any(|name| {
        profile.rules.iter().any(|rule| {
            rule.action != profile.default_action && rule.names.iter().any(|named| named == name)
        })
    })
}

fn docker() -> SeccompProfile {
    let text = include_str!("../../../runtime/testdata/seccomp/docker.json");
    let seccomp: serde_json::Value = serde_json::from_str(text).unwrap();
    let config = serde_json::json!({
        "ociVersion": "1.3.0",
        "process": { "args": ["true"], "cwd": "/", "user": {} },
        "root": { "path": "rootfs" },
        "linux": { "seccomp": seccomp },
    });
    let config = config.to_string();
    let parsed = ContainerSpec::from_json(config.as_bytes(), "/".as_ref()).unwrap();
    let mut profile = parsed.spec.seccomp.unwrap();
    // libseccomp knows neither these names nor, then, what runc does with their numbers.
    for rule in &mut profile.rules {
        rule.names.retain(|name| ScmpSyscall::from_name(name).is_ok());
    }
    profile
}

#[test]
fn every_call_of_dockers_profile() {
    let profile = docker();
    let mut calls = Vec::new();
    for arch in [X86_64, X86, X32, Aarch64] {
        let base = number_of(arch, "read").unwrap() & 0x4000_0000;
        for number in (0..600).map(|number| base + number).chain([0x3fff_ffff, 0x4fff_ffff]) {
            for value in [0, 1, 8, 40, 0x2_0000, 0x2_0008, 0xffff_ffff, 0x7e02_0000, 1 << 32] {
                let args = [value; 6];
                calls.push(SeccompData {
                    number,
                    arch: audit_arch(arch),
                    args,
                    ..Default::default()
                });
            }
        }
    }
    if let Comparison::Differs { data, ours, theirs } = compare(&profile, X86_64, &calls) {
        panic!("{data:x?}: ours {ours:?}, theirs {theirs:?}");
    }
}

/// The same numbers in every run (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn value(&mut self) -> u64 {
        let small = self.next() % 9;
        let high = self.pick(&[0, 0, 0, 0, 1 << 32, 2 << 32, u64::from(u32::MAX) << 32]);
        self.pick(&[small, small, small, u64::from(u32::MAX) - small, 0x8000_0000 + small]) | high
    }

    fn arg(&mut self, ops: &[SeccompCompare]) -> SeccompArg {
        let index = self.pick(&[0, 0, 1, 2, 5]);
        SeccompArg { index, op: self.pick(ops), value: self.value(), value_two: self.value() }
    }

    fn profile(
        &mut self,
        kind: Kind,
        archs: &[SeccompArch],
        native: SeccompArch,
    ) -> SeccompProfile {
        const DEFAULTS: &[SeccompAction] =
            &[Allow, Errno(1), Errno(38), KillThread, KillProcess, Trap, Log, Trace(3)];
        const FEW: &[&str] = &["read", "ioctl", "socket", "bind", "shmat", "socketcall", "ipc"];
        let all: Vec<&str> = names()
            .filter(|name| !LOST.contains(name) && ScmpSyscall::from_name(name).is_ok())
            .collect();
        let the_action = self.pick(ACTIONS);
        let mut rules: Vec<SeccompRule> = Vec::new();
        for _ in 0..self.below(14) {
            let from = if self.below(3) == 0 { &all[..] } else { FEW };
            let mut names: Vec<_> =
                (0..=self.below(6)).map(|_| self.pick(from).to_owned()).collect();
            names.sort_unstable();
            names.dedup();
            let mut args: Vec<SeccompArg> = match (self.below(4), kind) {
                (0, _) => Vec::new(),
                (count, Kind::Apart) => (0..count).map(|_| self.arg(OPS)).collect(),
                (_, Kind::Alternatives) => vec![self.arg(EQUALITIES)],
                (_, Kind::Contradictions) => vec![self.arg(&EQUALITIES[..2])],
            };
            if kind == Kind::Apart && !args.is_empty() {
                args.sort_by_key(|arg| arg.index);
                args.dedup_by_key(|arg| arg.index);
                // socketcall(2) and ipc(2) collect the rules of other calls.
                names.retain(|name| {
                    let conditional = rules.iter().filter(|rule| !rule.args.is_empty());
                    let mut taken = conditional.flat_map(|rule| &rule.names);
                    !["socketcall", "ipc"].contains(&name.as_str()) && taken.all(|by| by != name)
                });
            }
            let action = if kind == Kind::Alternatives { the_action } else { self.pick(ACTIONS) };
            rules.push(SeccompRule { names, action, args });
        }
        let mut architectures: Vec<_> = (0..self.below(4)).map(|_| self.pick(archs)).collect();
        architectures.retain(|arch| *arch != native);
        architectures.sort_unstable();
        architectures.dedup();
        SeccompProfile {
            default_action: self.pick(DEFAULTS),
            architectures,
            flags: 0,
            listener_path: None,
            listener_metadata: None,
            rules,
        }
    }

    /// Calls at the edges of `profile`.
    fn calls(&mut self, profile: &SeccompProfile, native: SeccompArch) -> Vec<SeccompData> {
        let values: Vec<u64> = profile
            .rules
            .iter()
            .flat_map(|rule| &rule.args)
            .flat_map(|arg| [arg.value, arg.value_two, arg.value & arg.value_two])
            .flat_map(|value| [value, value.wrapping_add(1), value.wrapping_sub(1)])
            .chain([0, 1, 11, 21, u64::MAX, 1 << 32, u64::from(u32::MAX)])
            .collect();
        let mut archs = profile.architectures.clone();
        archs.extend([native, native, Riscv64]);
        let named: Vec<&String> = profile.rules.iter().flat_map(|rule| &rule.names).collect();
        let data = |random: &mut Self| {
            let arch = random.pick(&archs);
            let named = (!named.is_empty()).then(|| random.pick(&named));
            let mut number = u32::try_from(random.below(560)).unwrap();
            number += number_of(arch, "read").unwrap() & 0x4000_0000;
            let named = named.and_then(|name| number_of(arch, name));
            let number = named.filter(|_| random.below(8) > 0).unwrap_or(number);
            let args = std::array::from_fn(|_| random.pick(&values));
            SeccompData { number, arch: audit_arch(arch), args, ..Default::default() }
        };
        (0..150).map(|_| data(self)).collect()
    }
}

/// Which profiles to make. libseccomp 2.5.4 merges the rules of a call into one tree, and gets it
/// wrong where they have `<`, `<=`, `>`, `>=` or several conditions in common: then it misses rules
/// that hold, or sees some hold that don't. What it gets right comes in these kinds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// At most one rule with conditions for a call, of any kind.
    Apart,
    /// Any number of them, each an equality, with one action.
    Alternatives,
    /// The same with any actions, without `!=`: of two that hold, libseccomp's choice depends on
    /// the argument.
    Contradictions,
}

const OPS: &[SeccompCompare] = &[
    SeccompCompare::NotEqual,
    SeccompCompare::Less,
    SeccompCompare::LessOrEqual,
    SeccompCompare::Equal,
    SeccompCompare::GreaterOrEqual,
    SeccompCompare::Greater,
    SeccompCompare::MaskedEqual,
];

const EQUALITIES: &[SeccompCompare] =
    &[SeccompCompare::Equal, SeccompCompare::MaskedEqual, SeccompCompare::NotEqual];

/// libseccomp 2.5.4 loses this one on its way through the host's table.
const LOST: &[&str] = &["sys_debug_setcontext"];

const ACTIONS: &[SeccompAction] = &[Allow, Errno(1), Errno(5), KillThread, KillProcess, Log];

fn agree(seed: u64, rounds: usize, kind: Kind) {
    let mut random = Random(seed);
    let (mut refused, mut different) = (0, Vec::new());
    for _ in 0..rounds {
        let (archs, natives) =
            if random.below(3) > 0 { (LITTLE, &[HOST][..]) } else { (BIG, &BIG[..7]) };
        let native = random.pick(natives);
        let profile = random.profile(kind, archs, native);
        let calls = random.calls(&profile, native);
        match compare(&profile, native, &calls) {
            Comparison::Equal => {}
            Comparison::Refused => refused += 1,
            Comparison::Differs { data, .. } => {
                different.push(describe(&shrink(profile, native, &data), native, &data));
            }
        }
    }
    different.sort_by_key(String::len);
    assert!(
        different.is_empty(),
        "{} of {rounds} differ ({refused} refused):\n{}",
        different.len(),
        different.join("\n")
    );
}

/// Takes out of `profile` what can be left out with the verdicts on `data` still differing.
fn shrink(mut profile: SeccompProfile, native: SeccompArch, data: &SeccompData) -> SeccompProfile {
    let differs = |profile: &SeccompProfile| {
        matches!(compare(profile, native, &[*data]), Comparison::Differs { .. })
    };
    let mut at = 0;
    while at < profile.rules.len() {
        let mut less = profile.clone();
        less.rules.remove(at);
        if differs(&less) {
            profile = less;
        } else {
            at += 1;
        }
    }
    for at in 0..profile.rules.len() {
        let mut arg = 0;
        while arg < profile.rules[at].args.len() {
            let mut less = profile.clone();
            less.rules[at].args.remove(arg);
            if differs(&less) {
                profile = less;
            } else {
                arg += 1;
            }
        }
        let mut name = 0;
        while name < profile.rules[at].names.len() {
            let mut less = profile.clone();
            less.rules[at].names.remove(name);
            if differs(&less) {
                profile = less;
            } else {
                name += 1;
            }
        }
    }
    profile
}

fn describe(profile: &SeccompProfile, native: SeccompArch, data: &SeccompData) -> String {
    let mut text = format!("{native:?} and {:?}, ", profile.architectures);
    let Comparison::Differs { ours, theirs, .. } = compare(profile, native, &[*data]) else {
        return text;
    };
    text += &format!("call {:#x} of {:#x} {:x?}", data.number, data.arch, data.args);
    text += &format!(": ours {ours:?}, theirs {theirs:?}, by default {:?}", profile.default_action);
    for rule in &profile.rules {
        text += &format!("\n    {:?} {:?}:", rule.action, rule.names);
        for SeccompArg { index, op, value, value_two } in &rule.args {
            text += &format!(" {index} {op:?} {value:#x} {value_two:#x},");
        }
    }
    text
}

#[test]
fn conditions_of_all_kinds() {
    agree(1, 1000, Kind::Apart);
}

#[test]
fn alternatives() {
    agree(2, 1000, Kind::Alternatives);
}

#[test]
fn contradictions() {
    agree(3, 3000, Kind::Contradictions);
}
