//! What the component is made of: as many crates as the README says, and none that compiles C.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

#[test]
fn the_component_is_made_of_as_many_crates_as_the_readme_says() {
    let crates = crates_of_the_component("normal,no-proc-macro").len() - 1;
    let readme = fs::read_to_string(repository().join("README.md")).expect("README.md can be read");
    assert!(readme.contains(&format!("The component is made of {crates} crates")), "README.md does not say {crates}");
}

#[test]
fn the_component_compiles_no_c() {
    let crates = crates_of_the_component("normal,build,no-proc-macro");
    assert!(crates.iter().any(|name| name.starts_with("autocfg ")), "build dependencies are not listed");
    for builds_c in ["cc", "cmake", "pkg-config", "bindgen"] {
        let found = crates.iter().find(|name| name.split(' ').next() == Some(builds_c));
        assert_eq!(found, None);
    }
}

/// Name and version of each, its own among them.
fn crates_of_the_component(edges: &str) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(repository()).args(["tree", "--locked", "--offline", "--package", "plausible-mcp-component"]);
    cargo.args(["--target", "wasm32-wasip2", "--prefix", "none", "--edges", edges]);
    let listed = cargo.output().expect("cargo runs");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let lines = String::from_utf8(listed.stdout).expect("text");
    lines.lines().map(|line| line.split(" (").next().unwrap_or(line).to_owned()).collect()
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
