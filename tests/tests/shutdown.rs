//! A host that is told to stop finishes what it has begun.

use std::time::Duration;

use plausible_mcp_host::{Limits, NotReady};
use plausible_mcp_tests::harness::{Harness, simulated};
use plausible_mcp_tests::http_client::{self, Request};
use plausible_mcp_tests::mcp_request::{DEMO_SITE, call};
use plausible_mcp_tests::upstream::Upstream;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
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
async fn whoever_waits_for_a_place_is_answered_too_and_the_host_says_at_once_that_it_drains() {
    let (upstream, held) = Upstream::holding(simulated()).await;
    let limits = Limits { connections: 1, ..Limits::default() };
    let mut host = Harness::try_start_as(|host| host.limits(limits), upstream, &[]).await.expect("the host starts");
    let address = host.address();
    let arguments = json!({ "site_id": DEMO_SITE, "date_range": "7d", "dimension": "event:page" });
    let request = call("get_breakdown", arguments);
    let in_flight = tokio::spawn(async move { http_client::send(address, &request).await });
    held.arrived(1).await;
    // Some are accepted and have no place, the others are in the queue.
    let health = Request::new("GET", "/healthz").header("Connection", "keep-alive").to_bytes();
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(address).await.expect("the host is reached");
        stream.write_all(&health).await.expect("there is room");
        waiting.push(stream);
    }
    host.begin_stop();
    while host.host().ready() != Err(NotReady::Draining) {
        tokio::task::yield_now().await;
    }
    held.release(1);
    let answer = in_flight.await.expect("no panic").expect("the host is reached").expect("an answer");
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    for mut stream in waiting {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("no reset");
        let answer = http_client::parse(&answer).expect("an answer");
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    }
    assert!(host.stopped().await);
}

#[tokio::test]
async fn an_idle_host_stops_although_a_client_never_closes() {
    let host = Harness::demo().await;
    let idle = TcpStream::connect(host.address()).await.expect("the host is reached");
    assert!(host.stopped().await);
    drop(idle);
}
