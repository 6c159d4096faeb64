//! A Plausible that hangs, fails or asks to wait. Who waits for it waits alone: what needs it is refused at once beyond
//! its places, everything else is served, and what is known to be in vain is not sent.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use plausible_mcp_host::Limits;
use plausible_mcp_tests::harness::Harness;
use plausible_mcp_tests::http_client::{self, Answer, Request};
use plausible_mcp_tests::mcp_request::{call, modern};
use plausible_mcp_tests::stub_sites;
use plausible_mcp_tests::upstream::{Reply, Upstream};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{ends, still_answers};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_plausible_that_hangs_stops_nobody_else() {
    // Far fewer places for what needs no upstream than there are calls that wait.
    let limits = Limits { concurrent_requests: 4, ..Limits::default() };
    let (upstream, held) = Upstream::holding(stub_sites::answer).await;
    let host = under(limits, upstream).await;
    let mut asking = JoinSet::new();
    for number in 0..129 {
        asking.spawn(ask_from(2, host.address(), question(number).bearer(&format!("invented-key-{number}"))));
    }
    ends("the way to Plausible", held.arrived(OF_ONE_ADDRESS)).await;
    for _ in OF_ONE_ADDRESS..129 {
        let refused = ends("who finds no place", asking.join_next()).await.expect("some are left").expect("no panic");
        let told = refused_call(&refused);
        assert!(told.contains("Nothing was sent to Plausible"), "{told}");
    }
    for _ in 0..5 {
        assert_eq!(host.send(&Request::new("GET", "/healthz")).await.status, 200);
        ends("a request without an upstream", still_answers(host.address())).await;
        assert_eq!(host.send(&modern("tools/list", json!({}))).await.status, 200);
    }
    assert_eq!(host.upstream.take().len(), OF_ONE_ADDRESS as usize, "nothing else was sent");
    let elsewhere = tokio::spawn(ask_from(3, host.address(), question(1)));
    ends("a call from elsewhere", held.arrived(1)).await;
    held.release(1000);
    assert!(!is_error(&elsewhere.await.expect("no panic")));
    for answer in asking.join_all().await {
        assert!(!is_error(&answer), "those that waited are answered");
    }
    assert!(!is_error(&ask_from(2, host.address(), question(1)).await), "the places are free");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn equal_questions_share_a_place() {
    let limits = Limits { plausible_calls_of_key: 1, concurrent_requests: 4, ..Limits::default() };
    let limits = Limits { plausible_calls: 64, ..limits };
    let (upstream, held) = Upstream::holding(stub_sites::answer).await;
    let host = under(limits, upstream).await;
    let mut asking = JoinSet::new();
    asking.spawn(ask_from(2, host.address(), question(1)));
    ends("the way to Plausible", held.arrived(1)).await;
    asking.spawn(ask_from(2, host.address(), question(1)));
    let other = ask_from(2, host.address(), question(2)).await;
    refused_call(&other);
    held.release(1000);
    assert!(asking.join_all().await.iter().all(|answer| !is_error(answer)));
    assert_eq!(host.upstream.take().len(), 1);
}

#[tokio::test]
async fn a_plausible_that_fails_is_left_alone_and_an_answer_of_any_kind_is_one() {
    for status in [502, 503] {
        let said = Arc::new(AtomicU16::new(status));
        let told = said.clone();
        let upstream = Upstream::answering(move |_| Reply::json(told.load(Ordering::Relaxed), "{}")).await;
        let host = under(Limits::default(), upstream).await;
        for number in 0..4 {
            assert!(is_error(&host.send(&question(number)).await));
        }
        said.store(401, Ordering::Relaxed);
        assert!(is_error(&host.send(&question(4)).await));
        said.store(status, Ordering::Relaxed);
        for number in 0..5 {
            let text = host.send(&question(number).bearer(&format!("some-key-{number}"))).await.text();
            assert!(text.contains(&status.to_string()), "{text}");
        }
        assert_eq!(host.upstream.take().len(), 10, "what went before the answer does not count");
        for path in ["first", "second"] {
            let answer = host.send(&question(1).bearer("another-key")).await;
            let told = refused_call(&answer);
            assert!(told.contains("has not answered since"), "{path}: {told}");
        }
        assert!(host.upstream.take().is_empty(), "nothing was sent");
        assert_eq!(host.send(&modern("tools/list", json!({}))).await.status, 200);
        let log = host.host().metrics().encode();
        assert!(log.contains("plausible_mcp_upstream_out_of_service{upstream=\"plausible\"} 1"), "{log}");
        let count = "plausible_mcp_upstream_refusals_total{upstream=\"plausible\",reason=\"out_of_service\"} 2";
        assert!(log.contains(count), "{log}");
    }
}

#[tokio::test]
async fn a_plausible_that_is_not_there_is_not_looked_for_again_and_again() {
    let host = under(Limits::default(), Upstream::answering(|_| Reply::Close).await).await;
    let mut tries = 0;
    let told = loop {
        let answer = host.send(&question(tries)).await;
        assert!(is_error(&answer), "{}", answer.text());
        if answer.header("retry-after").is_some() {
            break refused_call(&answer);
        }
        tries += 1;
        assert!(tries < 10, "{}", answer.text());
    };
    assert!((2..=5).contains(&tries), "one call alone does not do it: {tries}");
    assert!(told.contains("has not answered since"), "{told}");
}

#[tokio::test]
async fn retry_after_is_kept_to_for_the_key_that_was_told() {
    let upstream = Upstream::answering(|request| match request.header("authorization") {
        Some("Bearer the-busy-key") => Reply::Answer {
            status: 429,
            headers: vec![("content-type", "application/json".to_owned()), ("retry-after", "120".to_owned())],
            body: r#"{"error":"slow down"}"#.to_owned(),
        },
        _ => stub_sites::answer(request),
    });
    let host = under(Limits::default(), upstream.await).await;
    let first = host.send(&question(1).bearer("the-busy-key")).await;
    assert_eq!((first.status, first.header("retry-after")), (200, Some("120")));
    assert!(first.text().contains("slow down"), "{}", first.text());
    for number in 1..5 {
        let told = refused_call(&host.send(&question(number).bearer("the-busy-key")).await);
        assert!(told.contains("has asked not to be asked"), "{told}");
    }
    assert_eq!(host.upstream.take().len(), 1, "nothing was sent before its time");
    assert!(!is_error(&host.send(&question(1)).await), "another key is asked with");
}

async fn under(limits: Limits, upstream: Upstream) -> Harness {
    Harness::try_start_as(|host| host.limits(limits), upstream, &[]).await.expect("the host starts")
}

fn question(number: u32) -> Request {
    let site = format!("rows-{}.example", number + 1);
    call("get_breakdown", json!({ "site_id": site, "date_range": "7d", "dimension": "event:page" }))
}

async fn ask_from(client: u8, host: std::net::SocketAddr, request: Request) -> Answer {
    let from = IpAddr::from([127, 0, 0, client]);
    let answer = tokio::time::timeout(Duration::from_secs(30), http_client::send_from(from, host, &request));
    answer.await.expect("in time").expect("the host is reached").expect("an answer")
}

fn is_error(answer: &Answer) -> bool {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["result"]["isError"] == true
}

/// The words of a call that was refused as it should be.
fn refused_call(answer: &Answer) -> String {
    assert!(is_error(answer), "{}", answer.text());
    let seconds = answer.header("retry-after").and_then(|value| value.parse::<u32>().ok());
    assert!(seconds.is_some_and(|seconds| seconds > 0), "{:?}", answer.headers);
    answer.json()["result"]["content"][0]["text"].as_str().expect("words").to_owned()
}

/// So many places one address gets with keys that nobody knows.
const OF_ONE_ADDRESS: u32 = 48;
