//! A stand-in for Spin 4.0.2: wasmtime with the interfaces that Spin links and no others, and Spin's habits where they
//! matter to us. It runs what `spin.toml` says, so that file is tested too.
//!
//! | habit of Spin | where |
//! |---|---|
//! | a fresh instance serves each request, without a limit of CPU or time | [`serving`](self) |
//! | `host` never reaches the guest, the authority does; without either the connection is closed | `serving` |
//! | `spin-client-addr` is appended to what the caller sent under that name | `serving` |
//! | hosts outside `allowed_outbound_hosts` are denied, `http` and `https` being two entries | `allowed_host`, `http` |
//! | private networks are open unless `block_networks` closes them, checked on resolved addresses | `network`, `http` |
//! | every `open` of a SQLite database is a connection of its own to one file, with five seconds of patience | `sqlite` |
//! | answers of Redis are flattened into one list, and waited for without a limit | `redis` |
//! | a provider of variables that is away is an error of each variable, and nothing else | `instance` |
//! | a component sees the variables that its table lists, and a dependency what it inherits | `manifest` |
//!
//! What it is not: it speaks no TLS to upstreams, has one component and one route, and knows no key-value stores.

mod adapter;
mod allowed_host;
mod artefacts;
mod bindings;
mod http;
mod imports;
mod instance;
mod manifest;
mod network;
mod real;
mod redis;
mod serving;
mod sqlite;

pub use adapter::SpinAdapter;
pub use allowed_host::AllowedHost;
pub use artefacts::composed;
pub use imports::{imports, listed, unpatched};
pub use manifest::{Application, Manifest};
pub use network::BlockedNetworks;
pub use real::RealSpin;
pub use serving::{Spin, SpinOptions};
