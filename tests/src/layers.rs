//! The import arrows between the top-level modules of the component.
//!
//! Arrows are read from the source text: every path that begins with `crate::`, alone or in a group, and every
//! chain of `super::` that is long enough to reach the crate's root. Comments and string literals do not count.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One arrow: the file that imports, and the top-level module that it imports from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrow {
    /// The file, relative to `src/`.
    pub file: String,
    /// The top-level module that the file belongs to.
    pub from: String,
    /// The top-level module that it names.
    pub to: String,
}

/// Which modules a module may import from.
pub type Allowed = [(&'static str, &'static [&'static str])];

/// All arrows that leave a module of the crate whose sources are in `sources`.
pub fn arrows(sources: &Path) -> BTreeSet<Arrow> {
    let mut found = BTreeSet::new();
    for path in source_files(sources) {
        let relative = path.strip_prefix(sources).expect("a file of the folder");
        let file = relative.to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a source file can be read");
        found.extend(arrows_of(&file, &text));
    }
    found
}

/// All `.rs` files under a folder.
pub fn source_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            files.extend(source_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The arrows of one file, by its path relative to `src/` and its text.
pub fn arrows_of(file: &str, text: &str) -> BTreeSet<Arrow> {
    let modules: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
    let from = modules.first().copied().unwrap_or_default();
    let code = code_only(text);
    let mut names = BTreeSet::new();
    for (start, _) in code.match_indices("crate::").filter(|(start, _)| begins_a_path(&code, *start)) {
        names.extend(heads(code.get(start + "crate::".len()..).unwrap_or_default()));
    }
    names.extend(reached_by_super(&code, modules.len()));
    names.remove(from);
    let arrow = |to: String| Arrow { file: file.to_owned(), from: from.to_owned(), to };
    names.into_iter().map(arrow).collect()
}

/// The arrows that `allowed` does not list. A module that is not in the table may import nothing.
pub fn violations(arrows: &BTreeSet<Arrow>, allowed: &Allowed) -> Vec<Arrow> {
    let permitted = |arrow: &Arrow| {
        let row = allowed.iter().find(|(from, _)| *from == arrow.from);
        row.is_some_and(|(_, targets)| targets.contains(&arrow.to.as_str()))
    };
    arrows.iter().filter(|arrow| !permitted(arrow)).cloned().collect()
}

/// The text without comments and without the contents of string literals.
pub fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = skip(rest);
        if skipped == 0 {
            code.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        } else {
            code.push(' ');
            rest = rest.get(skipped..).unwrap_or_default();
        }
    }
    code
}

/// The length of the comment, string or quoted character that `text` begins with; 0 when it begins with code.
fn skip(text: &str) -> usize {
    let to = |end: &str, from: usize| {
        text.get(from..).and_then(|rest| rest.find(end)).map_or(text.len(), |index| from + index + end.len())
    };
    if text.starts_with("//") {
        return to("\n", 2);
    }
    if text.starts_with("/*") {
        return to("*/", 2);
    }
    if text.starts_with("r\"") {
        return to("\"", 2);
    }
    if text.starts_with("r#\"") {
        return to("\"#", 3);
    }
    if text.starts_with("'\"'") {
        return 3;
    }
    if text.starts_with('"') {
        return 1 + string_length(text.get(1..).unwrap_or_default());
    }
    0
}

/// The length of a string literal after its opening quote, closing quote included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (index, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

fn begins_a_path(code: &str, start: usize) -> bool {
    let before = code.get(..start).and_then(|before| before.chars().next_back());
    !before.is_some_and(|character| character.is_alphanumeric() || character == '_' || character == ':')
}

/// The first names after `crate::`: one, or those of a group.
fn heads(after: &str) -> BTreeSet<String> {
    let Some(group) = after.trim_start().strip_prefix('{') else {
        return BTreeSet::from([identifier(after)]);
    };
    let mut depth = 1;
    let mut found = BTreeSet::new();
    let mut expecting = true;
    for (index, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => expecting = true,
            _ if depth == 1 && expecting && !character.is_whitespace() => {
                found.insert(identifier(group.get(index..).unwrap_or_default()));
                expecting = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

fn identifier(text: &str) -> String {
    text.trim_start().chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

/// The names that chains of `super::` reach from a file `depth` modules deep. A module within the file, as the
/// tests at its bottom are, makes a chain one longer without reaching further; the longer reading is taken, so only
/// names of top-level modules count.
fn reached_by_super(code: &str, depth: usize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (start, _) in code.match_indices("super::").filter(|(start, _)| begins_a_path(code, *start)) {
        let mut rest = code.get(start..).unwrap_or_default();
        let mut length = 0;
        while let Some(after) = rest.strip_prefix("super::") {
            rest = after;
            length += 1;
        }
        if length >= depth {
            found.extend(heads(rest).into_iter().filter(|name| MODULES.contains(&name.as_str())));
        }
    }
    found
}

/// The top-level modules of the component: those of DESIGN's diagram, and the two of plain text below all of them.
pub const MODULES: [&str; 12] = [
    "guest",
    "gateway",
    "oauth",
    "access",
    "mcp",
    "tools",
    "plausible",
    "ports",
    "config",
    "telemetry",
    "legible",
    "site_id",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(file: &str, text: &str) -> Vec<String> {
        arrows_of(file, text).into_iter().map(|arrow| arrow.to).collect()
    }

    #[test]
    fn every_way_to_write_a_path_is_an_arrow() {
        assert_eq!(targets("mcp/batch.rs", "use crate::plausible::Query;"), ["plausible"]);
        assert_eq!(targets("mcp.rs", "fn f() { crate::oauth::check() }"), ["oauth"]);
        assert_eq!(targets("mcp.rs", "use crate::{ports::{Clock, a::B}, tools};"), ["ports", "tools"]);
        assert_eq!(targets("mcp/batch.rs", "use super::super::plausible::Query;"), ["plausible"]);
        assert_eq!(targets("mcp.rs", "pub(in crate::access) struct S;"), ["access"]);
    }

    #[test]
    fn comments_strings_and_the_own_module_are_none() {
        assert!(targets("mcp.rs", "//! [`crate::tools`]\n/* crate::oauth */").is_empty());
        assert!(
            targets("mcp.rs", r##"const A: &str = "crate::oauth \" crate::x"; const B: &str = r#"crate::y"#;"##)
                .is_empty()
        );
        assert!(targets("mcp/batch.rs", "use crate::mcp::Message; use super::Batch; use mycrate::tools;").is_empty());
        assert!(targets("mcp/batch.rs", "mod tests { use super::super::message; }").is_empty());
    }

    #[test]
    fn a_forbidden_import_is_a_violation() {
        let arrows = arrows_of("mcp/tools_list.rs", "use crate::plausible::Metric;\nuse crate::ports::Clock;");
        let found = violations(&arrows, &[("mcp", &["ports"])]);
        assert_eq!(found.iter().map(|arrow| arrow.to.as_str()).collect::<Vec<_>>(), ["plausible"]);
        assert_eq!(violations(&arrows, &[]).len(), 2);
    }
}
