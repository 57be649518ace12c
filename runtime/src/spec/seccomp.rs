//! The seccomp profile (config-linux.md#seccomp), names still names: which numbers they have
//! is the compiler's to know (`crate::seccomp`).

use std::path::PathBuf;

/// `linux.seccomp`, checked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SeccompProfile {
    /// What happens to a call no rule matches.
    pub default_action: SeccompAction,
    /// Architectures beside the native one; the native one is always covered.
    pub architectures: Vec<SeccompArch>,
    /// `SECCOMP_FILTER_FLAG_*` bits of seccomp(2).
    pub flags: u64,
    /// Where the notify descriptor goes.
    pub listener_path: Option<PathBuf>,
    /// Passed on with it.
    pub listener_metadata: Option<String>,
    /// In listed order.
    pub rules: Vec<SeccompRule>,
}

/// What the kernel does with a call (seccomp(2)), the errno or trace value in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names of seccomp(2)")]
pub enum SeccompAction {
    KillThread,
    KillProcess,
    Trap,
    Errno(u16),
    Trace(u16),
    Log,
    Allow,
    Notify,
}

/// One entry of `syscalls`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SeccompRule {
    /// At least one; a name nobody knows is skipped by the compiler.
    pub names: Vec<String>,
    /// For these calls.
    pub action: SeccompAction,
    /// All must hold for the rule to match; several on one index are alternatives, as runc and
    /// libseccomp users expect.
    pub args: Vec<SeccompArg>,
}

/// One condition on an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeccompArg {
    /// 0 to 5.
    pub index: u8,
    /// Compared as unsigned 64 bit.
    pub op: SeccompCompare,
    /// Compared with; the mask for [`SeccompCompare::MaskedEqual`].
    pub value: u64,
    /// The value after masking, for [`SeccompCompare::MaskedEqual`] only.
    pub value_two: u64,
}

/// `SCMP_CMP_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names of seccomp_rule_add(3)")]
pub enum SeccompCompare {
    NotEqual,
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
    MaskedEqual,
}

/// `SCMP_ARCH_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names of libseccomp")]
pub enum SeccompArch {
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
}
