//! A host that is told to stop finishes what it has begun.

use std::time::Duration;

use plausible_mcp_tests::harness::{Harness, simulated};
use plausible_mcp_tests::http_client;
use plausible_mcp_tests::mcp_request::{DEMO_SITE, call};
use plausible_mcp_tests::upstream::Upstream;
use serde_json::json;
use tokio::net::TcpStream;

#[tokio::test]
async fn a_request_in_flight_is_answered_and_new_ones_are_not_taken() {
    let (upstream, held) = Upstream::holding(simulated()).await;
    let mut host = Harness::start(upstream, &[]).await;
    let address = host.address();
    let arguments = json!({ "site_id": DEMO_SITE, "date_range": "7d", "dimension": "event:page" });
    let request = call("get_breakdown", arguments);
    let in_flight = tokio::spawn(async move { http_client::send(address, &request).await });
    held.arrived(1).await;
    host.begin_stop();
    while TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    held.release(1);
    let answer = in_flight.await.expect("no panic").expect("the host is reached").expect("an answer");
    assert_eq!(answer.status, 200);
    assert!(answer.json()["result"]["structuredContent"].is_object(), "{}", answer.text());
    assert!(host.stopped().await);
}

#[tokio::test]
async fn an_idle_host_stops_at_once() {
    let host = Harness::demo().await;
    let idle = TcpStream::connect(host.address()).await.expect("the host is reached");
    assert!(host.stopped().await);
    drop(idle);
}
