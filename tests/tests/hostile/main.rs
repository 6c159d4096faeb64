//! Clients, upstreams and guests that mean harm. Whatever they do, the server answers others meanwhile and afterwards,
//! what a client does wrong is never answered with a 5xx, and memory is bounded. How much memory a server takes is told
//! only where it is a process of its own, in `memory`; everywhere else it runs in this one.

mod bodies;
mod connections;
mod documents;
mod guests;
mod http2;
mod large_answers;
mod memory;
mod outages;
mod raw_http2;
mod raw_upstream;
mod smuggling;
mod upstreams;

use std::net::SocketAddr;
use std::time::Duration;

use plausible_mcp_host::Limits;
use plausible_mcp_tests::harness::Harness;
use plausible_mcp_tests::http_client::{self, Request};
use plausible_mcp_tests::mcp_request::legacy;
use plausible_mcp_tests::stub_sites;
use plausible_mcp_tests::upstream::Upstream;
use serde_json::json;

/// A host over the stub of a Plausible, with limits of time that a test can wait for.
async fn impatient() -> Harness {
    under(Limits { request_head_time: SHORT, request_body_time: SHORT, ..Limits::default() }).await
}

/// The same with limits of one's own.
async fn under(limits: Limits) -> Harness {
    let upstream = Upstream::answering(stub_sites::answer).await;
    let started = Harness::try_start_as(|host| host.limits(limits), upstream, &[]).await;
    started.expect("the host starts")
}

/// Does all that at the same time, and asks decently again and again until it has ended; what it came to, in its order.
async fn meanwhile<T, A>(address: SocketAddr, attacks: Vec<A>) -> Vec<T>
where
    T: Send + 'static,
    A: Future<Output = T> + Send + 'static,
{
    let attacks: Vec<_> = attacks.into_iter().map(tokio::spawn).collect();
    loop {
        still_answers(address).await;
        if attacks.iter().all(|attack| attack.is_finished()) {
            break;
        }
        tokio::time::sleep(PACE).await;
    }
    let mut outcomes = Vec::new();
    for attack in attacks {
        outcomes.push(attack.await.expect("no panic"));
    }
    still_answers(address).await;
    outcomes
}

/// Fails unless a decent request is answered.
async fn still_answers(address: SocketAddr) {
    let answer = http_client::send(address, &ping()).await.expect("the host is reached");
    let answer = answer.expect("the host answers");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// A request that needs the whole way through the component and no upstream.
fn ping() -> Request {
    legacy(Some("2025-11-25"), "ping", json!({}))
}

/// What comes to an end; a test would wait for it in vain otherwise.
async fn ends<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("{what} does not end"))
}

/// Long enough for a decent request on a busy machine, short enough to wait for.
const SHORT: Duration = Duration::from_secs(1);
/// Longer than every limit that is waited for here.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two decent requests.
const PACE: Duration = Duration::from_millis(10);
