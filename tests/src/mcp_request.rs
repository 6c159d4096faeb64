//! Requests to `/mcp`, as clients of each protocol era send them.

use serde_json::{Value, json};

use crate::http_client::Request;

/// The modern protocol version.
pub const MODERN: &str = "2026-07-28";

/// The protocol versions with a handshake, newest first.
pub const LEGACY: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// The key that the simulated Plausible knows.
pub const DEMO_KEY: &str = "demo-plausible-key";

/// The site that the simulated Plausible knows.
pub const DEMO_SITE: &str = "shop.example";

/// A POST to `/mcp` with the headers that every client sends, and `body`.
pub fn post(body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST", "/mcp")
        .header("Accept", "application/json, text/event-stream")
        .header("Content-Type", "application/json")
        .header("Authorization", &format!("Bearer {DEMO_KEY}"))
        .body(body)
}

/// The `_meta` of a modern request.
pub fn envelope() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": { "name": "scenario", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// A modern request for `method` with `params`, to which the envelope and the headers are added. The id is 1.
pub fn modern(method: &str, params: Value) -> Request {
    let name = params.get("name").and_then(Value::as_str).map(str::to_owned);
    let mut params = params;
    if let Some(members) = params.as_object_mut() {
        members.entry("_meta").or_insert_with(envelope);
    }
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let request = post(message.to_string()).header("MCP-Protocol-Version", MODERN).header("Mcp-Method", method);
    match name {
        Some(name) => request.header("Mcp-Name", &name),
        None => request,
    }
}

/// A modern call of `tool` with `arguments`.
pub fn call(tool: &str, arguments: Value) -> Request {
    modern("tools/call", json!({ "name": tool, "arguments": arguments }))
}

/// A request of an earlier protocol version; `None` sends no version header.
pub fn legacy(version: Option<&str>, method: &str, params: Value) -> Request {
    legacy_message(version, &json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))
}

/// Any message, with the version header of an earlier protocol version; `None` sends none.
pub fn legacy_message(version: Option<&str>, message: &Value) -> Request {
    let request = post(message.to_string());
    match version {
        Some(version) => request.header("MCP-Protocol-Version", version),
        None => request,
    }
}

/// The handshake of an earlier protocol version.
pub fn initialize(version: &str) -> Request {
    let params = json!({
        "protocolVersion": version,
        "capabilities": {},
        "clientInfo": { "name": "scenario", "version": "1" },
    });
    legacy(None, "initialize", params)
}
