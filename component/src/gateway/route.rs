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
    /// The same for `/mcp`, so that a client that tries to sign in there is told where it can.
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

    /// The route of a path, compared as it stands: no decoding, no case folding, no sub-paths.
    pub fn of(path: &str) -> Option<Route> {
        Route::ALL.into_iter().find(|route| route.path() == path)
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

    /// Whether nothing of its address may reach another site (RFC 9700 §4.2.4).
    pub fn hides_referrer(self) -> bool {
        self.is_page() || self == Route::Token
    }
}
