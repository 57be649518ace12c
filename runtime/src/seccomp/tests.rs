//! The compiler as a whole, against the slow evaluator and against what is known of libseccomp.

use std::path::Path;

use serde_json::Value;

use crate::spec::{
    ContainerSpec, SeccompAction, SeccompArch, SeccompArg, SeccompCompare, SeccompProfile,
    SeccompRule,
};

use super::evaluate::evaluate;
use super::interpret::{self, SeccompData};
use super::{Program, SeccompError, action_of, arch, audit_arch, compile, table};

use SeccompAction::{Allow, Errno, KillProcess, KillThread, Log, Notify, Trace, Trap};
use SeccompArch::{Aarch64, Mips64, Riscv64, S390x, X32, X86, X86_64};
use SeccompCompare::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, MaskedEqual, NotEqual};

const EPERM: u16 = 1;
const ENOSYS: u16 = 38;

fn profile(default_action: SeccompAction, rules: Vec<SeccompRule>) -> SeccompProfile {
    SeccompProfile {
        default_action,
        architectures: Vec::new(),
        flags: 0,
        listener_path: None,
        listener_metadata: None,
        rules,
    }
}

fn rule(names: &[&str], action: SeccompAction, args: &[SeccompArg]) -> SeccompRule {
    let names = names.iter().map(ToString::to_string).collect();
    SeccompRule { names, action, args: args.to_vec() }
}

fn arg(index: u8, op: SeccompCompare, value: u64) -> SeccompArg {
    SeccompArg { index, op, value, value_two: 0 }
}

fn masked(index: u8, mask: u64, value: u64) -> SeccompArg {
    SeccompArg { index, op: MaskedEqual, value: mask, value_two: value }
}

fn call(arch: SeccompArch, name: &str, args: &[u64]) -> SeccompData {
    let number = table::find(name).unwrap().number(arch).unwrap();
    let mut data = SeccompData { number, arch: audit_arch(arch), ..SeccompData::default() };
    data.args[..args.len()].copy_from_slice(args);
    data
}

fn verdict(program: &Program, native: SeccompArch, data: &SeccompData) -> SeccompAction {
    action_of(interpret::run(&program.instructions, data, native).unwrap()).unwrap()
}

/// The profile that dockerd gives a container without options, as it is on x86_64.
fn docker() -> SeccompProfile {
    let seccomp: Value =
        serde_json::from_str(include_str!("../../testdata/seccomp/docker.json")).unwrap();
    let config = serde_json::json!({
        "ociVersion": "1.3.0",
        "process": { "args": ["true"], "cwd": "/", "user": {} },
        "root": { "path": "rootfs" },
        "linux": { "seccomp": seccomp },
    });
    let config = config.to_string();
    ContainerSpec::from_json(config.as_bytes(), Path::new("/")).unwrap().spec.seccomp.unwrap()
}

#[test]
fn the_profile_of_docker_is_short() {
    let program = compile(&docker(), X86_64).unwrap();
    assert!(program.skipped_names.is_empty(), "{:?}", program.skipped_names);
    assert!(program.instructions.len() <= 190, "{program}");
    interpret::check(&program.instructions).unwrap();
}

#[test]
fn the_profile_of_docker_means_what_it_says() {
    let program = compile(&docker(), X86_64).unwrap();
    for (arch, name, args, expected) in [
        (X86_64, "read", &[][..], Allow),
        (X86_64, "mount", &[], Errno(EPERM)),
        (X86_64, "clone3", &[], Errno(ENOSYS)),
        (X86_64, "clone", &[0x11], Allow),
        (X86_64, "clone", &[0x1000_0011], Errno(EPERM)),
        (X86_64, "socket", &[40], Errno(EPERM)),
        (X86_64, "socket", &[2], Allow),
        (X86_64, "personality", &[0xffff_ffff], Allow),
        (X86_64, "personality", &[0x1_0000_0000], Errno(EPERM)),
        (X86, "personality", &[0x1_0000_0000], Allow),
        (X86, "socketcall", &[1], Allow),
        (X86, "mount", &[], Errno(EPERM)),
        (X32, "read", &[], Allow),
        (X32, "mount", &[], Errno(EPERM)),
        (Aarch64, "read", &[], KillThread),
    ] {
        let data = call(arch, name, args);
        assert_eq!(verdict(&program, X86_64, &data), expected, "{arch:?} {name} {args:?}");
        assert_eq!(evaluate(&docker(), X86_64, &data), expected, "{arch:?} {name} {args:?}");
    }
}

#[test]
fn calls_newer_than_the_profile_are_not_there() {
    // openat2 came with Linux 5.6.
    let old = |default| profile(default, vec![rule(&["read", "openat2"], Allow, &[])]);
    let program = compile(&old(Errno(EPERM)), X86_64).unwrap();
    let of = |name| verdict(&program, X86_64, &call(X86_64, name, &[]));
    assert_eq!(of("faccessat2"), Errno(ENOSYS));
    assert_eq!(of("uretprobe"), Errno(ENOSYS), "newer, though its number is lower");
    assert_eq!(of("pidfd_getfd"), Errno(EPERM), "of the same release");
    assert_eq!(of("mount"), Errno(EPERM));
    let at = |number| {
        let data = SeccompData { number, arch: audit_arch(X86_64), ..SeccompData::default() };
        verdict(&program, X86_64, &data)
    };
    assert_eq!(at(table::NEWEST_NUMBER + 1), Errno(ENOSYS));
    assert_eq!(at(0x3fff_ffff), Errno(ENOSYS));
    assert_eq!(at(400), Errno(EPERM), "a gap in the table");
    for default in [Allow, Log, Trace(7), Errno(ENOSYS)] {
        let program = compile(&old(default), X86_64).unwrap();
        assert_eq!(verdict(&program, X86_64, &call(X86_64, "faccessat2", &[])), default);
    }
    let none = compile(&profile(KillProcess, Vec::new()), X86_64).unwrap();
    assert_eq!(verdict(&none, X86_64, &call(X86_64, "faccessat2", &[])), KillProcess);
}

#[test]
fn x32_numbers_are_told_apart() {
    let mut plain = profile(Errno(EPERM), vec![rule(&["read"], Allow, &[])]);
    let at = |profile: &SeccompProfile, number| {
        let program = compile(profile, X86_64).unwrap();
        let data = SeccompData { number, arch: audit_arch(X86_64), ..SeccompData::default() };
        assert_eq!(verdict(&program, X86_64, &data), evaluate(profile, X86_64, &data));
        verdict(&program, X86_64, &data)
    };
    assert_eq!(at(&plain, 0), Allow);
    assert_eq!(at(&plain, 0x4000_0000), KillThread);
    assert_eq!(at(&plain, u32::MAX), Errno(EPERM), "what a tracer skips");
    plain.architectures.push(X32);
    assert_eq!(at(&plain, 0x4000_0000), Allow);
    assert_eq!(at(&plain, 0x4000_0001), Errno(EPERM));
    let x32_only = compile(&plain, X32).unwrap();
    assert_eq!(verdict(&x32_only, X32, &call(X86_64, "read", &[])), KillThread);
}

#[test]
fn the_first_rule_without_conditions_decides() {
    let conditional = rule(&["ioctl"], Errno(5), &[arg(1, Equal, 7)]);
    let always = rule(&["ioctl"], Allow, &[]);
    let later = rule(&["ioctl"], Errno(6), &[]);
    for rules in [
        vec![conditional.clone(), always.clone(), later.clone()],
        vec![always.clone(), conditional.clone(), later.clone()],
    ] {
        let program = compile(&profile(Errno(EPERM), rules), X86_64).unwrap();
        assert_eq!(verdict(&program, X86_64, &call(X86_64, "ioctl", &[0, 7])), Allow);
    }
    let masked_by_nothing = rule(&["ioctl"], Log, &[masked(1, 0, 3)]);
    let rules = vec![conditional, masked_by_nothing];
    let program = compile(&profile(Errno(EPERM), rules), X86_64).unwrap();
    assert_eq!(verdict(&program, X86_64, &call(X86_64, "ioctl", &[0, 7])), Log);
}

#[test]
fn a_rule_of_the_default_action_says_nothing() {
    let rules = vec![rule(&["ioctl"], Errno(EPERM), &[]), rule(&["ioctl"], Allow, &[])];
    let program = compile(&profile(Errno(EPERM), rules), X86_64).unwrap();
    assert_eq!(verdict(&program, X86_64, &call(X86_64, "ioctl", &[])), Allow);
}

#[test]
fn several_conditions_on_one_argument_are_alternatives() {
    let args = [arg(0, Equal, 1), arg(0, Equal, 2), arg(1, Equal, 3)];
    let program =
        compile(&profile(Errno(EPERM), vec![rule(&["ioctl"], Allow, &args)]), X86_64).unwrap();
    for (args, expected) in
        [([1, 0], Allow), ([2, 0], Allow), ([9, 3], Allow), ([9, 0], Errno(EPERM))]
    {
        assert_eq!(verdict(&program, X86_64, &call(X86_64, "ioctl", &args)), expected);
    }
}

#[test]
fn a_call_that_is_carried_by_another_is_filtered_there_too() {
    let rules = vec![rule(&["socket"], Errno(13), &[arg(0, Equal, 40)])];
    let mut profile = profile(Allow, rules);
    profile.architectures.push(X86);
    let program = compile(&profile, X86_64).unwrap();
    assert_eq!(verdict(&program, X86_64, &call(X86, "socketcall", &[1, 40])), Errno(13));
    assert_eq!(verdict(&program, X86_64, &call(X86, "socketcall", &[2, 40])), Allow);
    assert_eq!(verdict(&program, X86_64, &call(X86, "socket", &[40])), Errno(13));
    assert_eq!(verdict(&program, X86_64, &call(X86, "socket", &[41])), Allow);
}

#[test]
fn unknown_names_are_skipped_and_told() {
    let rules =
        vec![rule(&["read", "no_such", "also_not"], Allow, &[]), rule(&["no_such"], Log, &[])];
    let program = compile(&profile(Errno(EPERM), rules), X86_64).unwrap();
    assert_eq!(program.skipped_names, ["also_not", "no_such"]);
}

#[test]
fn what_cannot_be_honoured_is_refused() {
    let refused = |profile: &SeccompProfile| compile(profile, X86_64).unwrap_err();
    assert_eq!(refused(&profile(Notify, Vec::new())), SeccompError::NotifyByDefault);
    let write = profile(Allow, vec![rule(&["write"], Notify, &[])]);
    assert_eq!(refused(&write), SeccompError::NotifyOnWrite);
    let index = profile(Allow, vec![rule(&["read"], Log, &[arg(6, Equal, 0)])]);
    assert_eq!(refused(&index), SeccompError::ArgumentIndex { index: 6 });
    let mut big_endian = profile(Allow, Vec::new());
    big_endian.architectures.push(S390x);
    let error = SeccompError::ByteOrder { arch: S390x, native: X86_64 };
    assert_eq!(refused(&big_endian), error);
    let many = (0..5000).map(|value| rule(&["ioctl"], Log, &[arg(1, Equal, value)]));
    assert!(matches!(refused(&profile(Allow, many.collect())), SeccompError::TooLong { .. }));
}

#[test]
fn flags_fit_what_the_kernel_accepts() {
    use kernel::seccomp::FilterFlags;
    let asked = FilterFlags::TSYNC | FilterFlags::LOG | FilterFlags::WAIT_KILLABLE_RECV;
    let mut silent = profile(Allow, vec![rule(&["read"], Log, &[])]);
    silent.flags = asked.bits();
    let program = compile(&silent, X86_64).unwrap();
    assert!(!program.uses_notify);
    assert_eq!(program.flags, FilterFlags::TSYNC | FilterFlags::LOG);
    silent.rules.push(rule(&["mkdir"], Notify, &[]));
    let program = compile(&silent, X86_64).unwrap();
    assert!(program.uses_notify);
    let listening = FilterFlags::NEW_LISTENER | FilterFlags::WAIT_KILLABLE_RECV;
    assert_eq!(program.flags, FilterFlags::LOG | listening);
}

#[test]
fn a_stored_filter_comes_back_or_is_refused() {
    let mut docker = docker();
    docker.rules.push(rule(&["no_such"], Allow, &[]));
    let program = compile(&docker, X86_64).unwrap();
    let bytes = program.to_bytes();
    assert_eq!(Program::from_bytes(&bytes), Ok(program));
    for length in 0..bytes.len() {
        assert!(Program::from_bytes(&bytes[..length]).is_err(), "{length}");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(Program::from_bytes(&damaged).is_err(), "{at}");
    }
}

#[test]
fn a_filter_reads_like_a_program() {
    let rules = vec![rule(&["read"], Allow, &[arg(0, Equal, 3)])];
    let program = compile(&profile(Errno(ENOSYS), rules), Riscv64).unwrap();
    let expected = "   0: load architecture
   1: if == SCMP_ARCH_RISCV64 goto 2 else 10
   2: load number
   3: if == 63 goto 4 else 9
   4: load argument 0 + 4
   5: if == 0x0 goto 6 else 9
   6: load argument 0 + 0
   7: if == 0x3 goto 8 else 9
   8: return Allow
   9: return Errno(38)
  10: return KillThread
";
    assert_eq!(program.to_string(), expected);
}

/// A small generator of numbers, the same in every run (splitmix64).
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
        let high = self.pick(&[0, 0, 0, 1 << 32, 2 << 32, u64::from(u32::MAX) << 32]);
        self.pick(&[small, small, u64::from(u32::MAX) - small, 0x8000_0000 + small]) | high
    }

    fn profile(&mut self, native: SeccompArch) -> SeccompProfile {
        const ACTIONS: &[SeccompAction] =
            &[Allow, Errno(1), Errno(38), Errno(5), KillThread, KillProcess, Trap, Log, Trace(3)];
        const NAMES: &[&str] = &[
            "read",
            "ioctl",
            "socket",
            "bind",
            "shmat",
            "socketcall",
            "openat2",
            "clone3",
            "mseal",
            "personality",
            "close_range",
            "set_tls",
            "_llseek",
            "cachestat",
            "no_such",
        ];
        const OPS: &[SeccompCompare] =
            &[NotEqual, Less, LessOrEqual, Equal, GreaterOrEqual, Greater, MaskedEqual];
        let rules = (0..self.below(12)).map(|_| {
            let names: Vec<_> = (0..=self.below(4)).map(|_| self.pick(NAMES)).collect();
            let args: Vec<_> = (0..self.below(4))
                .map(|_| SeccompArg {
                    index: self.pick(&[0, 0, 1, 1, 5]),
                    op: self.pick(OPS),
                    value: self.value(),
                    value_two: self.value(),
                })
                .collect();
            rule(&names, self.pick(ACTIONS), &args)
        });
        let rules = rules.collect();
        let mut profile = profile(self.pick(ACTIONS), rules);
        let same_order = |arch: &SeccompArch| arch::endian(*arch) == arch::endian(native);
        let archs: Vec<_> = arch::ALL.iter().copied().filter(same_order).collect();
        profile.architectures = (0..self.below(4)).map(|_| self.pick(&archs)).collect();
        profile
    }

    /// Calls at the edges of `profile`: its own values and their neighbours, its own numbers.
    fn calls(&mut self, profile: &SeccompProfile, native: SeccompArch) -> Vec<SeccompData> {
        let values: Vec<u64> = profile
            .rules
            .iter()
            .flat_map(|rule| &rule.args)
            .flat_map(|arg| [arg.value, arg.value_two, arg.value & arg.value_two])
            .flat_map(|value| [value, value.wrapping_add(1), value.wrapping_sub(1)])
            .chain([0, 1, u64::MAX, 1 << 32, u64::from(u32::MAX)])
            .collect();
        let mut archs = profile.architectures.clone();
        archs.extend([native, Aarch64, X32]);
        let names: Vec<&str> =
            profile.rules.iter().flat_map(|rule| &rule.names).map(String::as_str).collect();
        (0..60)
            .map(|_| {
                let arch = self.pick(&archs);
                let named = (!names.is_empty()).then(|| self.pick(&names));
                let named = named.and_then(table::find).and_then(|call| call.number(arch));
                let edges = [0, 102, 117, 335, 400, 471, 472, 547, 4000, 0x4000_0000, u32::MAX];
                let number = named.filter(|_| self.below(4) > 0);
                let number = number.unwrap_or_else(|| self.pick(&edges));
                let args = std::array::from_fn(|_| self.pick(&values));
                SeccompData { number, arch: audit_arch(arch), instruction_pointer: 0, args }
            })
            .collect()
    }
}

#[test]
fn random_profiles_mean_what_the_evaluator_says() {
    let mut random = Random(1);
    for round in 0..500 {
        let native = random.pick(&[X86_64, X86_64, Aarch64, S390x, Mips64, X86]);
        let profile = random.profile(native);
        let program = compile(&profile, native).unwrap();
        for data in random.calls(&profile, native) {
            let expected = evaluate(&profile, native, &data);
            let got = verdict(&program, native, &data);
            assert_eq!(got, expected, "round {round}: {data:x?}\n{profile:#?}\n{program}");
        }
    }
}
