//! Why a token is refused. The peer must not learn which check failed (RFC 8725 §2, §3), and the log has
//! [`Rejection::reason`] alone.
//!
//! Invariant: a rejection holds nothing of an e-mail address, a nonce or a token's text. Evidence from a token is cut
//! to [`MAX_SHOWN`] characters.

use std::fmt;

use super::rsa_key::Flaw;
use super::strict_json::JsonError;
use crate::ports::Timestamp;

/// The check that failed, with its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// The token has more bytes than are read.
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// Five parts: a JWE. Nothing is decrypted.
    Encrypted,
    /// A compact JWS has three parts.
    PartCount {
        /// How many there are.
        count: usize,
    },
    /// A part is not Base64url without padding.
    Encoding(Part),
    /// A part is not a JSON object whose members stand once.
    Json(Part, JsonError),
    /// `alg` is not RS256.
    Algorithm {
        /// What it is, when it is text.
        found: Option<String>,
    },
    /// The header has a member that brings a key, an extension, a nested token or another format.
    HeaderMember(&'static str),
    /// `typ` is neither absent nor JWT.
    HeaderType,
    /// `kid` is missing, empty, too long or no text.
    KeyId,
    /// The key set has no key of this `kid`.
    UnknownKey {
        /// The `kid`.
        key_id: String,
    },
    /// The key of this `kid` must not verify signatures.
    UnusableKey {
        /// The `kid`.
        key_id: String,
        /// What is wrong with the key.
        flaw: Flaw,
    },
    /// The key set has several keys of this `kid`.
    AmbiguousKey {
        /// The `kid`.
        key_id: String,
    },
    /// The signature is not that of the key.
    Signature,
    /// A required claim is missing.
    MissingClaim(&'static str),
    /// A claim has the wrong JSON type, or a value that its type has not.
    MalformedClaim(&'static str),
    /// `iss` is somebody else.
    Issuer {
        /// Who it is.
        found: String,
    },
    /// `aud` is somebody else.
    Audience {
        /// The first of them.
        found: String,
    },
    /// `azp` is not this client, or is missing beside several audiences (OpenID Connect Core §3.1.3.7).
    AuthorizedParty,
    /// `nonce` is not that of the attempt.
    Nonce,
    /// `exp` has passed.
    Expired {
        /// When.
        at: Timestamp,
    },
    /// `nbf` or `iat` lies in the future.
    NotYetValid {
        /// Which of them.
        claim: &'static str,
        /// When it will be.
        at: Timestamp,
    },
    /// `iat` is too long ago for a token that was just issued.
    TooOld {
        /// When it was issued.
        issued: Timestamp,
    },
    /// `type` is neither absent nor `app`: not a token for an application.
    TokenType,
    /// There is no `email`: a service token.
    NoEmail,
    /// `email_verified` is something other than true.
    EmailUnverified,
    /// `email` is not a plain address.
    EmailForm,
    /// The domain of `email` is not allowed.
    Domain,
    /// The address is denied.
    Denied,
}

/// A part of a compact JWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The first.
    Header,
    /// The second.
    Payload,
    /// The third.
    Signature,
}

impl Rejection {
    /// The name of the failed check, for the log and for counting.
    pub fn reason(&self) -> &'static str {
        match self {
            Rejection::TooLong { .. } => "jwt_too_long",
            Rejection::Encrypted => "jwt_encrypted",
            Rejection::PartCount { .. } | Rejection::Encoding(_) | Rejection::Json(..) => "jwt_malformed",
            Rejection::Algorithm { .. } => "jwt_algorithm",
            Rejection::HeaderMember(_) | Rejection::HeaderType => "jwt_header",
            Rejection::KeyId | Rejection::UnknownKey { .. } | Rejection::AmbiguousKey { .. } => "jwt_unknown_key",
            Rejection::UnusableKey { .. } => "jwt_unusable_key",
            Rejection::Signature => "jwt_signature",
            Rejection::MissingClaim(_) | Rejection::MalformedClaim(_) => "jwt_claims",
            Rejection::Issuer { .. } => "jwt_issuer",
            Rejection::Audience { .. } | Rejection::AuthorizedParty => "jwt_audience",
            Rejection::Nonce => "jwt_nonce",
            Rejection::Expired { .. } => "jwt_expired",
            Rejection::NotYetValid { .. } => "jwt_not_yet_valid",
            Rejection::TooOld { .. } => "jwt_too_old",
            Rejection::TokenType => "jwt_type",
            Rejection::NoEmail => "email_missing",
            Rejection::EmailUnverified => "email_unverified",
            Rejection::EmailForm => "email_malformed",
            Rejection::Domain => "email_domain",
            Rejection::Denied => "email_denied",
        }
    }
}

/// The reason with its evidence, on one line; for tests and debugging.
impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {self:?}", self.reason())
    }
}

/// So much of a peer's text as a rejection shows.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}

/// How much of a text from a token a rejection carries, in characters: enough for an issuer or a key's id.
const MAX_SHOWN: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_cut_and_escaped() {
        let rejection = Rejection::Issuer { found: shown(&"\n".repeat(1000)) };
        assert_eq!(rejection, Rejection::Issuer { found: "\n".repeat(MAX_SHOWN) });
        let line = rejection.to_string();
        assert!(line.starts_with("jwt_issuer: Issuer") && !line.contains('\n'), "{line}");
    }
}
