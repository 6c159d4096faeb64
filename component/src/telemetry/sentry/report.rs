//! What a request leaves for Sentry, and the envelope that it becomes.
//!
//! An envelope has one of: what a user wrote, an error, a transaction; and the counters beside it. Sentry asks its SDKs
//! for an envelope per kind; it takes mixed ones and takes them apart, and one send per request is worth more here.

use super::counters;
use super::envelope::{Envelope, EventId};
use crate::ports::Timestamp;
use crate::telemetry::{Outcome, RequestRecord, ToolCall, ToolFailure};

/// What a request leaves for Sentry.
#[derive(Debug)]
pub struct Report {
    /// The request.
    pub record: RequestRecord,
    /// The tool calls in it.
    pub calls: Vec<ToolCall>,
    /// What a user wrote.
    pub feedback: Option<Feedback>,
    /// The identifier of the event, transaction or report.
    pub event_id: EventId,
}

/// What a user wrote to whoever runs the server.
#[derive(Clone, PartialEq, Eq)]
pub struct Feedback {
    /// The words, as they came.
    pub message: String,
    /// The kind.
    pub category: &'static str,
    /// The tool that it is about, when it is one of ours.
    pub tool: Option<&'static str>,
}

/// What the operator calls the deployment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deployment<'a> {
    /// `SENTRY_RELEASE`
    pub release: Option<&'a str>,
    /// `SENTRY_ENVIRONMENT`
    pub environment: Option<&'a str>,
}

/// The item of an envelope that has an identifier.
enum Item {
    Feedback,
    Error(Trouble),
    Transaction,
}

/// An error that somebody should look at.
pub(super) struct Trouble {
    pub(super) kind: &'static str,
    pub(super) text: String,
    pub(super) tool: Option<&'static str>,
    pub(super) setting: Option<&'static str>,
}

impl Report {
    /// Whether there is anything to tell. Paths that are not served never tell anything.
    pub fn is_worth_sending(&self) -> bool {
        self.route_group().is_some() || self.item().is_some()
    }

    /// The envelope.
    pub fn envelope(&self, deployment: &Deployment<'_>, sent_at: Timestamp) -> String {
        let item = self.item();
        let mut envelope = Envelope::new(sent_at, item.is_some().then_some(self.event_id));
        match item {
            Some(Item::Feedback) => envelope.push("feedback", &self.feedback_payload(deployment)),
            Some(Item::Error(trouble)) => envelope.push("event", &self.error_payload(deployment, &trouble)),
            Some(Item::Transaction) => envelope.push("transaction", &self.transaction_payload(deployment)),
            None => {}
        }
        let counters = counters::of(self, deployment);
        if !counters.is_empty() {
            envelope.push_metrics(&counters);
        }
        envelope.into_text()
    }

    /// The family of the route; `None` for everything but the MCP endpoints.
    pub(super) fn route_group(&self) -> Option<&'static str> {
        match self.record.route {
            "/mcp" => Some("mcp"),
            "/internal" => Some("internal"),
            _ => None,
        }
    }

    /// What a request is for, in one of four words.
    pub(super) fn request_kind(&self) -> &'static str {
        match self.record.mcp_method {
            Some("ping" | "server/discover") => "heartbeat",
            Some("tools/call") => "tool_call",
            _ if !self.calls.is_empty() => "tool_call",
            None | Some("other") => "unknown",
            Some(_) => "control",
        }
    }

    fn item(&self) -> Option<Item> {
        if self.feedback.is_some() {
            return Some(Item::Feedback);
        }
        let trouble = self.failed_call().or_else(|| self.failed_request());
        trouble.map(Item::Error).or_else(|| self.has_transaction().then_some(Item::Transaction))
    }

    fn failed_call(&self) -> Option<Trouble> {
        let fault = |call: &ToolCall| call.failure.filter(ToolFailure::is_fault).map(|failure| (call.tool, failure));
        let (tool, failure) = self.calls.iter().find_map(fault)?;
        let status = failure.upstream_status.map(|status| format!(" ({status})")).unwrap_or_default();
        let text = format!("{}{status}", failure.cause);
        Some(Trouble { kind: failure.kind.name(), text, tool: Some(tool), setting: failure.setting })
    }

    /// A request that this server failed, on any of its routes.
    fn failed_request(&self) -> Option<Trouble> {
        if self.record.status < 500 {
            return None;
        }
        let outcome = self.record.outcome;
        let text = match outcome {
            Outcome::Misconfigured { setting, problem } => format!("{setting} {problem}"),
            _ => outcome.reason().unwrap_or("unknown").to_owned(),
        };
        Some(Trouble { kind: outcome.name(), text, tool: None, setting: outcome.setting() })
    }

    /// Calls are kept; of handshakes and lists, which clients repeat all day, a share by the trace.
    fn has_transaction(&self) -> bool {
        match self.record.mcp_method {
            _ if self.route_group().is_none() => false,
            _ if !self.calls.is_empty() => true,
            Some("tools/call") => true,
            Some("initialize" | "ping" | "server/discover" | "tools/list") => {
                self.record.trace.trace_id.is_among(HANDSHAKES_PERCENT)
            }
            _ => false,
        }
    }
}

impl std::fmt::Debug for Feedback {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Feedback").field("category", &self.category).finish_non_exhaustive()
    }
}

/// Of handshakes and lists, so many in a hundred are kept, as in the original: enough to see that they work.
const HANDSHAKES_PERCENT: u32 = 1;
