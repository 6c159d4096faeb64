//! `plausible-mcp serve`

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;

use serde_json::{Value, json};

use crate::process::{Process, post, request, run};
use crate::upstream;

fn serve(base_url: &str, further: &[(&str, &str)]) -> Process {
    let mut environment = vec![("PLAUSIBLE_BASE_URL", base_url), ("MCP_ALLOWED_HOSTNAMES", "127.0.0.1")];
    environment.extend(further);
    Process::start(&["serve", "--listen", "127.0.0.1:0"], &environment)
}

fn call() -> Value {
    let arguments = json!({ "site_id": "a.example", "date_range": "7d", "dimension": "event:page" });
    let params = json!({ "name": "get_breakdown", "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })
}

#[test]
fn a_request_in_flight_is_answered_before_the_server_stops() {
    let (arrived, has_arrived) = channel();
    let (release, released) = channel::<()>();
    let (arrived, released) = (Mutex::new(arrived), Mutex::new(released));
    let base_url = upstream::start(move |body| {
        // `serve` asks something of its own; only the call of this test waits.
        if body.contains("event:page") {
            arrived.lock().unwrap().send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
        }
        upstream::one_row(body)
    });
    let mut server = serve(&base_url, &[]);
    let address = server.address();
    let client = thread::spawn(move || post(address, "some-plausible-key", &call()));
    has_arrived.recv().unwrap();
    server.terminate();
    // The answer is let go only when the server no longer accepts: the signal has arrived.
    while std::net::TcpStream::connect(address).is_ok() {
        thread::sleep(std::time::Duration::from_millis(10));
    }
    release.send(()).unwrap();
    let answer = client.join().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("4711"), "{answer}");
    assert_eq!(server.exit_code(), Some(0), "{}", server.written());
}

#[test]
fn it_serves_on_after_the_first_signal_and_stops_at_the_second() {
    let base_url = upstream::start(upstream::one_row);
    let hour = [("PLAUSIBLE_MCP_DRAIN", "3600"), ("PLAUSIBLE_MCP_ADMIN", "127.0.0.1:0")];
    let mut server = serve(&base_url, &hour);
    let address = server.address();
    let admin = server.wait_for("admin address", |text| {
        let line = text.lines().find(|line| line.contains("admin_listening"))?;
        serde_json::from_str::<Value>(line).ok()?["address"].as_str()?.parse().ok()
    });
    assert!(request(admin, "GET /readyz HTTP/1.1", "").starts_with("HTTP/1.1 200"));
    server.terminate();
    server.wait_for("readiness", |_| {
        let answer = request(admin, "GET /readyz HTTP/1.1", "");
        (answer.starts_with("HTTP/1.1 503") && answer.contains("draining")).then_some(())
    });
    for _ in 0..3 {
        let answer = post(address, "some-plausible-key", &call());
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
    }
    assert!(request(address, "GET /healthz HTTP/1.1", "").starts_with("HTTP/1.1 200"), "it is alive");
    server.terminate();
    assert_eq!(server.exit_code(), Some(0), "{}", server.written());
}

#[test]
fn the_key_and_the_arguments_are_never_written() {
    let mut server = serve(&upstream::start(upstream::one_row), &[]);
    let address = server.address();
    let answer = post(address, "some-plausible-key", &call());
    assert!(answer.contains("4711"), "{answer}");
    server.terminate();
    assert_eq!(server.exit_code(), Some(0));
    let text = server.written();
    assert!(text.contains("get_breakdown"), "the request is not in the log: {text}");
    for secret in ["some-plausible-key", "a.example", "4711"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[test]
fn a_server_that_could_not_work_does_not_start() {
    for (environment, named) in [
        (
            vec![("PLAUSIBLE_BASE_URL", "http://plausible.example"), ("MCP_ALLOWED_HOSTNAMES", "127.0.0.1")],
            "PLAUSIBLE_BASE_URL",
        ),
        (vec![("RATE_LIMIT_PER_MINUTE", "many"), ("MCP_ALLOWED_HOSTNAMES", "127.0.0.1")], "RATE_LIMIT_PER_MINUTE"),
    ] {
        let (code, text) = run(&["serve", "--listen", "127.0.0.1:0"], &environment);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(named) && !text.contains("plausible.example"), "{text}");
    }
}

#[test]
fn a_setting_that_does_not_exist_is_an_error() {
    let folder = std::env::temp_dir().join(format!("plausible-mcp-serve-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("config.toml");
    std::fs::write(&file, "PUBLIC_ULR = \"https://mcp.example.com\"\n").unwrap();
    let path = file.to_string_lossy().into_owned();
    let (code, text) = run(&["serve", "--listen", "127.0.0.1:0", "--config", &path], &[]);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(code.is_some_and(|code| code != 0), "{text}");
    assert!(text.contains("PUBLIC_ULR"), "{text}");
}
