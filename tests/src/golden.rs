//! The golden cases: requests that a server with the same tools answered, and the facts of its answers.
//!
//! A fact is what a client or a saved workflow may depend on: the status, the error code of a challenge, the id and
//! the kind of every JSON-RPC message, and what Plausible was asked. Wording is not a fact, nor is the framing:
//! messages count the same in a JSON body and in an event stream.

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::http_client::{Answer, Request};
use crate::upstream::Received;

/// One case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique: the file's name, a slash, and what it is about.
    pub id: String,
    /// The settings it runs under, by name; absent: those of a complete and ordinary deployment.
    #[serde(default)]
    pub setup: Option<String>,
    /// How often the same request was sent before the one whose answer counts.
    #[serde(default)]
    pub sent_before: usize,
    /// The request.
    pub request: RecordedRequest,
    /// The facts of the answer.
    pub answer: Map<String, Value>,
    /// What Plausible was asked: the members of each query, and `limit` for `pagination.limit`.
    #[serde(default)]
    pub upstream: Vec<Value>,
}

/// A request as recorded.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedRequest {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    /// A body that is compact JSON.
    #[serde(default)]
    json: Option<Value>,
    /// Any other body.
    #[serde(default)]
    body: Option<RecordedBody>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum RecordedBody {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Part {
    Text(String),
    /// A text, so many times.
    Repeated(String, usize),
}

impl RecordedRequest {
    /// The request as it goes over the wire.
    pub fn to_request(&self) -> Request {
        let mut request = Request::new(&self.method, &self.path).body(self.body_text());
        for (name, value) in &self.headers {
            request = request.raw_header(name.as_bytes(), value.as_bytes());
        }
        request
    }

    fn body_text(&self) -> String {
        match (&self.json, &self.body) {
            (Some(json), _) => json.to_string(),
            (None, Some(RecordedBody::Text(text))) => text.clone(),
            (None, Some(RecordedBody::Parts(parts))) => parts.iter().map(Part::text).collect(),
            (None, None) => String::new(),
        }
    }
}

impl Part {
    fn text(&self) -> String {
        match self {
            Part::Text(text) => text.clone(),
            Part::Repeated(text, times) => text.repeat(*times),
        }
    }
}

impl Case {
    /// The recorded facts in the form of [`facts`].
    pub fn facts(&self) -> Value {
        let mut facts = self.answer.clone();
        facts.entry("messages").or_insert_with(|| json!([]));
        facts.insert("upstream".to_owned(), sorted(self.upstream.clone()));
        Value::Object(facts)
    }
}

/// The folder `golden/` of this crate.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// All cases, in the order of the files' names and within a file.
pub fn cases() -> Vec<Case> {
    let mut files: Vec<_> = fs::read_dir(folder())
        .expect("golden/ is there")
        .map(|entry| entry.expect("golden/ can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files.iter().flat_map(read).collect()
}

fn read(path: &PathBuf) -> Vec<Case> {
    let text = fs::read_to_string(path).expect("a golden file can be read");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The facts of an answer and of what Plausible was asked meanwhile: an object with `status`, `messages`,
/// `upstream` (sorted: requests that run in parallel have no order) and, if there is one, `challenge`.
pub fn facts(answer: &Answer, received: &[Received]) -> Value {
    let mut facts = json!({
        "status": answer.status,
        "messages": messages(answer).iter().map(message_facts).collect::<Vec<_>>(),
        "upstream": sorted(received.iter().map(query_facts).collect()),
    });
    if let Some(challenge) = answer.header("www-authenticate") {
        facts["challenge"] = json!(challenge_error(challenge));
    }
    facts
}

fn messages(answer: &Answer) -> Vec<Value> {
    if answer.header("content-type").is_some_and(|value| value.starts_with("text/event-stream")) {
        let text = answer.text();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        return data.filter_map(|data| serde_json::from_str(data).ok()).collect();
    }
    match answer.json() {
        Value::Array(messages) => messages,
        message if message.get("jsonrpc").is_some() => vec![message],
        _ => Vec::new(),
    }
}

fn message_facts(message: &Value) -> Value {
    let mut facts = json!({});
    if let Some(id) = message.get("id").filter(|id| !id.is_null()) {
        facts["id"] = id.clone();
    }
    if let Some(code) = message.pointer("/error/code") {
        facts["error"] = code.clone();
    } else if let Some(method) = message.get("method") {
        facts["method"] = method.clone();
    } else if message.pointer("/result/content").is_some() {
        facts["is_error"] = json!(message.pointer("/result/isError") == Some(&Value::Bool(true)));
    } else {
        let telling = ["protocolVersion", "supportedVersions"];
        let member = |name: &&str| Some(((*name).to_owned(), message.get("result")?.get(*name)?.clone()));
        facts["result"] = Value::Object(telling.iter().filter_map(member).collect());
    }
    facts
}

/// What a query asks for, without what only concerns the form of the answer (`order_by`, `include`, `offset`).
fn query_facts(received: &Received) -> Value {
    let query = received.query();
    if received.method != "POST" || !query.is_object() {
        return json!({ "method": received.method, "path": received.path });
    }
    let mut facts = Map::new();
    for name in ["site_id", "metrics", "date_range", "dimensions", "filters"] {
        if let Some(value) = query.get(name).filter(|value| **value != json!([]) || name == "metrics") {
            facts.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(limit) = query.pointer("/pagination/limit") {
        facts.insert("limit".to_owned(), limit.clone());
    }
    Value::Object(facts)
}

fn challenge_error(challenge: &str) -> String {
    let after = challenge.split_once("error=\"").map_or("", |(_, after)| after);
    after.split('"').next().unwrap_or_default().to_owned()
}

/// The queries in an order that does not depend on their arrival, and their filters in one that does not depend on
/// the arguments': all of them have to hold.
pub fn sorted(mut queries: Vec<Value>) -> Value {
    for query in &mut queries {
        query.sort_all_objects();
        if let Some(filters) = query.get_mut("filters").and_then(Value::as_array_mut) {
            filters.sort_by_key(Value::to_string);
        }
    }
    queries.sort_by_key(Value::to_string);
    Value::Array(queries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(content_type: &str, body: &str) -> Answer {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Answer { status: 200, headers, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn framing_is_no_fact() {
        let message = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;
        let plain = facts(&answer("application/json", message), &[]);
        let streamed = facts(&answer("text/event-stream", &format!("event: message\ndata: {message}\n\n")), &[]);
        assert_eq!(plain, streamed);
        assert_eq!(plain["messages"], json!([{ "id": 1, "is_error": false }]));
    }

    #[test]
    fn every_case_is_read_and_named_once() {
        let cases = cases();
        let ids: std::collections::BTreeSet<_> = cases.iter().map(|case| &case.id).collect();
        assert_eq!(ids.len(), cases.len());
        assert!(cases.len() > 200);
    }

    #[test]
    fn a_repeated_part_is_written_out() {
        let body: RecordedBody = serde_json::from_value(json!(["a", ["b", 3], "c"])).expect("a body");
        let request = RecordedRequest {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            headers: Vec::new(),
            json: None,
            body: Some(body),
        };
        assert_eq!(request.body_text(), "abbbc");
    }
}
