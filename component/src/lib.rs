//! The plugin: an MCP server for Plausible Analytics.
//!
//! In reading order:
//!
//! - [`gateway`] routes a request and is the only place that puts the parts together.
//! - [`mcp`] is the protocol engine: JSON-RPC, the protocol's versions, the headers that repeat the body. It knows
//!   neither where credentials come from nor what the tools do.
//! - [`tools`] are the tools of the server, one file each.
//! - [`plausible`] is the client of Plausible's Stats API with the rules that make a query legal. It knows no MCP.
//! - [`oauth`] is the authorization server and the bearer check: what is decided about clients, grants and tokens.
//! - [`access`] verifies the tokens of Cloudflare Access: who somebody is, without any I/O.
//! - [`config`] is the validated form of the operator's settings.
//! - [`telemetry`] is the line that each request leaves in the log.
//! - [`legible`] is the table of characters that are shown to nobody, and [`site_id`] the spelling of a site's id: both
//!   are plain functions of a text, for all the others.
//! - [`ports`] are the traits that stand for what the host supplies, each with an in-memory implementation.
//! - `guest` (wasm only) joins the ports to the interfaces of `wit/` and exports the HTTP handler.
//!
//! Nothing here does I/O but through a port, and nothing outlives a request.

#[cfg(all(feature = "testing", target_family = "wasm"))]
compile_error!("the feature `testing` is for native tests: its keys are known to everybody");

pub mod access;
pub mod config;
pub mod gateway;
#[cfg(target_family = "wasm")]
mod guest;
pub mod legible;
pub mod mcp;
pub mod oauth;
pub mod plausible;
pub mod ports;
pub mod site_id;
pub mod telemetry;
pub mod tools;
