//! Prints what Docker's default profile costs, ours beside libseccomp: instructions, compile time,
//! and what loading it takes the kernel. Least and median of interleaved rounds.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement, not a product")]

use std::io::{Read, Seek};
use std::thread;
use std::time::{Duration, Instant};

use kernel::seccomp::{FilterFlags, SockFilter, set_filter};
use libseccomp::{
    ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall,
};
use runt::seccomp::{compile, native_arch};
use runt::spec::{ContainerSpec, SeccompAction, SeccompCompare, SeccompProfile};

const ROUNDS: usize = 41;

fn main() {
    let text = include_str!("../../../runtime/testdata/seccomp/docker.json");
    let config = format!(
        r#"{{"ociVersion":"1.3.0","process":{{"args":["true"],"cwd":"/","user":{{}}}},
        "root":{{"path":"rootfs"}},"linux":{{"seccomp":{text}}}}}"#
    );
    let spec = ContainerSpec::from_json(config.as_bytes(), "/".as_ref()).unwrap().spec;
    let profile = spec.seccomp.unwrap();
    let mut times: [Vec<Duration>; 4] = Default::default();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        ours = compile(&profile, native_arch()).unwrap().instructions;
        times[0].push(began.elapsed());
        let began = Instant::now();
        theirs = libseccomp(&profile);
        times[1].push(began.elapsed());
        times[2].push(load(&ours));
        times[3].push(load(&theirs));
    }
    let [compiled, compiled_theirs, loaded, loaded_theirs] = times.map(|mut times| {
        times.sort_unstable();
        format!("{:?} / {:?}", times[0], times[ROUNDS / 2])
    });
    println!("           instructions  compile              load");
    println!("runt       {:<12}  {compiled:<20} {loaded}", ours.len());
    println!("libseccomp {:<12}  {compiled_theirs:<20} {loaded_theirs}", theirs.len());
}

/// Loads into a thread that ends with it.
fn load(program: &[SockFilter]) -> Duration {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            kernel::process::set_no_new_privileges().unwrap();
            let began = Instant::now();
            set_filter(program, FilterFlags::empty()).unwrap();
            began.elapsed()
        });
        thread.join().unwrap()
    })
}

fn libseccomp(profile: &SeccompProfile) -> Vec<SockFilter> {
    let action = |action| match action {
        SeccompAction::Allow => ScmpAction::Allow,
        SeccompAction::Errno(errno) => ScmpAction::Errno(errno.into()),
        other => panic!("{other:?} is not in this profile"),
    };
    let mut filter = ScmpFilterContext::new(action(profile.default_action)).unwrap();
    filter.set_ctl_optimize(2).unwrap();
    for arch in [ScmpArch::X86, ScmpArch::X32] {
        filter.add_arch(arch).unwrap();
    }
    for rule in profile.rules.iter().filter(|rule| rule.action != profile.default_action) {
        let conditions = rule.args.iter().map(|arg| {
            let (op, value) = match arg.op {
                SeccompCompare::NotEqual => (ScmpCompareOp::NotEqual, arg.value),
                SeccompCompare::Equal => (ScmpCompareOp::Equal, arg.value),
                SeccompCompare::MaskedEqual => {
                    (ScmpCompareOp::MaskedEqual(arg.value), arg.value_two)
                }
                other => panic!("{other:?} is not in this profile"),
            };
            ScmpArgCompare::new(arg.index.into(), op, value)
        });
        let conditions: Vec<_> = conditions.collect();
        for name in &rule.names {
            let Ok(call) = ScmpSyscall::from_name(name) else { continue };
            filter.add_rule_conditional(action(rule.action), call, &conditions).unwrap();
        }
    }
    let mut file = tempfile::tempfile().unwrap();
    filter.export_bpf(&file).unwrap();
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    let instructions = bytes.as_chunks::<8>().0.iter().map(|&[c0, c1, jt, jf, k0, k1, k2, k3]| {
        let k = u32::from_ne_bytes([k0, k1, k2, k3]);
        SockFilter { code: u16::from_ne_bytes([c0, c1]), jt, jf, k }
    });
    instructions.collect()
}
