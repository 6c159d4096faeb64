//! The verifier of Cloudflare Access JWTs: the id_token of a login and the `Cf-Access-Jwt-Assertion` header.
//!
//! ```text
//! text --SignedToken::read--> SignedToken --decide--> a KeySet that may be used
//!                                  |                       |
//!                                  +-----------+-----------+
//!                                              v
//!                    verify: key, signature, claims of the Profile, Admission
//!                                              |
//!                                              v
//!                                       VerifiedIdentity
//! ```
//!
//! Everything is a function of its arguments: `now` is passed in, and whoever calls fetches and stores key sets. Only
//! RS256 is accepted, a key comes from the key set alone, and what is not known to be right is refused, with a
//! [`Rejection`] for the log. What the peer is told is one answer for all of them, and not decided here.
//!
//! Specifications: RFC 7515 (JWS), 7517 (JWK), 7519 (JWT), 8725 (JWT best practices), OpenID Connect Core 1.0,
//! <https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/>.

mod admission;
mod claims;
mod identity;
mod key_cache;
mod key_set;
mod rejection;
mod rsa_key;
mod signed_token;
mod strict_json;
#[cfg(any(test, feature = "testing"))]
pub mod test_tokens;
mod verifier;

pub use admission::Admission;
pub use identity::VerifiedIdentity;
pub use key_cache::{CachedKeys, KeySetStep, decide};
pub use key_set::{KeySet, KeySetError};
pub use rejection::{Part, Rejection};
pub use rsa_key::Flaw;
pub use signed_token::SignedToken;
pub use strict_json::JsonError;
pub use verifier::{Profile, verify};
