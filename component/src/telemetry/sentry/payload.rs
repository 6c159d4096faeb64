//! The payloads of a report's items (<https://develop.sentry.dev/sdk/foundations/transport/event-payloads/>).

use serde_json::{Value, json};

use super::envelope::{insert, sdk, seconds};
use super::mask::mask;
use super::report::{Deployment, Report, Trouble};
use crate::legible::{legible, legible_lines};
use crate::ports::Timestamp;
use crate::telemetry::Outcome;

impl Report {
    pub(super) fn transaction_payload(&self, deployment: &Deployment<'_>) -> Value {
        let record = &self.record;
        let mut payload = self.event_payload(deployment);
        let method = record.mcp_method.unwrap_or("tools/call");
        let name = record.tool.map_or_else(|| method.to_owned(), |tool| format!("{method} {tool}"));
        let end = Timestamp(record.received.0.saturating_add(record.milliseconds));
        insert(&mut payload, "type", json!("transaction"));
        insert(&mut payload, "transaction", json!(name));
        insert(&mut payload, "transaction_info", json!({ "source": "route" }));
        insert(&mut payload, "start_timestamp", seconds(record.received));
        insert(&mut payload, "timestamp", json!(end.iso()));
        insert(&mut payload, "spans", json!([]));
        insert(&mut payload, "contexts", json!({ "trace": self.trace(true) }));
        payload
    }

    pub(super) fn error_payload(&self, deployment: &Deployment<'_>, trouble: &Trouble) -> Value {
        let mut payload = self.event_payload(deployment);
        let mut tags = json!({ "http.route": self.record.route, "error.kind": trouble.kind });
        let named = [("mcp.tool.name", trouble.tool), ("setting", trouble.setting)];
        for (name, value) in named {
            if let Some(value) = value {
                insert(&mut tags, name, json!(value));
            }
        }
        insert(&mut payload, "level", json!("error"));
        insert(&mut payload, "tags", tags);
        insert(&mut payload, "contexts", json!({ "trace": self.trace(false) }));
        let exception = json!({ "type": trouble.kind, "value": trouble.text });
        insert(&mut payload, "exception", json!({ "values": [exception] }));
        payload
    }

    /// No user, no request and no trace: what a user wrote is not tied to who wrote it.
    pub(super) fn feedback_payload(&self, deployment: &Deployment<'_>) -> Value {
        let mut payload = self.event_payload(deployment);
        if let Some(members) = payload.as_object_mut() {
            members.remove("user");
        }
        let Some(feedback) = &self.feedback else { return payload };
        let message: String = legible_lines(&mask(&feedback.message)).chars().take(MAX_MESSAGE).collect();
        let mut tags = json!({ "feedback.category": feedback.category });
        if let Some(tool) = feedback.tool {
            insert(&mut tags, "feedback.tool", json!(tool));
        }
        insert(&mut payload, "level", json!("info"));
        insert(&mut payload, "tags", tags);
        insert(&mut payload, "contexts", json!({ "feedback": { "message": message, "source": "send_feedback" } }));
        payload
    }

    /// What every event has.
    fn event_payload(&self, deployment: &Deployment<'_>) -> Value {
        let mut payload = json!({
            "event_id": self.event_id.to_string(), "timestamp": seconds(self.record.received), "platform": "other",
            "sdk": sdk(),
        });
        let named = [("release", deployment.release), ("environment", deployment.environment)];
        for (name, value) in named {
            if let Some(value) = value {
                insert(&mut payload, name, json!(value));
            }
        }
        if let Some(user) = &self.record.user {
            let mut members = json!({ "id": user.id });
            if let Some(email) = &user.email {
                insert(&mut members, "email", json!(legible(email)));
            }
            insert(&mut payload, "user", members);
        }
        payload
    }

    /// The trace context, for a transaction with what it did.
    fn trace(&self, with_attributes: bool) -> Value {
        let record = &self.record;
        let mut trace = json!({
            "type": "trace", "trace_id": record.trace.trace_id.to_string(), "span_id": record.trace.span.to_string(),
        });
        if let Some(parent) = record.trace.parent {
            insert(&mut trace, "parent_span_id", json!(parent.to_string()));
        }
        if with_attributes {
            insert(&mut trace, "op", json!("mcp.server"));
            insert(&mut trace, "status", json!(self.span_status()));
            insert(&mut trace, "data", self.attributes());
        }
        trace
    }

    fn attributes(&self) -> Value {
        let record = &self.record;
        let mut data = json!({
            "http.request.method": record.method, "http.route": record.route, "app.route.group": self.route_group(),
            "http.response.status_code": record.status, "app.client.family": record.client.name(),
            "mcp.method.name": record.mcp_method.unwrap_or("unknown"), "app.mcp.request.kind": self.request_kind(),
        });
        if let Some(tool) = record.tool {
            insert(&mut data, "mcp.tool.name", json!(tool));
        }
        data
    }

    /// Sentry's words for how a span ended.
    fn span_status(&self) -> &'static str {
        match self.record.outcome {
            Outcome::Served => "ok",
            Outcome::ToolError(_) => "invalid_argument",
            Outcome::Refused(_) => "failed_precondition",
            Outcome::Misconfigured { .. } => "internal_error",
        }
    }
}

/// Sentry cuts longer messages, in characters (getsentry/sentry, `create_feedback`).
const MAX_MESSAGE: usize = 4096;
