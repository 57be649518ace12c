//! What our filters decide against what the kernel does with them: each is loaded into a thread of
//! its own, which then makes a call that no kernel implements with arguments at the edges.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::thread;

use kernel::seccomp::{FilterFlags, set_filter};
use runt::seccomp::evaluate::evaluate;
use runt::seccomp::interpret::{SeccompData, run};
use runt::seccomp::{action_of, audit_arch, compile, native_arch, number_of};
use runt::spec::{
    SeccompAction, SeccompArch, SeccompArg, SeccompCompare, SeccompProfile, SeccompRule,
};

/// Every architecture has it in its table, and none has it in its kernel.
const UNIMPLEMENTED: &str = "vserver";

const ENOSYS: i32 = 38;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn index(&mut self, end: u64) -> usize {
        usize::try_from(self.below(end)).expect("tables here are short")
    }

    fn value(&mut self) -> u64 {
        let low = [self.below(4), 0x8000_0000, u64::from(u32::MAX)][self.index(3)];
        let high = [0, 1 << 32, 1 << 63][self.index(3)];
        high | low
    }

    fn rule(&mut self) -> SeccompRule {
        use SeccompCompare::{
            Equal, Greater, GreaterOrEqual, Less, LessOrEqual, MaskedEqual, NotEqual,
        };
        let ops = [Equal, Greater, GreaterOrEqual, Less, LessOrEqual, MaskedEqual, NotEqual];
        let errno = u16::try_from(100 + self.below(5)).unwrap();
        let args = (0..=self.below(3)).map(|_| SeccompArg {
            index: u8::try_from(self.below(6)).unwrap(),
            op: ops[self.index(7)],
            value: self.value(),
            value_two: self.value(),
        });
        let args = args.collect();
        let names = vec![UNIMPLEMENTED.to_owned()];
        SeccompRule { names, action: SeccompAction::Errno(errno), args }
    }
}

/// Makes the call and returns its errno.
fn call(data: &SeccompData) -> i32 {
    let [a, b, c, d, e, f] = data.args;
    let number = i64::from(data.number);
    // SAFETY: the kernel has no such call: it looks at no argument and answers ENOSYS, unless the
    // filter answers for it.
    let ret = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    assert_eq!(ret, -1);
    std::io::Error::last_os_error().raw_os_error().unwrap()
}

#[test]
fn the_kernel_runs_filters_as_the_interpreter_does() {
    let native = native_arch();
    let number = number_of(native, UNIMPLEMENTED).unwrap();
    let mut random = Random(4);
    for _ in 0..100 {
        let profile = SeccompProfile {
            default_action: SeccompAction::Allow,
            architectures: vec![SeccompArch::X86, SeccompArch::X32],
            flags: 0,
            listener_path: None,
            listener_metadata: None,
            rules: (0..=random.below(5)).map(|_| random.rule()).collect(),
        };
        let calls: Vec<_> = (0..50)
            .map(|_| {
                let args = std::array::from_fn(|_| random.value());
                SeccompData { number, arch: audit_arch(native), args, ..Default::default() }
            })
            .collect();
        let program = compile(&profile, native).unwrap().instructions;
        let answers = thread::scope(|scope| {
            let thread = scope.spawn(|| {
                kernel::process::set_no_new_privileges().unwrap();
                set_filter(&program, FilterFlags::empty()).unwrap();
                calls.iter().map(call).collect::<Vec<_>>()
            });
            thread.join().unwrap()
        });
        for (data, errno) in calls.iter().zip(answers) {
            let expected = action_of(run(&program, data, native).unwrap()).unwrap();
            let answered = match expected {
                SeccompAction::Errno(errno) => i32::from(errno),
                _ => ENOSYS,
            };
            assert_eq!(errno, answered, "{data:x?}\n{profile:#x?}");
            assert_eq!(evaluate(&profile, native, data), expected, "{data:x?}\n{profile:#x?}");
        }
    }
}
