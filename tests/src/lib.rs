//! End-to-end tests: the real component in the real host, with an upstream that we control.
//!
//! In reading order:
//!
//! - `mcp_request` builds the requests that MCP clients send, and requests that no decent client sends.
//! - `http_client` sends them byte for byte and reads the answer.
//! - `upstream` is a server in Plausible's place that remembers what it was asked.
//! - `stub_sites` is a behaviour for it, chosen by the site id: so many rows, a status, a broken connection…
//! - `harness` puts these together around a host on a free port.
//! - `sign_in` is such a host with the simulated Cloudflare Access, and the browser and the client that sign in.
//! - `origin` is where a server is, here or elsewhere; `site` is a deployment as its clients see it, and `scenarios`
//!   are what every deployment must do, whatever host it runs on. The program `host-check` runs them against a URL.
//! - `hosts` starts deployments on each host.
//! - `redis_process` is a Redis of a test's own, and `relay` a network to it that can fail.
//! - `adapter` is an adapter alone, through the interfaces that it exports.
//! - `wasi` is a stand-in for `wasmtime serve` for one.
//! - `spin` is a stand-in for Spin, and what starts the real one, that run the component with its adapter.
//! - `golden` reads the recorded cases of `golden/*.json` and turns answers into comparable facts;
//!   `differences` reads `golden/differences.toml`, the list of what we answer differently on purpose.
//! - `layers` finds the import arrows between the component's modules.
//! - `limit_table` finds the limits in the sources and makes a table of them.
//!
//! The scenarios themselves stand in `tests/`, one file per subject.

#![cfg(feature = "harness")]

pub mod adapter;
pub mod differences;
pub mod golden;
pub mod harness;
pub mod hosts;
pub mod http_client;
pub mod layers;
pub mod limit_table;
pub mod mcp_request;
pub mod origin;
pub mod redis_process;
pub mod relay;
pub mod scenarios;
pub mod sign_in;
pub mod site;
pub mod spin;
pub mod stub_sites;
pub mod upstream;
pub mod wasi;
