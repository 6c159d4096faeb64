//! Client documents at addresses that never answer. Whoever asks for them waits, and nobody else does.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use plausible_mcp_host::{HostBuilder, HttpPolicy, Limits};
use plausible_mcp_tests::harness::Harness;
use plausible_mcp_tests::http_client::{self, Answer, Request};
use plausible_mcp_tests::mcp_request::post;
use plausible_mcp_tests::sign_in::Access;
use plausible_mcp_tests::stub_sites;
use plausible_mcp_tests::upstream::Upstream;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::{ends, still_answers};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn documents_that_never_come_hold_no_place_that_others_need() {
    // Half as many places as there are for documents.
    let limits = Limits { concurrent_requests: 8, ..Limits::default() };
    let host = signing_in(limits).await;
    // Connections are taken by the system, and nobody ever speaks TLS over them.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent = silent.local_addr().expect("an address");
    let mut asking = JoinSet::new();
    for client in 2..9 {
        for number in 0..20 {
            let (host, path) = (host.address(), authorization(silent, &format!("{client}-{number}")));
            asking.spawn(async move { ask_from(client, host, &path).await });
        }
    }
    let all = 7 * 20;
    let mut told = 0;
    while told < all - UNPROVEN {
        let answer = ends("who finds no place", asking.join_next()).await.expect("some are left").expect("no panic");
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.header("retry-after").is_some());
        told += 1;
    }
    for _ in 0..5 {
        assert_eq!(host.send(&Request::new("GET", "/healthz")).await.status, 200);
        ends("a request that has nothing to do with documents", still_answers(host.address())).await;
    }
    asking.abort_all();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_address_holds_two_places_and_leaves_the_others_to_others() {
    let host = signing_in(Limits::default()).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent = silent.local_addr().expect("an address");
    let asking = |client: u8, number: usize| {
        let (host, path) = (host.address(), authorization(silent, &format!("{client}-{number}")));
        async move { ask_from(client, host, &path).await }
    };
    let mut held = JoinSet::new();
    for number in 0..10 {
        held.spawn(asking(2, number));
    }
    for _ in 0..8 {
        let refused = ends("a third", held.join_next()).await.expect("some are left").expect("no panic");
        assert_eq!(refused.status, 503, "{}", refused.text());
    }
    let from_elsewhere = tokio::time::timeout(Duration::from_millis(500), asking(3, 0)).await;
    assert!(from_elsewhere.is_err(), "it was not turned away, it waits");
    held.abort_all();
}

#[tokio::test]
async fn liveness_needs_no_place_at_all() {
    let upstream = Upstream::answering(stub_sites::answer).await;
    let limits = Limits { concurrent_requests: 0, admission_time: Duration::ZERO, ..Limits::default() };
    let host = Harness::try_start_as(|host| host.limits(limits), upstream, &[]).await.expect("the host starts");
    assert_eq!(host.send(&post("{}")).await.status, 503, "there is no place");
    for path in ["/healthz", "/healthz/"] {
        let answer = host.send(&Request::new("GET", path)).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"status":"ok"}"#), "{path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    }
}

/// A host with sign-in, whose outsiders may publish documents on this machine.
async fn signing_in(limits: Limits) -> Harness {
    let access = Access::start_for(PUBLIC).await;
    let mut settings = access.settings();
    settings.push(("ALLOW_LOOPBACK_CLIENT_METADATA", "true".to_owned()));
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let chosen = |host: HostBuilder| host.limits(limits).http_policy(HttpPolicy::default().with_public_loopback());
    let upstream = Upstream::answering(stub_sites::answer).await;
    Harness::try_start_as(chosen, upstream, &settings).await.expect("the host starts")
}

/// Where a browser is sent by a client whose document is at `silent`.
fn authorization(silent: SocketAddr, name: &str) -> String {
    let client = format!("https%3A%2F%2F127.0.0.1%3A{}%2F{name}", silent.port());
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    format!(
        "/authorize?response_type=code&client_id={client}&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&state=s\
         &code_challenge={challenge}&code_challenge_method=S256"
    )
}

async fn ask_from(client: u8, host: SocketAddr, path: &str) -> Answer {
    let request = Request::new("GET", path).header("Host", &PUBLIC.to_string());
    let from = IpAddr::from([127, 0, 0, client]);
    http_client::send_from(from, host, &request).await.expect("the host is reached").expect("an answer")
}

/// What the host is called; where it listens is another port.
const PUBLIC: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8787);
/// As many may wait for hosts that have never answered.
const UNPROVEN: usize = 8;
