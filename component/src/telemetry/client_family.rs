//! Which kind of client sent a request: one of a fixed set, so that it can be counted by and nobody can be told by it.

/// The family of a `User-Agent`, which is never repeated itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientFamily(&'static str);

impl ClientFamily {
    /// The family of a `User-Agent`; `unknown` where there is none, `other` where it is none of the known.
    pub fn of(user_agent: Option<&str>) -> ClientFamily {
        let Some(agent) = user_agent.filter(|agent| !agent.is_empty()) else { return ClientFamily("unknown") };
        let agent: String = agent.chars().take(LOOKED_AT).collect::<String>().to_ascii_lowercase();
        let matches = |pattern: &Pattern| match pattern {
            Pattern::Begins(text) => agent.starts_with(text),
            Pattern::Contains(text) => agent.contains(text),
            Pattern::Is(text) => agent == *text,
        };
        let row = FAMILIES.iter().find(|(_, patterns)| patterns.iter().any(matches));
        ClientFamily(row.map_or("other", |(family, _)| family))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.0
    }
}

enum Pattern {
    Begins(&'static str),
    Contains(&'static str),
    Is(&'static str),
}

use Pattern::{Begins, Contains, Is};

/// The first row that matches counts: products before the libraries that they are built with.
const FAMILIES: [(&str, &[Pattern]); 10] = [
    ("claude-code", &[Begins("claude-code/")]),
    ("cursor", &[Begins("cursor/")]),
    ("codex", &[Contains("codex")]),
    ("mcp-remote", &[Contains("mcp-remote")]),
    ("claude", &[Begins("claude-user"), Contains("claude-ai"), Contains("anthropic")]),
    ("openai", &[Contains("openai")]),
    ("go", &[Begins("go-http-client/")]),
    ("java", &[Begins("java"), Begins("reactornetty/")]),
    ("python", &[Begins("python"), Begins("aiohttp/"), Contains("httpx")]),
    ("node", &[Is("node"), Begins("node-fetch/"), Begins("undici"), Begins("bun/")]),
];

/// How much of a `User-Agent` is looked at, in characters; products stand at its beginning.
const LOOKED_AT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_fall_into_families() {
        for (agent, family) in [
            (None, "unknown"),
            (Some(""), "unknown"),
            (Some("claude-code/2.1.4 (cli)"), "claude-code"),
            (Some("Cursor/1.7"), "cursor"),
            (Some("codex_cli_rs/0.46"), "codex"),
            (Some("mcp-remote/0.1.29 node"), "mcp-remote"),
            (Some("Claude-User"), "claude"),
            (Some("openai-mcp/1.0.0"), "openai"),
            (Some("python-httpx/0.28.1"), "python"),
            (Some("node"), "node"),
            (Some("Go-http-client/2.0"), "go"),
            (Some("Java/21"), "java"),
            (Some("nodemon"), "other"),
            (Some("ann@example.com"), "other"),
        ] {
            assert_eq!(ClientFamily::of(agent).name(), family, "{agent:?}");
        }
    }
}
