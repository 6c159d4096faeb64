//! Every row of the catalogue of bad input is named by a test, in memory and end to end, or has a reason why not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use plausible_mcp_tests::layers::source_files;
use serde::Deserialize;

#[derive(Deserialize)]
struct Catalogue {
    catalogue: BTreeMap<String, String>,
    not_named: Vec<Excuse>,
    not_end_to_end: Vec<Excuse>,
}

#[derive(Deserialize)]
struct Excuse {
    rows: String,
    reason: String,
}

#[test]
fn every_row_is_named_by_a_test_or_has_a_reason() {
    let catalogue = catalogue();
    let named = &named_below() | &named_end_to_end();
    check(&catalogue.rows(), &named, &excused(&catalogue.not_named));
}

#[test]
fn every_row_runs_end_to_end_or_has_a_reason() {
    let catalogue = catalogue();
    let tested = &catalogue.rows() - &excused(&catalogue.not_named);
    check(&tested, &named_end_to_end(), &excused(&catalogue.not_end_to_end));
}

#[track_caller]
fn check(all: &BTreeSet<String>, named: &BTreeSet<String>, excused: &BTreeSet<String>) {
    let missing: Vec<_> = all.iter().filter(|row| !named.contains(*row) && !excused.contains(*row)).collect();
    assert!(missing.is_empty(), "neither named by a test nor excused: {missing:?}");
    let needless: Vec<_> = excused.iter().filter(|row| named.contains(*row) || !all.contains(*row)).collect();
    assert!(needless.is_empty(), "excused without need: {needless:?}");
}

impl Catalogue {
    fn rows(&self) -> BTreeSet<String> {
        self.catalogue.values().flat_map(|rows| ids(rows)).collect()
    }
}

fn catalogue() -> Catalogue {
    let text = fs::read_to_string(repository().join("tests/golden/oauth-cases.toml")).expect("the catalogue");
    toml::from_str(&text).expect("the catalogue is TOML")
}

fn excused(groups: &[Excuse]) -> BTreeSet<String> {
    assert!(groups.iter().all(|group| !group.reason.is_empty()));
    groups.iter().flat_map(|group| ids(&group.rows)).collect()
}

/// The ids in the sources of the component and the host.
fn named_below() -> BTreeSet<String> {
    let folders = ["component/src", "host/src"].map(|folder| repository().join(folder));
    folders.iter().flat_map(|folder| source_files(folder)).flat_map(|file| ids(&read(&file))).collect()
}

/// The ids in the tests of this crate, and in the files of the component that `oauth_rows` includes.
fn named_end_to_end() -> BTreeSet<String> {
    let here = repository().join("tests/tests");
    let rows = here.join("oauth_rows");
    let text = read(&rows.join("main.rs"));
    let included = text.lines().filter_map(|line| line.strip_prefix("#[path = \"")?.strip_suffix("\"]"));
    let included: Vec<_> = included.map(|path| rows.join(path)).collect();
    assert!(included.len() > 1, "the rows are included by their paths");
    source_files(&here).into_iter().chain(included).flat_map(|file| ids(&read(&file))).collect()
}

/// A letter and two digits that stand alone.
fn ids(text: &str) -> BTreeSet<String> {
    let is_id = |word: &&str| {
        let bytes = word.as_bytes();
        bytes.len() == 3 && bytes[0].is_ascii_uppercase() && bytes[1..].iter().all(u8::is_ascii_digit)
    };
    text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .filter(is_id)
        .map(str::to_owned)
        .collect()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).expect("a source file can be read")
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository").to_owned()
}
