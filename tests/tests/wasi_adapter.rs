//! The WASI adapter in a stand-in for `wasmtime serve`, and what the composed component needs of the real one. The
//! faults that its store survives natively, it survives here: the same tests run over the compiled adapter.

#[path = "wasi_adapter/backend.rs"]
mod backend;
#[path = "../../component/adapters/wasi/tests/processes/faults.rs"]
mod faults;
#[path = "../../component/adapters/wasi/tests/processes/process.rs"]
mod process;

use std::sync::Arc;
use std::time::Duration;

use plausible_mcp_adapter_edge::setting;
use plausible_mcp_host::compose::compose;
use plausible_mcp_host::oauth_store::{OauthStore as _, StoreError, contract};
use plausible_mcp_host::{compiled_for_tests, embedded_component, setting_names};
use plausible_mcp_tests::adapter::{HttpError, HttpMethod, HttpRequest, Reach, get};
use plausible_mcp_tests::spin::{imports, listed, unpatched};
use plausible_mcp_tests::upstream::{Reply, Upstream};
use plausible_mcp_tests::wasi::{WasiAdapter, linker};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use wasmtime::{Config, Engine};

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_the_contract_of_records() {
    let state = TempDir::new().expect("a folder");
    let adapter = Arc::new(WasiAdapter::new(Some(state.path()), &[]).expect("an adapter"));
    let clock = Arc::clone(&adapter);
    contract::check(adapter, |time| {
        clock.pass_time(time);
        std::future::ready(())
    })
    .await;
}

#[tokio::test]
async fn records_and_buckets_outlast_the_instance_and_a_restart() {
    let state = TempDir::new().expect("a folder");
    let adapter = WasiAdapter::new(Some(state.path()), &[]).expect("an adapter");
    adapter.put("a", b"1".to_vec(), Duration::from_secs(60)).await.expect("a write");
    assert_eq!(adapter.check("k", 2, 60, 2).await, Ok(0));
    drop(adapter);
    let restarted = WasiAdapter::new(Some(state.path()), &[]).expect("an adapter");
    assert_eq!(restarted.get("a").await, Ok(Some(b"1".to_vec())));
    let wait = restarted.check("k", 2, 60, 1).await.expect_err("the bucket is empty");
    assert!((1..=30).contains(&wait), "{wait} s");
    restarted.pass_time(Duration::from_secs(30));
    assert_eq!(restarted.check("k", 2, 60, 1).await, Ok(0));
}

/// As many registrations at once as a vendor's users make: each creates a record, lists, and removes what is old.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_that_create_list_and_remove_at_once_all_succeed() {
    let state = TempDir::new().expect("a folder");
    let adapter = Arc::new(WasiAdapter::new(Some(state.path()), &[]).expect("an adapter"));
    let mut registering = tokio::task::JoinSet::new();
    for number in 0..20 {
        let adapter = Arc::clone(&adapter);
        registering.spawn(async move {
            for round in 0..10 {
                let key = format!("client/{number}-{round}");
                assert_eq!(adapter.create(&key, b"x".to_vec(), Duration::from_secs(60)).await, Ok(true), "{key}");
                let listed = adapter.keys("client/", None, 1000).await;
                assert!(listed.as_ref().is_ok_and(|keys| keys.contains(&key)), "{key}: {listed:?}");
                assert_eq!(adapter.delete(&key).await, Ok(()), "{key}");
            }
        });
    }
    registering.join_all().await;
    assert_eq!(adapter.keys("client/", None, 1000).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_budget_is_not_forgotten_for_keys_that_nobody_has_proven() {
    let state = TempDir::new().expect("a folder");
    let adapter = WasiAdapter::new(Some(state.path()), &[]).expect("an adapter");
    assert_eq!(adapter.check("budget/7", 2, 86_400, 2).await, Ok(0));
    assert_eq!(adapter.check("address/192.0.2.1", 2, 60, 1).await, Ok(1));
    let folders = ["budgets", "buckets"].map(|name| std::fs::read_dir(state.path().join(name)).expect("a folder"));
    assert_eq!(folders.map(Iterator::count), [1, 1]);
    assert!(adapter.check("budget/7", 2, 86_400, 1).await.is_err());
}

#[tokio::test]
async fn without_a_folder_records_are_unavailable_and_limits_are_off() {
    let adapter = WasiAdapter::new(None, &[]).expect("an adapter");
    assert_eq!(adapter.get("a").await, Err(StoreError::Unavailable));
    assert_eq!(adapter.create("a", b"1".to_vec(), Duration::from_secs(60)).await, Err(StoreError::Unavailable));
    assert_eq!(adapter.keys("", None, 1).await, Err(StoreError::Unavailable));
    for _ in 0..3 {
        assert_eq!(adapter.check("k", 1, 60, 1).await, Ok(0));
    }
}

#[tokio::test]
async fn secrets_are_variables_of_the_settings_table_and_no_others() {
    let environment = [("PLAUSIBLE_API_KEY", "k"), ("ADMIN_TOKEN", ""), ("HOME", "/root")];
    let adapter = WasiAdapter::new(None, &environment).expect("an adapter");
    assert_eq!(adapter.secret("PLAUSIBLE_API_KEY").await.as_deref(), Some("k"));
    for other in ["ADMIN_TOKEN", "HOME", "COOKIE_ENCRYPTION_KEY", "plausible_api_key", ""] {
        assert_eq!(adapter.secret(other).await, None, "{other}");
    }
}

#[tokio::test]
async fn what_a_url_shows_to_be_local_is_refused_to_outsiders_and_the_rest_cannot_be_promised() {
    let adapter = WasiAdapter::new(None, &[]).expect("an adapter");
    for url in ["https://127.0.0.1/", "https://localhost/", "https://0x7f.1/", "https://[::ffff:10.0.0.1]/"] {
        let refused = adapter.status_of(url, Reach::PublicInternet).await;
        assert!(matches!(refused, Err(HttpError::AddressRefused)), "{url}: {refused:?}");
    }
    for url in ["https://client.example/", "https://8.8.8.8/", "https://plausible-mcp.invalid/"] {
        let unchecked = adapter.status_of(url, Reach::PublicInternet).await;
        assert!(matches!(unchecked, Err(HttpError::ReachUnsupported)), "{url}: {unchecked:?}");
    }
}

#[tokio::test]
async fn requests_arrive_as_they_were_sent_and_answers_as_they_came() {
    let upstream = Upstream::answering(|_| Reply::json(418, r#"{"a":1}"#)).await;
    let adapter = WasiAdapter::new(None, &[]).expect("an adapter");
    let body = "x".repeat(100_000).into_bytes();
    let request = HttpRequest {
        method: HttpMethod::Post,
        headers: vec![("X-Test".to_owned(), "1".to_owned())],
        body: Some(body.clone()),
        ..get(&format!("{}/path?query", upstream.base_url()), Reach::Configured)
    };
    let [answer] = adapter.exchange([request]).await;
    let answer = answer.expect("an answer");
    assert_eq!((answer.status, answer.body.as_slice()), (418, br#"{"a":1}"#.as_slice()));
    assert!(answer.headers.contains(&("content-type".to_owned(), "application/json".to_owned())));
    let received = upstream.take();
    let [received] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", "/path?query"));
    assert_eq!((received.header("x-test"), received.header("content-length")), (Some("1"), Some("100000")));
    assert_eq!(received.body, body);
}

#[tokio::test]
async fn what_goes_wrong_has_the_name_of_the_interface() {
    let adapter = WasiAdapter::new(None, &[]).expect("an adapter");
    let upstream = Upstream::answering(|request| match request.path.as_str() {
        "/redirect" => Reply::Answer { status: 302, headers: vec![("location", "/".to_owned())], body: String::new() },
        "/large" => Reply::json(200, "x".repeat(1001)),
        "/fits" => Reply::json(200, "x".repeat(1000)),
        _ => Reply::Close,
    })
    .await;
    let base = upstream.base_url();
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let small = |path| HttpRequest { max_response_bytes: 1000, ..get(&format!("{base}{path}"), Reach::Configured) };
    let framing = HttpRequest { headers: vec![("Host".to_owned(), "b".to_owned())], ..small("/fits") };
    let elsewhere = |url: &str| get(url, Reach::Configured);
    let answers = adapter
        .exchange([
            small("/redirect"),
            small("/fits"),
            small("/large"),
            small("/close"),
            framing,
            elsewhere("ftp://a/"),
            elsewhere(&format!("http://{closed}/")),
        ])
        .await;
    let [redirect, fits, large, close, framing, scheme, nobody] = answers;
    assert_eq!(redirect.expect("an answer").status, 302, "redirects are not followed");
    assert_eq!(fits.expect("an answer").body.len(), 1000);
    assert!(matches!(large, Err(HttpError::ResponseTooLarge)), "{large:?}");
    assert!(matches!(close, Err(HttpError::Interrupted)), "{close:?}");
    assert!(matches!(framing, Err(HttpError::InvalidRequest)), "{framing:?}");
    assert!(matches!(scheme, Err(HttpError::InvalidRequest)), "{scheme:?}");
    assert!(matches!(nobody, Err(HttpError::ConnectFailed)), "{nobody:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_limit_is_for_the_whole_exchange_and_two_run_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let trickling = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addresses = [&silent, &trickling].map(|listener| listener.local_addr().expect("an address"));
    let (connected, mut both_connected) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = trickling.accept().await.expect("a connection");
        let _ = connected.send(());
        // Who answers before the request is there has broken the protocol, and the client says so.
        let _ = stream.read(&mut [0; 1024]).await.expect("a request");
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await.expect("a head");
        // Each byte comes within any limit between bytes; all of them do not within that of the exchange.
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let ends_alone = tokio::spawn(async move {
        let (mut stream, _) = silent.accept().await.expect("a connection");
        while stream.read_u8().await.is_ok() {}
        both_connected.try_recv().is_err()
    });
    let adapter = WasiAdapter::new(None, &[]).expect("an adapter");
    let limited = addresses.map(|address| HttpRequest {
        timeout_milliseconds: 1_000,
        ..get(&format!("http://{address}/"), Reach::Configured)
    });
    for answer in adapter.exchange(limited).await {
        assert!(matches!(answer, Err(HttpError::TimedOut)), "{answer:?}");
    }
    drop(adapter);
    assert!(!ends_alone.await.expect("the silent server sees the end"), "one began after the other had ended");
}

#[test]
fn the_composed_component_can_be_linked_by_wasmtime_serve() {
    let engine = Engine::new(&Config::new()).expect("an engine");
    let composed = compose(embedded_component(), "wasi").expect("the two fit");
    let component = compiled_for_tests(&engine, &composed).expect("a component");
    assert!(linker(&engine).expect("a linker").instantiate_pre(&component).is_ok());
    let exports: Vec<String> =
        component.component_type().exports(&engine).map(|(name, _)| unpatched(name).to_owned()).collect();
    assert_eq!(exports, ["wasi:http/incoming-handler@0.2", "plausible-mcp:host/operator@0.1"]);
}

#[test]
fn it_imports_what_wasmtime_serve_provides_and_nothing_else() {
    let provided = listed(include_str!("../golden/wasmtime-serve-48.txt"));
    let imported = imports(&compose(embedded_component(), "wasi").expect("the two fit"));
    for (name, functions) in &imported {
        let known = provided.iter().find(|(known, _)| unpatched(known) == unpatched(name));
        let (_, known) = known.unwrap_or_else(|| panic!("wasmtime serve has no {name}"));
        assert!(functions.iter().all(|function| known.contains(function)), "{name}: {functions:?}");
    }
    assert_eq!(imported.keys().map(|name| unpatched(name)).collect::<Vec<_>>(), IMPORTED);
}

#[test]
fn adapters_know_the_settings_of_the_table() {
    let names: Vec<_> = setting_names().iter().map(|setting| setting.name).collect();
    assert_eq!(setting::NAMES.as_slice(), names);
}

#[test]
fn the_systemd_unit_passes_every_setting_on() {
    let unit = include_str!("../../component/adapters/wasi/plausible-mcp-wasmtime.service");
    let mut words = unit.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
    let passed: Vec<_> =
        std::iter::from_fn(|| words.find(|word| *word == "--env").and_then(|_| words.next())).collect();
    // Such a host trusts public certificates only.
    let settings: Vec<_> = setting::NAMES.into_iter().filter(|name| *name != "EXTRA_CA_FILE").collect();
    assert_eq!(passed, settings);
}

/// Files, clocks, environment and outgoing HTTP: no sockets.
const IMPORTED: [&str; 20] = [
    "wasi:cli/environment@0.2",
    "wasi:cli/exit@0.2",
    "wasi:cli/stderr@0.2",
    "wasi:cli/stdin@0.2",
    "wasi:cli/stdout@0.2",
    "wasi:cli/terminal-input@0.2",
    "wasi:cli/terminal-output@0.2",
    "wasi:cli/terminal-stderr@0.2",
    "wasi:cli/terminal-stdin@0.2",
    "wasi:cli/terminal-stdout@0.2",
    "wasi:clocks/monotonic-clock@0.2",
    "wasi:clocks/wall-clock@0.2",
    "wasi:filesystem/preopens@0.2",
    "wasi:filesystem/types@0.2",
    "wasi:http/outgoing-handler@0.2",
    "wasi:http/types@0.2",
    "wasi:io/error@0.2",
    "wasi:io/poll@0.2",
    "wasi:io/streams@0.2",
    "wasi:random/random@0.2",
];
