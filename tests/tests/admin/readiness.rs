//! `/readyz`, and what else the operator's listener answers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser as _;
use plausible_mcp_host::oauth_store::{Answer, MemoryStore, OauthStore, StoreError, StoreLocation};
use plausible_mcp_host::secrets::{SecretUnavailable, Secrets};
use plausible_mcp_host::{AdminServer, CliError, CommandLine, Host, Limits, NotReady, Settings, code_cache_of_tests};
use plausible_mcp_tests::harness::{Harness, listening, simulated};
use plausible_mcp_tests::http_client;
use plausible_mcp_tests::mcp_request::{DEMO_SITE, call, modern};
use plausible_mcp_tests::sign_in::{Deployment, Mood, MoodyAccess};
use plausible_mcp_tests::upstream::{Reply, Upstream};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};

use super::operator::Operator;

#[tokio::test]
async fn a_host_that_nobody_can_reach_yet_is_not_ready() {
    let host =
        Host::builder().code_cache(code_cache_of_tests()).log(Arc::new(|_| {})).build().await.expect("the host starts");
    let operator = Operator::of(&host).await;
    assert_eq!(operator.readiness().await, (503, "not_listening".to_owned()));
    assert_eq!(operator.report("/readyz/internal").await.0, 503);
}

#[tokio::test]
async fn a_host_that_an_application_routes_to_is_ready_when_the_application_says_so() {
    let host =
        Host::builder().code_cache(code_cache_of_tests()).log(Arc::new(|_| {})).build().await.expect("the host starts");
    assert_eq!(host.ready(), Err(NotReady::NotListening));
    host.set_listening();
    assert_eq!(host.ready(), Ok(()));
    assert_eq!(host.ready_for_internal().await, Err(NotReady::NotConfigured));
    host.set_draining();
    assert_eq!(host.ready(), Err(NotReady::Draining));
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
async fn a_host_without_a_free_place_is_not_ready_and_says_so_without_one() {
    let listener = listening(SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let access = MoodyAccess::start_for(listener.1, Mood::Well).await;
    let upstream = Upstream::answering(simulated()).await;
    let pairs = access.settings().into_iter().map(|(name, value)| (name.to_owned(), value));
    let pairs = pairs.chain([("PLAUSIBLE_BASE_URL".to_owned(), upstream.base_url())]);
    let limits = Limits { concurrent_requests: 1, request_bodies_bytes: 4 << 10, ..Limits::default() };
    let store = Arc::new(Moody::default());
    let host =
        Host::builder().code_cache(code_cache_of_tests()).settings(Settings::from_pairs(pairs).expect("settings"));
    let host = host.oauth_store(store.clone()).limits(limits);
    let host = Harness::serve(listener, host, upstream).await.expect("the host starts");
    let operator = Operator::of(host.host()).await;
    // What waits for an upstream gives its place back; what waits for the store keeps it.
    store.hangs.store(true, Ordering::Relaxed);
    let asked = store.asked.load(Ordering::Relaxed);
    let client = json!({ "redirect_uris": ["https://app.example/callback"], "token_endpoint_auth_method": "none" });
    let registration = http_client::Request::new("POST", "/register").header("Host", &host.address().to_string());
    let registration = registration.header("Content-Type", "application/json").body(client.to_string());
    let address = host.address();
    let in_flight = tokio::spawn(async move { http_client::send(address, &registration).await });
    while store.asked.load(Ordering::Relaxed) == asked {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Bodies take all the room that there is for them.
    let half = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000\r\n\r\n".to_owned() + &"x".repeat(3000);
    let mut bodies = Vec::new();
    for _ in 0..4 {
        let mut body = TcpStream::connect(address).await.expect("the host is reached");
        body.write_all(half.as_bytes()).await.expect("the host reads");
        bodies.push(body);
    }
    assert_eq!(operator.readiness().await, (503, "busy".to_owned()));
    assert_eq!(operator.report("/readyz/internal").await.0, 503);
    assert_eq!(host.send(&http_client::Request::new("GET", "/healthz")).await.status, 200);
    assert!(operator.metrics().await.contains("http_requests_in_flight"));
    store.hangs.store(false, Ordering::Relaxed);
    store.released.notify_waiters();
    assert_eq!(in_flight.await.expect("no panic").expect("the host is reached").expect("an answer").status, 201);
    assert_eq!(operator.until("/readyz", 200).await["store"]["state"], "ok");
}

#[tokio::test]
async fn liveness_needs_no_connection_that_is_at_work() {
    let (upstream, held) = Upstream::holding(simulated()).await;
    let limits = Limits { connections: 3, ..Limits::default() };
    let host = Harness::try_start_as(|host| host.limits(limits), upstream, &[]).await.expect("the host starts");
    let operator = Operator::of(host.host()).await;
    let arguments =
        |days: u32| json!({ "site_id": DEMO_SITE, "date_range": format!("{days}d"), "dimension": "event:page" });
    let mut in_flight = JoinSet::new();
    for days in [7, 28, 30] {
        let (address, request) = (host.address(), call("get_breakdown", arguments(days)));
        in_flight.spawn(async move { http_client::send(address, &request).await });
    }
    held.arrived(3).await;
    let waiting = {
        let address = host.address();
        tokio::spawn(async move { http_client::send(address, &modern("tools/list", json!({}))).await })
    };
    for _ in 0..10 {
        let alive = host.send(&http_client::Request::new("GET", "/healthz")).await;
        assert_eq!((alive.status, alive.header("connection")), (200, Some("close")));
        assert_eq!(operator.readiness().await.0, 200);
    }
    assert!(!waiting.is_finished(), "what the component answers waits for a place");
    held.release(3);
    for answer in in_flight.join_all().await {
        assert_eq!(answer.expect("the host is reached").expect("an answer").status, 200);
    }
    assert_eq!(waiting.await.expect("no panic").expect("the host is reached").expect("an answer").status, 200);
}

#[tokio::test]
async fn a_store_that_is_away_makes_internal_unready_and_nothing_else() {
    let store = Arc::new(Moody::default());
    let deployment = Deployment::start_on(store.clone(), &[]).await;
    let host = deployment.harness.host();
    let (operator, watching) = (Operator::of(host).await, watching(host));
    assert_eq!(operator.until("/readyz/internal", 200).await["status"], "ready");
    assert_eq!(operator.part("store").await, ("ok".to_owned(), None));
    for (mood, cause) in [(&store.fails, "store_unavailable"), (&store.hangs, "store_unanswered")] {
        mood.store(true, Ordering::Relaxed);
        let asked = store.asked.load(Ordering::Relaxed);
        assert_eq!(operator.readiness().await, (200, "degraded".to_owned()));
        assert_eq!(operator.part("store").await, ("away".to_owned(), Some(cause.to_owned())));
        assert_eq!(operator.metric("part_state{part=\"store\",state=\"away\"}").await, 1.0);
        let (status, body) = operator.report("/readyz/internal").await;
        assert_eq!((status, &body["status"]), (503, &json!("store")));
        assert_eq!(deployment.send(modern("tools/list", json!({}))).await.status, 200, "/mcp needs no store");
        if cause == "store_unanswered" {
            for _ in 0..5 {
                assert_eq!(operator.readiness().await.0, 200);
            }
            let probes = store.probed.load(Ordering::Relaxed);
            assert_eq!(probes, store.answered.load(Ordering::Relaxed) + 1, "one question is under way at a time");
        }
        assert!(store.asked.load(Ordering::Relaxed) > asked);
        mood.store(false, Ordering::Relaxed);
        store.released.notify_waiters();
        operator.until("/readyz/internal", 200).await;
    }
    watching.abort();
}

#[tokio::test]
async fn a_provider_that_is_away_is_told_with_its_fault_and_internal_waits_for_its_keys() {
    let listener = listening(SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let access = MoodyAccess::start_for(listener.1, Mood::Status(429)).await;
    let settings = access.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (store, upstream) = (Arc::new(MemoryStore::default()), Upstream::answering(simulated()).await);
    let host = Harness::try_start_at(listener, store, upstream, &settings).await.expect("the host starts");
    let operator = Operator::of(host.host()).await;
    let (status, body) = operator.report("/readyz/internal").await;
    assert_eq!((status, &body["sign_in"]["state"]), (503, &json!("unknown")), "nobody has asked it");
    let watching = watching(host.host());
    for (mood, cause, status) in [
        (Mood::Status(429), "provider_too_many_requests", json!(429)),
        (Mood::Status(500), "provider_server_error", json!(500)),
        (Mood::Page, "provider_malformed_answer", json!(null)),
        (Mood::Closes, "http_interrupted", json!(null)),
    ] {
        access.set(mood);
        let told = async {
            loop {
                let (ready, body) = operator.report("/readyz").await;
                assert_eq!(ready, 200, "{body}");
                if body["sign_in"]["cause"] == cause && body["sign_in"]["status"] == status {
                    break;
                }
                // What a request finds out, is known.
                check(host.host()).await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap_or_else(|_| panic!("{mood:?} is not told"));
        assert_eq!(operator.part("sign_in").await.0, "away");
        assert_eq!(operator.report("/readyz/internal").await.1["status"], "sign_in");
    }
    access.set(Mood::Well);
    assert_eq!(operator.until("/readyz/internal", 200).await["sign_in"]["state"], "ok");
    access.set(Mood::Status(500));
    check(host.host()).await;
    assert_eq!(operator.part("sign_in").await, ("away".to_owned(), Some("provider_server_error".to_owned())));
    assert_eq!(operator.report("/readyz/internal").await.0, 200, "those who are signed in are served");
    watching.abort();
}

#[tokio::test]
async fn a_secret_that_is_taken_away_makes_internal_unready_and_is_named() {
    let listener = listening(SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let access = MoodyAccess::start_for(listener.1, Mood::Well).await;
    let upstream = Upstream::answering(simulated()).await;
    let pairs = access.settings().into_iter().map(|(name, value)| (name.to_owned(), value));
    let pairs = pairs.chain([("PLAUSIBLE_BASE_URL".to_owned(), upstream.base_url())]);
    let settings = Settings::from_pairs(pairs).expect("settings");
    let secrets = Arc::new(Rotated { settings: settings.clone(), missing: AtomicBool::new(false) });
    let host = Host::builder().code_cache(code_cache_of_tests()).settings(settings).secrets(secrets.clone());
    let host = Harness::serve(listener, host, upstream).await.expect("the host starts");
    let (operator, watching) = (Operator::of(host.host()).await, watching(host.host()));
    operator.until("/readyz/internal", 200).await;
    secrets.missing.store(true, Ordering::Relaxed);
    let told = operator.until("/readyz/internal", 503).await;
    assert_eq!((&told["status"], &told["sign_in"]["cause"]), (&json!("sign_in"), &json!("misconfigured")));
    assert_eq!(told["sign_in"]["setting"], "COOKIE_ENCRYPTION_KEY");
    assert_eq!(operator.readiness().await.0, 200);
    secrets.missing.store(false, Ordering::Relaxed);
    operator.until("/readyz/internal", 200).await;
    watching.abort();
}

#[tokio::test]
async fn plausible_is_as_the_last_exchange_with_it_was() {
    let answer = Arc::new(Mutex::new(Reply::json(500, "{}")));
    let told = answer.clone();
    let upstream = Upstream::answering(move |_| told.lock().expect("no panic").clone()).await;
    let host = Harness::start(upstream, &[]).await;
    let operator = Operator::of(host.host()).await;
    let arguments = json!({ "site_id": DEMO_SITE, "date_range": "7d", "dimension": "event:page" });
    assert_eq!(operator.part("plausible").await, ("unknown".to_owned(), None));
    for (reply, state, cause) in [
        (Reply::json(500, "{}"), "degraded", Some("upstream_status")),
        (Reply::json(401, "{}"), "ok", None),
        (Reply::Close, "degraded", Some("http_interrupted")),
        (Reply::json(429, "{}"), "ok", None),
    ] {
        *answer.lock().expect("no panic") = reply;
        assert_eq!(host.send(&call("get_breakdown", arguments.clone())).await.status, 200);
        assert_eq!(operator.part("plausible").await, (state.to_owned(), cause.map(str::to_owned)));
        assert_eq!(operator.readiness().await.0, 200);
    }
    for part in ["sign_in", "documents", "sentry", "disk"] {
        assert_eq!(operator.part(part).await, ("off".to_owned(), None), "{part}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_of_a_file_is_told_with_its_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let location = StoreLocation::parse(&format!("file:{}/records.redb", folder.path().display())).expect("a location");
    let opened = location.open(None).await.expect("a store");
    let upstream = Upstream::answering(simulated()).await;
    let host = Harness::try_start_as(|host| host.oauth_store(opened.store), upstream, &[]).await.expect("a host");
    let operator = Operator::of(host.host()).await;
    let (status, body) = operator.report("/readyz").await;
    let free = body["disk"]["free_bytes"].as_u64().expect("a number");
    assert_eq!((status, &body["disk"]["is_enough"]), (200, &json!(free >= 64 << 20)), "{body}");
    assert_ne!(body["disk"]["state"], "unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_taken_away_is_a_store_that_is_away_until_it_is_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, aside) = (folder.path().join("records.redb"), folder.path().join("aside"));
    let location = StoreLocation::parse(&format!("file:{}", file.display())).expect("a location");
    let opened = location.begin(None).expect("a location");
    opened.opening.expect("a file is opened aside").tried().await.expect("a store");
    let deployment = Deployment::start_on(opened.store, &[]).await;
    let host = deployment.harness.host();
    let (operator, watching) = (Operator::of(host).await, watching(host));
    operator.until("/readyz/internal", 200).await;
    std::fs::rename(&file, &aside).expect("it is moved");
    let away = operator.until("/readyz/internal", 503).await;
    assert_eq!((&away["status"], &away["store"]["state"]), (&json!("store"), &json!("away")));
    assert_eq!(away["store"]["cause"], "store_gone");
    assert!(away["disk"]["free_bytes"].is_u64(), "that is no matter of the disk: {away}");
    assert_eq!(operator.readiness().await, (200, "degraded".to_owned()));
    assert_eq!(deployment.send(modern("tools/list", json!({}))).await.status, 200, "/mcp needs no store");
    std::fs::rename(&aside, &file).expect("it is moved back");
    assert_eq!(operator.until("/readyz/internal", 200).await["store"]["state"], "ok");
    watching.abort();
}

#[tokio::test]
async fn internal_is_not_found_where_there_is_no_sign_in() {
    let host = Harness::demo().await;
    let operator = Operator::of(host.host()).await;
    let (status, body) = operator.report("/readyz/internal").await;
    assert_eq!((status, &body["status"]), (404, &json!("not_configured")));
}

/// Has the host look after its parts.
fn watching(host: &Host) -> JoinHandle<Infallible> {
    let host = host.clone();
    tokio::spawn(async move { host.watch().await })
}

/// Has the host ask all its neighbours.
async fn check(host: &Host) {
    host.check().await.expect("the component answers");
}

/// Secrets of which one can be missing.
struct Rotated {
    settings: Settings,
    missing: AtomicBool,
}

impl Secrets for Rotated {
    fn secret(&self, name: &str) -> Result<Option<String>, SecretUnavailable> {
        let is_missing = name == "COOKIE_ENCRYPTION_KEY" && self.missing.load(Ordering::Relaxed);
        if is_missing { Ok(None) } else { Secrets::secret(&self.settings, name) }
    }
}

/// Longer than a busy machine takes to find out.
const PATIENCE: Duration = Duration::from_secs(60);

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
    for path in ["/", "/mcp", "/healthz", "/metrics/", "/readyz/x", "/readyz/internal/", "/admin/operator"] {
        assert_eq!(operator.ask("GET", path).await.status, 404, "{path}");
        assert_eq!(operator.ask("POST", path).await.status, 404, "{path}");
    }
    for (method, path) in
        [("POST", "/metrics"), ("DELETE", "/readyz"), ("OPTIONS", "/metrics"), ("POST", "/readyz/internal")]
    {
        let answer = operator.ask(method, path).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET")), "{method} {path}");
    }
    for path in ["/metrics", "/readyz", "/readyz/internal"] {
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
    /// Lets go what hangs.
    released: Notify,
    asked: AtomicUsize,
    /// How often the key was asked for that no record has, and answered.
    probed: AtomicUsize,
    answered: AtomicUsize,
}

impl Moody {
    fn ask<'a, T: Send + 'a>(&'a self, answer: Answer<'a, T>) -> Answer<'a, T> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if self.hangs.load(Ordering::Relaxed) {
                self.released.notified().await;
            }
            if self.fails.load(Ordering::Relaxed) { Err(StoreError::Unavailable) } else { answer.await }
        })
    }
}

impl OauthStore for Moody {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let is_probe = key == "readiness";
            self.probed.fetch_add(usize::from(is_probe), Ordering::Relaxed);
            let answer = self.ask(self.store.get(key)).await;
            self.answered.fetch_add(usize::from(is_probe), Ordering::Relaxed);
            answer
        })
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
