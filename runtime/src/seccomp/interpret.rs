//! Runs a filter as the kernel would, without loading it.

use kernel::seccomp::{MAX_INSTRUCTIONS, SockFilter};

use crate::spec::SeccompArch;

use super::arch::{self, Endian};
use super::bpf;

/// A system call as a filter sees it (`struct seccomp_data`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SeccompData {
    /// `nr`.
    pub number: u32,
    /// `AUDIT_ARCH_*`.
    pub arch: u32,
    /// Where the call was made.
    pub instruction_pointer: u64,
    /// Its arguments.
    pub args: [u64; 6],
}

/// Why a program is not one the kernel would run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// None or too many instructions.
    #[error("a filter of {0} instructions: the kernel takes 1 to {MAX_INSTRUCTIONS}")]
    Length(usize),
    /// Not one of ours.
    #[error("instruction {at} has the unknown operation {code:#x}")]
    Operation {
        /// Its index.
        at: usize,
        /// Its operation.
        code: u16,
    },
    /// Out of `seccomp_data`, or not aligned.
    #[error("instruction {at} loads from offset {offset}")]
    Load {
        /// Its index.
        at: usize,
        /// Where from.
        offset: u32,
    },
    /// Past the end.
    #[error("instruction {at} jumps out of the filter")]
    Jump {
        /// Its index.
        at: usize,
    },
    /// The last one has to.
    #[error("the last instruction does not return")]
    NoReturn,
}

/// Checks what the kernel's verifier checks.
///
/// # Errors
/// The first thing it would refuse.
pub fn check(program: &[SockFilter]) -> Result<(), ProgramError> {
    if program.is_empty() || program.len() > MAX_INSTRUCTIONS {
        return Err(ProgramError::Length(program.len()));
    }
    for (at, instruction) in program.iter().enumerate() {
        let SockFilter { code, jt, jf, k } = *instruction;
        let left = program.len() - 1 - at;
        match code {
            bpf::LOAD if k % 4 != 0 || k >= bpf::DATA_SIZE => {
                return Err(ProgramError::Load { at, offset: k });
            }
            bpf::LOAD | bpf::AND | bpf::RETURN => {}
            bpf::JUMP if k as usize >= left => return Err(ProgramError::Jump { at }),
            bpf::JUMP => {}
            bpf::JUMP_EQUAL | bpf::JUMP_GREATER | bpf::JUMP_GREATER_OR_EQUAL => {
                if usize::from(jt.max(jf)) >= left {
                    return Err(ProgramError::Jump { at });
                }
            }
            _ => return Err(ProgramError::Operation { at, code }),
        }
    }
    match program.last() {
        Some(last) if last.code == bpf::RETURN => Ok(()),
        _ => Err(ProgramError::NoReturn),
    }
}

/// Returns what `program` returns for `data` on a machine of the architecture `native`.
///
/// # Errors
/// What [`check`] finds, if the call gets there.
pub fn run(
    program: &[SockFilter],
    data: &SeccompData,
    native: SeccompArch,
) -> Result<u32, ProgramError> {
    let mut accumulator = 0u32;
    let mut at = 0;
    loop {
        let Some(&SockFilter { code, jt, jf, k }) = program.get(at) else {
            return Err(ProgramError::NoReturn);
        };
        // Jumps lead forward, so that this ends.
        at += 1;
        let test = match code {
            bpf::RETURN => return Ok(k),
            bpf::LOAD if k % 4 == 0 && k < bpf::DATA_SIZE => {
                accumulator = load(data, k, arch::endian(native));
                continue;
            }
            bpf::LOAD => return Err(ProgramError::Load { at: at - 1, offset: k }),
            bpf::AND => {
                accumulator &= k;
                continue;
            }
            bpf::JUMP => {
                at = at.saturating_add(k as usize);
                continue;
            }
            bpf::JUMP_EQUAL => accumulator == k,
            bpf::JUMP_GREATER => accumulator > k,
            bpf::JUMP_GREATER_OR_EQUAL => accumulator >= k,
            _ => return Err(ProgramError::Operation { at: at - 1, code }),
        };
        at += usize::from(if test { jt } else { jf });
    }
}

fn load(data: &SeccompData, offset: u32, endian: Endian) -> u32 {
    let wide = match offset {
        0..4 => return data.number,
        4..8 => return data.arch,
        8..16 => data.instruction_pointer,
        _ => data.args[(offset as usize - 16) / 8],
    };
    let high = (offset % 8 == 4) == (endian == Endian::Little);
    let half = if high { wide >> 32 } else { wide & u64::from(u32::MAX) };
    u32::try_from(half).expect("half of 64 bits")
}
