//! The paths that are served.

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// MCP with the caller's own Plausible key.
    Mcp,
    /// Liveness.
    Healthz,
}

impl Route {
    /// The route of a path, compared as it stands: no decoding, no case folding, no sub-paths.
    pub fn of(path: &str) -> Option<Route> {
        [Route::Mcp, Route::Healthz].into_iter().find(|route| route.path() == path)
    }

    /// The path.
    pub fn path(self) -> &'static str {
        match self {
            Route::Mcp => "/mcp",
            Route::Healthz => "/healthz",
        }
    }

    /// Whether pages of other origins may read the answer.
    pub fn has_cors(self) -> bool {
        self == Route::Mcp
    }
}
