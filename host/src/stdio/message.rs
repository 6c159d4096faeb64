//! What the bridge reads of a message, and the lines that it writes by itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

/// One JSON value from the input.
pub(super) struct Message(Value);

impl Message {
    /// `None` when the line is not JSON. A byte order mark before it is passed over, as the component does.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        serde_json::from_slice(text).ok().map(Self)
    }

    pub(super) fn method(&self) -> Option<&str> {
        self.0.get("method")?.as_str()
    }

    pub(super) fn id(&self) -> Option<&Value> {
        self.0.get("id")
    }

    /// The id of a request as a key: the text `"1"` and the number `1` are two.
    pub(super) fn id_text(&self) -> Option<String> {
        self.method()?;
        self.id().map(Value::to_string)
    }

    pub(super) fn is_initialize(&self) -> bool {
        self.method() == Some("initialize")
    }

    /// Notifications and responses get no answer. Whatever else arrives does, batches and malformed messages too.
    pub(super) fn wants_answer(&self) -> bool {
        match &self.0 {
            Value::Object(members) if members.contains_key("method") => members.contains_key("id"),
            Value::Object(members) => !members.contains_key("result") && !members.contains_key("error"),
            _ => true,
        }
    }

    /// The id, as a key, of the request that this message cancels.
    pub(super) fn cancelled(&self) -> Option<String> {
        if self.method() != Some("notifications/cancelled") {
            return None;
        }
        Some(self.0.get("params")?.get("requestId")?.to_string())
    }

    /// The protocol version that the message itself names.
    pub(super) fn version(&self) -> Option<String> {
        let meta = self.0.get("params")?.get("_meta")?;
        meta.get("io.modelcontextprotocol/protocolVersion")?.as_str().map(str::to_owned)
    }

    /// What the method acts on: a tool's or prompt's name, a resource's address.
    pub(super) fn name(&self) -> Option<&str> {
        let member = match self.method()? {
            "resources/read" => "uri",
            _ => "name",
        };
        self.0.get("params")?.get(member)?.as_str()
    }
}

/// The version that the answer to `initialize` settles on.
pub(super) fn negotiated_version(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    answer.get("result")?.get("protocolVersion")?.as_str().map(str::to_owned)
}

/// MCP 2026-07-28, transport: a value that is not visible ASCII with inner spaces, or that looks like an encoded one,
/// is sent as `=?base64?…?=`. So is one with a comma, which could be read as several copies of a header.
pub(super) fn header_text(value: &str) -> String {
    let visible = value.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    let edges = value.starts_with(' ') || value.ends_with(' ');
    let looks_encoded = value.starts_with("=?base64?") && value.ends_with("?=");
    if visible && !edges && !looks_encoded && !value.contains(',') {
        return value.to_owned();
    }
    format!("=?base64?{}?=", STANDARD.encode(value))
}

/// A JSON-RPC answer as one line. `None` when the body is none.
pub(super) fn one_line(body: &Bytes) -> Option<Bytes> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let is_answer = |value: &Value| value.get("jsonrpc").is_some();
    let answers = match &answer {
        Value::Array(answers) => !answers.is_empty() && answers.iter().all(is_answer),
        answer => is_answer(answer),
    };
    if !answers {
        return None;
    }
    // Serialised JSON has no line feed outside of what we would have to write again.
    if body.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return Some(Bytes::from(answer.to_string()));
    }
    Some(body.clone())
}

/// What to tell about an HTTP answer that is no JSON-RPC.
pub(super) fn http_failure(status: StatusCode, body: &[u8]) -> String {
    let told = serde_json::from_slice::<Value>(body).ok();
    match told.as_ref().and_then(|body| body.get("error")).and_then(Value::as_str) {
        Some(text) => text.to_owned(),
        None => format!("The server answered {status}."),
    }
}

/// A JSON-RPC error as one line. The id is null when it is not known.
pub(super) fn error_line(id: Option<&Value>, code: i32, text: &str) -> Bytes {
    let error = json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": text } });
    Bytes::from(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn names_come_from_where_the_method_has_them() {
        assert_eq!(message(r#"{"method":"tools/call","params":{"name":"a"}}"#).name(), Some("a"));
        assert_eq!(message(r#"{"method":"resources/read","params":{"uri":"b","name":"a"}}"#).name(), Some("b"));
        for none in ["[]", "1", "{}", r#"{"method":1}"#, r#"{"method":"tools/call","params":{"name":2}}"#] {
            assert_eq!(message(none).name(), None, "{none}");
        }
    }

    #[test]
    fn odd_names_are_encoded() {
        for (name, header) in [
            ("get_breakdown", "get_breakdown"),
            ("a b", "a b"),
            (" a", "=?base64?IGE=?="),
            ("ä", "=?base64?w6Q=?="),
            ("a\nb", "=?base64?YQpi?="),
            ("a,a", "=?base64?YSxh?="),
            ("=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="),
        ] {
            assert_eq!(header_text(name), header);
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_message() {
        assert_eq!(message("\u{feff}{\"method\":\"ping\"}").method(), Some("ping"));
        assert!(Message::read("\u{feff}".as_bytes()).is_none());
    }

    #[test]
    fn only_requests_want_an_answer() {
        assert!(message(r#"{"id":1,"method":"a"}"#).wants_answer());
        assert!(message("[]").wants_answer());
        assert!(message(r#"{"id":1}"#).wants_answer());
        assert!(!message(r#"{"method":"a"}"#).wants_answer());
        assert!(!message(r#"{"id":1,"result":{}}"#).wants_answer());
    }

    #[test]
    fn an_answer_is_one_line_of_json_rpc() {
        let line = |text: &'static str| one_line(&Bytes::from_static(text.as_bytes()));
        assert_eq!(line("{\"jsonrpc\":\"2.0\",\n\"id\":1}").unwrap(), r#"{"jsonrpc":"2.0","id":1}"#);
        assert!(line(r#"{"error":"Busy."}"#).is_none());
        assert!(line("[]").is_none());
        assert!(line("").is_none());
    }
}
