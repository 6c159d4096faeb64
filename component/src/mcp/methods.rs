//! The methods, per era.

use serde_json::{Map, Value};

use super::json_rpc::{Request, RpcError};
use super::revision::Revision;
use super::tool::{ToolResult, ToolSet};
use super::{CacheScope, Server};

/// A result as JSON text, and whether it is a tool's error.
#[derive(Debug)]
pub struct MethodResult {
    /// The member `result`.
    pub json: String,
    /// Whether a tool failed.
    pub is_error: bool,
}

/// Serves a request of 2026-07-28.
pub async fn modern<T: ToolSet>(server: &Server<'_, T>, request: Request) -> Result<MethodResult, RpcError> {
    let members = match request.method.as_str() {
        "server/discover" => format!("{},{}", discovery(server), caching(CacheScope::Public)),
        "tools/list" => {
            let list = tool_list(server, &request.params, Revision::V2026_07_28)?;
            format!("\"tools\":{list},{}", caching(server.cache_scope))
        }
        "tools/call" => {
            let result = call_tool(server, request.params).await?;
            let json = complete(&result.members(Revision::V2026_07_28));
            return Ok(MethodResult { json, is_error: result.is_error });
        }
        _ => return Err(RpcError::method_not_found(404)),
    };
    Ok(MethodResult { json: complete(&members), is_error: false })
}

/// Serves a request of a handshake era. Nothing is kept: `initialize` only tells what the server can do.
pub async fn legacy<T: ToolSet>(
    server: &Server<'_, T>,
    request: Request,
    revision: Revision,
) -> Result<MethodResult, RpcError> {
    let members = match request.method.as_str() {
        "initialize" => initialize(server, &request.params)?,
        "ping" => String::new(),
        "tools/list" => format!("\"tools\":{}", tool_list(server, &request.params, revision)?),
        "tools/call" => {
            let result = call_tool(server, request.params).await?;
            return Ok(MethodResult { json: format!("{{{}}}", result.members(revision)), is_error: result.is_error });
        }
        _ => return Err(RpcError::method_not_found(200)),
    };
    Ok(MethodResult { json: format!("{{{members}}}"), is_error: false })
}

/// "If the server supports the requested protocol version, it MUST respond with the same version. Otherwise, the
/// server MUST respond with another protocol version it supports." (2025-11-25, basic/lifecycle)
fn initialize<T: ToolSet>(server: &Server<'_, T>, params: &Map<String, Value>) -> Result<String, RpcError> {
    let wrong =
        |member: &str, kind: &str| Err(RpcError::invalid_params(format!("initialize needs params.{member}, {kind}")));
    let Some(requested) = params.get("protocolVersion").and_then(Value::as_str) else {
        return wrong("protocolVersion", "a string");
    };
    if !params.get("capabilities").is_some_and(Value::is_object) {
        return wrong("capabilities", "an object");
    }
    if !params.get("clientInfo").is_some_and(Value::is_object) {
        return wrong("clientInfo", "an object");
    }
    let chosen = Revision::parse(requested).filter(|revision| !revision.is_modern()).unwrap_or(Revision::LATEST_LEGACY);
    Ok(format!(
        "\"protocolVersion\":\"{}\",\"capabilities\":{CAPABILITIES},\"serverInfo\":{},\"instructions\":{}",
        chosen.name(),
        server_info(chosen),
        server.catalogue.instructions()
    ))
}

fn discovery<T: ToolSet>(server: &Server<'_, T>) -> String {
    let supported = Revision::ALL.map(|revision| format!("\"{}\"", revision.name())).join(",");
    let instructions = server.catalogue.instructions();
    format!("\"supportedVersions\":[{supported}],\"capabilities\":{CAPABILITIES},\"instructions\":{instructions}")
}

/// All tools fit one page, so every cursor but the empty one is somebody else's.
fn tool_list<'a, T: ToolSet>(
    server: &Server<'a, T>,
    params: &Map<String, Value>,
    revision: Revision,
) -> Result<&'a str, RpcError> {
    match params.get("cursor") {
        None | Some(Value::Null) => {}
        Some(Value::String(cursor)) if cursor.is_empty() => {}
        Some(_) => {
            return Err(RpcError::invalid_params("the list has one page; call tools/list without a cursor".to_owned()));
        }
    }
    Ok(server.catalogue.tools(revision))
}

/// Unknown tools and malformed requests are protocol errors; what a tool finds wrong with its arguments is a result,
/// so that the model can read it and try again (2025-11-25 and later, server/tools, "Error handling"). Older clients
/// get the same: their schema allows it, and official SDKs do so.
async fn call_tool<T: ToolSet>(server: &Server<'_, T>, mut params: Map<String, Value>) -> Result<ToolResult, RpcError> {
    let Some(Value::String(name)) = params.remove("name") else {
        return Err(RpcError::invalid_params("tools/call needs params.name, a string".to_owned()));
    };
    let arguments = match params.remove("arguments") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(arguments)) => arguments,
        Some(_) => return Err(RpcError::invalid_params("params.arguments must be an object".to_owned())),
    };
    match server.tools.call(&name, arguments).await {
        Some(result) => Ok(result),
        None => {
            let names = server.catalogue.names().join(", ");
            Err(RpcError::invalid_params(format!("there is no such tool; the tools are {names}")))
        }
    }
}

/// What 2026-07-28 demands of every result: that it is complete, and (SHOULD) who made it.
fn complete(members: &str) -> String {
    let info = server_info(Revision::V2026_07_28);
    format!("{{{members},\"resultType\":\"complete\",\"_meta\":{{\"io.modelcontextprotocol/serverInfo\":{info}}}}}")
}

/// How long and by whom a result may be kept (2026-07-28, server/utilities/caching: both members MUST be there).
fn caching(scope: CacheScope) -> String {
    let scope = match scope {
        CacheScope::Public => "public",
        CacheScope::Private => "private",
    };
    format!("\"ttlMs\":{LIST_LIFETIME_MS},\"cacheScope\":\"{scope}\"")
}

fn server_info(revision: Revision) -> String {
    let title = if revision.has_structured_content() { ",\"title\":\"Plausible Analytics\"" } else { "" };
    format!("{{\"name\":\"plausible-mcp\",\"version\":\"{}\"{title}}}", env!("CARGO_PKG_VERSION"))
}

/// Tools only, and no notifications about them: nothing outlives a request.
const CAPABILITIES: &str = "{\"tools\":{}}";

/// The lists change only with a release, so an hour is short enough.
const LIST_LIFETIME_MS: u32 = 3_600_000;
