//! The fuzz targets over their committed corpus, without the engine: what fuzzing has found once stays mended.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "../fuzz/src/lib.rs"]
#[allow(missing_docs, unreachable_pub, reason = "there it is a crate")]
mod fuzz;

#[test]
fn every_target_keeps_its_promises_over_its_corpus() {
    for (name, target) in fuzz::targets::ALL {
        let inputs = listed(&folder().join("corpus").join(name));
        assert!((5..=MAX_INPUTS).contains(&inputs.len()), "{name} has {} inputs", inputs.len());
        for path in inputs {
            let input = fs::read(&path).expect("an input can be read");
            assert!(input.len() <= MAX_INPUT_BYTES, "{} is too long to be committed", path.display());
            // The name of the input, should the target panic.
            println!("{}", path.display());
            target(&input);
        }
    }
}

#[test]
fn every_target_has_a_corpus_a_dictionary_and_a_program() {
    let names: BTreeSet<String> = fuzz::targets::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    for part in ["corpus", "dictionaries", "src/bin"] {
        let files = listed(&folder().join(part));
        let stem = |path: &PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
        assert_eq!(files.iter().map(stem).collect::<BTreeSet<_>>(), names, "{part}");
    }
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The corpus is where fuzzing begins, not all that it has seen.
const MAX_INPUTS: usize = 40;

const MAX_INPUT_BYTES: usize = 4096;
