//! The headers that repeat the body since 2026-07-28 (basic/transports, "Request headers").

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::ProtocolHeaders;
use super::json_rpc::{Request, RpcError};

/// Refuses a header that came with several values: there is no telling which of them the client means. It is malformed
/// in every revision.
pub fn check_conflict(headers: &ProtocolHeaders) -> Result<(), RpcError> {
    match headers.conflicting {
        None => Ok(()),
        Some(name) => {
            Err(mismatch(&format!("the header {name} came more than once, with different values; send it once")))
        }
    }
}

/// Checks `Mcp-Method` and `Mcp-Name`. A missing, malformed or different value MUST be answered with 400 and -32020.
pub fn check(request: &Request, headers: &ProtocolHeaders) -> Result<(), RpcError> {
    let method = headers.method.as_deref().map(|value| value.trim_matches([' ', '\t']));
    match method {
        None => return Err(mismatch("the header Mcp-Method is missing; it must repeat the member \"method\"")),
        Some(method) if method != request.method => {
            return Err(mismatch("the header Mcp-Method differs from the member \"method\" (case matters)"));
        }
        Some(_) => {}
    }
    let Some(member) = named_by(&request.method) else { return Ok(()) };
    // A body without the member is wrong in itself, which the method says better.
    let Some(expected) = request.params.get(member).and_then(Value::as_str) else { return Ok(()) };
    let Some(header) = &headers.name else {
        return Err(mismatch(&format!("the header Mcp-Name is missing; it must repeat params.{member}")));
    };
    if decode(header)? != expected {
        return Err(mismatch(&format!("the header Mcp-Name differs from params.{member} (case matters)")));
    }
    Ok(())
}

/// The member of `params` that `Mcp-Name` repeats.
fn named_by(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        _ => None,
    }
}

/// The value behind a header: literal, or UTF-8 in strict Base64 between `=?base64?` and `?=`.
fn decode(header: &str) -> Result<String, RpcError> {
    let value = header.trim_matches([' ', '\t']);
    if !value.bytes().all(|byte| byte == b'\t' || (0x20..=0x7e).contains(&byte)) {
        return Err(mismatch("the header Mcp-Name has characters outside ASCII; send it as =?base64?…?="));
    }
    let Some(encoded) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Ok(value.to_owned());
    };
    let bytes = STANDARD.decode(encoded).ok();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
        mismatch("the header Mcp-Name carries =?base64?…?= around something that is not Base64 of UTF-8")
    })
}

fn mismatch(message: &str) -> RpcError {
    RpcError::header_mismatch(message.to_owned())
}
