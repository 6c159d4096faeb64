//! The host of the plausible-mcp component: wasmtime with what the component imports, a server, and the pieces of the
//! command line.
//!
//! There are three ways to use it, from the least to the most of one's own:
//!
//! - **Listen.** Make a [`Host`] with [`Host::builder`] and give it to a [`Server`].
//! - **Embed.** Pass requests to [`Host::handle`], or route them to the host as a `tower` service; `examples/axum.rs`
//!   does so. The store, the secrets, the limits and the policy of outbound requests are options of the builder.
//! - **Link.** With an engine of one's own, [`oauth_store`], [`outbound_http`], [`rate_limit`] and [`secrets`] each have
//!   an `add_to_linker`; `examples/own_engine.rs` supplies some of the interfaces itself. Only there wasmtime is part of
//!   the interface, and it is re-exported as [`wasmtime`], so that versions agree.
//!
//! In reading order:

mod bindings;
mod engine_configuration;

mod code_cache;
mod component;
mod guest_output;
mod host;
mod in_flight;
mod instance;
mod large_answers;
mod limits;
mod memory;
mod metrics;
mod parts;
mod refusal;
mod request_body;
mod request_id;
mod seldom;
mod settings;
mod surface;
mod waiting;
mod wall_clock;
mod worker;

pub mod oauth_store;
pub mod outbound_http;
pub mod rate_limit;
#[cfg(feature = "redis")]
mod redis_server;
pub mod secrets;
pub mod traces;

mod admin;
mod operator;
mod server;

mod control;

mod cli;
#[cfg(feature = "compose")]
pub mod compose;
#[cfg(feature = "demo")]
pub mod demo;
mod log;
pub mod stdio;

pub use admin::{AdminError, AdminServer};
pub use cli::{CliError, CommandLine};
pub use component::{ComponentError, ComponentSource, embedded_component};
#[cfg(any(test, feature = "testing"))]
pub use component::{code_cache_of_tests, compiled_for_tests};
pub use guest_output::{LineSink, standard_error};
pub use host::{ClientAddress, Host, HostBuilder, HostError, NotReady};
pub use limits::Limits;
pub use log::{install_log, install_log_for_people};
pub use metrics::Metrics;
pub use operator::{Finding, Grant, GrantPage, Level, OperatorError, Origin, Revocation, Selector};
pub use outbound_http::{HttpPolicy, OutboundError};
#[cfg(feature = "redis")]
pub use redis_server::{RedisAddress, RedisAddressError, RedisServer};
pub use refusal::{Refusal, ResponseBody};
pub use server::{Server, ServerError, listen};
pub use settings::{SettingName, Settings, SettingsError, setting_names};
pub use wall_clock::WallClock;
pub use wasmtime;
