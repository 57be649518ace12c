//! All targets in one program, for libFuzzer: `FUZZ_TARGET=config fuzz [OPTION...] [CORPUS...]`.

#![no_main]

use std::sync::OnceLock;

use fuzz::{TARGETS, Target};

static CHOSEN: OnceLock<Target> = OnceLock::new();

fn chosen() -> &'static Target {
    CHOSEN.get_or_init(|| {
        let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let target = TARGETS.iter().find(|target| target.name == name);
        *target.expect("FUZZ_TARGET names a target")
    })
}

libfuzzer_sys::fuzz_target!(init: chosen(), |bytes: &[u8]| (chosen().run)(bytes));
