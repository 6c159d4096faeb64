//! Which revision a request speaks.
//!
//! The body decides, the header is a cross-check: a request that names its revision in `_meta` is served by it, any
//! other belongs to the handshake eras. (2026-07-28, basic/versioning, "Dual-era servers".)

use serde_json::{Map, Value};

use super::ProtocolHeaders;
use super::json_rpc::{Request, RpcError};
use super::revision::Revision;

/// The revision of a request, or why it has none.
///
/// The order is pinned by the official conformance suite: header against body first, then the required members of
/// `_meta`, then whether the revision is served.
pub fn revision(request: &Request, headers: &ProtocolHeaders) -> Result<Revision, RpcError> {
    if is_handshake(request) {
        return Ok(Revision::LATEST_LEGACY);
    }
    let header = headers.protocol_version.as_deref().map(|value| value.trim_matches([' ', '\t']));
    match named_revision(&request.params) {
        Some(named) => self_described(&request.params, named, header),
        None => by_header(header),
    }
}

/// Whether `params` name a revision themselves, as requests do since 2026-07-28.
pub fn names_a_revision(params: &Map<String, Value>) -> bool {
    named_revision(params).is_some()
}

/// Whether a request begins the handshake. The header binds after it, "in all subsequent requests" (2025-11-25,
/// basic/transports): until then a client can only say what it would like to speak, which `params.protocolVersion`
/// says, and the answer settles. In 2026-07-28 there is no `initialize`.
fn is_handshake(request: &Request) -> bool {
    let named = named_revision(&request.params).and_then(Value::as_str);
    let is_legacy = |named| Revision::parse(named).is_some_and(|revision| !revision.is_modern());
    request.method == "initialize" && named.is_none_or(is_legacy)
}

fn named_revision(params: &Map<String, Value>) -> Option<&Value> {
    present(params.get("_meta")?.get(PROTOCOL_VERSION))
}

/// Libraries write null for what is absent.
fn present(member: Option<&Value>) -> Option<&Value> {
    member.filter(|value| !value.is_null())
}

fn self_described(params: &Map<String, Value>, named: &Value, header: Option<&str>) -> Result<Revision, RpcError> {
    let Some(named) = named.as_str() else { return Err(wrong_meta(PROTOCOL_VERSION, "a string")) };
    match header {
        None => {
            return Err(RpcError::header_mismatch(
                "the header MCP-Protocol-Version is missing; it must repeat \
             params._meta[\"io.modelcontextprotocol/protocolVersion\"]"
                    .to_owned(),
            ));
        }
        Some(header) if header != named => {
            return Err(RpcError::header_mismatch(
                "the header MCP-Protocol-Version differs \
             from params._meta[\"io.modelcontextprotocol/protocolVersion\"]; send the same revision in both"
                    .to_owned(),
            ));
        }
        Some(_) => {}
    }
    let meta = params.get("_meta").and_then(Value::as_object);
    check_meta(meta.unwrap_or(&Map::new()))?;
    Revision::parse(named).ok_or_else(|| RpcError::unsupported_version(named))
}

fn by_header(header: Option<&str>) -> Result<Revision, RpcError> {
    match header.map(|name| (name, Revision::parse(name))) {
        // 2025-06-18: "if the server does not receive an MCP-Protocol-Version header […] SHOULD assume 2025-03-26".
        None => Ok(Revision::V2025_03_26),
        Some((_, Some(revision))) if revision.is_modern() => Err(RpcError::invalid_meta(format!(
            "params._meta must name {PROTOCOL_VERSION} and {CLIENT_CAPABILITIES} in revision {}",
            revision.name()
        ))),
        Some((_, Some(revision))) => Ok(revision),
        Some((name, None)) => Err(RpcError::unsupported_version(name)),
    }
}

/// `clientCapabilities` is required, `clientInfo` and `logLevel` are checked when they are there (2026-07-28, basic,
/// "`_meta`").
fn check_meta(meta: &Map<String, Value>) -> Result<(), RpcError> {
    if !meta.get(CLIENT_CAPABILITIES).is_some_and(Value::is_object) {
        return Err(wrong_meta(CLIENT_CAPABILITIES, "an object"));
    }
    if let Some(info) = present(meta.get(CLIENT_INFO)) {
        let has = |member: &str| info.get(member).is_some_and(Value::is_string);
        if !(has("name") && has("version")) {
            return Err(wrong_meta(CLIENT_INFO, "an object with the strings name and version"));
        }
    }
    match present(meta.get(LOG_LEVEL)) {
        Some(level) if !level.as_str().is_some_and(|level| LOG_LEVELS.contains(&level)) => {
            Err(wrong_meta(LOG_LEVEL, &format!("one of {}", LOG_LEVELS.join(", "))))
        }
        _ => Ok(()),
    }
}

fn wrong_meta(key: &str, expected: &str) -> RpcError {
    RpcError::invalid_meta(format!("params._meta[\"{key}\"] must be {expected}"))
}

const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// RFC 5424 severities, as MCP names them.
const LOG_LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];
