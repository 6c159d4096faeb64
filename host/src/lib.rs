//! The host of the plausible-mcp component: wasmtime with what the component imports, a server, and the pieces of the
//! command line.
//!
//! To embed it, make a [`Host`] and pass it requests ([`Host::handle`]); to listen on a socket, give the host to a
//! [`Server`]. In reading order:

mod bindings;
mod engine_configuration;

mod component;
mod guest_output;
mod host;
mod in_flight;
mod instance;
mod limits;
mod refusal;
mod request_body;
mod settings;
mod worker;

pub mod oauth_store;
mod outbound_http;
mod rate_limit;
mod secrets;

mod operator;
mod server;

mod control;

mod cli;
pub mod demo;
mod log;
pub mod stdio;

pub use cli::{CliError, CommandLine};
pub use component::{ComponentError, ComponentSource, EMBEDDED_WASM_FILE};
pub use guest_output::{LineSink, standard_error};
pub use host::{Host, HostError, HostOptions};
pub use limits::Limits;
pub use log::install_log;
pub use operator::{Finding, Grant, GrantPage, Level, OperatorError, Origin, Revocation, Selector};
pub use outbound_http::OutboundError;
pub use refusal::{Refusal, ResponseBody};
pub use server::{Server, ServerError};
pub use settings::{SettingName, Settings, SettingsError, setting_names};
