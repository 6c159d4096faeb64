//! The bindings that wit-bindgen generates for the world `adapter` of `wit/`. Nothing but re-exports.

#![expect(missing_docs, reason = "generated; the documentation stands in wit/")]

wit_bindgen::generate!({
    path: "../../../wit",
    world: "plausible-mcp:host/adapter",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export_adapter",
    default_bindings_module: "plausible_mcp_adapter_edge::bindings",
});

pub use exports::plausible_mcp::host::{oauth_store, outbound_http, rate_limit, secrets};
