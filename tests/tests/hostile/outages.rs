//! A Plausible that hangs, fails or asks to wait. Who waits for it waits alone: what needs it is refused at once beyond
//! its places, everything else is served, and what is known to be in vain is not sent.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use plausible_mcp_host::{HostBuilder, Limits};
use plausible_mcp_tests::harness::Harness;
use plausible_mcp_tests::http_client::{self, Answer, Request};
use plausible_mcp_tests::mcp_request::{call, modern};
use plausible_mcp_tests::sign_in::{Access, Deployment};
use plausible_mcp_tests::stub_sites;
use plausible_mcp_tests::upstream::{Reply, Upstream};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{ends, still_answers};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_plausible_that_hangs_stops_nobody_else() {
    // Far fewer places for what needs no upstream than there are calls that wait.
    let limits = Limits { concurrent_requests: 4, admission_time: Duration::MAX, ..Limits::default() };
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
    let limits = Limits { plausible_calls_of_key: 1, ..Limits::default() };
    let (upstream, held) = Upstream::holding(stub_sites::answer).await;
    let host = under(limits, upstream).await;
    let mut asking = JoinSet::new();
    asking.spawn(ask_from(2, host.address(), question(1)));
    ends("the way to Plausible", held.arrived(1)).await;
    asking.spawn(ask_from(2, host.address(), question(1)));
    let two_wait = "plausible_mcp_upstream_requests_waiting{upstream=\"plausible\"} 2\n";
    ends("the way of the second", async {
        while !host.host().metrics().encode().contains(two_wait) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_internal_memory_answers_while_plausible_does_not() {
    let said = Arc::new(AtomicU16::new(200));
    let told = said.clone();
    let upstream = Upstream::answering(move |request| match told.load(Ordering::Relaxed) {
        200 => stub_sites::answer(request),
        status => Reply::json(status, "{}"),
    });
    let later = Arc::new(AtomicU64::new(0));
    let ahead = later.clone();
    let since_1970 = move || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
        now + Duration::from_secs(ahead.load(Ordering::Relaxed))
    };
    let access = Access::start_for(PUBLIC).await;
    let host = behind_access(&access, &[], |host| host.wall_clock(Arc::new(since_1970)), upstream.await).await;
    let ask = || asserted(&access, question(1));
    assert!(!is_error(&host.send(&ask()).await));
    later.store(61, Ordering::Relaxed);
    said.store(503, Ordering::Relaxed);
    for _ in 0..5 {
        let failed = host.send(&ask()).await;
        assert!(is_error(&failed) && failed.text().contains("503"), "{}", failed.text());
    }
    host.upstream.take();
    let remembered = host.send(&ask()).await;
    assert!(!is_error(&remembered) && remembered.text().contains("from memory"), "{}", remembered.text());
    let structured = remembered.json()["result"]["structuredContent"]["warnings"].to_string();
    assert!(structured.contains(" seconds ago), from memory"), "{structured}");
    let unknown = refused_call(&host.send(&asserted(&access, question(2))).await);
    assert!(unknown.contains("has not answered since"), "{unknown}");
    let at_mcp = question(1).header("Host", &PUBLIC.to_string());
    assert!(refused_call(&host.send(&at_mcp).await).contains("has not answered since"), "never at /mcp");
    assert!(host.upstream.take().is_empty(), "nothing was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_provider_that_hangs_stops_nobody_who_does_not_sign_in() {
    let (provider, held) = Upstream::holding(|_| Reply::json(500, "{}")).await;
    let team = provider.base_url();
    let access = Access::start_for(PUBLIC).await;
    let limits =
        Limits { concurrent_requests: 2, admission_time: Duration::MAX, provider_calls: 2, ..Limits::default() };
    let upstream = Upstream::answering(stub_sites::answer).await;
    let settings = [("CF_ACCESS_TEAM_DOMAIN", team.as_str())];
    let host = behind_access(&access, &settings, |host| host.limits(limits), upstream).await;
    let mut signing_in = JoinSet::new();
    for _ in 0..12 {
        let request = asserted(&access, modern("tools/list", json!({})));
        signing_in.spawn(ask_from(2, host.address(), request));
    }
    ends("the way to the provider", held.arrived(1)).await;
    // Two at a time, and twice as many that wait for them: these share one.
    for _ in 0..12 - 4 {
        let refused =
            ends("who finds no place", signing_in.join_next()).await.expect("some are left").expect("no panic");
        assert_eq!(refused.status, 503, "{}", refused.text());
        assert!(refused.header("retry-after").is_some(), "{:?}", refused.headers);
    }
    for _ in 0..3 {
        let request = question(1).header("Host", &PUBLIC.to_string());
        assert!(!is_error(&ends("a call at /mcp", host.send(&request)).await));
    }
    held.release(1000);
    for answer in signing_in.join_all().await {
        assert_eq!(answer.status, 503, "{}", answer.text());
    }
    assert_eq!(provider.take().len(), 1, "they shared one question");
}

/// A host with sign-in that accepts the assertions of `access`, with settings and options of one's own.
async fn behind_access(
    access: &Access,
    own: &[(&str, &str)],
    choose: impl FnOnce(HostBuilder) -> HostBuilder,
    upstream: Upstream,
) -> Harness {
    let mut settings = access.settings();
    settings.retain(|(name, _)| own.iter().all(|(known, _)| known != name));
    settings.push(("CF_ACCESS_AUD", Deployment::AUDIENCE.to_owned()));
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).chain(own.to_vec()).collect();
    Harness::try_start_as(choose, upstream, &settings).await.expect("the host starts")
}

/// The request as somebody sends it to `/internal` whom `access` lets in.
fn asserted(access: &Access, request: Request) -> Request {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
    let assertion = access.provider.assertion("ada@example.com", Deployment::AUDIENCE, now.as_secs());
    let request = request.path("/internal").without("Authorization").header("Host", &PUBLIC.to_string());
    request.header("Cf-Access-Jwt-Assertion", &assertion)
}

async fn under(limits: Limits, upstream: Upstream) -> Harness {
    Harness::try_start_as(|host| host.limits(limits), upstream, &[]).await.expect("the host starts")
}

fn question(number: u32) -> Request {
    let site = format!("rows-{}.example", number + 1);
    call("get_breakdown", json!({ "site_id": site, "date_range": "7d", "dimension": "event:page" }))
}

async fn ask_from(client: u8, host: SocketAddr, request: Request) -> Answer {
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

/// What a host with sign-in is called; where it listens is another port.
const PUBLIC: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8787);
/// So many places one address gets with keys that nobody knows.
const OF_ONE_ADDRESS: u32 = 48;
