//! Bindings to what Spin supplies and to what the adapter exports. Nothing but re-exports.

#[expect(missing_docs, reason = "generated; the documentation stands in wit/ and in Spin's WIT")]
mod generated {
    wasmtime::component::bindgen!({
        path: ["../wit", "../component/adapters/spin/wit"],
        inline: "
            package plausible-mcp:stand-in;
            world adapter {
                import fermyon:spin/sqlite@2.0.0;
                import fermyon:spin/redis@2.0.0;
                import fermyon:spin/variables@2.0.0;
                export plausible-mcp:host/oauth-store@0.1.0;
                export plausible-mcp:host/outbound-http@0.1.0;
                export plausible-mcp:host/secrets@0.1.0;
                export plausible-mcp:host/rate-limit@0.1.0;
            }
        ",
        world: "plausible-mcp:stand-in/adapter",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "fermyon:spin/sqlite.connection": crate::spin::sqlite::Connection,
            "fermyon:spin/redis.connection": crate::spin::redis::Connection,
        },
        require_store_data_send: true,
    });
}

pub(super) use generated::exports::plausible_mcp::host as adapter;
pub use generated::exports::plausible_mcp::host::outbound_http::{Error as HttpError, Reach};
pub(super) use generated::fermyon::spin::{redis, sqlite, variables};
pub(super) use generated::{Adapter, AdapterPre};
