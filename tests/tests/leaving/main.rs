//! Clients that leave before they have their answer. A call of a tool ends with its client; what writes records is
//! finished.

mod calls;
mod shared;
mod silent;
mod writes;

use std::time::Duration;

use plausible_mcp_host::Metrics;
use plausible_mcp_tests::http_client::Request;
use plausible_mcp_tests::mcp_request::{call, legacy};
use serde_json::json;

/// A question that the host passes on to Plausible.
fn question() -> Request {
    call("get_breakdown", json!({ "site_id": "rows-3.example", "date_range": "7d", "dimension": "event:page" }))
}

/// A request that needs a place and nothing else.
fn ping() -> Request {
    legacy(Some("2025-11-25"), "ping", json!({}))
}

/// The value of a metric; 0 where it is not there yet.
fn metric(metrics: &Metrics, name: &str) -> u32 {
    let text = metrics.encode();
    let line = text.lines().find_map(|line| line.strip_prefix("plausible_mcp_")?.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().expect("a whole number"))
}

/// Waits until a metric has a value.
async fn reaches(metrics: &Metrics, name: &str, value: u32) {
    ends(name, async {
        while metric(metrics, name) != value {
            tokio::time::sleep(PAUSE).await;
        }
    })
    .await;
}

/// What comes to an end; a test would wait for it in vain otherwise.
async fn ends<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("{what} does not come"))
}

/// Longer than anything takes here, and shorter than the component waits for Plausible.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(5);
