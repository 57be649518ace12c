//! What differs between the architectures a filter can name.

use crate::spec::{SeccompArch, SeccompProfile};

use SeccompArch::{
    Aarch64, Arm, Loongarch64, M68k, Mips, Mips64, Mips64n32, Mipsel, Mipsel64, Mipsel64n32,
    Parisc, Parisc64, Ppc, Ppc64, Ppc64le, Riscv64, S390, S390x, Sh, Sheb, X32, X86, X86_64,
};

/// Every architecture, in the order of [`SeccompArch`].
pub(super) const ALL: &[SeccompArch] = &[
    X86,
    X86_64,
    X32,
    Arm,
    Aarch64,
    Mips,
    Mips64,
    Mips64n32,
    Mipsel,
    Mipsel64,
    Mipsel64n32,
    Ppc,
    Ppc64,
    Ppc64le,
    S390,
    S390x,
    Parisc,
    Parisc64,
    Riscv64,
    Loongarch64,
    M68k,
    Sh,
    Sheb,
];

/// Set in the number of every x32 call (`__X32_SYSCALL_BIT`).
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// The architecture this program was built for.
#[must_use]
pub const fn native() -> SeccompArch {
    if cfg!(target_arch = "x86_64") {
        if cfg!(target_pointer_width = "32") { X32 } else { X86_64 }
    } else if cfg!(target_arch = "x86") {
        X86
    } else if cfg!(target_arch = "aarch64") {
        Aarch64
    } else if cfg!(target_arch = "arm") {
        Arm
    } else if cfg!(target_arch = "riscv64") {
        Riscv64
    } else if cfg!(target_arch = "loongarch64") {
        Loongarch64
    } else if cfg!(all(target_arch = "powerpc64", target_endian = "little")) {
        Ppc64le
    } else if cfg!(target_arch = "powerpc64") {
        Ppc64
    } else if cfg!(target_arch = "powerpc") {
        Ppc
    } else if cfg!(target_arch = "s390x") {
        S390x
    } else if cfg!(all(target_arch = "mips64", target_endian = "little")) {
        Mipsel64
    } else if cfg!(target_arch = "mips64") {
        Mips64
    } else if cfg!(all(target_arch = "mips", target_endian = "little")) {
        Mipsel
    } else if cfg!(target_arch = "mips") {
        Mips
    } else if cfg!(target_arch = "m68k") {
        M68k
    } else {
        panic!("no seccomp architecture is known for this target")
    }
}

/// Returns the name a profile uses, `SCMP_ARCH_*`.
#[must_use]
pub fn name(arch: SeccompArch) -> &'static str {
    let named = SeccompProfile::known_architectures().find(|(_, known)| *known == arch);
    named.map_or("an unknown architecture", |(name, _)| name)
}

/// Returns the `AUDIT_ARCH_*` value the kernel puts in `seccomp_data.arch`.
///
/// x32 has the one of x86_64: only bit 30 of the number tells them apart.
#[must_use]
pub const fn audit(arch: SeccompArch) -> u32 {
    const WIDE: u32 = 0x8000_0000;
    const LITTLE: u32 = 0x4000_0000;
    const N32: u32 = 0x2000_0000;
    match arch {
        X86 => 3 | LITTLE,
        X86_64 | X32 => 62 | WIDE | LITTLE,
        Arm => 40 | LITTLE,
        Aarch64 => 183 | WIDE | LITTLE,
        Mips => 8,
        Mips64 => 8 | WIDE,
        Mips64n32 => 8 | WIDE | N32,
        Mipsel => 8 | LITTLE,
        Mipsel64 => 8 | WIDE | LITTLE,
        Mipsel64n32 => 8 | WIDE | LITTLE | N32,
        Ppc => 20,
        Ppc64 => 21 | WIDE,
        Ppc64le => 21 | WIDE | LITTLE,
        S390 => 22,
        S390x => 22 | WIDE,
        Parisc => 15,
        Parisc64 => 15 | WIDE,
        Riscv64 => 243 | WIDE | LITTLE,
        Loongarch64 => 258 | WIDE | LITTLE,
        M68k => 4,
        Sh => 42 | LITTLE,
        Sheb => 42,
    }
}

/// Returns the number of `ENOSYS`: a filter answers with the numbers of its architecture.
pub(super) const fn enosys(arch: SeccompArch) -> u16 {
    match arch {
        Mips | Mips64 | Mips64n32 | Mipsel | Mipsel64 | Mipsel64n32 => 89,
        Parisc | Parisc64 => 251,
        _ => 38,
    }
}

/// How wide the arguments that a filter compares are.
///
/// x32 and n32 count as 32 bit, as in libseccomp: the upper half of an argument is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Word {
    Bits32,
    Bits64,
}

pub(super) const fn word(arch: SeccompArch) -> Word {
    match arch {
        X86_64 | Aarch64 | Mips64 | Mipsel64 | Ppc64 | Ppc64le | S390x | Parisc64 | Riscv64
        | Loongarch64 => Word::Bits64,
        X86 | X32 | Arm | Mips | Mips64n32 | Mipsel | Mipsel64n32 | Ppc | S390 | Parisc | M68k
        | Sh | Sheb => Word::Bits32,
    }
}

/// Which half of an argument comes first in `seccomp_data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Endian {
    Little,
    Big,
}

pub(super) const fn endian(arch: SeccompArch) -> Endian {
    match arch {
        X86 | X86_64 | X32 | Arm | Aarch64 | Mipsel | Mipsel64 | Mipsel64n32 | Ppc64le
        | Riscv64 | Loongarch64 | Sh => Endian::Little,
        Mips | Mips64 | Mips64n32 | Ppc | Ppc64 | S390 | S390x | Parisc | Parisc64 | M68k
        | Sheb => Endian::Big,
    }
}

/// Returns the column of the number table.
pub(super) const fn column(arch: SeccompArch) -> usize {
    match arch {
        X86 => 0,
        X86_64 => 1,
        X32 => 2,
        Arm => 3,
        Aarch64 => 4,
        Riscv64 => 5,
        Loongarch64 => 6,
        Ppc => 7,
        Ppc64 | Ppc64le => 8,
        S390 => 9,
        S390x => 10,
        Mips | Mipsel => 11,
        Mips64 | Mipsel64 => 12,
        Mips64n32 | Mipsel64n32 => 13,
        Parisc => 14,
        Parisc64 => 15,
        M68k => 16,
        Sh | Sheb => 17,
    }
}

/// Returns what is added to a number of the table.
pub(super) const fn number_base(arch: SeccompArch) -> u32 {
    match arch {
        X32 => X32_BIT,
        Mips | Mipsel => 4000,
        Mips64 | Mipsel64 => 5000,
        Mips64n32 | Mipsel64n32 => 6000,
        _ => 0,
    }
}

/// A call that an architecture also, or only, reaches through another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Multiplexed {
    /// `socketcall` or `ipc`.
    pub(super) through: &'static str,
    /// Its first argument.
    pub(super) selector: u64,
}

/// Returns how `arch` reaches `name` through socketcall(2) or ipc(2), if it does.
pub(super) fn multiplexed(arch: SeccompArch, name: &str) -> Option<Multiplexed> {
    match arch {
        X86 | Mips | Mipsel | Ppc | Ppc64 | Ppc64le | S390 | S390x | M68k | Sh | Sheb => {}
        _ => return None,
    }
    let (through, selector) = match name {
        "socket" => ("socketcall", 1),
        "bind" => ("socketcall", 2),
        "connect" => ("socketcall", 3),
        "listen" => ("socketcall", 4),
        "accept" => ("socketcall", 5),
        "getsockname" => ("socketcall", 6),
        "getpeername" => ("socketcall", 7),
        "socketpair" => ("socketcall", 8),
        "send" => ("socketcall", 9),
        "recv" => ("socketcall", 10),
        "sendto" => ("socketcall", 11),
        "recvfrom" => ("socketcall", 12),
        "shutdown" => ("socketcall", 13),
        "setsockopt" => ("socketcall", 14),
        "getsockopt" => ("socketcall", 15),
        "sendmsg" => ("socketcall", 16),
        "recvmsg" => ("socketcall", 17),
        "accept4" => ("socketcall", 18),
        "recvmmsg" => ("socketcall", 19),
        "sendmmsg" => ("socketcall", 20),
        "semop" => ("ipc", 1),
        "semget" => ("ipc", 2),
        "semctl" => ("ipc", 3),
        "semtimedop" => ("ipc", 4),
        "msgsnd" => ("ipc", 11),
        "msgrcv" => ("ipc", 12),
        "msgget" => ("ipc", 13),
        "msgctl" => ("ipc", 14),
        "shmat" => ("ipc", 21),
        "shmdt" => ("ipc", 22),
        "shmget" => ("ipc", 23),
        "shmctl" => ("ipc", 24),
        _ => return None,
    };
    Some(Multiplexed { through, selector })
}
