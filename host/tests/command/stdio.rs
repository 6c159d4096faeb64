//! `plausible-mcp stdio`: the same component over stdin and stdout, a JSON-RPC message a line, both protocol eras.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use serde_json::{Value, json};

use crate::process::{Process, run};
use crate::upstream;

fn start(base_url: &str) -> Process {
    Process::start(&["stdio"], &[("PLAUSIBLE_BASE_URL", base_url), ("PLAUSIBLE_API_KEY", "some-plausible-key")])
}

fn ask(process: &mut Process, message: &Value) -> Value {
    process.write_line(&message.to_string());
    read(process)
}

/// Whatever stands on stdout is JSON-RPC.
fn read(process: &Process) -> Value {
    let line = process.read_line();
    let message: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(message["jsonrpc"], "2.0", "{line}");
    message
}

fn initialize(version: &str) -> Value {
    let params =
        json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })
}

fn breakdown(id: Value, site: &str) -> Value {
    let arguments = json!({ "site_id": site, "date_range": "7d", "dimension": "event:page" });
    let params = json!({ "name": "get_breakdown", "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
}

fn modern(mut message: Value) -> Value {
    message["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    message
}

#[test]
fn the_negotiated_revision_is_kept() {
    for (version, structured) in
        [("2025-11-25", true), ("2025-06-18", true), ("2025-03-26", false), ("2024-11-05", false)]
    {
        let mut bridge = start(&upstream::start(upstream::one_row));
        let answer = ask(&mut bridge, &initialize(version));
        assert_eq!(answer["result"]["protocolVersion"], version);
        bridge.write_line(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string());
        let list = ask(&mut bridge, &json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }));
        assert_eq!(list["result"]["tools"][0].get("outputSchema").is_some(), structured, "{version}");
        let called = ask(&mut bridge, &breakdown(json!("two"), "a.example"));
        assert_eq!(called["id"], "two");
        assert!(called["result"]["content"][0]["text"].as_str().is_some_and(|text| text.contains("4711")), "{called}");
        assert_eq!(ask(&mut bridge, &json!({ "jsonrpc": "2.0", "id": 3, "method": "ping" }))["result"], json!({}));
        bridge.close_input();
        assert_eq!(bridge.exit_code(), Some(0), "{}", bridge.written());
    }
}

#[test]
fn modern_messages_need_no_handshake() {
    let mut bridge = start(&upstream::start(upstream::one_row));
    let discover = modern(json!({ "jsonrpc": "2.0", "id": 1, "method": "server/discover" }));
    let answer = ask(&mut bridge, &discover);
    assert_eq!(answer["result"]["supportedVersions"][0], "2026-07-28", "{answer}");
    let called = ask(&mut bridge, &modern(breakdown(json!(2), "a.example")));
    assert_eq!(called["result"]["resultType"], "complete", "{called}");
    let unknown = ask(&mut bridge, &modern(json!({ "jsonrpc": "2.0", "id": 3, "method": "ping" })));
    assert_eq!((&unknown["id"], &unknown["error"]["code"]), (&json!(3), &json!(-32601)));
}

#[test]
fn what_is_no_message_is_answered_and_the_bridge_goes_on() {
    let mut bridge = start(&upstream::start(upstream::one_row));
    for (line, code) in [("not json", -32700), ("{\"jsonrpc\":\"2.0\",\"id\":1}", -32600), ("[]", -32600)] {
        bridge.write_line(line);
        assert_eq!(read(&bridge)["error"]["code"], code, "{line}");
    }
    bridge.write_line("");
    assert_eq!(ask(&mut bridge, &initialize("2025-11-25"))["result"]["protocolVersion"], "2025-11-25");
}

#[test]
fn requests_run_at_the_same_time_and_one_can_be_cancelled() {
    let (arrived, has_arrived) = channel();
    let arrived = Mutex::new(arrived);
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let base_url = upstream::start(move |body| {
        if body.contains("slow.example") {
            arrived.lock().unwrap().send(()).unwrap();
            let _ = released.lock().unwrap().recv();
        }
        upstream::one_row(body)
    });
    let mut bridge = start(&base_url);
    ask(&mut bridge, &initialize("2025-11-25"));
    bridge.write_line(&breakdown(json!(1), "slow.example").to_string());
    has_arrived.recv().unwrap();
    assert_eq!(ask(&mut bridge, &breakdown(json!(2), "a.example"))["id"], 2, "the second waits for the first");
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    bridge.write_line(&cancel.to_string());
    assert_eq!(ask(&mut bridge, &json!({ "jsonrpc": "2.0", "id": 3, "method": "ping" }))["id"], 3);
    release.send(()).unwrap();
    assert!(bridge.is_silent(), "a cancelled request is answered");
}

#[test]
fn the_key_is_asked_for_by_name() {
    let base_url = upstream::start(upstream::one_row);
    let (code, text) = run(&["stdio"], &[("PLAUSIBLE_BASE_URL", &base_url)]);
    assert!(code.is_some_and(|code| code != 0), "{text}");
    assert!(text.contains("PLAUSIBLE_API_KEY"), "{text}");
}

#[test]
fn the_key_is_never_written() {
    let mut bridge = start(&upstream::start(|_| (401, "{\"error\":\"Invalid API key or site ID.\"}".to_owned())));
    ask(&mut bridge, &initialize("2025-11-25"));
    let answer = ask(&mut bridge, &breakdown(json!(1), "a.example"));
    assert_eq!(answer["result"]["isError"], true);
    bridge.close_input();
    assert_eq!(bridge.exit_code(), Some(0));
    assert!(!bridge.written().contains("some-plausible-key"));
}
