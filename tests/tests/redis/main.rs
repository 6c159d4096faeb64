//! Redis and Valkey as the store and the limiter of several machines, against a real server. See
//! `plausible_mcp_tests::redis_process` for which one, and for what happens where there is none.

mod contract;
mod faults;
mod findings;
mod hosts;
mod limits;
mod partition;
mod replication;
mod starting;
mod tls;

use std::time::Duration;

use plausible_mcp_host::oauth_store::RedisStore;
use plausible_mcp_tests::redis_process::{RedisProcess, server_at};
use plausible_mcp_tests::relay::Relay;
use tokio::time::Instant;

/// A store whose way to the server can be disturbed.
async fn relayed(server: &RedisProcess) -> (Relay, RedisStore) {
    let relay = Relay::start(server.address()).await;
    let store = RedisStore::new(server_at(relay.address()));
    (relay, store)
}

/// What an operation comes to. It must come to something soon, whatever becomes of the server.
async fn in_time<T>(operation: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, operation).await.expect("an operation has a bounded time")
}

/// Waits until an operation works again, which it must without a restart of ours.
async fn recovers<T, E, F: Future<Output = Result<T, E>>>(operation: impl Fn() -> F) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match in_time(operation()).await {
            Ok(value) => return value,
            Err(_) => assert!(Instant::now() < end, "it does not recover"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

const HOUR: Duration = Duration::from_secs(3600);
/// The store's own limit for an operation is 2 seconds; the rest is for a busy machine.
const BOUND: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(20);
