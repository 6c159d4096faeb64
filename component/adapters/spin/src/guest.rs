//! The adapter's edge: joins the stores to Spin and exports our interfaces. It converts and calls; it decides nothing
//! but which of the two stores is used.

mod backend;
mod bindings;
mod clock;
mod oauth_store;
mod outbound_http;
mod rate_limit;
mod redis;
mod secrets;
mod sqlite;

/// The component, as the bindings see it.
struct Adapter;

plausible_mcp_adapter_edge::bindings::export_adapter!(Adapter with_types_in plausible_mcp_adapter_edge::bindings);
