//! Bindings to what Spin supplies. Nothing but re-exports.

#[expect(missing_docs, reason = "generated; the documentation stands in Spin's WIT")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../component/adapters/spin/wit",
        inline: "
            package plausible-mcp:stand-in;
            world supplied {
                import fermyon:spin/sqlite@2.0.0;
                import fermyon:spin/redis@2.0.0;
                import fermyon:spin/variables@2.0.0;
            }
        ",
        world: "plausible-mcp:stand-in/supplied",
        imports: { default: async | trappable },
        with: {
            "fermyon:spin/sqlite.connection": crate::spin::sqlite::Connection,
            "fermyon:spin/redis.connection": crate::spin::redis::Connection,
        },
        require_store_data_send: true,
    });
}

pub use generated::fermyon::spin::{redis, sqlite, variables};
