//! Every row of the catalogue of bad input is named by a test, or has a reason why none names it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use plausible_mcp_tests::layers::source_files;
use serde::Deserialize;

#[derive(Deserialize)]
struct Catalogue {
    catalogue: std::collections::BTreeMap<String, String>,
    not_named: Vec<NotNamed>,
}

#[derive(Deserialize)]
struct NotNamed {
    rows: String,
    reason: String,
}

#[test]
fn every_row_is_named_by_a_test_or_has_a_reason() {
    let text = fs::read_to_string(repository().join("tests/golden/oauth-cases.toml")).expect("the catalogue");
    let catalogue: Catalogue = toml::from_str(&text).expect("the catalogue is TOML");
    let all: BTreeSet<String> = catalogue.catalogue.values().flat_map(|rows| words(rows)).collect();
    let excused: BTreeSet<String> = catalogue.not_named.iter().flat_map(|group| words(&group.rows)).collect();
    assert!(catalogue.not_named.iter().all(|group| !group.reason.is_empty()));
    let named = named_rows();
    let missing: Vec<_> = all.iter().filter(|row| !named.contains(*row) && !excused.contains(*row)).collect();
    assert!(missing.is_empty(), "neither named by a test nor excused: {missing:?}");
    let both: Vec<_> = excused.iter().filter(|row| named.contains(*row) || !all.contains(*row)).collect();
    assert!(both.is_empty(), "excused without need: {both:?}");
}

/// The ids in the sources of the component and the host: a letter and two digits that stand alone.
fn named_rows() -> BTreeSet<String> {
    let folders = ["component/src", "host/src"].map(|folder| repository().join(folder));
    let files = folders.iter().flat_map(|folder| source_files(folder));
    files.flat_map(|file| words(&fs::read_to_string(file).expect("a source file can be read"))).collect()
}

fn words(text: &str) -> BTreeSet<String> {
    let is_id = |word: &&str| {
        let bytes = word.as_bytes();
        bytes.len() == 3 && bytes[0].is_ascii_uppercase() && bytes[1..].iter().all(u8::is_ascii_digit)
    };
    text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .filter(is_id)
        .map(str::to_owned)
        .collect()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository").to_owned()
}
