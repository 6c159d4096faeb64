//! The paths that are served.

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// MCP with the caller's own Plausible key.
    Mcp,
    /// MCP for those who signed in.
    Internal,
    /// What `/internal` is as a protected resource (RFC 9728).
    InternalMetadata,
    /// The same for `/mcp`, which takes keys of Plausible's and names no place to sign in.
    McpMetadata,
    /// What the authorization server offers (RFC 8414).
    ServerMetadata,
    /// The consent page, and the user's decision.
    Authorize,
    /// Where the identity provider sends the user back to.
    Callback,
    /// The token endpoint.
    Token,
    /// Dynamic client registration.
    Register,
    /// Token revocation.
    Revoke,
    /// The operator's questions.
    Operator,
    /// Liveness.
    Healthz,
}

impl Route {
    /// All of them.
    pub(super) const ALL: [Route; 12] = [
        Route::Mcp,
        Route::Internal,
        Route::InternalMetadata,
        Route::McpMetadata,
        Route::ServerMetadata,
        Route::Authorize,
        Route::Callback,
        Route::Token,
        Route::Register,
        Route::Revoke,
        Route::Operator,
        Route::Healthz,
    ];

    /// The route of a path, compared as it stands: no decoding, no case folding, no sub-paths. One slash at the end is
    /// the same path: people and clients add it.
    pub fn of(path: &str) -> Option<Route> {
        let path = path.strip_suffix('/').unwrap_or(path);
        Route::ALL.into_iter().find(|route| route.path() == path)
    }

    /// The route that a path which is none lies under.
    pub fn above(path: &str) -> Option<Route> {
        let lies_under = |route: &Route| path.strip_prefix(route.path()).is_some_and(|rest| rest.starts_with('/'));
        Route::ALL.into_iter().find(lies_under)
    }

    /// The path.
    pub fn path(self) -> &'static str {
        match self {
            Route::Mcp => "/mcp",
            Route::Internal => "/internal",
            Route::InternalMetadata => "/.well-known/oauth-protected-resource/internal",
            Route::McpMetadata => "/.well-known/oauth-protected-resource/mcp",
            Route::ServerMetadata => "/.well-known/oauth-authorization-server",
            Route::Authorize => "/authorize",
            Route::Callback => "/callback",
            Route::Token => "/token",
            Route::Register => "/register",
            Route::Revoke => "/revoke",
            Route::Operator => "/admin/operator",
            Route::Healthz => "/healthz",
        }
    }

    /// Whether it speaks MCP.
    pub fn is_mcp(self) -> bool {
        matches!(self, Route::Mcp | Route::Internal)
    }

    /// Whether pages of other origins may read the answer.
    pub fn has_cors(self) -> bool {
        !matches!(self, Route::Authorize | Route::Callback | Route::Operator | Route::Healthz)
    }

    /// Whether a browser shows the answer to a person.
    pub fn is_page(self) -> bool {
        matches!(self, Route::Authorize | Route::Callback)
    }

    /// Whether clients of OAuth read the answer (RFC 6749 §5.2).
    pub fn is_for_clients(self) -> bool {
        matches!(self, Route::Token | Route::Register | Route::Revoke)
    }

    /// Whether a request ends when its client leaves. What is written there is complete whatever happens next: an
    /// answer that is remembered, a key set, a place in a budget. Everywhere else a request is finished, because a
    /// record that was written may need the next one.
    pub fn ends_with_client(self) -> bool {
        self.is_mcp()
    }

    /// Whether nothing of its address may reach another site (RFC 9700 §4.2.4).
    pub fn hides_referrer(self) -> bool {
        self.is_page() || self == Route::Token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slash_at_the_end_is_the_same_path() {
        for route in Route::ALL {
            let path = route.path();
            assert_eq!(Route::of(path), Some(route));
            assert_eq!(Route::of(&format!("{path}/")), Some(route));
            for other in [format!("{path}//"), format!("/{path}"), format!("{path}/x"), path.to_uppercase()] {
                assert_eq!(Route::of(&other), None, "{other}");
            }
        }
        for none in ["", "/", "//"] {
            assert_eq!(Route::of(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_path_lies_under_the_route_that_it_begins_with() {
        for (path, route) in [
            ("/mcp/sse", Some(Route::Mcp)),
            ("/internal//", Some(Route::Internal)),
            ("/internal/.well-known/oauth-authorization-server", Some(Route::Internal)),
            ("/.well-known/oauth-authorization-server/internal", Some(Route::ServerMetadata)),
            ("/token/x", Some(Route::Token)),
            ("/mcpx", None),
            ("/internalx/y", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(Route::above(path), route, "{path}");
        }
    }
}
