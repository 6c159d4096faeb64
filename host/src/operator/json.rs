//! The operator's questions and answers as JSON: what the control socket speaks and what `--json` prints.
//!
//! ```text
//! {"action":"check"}                                          {"findings":[{level, origin, setting, text, advice}]}
//! {"action":"list-grants", "user"?: e-mail, "cursor"?: text}  {"grants":[{client, user, created, last_issued,
//!                                                              expires}], "next": text or null}
//! {"action":"revoke", "user": e-mail} or "all": true          {"revoked": number, "unconfirmed": number,
//!                                                              "is_confirmed": boolean, "notes":[text]}
//! ```
//! An error is `{"error": code, "message": what to do}`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Finding, Grant, GrantPage, Level, OperatorError, Origin, Revocation, Selector};

/// A question. It has no `Debug`: it may name a user.
#[derive(Deserialize, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Question {
    /// How are settings and upstreams?
    Check {},
    /// Which grants are there?
    ListGrants {
        /// Those of this user; everybody's where it is absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// The `next` of the page before; absent for the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cursor: Option<String>,
    },
    /// End grants: of one user, or all of them. One of the two has to be said.
    Revoke {
        /// Those of this user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// Everybody's.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        all: bool,
    },
}

impl Question {
    /// The question in `body`; `None` for anything else.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let question = serde_json::from_slice(body).ok()?;
        match &question {
            // A revocation of nobody in particular must never be one of everybody.
            Self::Revoke { user, all } if user.is_some() == *all => None,
            _ => Some(question),
        }
    }
}

/// The selector of a question's `user`.
pub(crate) fn selector(user: Option<String>) -> Selector {
    user.map_or(Selector::All, Selector::User)
}

/// A page of grants.
#[derive(Deserialize, Serialize)]
pub(crate) struct GrantsAnswer {
    pub(crate) grants: Vec<GrantRow>,
    pub(crate) next: Option<String>,
}

/// One grant. Times are in seconds since 1970-01-01T00:00:00Z.
#[derive(Deserialize, Serialize)]
pub(crate) struct GrantRow {
    pub(crate) client: String,
    /// The id of the user, as the log has it.
    pub(crate) user: String,
    pub(crate) created: u64,
    pub(crate) last_issued: u64,
    pub(crate) expires: u64,
}

/// What a revocation did.
#[derive(Deserialize, Serialize)]
pub(crate) struct RevocationAnswer {
    pub(crate) revoked: u32,
    pub(crate) unconfirmed: u32,
    pub(crate) is_confirmed: bool,
    pub(crate) notes: Vec<String>,
}

/// Why there is no answer.
#[derive(Deserialize, Serialize)]
pub(crate) struct ErrorAnswer {
    pub(crate) error: String,
    pub(crate) message: String,
}

impl From<GrantPage> for GrantsAnswer {
    fn from(page: GrantPage) -> Self {
        let row = |Grant { client, user, created, last_issued, expires }| GrantRow {
            client,
            user,
            created,
            last_issued,
            expires,
        };
        Self { grants: page.grants.into_iter().map(row).collect(), next: page.next }
    }
}

impl From<Revocation> for RevocationAnswer {
    fn from(Revocation { revoked, unconfirmed, is_confirmed, notes }: Revocation) -> Self {
        Self { revoked, unconfirmed, is_confirmed, notes }
    }
}

/// The findings of a running server.
#[derive(Deserialize)]
pub(crate) struct FindingsAnswer {
    findings: Vec<FindingRow>,
}

#[derive(Deserialize)]
struct FindingRow {
    level: String,
    origin: String,
    setting: String,
    text: String,
    advice: String,
}

impl FindingsAnswer {
    /// The findings. What a newer server calls something else counts as the worst.
    pub(crate) fn into_findings(self) -> impl Iterator<Item = Finding> {
        self.findings.into_iter().map(|FindingRow { level, origin, setting, text, advice }| {
            let level = [Level::Ok, Level::Warn].into_iter().find(|known| level_name(*known) == level);
            let origin =
                [Origin::Settings, Origin::Unreachable].into_iter().find(|known| origin_name(*known) == origin);
            let (level, origin) = (level.unwrap_or(Level::Error), origin.unwrap_or(Origin::Answer));
            Finding { level, origin, setting, text, advice }
        })
    }
}

/// The findings as a JSON array.
pub(crate) fn findings(findings: &[Finding]) -> Value {
    let row = |Finding { level, origin, setting, text, advice }: &Finding| {
        let (level, origin) = (level_name(*level), origin_name(*origin));
        json!({ "level": level, "origin": origin, "setting": setting, "text": text, "advice": advice })
    };
    findings.iter().map(row).collect()
}

/// The name of a level.
pub(crate) fn level_name(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Settings => "settings",
        Origin::Answer => "answer",
        Origin::Unreachable => "unreachable",
    }
}

/// Code and message of a component's error.
pub(crate) fn error_text(error: OperatorError) -> (&'static str, &'static str) {
    match error {
        OperatorError::NotConfigured => (
            "not-configured",
            "Sign-in is not set up, so there are no grants. `plausible-mcp check` tells which settings it needs.",
        ),
        OperatorError::StoreUnavailable => ("store-unavailable", "The store cannot be reached. Try again later."),
        OperatorError::SecretUnavailable => {
            ("secret-unavailable", "A secret cannot be read; the server's log says which and why. Try again later.")
        }
        OperatorError::NewerRecord => {
            ("newer-record", "A newer version of this server wrote some of the grants. Ask that version.")
        }
        OperatorError::InvalidArgument => (INVALID_ARGUMENT, "That is not an e-mail address, or not a cursor."),
    }
}

/// The code for what cannot be asked.
pub(crate) const INVALID_ARGUMENT: &str = "invalid-argument";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_one_of_three() {
        for (body, understood) in [
            (r#"{"action":"check"}"#, true),
            (r#"{"action":"list-grants"}"#, true),
            (r#"{"action":"list-grants","user":"a@b.c","cursor":null}"#, true),
            (r#"{"action":"revoke","user":"a@b.c"}"#, true),
            (r#"{"action":"revoke","all":true}"#, true),
            (r#"{"action":"revoke"}"#, false),
            (r#"{"action":"revoke","all":false}"#, false),
            (r#"{"action":"revoke","usr":"a@b.c","all":true}"#, false),
            (r#"{"action":"revoke","user":"a@b.c","all":true}"#, false),
            (r#"{"action":"check","user":"a@b.c"}"#, false),
            (r#"{"action":"restart"}"#, false),
            ("[]", false),
            ("", false),
        ] {
            assert_eq!(Question::parse(body.as_bytes()).is_some(), understood, "{body}");
        }
    }

    #[test]
    fn findings_read_back_as_they_were_written() {
        for level in [Level::Ok, Level::Warn, Level::Error] {
            for origin in [Origin::Settings, Origin::Answer, Origin::Unreachable] {
                let (text, advice) = ("text".to_owned(), "advice".to_owned());
                let finding = Finding { level, origin, setting: "A".to_owned(), text, advice };
                let written = json!({ "findings": findings(std::slice::from_ref(&finding)) });
                let answer: FindingsAnswer = serde_json::from_value(written).unwrap();
                let read: Vec<_> = answer.into_findings().collect();
                assert_eq!(findings(&read), findings(&[finding]));
            }
        }
    }

    #[test]
    fn a_question_reads_back_as_it_was_written() {
        for body in [
            r#"{"action":"check"}"#,
            r#"{"action":"list-grants","cursor":"x"}"#,
            r#"{"action":"revoke","all":true}"#,
            r#"{"action":"revoke","user":"a@b.c"}"#,
        ] {
            let question = Question::parse(body.as_bytes()).unwrap();
            assert_eq!(serde_json::to_string(&question).unwrap(), body);
        }
    }
}
