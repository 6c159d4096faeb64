//! The bridge against the embedded component.

use serde_json::{Value, json};

use super::*;
use crate::component::code_cache_of_tests;
use crate::settings::Settings;

async fn answers_to(input: String) -> Vec<Value> {
    let settings = Settings::from_pairs([("MCP_ALLOWED_HOSTNAMES", "localhost")]).unwrap();
    let host = Host::builder()
        .code_cache(code_cache_of_tests())
        .settings(settings)
        .log(Arc::new(|_| {}))
        .build()
        .await
        .unwrap();
    let (mut ours, theirs) = tokio::io::duplex(1 << 20);
    let served = tokio::spawn(async move {
        let input = std::io::Cursor::new(input.into_bytes());
        serve(host, "a-plausible-key", input, theirs).await
    });
    let mut text = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut ours, &mut text).await.unwrap();
    served.await.unwrap().unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn lines(messages: &[Value]) -> String {
    messages.iter().map(|message| format!("{message}\n")).collect()
}

#[tokio::test]
async fn the_negotiated_version_holds_for_what_follows() {
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } });
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let list = json!({ "jsonrpc": "2.0", "id": "two", "method": "tools/list" });
    let answers = answers_to(lines(&[initialize, initialized, list])).await;
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert_eq!(answers[0]["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(answers[1]["id"], "two");
    assert!(answers[1]["result"]["tools"].as_array().is_some_and(|tools| !tools.is_empty()));
}

#[tokio::test]
async fn a_byte_order_mark_null_and_members_that_nobody_knows_pass() {
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping", "params": null, "extra": 1 });
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": { "cursor": null } });
    let mut answers = answers_to(format!("\u{feff}{}", lines(&[ping, list]))).await;
    answers.sort_by_key(|answer| answer["id"].as_i64());
    assert_eq!(answers[0]["result"], json!({}), "{answers:?}");
    assert!(answers[1]["result"]["tools"].is_array(), "{answers:?}");
}

#[tokio::test]
async fn the_envelope_names_the_version_itself() {
    let discover = json!({ "jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": { "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "t", "version": "1" } } } });
    let answers = answers_to(lines(&[discover])).await;
    assert!(answers[0]["result"]["supportedVersions"].is_array(), "{answers:?}");
}

#[tokio::test]
async fn what_is_no_json_or_too_long_is_answered_with_an_error() {
    let answers = answers_to(format!("nonsense\n{}\n", "x".repeat(LINE_BYTES + 1))).await;
    let codes: Vec<_> = answers.iter().map(|answer| answer["error"]["code"].as_i64()).collect();
    assert_eq!(codes, [Some(-32700), Some(-32600)]);
    assert!(answers.iter().all(|answer| answer["id"].is_null()));
}
