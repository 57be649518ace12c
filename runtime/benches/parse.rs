//! What it costs to read a configuration: `cargo bench -p runt --bench parse`.
//!
//! Aim: the configuration of `runt spec` in 50 us, dockerd's with its seccomp profile in 300 us.

use std::hint::black_box;
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use runt::spec::ContainerSpec;

const ROUNDS: usize = 5000;

fn main() -> io::Result<()> {
    let plain = include_str!("../tests/data/clients/containerd.json").to_owned();
    let docker = include_str!("../tests/data/clients/docker.json");
    let profile = include_str!("../testdata/seccomp/docker.json");
    let linux = format!("\"linux\": {{\"seccomp\": {profile},");
    let docker = docker.replace("\"linux\": {", &linux);
    assert!(docker.contains("SCMP_ACT_ERRNO"));
    let mut out = io::stdout();
    for (name, config) in [("plain", plain), ("docker with seccomp", docker)] {
        let mut times: Vec<_> = (0..ROUNDS).map(|_| time(&config)).collect();
        times.sort_unstable();
        let (min, median) = (times[0], times[ROUNDS / 2]);
        writeln!(out, "{name}: {} bytes, {min:?} min, {median:?} median", config.len())?;
    }
    Ok(())
}

fn time(config: &str) -> std::time::Duration {
    let start = Instant::now();
    let parsed = ContainerSpec::from_json(black_box(config).as_bytes(), Path::new("/bundle"));
    black_box(parsed).expect("the configuration is valid");
    start.elapsed()
}
