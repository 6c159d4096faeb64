//! `send_feedback`: words for whoever runs this server. It is there only where they arrive somewhere.
//!
//! Nothing is sent here: the words wait in the outbox until the answer is out.

use std::cell::RefCell;

use serde::Serialize;
use serde_json::{Map, Value};

use super::arguments::Arguments;
use super::failure::Failure;
use super::schema::{self, Property};
use super::{NAMES, report};
use crate::mcp::{Annotations, ToolDefinition, ToolResult};

/// The tool's name.
pub const NAME: &str = "send_feedback";

/// Where the words of one request wait.
#[derive(Debug)]
pub struct Outbox {
    /// The identifier that the report will have.
    pub id: String,
    /// Whether reports are sent at the moment.
    pub is_open: bool,
    /// What was written.
    pub feedback: RefCell<Option<Feedback>>,
}

/// What a user wrote.
#[derive(Clone, PartialEq, Eq)]
pub struct Feedback {
    /// The words.
    pub message: String,
    /// The kind.
    pub category: &'static str,
    /// The tool that it is about, when it is one of ours.
    pub tool: Option<&'static str>,
}

impl std::fmt::Debug for Feedback {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Feedback").field("category", &self.category).finish_non_exhaustive()
    }
}

/// What `tools/list` shows.
pub fn definition() -> ToolDefinition {
    ToolDefinition {
        name: NAME,
        title: "Send feedback",
        description: "Tells whoever runs this server what got in the way: a confusing error, a question that the tools \
cannot express, results that look wrong, or something that worked well. Use it after such an experience, not to ask \
for help: nobody answers here.\n\
Write what happened and what you expected, and name the tool. Leave out keys, addresses and names of people; what looks \
like one is masked.\n\
Example: {\"message\":\"get_breakdown refused visit_duration by event:goal, and the suggestion did not help.\",\
\"category\":\"confusing_error\",\"tool_name\":\"get_breakdown\"}",
        input_schema: schema::object(&[MESSAGE, CATEGORY, TOOL_NAME], &["message"]),
        output_schema: schema::object(&[("recorded", RECORDED), ("feedback_id", FEEDBACK_ID)], &["recorded"]),
        annotations: Annotations { read_only: false, destructive: false, idempotent: false, open_world: true },
    }
}

/// Calls the tool. A request has one report at most, because it has one envelope.
pub fn call(outbox: &Outbox, given: Map<String, Value>) -> Result<ToolResult, Failure> {
    let mut arguments = Arguments::new(NAME, EXAMPLE, given);
    let message = arguments.words("message", MIN_MESSAGE..=MAX_MESSAGE);
    let category = arguments.choice("category", &CATEGORIES).unwrap_or("bug");
    let about = arguments.text("tool_name");
    if about.as_ref().is_some_and(|name| name.chars().count() > MAX_TOOL_NAME) {
        arguments.problem("tool_name", format_args!("is longer than {MAX_TOOL_NAME} characters"));
    }
    if outbox.feedback.borrow().is_some() {
        arguments.problem("message", "is the second one in this request; send one at a time");
    }
    arguments.finish()?;
    let Some(message) = message else { return Err(arguments.incomplete()) };
    if !outbox.is_open {
        return Err(Failure::FeedbackClosed);
    }
    let tool = NAMES.into_iter().find(|name| about.as_deref() == Some(*name));
    *outbox.feedback.borrow_mut() = Some(Feedback { message, category, tool });
    Ok(ToolResult {
        text: "Thank you. Your words go to whoever runs this server.".to_owned(),
        structured: Some(report::json_text(&Content { recorded: true, feedback_id: &outbox.id })),
        is_error: false,
    })
}

/// The structured content, as the output schema describes it.
#[derive(Serialize)]
struct Content<'a> {
    recorded: bool,
    feedback_id: &'a str,
}

const MESSAGE: Property = (
    "message",
    r#"{"type":"string","minLength":10,"maxLength":4000,"description":"What happened and what you expected, without keys and personal data."}"#,
);

const CATEGORY: Property = (
    "category",
    r#"{"type":"string","enum":["bug","confusing_error","unexpected_results","feature_request","praise"],"default":"bug","description":"The kind of feedback."}"#,
);

const TOOL_NAME: Property =
    ("tool_name", r#"{"type":"string","maxLength":64,"description":"The tool that it is about, if it is about one."}"#);

const RECORDED: &str = r#"{"type":"boolean"}"#;

const FEEDBACK_ID: &str = r#"{"type":"string","description":"The identifier to refer to it by."}"#;

const CATEGORIES: [(&str, &str); 5] = [
    ("bug", "bug"),
    ("confusing_error", "confusing_error"),
    ("unexpected_results", "unexpected_results"),
    ("feature_request", "feature_request"),
    ("praise", "praise"),
];

/// As in the original, in characters: less says nothing.
const MIN_MESSAGE: usize = 10;

/// As in the original, in characters: Sentry cuts at 4096.
const MAX_MESSAGE: usize = 4000;

/// As in the original, in characters.
const MAX_TOOL_NAME: usize = 64;

const EXAMPLE: &str = r#"{"message":"get_breakdown said 400 for tomorrow","category":"confusing_error"}"#;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn send(outbox: &Outbox, given: Value) -> Result<ToolResult, Failure> {
        call(outbox, given.as_object().unwrap().clone())
    }

    fn outbox(is_open: bool) -> Outbox {
        Outbox { id: "0123".into(), is_open, feedback: RefCell::default() }
    }

    #[test]
    fn words_wait_in_the_outbox_with_names_that_are_known() {
        for (given, category, tool) in [
            (json!({"message": "0123456789"}), "bug", None),
            (
                json!({"message": "0123456789", "category": "praise", "tool_name": "get_breakdown"}),
                "praise",
                Some("get_breakdown"),
            ),
            (json!({"message": "0123456789", "tool_name": "ann@example.com"}), "bug", None),
            (json!({"message": "x".repeat(4000)}), "bug", None),
        ] {
            let outbox = outbox(true);
            let result = send(&outbox, given).unwrap();
            assert_eq!(result.structured.as_deref(), Some(r#"{"recorded":true,"feedback_id":"0123"}"#));
            let feedback = outbox.feedback.borrow().clone().unwrap();
            assert_eq!((feedback.category, feedback.tool), (category, tool));
        }
    }

    #[test]
    fn what_is_not_right_is_not_sent() {
        for given in [
            json!({}),
            json!({"message": "123456789"}),
            json!({"message": "x".repeat(4001)}),
            json!({"message": 5}),
            json!({"message": "0123456789", "category": "nope"}),
            json!({"message": "0123456789", "tool_name": "x".repeat(65)}),
        ] {
            let outbox = outbox(true);
            assert!(matches!(send(&outbox, given), Err(Failure::Arguments { .. })));
            assert_eq!(*outbox.feedback.borrow(), None);
        }
        let good = json!({"message": "0123456789"});
        let outbox_twice = outbox(true);
        assert!(send(&outbox_twice, good.clone()).is_ok());
        assert!(send(&outbox_twice, good.clone()).is_err(), "one per request");
        assert_eq!(send(&outbox(false), good), Err(Failure::FeedbackClosed));
    }
}
