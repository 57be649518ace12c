//! The kernel's statistics files.

#![no_main]

use libfuzzer_sys::fuzz_target;
use runt::cgroup::stats::parse;

fuzz_target!(|text: &str| {
    let _ = parse::parse_flat(text);
    let _ = parse::parse_numbers(text);
    let _ = parse::parse_usage_all(text);
    let _ = parse::parse_pressure(text);
    let _ = parse::parse_io_stat(text);
    let _ = parse::parse_blkio(text);
    let _ = parse::parse_rdma(text);
    let _ = parse::page_size(text);
    let _ = parse::flat_value(text, "oom_kill");
    if let Ok(numbers) = parse::parse_list(text) {
        assert!(numbers.len() <= 65_536);
    }
});
