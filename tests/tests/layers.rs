//! The component's modules import along the arrows of the design and no others.
//!
//! ```text
//!             guest (wasm only)
//!               |
//!               v
//!            gateway  -- the only composer -- config, telemetry
//!          /    |     \
//!       oauth  access  mcp <--- tools ---> plausible
//!          \    |      |          |           |
//!           +---+------+-> ports <+-----------+
//! ```

use std::fs;
use std::path::PathBuf;

use plausible_mcp_tests::layers::{self, Allowed, MODULES};

/// Whose names a module may use. `ports` use nobody's; `mcp` knows neither OAuth nor Plausible, `plausible` knows no
/// MCP, `oauth` does not know `access`. `legible` and `site_id` are plain functions of a text that use nobody's: what is
/// shown is cleaned by one table, and a site is spelled in one way, wherever that is needed.
const ALLOWED: &Allowed = &[
    ("guest", &["gateway", "ports"]),
    ("gateway", &["oauth", "access", "mcp", "tools", "plausible", "config", "telemetry", "legible", "ports"]),
    ("oauth", &["ports"]),
    ("access", &["ports"]),
    ("mcp", &["ports"]),
    ("tools", &["mcp", "plausible", "legible", "site_id", "ports"]),
    ("plausible", &["legible", "site_id", "ports"]),
    ("config", &["site_id", "ports"]),
    ("telemetry", &["legible", "ports"]),
    ("legible", &[]),
    ("site_id", &[]),
    ("ports", &[]),
];

#[test]
fn every_import_is_an_arrow_of_the_design() {
    let sources = repository().join("component/src");
    let mut arrows = layers::arrows(&sources);
    // `lib.rs` is the index: it declares the modules and joins nothing.
    assert!(!arrows.iter().any(|arrow| arrow.from == "lib"), "lib.rs imports something");
    arrows.retain(|arrow| arrow.from != "lib");
    let found = layers::violations(&arrows, ALLOWED);
    assert!(found.is_empty(), "{found:#?}");
    assert!(arrows.iter().any(|arrow| arrow.from == "tools" && arrow.to == "plausible"), "the scan sees nothing");
}

#[test]
fn every_module_of_the_component_is_in_the_table() {
    let sources = repository().join("component/src");
    for path in layers::source_files(&sources) {
        let relative = path.strip_prefix(&sources).expect("a file of the folder");
        let first = relative.components().next().expect("a path has a part").as_os_str().to_string_lossy();
        let module = first.trim_end_matches(".rs").to_owned();
        assert!(module == "lib" || MODULES.contains(&module.as_str()), "{module} has no place in the design");
    }
}

#[test]
fn the_host_does_not_depend_on_the_components_code() {
    let host = repository().join("host");
    let manifest = fs::read_to_string(host.join("Cargo.toml")).expect("host/Cargo.toml can be read");
    assert!(!manifest.contains("plausible-mcp-component"), "host/Cargo.toml names the component");
    for path in layers::source_files(&host.join("src")) {
        let code = layers::code_only(&fs::read_to_string(&path).expect("a source file can be read"));
        assert!(!code.contains("plausible_mcp_component"), "{}", path.display());
        assert!(!code.contains("include!(") || !code.contains("component/src"), "{}", path.display());
    }
}

#[test]
fn the_component_does_not_depend_on_the_host() {
    let manifest = fs::read_to_string(repository().join("component/Cargo.toml")).expect("component/Cargo.toml");
    for forbidden in ["plausible-mcp-host", "wasmtime", "tokio"] {
        assert!(!manifest.contains(forbidden), "component/Cargo.toml names {forbidden}");
    }
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
