//! The edge that every adapter has: the bindings of the interfaces that it exports, and what all of them do alike.
//!
//! An adapter is a component that supplies the four interfaces of `wit/` from what another host has. It implements
//! `bindings`' four `Guest` traits for one type and exports that:
//!
//! ```text
//! struct Adapter;
//!
//! impl outbound_http::Guest for Adapter {
//!     type Exchange = plausible_mcp_adapter_edge::Exchange;
//!
//!     fn send(request: outbound_http::Request) -> outbound_http::Exchange {
//!         outbound_http::Exchange::new(Self::Exchange::start(request))
//!     }
//! }
//!
//! plausible_mcp_adapter_edge::bindings::export_adapter!(
//!     Adapter with_types_in plausible_mcp_adapter_edge::bindings
//! );
//! ```
//!
//! - [`target`]: what a request may be sent to, by its URL alone
//! - [`headers`]: which headers a request may have
//! - [`setting`]: the names of the settings table
//! - [`log`]: what an adapter has to tell the operator
//! - `bindings`, `Exchange`: only where the target is wasm

pub mod headers;
pub mod log;
pub mod setting;
pub mod target;

mod address;
#[cfg(target_family = "wasm")]
pub mod bindings;
#[cfg(target_family = "wasm")]
mod outbound_http;

#[cfg(target_family = "wasm")]
pub use outbound_http::Exchange;
