//! `POST /mcp`: MCP with the caller's own Plausible key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::Served;
use super::bearer::PlausibleKey;
use super::journal::Journal;
use super::limits::Limits;
use super::reporting;
use super::request::{BodyError, Conflict, Headers, Request, RequestBody};
use super::response::{Refusal, Response};
use super::setup::Setup;
use crate::mcp::{self, CacheScope, Incoming, ProtocolHeaders, Reply, Server};
use crate::plausible::{Client, StatsApi};
use crate::ports::{Clock, Ports, RateLimit};
use crate::telemetry::Outcome;
use crate::tools::{self, Sites, Tools};

/// On whose behalf a request is answered.
pub struct Caller<'a, A> {
    /// Plausible, asked on the caller's behalf.
    pub stats: &'a A,
    /// The name of the bucket, which names nobody.
    pub identity: &'a str,
    /// The sites that may be queried; `None` for all that the key can see.
    pub allowed_sites: Option<&'a [String]>,
    /// Who may keep the list of tools.
    pub cache_scope: CacheScope,
}

/// Serves a request: method, credential, identity limit, media type, body, protocol.
pub async fn serve<P: Ports, B: RequestBody>(
    ports: &P,
    setup: &Setup,
    limits: &Limits<'_, P::Limiter>,
    request: &Request,
    body: B,
    journal: &Journal,
) -> Result<Served, Refusal> {
    if request.method != "POST" {
        return Err(Refusal::mcp_method_not_allowed());
    }
    let key = PlausibleKey::of(&request.headers)?;
    let stats = Client::new(ports.http(), &setup.config.plausible_base_url, key.expose()).at(ports.clock().now());
    let caller = Caller {
        stats: &stats.traced(journal.trace.header()),
        identity: &key_hash(&key),
        allowed_sites: None,
        cache_scope: CacheScope::Public,
    };
    answer(ports, setup, limits, request, body, &caller, journal).await
}

/// Serves a request whose credential was checked: identity limit, media type, body, protocol.
pub async fn answer<P: Ports, B: RequestBody, A: StatsApi>(
    ports: &P,
    setup: &Setup,
    limits: &Limits<'_, P::Limiter>,
    request: &Request,
    body: B,
    caller: &Caller<'_, A>,
    journal: &Journal,
) -> Result<Served, Refusal> {
    limits.identity(caller.identity, 1).await?;
    check_media_type(&request.headers)?;
    let protocol_headers = protocol_headers(&request.headers);
    let body = body.read(MAX_BODY_BYTES).map_err(refuse_body)?;
    let incoming = match mcp::read(&body, protocol_headers) {
        Ok(incoming) => incoming,
        Err(reply) => return Ok(served(reply, None, None, journal)),
    };
    charge_batch(limits, caller.identity, &incoming).await?;
    let config = &setup.config;
    let tools = Tools {
        stats: caller.stats,
        sites: Sites { default: config.default_site.as_deref(), allowed: caller.allowed_sites },
        now: ports.clock().now(),
        calls: &journal.calls,
        outbox: reporting::outbox(setup, ports.store(), &incoming, journal).await,
    };
    let (method, tool) = (known_method(&incoming), known_tool(&incoming));
    let server = Server { tools: &tools, catalogue: &setup.catalogue, cache_scope: caller.cache_scope };
    Ok(served(server.answer(incoming).await, method, tool, journal))
}

/// Each member of a batch costs one; the first is paid already.
async fn charge_batch<L: RateLimit>(
    limits: &Limits<'_, L>,
    identity: &str,
    incoming: &Incoming,
) -> Result<(), Refusal> {
    match incoming.units().saturating_sub(1) {
        0 => Ok(()),
        rest => limits.identity(identity, rest).await,
    }
}

/// `application/json`, with any parameters, in any case (RFC 9110 §8.3.1), and as it is.
pub(super) fn check_media_type(headers: &Headers) -> Result<(), Refusal> {
    let value = headers.single("content-type").map_err(Refusal::conflicting)?.unwrap_or_default();
    let (media_type, parameters) = value.split_once(';').unwrap_or((&value, ""));
    if media_type.trim().eq_ignore_ascii_case("application/json") && !parameters.contains(',') {
        return check_coding(headers);
    }
    Err(Refusal::json_rpc(415, "The body must be JSON: send the header Content-Type: application/json.", "media_type"))
}

/// Bodies are read as they come. `identity` says that this is one (RFC 9110 §8.4), and `Accept-Encoding` in the answer
/// what would have been read (§15.5.16).
pub(super) fn check_coding(headers: &Headers) -> Result<(), Refusal> {
    let value = headers.value("content-encoding").unwrap_or_default();
    let mut codings = value.split(',').map(str::trim).filter(|coding| !coding.is_empty());
    if codings.all(|coding| coding.eq_ignore_ascii_case("identity")) {
        return Ok(());
    }
    let text = "The body is compressed, which this server does not read. Send it without the header Content-Encoding.";
    Err(Refusal::json_rpc(415, text, "content_coding").with_header("accept-encoding", "identity".to_owned()))
}

fn refuse_body(error: BodyError) -> Refusal {
    match error {
        BodyError::TooLarge => {
            Refusal::json_rpc(413, "The body is larger than 1 MiB. Send less in one request.", "body_too_large")
        }
        BodyError::Interrupted => {
            Refusal::json_rpc(400, "The body did not arrive whole. Send the request again.", "body_interrupted")
        }
    }
}

fn protocol_headers(headers: &Headers) -> ProtocolHeaders {
    let mut conflicting = None;
    let mut value = |name| {
        headers.single(name).unwrap_or_else(|Conflict(shown)| {
            conflicting = Some(shown);
            None
        })
    };
    let (protocol_version, method, name) = (value("mcp-protocol-version"), value("mcp-method"), value("mcp-name"));
    ProtocolHeaders { protocol_version, method, name, conflicting }
}

fn served(reply: Reply, mcp_method: Option<&'static str>, tool: Option<&'static str>, journal: &Journal) -> Served {
    let failure = journal.tool_calls().into_iter().find_map(|call| call.failure);
    let outcome = match reply.status {
        400.. => Outcome::Refused("protocol"),
        _ if reply.is_error || failure.is_some() => Outcome::ToolError(failure),
        _ => Outcome::Served,
    };
    let response = match reply.body {
        Some(body) => Response::json(reply.status, body),
        None => Response::empty(reply.status),
    };
    let response = match journal.retry_after() {
        Some(seconds) => response.with_header("retry-after", seconds.to_string()),
        None => response,
    };
    Served { response, outcome, mcp_method, tool }
}

/// The method, if it is one that the log may name.
fn known_method(incoming: &Incoming) -> Option<&'static str> {
    let method = incoming.method()?;
    Some(LOGGED_METHODS.into_iter().find(|known| *known == method).unwrap_or("other"))
}

/// The tool, if it is one of ours.
fn known_tool(incoming: &Incoming) -> Option<&'static str> {
    let name = incoming.tool()?;
    Some(tools::NAMES.into_iter().find(|known| *known == name).unwrap_or("other"))
}

/// The identity of a caller is the hash of the key, so that no table of buckets holds keys.
fn key_hash(key: &PlausibleKey) -> String {
    let digest = Sha256::digest(key.expose());
    URL_SAFE_NO_PAD.encode(digest)
}

const LOGGED_METHODS: [&str; 8] = [
    "initialize",
    "notifications/cancelled",
    "notifications/initialized",
    "ping",
    "server/discover",
    "subscriptions/listen",
    "tools/call",
    "tools/list",
];

/// The largest body: a batch of twenty calls with every filter at its longest is below it.
pub(super) const MAX_BODY_BYTES: usize = 1024 * 1024;
