//! The Model Context Protocol over Streamable HTTP, stateless, every revision on one endpoint.
//!
//! It takes the body and three headers of an authenticated POST and returns a status with a JSON body. It knows
//! neither credentials nor what the tools do: they come through [`ToolSet`].
//!
//! ```text
//! body ── json_rpc ──> message ── era ──> revision ──┬─ modern ─> headers repeat the body? ─┐
//!                  └─> batch (2025-03-26)            └─ legacy ─────────────────────────────┴─> methods
//! ```
//!
//! Specification: <https://modelcontextprotocol.io/specification/2026-07-28/basic/transports>, and the same pages of
//! the revisions 2025-11-25, 2025-06-18 and 2025-03-26.

mod catalogue;
mod era;
mod headers;
mod json_rpc;
mod methods;
mod revision;
mod tool;

use futures_util::StreamExt;

pub use catalogue::Catalogue;
use json_rpc::{Message, RpcError};
pub use revision::Revision;
pub use tool::{Annotations, ToolDefinition, ToolResult, ToolSet, json_string};

/// The headers of a POST that the protocol reads, each as it came; copies that say the same count once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProtocolHeaders {
    /// `MCP-Protocol-Version`
    pub protocol_version: Option<String>,
    /// `Mcp-Method`
    pub method: Option<String>,
    /// `Mcp-Name`
    pub name: Option<String>,
    /// The name of one of them that came with several values.
    pub conflicting: Option<&'static str>,
}

/// What a POST is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body; `None` for an empty one (202).
    pub body: Option<String>,
    /// Whether the body is a JSON-RPC error or a tool's error.
    pub is_error: bool,
}

/// Who may keep a list result (`cacheScope`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheScope {
    /// Anybody: it is the same for every caller.
    Public,
    /// Only the caller.
    Private,
}

/// What the engine serves.
#[derive(Debug, Clone, Copy)]
pub struct Server<'a, T> {
    /// Calls the tools.
    pub tools: &'a T,
    /// What is said about them.
    pub catalogue: &'a Catalogue,
    /// Who may keep the list of tools.
    pub cache_scope: CacheScope,
}

/// A body that is JSON-RPC, with the headers it came with.
#[derive(Debug)]
pub struct Incoming {
    messages: Messages,
    headers: ProtocolHeaders,
}

#[derive(Debug)]
enum Messages {
    One(Message),
    Batch(Vec<Message>),
}

/// Reads a body. The error is the reply to a body that is not JSON-RPC.
pub fn read(body: &[u8], headers: ProtocolHeaders) -> Result<Incoming, Reply> {
    read_messages(body, &headers).map(|messages| Incoming { messages, headers }).map_err(|(id, error)| error.reply(id))
}

impl Incoming {
    /// How many messages there are: a batch counts each of its members.
    pub fn units(&self) -> u32 {
        match &self.messages {
            Messages::One(_) => 1,
            Messages::Batch(members) => u32::try_from(members.len()).unwrap_or(u32::MAX),
        }
    }

    /// The method, for the log; `None` for a batch or a response.
    pub fn method(&self) -> Option<&str> {
        match &self.messages {
            Messages::One(Message::Request(request)) => Some(&request.method),
            Messages::One(Message::Notification { method }) => Some(method),
            Messages::One(Message::Response) | Messages::Batch(_) => None,
        }
    }

    /// Whether any of the messages calls this tool.
    pub fn calls(&self, tool: &str) -> bool {
        let is_call = |message: &Message| match message {
            Message::Request(request) => {
                request.method == "tools/call" && request.params.get("name").is_some_and(|name| name == tool)
            }
            Message::Notification { .. } | Message::Response => false,
        };
        match &self.messages {
            Messages::One(message) => is_call(message),
            Messages::Batch(members) => members.iter().any(is_call),
        }
    }

    /// The tool that is called, for the log.
    pub fn tool(&self) -> Option<&str> {
        match &self.messages {
            Messages::One(Message::Request(request)) if request.method == "tools/call" => {
                request.params.get("name").and_then(|name| name.as_str())
            }
            _ => None,
        }
    }
}

impl<T: ToolSet> Server<'_, T> {
    /// Answers what was read.
    pub async fn answer(&self, incoming: Incoming) -> Reply {
        match incoming.messages {
            Messages::One(message) => self.answer_one(message, &incoming.headers).await,
            Messages::Batch(members) => self.answer_batch(members).await,
        }
    }

    async fn answer_one(&self, message: Message, headers: &ProtocolHeaders) -> Reply {
        let request = match message {
            Message::Request(request) => request,
            Message::Notification { .. } => return notification_reply(headers),
            Message::Response => return response_reply(headers),
        };
        let id = request.id.clone();
        let outcome = match era::revision(&request, headers) {
            Ok(revision) if revision.is_modern() => match headers::check(&request, headers) {
                Ok(()) => methods::modern(self, request).await,
                Err(error) => Err(error),
            },
            Ok(revision) => methods::legacy(self, request, revision).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(result) => Reply { status: 200, body: Some(id.result(&result.json)), is_error: result.is_error },
            Err(error) => error.reply(Some(id)),
        }
    }

    async fn answer_batch(&self, members: Vec<Message>) -> Reply {
        let answers: Vec<String> = futures_util::stream::iter(members)
            .map(|member| self.answer_member(member))
            .buffered(BATCH_CALLS_AT_A_TIME)
            .filter_map(async |answer| answer)
            .collect()
            .await;
        if answers.is_empty() {
            return ACCEPTED;
        }
        Reply { status: 200, body: Some(format!("[{}]", answers.join(","))), is_error: false }
    }

    async fn answer_member(&self, member: Message) -> Option<String> {
        let Message::Request(request) = member else { return None };
        let id = request.id.clone();
        Some(match methods::legacy(self, request, Revision::V2025_03_26).await {
            Ok(result) => id.result(&result.json),
            Err(error) => error.json(Some(&id)),
        })
    }
}

type Refusal = (Option<json_rpc::Id>, RpcError);

fn read_messages(body: &[u8], headers: &ProtocolHeaders) -> Result<Messages, Refusal> {
    if values_at_most(body) > MAX_VALUES {
        return Err((None, RpcError::invalid_request("the body has more than 200,000 values; send it in parts")));
    }
    let body = without_byte_order_mark(body);
    let value: serde_json::Value = serde_json::from_slice(body).map_err(|error| (None, RpcError::parse(&error)))?;
    match value {
        serde_json::Value::Array(members) => {
            headers::check_conflict(headers).map_err(|error| (None, error))?;
            read_batch(members, headers).map(Messages::Batch)
        }
        value => {
            let message = json_rpc::message(value)?;
            headers::check_conflict(headers).map_err(|error| (message.id().cloned(), error))?;
            Ok(Messages::One(message))
        }
    }
}

/// The body without the byte order mark that some editors and libraries begin a text with (RFC 8259 §8.1 lets it be
/// ignored).
pub fn without_byte_order_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// At least as many as a JSON text has values: each but the first follows one of these characters.
fn values_at_most(body: &[u8]) -> usize {
    body.iter().filter(|byte| matches!(byte, b'[' | b'{' | b',' | b':')).count() + 1
}

/// JSON-RPC batches exist in 2025-03-26 only, where a server MUST be able to receive them (2025-03-26,
/// basic/transports). An `initialize` MUST NOT be part of one (2025-03-26, basic/lifecycle).
fn read_batch(members: Vec<serde_json::Value>, headers: &ProtocolHeaders) -> Result<Vec<Message>, Refusal> {
    let refuse = |text: &str| Err((None, RpcError::invalid_request(text)));
    match headers.protocol_version.as_deref().map(Revision::parse) {
        None | Some(Some(Revision::V2025_03_26)) => {}
        Some(_) => return refuse("batches exist only in protocol revision 2025-03-26; send one message per request"),
    }
    if members.is_empty() {
        return refuse("the batch is empty");
    }
    if members.len() > MAX_BATCH_MEMBERS {
        return refuse("the batch has more than 20 messages; split it");
    }
    let messages = members
        .into_iter()
        .map(|member| json_rpc::message(member).map_err(|(_, error)| (None, error)))
        .collect::<Result<Vec<_>, _>>()?;
    for message in &messages {
        if let Message::Request(request) = message {
            if request.method == "initialize" {
                return refuse("initialize cannot be part of a batch; send it alone");
            }
            if era::names_a_revision(&request.params) {
                return refuse(
                    "a batch cannot carry per-request _meta of revision 2026-07-28; send one message per request",
                );
            }
        }
    }
    Ok(messages)
}

/// A notification is accepted with 202 in every era. A version that is not ours is refused, as 2025-06-18 demands
/// ("MUST respond with 400 Bad Request").
fn notification_reply(headers: &ProtocolHeaders) -> Reply {
    match headers.protocol_version.as_deref().map(|version| (version, Revision::parse(version))) {
        Some((version, None)) => RpcError::unsupported_version(version.trim()).reply(None),
        _ => ACCEPTED,
    }
}

/// Clients of the handshake eras may post responses (to requests that this server never sends); clients of
/// 2026-07-28 MUST NOT.
fn response_reply(headers: &ProtocolHeaders) -> Reply {
    match headers.protocol_version.as_deref().and_then(Revision::parse) {
        Some(revision) if revision.is_modern() => {
            RpcError::invalid_request("a client sends requests and notifications, not responses").reply(None)
        }
        _ => notification_reply(headers),
    }
}

/// 202 without a body.
const ACCEPTED: Reply = Reply { status: 202, body: None, is_error: false };

/// How many values a body may have: five times those of twenty calls with all filters at their longest. The smallest
/// object takes sixty times the memory that it takes of the body, and an instance has 64 MiB.
const MAX_VALUES: usize = 200_000;

/// How many members a batch may have: far more than any client was seen to send, and few enough that one request
/// cannot spend a minute's allowance at once.
const MAX_BATCH_MEMBERS: usize = 20;

/// How many members of a batch are worked on at a time, so that one request does not occupy every upstream
/// connection.
const BATCH_CALLS_AT_A_TIME: usize = 4;

#[cfg(test)]
mod tests;
