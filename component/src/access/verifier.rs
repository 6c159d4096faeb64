//! What a token must say, beyond being signed: the two profiles, and the rules that they share.

use serde_json::Value;

use super::admission::Admission;
use super::claims::Claims;
use super::identity::VerifiedIdentity;
use super::key_set::KeySet;
use super::rejection::{Rejection, shown};
use super::signed_token::SignedToken;
use crate::ports::Timestamp;

/// Which kind of token is expected, and what binds it to this server. The two kinds exclude each other by their issuer
/// (RFC 8725 §3.12). An empty expectation matches nothing.
#[derive(Clone, Copy)]
pub enum Profile<'a> {
    /// The id_token of a login that this server started (OpenID Connect Core §3.1.3.7).
    IdToken {
        /// The issuer, exactly.
        issuer: &'a str,
        /// The client id of this server at that issuer.
        client_id: &'a str,
        /// The nonce of the attempt.
        nonce: &'a str,
    },
    /// The value of `Cf-Access-Jwt-Assertion`, which Access adds to every request.
    Assertion {
        /// The team domain with its scheme, such as `https://team.cloudflareaccess.com`; a trailing slash is not part
        /// of it.
        team_domain: &'a str,
        /// The application's AUD tag.
        audience: &'a str,
    },
}

/// Verifies a token: its signature with the key of `keys` that it names, its claims by `profile`, its e-mail address by
/// the operator's rule. `keys` must be fresh ([`decide`](super::decide)).
pub fn verify(
    token: &SignedToken,
    keys: &KeySet,
    profile: &Profile<'_>,
    admission: &Admission,
    now: Timestamp,
) -> Result<VerifiedIdentity, Rejection> {
    let claims = Claims::read(token.payload(keys)?)?;
    check_issuer(&claims, profile)?;
    check_audience(&claims, profile)?;
    let expires = check_times(&claims, now)?;
    if let Profile::IdToken { nonce, .. } = profile {
        check_login(&claims, nonce, now)?;
    }
    check_token_type(&claims)?;
    let email = verified_email(&claims)?;
    Ok(VerifiedIdentity::new(admission.admit(email)?, expires))
}

/// The issuer is compared as text, without any normal form (OpenID Connect Core §3.1.3.7, step 2).
fn check_issuer(claims: &Claims, profile: &Profile<'_>) -> Result<(), Rejection> {
    let expected = match profile {
        Profile::IdToken { issuer, .. } => issuer,
        Profile::Assertion { team_domain, .. } => team_domain.trim_end_matches('/'),
    };
    let issuer = claims.text("iss")?.ok_or(Rejection::MissingClaim("iss"))?;
    if equals(issuer, expected) { Ok(()) } else { Err(Rejection::Issuer { found: shown(issuer) }) }
}

/// An assertion may name other applications beside this one. An id_token that does must have been issued to this
/// client, and one that says whom it was issued to must say so too (OpenID Connect Core §3.1.3.7, steps 3 to 5).
fn check_audience(claims: &Claims, profile: &Profile<'_>) -> Result<(), Rejection> {
    let (Profile::IdToken { client_id: expected, .. } | Profile::Assertion { audience: expected, .. }) = profile;
    let audiences = claims.audiences()?;
    if !audiences.iter().any(|audience| equals(audience, expected)) {
        return Err(Rejection::Audience {
            found: audiences.first().map(|audience| shown(audience)).unwrap_or_default(),
        });
    }
    if let Profile::IdToken { client_id, .. } = profile {
        let party = claims.text("azp")?.or_else(|| (audiences.len() == 1).then_some(client_id));
        if party != Some(client_id) {
            return Err(Rejection::AuthorizedParty);
        }
    }
    Ok(())
}

/// `exp` must be there; `nbf` and `iat` count where they are (RFC 7519 §4.1.4 to 4.1.6). Gives `exp`.
fn check_times(claims: &Claims, now: Timestamp) -> Result<Timestamp, Rejection> {
    let expires = claims.date("exp")?.ok_or(Rejection::MissingClaim("exp"))?;
    if now.0 >= expires.0.saturating_add(LEEWAY) {
        return Err(Rejection::Expired { at: expires });
    }
    for claim in ["nbf", "iat"] {
        match claims.date(claim)? {
            Some(at) if at.0 > now.0.saturating_add(LEEWAY) => return Err(Rejection::NotYetValid { claim, at }),
            _ => {}
        }
    }
    Ok(expires)
}

/// An id_token belongs to the attempt of the login, which ended a moment ago (OpenID Connect Core §3.1.3.7, steps 10
/// and 11).
fn check_login(claims: &Claims, nonce: &str, now: Timestamp) -> Result<(), Rejection> {
    let found = claims.text("nonce")?.ok_or(Rejection::MissingClaim("nonce"))?;
    if !equals(found, nonce) {
        return Err(Rejection::Nonce);
    }
    let issued = claims.date("iat")?.ok_or(Rejection::MissingClaim("iat"))?;
    if now.0.saturating_sub(issued.0) > MAX_LOGIN_AGE { Err(Rejection::TooOld { issued }) } else { Ok(()) }
}

/// Access marks the token of an application with `app` and that of the whole organisation with `org`.
fn check_token_type(claims: &Claims) -> Result<(), Rejection> {
    match claims.any("type") {
        None => Ok(()),
        Some(kind) if kind == "app" => Ok(()),
        Some(_) => Err(Rejection::TokenType),
    }
}

/// The `email` claim and no other; without one it is a service token, which is nobody. Some providers write
/// `email_verified` as text.
fn verified_email(claims: &Claims) -> Result<&str, Rejection> {
    let email = claims.text("email")?.ok_or(Rejection::NoEmail)?;
    match claims.any("email_verified") {
        None | Some(Value::Bool(true)) => Ok(email),
        Some(Value::String(text)) if text == "true" => Ok(email),
        Some(_) => Err(Rejection::EmailUnverified),
    }
}

/// Fails closed: what was left empty in the configuration equals nothing, not even an empty claim.
fn equals(found: &str, expected: &str) -> bool {
    !expected.is_empty() && found == expected
}

/// How far the clocks of two servers may differ, in milliseconds.
const LEEWAY: u64 = 60 * 1000;

/// How old an id_token may be, in milliseconds. It comes straight from the issuer at the end of a login.
const MAX_LOGIN_AGE: u64 = 10 * 60 * 1000;

#[cfg(test)]
mod tests;
