//! The tables of system calls against libseccomp's, in both directions.

use libseccomp::{ScmpArch, ScmpSyscall};
use runt::seccomp::{name_of, names, number_of};
use runt::spec::SeccompArch::{self, *};

/// What the oldest libseccomp we test with (2.5.4) knows.
const ARCHS: [(SeccompArch, ScmpArch); 19] = [
    (X86, ScmpArch::X86),
    (X86_64, ScmpArch::X8664),
    (X32, ScmpArch::X32),
    (Arm, ScmpArch::Arm),
    (Aarch64, ScmpArch::Aarch64),
    (Mips, ScmpArch::Mips),
    (Mips64, ScmpArch::Mips64),
    (Mips64n32, ScmpArch::Mips64N32),
    (Mipsel, ScmpArch::Mipsel),
    (Mipsel64, ScmpArch::Mipsel64),
    (Mipsel64n32, ScmpArch::Mipsel64N32),
    (Ppc, ScmpArch::Ppc),
    (Ppc64, ScmpArch::Ppc64),
    (Ppc64le, ScmpArch::Ppc64Le),
    (S390, ScmpArch::S390),
    (S390x, ScmpArch::S390X),
    (Parisc, ScmpArch::Parisc),
    (Parisc64, ScmpArch::Parisc64),
    (Riscv64, ScmpArch::Riscv64),
];

/// The first number, on all architectures, that libseccomp 2.5.4 is too old for.
const COMMON_SINCE_5_18: u32 = 451;

/// Later calls with lower numbers.
const NEWER: [&str; 3] = ["uretprobe", "uprobe", "riscv_hwprobe"];

#[test]
fn every_name_that_libseccomp_knows_has_our_number() {
    let mut compared = 0;
    for (arch, theirs) in ARCHS {
        for raw in (0..6600).chain(0x4000_0000..0x4000_0400).chain(0x0f_0000..0x0f_0010) {
            let call = ScmpSyscall::from_raw_syscall(raw);
            let Ok(name) = call.get_name_by_arch(theirs) else { continue };
            // It maps numbers below the base of an ABI, and above it, to the same name.
            let Ok(number) = ScmpSyscall::from_name_by_arch(&name, theirs) else { continue };
            if number.as_raw_syscall() != raw {
                continue;
            }
            assert_eq!(number_of(arch, &name), u32::try_from(raw).ok(), "{arch:?} {name}");
            compared += 1;
        }
    }
    assert!(compared > 6000, "{compared}");
}

#[test]
fn every_number_we_have_is_libseccomps() {
    let mut newer = Vec::new();
    for (arch, theirs) in ARCHS {
        for name in names() {
            let Some(ours) = number_of(arch, name) else { continue };
            assert_eq!(name_of(arch, ours), Some(name), "{arch:?}");
            match ScmpSyscall::from_name_by_arch(name, theirs) {
                // Negative: another architecture's, or one that socketcall(2) or ipc(2) carry too.
                Ok(number) if number.as_raw_syscall() >= 0 => {
                    let number = u32::try_from(number.as_raw_syscall()).unwrap();
                    assert_eq!(ours, number, "{arch:?} {name}");
                }
                Ok(_) if ["socketcall", "ipc"].iter().any(|by| number_of(arch, by).is_some()) => {}
                _ => newer.push((arch, name, ours)),
            }
        }
    }
    newer.retain(|(_, name, number)| {
        (number & !0x4000_0000) % 1000 < COMMON_SINCE_5_18 && !NEWER.contains(name)
    });
    assert!(newer.is_empty(), "{newer:?}");
}
