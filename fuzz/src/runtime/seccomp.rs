//! Bytes as a seccomp profile and as calls: whatever compiles is a program the kernel takes, decides
//! as the slow evaluator does, and comes back from its stored form. Bytes as a stored filter, too.

use runt::seccomp::evaluate::evaluate;
use runt::seccomp::interpret::{self, SeccompData, check};
use runt::seccomp::{Program, action_of, audit_arch, compile, names, number_of};
use runt::spec::{
    SeccompAction, SeccompArch, SeccompArg, SeccompCompare, SeccompProfile, SeccompRule,
};

const NATIVES: [SeccompArch; 6] = [
    SeccompArch::X86_64,
    SeccompArch::Aarch64,
    SeccompArch::X86,
    SeccompArch::S390x,
    SeccompArch::Mips64,
    SeccompArch::Arm,
];

/// More make a run slow and show nothing new.
const MAX_RULES: u8 = 24;

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(program) = Program::from_bytes(bytes) {
        check(&program.instructions).expect("checked when read");
    }
    let mut bytes = Bytes(bytes);
    let native = bytes.pick(&NATIVES);
    let profile = bytes.profile();
    let Ok(program) = compile(&profile, native) else { return };
    check(&program.instructions).expect("the kernel takes it");
    assert_eq!(Program::from_bytes(&program.to_bytes()).as_ref(), Ok(&program));
    for _ in 0..32 {
        let data = bytes.call(&profile);
        let result = interpret::run(&program.instructions, &data, native).expect("checked above");
        let expected = evaluate(&profile, native, &data);
        assert_eq!(action_of(result), Some(expected), "{data:x?}\n{profile:#x?}\n{program}");
    }
}

/// Zeroes follow the end.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(std::array::from_fn(|_| self.next()))
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.next()) % from.len()]
    }

    /// Small, at an edge, or anything.
    fn value(&mut self) -> u64 {
        match self.next() {
            small @ 0..128 => u64::from(small) % 8,
            128..192 => u64::from(self.next() % 4) << 32 | u64::from(self.next() % 4),
            192..224 => u64::from(u32::MAX) - u64::from(self.next() % 4),
            _ => u64::from(self.u32()) << 32 | u64::from(self.u32()),
        }
    }

    fn action(&mut self) -> SeccompAction {
        match self.next() % 8 {
            0 => SeccompAction::KillThread,
            1 => SeccompAction::KillProcess,
            2 => SeccompAction::Trap,
            3 => SeccompAction::Errno(u16::from(self.next())),
            4 => SeccompAction::Trace(u16::from(self.next())),
            5 => SeccompAction::Log,
            6 => SeccompAction::Allow,
            _ => SeccompAction::Notify,
        }
    }

    fn name(&mut self) -> String {
        const COMMON: [&str; 8] =
            ["ioctl", "read", "socket", "socketcall", "shmat", "ipc", "clone3", "no_such_call"];
        match self.next() {
            common @ 0..128 => COMMON[usize::from(common) % COMMON.len()].to_owned(),
            other => {
                let at = usize::from(other) << 8 | usize::from(self.next());
                let all: Vec<&str> = names().collect();
                all[at % all.len()].to_owned()
            }
        }
    }

    fn arg(&mut self) -> SeccompArg {
        const OPS: [SeccompCompare; 7] = [
            SeccompCompare::Equal,
            SeccompCompare::NotEqual,
            SeccompCompare::Less,
            SeccompCompare::LessOrEqual,
            SeccompCompare::Greater,
            SeccompCompare::GreaterOrEqual,
            SeccompCompare::MaskedEqual,
        ];
        // One index in eight does not exist.
        let index = self.next() % 8;
        let index = if index == 7 { 200 } else { index % 6 };
        SeccompArg { index, op: self.pick(&OPS), value: self.value(), value_two: self.value() }
    }

    fn profile(&mut self) -> SeccompProfile {
        const ARCHS: [SeccompArch; 10] = [
            SeccompArch::X86_64,
            SeccompArch::X32,
            SeccompArch::X86,
            SeccompArch::Aarch64,
            SeccompArch::Arm,
            SeccompArch::Mips,
            SeccompArch::Mips64,
            SeccompArch::S390,
            SeccompArch::S390x,
            SeccompArch::Ppc64le,
        ];
        let default_action = self.action();
        let architectures = (0..self.next() % 4).map(|_| self.pick(&ARCHS)).collect();
        let rules = (0..self.next() % MAX_RULES).map(|_| SeccompRule {
            names: (0..=self.next() % 4).map(|_| self.name()).collect(),
            action: self.action(),
            args: (0..self.next() % 5).map(|_| self.arg()).collect(),
        });
        let rules = rules.collect();
        let flags = u64::from(self.next());
        SeccompProfile {
            default_action,
            architectures,
            flags,
            listener_path: None,
            listener_metadata: None,
            rules,
        }
    }

    /// A call, more often than not one that the profile names.
    fn call(&mut self, profile: &SeccompProfile) -> SeccompData {
        let mut archs = profile.architectures.clone();
        archs.extend(NATIVES);
        let arch = self.pick(&archs);
        let names: Vec<_> = profile.rules.iter().flat_map(|rule| &rule.names).collect();
        let named = (!names.is_empty()).then(|| self.pick(&names));
        let number = match self.next() {
            0..192 => named.and_then(|name| number_of(arch, name)),
            _ => None,
        };
        let number = number.unwrap_or_else(|| self.u32());
        let values = profile.rules.iter().flat_map(|rule| &rule.args);
        let values: Vec<u64> = values.flat_map(|arg| [arg.value, arg.value_two]).collect();
        let args = std::array::from_fn(|_| match self.next() {
            edge @ 0..192 if !values.is_empty() => {
                let value = values[usize::from(edge) % values.len()];
                [value, value.wrapping_add(1), value.wrapping_sub(1)][usize::from(edge) % 3]
            }
            _ => self.value(),
        });
        SeccompData { number, arch: audit_arch(arch), instruction_pointer: 0, args }
    }
}
