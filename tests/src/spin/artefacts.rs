//! The wasm files: the core, the adapter, and the two composed as Spin does it.

use std::path::Path;
use std::sync::OnceLock;

use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions};

/// The component as it is shipped.
pub fn core() -> Vec<u8> {
    read(Path::new(plausible_mcp_host::EMBEDDED_WASM_FILE))
}

/// The Spin adapter.
pub fn adapter() -> Vec<u8> {
    read(Path::new(plausible_mcp_host::SPIN_ADAPTER_WASM_FILE))
}

/// The core with the adapter: every import of the package `plausible-mcp:host` comes from the adapter, all others from
/// the host, as the one line `"plausible-mcp:host" = { path = … }` has it.
pub fn composed() -> &'static [u8] {
    static COMPOSED: OnceLock<Vec<u8>> = OnceLock::new();
    COMPOSED.get_or_init(|| compose(core(), adapter()).expect("the core and the adapter fit"))
}

fn compose(core: Vec<u8>, adapter: Vec<u8>) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut graph = CompositionGraph::new();
    let adapter = Package::from_bytes("adapter", None, adapter, graph.types_mut())?;
    let adapter = graph.register_package(adapter)?;
    let core = Package::from_bytes("core", None, core, graph.types_mut())?;
    let core = graph.register_package(core)?;
    wac_graph::plug(&mut graph, vec![adapter], core)?;
    Ok(graph.encode(EncodeOptions::default())?)
}

fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
