//! What the server says about itself and its tools: the same for every caller and every request, so it is put together
//! once where a host lets an instance serve several requests.

use std::cell::OnceCell;

use super::revision::Revision;
use super::tool::{ToolDefinition, json_string};

/// Instructions and definitions as JSON text, made when they are first asked for. It holds nothing that depends on a
/// caller.
#[derive(Debug)]
pub struct Catalogue {
    instructions: fn() -> String,
    definitions: fn() -> Vec<ToolDefinition>,
    instructions_json: OnceCell<String>,
    /// One list per set of members that a revision knows.
    lists: [OnceCell<String>; 3],
}

impl Catalogue {
    /// A catalogue of what these functions return.
    pub fn new(instructions: fn() -> String, definitions: fn() -> Vec<ToolDefinition>) -> Self {
        Catalogue { instructions, definitions, instructions_json: OnceCell::new(), lists: Default::default() }
    }

    /// The instructions as a JSON string.
    pub fn instructions(&self) -> &str {
        self.instructions_json.get_or_init(|| json_string(&(self.instructions)()))
    }

    /// The tools as a JSON array, with the members that `revision` knows.
    pub fn tools(&self, revision: Revision) -> &str {
        let [plain, annotated, structured] = &self.lists;
        let list = match (revision.has_structured_content(), revision.has_annotations()) {
            (true, _) => structured,
            (false, true) => annotated,
            (false, false) => plain,
        };
        list.get_or_init(|| {
            let mut list = String::with_capacity(LIST_BYTES);
            for (index, tool) in (self.definitions)().iter().enumerate() {
                list.push(if index == 0 { '[' } else { ',' });
                tool.write_json(revision, &mut list);
            }
            list.push(']');
            list
        })
    }

    /// The names of the tools.
    pub fn names(&self) -> Vec<&'static str> {
        (self.definitions)().iter().map(|tool| tool.name).collect()
    }
}

/// Room for the list of tools, so that it is not moved while it grows. A list that is longer takes more.
const LIST_BYTES: usize = 32 * 1024;
