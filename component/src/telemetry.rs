//! The line that each request leaves in the log: one JSON object on standard error.
//!
//! Invariant: a line holds no tool argument, result, credential, e-mail or address. Every field is a number, a name
//! from this program, or a word that was checked to be harmless.

use crate::ports::Timestamp;

/// What is known about a request when it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// When it came.
    pub received: Timestamp,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// The route, by its path; `other` for everything that is not one.
    pub route: &'static str,
    /// The HTTP method, when it is one of the usual ones.
    pub method: &'static str,
    /// The status it was answered with.
    pub status: u16,
    /// What became of it.
    pub outcome: Outcome,
    /// The MCP method, when it is one that is served.
    pub mcp_method: Option<&'static str>,
    /// The tool, when it is one of ours.
    pub tool: Option<&'static str>,
    /// How many records of the store did not decode and were treated as absent.
    pub unreadable_records: usize,
}

/// How serious a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// This server failed the request.
    Error,
    /// The request was refused.
    Warn,
    /// The request was served.
    Info,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was served.
    Served,
    /// A tool or a method answered with an error.
    ToolError,
    /// It was refused, for this reason.
    Refused(&'static str),
    /// The server is set up wrongly: this setting.
    Misconfigured(&'static str),
}

impl RequestRecord {
    /// How serious it is.
    pub fn severity(&self) -> Severity {
        match self.outcome {
            Outcome::Misconfigured(_) => Severity::Error,
            Outcome::Refused(_) => Severity::Warn,
            Outcome::Served | Outcome::ToolError if self.unreadable_records > 0 => Severity::Warn,
            Outcome::Served | Outcome::ToolError => Severity::Info,
        }
    }

    /// The line, without its end. No value needs escaping: they are numbers and words of this program.
    pub fn json(&self) -> String {
        let mut line = format!(
            "{{\"ts\":\"{}\",\"level\":\"{}\",\"event\":\"request\",\"route\":\"{}\",\"method\":\"{}\",\"status\":{},\"ms\":{}",
            iso(self.received),
            severity_name(self.severity()),
            self.route,
            self.method,
            self.status,
            self.milliseconds
        );
        let outcome = Some(outcome_name(self.outcome));
        let words = [
            ("outcome", outcome),
            ("reason", outcome_reason(self.outcome)),
            ("mcp_method", self.mcp_method),
            ("tool", self.tool),
        ];
        for (name, word) in words {
            if let Some(word) = word {
                line.push_str(&format!(",\"{name}\":\"{word}\""));
            }
        }
        if self.unreadable_records > 0 {
            line.push_str(&format!(",\"unreadable_records\":{}", self.unreadable_records));
        }
        line.push('}');
        line
    }
}

fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warn => "warn",
        Severity::Info => "info",
    }
}

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Served => "served",
        Outcome::ToolError => "tool_error",
        Outcome::Refused(_) => "refused",
        Outcome::Misconfigured(_) => "misconfigured",
    }
}

fn outcome_reason(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Refused(reason) | Outcome::Misconfigured(reason) => Some(reason),
        Outcome::Served | Outcome::ToolError => None,
    }
}

/// ISO 8601 in UTC with milliseconds.
fn iso(timestamp: Timestamp) -> String {
    let seconds = i64::try_from(timestamp.seconds()).unwrap_or_default();
    let time = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        timestamp.0 % 1000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_happened_and_nothing_about_whom() {
        let record = RequestRecord {
            received: Timestamp(1_786_012_200_042),
            milliseconds: 7,
            route: "/mcp",
            method: "POST",
            status: 200,
            outcome: Outcome::Served,
            mcp_method: Some("tools/call"),
            tool: Some("get_breakdown"),
            unreadable_records: 0,
        };
        let expected = concat!(
            r#"{"ts":"2026-08-06T10:30:00.042Z","level":"info","event":"request","route":"/mcp","method":"POST","#,
            r#""status":200,"ms":7,"outcome":"served","mcp_method":"tools/call","tool":"get_breakdown"}"#
        );
        assert_eq!(record.json(), expected);
    }
}
