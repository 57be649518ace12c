//! Every target takes what its corpus holds: what once broke one, and what leads the fuzzer deep.

use std::fs;
use std::path::{Path, PathBuf};

use fuzz::TARGETS;

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("its entry").path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_target_takes_its_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in TARGETS {
        let inputs = entries(&corpus.join(target.name));
        assert!(!inputs.is_empty(), "{} has no corpus", target.name);
        for input in inputs {
            println!("{}", input.display());
            (target.run)(&fs::read(input).unwrap());
        }
    }
}

#[test]
fn every_corpus_has_a_target() {
    for directory in entries(&Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")) {
        let is_it = |target: &fuzz::Target| directory.ends_with(target.name);
        assert!(TARGETS.iter().any(is_it), "{} has no target", directory.display());
    }
}
