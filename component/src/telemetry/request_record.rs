//! The line that each request leaves in the log: one JSON object on standard error.

use super::client_family::ClientFamily;
use super::request_id::RequestId;
use super::shared_use::SharedUse;
use super::tool_call::{ToolCall, ToolFailure};
use super::trace_context::TraceContext;
use super::vocabulary::{CALL_CAUSES, REASONS};
use crate::legible::legible;
use crate::ports::Timestamp;

/// What is known about a request when it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// When it came.
    pub received: Timestamp,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// Its identifier.
    pub request_id: RequestId,
    /// Where it stands in a trace.
    pub trace: TraceContext,
    /// The route, by its path; `other` for everything that is not one.
    pub route: &'static str,
    /// The HTTP method, when it is one of the usual ones.
    pub method: &'static str,
    /// The status it was answered with.
    pub status: u16,
    /// What became of it.
    pub outcome: Outcome,
    /// What lies behind the outcome: why it was refused, and why records did not decode.
    pub causes: Vec<&'static str>,
    /// The id of a grant that ended because a code or a refresh token came again.
    pub ended_grant: Option<String>,
    /// What an upstream answered with, where that is why it was refused.
    pub upstream_status: Option<u16>,
    /// The MCP method, when it is one that is served.
    pub mcp_method: Option<&'static str>,
    /// The tool, when it is one of ours.
    pub tool: Option<&'static str>,
    /// What kind of client sent it.
    pub client: ClientFamily,
    /// Who sent it, at `/internal`.
    pub user: Option<User>,
    /// How many records of the store did not decode and were treated as absent.
    pub unreadable_records: usize,
    /// Why redirect URIs of a client were left out, with their numbers.
    pub left_out_redirect_uris: Option<String>,
    /// The calls of tools, in the order they ended.
    pub calls: Vec<ToolCall>,
    /// How it used the shared Plausible key.
    pub shared: SharedUse,
}

/// A user of `/internal`.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The keyed hash of the e-mail address.
    pub id: String,
    /// The address itself, where the operator asked for it.
    pub email: Option<String>,
}

/// How serious a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// This server failed the request.
    Error,
    /// The request was refused, or an upstream failed it.
    Warn,
    /// The request was served.
    Info,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was served.
    Served,
    /// A tool answered with an error, or a method did (`None`).
    ToolError(Option<ToolFailure>),
    /// It was refused, for this reason.
    Refused(&'static str),
    /// The server is set up wrongly.
    Misconfigured {
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl RequestRecord {
    /// How serious it is.
    pub fn severity(&self) -> Severity {
        match self.outcome {
            Outcome::Misconfigured { .. } => Severity::Error,
            // The host of a client's document is none of ours, and outsiders choose it.
            Outcome::Refused("document_fetch" | "document_content") => Severity::Warn,
            _ if self.status >= 500 => Severity::Error,
            Outcome::Refused(_) => Severity::Warn,
            Outcome::ToolError(Some(failure)) if failure.is_fault() => Severity::Warn,
            Outcome::Served | Outcome::ToolError(_) if self.unreadable_records > 0 => Severity::Warn,
            Outcome::Served | Outcome::ToolError(_) => Severity::Info,
        }
    }

    /// The line, without its end. No value but an e-mail address needs escaping: they are numbers and words of this
    /// program.
    pub fn json(&self) -> String {
        debug_assert!(self.outcome.is_in_vocabulary(), "{:?} is not in the vocabulary", self.outcome);
        let mut line = format!(
            "{{\"ts\":\"{}\",\"level\":\"{}\",\"event\":\"request\",\"request_id\":\"{}\",\"route\":\"{}\",\
             \"method\":\"{}\",\"status\":{},\"ms\":{},\"outcome\":\"{}\"",
            self.received.iso(),
            self.severity().name(),
            self.request_id,
            self.route,
            self.method,
            self.status,
            self.milliseconds,
            self.outcome.name(),
        );
        let causes: Vec<_> = self.outcome.cause().into_iter().chain(self.causes.iter().copied()).collect();
        let cause = causes.join(", ");
        let words = [
            ("reason", self.outcome.reason()),
            ("cause", Some(cause.as_str()).filter(|cause| !cause.is_empty())),
            ("grant", self.ended_grant.as_deref()),
            ("setting", self.outcome.setting()),
            ("mcp_method", self.mcp_method),
            ("tool", self.tool),
            ("client", Some(self.client.name())),
        ];
        for (name, word) in words {
            if let Some(word) = word {
                line.push_str(&format!(",\"{name}\":\"{word}\""));
            }
        }
        if let Some(status) = self.outcome.upstream_status().or(self.upstream_status) {
            line.push_str(&format!(",\"upstream_status\":{status}"));
        }
        line.push_str(&format!(",\"trace_id\":\"{}\"", self.trace.trace_id));
        if let Some(user) = &self.user {
            line.push_str(&user.members());
        }
        if self.unreadable_records > 0 {
            line.push_str(&format!(",\"unreadable_records\":{}", self.unreadable_records));
        }
        if let Some(causes) = &self.left_out_redirect_uris {
            line.push_str(&format!(",\"left_out_redirect_uris\":\"{causes}\""));
        }
        if !self.calls.is_empty() {
            let calls: Vec<_> = self.calls.iter().map(|call| format!("{} {}", call.tool, call.outcome())).collect();
            line.push_str(&format!(",\"calls\":\"{}\"", calls.join(", ")));
        }
        line.push_str(&self.shared.members());
        line.push('}');
        // Each value is harmless already; none that is added later can be forgotten.
        legible(&line).into_owned()
    }
}

impl User {
    fn members(&self) -> String {
        match &self.email {
            // A string always becomes JSON.
            Some(email) => {
                let email = serde_json::to_string(&legible(email)).unwrap_or_default();
                format!(",\"user\":\"{}\",\"email\":{email}", self.id)
            }
            None => format!(",\"user\":\"{}\"", self.id),
        }
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "User({})", self.id)
    }
}

impl Severity {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warn => "warn",
            Severity::Info => "info",
        }
    }
}

impl Outcome {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Served => "served",
            Outcome::ToolError(_) => "tool_error",
            Outcome::Refused(_) => "refused",
            Outcome::Misconfigured { .. } => "misconfigured",
        }
    }

    /// Why it was refused.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Outcome::Refused(reason) => Some(reason),
            _ => None,
        }
    }

    /// What went wrong.
    pub fn cause(self) -> Option<&'static str> {
        match self {
            Outcome::Misconfigured { problem, .. } => Some(problem),
            Outcome::ToolError(failure) => Some(failure.map_or("protocol", |failure| failure.cause)),
            Outcome::Served | Outcome::Refused(_) => None,
        }
    }

    /// The setting that mends it.
    pub fn setting(self) -> Option<&'static str> {
        match self {
            Outcome::Misconfigured { setting, .. } => Some(setting),
            Outcome::ToolError(failure) => failure.and_then(|failure| failure.setting),
            Outcome::Served | Outcome::Refused(_) => None,
        }
    }

    /// Whether the operator's guide has its word.
    fn is_in_vocabulary(self) -> bool {
        match self {
            Outcome::Refused(reason) => REASONS.contains(&reason),
            Outcome::ToolError(Some(failure)) => CALL_CAUSES.contains(&failure.cause),
            // What is wrong with a setting is told in whole sentences.
            Outcome::Served | Outcome::ToolError(None) | Outcome::Misconfigured { .. } => true,
        }
    }

    /// What Plausible answered with.
    fn upstream_status(self) -> Option<u16> {
        match self {
            Outcome::ToolError(failure) => failure.and_then(|failure| failure.upstream_status),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::SeededRandom;
    use crate::telemetry::{ErrorKind, Identifiers};

    fn record() -> RequestRecord {
        let (identifiers, random) = (Identifiers::default(), SeededRandom::new(1));
        let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned();
        RequestRecord {
            received: Timestamp(1_786_012_200_042),
            milliseconds: 7,
            request_id: RequestId::of(Some("230b030023ae2822".into()), &identifiers, &random),
            trace: TraceContext::of([traceparent].into_iter(), &identifiers, &random),
            route: "/mcp",
            method: "POST",
            status: 200,
            outcome: Outcome::Served,
            causes: Vec::new(),
            ended_grant: None,
            upstream_status: None,
            mcp_method: Some("tools/call"),
            tool: Some("get_breakdown"),
            client: ClientFamily::of(Some("claude-code/2")),
            user: None,
            unreadable_records: 0,
            left_out_redirect_uris: None,
            calls: Vec::new(),
            shared: SharedUse::default(),
        }
    }

    const START: &str = r#"{"ts":"2026-08-06T10:30:00.042Z","level":"info","event":"request","request_id":"230b030023ae2822","route":"/mcp","method":"POST","status":200,"ms":7"#;

    #[test]
    fn a_line_says_what_happened_and_nothing_about_whom() {
        let rest = concat!(
            r#","outcome":"served","mcp_method":"tools/call","tool":"get_breakdown","client":"claude-code","#,
            r#""trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}"#
        );
        assert_eq!(record().json(), format!("{START}{rest}"));
    }

    #[test]
    fn an_error_has_its_cause_and_the_setting_that_mends_it() {
        let failure = ToolFailure {
            kind: ErrorKind::PlausibleApi,
            cause: "Plausible failed",
            upstream_status: Some(503),
            setting: None,
        };
        let line = RequestRecord { outcome: Outcome::ToolError(Some(failure)), ..record() }.json();
        let expected =
            [r#""level":"warn""#, r#""outcome":"tool_error","cause":"Plausible failed""#, r#""upstream_status":503"#];
        assert!(expected.iter().all(|part| line.contains(part)), "{line}");
        let outcome = Outcome::Misconfigured { setting: "PUBLIC_URL", problem: "is missing" };
        let line = RequestRecord { outcome, status: 500, ..record() }.json();
        assert!(line.contains(r#""cause":"is missing","setting":"PUBLIC_URL""#), "{line}");
    }

    #[test]
    fn causes_stand_in_one_member_and_a_grant_that_ended_beside_them() {
        let refused = RequestRecord { outcome: Outcome::Refused("code"), status: 400, ..record() };
        let line = RequestRecord { causes: vec!["code_unknown", "record_truncated"], ..refused.clone() }.json();
        assert!(line.contains(r#","reason":"code","cause":"code_unknown, record_truncated","mcp_method""#), "{line}");
        let ended = RequestRecord { causes: vec!["code_replayed"], ended_grant: Some("0a1b".into()), ..refused };
        let line = ended.json();
        assert!(
            line.contains(r#""level":"warn""#) && line.contains(r#""cause":"code_replayed","grant":"0a1b""#),
            "{line}"
        );
    }

    #[test]
    fn a_user_is_a_hash_unless_the_operator_asked_for_more() {
        let user = User { id: "ab12".into(), email: None };
        let line = RequestRecord { user: Some(user.clone()), ..record() }.json();
        assert!(line.ends_with(r#","user":"ab12"}"#), "{line}");
        let user = User { email: Some("ann\"@example.com".into()), ..user };
        assert!(!format!("{user:?}").contains("ann"));
        let line = RequestRecord { user: Some(user), ..record() }.json();
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["email"], "ann\"@example.com");
        let user = User { id: "ab12".into(), email: Some("ann\u{202e}\u{200b}@example.com".into()) };
        let line = RequestRecord { user: Some(user), ..record() }.json();
        assert!(line.contains("ann\u{fffd}\u{fffd}@example.com"), "{line}");
    }

    #[test]
    fn each_call_of_a_tool_is_there_with_how_it_ended() {
        let failure = ToolFailure { kind: ErrorKind::Budget, cause: "budget", upstream_status: None, setting: None };
        let calls = vec![
            ToolCall { tool: "get_breakdown", failure: None },
            ToolCall { tool: "get_timeseries", failure: Some(failure) },
        ];
        let shared = SharedUse { remembered: 1, ..SharedUse::default() };
        let line = RequestRecord { calls, shared, ..record() }.json();
        assert!(line.ends_with(r#","calls":"get_breakdown served, get_timeseries budget","remembered":1}"#), "{line}");
    }

    #[test]
    fn redirect_uris_that_were_left_out_are_counted_by_cause() {
        let line = RequestRecord { left_out_redirect_uris: Some("scheme 2".to_owned()), ..record() }.json();
        assert!(line.ends_with(r#","left_out_redirect_uris":"scheme 2"}"#), "{line}");
    }

    #[test]
    fn what_this_server_fails_is_an_error() {
        for (status, outcome, severity) in [
            (503, Outcome::Refused("store"), Severity::Error),
            (503, Outcome::Refused("document_fetch"), Severity::Warn),
            (401, Outcome::Refused("bad_credential"), Severity::Warn),
            (200, Outcome::ToolError(None), Severity::Info),
        ] {
            assert_eq!(RequestRecord { status, outcome, ..record() }.severity(), severity, "{status}");
        }
    }
}
