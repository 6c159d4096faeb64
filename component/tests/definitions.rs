//! The tools as clients see them: one golden file per definition, and the rules that all of them keep.
//!
//! A deliberate change is written to the golden files and the README by `UPDATE_GOLDENS=1 cargo test`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use plausible_mcp_component::mcp::{Revision, ToolDefinition};
use plausible_mcp_component::tools::{NAMES, definitions};
use serde_json::Value;

#[test]
fn definitions_equal_their_golden_files() {
    for tool in definitions(false, true) {
        let mut text = String::new();
        tool.write_json(Revision::V2026_07_28, &mut text);
        let json: Value = serde_json::from_str(&text).expect("a definition is JSON");
        let path = root().join("component/golden").join(format!("{}.json", tool.name));
        let found = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        // Whether members keep their order depends on what is built together, and the order means nothing.
        if found.as_ref() != Some(&json) {
            holds(&path, &(serde_json::to_string_pretty(&json).unwrap() + "\n"));
        }
    }
}

#[test]
fn every_definition_keeps_the_rules() {
    for has_default_site in [false, true] {
        let tools = definitions(has_default_site, true);
        assert_eq!(tools.iter().map(|tool| tool.name).collect::<Vec<_>>(), NAMES);
        let without = definitions(has_default_site, false);
        assert!(without.iter().all(|tool| tool.name != "send_feedback") && without.len() + 1 == tools.len());
        for tool in &tools {
            keeps_the_rules(tool, has_default_site);
        }
    }
}

fn keeps_the_rules(tool: &ToolDefinition, has_default_site: bool) {
    let name = tool.name;
    assert!(root().join(format!("component/src/tools/{name}.rs")).is_file(), "{name} has a file of its own");
    assert!((100..=1500).contains(&tool.description.len()), "{name}: description of {} bytes", tool.description.len());
    assert!(tool.description.contains("\nExample: {"), "{name} has an example");
    // Claude drops a tool whose input schema has 16,384 characters; a quarter leaves room.
    assert!(tool.input_schema.len() < 4096, "{name}: input schema of {} bytes", tool.input_schema.len());
    assert!(tool.output_schema.len() < 4096, "{name}: output schema of {} bytes", tool.output_schema.len());
    for schema in [&tool.input_schema, &tool.output_schema] {
        let json: Value = serde_json::from_str(schema).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(json["type"], "object");
        for keyword in ["anyOf", "oneOf", "allOf", "$ref"] {
            assert!(!schema.contains(&format!("\"{keyword}\"")), "{name} uses {keyword}, which clients cannot show");
        }
    }
    let input: Value = serde_json::from_str(&tool.input_schema).unwrap();
    let required = input["required"].as_array().unwrap();
    let is_about_a_site = input["properties"].get("site_id").is_some();
    assert_eq!(is_about_a_site, name != "send_feedback");
    assert_eq!(required.iter().any(|name| name == "site_id"), is_about_a_site && !has_default_site);
    for property in required {
        assert!(
            input["properties"].get(property.as_str().unwrap()).is_some(),
            "{name}: {property} is required and unknown"
        );
    }
    for (argument, schema) in input["properties"].as_object().unwrap() {
        assert!(schema["description"].is_string(), "{name}: {argument} has no description");
    }
    let example = tool.description.rsplit_once("Example: ").unwrap().1;
    let example: Value = serde_json::from_str(example).expect("the example is JSON");
    for argument in example.as_object().unwrap().keys() {
        assert!(input["properties"].get(argument).is_some(), "{name}: the example has the unknown {argument}");
    }
}

#[test]
fn the_readme_lists_every_tool() {
    let rows: String = definitions(false, true).iter().map(row).collect();
    let table = format!("| tool | what it answers | arguments |\n|---|---|---|\n{rows}");
    let path = root().join("README.md");
    let readme = std::fs::read_to_string(&path).expect("README.md is there");
    let (before, rest) = readme.split_once(BEGIN).expect("the README has the table's first mark");
    let (_, after) = rest.split_once(END).expect("the README has the table's last mark");
    holds(&path, &format!("{before}{BEGIN}\n{table}{END}{after}"));
}

fn row(tool: &ToolDefinition) -> String {
    let input: Value = serde_json::from_str(&tool.input_schema).unwrap();
    let required = input["required"].as_array().unwrap();
    let is_required = |name: &str| required.iter().any(|needed| needed == name);
    let mut names: Vec<&String> = input["properties"].as_object().unwrap().keys().collect();
    names.sort_by_key(|name| (!is_required(name), *name));
    let shown = |name: &String| if is_required(name) { format!("**`{name}`**") } else { format!("`{name}`") };
    let arguments: Vec<String> = names.into_iter().map(shown).collect();
    let sentence = tool.description.split_once(". ").map_or(tool.description, |(first, _)| first);
    format!("| `{}` | {sentence}. | {} |\n", tool.name, arguments.join(", "))
}

#[track_caller]
fn holds(path: &Path, expected: &str) {
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(path, expected).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == expected, "{} is stale; look at the change, then run UPDATE_GOLDENS=1 cargo test", path.display());
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace").to_owned()
}

const BEGIN: &str = "<!-- tools: generated from the definitions -->";
const END: &str = "<!-- end of tools -->";
