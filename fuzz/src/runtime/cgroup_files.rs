//! The kernel's statistics files.

use runt::cgroup::stats::parse;

use crate::text_of;

pub(crate) fn run(bytes: &[u8]) {
    let text = text_of(bytes);
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
}
