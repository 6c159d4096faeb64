//! Bindings to the interfaces of `wit/` that the host supplies and to the one that it calls. Nothing but re-exports.

#[expect(missing_docs, reason = "generated; the documentation stands in wit/")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package plausible-mcp:native;
            world supplied {
                import plausible-mcp:host/oauth-store@0.1.0;
                import plausible-mcp:host/outbound-http@0.1.0;
                import plausible-mcp:host/secrets@0.1.0;
                import plausible-mcp:host/rate-limit@0.1.0;
                export plausible-mcp:host/operator@0.1.0;
            }
        ",
        world: "plausible-mcp:native/supplied",
        imports: {
            "plausible-mcp:host/oauth-store": async | trappable,
            "plausible-mcp:host/rate-limit": async | trappable,
            "plausible-mcp:host/outbound-http.[method]exchange.response": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        with: { "plausible-mcp:host/outbound-http.exchange": crate::outbound_http::Exchange },
        additional_derives: [PartialEq, Eq],
        require_store_data_send: true,
    });
}

pub(crate) use generated::SuppliedPre as OperatorPre;
pub(crate) use generated::exports::plausible_mcp::host::operator;
pub(crate) use generated::plausible_mcp::host::{oauth_store, outbound_http, rate_limit, secrets};
