//! `/readyz`, and what else the operator's listener answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Parser as _;
use plausible_mcp_host::oauth_store::{Answer, MemoryStore, OauthStore, StoreError};
use plausible_mcp_host::{AdminServer, CliError, CommandLine, Host, HostBuilder, NotReady, code_cache_of_tests};
use plausible_mcp_tests::harness::{Harness, simulated};
use plausible_mcp_tests::http_client;
use plausible_mcp_tests::mcp_request::{DEMO_SITE, call};
use plausible_mcp_tests::upstream::Upstream;
use serde_json::json;

use super::operator::Operator;

#[tokio::test]
async fn a_host_that_nobody_can_reach_yet_is_not_ready() {
    let host =
        Host::builder().code_cache(code_cache_of_tests()).log(Arc::new(|_| {})).build().await.expect("the host starts");
    let operator = Operator::of(&host).await;
    assert_eq!(operator.readiness().await, (503, "not listening yet".to_owned()));
}

#[tokio::test]
async fn a_host_that_an_application_routes_to_is_ready_when_the_application_says_so() {
    let host =
        Host::builder().code_cache(code_cache_of_tests()).log(Arc::new(|_| {})).build().await.expect("the host starts");
    assert_eq!(host.ready().await, Err(NotReady::NotListening));
    host.set_listening();
    assert_eq!(host.ready().await, Ok(()));
    host.set_draining();
    assert_eq!(host.ready().await, Err(NotReady::Draining));
}

#[tokio::test]
async fn a_host_is_ready_until_it_drains_and_the_operator_sees_it_drain() {
    let (upstream, held) = Upstream::holding(simulated()).await;
    let mut host = Harness::start(upstream, &[]).await;
    let operator = Operator::of(host.host()).await;
    assert_eq!(operator.readiness().await, (200, "ready".to_owned()));
    let arguments = json!({ "site_id": DEMO_SITE, "date_range": "7d", "dimension": "event:page" });
    let (address, request) = (host.address(), call("get_breakdown", arguments));
    let in_flight = tokio::spawn(async move { http_client::send(address, &request).await });
    held.arrived(1).await;
    assert!(operator.metric("http_requests_in_flight").await >= 1.0);
    host.begin_stop();
    while operator.readiness().await.0 == 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(operator.readiness().await, (503, "draining".to_owned()));
    held.release(1);
    assert_eq!(in_flight.await.expect("no panic").expect("the host is reached").expect("an answer").status, 200);
    assert!(host.stopped().await);
}

#[tokio::test]
async fn a_host_is_ready_as_long_as_its_store_answers() {
    let store = Arc::new(Moody::default());
    let upstream = Upstream::answering(simulated()).await;
    let chosen = |host: HostBuilder| host.oauth_store(store.clone());
    let host = Harness::try_start_as(chosen, upstream, &[]).await.expect("the host starts");
    let operator = Operator::of(host.host()).await;
    assert_eq!(operator.readiness().await.0, 200);
    let away = (503, "the store does not answer".to_owned());
    store.fails.store(true, Ordering::Relaxed);
    assert_eq!(operator.readiness().await, away);
    store.hangs.store(true, Ordering::Relaxed);
    assert_eq!(operator.readiness().await, away);
    let metrics = operator.metrics().await;
    for outcome in ["ok", "unavailable", "abandoned"] {
        let name = format!("plausible_mcp_store_operations_total{{operation=\"get\",outcome=\"{outcome}\"}} 1");
        assert!(metrics.contains(&name), "{name}\n{metrics}");
    }
    store.fails.store(false, Ordering::Relaxed);
    store.hangs.store(false, Ordering::Relaxed);
    assert_eq!(operator.readiness().await.0, 200);
}

#[tokio::test]
async fn quiet_connections_keep_no_probe_and_no_scraper_out() {
    let host = Harness::demo().await;
    let operator = Operator::of(host.host()).await;
    let served = "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // More answers than the system keeps for a client that reads none.
    let unread = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2000);
    for beginning in ["", "GET /readyz HT", served, &unread] {
        let mut held = Vec::new();
        for _ in 0..40 {
            held.push(operator.holding(beginning).await);
        }
        for _ in 0..3 {
            assert_eq!(operator.readiness().await.0, 200, "{} bytes came before", beginning.len());
            assert!(operator.metrics().await.contains("plausible_mcp_build_info"));
        }
    }
    assert!(operator.metric("connections_displaced_total").await >= 1.0);
}

#[tokio::test]
async fn a_probe_of_http_1_0_names_no_host_and_is_answered() {
    let host = Harness::demo().await;
    let operator = Operator::of(host.host()).await;
    for (probe, status) in [
        ("GET /readyz HTTP/1.0\r\n\r\n", 200),
        ("GET /readyz HTTP/1.0\r\nHost: evil.example\r\n\r\n", 403),
        ("GET /readyz HTTP/1.1\r\nConnection: close\r\n\r\n", 403),
    ] {
        assert_eq!(operator.ask_bytes(probe).await.status, status, "{probe}");
    }
}

#[tokio::test]
async fn the_operators_listener_serves_nothing_else_and_the_clients_listener_none_of_it() {
    let host = Harness::demo().await;
    let operator = Operator::of(host.host()).await;
    for path in ["/", "/mcp", "/healthz", "/metrics/", "/readyz/x", "/admin/operator"] {
        assert_eq!(operator.ask("GET", path).await.status, 404, "{path}");
        assert_eq!(operator.ask("POST", path).await.status, 404, "{path}");
    }
    for (method, path) in [("POST", "/metrics"), ("DELETE", "/readyz"), ("OPTIONS", "/metrics")] {
        let answer = operator.ask(method, path).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET")), "{method} {path}");
    }
    for path in ["/metrics", "/readyz"] {
        assert_eq!(host.send(&http_client::Request::new("GET", path)).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_taken_address_is_told_with_the_name_of_its_flag() {
    let host = Harness::demo().await;
    let taken = host.address();
    let refused = AdminServer::bind(taken, host.host().clone()).await.err().expect("it is taken").to_string();
    assert_eq!(refused, format!("{taken} is in use by another process; choose another address with --admin"));
    let served = serve(&["--listen", "127.0.0.1:0", "--admin", &taken.to_string()]).await;
    assert_eq!(served, Err(CliError::Failed(refused)));
    let free = SocketAddr::from(([127, 0, 0, 1], 9));
    let served = serve(&["--listen", &free.to_string(), "--admin", &free.to_string()]).await;
    assert!(matches!(served, Err(CliError::Usage(_))), "{served:?}");
}

/// The command `serve`, which ends by itself only when it cannot begin.
async fn serve(arguments: &[&str]) -> Result<(), CliError> {
    let settings = ["--store", "memory", "--set", "MCP_ALLOWED_HOSTNAMES=localhost"];
    let line = ["plausible-mcp", "serve"].into_iter().chain(settings).chain(arguments.iter().copied());
    CommandLine::try_parse_from(line).expect("a command line").run().await
}

/// A store that works, fails or hangs as it is told.
#[derive(Default)]
struct Moody {
    store: MemoryStore,
    fails: AtomicBool,
    hangs: AtomicBool,
}

impl Moody {
    fn ask<'a, T: Send + 'a>(&'a self, answer: Answer<'a, T>) -> Answer<'a, T> {
        Box::pin(async move {
            if self.hangs.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            if self.fails.load(Ordering::Relaxed) { Err(StoreError::Unavailable) } else { answer.await }
        })
    }
}

impl OauthStore for Moody {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        self.ask(self.store.get(key))
    }

    fn put<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, ()> {
        self.ask(self.store.put(key, value, ttl))
    }

    fn create<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, bool> {
        self.ask(self.store.create(key, value, ttl))
    }

    fn take<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        self.ask(self.store.take(key))
    }

    fn replace<'a>(
        &'a self,
        key: &'a str,
        expected: &'a [u8],
        new: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        self.ask(self.store.replace(key, expected, new, ttl))
    }

    fn delete<'a>(&'a self, key: &'a str) -> Answer<'a, ()> {
        self.ask(self.store.delete(key))
    }

    fn keys<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>> {
        self.ask(self.store.keys(prefix, after, limit))
    }
}
