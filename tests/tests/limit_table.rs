//! The page of every limit is made from the sources, and no limit is missing from it.
//!
//! A change is written to the page by `UPDATE_GOLDENS=1 cargo test`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use plausible_mcp_tests::limit_table::{self, AREAS, List};

#[test]
fn every_constant_that_counts_is_a_limit_or_has_an_excuse() {
    let list = List::read(&repository());
    let constants = limit_table::constants(&repository());
    let found: BTreeSet<_> =
        constants.iter().map(|constant| (constant.file.as_str(), constant.name.as_str())).collect();
    let listed = list.names();
    let missing: Vec<_> = found.difference(&listed).collect();
    assert!(
        missing.is_empty(),
        "say in tests/golden/limits.toml what they limit, or why they limit nothing: {missing:#?}"
    );
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(gone.is_empty(), "tests/golden/limits.toml names what is not there: {gone:#?}");
    for area in AREAS {
        assert!(
            found.iter().any(|(file, _)| file.starts_with(area.folder)),
            "the scan sees nothing in {}",
            area.folder
        );
    }
}

#[test]
fn the_page_has_every_limit() {
    let tables = List::read(&repository()).tables(&limit_table::constants(&repository()));
    let path = repository().join("component/docs/limits.md");
    let page = std::fs::read_to_string(&path).expect("limits.md is there");
    let (before, rest) = page.split_once(BEGIN).expect("the page has the tables' first mark");
    let (_, after) = rest.split_once(END).expect("the page has the tables' last mark");
    holds(&path, &format!("{before}{BEGIN}\n\n{tables}{END}{after}"));
}

#[track_caller]
fn holds(path: &Path, expected: &str) {
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(path, expected).expect("the page can be written");
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == expected, "{} is stale; look at the change, then run UPDATE_GOLDENS=1 cargo test", path.display());
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace").to_owned()
}

const BEGIN: &str = "<!-- limits: generated from the sources -->";
const END: &str = "<!-- end of limits -->";
