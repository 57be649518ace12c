//! The instructions of classic BPF that filters are made of (linux/bpf_common.h).

/// `BPF_LD | BPF_W | BPF_ABS`: 32 bits of `seccomp_data` into the accumulator.
pub(super) const LOAD: u16 = 0x20;
/// `BPF_ALU | BPF_AND | BPF_K`.
pub(super) const AND: u16 = 0x54;
/// `BPF_JMP | BPF_JA`: forward by the 32-bit operand.
pub(super) const JUMP: u16 = 0x05;
/// `BPF_JMP | BPF_JEQ | BPF_K`.
pub(super) const JUMP_EQUAL: u16 = 0x15;
/// `BPF_JMP | BPF_JGT | BPF_K`, unsigned.
pub(super) const JUMP_GREATER: u16 = 0x25;
/// `BPF_JMP | BPF_JGE | BPF_K`, unsigned.
pub(super) const JUMP_GREATER_OR_EQUAL: u16 = 0x35;
/// `BPF_RET | BPF_K`.
pub(super) const RETURN: u16 = 0x06;

/// Offsets in `struct seccomp_data`.
pub(super) const NUMBER_OFFSET: u32 = 0;
pub(super) const ARCH_OFFSET: u32 = 4;
/// Its size, in which all loads must lie.
pub(super) const DATA_SIZE: u32 = 64;
