//! The wasm files: the core, the adapter, and the two composed as Spin does it.

use std::path::Path;
use std::sync::OnceLock;

use plausible_mcp_host::compose::compose;

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
    COMPOSED.get_or_init(|| compose(&core(), "spin").expect("the core and the adapter fit"))
}

fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
