//! Compiles device rules to an eBPF program.
//!
//! The rules are tried from the last to the first. `r3` holds the accesses that no rule decided
//! yet: an allowing rule that matches takes its accesses out, and the request passes when none is
//! left; a denying rule that matches refuses if one of its accesses is still in.
//!
//! ```text
//! r1 context: u32 access_type (upper half access, lower half kind), u32 major, u32 minor
//! r2 kind     r3 accesses left     r4 major     r5 minor     r0 result
//! r6 key: kind << 32 | major << 20 | minor
//! ```
//! A rule that names a device for every access compares the key once: what a program costs is the
//! verifier's time, which goes by branches.

use kernel::bpf::Instruction;

use super::{ALL, allow_everything, is_total};
use crate::cgroup::CgroupError;
use crate::spec::{DeviceAccess, DeviceRule, DeviceRuleKind};

// linux/bpf.h: what `access_type` holds.
const KIND_BLOCK: i32 = 1;
const KIND_CHAR: i32 = 2;
const ACCESS_MKNOD: i32 = 1;
const ACCESS_READ: i32 = 2;
const ACCESS_WRITE: i32 = 4;

// The kernel's device numbers have 12 and 20 bits: a rule beyond them matches nothing.
const MAX_MAJOR: u32 = (1 << 12) - 1;
const MAX_MINOR: u32 = (1 << 20) - 1;

/// Operations, as `linux/bpf.h` and `linux/bpf_common.h` compose them.
pub(super) mod op {
    /// `dst = *(u32 *)(src + offset)`
    pub(crate) const LOAD_WORD: u8 = 0x61;
    /// `dst = src`
    pub(crate) const MOVE: u8 = 0xbf;
    /// `dst = immediate`
    pub(crate) const SET: u8 = 0xb7;
    /// `dst &= immediate`
    pub(crate) const AND: u8 = 0x57;
    /// `dst >>= immediate`
    pub(crate) const SHIFT_RIGHT: u8 = 0x77;
    /// `dst <<= immediate`
    pub(crate) const SHIFT_LEFT: u8 = 0x67;
    /// `dst |= src`
    pub(crate) const OR_REGISTER: u8 = 0x4f;
    /// `dst = immediate`, whose upper half is in an instruction of its own.
    pub(crate) const SET_WIDE: u8 = 0x18;
    /// Jump if `dst == src`.
    pub(crate) const JUMP_EQUAL_REGISTER: u8 = 0x1d;
    /// Jump always.
    pub(crate) const JUMP: u8 = 0x05;
    /// Jump if `dst == immediate`.
    pub(crate) const JUMP_EQUAL: u8 = 0x15;
    /// Jump if `dst != immediate`.
    pub(crate) const JUMP_NOT_EQUAL: u8 = 0x55;
    /// Jump if `dst & immediate`.
    pub(crate) const JUMP_ANY_SET: u8 = 0x45;
    /// Return `r0`.
    pub(crate) const EXIT: u8 = 0x95;
}

/// Where a jump goes before distances are known.
#[derive(Clone, Copy, PartialEq)]
enum Target {
    /// The first instruction after this rule's.
    Next,
    Allow,
    Deny,
}

/// A jump still without its distance: index of the instruction, target, index of the rule's end.
struct Patch {
    at: usize,
    target: Target,
    end: usize,
}

/// More rules than this make a program whose jumps would not reach.
pub(super) const MAX_RULES: usize = 2_000;

/// Compiles `rules`; `None` if they allow everything and no filter is needed.
///
/// # Errors
/// [`CgroupError::Refused`] for more than `MAX_RULES`.
pub fn compile(rules: &[DeviceRule]) -> Result<Option<Vec<Instruction>>, CgroupError> {
    if rules.len() > MAX_RULES {
        return Err(CgroupError::Refused {
            property: "linux.resources.devices".to_owned(),
            why: format!("there are more than {MAX_RULES} rules"),
        });
    }
    Ok((!allow_everything(rules)).then(|| program(rules)))
}

fn program(rules: &[DeviceRule]) -> Vec<Instruction> {
    let mut code = vec![
        insn(op::LOAD_WORD, 2, 1, 0, 0),
        insn(op::MOVE, 3, 2, 0, 0),
        insn(op::SHIFT_RIGHT, 3, 0, 0, 16),
        insn(op::AND, 2, 0, 0, 0xffff),
        insn(op::LOAD_WORD, 4, 1, 4, 0),
        insn(op::LOAD_WORD, 5, 1, 8, 0),
    ];
    let rules = of_both_kinds(rules);
    if rules.iter().any(|rule| key(rule).is_some()) {
        code.extend([
            insn(op::MOVE, 6, 2, 0, 0),
            insn(op::SHIFT_LEFT, 6, 0, 0, 12),
            insn(op::OR_REGISTER, 6, 4, 0, 0),
            insn(op::SHIFT_LEFT, 6, 0, 0, 20),
            insn(op::OR_REGISTER, 6, 5, 0, 0),
        ]);
    }
    let mut patches = Vec::new();
    for rule in rules.iter().rev() {
        if is_total(rule) {
            // Nothing before it can matter; the end of the program denies.
            if rule.allow {
                jump(&mut code, &mut patches, (op::JUMP, 0, 0), Target::Allow);
            }
            break;
        }
        if can_match(rule) {
            let first = patches.len();
            append_rule(&mut code, &mut patches, rule);
            let end = code.len();
            patches[first..].iter_mut().for_each(|patch| patch.end = end);
        }
    }
    // The verifier refuses what nothing leads to, so each verdict is there only if it is reached.
    let is_targeted = |target| patches.iter().any(|patch: &Patch| patch.target == target);
    let falls_through = code.last().is_none_or(|last| last.code != op::JUMP);
    let ends_next = patches.iter().any(|p| p.target == Target::Next && p.end == code.len());
    let deny = code.len();
    if falls_through || ends_next || is_targeted(Target::Deny) {
        code.extend([insn(op::SET, 0, 0, 0, 0), insn(op::EXIT, 0, 0, 0, 0)]);
    }
    let allow = code.len();
    if is_targeted(Target::Allow) {
        code.extend([insn(op::SET, 0, 0, 0, 1), insn(op::EXIT, 0, 0, 0, 0)]);
    }
    for patch in patches {
        let to = match patch.target {
            Target::Next => patch.end,
            Target::Allow => allow,
            Target::Deny => deny,
        };
        let distance = to - patch.at - 1;
        code[patch.at].offset = i16::try_from(distance).expect("MAX_RULES keeps the program short");
    }
    code
}

/// Two rules in a row that differ in nothing but the kind as one.
fn of_both_kinds(rules: &[DeviceRule]) -> Vec<DeviceRule> {
    use DeviceRuleKind::{All, Block, Char};
    let mut merged: Vec<DeviceRule> = Vec::with_capacity(rules.len());
    for rule in rules {
        match merged.last_mut() {
            Some(last)
                if matches!((last.kind, rule.kind), (Char, Block) | (Block, Char))
                    && *last == (DeviceRule { kind: last.kind, ..*rule }) =>
            {
                last.kind = All;
            }
            _ => merged.push(*rule),
        }
    }
    merged
}

/// `None` for both, of which each device is one.
fn kind_number(rule: &DeviceRule) -> Option<i32> {
    match rule.kind {
        DeviceRuleKind::Block => Some(KIND_BLOCK),
        DeviceRuleKind::Char => Some(KIND_CHAR),
        DeviceRuleKind::All => None,
    }
}

/// The one value of `r6` that a rule is about, in halves; `None` for one about more, or less than every
/// access.
fn key(rule: &DeviceRule) -> Option<(i32, i32)> {
    let (major, minor) = rule.major.zip(rule.minor)?;
    let lower = (major << 20 | minor).cast_signed();
    kind_number(rule).filter(|_| rule.access == ALL && can_match(rule)).zip(Some(lower))
}

fn append_rule(code: &mut Vec<Instruction>, patches: &mut Vec<Patch>, rule: &DeviceRule) {
    let verdict = if rule.allow { Target::Allow } else { Target::Deny };
    if let Some((upper, lower)) = key(rule) {
        code.extend([insn(op::SET_WIDE, 7, 0, 0, lower), insn(0, 0, 0, 0, upper)]);
        patches.push(Patch { at: code.len(), target: verdict, end: 0 });
        return code.push(insn(op::JUMP_EQUAL_REGISTER, 6, 7, 0, 0));
    }
    if let Some(kind) = kind_number(rule) {
        jump(code, patches, (op::JUMP_NOT_EQUAL, 2, kind), Target::Next);
    }
    let number = |register, number: Option<u32>| {
        number.and_then(|number| i32::try_from(number).ok()).map(|number| (register, number))
    };
    let mut numbers: Vec<(u8, i32)> =
        number(4, rule.major).into_iter().chain(number(5, rule.minor)).collect();
    // A rule about every access decides by its last number.
    let last = if rule.access == ALL { numbers.pop() } else { None };
    for (register, number) in numbers {
        jump(code, patches, (op::JUMP_NOT_EQUAL, register, number), Target::Next);
    }
    match (last, rule.access == ALL, rule.allow) {
        (Some((register, number)), ..) => {
            jump(code, patches, (op::JUMP_EQUAL, register, number), verdict);
        }
        (None, true, _) => jump(code, patches, (op::JUMP, 0, 0), verdict),
        (None, false, true) => {
            code.push(insn(op::AND, 3, 0, 0, !access_bits(rule.access)));
            jump(code, patches, (op::JUMP_EQUAL, 3, 0), verdict);
        }
        (None, false, false) => {
            jump(code, patches, (op::JUMP_ANY_SET, 3, access_bits(rule.access)), verdict);
        }
    }
}

/// Appends a jump, (operation, register, operand), to be patched.
fn jump(
    code: &mut Vec<Instruction>,
    patches: &mut Vec<Patch>,
    (code_byte, register, operand): (u8, u8, i32),
    target: Target,
) {
    patches.push(Patch { at: code.len(), target, end: 0 });
    code.push(insn(code_byte, register, 0, 0, operand));
}

fn insn(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers: from << 4 | to, offset, immediate }
}

fn can_match(rule: &DeviceRule) -> bool {
    rule.major.is_none_or(|major| major <= MAX_MAJOR)
        && rule.minor.is_none_or(|minor| minor <= MAX_MINOR)
        && access_bits(rule.access) != 0
}

fn access_bits(access: DeviceAccess) -> i32 {
    let bit = |on: bool, bit| if on { bit } else { 0 };
    bit(access.read, ACCESS_READ)
        | bit(access.write, ACCESS_WRITE)
        | bit(access.mknod, ACCESS_MKNOD)
}
