//! Bodies of `POST /mcp`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plausible_mcp_component::gateway::Response;
use plausible_mcp_component::mcp::without_byte_order_mark;
use serde_json::Value;

use super::super::json;
use super::super::message::{JSON, Sent};
use super::super::world::World;
use super::plausible_answer::check_result;

/// A body is sent as clients of three eras would send it. The answer is JSON-RPC with the id of the request.
pub fn json_rpc(data: &[u8]) {
    let world = World::new();
    let message = serde_json::from_slice(without_byte_order_mark(data)).unwrap_or(Value::Null);
    for version in [None, Some("2025-11-25"), Some("2026-07-28")] {
        let response = world.send(&sent(data, version, &message));
        check(&response, &message);
    }
}

/// The request, with the headers that repeat the body where the version has them.
fn sent(body: &[u8], version: Option<&str>, message: &Value) -> Sent {
    let mut sent = Sent::new("POST", "/mcp").header("authorization", "Bearer callers-own-key").body(JSON, body);
    if let Some(version) = version {
        sent = sent.header("mcp-protocol-version", version);
    }
    if let Some(method) = message["method"].as_str() {
        sent = sent.header("mcp-method", method);
    }
    if let Some(name) = message["params"]["name"].as_str() {
        sent = sent.header("mcp-name", format!("=?base64?{}?=", STANDARD.encode(name)));
    }
    sent
}

fn check(response: &Response, message: &Value) {
    if response.status == 202 {
        assert!(response.body.is_empty(), "accepted with a body");
        return;
    }
    assert!(response.status == 200 || response.status >= 400, "status {}", response.status);
    match json::read(&response.body) {
        Value::Array(replies) => {
            let members = message.as_array().expect("only a batch is answered with one");
            assert!(!replies.is_empty() && replies.len() <= members.len(), "{replies:?}");
            for reply in &replies {
                let of = members.iter().find(|member| same_id(&member["id"], &reply["id"]));
                check_reply(reply, of.unwrap_or(&Value::Null));
            }
        }
        reply => check_reply(&reply, message),
    }
}

/// A result is for a request with an id; an error may be about a message of which no id could be read.
fn check_reply(reply: &Value, message: &Value) {
    assert_eq!(reply["jsonrpc"], "2.0");
    assert!(reply.get("result").is_some() != reply.get("error").is_some(), "{reply}");
    assert!(reply["id"].is_null() || same_id(&message["id"], &reply["id"]), "{reply} answers {message}");
    match reply.get("result") {
        Some(result) => {
            assert!(!reply["id"].is_null() && result.is_object(), "{reply}");
            if message["method"] == "tools/call" {
                check_result(message["params"]["name"].as_str().expect("a tool"), result);
            }
        }
        None => {
            assert!(reply["error"]["code"].is_i64() && reply["error"]["message"].is_string(), "{reply}");
        }
    }
}

/// 1 and 1.0 are one number.
fn same_id(sent: &Value, answered: &Value) -> bool {
    sent == answered || (sent.is_number() && sent.as_f64() == answered.as_f64())
}
