//! JSON-RPC 2.0 messages: <https://www.jsonrpc.org/specification>, as MCP narrows it down.

use serde_json::{Map, Value};

use super::Reply;
use super::revision::Revision;
use super::tool::json_string;

/// One message of a client.
#[derive(Debug)]
pub enum Message {
    /// Expects an answer.
    Request(Request),
    /// Expects none.
    Notification {
        /// The method.
        method: String,
    },
    /// An answer to a request of the server's, which sends none.
    Response,
}

/// A request.
#[derive(Debug)]
pub struct Request {
    /// Chosen by the client.
    pub id: Id,
    /// The method.
    pub method: String,
    /// Its parameters; empty when absent.
    pub params: Map<String, Value>,
}

/// A request's id: a string or an integer, never null (MCP basic, "Requests").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Id {
    /// An integer that every JSON implementation reads exactly.
    Number(i64),
    /// Any string.
    Text(String),
}

/// An error with its HTTP status.
#[derive(Debug, Clone, PartialEq)]
pub struct RpcError {
    /// The HTTP status; errors of handlers are in-band, on 200.
    pub status: u16,
    /// The JSON-RPC or MCP error code.
    pub code: i32,
    /// What is wrong and how to fix it.
    pub message: String,
    /// What a program can use.
    pub data: Option<Box<Value>>,
}

/// Reads one message. The error carries the id where there is a readable one. Members that JSON-RPC does not know are
/// passed over: they are extensions of the client's, and the specification forbids none.
pub fn message(value: Value) -> Result<Message, (Option<Id>, RpcError)> {
    let Value::Object(mut members) = value else {
        return Err((None, RpcError::invalid_request("a JSON-RPC message is a JSON object")));
    };
    let id = members.get("id").map(Id::read);
    let readable = id.clone().and_then(Result::ok);
    let refuse = |text: &str| Err((readable.clone(), RpcError::invalid_request(text)));
    if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return refuse("the member \"jsonrpc\" must be \"2.0\"");
    }
    let Some(method) = members.remove("method").filter(|method| !method.is_null()) else {
        return response(&members, id, readable);
    };
    let Value::String(method) = method else { return refuse("the member \"method\" must be a string") };
    let params = match members.remove("params") {
        // Libraries write null for what is absent.
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(params)) => params,
        Some(_) => return refuse("the member \"params\" must be an object"),
    };
    match id {
        None => Ok(Message::Notification { method }),
        Some(Ok(id)) => Ok(Message::Request(Request { id, method, params })),
        Some(Err(error)) => Err((None, error)),
    }
}

fn response(
    members: &Map<String, Value>,
    id: Option<Result<Id, RpcError>>,
    readable: Option<Id>,
) -> Result<Message, (Option<Id>, RpcError)> {
    let has_error = members.get("error").is_some_and(|error| !error.is_null());
    // Beside an error a null is the absent result; alone it is the result.
    let answers = match members.get("result") {
        Some(result) => !has_error || result.is_null(),
        None => has_error,
    };
    match id {
        Some(Ok(_)) | None if answers => Ok(Message::Response),
        Some(Err(error)) if answers => Err((None, error)),
        _ => Err((readable, RpcError::invalid_request("the message has no \"method\""))),
    }
}

impl Message {
    /// The id of a request.
    pub fn id(&self) -> Option<&Id> {
        match self {
            Message::Request(request) => Some(&request.id),
            Message::Notification { .. } | Message::Response => None,
        }
    }
}

impl Id {
    fn read(value: &Value) -> Result<Id, RpcError> {
        let refuse = || RpcError::invalid_request("the member \"id\" must be a string or an integer up to 2^53-1");
        match value {
            Value::String(text) => Ok(Id::Text(text.clone())),
            Value::Number(number) => {
                let float = number.as_f64().filter(|float| float.fract() == 0.0).ok_or_else(refuse)?;
                let integer = number.as_i64().or_else(|| format!("{float:.0}").parse().ok()).ok_or_else(refuse)?;
                if integer.unsigned_abs() > MAX_SAFE_INTEGER { Err(refuse()) } else { Ok(Id::Number(integer)) }
            }
            _ => Err(refuse()),
        }
    }

    /// The id as JSON.
    pub fn json(&self) -> String {
        match self {
            Id::Number(number) => number.to_string(),
            Id::Text(text) => json_string(text),
        }
    }

    /// A response with `result`, which is JSON text.
    pub fn result(&self, result: &str) -> String {
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{result}}}", self.json())
    }
}

impl RpcError {
    /// The body is not JSON.
    pub fn parse(error: &serde_json::Error) -> RpcError {
        let message = if error.to_string().starts_with("recursion limit") {
            "the body nests too deep; 128 levels are read".to_owned()
        } else {
            format!("the body is not JSON (line {}, column {})", error.line(), error.column())
        };
        RpcError { status: 400, code: -32700, message, data: None }
    }

    /// The body is JSON but not a message that is acceptable here.
    pub fn invalid_request(message: &str) -> RpcError {
        RpcError { status: 400, code: -32600, message: message.to_owned(), data: None }
    }

    /// The parameters of a known method are wrong. In-band: the request as such was fine.
    pub fn invalid_params(message: String) -> RpcError {
        RpcError { status: 200, code: -32602, message, data: None }
    }

    /// A required member of `_meta` is missing or malformed (2026-07-28, basic, "`_meta`").
    pub fn invalid_meta(message: String) -> RpcError {
        RpcError { status: 400, ..RpcError::invalid_params(message) }
    }

    /// A header is missing or does not repeat the body (2026-07-28, transports, "Header validation").
    pub fn header_mismatch(message: String) -> RpcError {
        RpcError { status: 400, code: -32020, message, data: None }
    }

    /// The revision is not served. `data` is what 2026-07-28 demands, so that a client can choose another.
    pub fn unsupported_version(requested: &str) -> RpcError {
        let requested: String = requested.chars().take(MAX_SHOWN_NAME).collect();
        let supported: Vec<_> = Revision::ALL.into_iter().map(Revision::name).collect();
        RpcError {
            status: 400,
            code: -32022,
            message: format!("this protocol revision is not supported; use one of {}", supported.join(", ")),
            data: Some(Box::new(serde_json::json!({ "supported": supported, "requested": requested }))),
        }
    }

    /// The method does not exist in the request's revision. A handshake-era client reads the error in-band; for
    /// 2026-07-28 the status is 404.
    pub fn method_not_found(status: u16) -> RpcError {
        let message = "this server has no such method; it has tools only".to_owned();
        RpcError { status, code: -32601, message, data: None }
    }

    /// The error as a JSON-RPC response. An id that could not be read is left out, never null.
    pub fn json(&self, id: Option<&Id>) -> String {
        let id = id.map(|id| format!(",\"id\":{}", id.json())).unwrap_or_default();
        let data = self.data.as_ref().map(|data| format!(",\"data\":{data}")).unwrap_or_default();
        let message = json_string(&self.message);
        format!("{{\"jsonrpc\":\"2.0\"{id},\"error\":{{\"code\":{},\"message\":{message}{data}}}}}", self.code)
    }

    /// The error as a reply.
    pub fn reply(&self, id: Option<Id>) -> Reply {
        Reply { status: self.status, body: Some(self.json(id.as_ref())), is_error: true }
    }
}

/// The largest integer that a double holds exactly (RFC 8259 §6).
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// How much of a name from outside an error repeats, in characters.
const MAX_SHOWN_NAME: usize = 64;
