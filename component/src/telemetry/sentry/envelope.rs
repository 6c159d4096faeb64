//! Sentry's envelope: a header and items, each a header and a payload, one line each
//! (<https://develop.sentry.dev/sdk/foundations/transport/envelopes/>).

use std::fmt;

use serde_json::{Value, json};

use crate::ports::Timestamp;

/// The identifier of an event: 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventId(pub u128);

/// An envelope that is being put together.
pub struct Envelope {
    text: String,
}

impl Envelope {
    /// An envelope without items. `event` is the event in it, if there will be one: the header has to name it.
    pub fn new(sent_at: Timestamp, event: Option<EventId>) -> Envelope {
        let mut header = json!({ "sent_at": sent_at.iso(), "sdk": sdk() });
        if let Some(id) = event {
            insert(&mut header, "event_id", json!(id.to_string()));
        }
        Envelope { text: format!("{header}\n") }
    }

    /// Adds an item of one event, transaction or report.
    pub fn push(&mut self, kind: &'static str, payload: &Value) {
        let payload = payload.to_string();
        self.push_line(&json!({ "type": kind, "length": payload.len() }), &payload);
    }

    /// Adds a container of counters. An envelope has one at most.
    pub fn push_metrics(&mut self, metrics: &[Value]) {
        let payload = json!({ "items": metrics }).to_string();
        let header = json!({
            "type": "trace_metric", "item_count": metrics.len(), "content_type": METRICS_TYPE, "length": payload.len(),
        });
        self.push_line(&header, &payload);
    }

    fn push_line(&mut self, header: &Value, payload: &str) {
        self.text.push_str(&format!("{header}\n{payload}\n"));
    }

    /// What is sent.
    pub fn into_text(self) -> String {
        self.text
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

/// Who made an envelope or an event. Sentry must not take the sender's address for a user's.
pub fn sdk() -> Value {
    json!({ "name": SDK, "version": env!("CARGO_PKG_VERSION"), "settings": { "infer_ip": "never" } })
}

/// A point in time as Sentry reads it: seconds, with a fraction.
pub fn seconds(time: Timestamp) -> Value {
    let whole = time.seconds();
    let rest = time.0 % 1000;
    format!("{whole}.{rest:03}").parse::<serde_json::Number>().map(Value::Number).unwrap_or_else(|_| json!(whole))
}

/// Sets a member of an object.
pub fn insert(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// How this program calls itself to Sentry.
pub const SDK: &str = "plausible-mcp";

/// <https://develop.sentry.dev/sdk/telemetry/metrics/>
const METRICS_TYPE: &str = "application/vnd.sentry.items.trace-metric+json";
