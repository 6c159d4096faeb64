//! What telemetry knows about a tool call: the tool and how it ended, in words of this program.

/// A call of one of our tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolCall {
    /// The tool.
    pub tool: &'static str,
    /// How it failed; `None` when it did not.
    pub failure: Option<ToolFailure>,
}

/// How a call failed. Nothing of it was written by a caller or an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolFailure {
    /// Whose fault it is.
    pub kind: ErrorKind,
    /// What happened, in a few words.
    pub cause: &'static str,
    /// What Plausible answered with, when it answered.
    pub upstream_status: Option<u16>,
    /// The setting that mends it, when one does.
    pub setting: Option<&'static str>,
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The arguments of the call.
    UserInput,
    /// Plausible refused or failed.
    PlausibleApi,
    /// This server's share of Plausible's limit is used up.
    Budget,
    /// Plausible was not asked: it does not answer, has asked to wait, or enough others wait for it.
    NotAsked,
    /// Plausible's answer is large, and the host has no room for another large one.
    NoRoom,
    /// Nobody expects it: no answer, or one that is not Plausible's.
    Unexpected,
}

impl ToolCall {
    /// How it ended, in one word.
    pub fn outcome(&self) -> &'static str {
        self.failure.map_or("served", |failure| failure.kind.name())
    }
}

impl ToolFailure {
    /// Whether somebody should look at it: what callers do wrong is only counted.
    pub fn is_fault(&self) -> bool {
        let upstream_failed = self.upstream_status.is_some_and(|status| status >= 500);
        self.kind == ErrorKind::Unexpected || upstream_failed
    }
}

impl ErrorKind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::UserInput => "user_input",
            ErrorKind::PlausibleApi => "plausible_api",
            ErrorKind::Budget => "budget",
            ErrorKind::NotAsked => "not_asked",
            ErrorKind::NoRoom => "no_room",
            ErrorKind::Unexpected => "unexpected",
        }
    }
}
