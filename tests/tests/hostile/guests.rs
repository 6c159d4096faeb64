//! Guests that never come to an end: each is stopped, its request alone fails, and others go on.
//!
//! The guest is `guest.wat` in place of our component, which has no way to spin. A request's method says what it does.

use std::time::Duration;

use plausible_mcp_host::{ComponentSource, HostBuilder, Limits};
use plausible_mcp_tests::harness::Harness;
use plausible_mcp_tests::http_client::{self, Answer, Request};
use plausible_mcp_tests::upstream::{Reply, Upstream};
use tokio::task::JoinHandle;

use crate::ends;

#[tokio::test]
async fn a_guest_out_of_memory_fails_its_own_request_only() {
    let host = hosting(Limits::default()).await;
    for _ in 0..3 {
        failed(&host.send(&to(RUNS_OUT_OF_MEMORY)).await, "could not be answered");
        assert_eq!(host.send(&to(ANSWERS)).await.status, 200);
    }
    comes_to_rest(&host).await;
}

#[tokio::test]
async fn a_guest_gets_the_memory_of_its_limit_and_no_page_more() {
    let host = hosting(Limits { instance_memory_bytes: 300 * PAGE, ..Limits::default() }).await;
    for _ in 0..3 {
        assert_eq!(host.send(&to(COUNTS_ITS_PAGES)).await.status, 300);
    }
}

#[tokio::test]
async fn a_guest_that_calls_itself_without_end_fails_its_own_request_only() {
    let host = hosting(Limits::default()).await;
    failed(&host.send(&to(CALLS_ITSELF)).await, "could not be answered");
    assert_eq!(host.send(&to(ANSWERS)).await.status, 200);
    comes_to_rest(&host).await;
}

#[tokio::test]
async fn a_guest_that_never_answers_is_answered_for() {
    let host = hosting(Limits::default()).await;
    failed(&host.send(&to(IS_SILENT)).await, "could not be answered");
    assert_eq!(host.send(&to(ANSWERS)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn guests_that_compute_without_end_are_stopped_while_others_go_on() {
    let host = hosting(Limits { request_time: REQUEST_TIME, ..Limits::default() }).await;
    let spinning = [COMPUTES, COMPUTES, TAKES_MEMORY].map(|what| insisting(&host, what));
    let mut answered = 0;
    while spinning.iter().any(|request| !request.is_finished()) {
        assert_eq!(host.send(&to(ANSWERS)).await.status, 200);
        answered += 1;
    }
    // The first was begun after the guests, and answered before the last of them was stopped.
    assert!(answered > 1, "nobody was answered while guests computed");
    for request in spinning {
        failed(&ends("a computing guest", request).await.expect("no panic"), "took too long");
    }
    comes_to_rest(&host).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn when_guests_compute_in_every_place_others_are_turned_away_at_once_and_served_later() {
    let limits = Limits { concurrent_requests: 2, admission_time: Duration::ZERO, ..Limits::default() };
    let host = hosting(Limits { request_time: REQUEST_TIME, ..limits }).await;
    let spinning = [COMPUTES, COMPUTES].map(|what| insisting(&host, what));
    let turned_away = loop {
        let answer = host.send(&to(ANSWERS)).await;
        if answer.status != 200 {
            break answer;
        }
        assert!(spinning.iter().all(|request| !request.is_finished()), "nobody was turned away");
    };
    failed(&turned_away, "busy");
    for request in spinning {
        failed(&ends("a computing guest", request).await.expect("no panic"), "took too long");
    }
    comes_to_rest(&host).await;
    assert_eq!(host.send(&to(ANSWERS)).await.status, 200);
}

/// A host with the guest in place of the component.
async fn hosting(limits: Limits) -> Harness {
    let folder = tempfile::tempdir().expect("a folder for the guest");
    let file = folder.path().join("guest.wasm");
    let wasm = wat::parse_str(include_str!("guest.wat")).unwrap_or_else(|error| panic!("{error}"));
    std::fs::write(&file, wasm).expect("the guest is written");
    let upstream = Upstream::answering(|_| Reply::Close).await;
    let options = |host: HostBuilder| host.component(ComponentSource::File(file)).limits(limits);
    Harness::try_start_as(options, upstream, &[]).await.expect("the host starts")
}

/// A request for which the guest does something.
fn to(what: &str) -> Request {
    Request::new(what, "/")
}

/// Sends such a request again and again until there is a place for it.
fn insisting(host: &Harness, what: &'static str) -> JoinHandle<Answer> {
    let address = host.address();
    tokio::spawn(async move {
        loop {
            let answer = http_client::send(address, &to(what)).await.expect("the host is reached");
            let answer = answer.expect("the host answers");
            if !answer.text().contains("busy") {
                return answer;
            }
        }
    })
}

/// It is a 503 of the host's own, which says why and when to come back.
#[track_caller]
fn failed(answer: &Answer, why: &str) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.json()["error"].as_str().is_some_and(|text| text.contains(why)), "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
}

/// No instance is at work any more: what was stopped has given its place back.
async fn comes_to_rest(host: &Harness) {
    assert!(host.host().drained(Duration::from_secs(10)).await, "a guest that was stopped is still at work");
}

const ANSWERS: &str = "GET";
const COUNTS_ITS_PAGES: &str = "HEAD";
const COMPUTES: &str = "PUT";
const TAKES_MEMORY: &str = "DELETE";
const RUNS_OUT_OF_MEMORY: &str = "PATCH";
const CALLS_ITSELF: &str = "TRACE";
const IS_SILENT: &str = "BREW";

/// A page of a linear memory, in bytes.
const PAGE: usize = 64 << 10;
/// Long enough for a decent request beside guests that take all processors, short enough to wait for.
const REQUEST_TIME: Duration = Duration::from_secs(2);
