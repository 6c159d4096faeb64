//! What is written to standard error: JSON where a program reads it, text where a person does.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::folder::Folder;
use crate::process::{Process, post, request};
use crate::upstream;

/// The lines of standard error, each of which is a JSON object with time, level and event.
#[track_caller]
fn lines(text: &str) -> Vec<Value> {
    let read = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value["ts"].is_string() && value["level"].is_string() && value["event"].is_string(), "{line}");
        value
    };
    text.lines().map(read).collect()
}

/// Runs the command to its end; what it wrote to standard error.
fn errors_of(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut process = Process::start(arguments, environment);
    process.close_input();
    let code = process.exit_code();
    // The readers end with the process; give them the time to pass on what is left.
    thread::sleep(Duration::from_millis(100));
    (code, process.errors())
}

#[test]
fn a_server_that_cannot_start_says_so_in_json() {
    let folder = Folder::new("no-start");
    let text = folder.file("text");
    std::fs::write(&text, "some notes").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let store = format!("file:{text}");
    let base_url = upstream::start(upstream::one_row);
    let settings = [("PLAUSIBLE_BASE_URL", &*base_url), ("MCP_ALLOWED_HOSTNAMES", "127.0.0.1")];
    let free = ["serve", "--listen", "127.0.0.1:0"];
    for (arguments, further, code) in [
        ([&free[..], &["--config", "/nowhere.toml"]].concat(), ("LOG_LEVEL", ""), 1),
        ([&free[..], &["--set", "NO_SETTING=1"]].concat(), ("LOG_LEVEL", ""), 2),
        ([&free[..], &["--store", &store]].concat(), ("LOG_LEVEL", ""), 1),
        ([&free[..], &["--store", "nowhere"]].concat(), ("LOG_LEVEL", ""), 2),
        ([&free[..], &["--component", &text]].concat(), ("LOG_LEVEL", ""), 1),
        ([&free[..], &["--control", &text]].concat(), ("LOG_LEVEL", ""), 1),
        (vec!["serve", "--listen", &taken], ("LOG_LEVEL", ""), 1),
        (vec!["serve", "--listen", "127.0.0.1:9", "--admin", "127.0.0.1:9"], ("LOG_LEVEL", ""), 2),
        (free.to_vec(), ("RATE_LIMIT_PER_MINUTE", "many"), 1),
        (free.to_vec(), ("EXTRA_CA_FILE", "/nowhere.pem"), 1),
        (free.to_vec(), ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector"), 1),
        (vec!["stdio"], ("LOG_LEVEL", "error"), 1),
    ] {
        let environment = [&settings[..], &[further, ("RUST_BACKTRACE", "full")]].concat();
        let (ended, text) = errors_of(&arguments, &environment);
        assert_eq!(ended, Some(code), "{arguments:?} {further:?} {text}");
        let lines = lines(&text);
        let last = lines.last().unwrap_or_else(|| panic!("{arguments:?}"));
        assert!(last["event"] == "ended" && last["level"] == "error" && last["cause"].is_string(), "{last}");
    }
}

/// Sends bytes; what comes back until the connection ends.
fn send(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.write_all(bytes).expect("the server reads");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_refusal_of_the_host_has_status_request_id_and_time() {
    let base_url = upstream::start(upstream::one_row);
    let settings = [("PLAUSIBLE_BASE_URL", &*base_url), ("MCP_ALLOWED_HOSTNAMES", "127.0.0.1")];
    let settings = [&settings[..], &[("PLAUSIBLE_MCP_ADMIN", "127.0.0.1:0"), ("RUST_BACKTRACE", "1")]].concat();
    let mut server = Process::start(&["serve", "--listen", "127.0.0.1:0"], &settings);
    let of_event = |text: &str, event: &str| -> Option<SocketAddr> {
        let line = text.lines().find(|line| line.contains(&format!("\"event\":\"{event}\"")))?;
        serde_json::from_str::<Value>(line).ok()?["address"].as_str()?.parse().ok()
    };
    let admin = server.wait_for("operator's address", |text| of_event(text, "admin_listening"));
    let address = server.wait_for("address", |text| of_event(text, "listening"));
    let id = "0e9b2f4c-6d0e-4b57-9f0c-2a8de3c1b7aa";
    let large =
        format!("GET /mcp HTTP/1.1\r\nHost: a\r\nX-Request-Id: {id}\r\nX-Large: {}\r\n\r\n", "x".repeat(40_000));
    let hosts = format!("GET /token HTTP/1.1\r\nHost: a\r\nHost: b\r\nX-Request-Id: {id}\r\nConnection: close\r\n\r\n");
    for (bytes, status) in [("some-secret-words\r\n\r\n", "400"), (&large, "431"), (&hosts, "400")] {
        assert!(send(address, bytes.as_bytes()).starts_with(&format!("HTTP/1.1 {status}")), "{status}");
    }
    assert!(request(admin, "GET /some-secret-path HTTP/1.1", "").starts_with("HTTP/1.1 404"));
    assert!(request(admin, "POST /metrics HTTP/1.1", "").starts_with("HTTP/1.1 405"));
    post(address, "some-plausible-key", &json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }));
    server.wait_for("request", |text| text.contains("\"mcp_method\":\"ping\"").then_some(()));
    server.terminate();
    assert_eq!(server.exit_code(), Some(0));
    thread::sleep(Duration::from_millis(100));
    let text = server.errors();
    let refused: Vec<_> = lines(&text).into_iter().filter(|line| line["event"] == "refused").collect();
    for (reason, status, route, request_id) in [
        ("malformed", 400, "other", None),
        ("large_header", 431, "/mcp", Some(id)),
        ("host_header", 400, "/token", Some(id)),
        ("admin_path", 404, "other", None),
        ("admin_method", 405, "/metrics", None),
    ] {
        let line = refused.iter().find(|line| line["reason"] == reason).unwrap_or_else(|| panic!("{reason} {text}"));
        assert_eq!((&line["status"], &line["route"]), (&json!(status), &json!(route)), "{line}");
        let told = line["request_id"].as_str().unwrap();
        assert!(request_id.is_none_or(|id| id == told) && told.len() >= 32, "{line}");
    }
    assert!(!text.contains("some-secret"), "{text}");
}

#[test]
fn people_are_told_in_text() {
    let (code, text) = errors_of(&["grants", "list", "--control", "/nowhere.sock"], &[]);
    assert!(code == Some(1) && text.starts_with("error: no server answers"), "{text}");
    let unwritable = [("XDG_CACHE_HOME", "/proc"), ("PLAUSIBLE_BASE_URL", "http://127.0.0.1:1")];
    let (_, text) = errors_of(&["check"], &unwritable);
    assert!(text.lines().all(|line| !line.starts_with('{')), "{text}");
    let mut demo = Process::start(&["demo", "--listen", "127.0.0.1:0"], &[]);
    let address = demo.address();
    post(address, "demo-plausible-key", &json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }));
    demo.wait_for("request", |text| text.contains("mcp_method: ping").then_some(()));
    assert!(demo.errors().lines().all(|line| !line.starts_with('{')), "{}", demo.errors());
}
