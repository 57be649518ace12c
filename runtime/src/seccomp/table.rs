//! Looks system calls up by name and by number.

use crate::spec::SeccompArch;

use super::arch;
use super::table_data::{CALLS, N};

/// How many number columns the table has: architectures of one number table share one.
pub(super) const COLUMNS: usize = 18;

/// The largest number of the part of the table that all architectures have in common: calls that
/// later kernels add come after it.
pub(super) const NEWEST_NUMBER: u32 = 471;

/// The first kernel release that has a call: major, minor, and the third number of 2.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct KernelVersion(pub(super) [u8; 3]);

/// One system call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: &'static str,
    pub(super) since: KernelVersion,
    /// By column; [`N`] where an architecture lacks the call.
    pub(super) numbers: [u16; COLUMNS],
}

impl Call {
    /// Returns the number that reaches the kernel on `arch`, as `seccomp_data.nr` shows it.
    pub(super) fn number(&self, arch: SeccompArch) -> Option<u32> {
        match self.numbers.get(arch::column(arch)).copied()? {
            N => None,
            private @ PRIVATE_MARK.. => Some(private_number(private - PRIVATE_MARK)),
            number => Some(arch::number_base(arch) + u32::from(number)),
        }
    }
}

/// What is added to ARM's private numbers in the table.
pub(super) const PRIVATE_MARK: u16 = 0xf000;

/// Returns ARM's private number `index` (`__ARM_NR_BASE`).
pub(super) fn private_number(index: u16) -> u32 {
    0x000f_0000 + u32::from(index)
}

/// Returns the call of that name on any architecture.
pub(super) fn find(name: &str) -> Option<&'static Call> {
    let mut slot = hash(name.as_bytes()) as usize % SLOTS;
    loop {
        let call = CALLS.get(usize::from(BY_NAME[slot]))?;
        if call.name == name {
            return Some(call);
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// Returns every call that `arch` has.
pub(super) fn calls(arch: SeccompArch) -> impl Iterator<Item = (u32, &'static Call)> {
    CALLS.iter().filter_map(move |call| Some((call.number(arch)?, call)))
}

/// Returns the name of `number` on `arch`.
#[must_use]
pub fn name_of(arch: SeccompArch, number: u32) -> Option<&'static str> {
    calls(arch).find(|(candidate, _)| *candidate == number).map(|(_, call)| call.name)
}

/// Returns the number of the call `name` on `arch`, as `seccomp_data.nr` shows it.
#[must_use]
pub fn number_of(arch: SeccompArch, name: &str) -> Option<u32> {
    find(name)?.number(arch)
}

/// Returns the names of all calls of all architectures, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    CALLS.iter().map(|call| call.name)
}

const SLOTS: usize = 2048;

/// An open hash table over [`CALLS`], made by the compiler: nothing happens at start-up.
static BY_NAME: [u16; SLOTS] = {
    let mut table = [u16::MAX; SLOTS];
    let mut index = 0u16;
    while (index as usize) < CALLS.len() {
        let mut slot = hash(CALLS[index as usize].name.as_bytes()) as usize % SLOTS;
        while table[slot] != u16::MAX {
            slot = (slot + 1) % SLOTS;
        }
        table[slot] = index;
        index += 1;
    }
    table
};

/// FNV-1a, which a `const fn` can compute.
const fn hash(bytes: &[u8]) -> u32 {
    let mut hash = 0x811c_9dc5u32;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_found() {
        assert!(CALLS.is_sorted_by(|a, b| a.name < b.name));
        for call in &CALLS {
            assert!(std::ptr::eq(find(call.name).unwrap(), call), "{}", call.name);
        }
        assert!(find("").is_none());
        assert!(find("not_a_call").is_none());
    }

    #[test]
    fn a_number_has_one_name() {
        for &arch in arch::ALL {
            let mut numbers: Vec<_> = calls(arch).map(|(number, _)| number).collect();
            let all = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), all, "{arch:?}");
        }
    }

    #[test]
    fn numbers_of_each_table_are_as_the_headers_say() {
        let number = |name: &str, arch| find(name).unwrap().number(arch);
        assert_eq!(number("read", SeccompArch::X86_64), Some(0));
        assert_eq!(number("read", SeccompArch::X32), Some(0x4000_0000));
        assert_eq!(number("execve", SeccompArch::X32), Some(0x4000_0000 + 520));
        assert_eq!(number("read", SeccompArch::Mips), Some(4003));
        assert_eq!(number("read", SeccompArch::Mipsel64), Some(5000));
        assert_eq!(number("read", SeccompArch::Mips64n32), Some(6000));
        assert_eq!(number("set_tls", SeccompArch::Arm), Some(0x000f_0005));
        assert_eq!(number("renameat", SeccompArch::Aarch64), Some(38));
        assert_eq!(number("renameat", SeccompArch::Riscv64), None);
        assert_eq!(number("socket", SeccompArch::X86), Some(359));
    }

    #[test]
    fn every_number_has_a_slot() {
        let numbers = CALLS.iter().flat_map(|call| call.numbers).filter(|number| *number != N);
        for number in numbers {
            assert!(number < 0x240 || (PRIVATE_MARK..PRIVATE_MARK + 0x10).contains(&number));
        }
    }

    #[test]
    fn the_newest_number_ends_the_common_part() {
        let newest = CALLS.iter().map(|call| call.numbers[arch::column(SeccompArch::Aarch64)]);
        let newest = newest.filter(|&number| number != N).max().unwrap();
        assert_eq!(u32::from(newest), NEWEST_NUMBER);
    }
}
