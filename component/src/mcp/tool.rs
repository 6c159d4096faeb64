//! What a tool is to the protocol.

use serde_json::{Map, Value};

use super::revision::Revision;

/// The tools of a server.
#[expect(async_fn_in_trait, reason = "a component instance is single-threaded: futures need not be Send")]
pub trait ToolSet {
    /// Calls a tool. `None`: there is no tool of that name.
    async fn call(&self, name: &str, arguments: Map<String, Value>) -> Option<ToolResult>;
}

/// A tool as `tools/list` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolDefinition {
    /// The name to call it by.
    pub name: &'static str,
    /// The name for people.
    pub title: &'static str,
    /// When and how to use it, for a model.
    pub description: &'static str,
    /// The JSON Schema of its arguments, as JSON text.
    pub input_schema: String,
    /// The JSON Schema of its structured content, as JSON text.
    pub output_schema: String,
    /// What it does to the world.
    pub annotations: Annotations,
}

/// What a tool does to the world (`ToolAnnotations`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Annotations {
    /// It changes nothing.
    pub read_only: bool,
    /// It may destroy something.
    pub destructive: bool,
    /// A second call with the same arguments changes nothing more.
    pub idempotent: bool,
    /// It talks to systems outside this server.
    pub open_world: bool,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolResult {
    /// For the model, in words.
    pub text: String,
    /// For programs, following the tool's output schema: JSON text.
    pub structured: Option<String>,
    /// Whether the call failed; the text then says why and what to try.
    pub is_error: bool,
}

impl ToolDefinition {
    /// Writes the definition as JSON, with the members that `revision` knows.
    pub fn write_json(&self, revision: Revision, json: &mut String) {
        json.extend(["{\"name\":\"", self.name, "\""]);
        if revision.has_structured_content() {
            json.extend([",\"title\":\"", self.title, "\""]);
        }
        json.extend([",\"description\":", &json_string(self.description), ",\"inputSchema\":", &self.input_schema]);
        if revision.has_structured_content() {
            json.extend([",\"outputSchema\":", &self.output_schema]);
        }
        if revision.has_annotations() {
            json.extend([",\"annotations\":", &self.annotations_json()]);
        }
        json.push('}');
    }

    fn annotations_json(&self) -> String {
        let Annotations { read_only, destructive, idempotent, open_world } = self.annotations;
        format!(
            "{{\"title\":\"{}\",\"readOnlyHint\":{read_only},\"destructiveHint\":{destructive},\
             \"idempotentHint\":{idempotent},\"openWorldHint\":{open_world}}}",
            self.title
        )
    }
}

impl ToolResult {
    /// The members of a `CallToolResult` that `revision` knows, without the braces around them.
    pub fn members(&self, revision: Revision) -> String {
        let mut json = format!("\"content\":[{{\"type\":\"text\",\"text\":{}}}]", json_string(&self.text));
        if let Some(structured) = self.structured.as_ref().filter(|_| revision.has_structured_content()) {
            json.push_str(&format!(",\"structuredContent\":{structured}"));
        }
        if self.is_error {
            json.push_str(",\"isError\":true");
        }
        json
    }
}

/// `text` as a JSON string.
pub fn json_string(text: &str) -> String {
    // Serializing a string cannot fail.
    serde_json::to_string(text).unwrap_or_default()
}
