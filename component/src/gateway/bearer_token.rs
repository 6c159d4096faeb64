//! The credential at `/internal`: an access token of ours in the header `Authorization` (RFC 6750 §2.1).

use super::issuer::Issuer;
use super::request::{Conflict, Request};
use super::response::Refusal;
use super::route::Route;
use super::token_endpoint::unavailable;
use crate::oauth::bearer::{self, BearerError, Principal};
use crate::oauth::error::WireError;
use crate::oauth::scope::SCOPE;
use crate::ports::Ports;

/// Who calls, or the challenge.
pub async fn authenticate<P: Ports>(issuer: &Issuer<'_, P>, request: &Request) -> Result<Principal, Refusal> {
    let challenge = |error, text: &str, reason| challenge(issuer, request, error, text, reason);
    let conflicting =
        |conflict: Conflict| challenge(Some(WireError::InvalidRequest), &conflict.to_string(), "header_repeated");
    let line = request.headers.single("authorization").map_err(conflicting)?;
    let in_query = request.query.split('&').any(|pair| pair.starts_with("access_token="));
    if line.is_some() && in_query {
        let text = "The access token came more than once. Send it once, in the header Authorization.";
        return Err(challenge(Some(WireError::InvalidRequest), text, "credential_repeated"));
    }
    let missing = || challenge(None, "Sign in: this endpoint takes access tokens of its own.", "no_credential");
    let line = line.ok_or_else(missing)?;
    let (scheme, token) = line.split_once(' ').ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(missing());
    }
    let admits = |email: &str| issuer.admits(email);
    match bearer::authenticate(&issuer.vault, issuer.now, issuer.resource, token.trim_matches(' '), admits).await {
        Ok(principal) => Ok(principal),
        Err(error @ BearerError::Store(_)) => Err(unavailable().because(error.reason())),
        Err(error) => {
            let text = "The access token is not valid here: it has ended, was revoked, or is for something else.";
            Err(challenge(Some(WireError::InvalidToken), text, "bad_credential").because(error.reason()))
        }
    }
}

/// RFC 6750 §3 with RFC 9728 §5.1. "If the request lacks any authentication information […] the resource server SHOULD
/// NOT include an error code." The metadata is that of the path as the client wrote it: its `resource` has to be the
/// address that the client asks (RFC 9728 §3.3).
fn challenge<P: Ports>(
    issuer: &Issuer<'_, P>,
    request: &Request,
    error: Option<WireError>,
    text: &str,
    reason: &'static str,
) -> Refusal {
    let slash = if request.has_final_slash() { "/" } else { "" };
    let metadata = format!("{}{}{slash}", issuer.resource.issuer(), Route::InternalMetadata.path());
    let mut value = format!("Bearer realm=\"plausible-mcp\", resource_metadata=\"{metadata}\", scope=\"{SCOPE}\"");
    if let Some(error) = error {
        value.push_str(&format!(", error=\"{}\"", error.code()));
    }
    let refusal = match error {
        Some(error) => Refusal::oauth(error, text, reason),
        None => Refusal::new(401, text, reason),
    };
    refusal.with_header("www-authenticate", value)
}
