//! The revisions of the protocol and what each of them knows.

/// A protocol revision that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revision {
    /// Echoed in the handshake; its HTTP+SSE transport is not served.
    V2024_11_05,
    /// Streamable HTTP, batches, annotations of tools.
    V2025_03_26,
    /// Adds titles, output schemas and structured content.
    V2025_06_18,
    /// The last with a handshake.
    V2025_11_25,
    /// Stateless: every request says who it is.
    V2026_07_28,
}

impl Revision {
    /// Every revision, newest first, as `server/discover` lists them.
    pub const ALL: [Revision; 5] = [
        Revision::V2026_07_28,
        Revision::V2025_11_25,
        Revision::V2025_06_18,
        Revision::V2025_03_26,
        Revision::V2024_11_05,
    ];

    /// The newest revision with a handshake: what `initialize` is answered with when it asks for one that is unknown.
    pub const LATEST_LEGACY: Revision = Revision::V2025_11_25;

    /// Reads a revision's name, with white space around it as in a header value.
    pub fn parse(name: &str) -> Option<Revision> {
        Self::ALL.into_iter().find(|revision| revision.name() == name.trim_matches([' ', '\t']))
    }

    /// The revision's name: a date.
    pub fn name(self) -> &'static str {
        match self {
            Revision::V2024_11_05 => "2024-11-05",
            Revision::V2025_03_26 => "2025-03-26",
            Revision::V2025_06_18 => "2025-06-18",
            Revision::V2025_11_25 => "2025-11-25",
            Revision::V2026_07_28 => "2026-07-28",
        }
    }

    /// Whether requests describe themselves and there is no handshake.
    pub fn is_modern(self) -> bool {
        self == Revision::V2026_07_28
    }

    /// Whether tools have annotations.
    pub fn has_annotations(self) -> bool {
        self >= Revision::V2025_03_26
    }

    /// Whether tools have titles and output schemas, and results structured content.
    pub fn has_structured_content(self) -> bool {
        self >= Revision::V2025_06_18
    }
}
