//! What a component imports, read from the binary.

use std::collections::BTreeMap;

use plausible_mcp_host::compiled_for_tests;
use wasmtime::component::types::ComponentItem;

use super::instance::engine;

/// The functions that a component uses of each interface that it imports.
pub fn imports(wasm: &[u8]) -> BTreeMap<String, Vec<String>> {
    let engine = engine();
    let component = compiled_for_tests(&engine, wasm).expect("a component");
    let mut imports = BTreeMap::new();
    for (name, import) in component.component_type().imports(&engine) {
        let ComponentItem::ComponentInstance(interface) = import.ty else { panic!("{name} is no interface") };
        let exports = interface.exports(&engine);
        let functions = exports.filter(|(_, export)| matches!(export.ty, ComponentItem::ComponentFunc(_)));
        imports.insert(name.to_owned(), functions.map(|(name, _)| name.to_owned()).collect());
    }
    imports
}

/// A list of interfaces and their functions, one interface a line: `name@version: function function…`.
pub fn listed(text: &str) -> BTreeMap<String, Vec<String>> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let parts = lines.filter_map(|line| line.rsplit_once(':'));
    parts.map(|(name, functions)| (name.to_owned(), functions.split(' ').map(str::to_owned).collect())).collect()
}

/// The interface without the last part of its version: hosts link any 0.2 to any other.
pub fn unpatched(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(unpatched, _)| unpatched)
}
