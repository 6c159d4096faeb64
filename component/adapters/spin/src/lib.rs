//! The interfaces of `plausible-mcp:host` over those of Spin 4 (written against 4.0.2).
//!
//! | ours | from Spin's |
//! |---|---|
//! | `oauth-store` | SQLite database `default`; Redis where the variable `redis_url` names one |
//! | `rate-limit` | the same; a fresh instance serves each request, so that nothing can live in memory |
//! | `secrets` | variables: every setting, secret or not, under its name in lower case |
//! | `outbound-http` | `wasi:http` |
//!
//! Spin's key-value interface is not used: its records have no time to live, creating one only if it is absent is not
//! atomic, and its compare-and-swap always fails over Redis.
//!
//! What Spin cannot promise, and what mends it:
//!
//! - Any address, private ones included, may be reached through `allowed_outbound_hosts` unless the operator sets
//!   `block_networks = ["private"]` in the runtime configuration. The adapter cannot see that, so requests of reach
//!   `public-internet` are refused until the variable `host_blocks_private_networks` says `true`.
//! - A request has no limit of CPU or time, and is not cancelled when the client leaves. A proxy in front can end the
//!   wait, not the work; every wait of the component itself is bounded, but for those for Redis.
//! - A call of Redis ends when Redis answers, and no sooner: Spin's client has no timeouts, and its calls block. What is
//!   under way when Redis goes silent waits; later requests are kept away from it ([`watch`]), as long as Spin's SQLite
//!   is there. Without that every request waits, one to `/mcp` too, since rate limits are kept in Redis: a TCP proxy with
//!   a timeout in front of Redis ends the wait.
//! - An instance may take 4 GiB unless `spin up --max-instance-memory` says less.
//! - Without a state folder (`--state-dir ""`) the database is in memory and forgotten after every request.
//!
//! In reading order:
//!
//! - [`record`]: the port that both stores implement, and the bounds of its arguments
//! - [`bucket`]: the arithmetic of the rate limit
//! - [`sqlite`]: records and buckets in SQLite, one statement per operation
//! - [`redis`]: records and buckets in Redis, one script per operation
//! - [`watch`]: keeps requests away from a Redis that is silent
//! - `guest`: joins these to Spin; only where the target is wasm

pub mod bucket;
pub mod record;
pub mod redis;
pub mod sqlite;
pub mod watch;

#[cfg(target_family = "wasm")]
mod guest;
