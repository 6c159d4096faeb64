//! The errors that go over the wire: one table of their codes and statuses.

/// An error code of OAuth and its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireError {
    /// A parameter is missing, repeated or malformed (RFC 6749 §4.1.2.1, §5.2).
    InvalidRequest,
    /// The client is unknown or did not authenticate (RFC 6749 §5.2).
    InvalidClient,
    /// The code or refresh token is not valid, or not for this client (RFC 6749 §5.2).
    InvalidGrant,
    /// The client may not do this (RFC 6749 §4.1.2.1, §5.2).
    UnauthorizedClient,
    /// The grant type is not offered (RFC 6749 §5.2).
    UnsupportedGrantType,
    /// The response type is not offered (RFC 6749 §4.1.2.1).
    UnsupportedResponseType,
    /// The scope is malformed (RFC 6749 §4.1.2.1, §5.2).
    InvalidScope,
    /// The resource is not ours (RFC 8707 §2).
    InvalidTarget,
    /// The client forbids to ask the user, who is always asked here (OpenID Connect Core §3.1.2.6).
    LoginRequired,
    /// The user said no (RFC 6749 §4.1.2.1).
    AccessDenied,
    /// The store, the key set or a client's document is away (RFC 6749 §4.1.2.1).
    TemporarilyUnavailable,
    /// This server is set up wrongly (RFC 6749 §4.1.2.1).
    ServerError,
    /// Request objects are not offered (OpenID Connect Core §3.1.2.6).
    RequestNotSupported,
    /// Request objects by reference are not offered (OpenID Connect Core §3.1.2.6).
    RequestUriNotSupported,
    /// A redirect URI cannot be registered (RFC 7591 §3.2.2).
    InvalidRedirectUri,
    /// Something else cannot be registered (RFC 7591 §3.2.2).
    InvalidClientMetadata,
    /// The bearer token is not valid (RFC 6750 §3.1).
    InvalidToken,
    /// The bearer token does not reach that far (RFC 6750 §3.1).
    InsufficientScope,
}

impl WireError {
    /// The code, and the status of a response that carries it as JSON.
    pub fn row(self) -> (&'static str, u16) {
        match self {
            WireError::InvalidRequest => ("invalid_request", 400),
            WireError::InvalidClient => ("invalid_client", 401),
            WireError::InvalidGrant => ("invalid_grant", 400),
            WireError::UnauthorizedClient => ("unauthorized_client", 400),
            WireError::UnsupportedGrantType => ("unsupported_grant_type", 400),
            WireError::UnsupportedResponseType => ("unsupported_response_type", 400),
            WireError::InvalidScope => ("invalid_scope", 400),
            WireError::InvalidTarget => ("invalid_target", 400),
            WireError::LoginRequired => ("login_required", 400),
            WireError::AccessDenied => ("access_denied", 403),
            WireError::TemporarilyUnavailable => ("temporarily_unavailable", 503),
            WireError::ServerError => ("server_error", 500),
            WireError::RequestNotSupported => ("request_not_supported", 400),
            WireError::RequestUriNotSupported => ("request_uri_not_supported", 400),
            WireError::InvalidRedirectUri => ("invalid_redirect_uri", 400),
            WireError::InvalidClientMetadata => ("invalid_client_metadata", 400),
            WireError::InvalidToken => ("invalid_token", 401),
            WireError::InsufficientScope => ("insufficient_scope", 403),
        }
    }

    /// The code.
    pub fn code(self) -> &'static str {
        self.row().0
    }

    /// The status of a response that carries it as JSON.
    pub fn status(self) -> u16 {
        self.row().1
    }
}
