//! The wasm: the core, the adapter, and the two composed. Spin composes in the same way: every import of the package
//! `plausible-mcp:host` comes from the dependency of that name, all others from Spin.

use std::sync::OnceLock;

use plausible_mcp_host::compose::{adapters, compose};
use plausible_mcp_host::embedded_component;

/// The Spin adapter.
pub(super) fn adapter() -> &'static [u8] {
    let (_, bytes) = adapters().find(|(name, _)| *name == "spin").expect("the host has the Spin adapter");
    bytes
}

/// The core with the adapter.
pub fn composed() -> &'static [u8] {
    static COMPOSED: OnceLock<Vec<u8>> = OnceLock::new();
    COMPOSED.get_or_init(|| compose(embedded_component(), "spin").expect("the core and the adapter fit"))
}
