//! Bindings to what an adapter exports. Nothing but re-exports.

#[expect(missing_docs, reason = "generated; the documentation stands in wit/")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package plausible-mcp:supplier;
            world adapter {
                export plausible-mcp:host/oauth-store@0.1.0;
                export plausible-mcp:host/outbound-http@0.1.0;
                export plausible-mcp:host/secrets@0.1.0;
                export plausible-mcp:host/rate-limit@0.1.0;
            }
        ",
        world: "plausible-mcp:supplier/adapter",
        exports: { default: async },
        additional_derives: [PartialEq, Eq],
        require_store_data_send: true,
    });
}

pub(crate) use generated::exports::plausible_mcp::host as exports;
pub(crate) use generated::{Adapter, AdapterPre};
