use super::ebpf::op;
use super::*;
use DeviceRuleKind::{All, Block, Char};

/// `+c 1:3 rwm` allows, `-` denies.
fn rules(text: &str) -> Vec<DeviceRule> {
    text.lines()
        .map(|line| {
            let mut words = line.trim().split(' ');
            let kind = words.next().unwrap();
            let (major, minor) = words.next().unwrap().split_once(':').unwrap();
            let letters = words.next().unwrap();
            DeviceRule {
                allow: kind.starts_with('+'),
                kind: match &kind[1..] {
                    "a" => All,
                    "b" => Block,
                    _ => Char,
                },
                major: major.parse().ok(),
                minor: minor.parse().ok(),
                access: DeviceAccess {
                    read: letters.contains('r'),
                    write: letters.contains('w'),
                    mknod: letters.contains('m'),
                },
            }
        })
        .collect()
}

/// Runs a program on (access, kind, major, minor): the eBPF this compiler emits, no more.
fn run(program: &[Instruction], access: u64, kind: u64, major: u64, minor: u64) -> bool {
    let mut registers = [0u64; 11];
    let mut at = 0usize;
    for _ in 0..program.len() + 1 {
        let insn = program[at];
        let (to, operand) =
            ((insn.registers & 15) as usize, i64::from(insn.immediate).cast_unsigned());
        at += 1;
        let jumps = match insn.code {
            op::LOAD_WORD => {
                registers[to] = [access << 16 | kind, major, minor]
                    [usize::from(insn.offset.cast_unsigned()) / 4];
                false
            }
            op::MOVE => {
                registers[to] = registers[(insn.registers >> 4) as usize];
                false
            }
            op::SET => {
                registers[to] = operand;
                false
            }
            op::AND => {
                registers[to] &= operand;
                false
            }
            op::SHIFT_RIGHT => {
                registers[to] >>= operand;
                false
            }
            op::SHIFT_LEFT => {
                registers[to] <<= operand;
                false
            }
            op::OR_REGISTER => {
                registers[to] |= registers[(insn.registers >> 4) as usize];
                false
            }
            op::SET_WIDE => {
                let upper = u64::from(program[at].immediate.cast_unsigned());
                registers[to] = upper << 32 | u64::from(insn.immediate.cast_unsigned());
                at += 1;
                false
            }
            op::JUMP => true,
            op::JUMP_EQUAL => registers[to] == operand,
            op::JUMP_EQUAL_REGISTER => registers[to] == registers[(insn.registers >> 4) as usize],
            op::JUMP_NOT_EQUAL => registers[to] != operand,
            op::JUMP_ANY_SET => registers[to] & operand != 0,
            op::EXIT => return registers[0] != 0,
            code => panic!("unknown operation {code:#x}"),
        };
        if jumps {
            at += usize::from(insn.offset.cast_unsigned());
        }
    }
    panic!("the program does not end");
}

/// The rules' meaning, said another way: each access by itself, the last match wins.
fn expected(rules: &[DeviceRule], access: u64, kind: u64, major: u64, minor: u64) -> bool {
    let decides = |rule: &&DeviceRule, bit: u64| {
        let kind_matches = match rule.kind {
            All => true,
            Block => kind == 1,
            Char => kind == 2,
        };
        let bits = u64::from(rule.access.mknod)
            | u64::from(rule.access.read) << 1
            | u64::from(rule.access.write) << 2;
        kind_matches
            && rule.major.is_none_or(|m| u64::from(m) == major)
            && rule.minor.is_none_or(|m| u64::from(m) == minor)
            && bits & bit != 0
    };
    [1, 2, 4].into_iter().filter(|bit| access & bit != 0).all(|bit| {
        rules.iter().rev().find(|rule| decides(rule, bit)).is_some_and(|rule| rule.allow)
    })
}

#[track_caller]
fn check_program(rules: &[DeviceRule]) {
    let program = compile(rules).unwrap();
    if let Some(program) = &program {
        // The kernel's verifier agrees that it is a program, where it may be asked.
        match kernel::bpf::load_device_filter(program) {
            Ok(_) | Err(kernel::Errno::PERM) => {}
            Err(errno) => panic!("{rules:?}: {errno}"),
        }
    }
    for access in 1..8 {
        for kind in [1, 2] {
            for major in [0, 1, 2, 5, 8, 136, 4095] {
                for minor in [0, 1, 2, 3, 200, 1_048_575] {
                    let allowed =
                        program.as_ref().is_none_or(|p| run(p, access, kind, major, minor));
                    assert_eq!(
                        allowed,
                        expected(rules, access, kind, major, minor),
                        "{rules:?} access {access} kind {kind} {major}:{minor}"
                    );
                }
            }
        }
    }
}

#[test]
fn programs_mean_what_the_rules_mean() {
    for text in [
        "-a *:* rwm",
        "+a *:* rwm",
        "-a *:* rwm\n+c 1:3 rwm",
        "+a *:* rwm\n-c 1:3 w",
        "+a *:* rwm\n-b 8:* rw\n+b 8:0 r",
        "-a *:* rwm\n+c 1:* r\n+c 1:3 w\n-c 1:3 r",
        "+a *:* r",
        "+a 1:3 rwm",
        "-a *:* rwm\n+c *:3 rm\n-c 5:* m",
        "+c 9999:3 rwm\n-b 8:9999999 rwm",
        "+c 1:3 rwm\n-a *:* rwm\n+b *:* m",
        "-c 1:3 rwm\n+a *:* rwm",
        "+a *:* rwm\n-c 9999:3 rwm",
        "+a *:* rwm\n-c 4095:1048575 rwm\n-b 8:0 rwm",
        "-a *:* rwm\n+a 4095:1048575 rwm\n+b 2:1 rwm\n-b 2:1 r",
        "+c *:* rwm\n+b *:* rwm",
        "",
    ] {
        check_program(&rules(text));
    }
}

#[test]
fn many_rules_in_random_order_mean_what_they_mean() {
    // xorshift: the same rules on every run.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |bound: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 33).unwrap() % bound
    };
    for _ in 0..60 {
        let list: Vec<DeviceRule> = (0..next(12))
            .map(|_| DeviceRule {
                allow: next(2) == 0,
                kind: [All, Char, Block][next(3)],
                major: [None, Some(1), Some(5), Some(8)][next(4)],
                minor: [None, Some(0), Some(3)][next(3)],
                access: DeviceAccess {
                    read: next(2) == 0,
                    write: next(2) == 0,
                    mknod: next(2) == 0,
                },
            })
            .collect();
        check_program(&list);
    }
}

#[test]
fn everything_allowed_needs_no_program() {
    assert_eq!(compile(&rules("-c 1:3 rwm\n+a *:* rwm\n+c 1:3 r")).unwrap(), None);
    assert!(compile(&rules("+a *:* rwm\n-c 1:3 m")).unwrap().is_some());
    assert!(compile(&[]).unwrap().is_some(), "no rule denies");
}

#[test]
fn the_default_devices_take_few_instructions() {
    let mut list = rules("-a *:* rwm");
    list.extend(default_rules(&[]));
    let program = compile(&list).unwrap().unwrap();
    assert!(program.len() <= 60, "{}", program.len());
    assert!(run(&program, 6, 2, 1, 3) && run(&program, 7, 2, 136, 77) && run(&program, 1, 1, 8, 0));
    assert!(!run(&program, 2, 2, 1, 1) && !run(&program, 6, 1, 8, 0));
}

#[test]
fn a_node_of_the_config_replaces_the_default_rule_of_its_path() {
    let node = DeviceNode {
        path: crate::spec::ContainerPath::normalise("/dev/null").unwrap(),
        kind: crate::spec::DeviceKind::Char { major: 1, minor: 3 },
        mode: None,
        uid: None,
        gid: None,
    };
    let kept = default_rules(&[node]);
    assert_eq!(kept.len() + 1, default_rules(&[]).len());
    assert!(!kept.iter().any(|rule| (rule.major, rule.minor) == (Some(1), Some(3))));
}

#[track_caller]
fn check_legacy(text: &str, writes: &[&str]) {
    let planned: Vec<String> = plan_legacy(&rules(text))
        .unwrap()
        .iter()
        .map(|write| format!("{} {}", write.file(), write.value))
        .collect();
    assert_eq!(planned, writes);
}

#[test]
fn legacy_writes_start_from_a_reset() {
    check_legacy("+a *:* rwm", &[]);
    check_legacy("", &["devices.deny a"]);
    check_legacy(
        "-a *:* rwm\n+c 1:5 r\n+c 1:3 r\n+c 1:3 w\n+b *:* m",
        &[
            "devices.deny a",
            "devices.allow b *:* m",
            "devices.allow c 1:3 rw",
            "devices.allow c 1:5 r",
        ],
    );
    check_legacy("+a *:* rwm\n-b 8:0 w", &["devices.allow a", "devices.deny b 8:0 w"]);
    check_legacy("-a *:* rwm\n+c 1:3 rw\n-c 1:3 r", &["devices.deny a", "devices.allow c 1:3 w"]);
}

#[test]
fn a_hole_that_the_controller_would_ignore_is_refused() {
    let error = plan_legacy(&rules("-a *:* rwm\n+c *:* rwm\n-c 1:3 r")).unwrap_err();
    assert!(error.to_string().contains("c 1:3 r"), "{error}");
    assert!(plan_legacy(&rules("+a *:* rwm\n-c 5:* rwm\n+c 5:0 r")).is_err());
}

#[test]
fn as_many_rules_as_are_taken_still_make_a_program() {
    let one = rules("+c 1:3 r")[0];
    let program =
        compile(&vec![DeviceRule { kind: All, ..one }; ebpf::MAX_RULES]).unwrap().unwrap();
    assert!(run(&program, 2, 2, 1, 3));
    assert!(!run(&program, 4, 2, 1, 3));
    assert!(compile(&vec![one; ebpf::MAX_RULES + 1]).is_err());
}
