//! A compiled filter, and how it reads.

use std::fmt;

use kernel::seccomp::{FilterFlags, SockFilter};

use super::action;
use super::arch;
use super::bpf;

/// A filter for one container, ready to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Never empty, never longer than the kernel takes.
    pub instructions: Vec<SockFilter>,
    /// What it is loaded with.
    pub flags: FilterFlags,
    /// Whether loading it gives a listener.
    pub uses_notify: bool,
    /// Names of the profile that no architecture has a call for, sorted, each once.
    pub skipped_names: Vec<String>,
}

/// One line for each instruction: its index, what it does, and where conditional jumps go.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut loaded = None;
        for (at, instruction) in self.instructions.iter().enumerate() {
            if instruction.code == bpf::LOAD {
                loaded = Some(instruction.k);
            }
            write!(f, "{at:4}: ")?;
            write_instruction(f, at, *instruction, loaded)?;
            writeln!(f)?;
        }
        Ok(())
    }
}

fn write_instruction(
    f: &mut fmt::Formatter<'_>,
    at: usize,
    instruction: SockFilter,
    loaded: Option<u32>,
) -> fmt::Result {
    let SockFilter { code, jt, jf, k } = instruction;
    let compare = |f: &mut fmt::Formatter<'_>, sign: &str| {
        let (yes, no) = (at + 1 + usize::from(jt), at + 1 + usize::from(jf));
        write!(f, "if {sign} {}", Operand { loaded, value: k })?;
        write!(f, " goto {yes} else {no}")
    };
    match code {
        bpf::LOAD => write!(f, "load {}", Field(k)),
        bpf::AND => write!(f, "and {k:#x}"),
        bpf::JUMP => write!(f, "goto {}", at + 1 + k as usize),
        bpf::JUMP_EQUAL => compare(f, "=="),
        bpf::JUMP_GREATER => compare(f, ">"),
        bpf::JUMP_GREATER_OR_EQUAL => compare(f, ">="),
        bpf::RETURN => match action::decode(k) {
            Some(action) => write!(f, "return {action:?}"),
            None => write!(f, "return {k:#x}"),
        },
        _ => write!(f, "unknown {code:#x} {jt} {jf} {k:#x}"),
    }
}

/// A part of `seccomp_data`.
struct Field(u32);

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bpf::NUMBER_OFFSET => write!(f, "number"),
            bpf::ARCH_OFFSET => write!(f, "architecture"),
            offset @ 16..64 => write!(f, "argument {} + {}", (offset - 16) / 8, offset % 8),
            offset => write!(f, "data + {offset}"),
        }
    }
}

/// What is compared with: numbers are decimal, as tables have them, the rest isn't.
struct Operand {
    loaded: Option<u32>,
    value: u32,
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value;
        match self.loaded {
            Some(bpf::NUMBER_OFFSET) if value & arch::X32_BIT == 0 => write!(f, "{value}"),
            Some(bpf::ARCH_OFFSET) => {
                let arch = arch::ALL.iter().find(|arch| arch::audit(**arch) == value);
                match arch {
                    Some(arch) => write!(f, "{}", arch::name(*arch)),
                    None => write!(f, "{value:#x}"),
                }
            }
            _ => write!(f, "{value:#x}"),
        }
    }
}
