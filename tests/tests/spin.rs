//! The component with its adapter under Spin: the store's contract, what Spin has to provide, and Spin's habits.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use plausible_mcp_host::embedded_component;
use plausible_mcp_host::oauth_store::{OauthStore as _, RedisStore, StoreError, contract};
use plausible_mcp_host::rate_limit::{Decision, Quota, RateLimit as _, RedisBuckets};
use plausible_mcp_host::setting_names;
use plausible_mcp_tests::adapter::{HttpError, Reach};
use plausible_mcp_tests::harness::simulated;
use plausible_mcp_tests::http_client::{self, Answer, Request};
use plausible_mcp_tests::mcp_request::{DEMO_KEY, DEMO_SITE, legacy};
use plausible_mcp_tests::redis_process::RedisProcess;
use plausible_mcp_tests::spin::{Manifest, Spin, SpinAdapter, SpinOptions, composed, imports, listed, unpatched};
use plausible_mcp_tests::upstream::{Reply, Upstream};
use serde_json::json;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_keeps_the_contract_of_records_in_sqlite() {
    let state = state_folder();
    let adapter = Arc::new(SpinAdapter::new(&SpinOptions::new(state.path())).expect("an adapter"));
    let clock = Arc::clone(&adapter);
    contract::check(adapter, |time| {
        clock.pass_time(time);
        std::future::ready(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_keeps_the_contract_of_records_in_redis() {
    let Some(redis) = RedisProcess::start(&[]).await else { return };
    let (state, url) = (state_folder(), format!("redis://{}", redis.address()));
    let options = SpinOptions::new(state.path()).with(&[("REDIS_URL", &url), ("REDIS_HOST", &url)]);
    let adapter = SpinAdapter::new(&options).expect("an adapter");
    // The server's clock decides.
    contract::check(Arc::new(adapter), tokio::time::sleep).await;
    let database = rusqlite::Connection::open(state.path().join("sqlite_db.db")).expect("the watch's");
    let records = database.query_row("SELECT count(*) FROM plausible_mcp_records", [], |row| row.get::<_, i64>(0));
    assert_eq!(records, Ok(0), "nothing was kept elsewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_is_shared_with_the_host_and_its_absence_stops_no_tool() {
    let Some(mut redis) = RedisProcess::start(&[]).await else { return };
    let (state, url, minute) = (state_folder(), format!("redis://{}", redis.address()), Duration::from_secs(60));
    let options = SpinOptions::new(state.path()).with(&[("REDIS_URL", &url), ("REDIS_HOST", &url)]);
    let adapter = SpinAdapter::new(&options).expect("an adapter");
    let (of_host, limits) = (RedisStore::new(redis.server()), RedisBuckets::new(redis.server()));
    adapter.put("a/1", b"1".to_vec(), minute).await.expect("a write");
    assert_eq!(of_host.take("a/1").await, Ok(Some(b"1".to_vec())));
    of_host.put("a/2", b"2".to_vec(), minute).await.expect("a write");
    assert_eq!(adapter.keys("a/", None, 10).await, Ok(vec!["a/2".to_owned()]));
    assert_eq!(adapter.check("k", 3, 86_400, 2).await, Ok(1));
    let quota = Quota { limit: 3, window_seconds: 86_400 };
    assert_eq!(limits.check("k", quota, 1).await, Decision::Allowed(0));
    assert!(adapter.check("k", 3, 86_400, 1).await.is_err());
    redis.kill();
    assert_eq!(adapter.get("a/2").await, Err(StoreError::Unavailable));
    assert_eq!(adapter.put("a/2", b"3".to_vec(), minute).await, Err(StoreError::Unavailable));
    assert_eq!(adapter.check("k", 3, 86_400, 1).await, Ok(0), "limits let through what nobody counts");
}

#[tokio::test]
async fn a_redis_that_the_application_may_not_reach_is_unavailable() {
    let state = state_folder();
    let options = SpinOptions::new(state.path()).with(&[("REDIS_URL", "redis://127.0.0.1:6379")]);
    let adapter = SpinAdapter::new(&options).expect("an adapter");
    assert_eq!(adapter.get("a").await, Err(StoreError::Unavailable));
}

#[tokio::test]
async fn records_and_buckets_outlast_the_instance_and_a_restart() {
    let state = state_folder();
    let options = SpinOptions::new(state.path());
    let adapter = SpinAdapter::new(&options).expect("an adapter");
    adapter.put("a", b"1".to_vec(), Duration::from_secs(60)).await.expect("a write");
    assert_eq!(adapter.check("k", 2, 86_400, 2).await, Ok(0));
    drop(adapter);
    let restarted = SpinAdapter::new(&options).expect("an adapter");
    assert_eq!(restarted.get("a").await, Ok(Some(b"1".to_vec())));
    let wait = restarted.check("k", 2, 86_400, 1).await.expect_err("the bucket is empty");
    assert!((43_000..=43_200).contains(&wait), "half of the window, less what the test took: {wait}");
    restarted.pass_time(Duration::from_secs(wait.into()));
    assert_eq!(restarted.check("k", 2, 86_400, 1).await, Ok(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_requests_no_more_than_fit_are_let_through() {
    let state = state_folder();
    let adapter = Arc::new(SpinAdapter::new(&SpinOptions::new(state.path())).expect("an adapter"));
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let adapter = Arc::clone(&adapter);
            tokio::spawn(async move { adapter.check("k", 10, 86_400, 1).await.is_ok() })
        })
        .collect();
    let mut allowed = 0;
    for task in tasks {
        allowed += usize::from(task.await.expect("no panic"));
    }
    assert_eq!(allowed, 10);
}

#[tokio::test]
async fn secrets_are_variables_of_the_settings_table_and_no_others() {
    let state = state_folder();
    let options = SpinOptions::new(state.path()).with(&[("PLAUSIBLE_API_KEY", "k"), ("REDIS_URL", "")]);
    let adapter = SpinAdapter::new(&options).expect("an adapter");
    assert_eq!(adapter.secret("PLAUSIBLE_API_KEY").await.as_deref(), Some("k"));
    assert_eq!(adapter.secret("CLIENT_IP_HEADER").await.as_deref(), Some("spin-client-addr"));
    assert_eq!(adapter.secret("ADMIN_TOKEN").await, None, "empty is absent");
    for other in ["ACCESS_HOST", "REDIS_URL", "plausible_api_key", "EXTRA_CA_FILE", "", "not a name"] {
        assert_eq!(adapter.secret(other).await, None, "{other}");
    }
    let several = adapter.secrets(["ADMIN_TOKEN", "PLAUSIBLE_API_KEY", "PATH"]).await;
    assert_eq!(several.expect("they can be read"), [None, Some("k".to_owned()), None], "one for each, in their order");
}

#[tokio::test]
async fn a_variable_whose_provider_is_away_is_neither_absent_nor_a_trap() {
    let state = state_folder();
    let options = SpinOptions::new(state.path()).with(&[("PLAUSIBLE_API_KEY", "k")]).unreadable(&["denied_emails"]);
    let adapter = SpinAdapter::new(&options).expect("an adapter");
    assert!(adapter.secrets(["DENIED_EMAILS"]).await.is_err());
    assert!(adapter.secrets(["PLAUSIBLE_API_KEY", "DENIED_EMAILS"]).await.is_err());
    assert_eq!(adapter.secret("PLAUSIBLE_API_KEY").await.as_deref(), Some("k"), "others can be read");
}

#[tokio::test]
async fn records_go_nowhere_while_it_cannot_be_read_where_they_belong() {
    let state = state_folder();
    let adapter = SpinAdapter::new(&SpinOptions::new(state.path()).unreadable(&["redis_url"])).expect("an adapter");
    let minute = Duration::from_secs(60);
    assert_eq!(adapter.get("a").await, Err(StoreError::Unavailable));
    assert_eq!(adapter.create("a", b"1".to_vec(), minute).await, Err(StoreError::Unavailable));
    assert_eq!(adapter.check("k", 1, 60, 1).await, Ok(0), "limits let through what nobody counts");
    assert!(!state.path().join("sqlite_db.db").exists(), "SQLite is not taken in its place");
}

#[tokio::test]
async fn without_its_variables_every_route_is_503_and_the_log_says_why() {
    let (state, upstream) = (state_folder(), Upstream::answering(simulated()).await);
    let options = options(&state, &upstream, &SIGN_IN).unreadable(&["*"]);
    let spin = Spin::start(&options).await.expect("Spin starts");
    for request in [tool_call(), ping().path("/internal"), Request::new("GET", "/authorize")] {
        let answer = send(spin.address(), &request).await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.header("retry-after").is_some());
    }
    assert_eq!(send(spin.address(), &Request::new("GET", "/healthz")).await.status, 200);
    let log = spin.output();
    assert!(
        log.contains(r#""event":"secret_unavailable","variable":"public_url","cause":"Failed to check Vault"#),
        "{log}"
    );
    assert!(log.contains(r#""reason":"secret","cause":"secret_unavailable""#), "{log}");
    spin.stop().await;
}

#[tokio::test]
async fn one_variable_that_cannot_be_read_ends_what_needs_it_and_nothing_else() {
    let (state, upstream) = (state_folder(), Upstream::answering(simulated()).await);
    let issuer = [("ACCESS_ISSUER", "https://team.cloudflareaccess.com/oidc")];
    let settings = [SIGN_IN.as_slice(), &issuer].concat();
    for (variable, of_mcp, of_internal) in
        [("cookie_encryption_key", 200, 503), ("sentry_dsn", 200, 401), ("denied_emails", 503, 503)]
    {
        let spin = Spin::start(&options(&state, &upstream, &settings).unreadable(&[variable])).await;
        let spin = spin.expect("Spin starts");
        assert_eq!(send(spin.address(), &ping()).await.status, of_mcp, "{variable}");
        let internal = send(spin.address(), &ping().path("/internal")).await;
        assert_eq!(internal.status, of_internal, "{variable}: {}", internal.text());
        spin.stop().await;
    }
}

#[tokio::test]
async fn check_names_what_spin_denied_and_the_variable_that_allows_it() {
    const TOKEN: &str = "an-administrator-token-of-at-least-32-bytes";
    let (state, upstream) = (state_folder(), Upstream::answering(simulated()).await);
    let more = [("ACCESS_ISSUER", "https://team.cloudflareaccess.com/oidc"), ("ADMIN_TOKEN", TOKEN)];
    let spin = started(&state, &upstream, &[SIGN_IN.as_slice(), &more].concat()).await;
    let question = Request::new("POST", "/admin/operator").bearer(TOKEN).header("Content-Type", "application/json");
    let answer = send(spin.address(), &question.body(r#"{"action":"check"}"#)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let findings = answer.json();
    let findings = findings["findings"].as_array().expect("findings");
    let access = findings.iter().find(|finding| finding["setting"] == "ACCESS_ISSUER").expect("a finding");
    assert!(access["text"].as_str().is_some_and(|text| text.contains("allowed_outbound_hosts")), "{access}");
    assert!(access["advice"].as_str().is_some_and(|advice| advice.contains("access_host")), "{access}");
    assert!(!access.to_string().contains("could not be reached"), "{access}");
    spin.stop().await;
}

/// A server that takes connections and says nothing; how many it has taken.
async fn silent_redis() -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("redis://{}", listener.local_addr().expect("an address"));
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    tokio::spawn(async move {
        let mut connections = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            connections.push(connection);
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (url, taken)
}

/// When somebody asked on behalf of all, if that stands in the database.
fn asked_at(state: &Path) -> Option<i64> {
    let database = rusqlite::Connection::open(state.join("sqlite_db.db")).ok()?;
    database.query_row("SELECT asked FROM plausible_mcp_watch", [], |row| row.get(0)).ok()
}

async fn until(condition: impl Fn() -> bool) {
    let soon = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), soon).await.expect("it becomes true");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_redis_holds_one_call_and_no_more() {
    let ((url, taken), state) = (silent_redis().await, state_folder());
    let options = SpinOptions::new(state.path()).with(&[("REDIS_URL", &url), ("REDIS_HOST", &url)]);
    let adapter = Arc::new(SpinAdapter::new(&options).expect("an adapter"));
    let first = tokio::spawn({
        let adapter = Arc::clone(&adapter);
        async move { adapter.get("a").await }
    });
    until(|| taken.load(Ordering::SeqCst) == 1).await;
    // Silent, and not yet to be asked again for seven seconds.
    adapter.pass_time(Duration::from_secs(3));
    for number in 0..100 {
        let minute = Duration::from_secs(60);
        let refused = adapter.create(&format!("a/{number}"), b"1".to_vec(), minute).await;
        assert_eq!(refused, Err(StoreError::Unavailable), "nothing was sent, so nothing is unknown");
    }
    assert_eq!(adapter.check("k", 1, 60, 1).await, Ok(0), "limits let through what nobody counts");
    assert_eq!(taken.load(Ordering::SeqCst), 1, "one call waits, and no other was begun");
    assert!(!first.is_finished());
    first.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_speaks_again_is_asked_again() {
    let Some(redis) = RedisProcess::start(&[]).await else { return };
    let (state, url) = (state_folder(), format!("redis://{}", redis.address()));
    let options = SpinOptions::new(state.path()).with(&[("REDIS_URL", &url), ("REDIS_HOST", &url)]);
    let adapter = Arc::new(SpinAdapter::new(&options).expect("an adapter"));
    redis.signal("STOP");
    let first = tokio::spawn({
        let adapter = Arc::clone(&adapter);
        async move { adapter.get("a").await }
    });
    until(|| asked_at(state.path()).is_some()).await;
    adapter.pass_time(Duration::from_secs(5));
    assert_eq!(adapter.get("b").await, Err(StoreError::Unavailable));
    redis.signal("CONT");
    assert_eq!(first.await.expect("no panic"), Ok(None), "who waited is answered");
    assert_eq!(adapter.get("b").await, Ok(None), "and so is everybody else");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_silent_redis_tools_answer_and_sign_in_waits() {
    let (state, upstream) = (state_folder(), Upstream::answering(simulated()).await);
    let (url, taken) = silent_redis().await;
    let more = [("ACCESS_ISSUER", "https://team.cloudflareaccess.com/oidc"), ("REDIS_URL", &url), ("REDIS_HOST", &url)];
    let spin = started(&state, &upstream, &[SIGN_IN.as_slice(), &more].concat()).await;
    let address = spin.address();
    let first = tokio::spawn(async move { send(address, &ping()).await });
    until(|| taken.load(Ordering::SeqCst) == 1).await;
    spin.pass_time(Duration::from_secs(5));
    answers_a_tool(address).await;
    let registration = json!({ "redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "none" });
    let register = Request::new("POST", "/register").header("Content-Type", "application/json");
    assert_eq!(send(address, &register.body(registration.to_string())).await.status, 503);
    assert!(spin.output().contains(r#""event":"redis_silent""#), "{}", spin.output());
    assert_eq!(taken.load(Ordering::SeqCst), 1);
    first.abort();
    spin.stop().await;
}

#[tokio::test]
async fn requests_go_where_the_application_and_the_runtime_configuration_allow() {
    let upstream = Upstream::answering(|_| Reply::json(200, "{}")).await;
    let (base, state) = (upstream.base_url(), state_folder());
    let options = SpinOptions::new(state.path()).with(&[("PLAUSIBLE_BASE_URL", base.as_str())]);
    let open = SpinAdapter::new(&options).expect("an adapter");
    assert_eq!(open.status_of(&base, Reach::Configured).await, Ok(200), "private networks are open by default");
    let elsewhere = open.status_of("http://127.0.0.2:9/", Reach::Configured).await;
    assert!(matches!(elsewhere, Err(HttpError::NotAllowed)), "not among allowed_outbound_hosts: {elsewhere:?}");
    let blocking = SpinOptions { block_networks: vec!["private".to_owned()], ..options };
    let closed = SpinAdapter::new(&blocking).expect("an adapter").status_of(&base, Reach::Configured).await;
    assert!(matches!(closed, Err(HttpError::AddressRefused)), "{closed:?}");
    assert_eq!(upstream.take().len(), 1);
}

#[tokio::test]
async fn what_an_outsider_chose_is_never_the_application_itself() {
    let state = state_folder();
    let options = SpinOptions::new(state.path()).with(&[("CLIENT_METADATA_HOSTS", "https://*")]);
    let adapter = SpinAdapter::new(&options).expect("an adapter");
    for url in ["https://self.alt/mcp", "https://plausible-mcp.spin.internal/", "https://127.0.0.1/"] {
        let refused = adapter.status_of(url, Reach::PublicInternet).await;
        assert!(matches!(refused, Err(HttpError::AddressRefused)), "{url}: {refused:?}");
    }
    let unchecked = adapter.status_of("https://client.example/", Reach::PublicInternet).await;
    assert!(matches!(unchecked, Err(HttpError::ReachUnsupported)), "{unchecked:?}");
}

#[test]
fn the_composed_component_imports_what_spin_provides_and_nothing_else() {
    let provided = listed(include_str!("../golden/spin-4.0.2.txt"));
    let imported = imports(composed());
    let names = |interfaces: &BTreeMap<String, Vec<String>>| -> Vec<String> {
        interfaces.keys().map(|name| unpatched(name).to_owned()).collect()
    };
    assert_eq!(names(&imported), names(&provided));
    for ((name, functions), known) in imported.iter().zip(provided.values()) {
        assert!(functions.iter().all(|function| known.contains(function)), "{name}: {functions:?}");
    }
    assert!(
        imports(embedded_component()).keys().any(|name| name.starts_with("plausible-mcp:host/")),
        "nothing was composed"
    );
}

#[test]
fn every_setting_is_a_variable_and_secret_where_the_table_says_so() {
    let manifest = Manifest::read(&repository().join("spin.toml")).expect("a manifest");
    let of_adapter = ["redis_url", "access_host", "sentry_host", "redis_host", "client_metadata_hosts"];
    let settings = setting_names().iter().filter(|setting| setting.name != "EXTRA_CA_FILE");
    let mut names: Vec<String> = settings.clone().map(|setting| setting.name.to_ascii_lowercase()).collect();
    names.extend(of_adapter.map(str::to_owned));
    names.sort();
    assert_eq!(manifest.names(), names);
    let secret = settings.filter(|setting| setting.secret).map(|setting| setting.name.to_ascii_lowercase());
    let mut secret: Vec<String> = secret.chain(["redis_url".to_owned()]).collect();
    secret.sort();
    assert_eq!(manifest.secrets(), secret);
    let application = manifest.application(&BTreeMap::default()).expect("`spin up` without a word");
    assert_eq!(application.variables.len(), names.len() - 4, "all but the hosts are passed on");
    assert_eq!(application.inherited, ["allowed_outbound_hosts", "sqlite_databases", "variables"]);
    assert!(application.allowed_hosts.iter().all(|host| !host.allows_itself()));
}

#[test]
fn the_build_command_makes_the_files_that_the_manifest_names() {
    let manifest = Manifest::read(&repository().join("spin.toml")).expect("a manifest");
    assert_eq!(manifest.build_commands().expect("commands"), ["component/compile spin"]);
    let folder = "target/component/wasm32-wasip2/component/plausible_mcp_";
    let files = ["component", "adapter_spin"].map(|name| format!("{folder}{name}.wasm"));
    assert_eq!(manifest.wasm_files().expect("two files"), files);
    let script = std::fs::read_to_string(repository().join("component/compile")).expect("the script");
    for fact in ["folder=$root/target/component\n", "target=wasm32-wasip2\n", "profile=component\n"] {
        assert!(script.contains(fact), "the script builds elsewhere: {fact}");
    }
}

/// A running application over the simulated Plausible.
async fn started(state: &TempDir, upstream: &Upstream, settings: &[(&str, &str)]) -> Spin {
    Spin::start(&options(state, upstream, settings)).await.expect("Spin starts")
}

fn options(state: &TempDir, upstream: &Upstream, settings: &[(&str, &str)]) -> SpinOptions {
    let base = upstream.base_url();
    let general = [("PLAUSIBLE_BASE_URL", base.as_str()), ("PLAUSIBLE_DEFAULT_SITE_ID", DEMO_SITE)];
    SpinOptions::new(state.path()).with(&general).with(settings)
}

async fn send(address: SocketAddr, request: &Request) -> Answer {
    let request = request.clone().header("Host", &address.to_string());
    http_client::send(address, &request).await.expect("Spin is reached").expect("Spin answers")
}

fn ping() -> Request {
    legacy(None, "ping", json!({}))
}

fn tool_call() -> Request {
    let arguments = json!({ "name": "get_breakdown", "arguments": { "date_range": "7d", "dimension": "event:page" } });
    legacy(Some("2025-11-25"), "tools/call", arguments)
}

#[tokio::test]
async fn a_tool_answers_through_spin() {
    let (state, upstream) = (state_folder(), Upstream::answering(simulated()).await);
    let spin = started(&state, &upstream, &[]).await;
    answers_a_tool(spin.address()).await;
    assert!(spin.output().contains("get_breakdown"), "the log goes to standard error: {}", spin.output());
    spin.stop().await;
}

async fn answers_a_tool(address: SocketAddr) {
    let answer = send(address, &tool_call()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json().pointer("/result/isError"), None, "{}", answer.text());
    assert!(answer.text().contains("/pricing"), "{}", answer.text());
}

#[tokio::test]
async fn nothing_lives_in_the_component_between_requests() {
    let (state, upstream) = (state_folder(), Upstream::answering(simulated()).await);
    let spin = started(&state, &upstream, &[("RATE_LIMIT_PER_MINUTE", "2")]).await;
    let statuses = async || [send(spin.address(), &ping()).await.status, send(spin.address(), &ping()).await.status];
    assert_eq!(statuses().await, [200, 200]);
    assert_eq!(statuses().await, [429, 429]);
    std::fs::remove_file(state.path().join("sqlite_db.db")).expect("the database stands in the state folder");
    assert_eq!(statuses().await, [200, 200], "the counts stand in the database and nowhere else");
}

#[tokio::test]
async fn a_caller_cannot_make_its_address_up() {
    let (state, upstream) = (state_folder(), Upstream::answering(simulated()).await);
    let spin = started(&state, &upstream, &[("RATE_LIMIT_PER_MINUTE", "1")]).await;
    let mut statuses = Vec::new();
    for number in 0..4 {
        let address = format!("203.0.113.{number}:9");
        let mut guess = ping().without("Authorization");
        for name in ["spin-client-addr", "plausible-mcp-client-addr", "X-Forwarded-For"] {
            guess = guess.header(name, &address);
        }
        statuses.push(send(spin.address(), &guess).await.status);
    }
    assert_eq!(statuses, [401, 429, 429, 429], "the last spin-client-addr is the peer's");
}

#[tokio::test]
async fn the_authority_counts_where_no_host_header_reaches_the_component() {
    let (state, upstream) = (state_folder(), Upstream::answering(simulated()).await);
    let spin = started(&state, &upstream, &[("PUBLIC_URL", "https://mcp.example.com")]).await;
    let to = async |host: &str| http_client::send(spin.address(), &ping().header("Host", host)).await.expect("reached");
    assert_eq!(to("mcp.example.com").await.expect("an answer").status, 200);
    assert_eq!(to("MCP.example.com:8443").await.expect("an answer").status, 200);
    assert_eq!(to("evil.example").await.expect("an answer").status, 403);
    let without = b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n".to_vec();
    let closed = http_client::send_bytes(spin.address(), without).await.expect("reached");
    assert_eq!(closed, None, "Spin closes the connection of a request without a host");
}

#[tokio::test]
async fn without_a_state_that_can_be_written_tools_answer_and_sign_in_waits() {
    let (state, upstream) = (state_folder(), Upstream::answering(simulated()).await);
    std::fs::create_dir(state.path().join("sqlite_db.db")).expect("a folder in the database's place");
    let issuer = [("ACCESS_ISSUER", "https://team.cloudflareaccess.com/oidc")];
    let spin = started(&state, &upstream, &[SIGN_IN.as_slice(), &issuer].concat()).await;
    answers_a_tool(spin.address()).await;
    let registration = json!({ "redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "none" });
    let register = Request::new("POST", "/register").header("Content-Type", "application/json");
    let answer = send(spin.address(), &register.body(registration.to_string())).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
}

fn state_folder() -> TempDir {
    TempDir::new().expect("a folder")
}

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// What sign-in needs besides the issuer.
const SIGN_IN: [(&str, &str); 5] = [
    ("ACCESS_CLIENT_ID", "plausible-mcp"),
    ("ACCESS_CLIENT_SECRET", "secret"),
    ("COOKIE_ENCRYPTION_KEY", "00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
    ("ALLOWED_EMAIL_DOMAIN", "example.com"),
    ("PLAUSIBLE_API_KEY", DEMO_KEY),
];
