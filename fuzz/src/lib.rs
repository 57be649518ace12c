//! Fuzz targets: what reads foreign bytes, given bytes of all kinds.
//!
//! A target takes bytes and panics where a promise is broken: beyond "no panic", that what is accepted
//! keeps the promises of its type, that a limit holds, that what is written reads back the same. It has
//! a directory of inputs in `corpus/`, made by hand or found by the fuzzer.
//!
//! ```text
//! conformance/fuzz-smoke --> fuzz (libFuzzer) --$FUZZ_TARGET--> one target, inputs of libFuzzer's making
//! cargo test             --> tests/corpus.rs  ----------------> every target, the inputs of corpus/
//! ```

#![forbid(unsafe_code)]

mod images;
mod runtime;

/// Something that reads foreign bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As its file and its directory in `corpus/` are called.
    pub name: &'static str,
    /// Panics where a promise is broken.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "cgroup_files", run: runtime::cgroup_files::run },
    Target { name: "cgroup_names", run: runtime::cgroup_names::run },
    Target { name: "checkpoint", run: runtime::checkpoint::run },
    Target { name: "config", run: runtime::config::run },
    Target { name: "id_maps", run: runtime::id_maps::run },
    Target { name: "mount_options", run: runtime::mount_options::run },
    Target { name: "process", run: runtime::process::run },
    Target { name: "seccomp", run: runtime::seccomp::run },
    Target { name: "sockets", run: runtime::sockets::run },
    Target { name: "state", run: runtime::state::run },
    Target { name: "systemd_values", run: runtime::systemd_values::run },
    Target { name: "archive_load", run: images::archive_load::run },
    Target { name: "challenge", run: images::challenge::run },
    Target { name: "docker_logins", run: images::docker_logins::run },
    Target { name: "image_bundle", run: images::image_bundle::run },
    Target { name: "image_config", run: images::image_config::run },
    Target { name: "image_manifest", run: images::image_manifest::run },
    Target { name: "image_reference", run: images::image_reference::run },
    Target { name: "layer_convert", run: images::layer_convert::run },
    Target { name: "layer_tar", run: images::layer_tar::run },
    Target { name: "layer_unpack", run: images::layer_unpack::run },
    Target { name: "policy", run: images::policy::run },
    Target { name: "registry_replies", run: images::registry_replies::run },
    Target { name: "store_records", run: images::store_records::run },
    Target { name: "toc_stargz", run: images::toc_stargz::run },
    Target { name: "toc_zstd_chunked", run: images::toc_zstd_chunked::run },
];

/// The valid text that `bytes` begin with.
fn text_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_else(|error| {
        std::str::from_utf8(&bytes[..error.valid_up_to()]).expect("valid up to there")
    })
}
