//! The provider's token endpoint (OpenID Connect Core §3.1.3).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::discovery::Provider;
use super::{Federation, FederationError, no_answer, redirect_uri};
use crate::config::AuthorizationServer;
use crate::oauth::form::{encode, percent_encode};
use crate::ports::{HttpMethod, HttpRequest, OutboundHttp, Ports, Reach, Upstream};

/// Exchanges a code for the id_token. Nothing else of the answer is of use.
pub(super) async fn id_token<P: Ports>(
    federation: &Federation<'_, P>,
    server: &AuthorizationServer,
    provider: &Provider,
    client_secret: &str,
    verifier: &str,
    code: &str,
) -> Result<String, FederationError> {
    let redirect_uri = redirect_uri(server);
    let mut pairs = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &redirect_uri),
        ("code_verifier", verifier),
    ];
    let mut headers = vec![
        ("accept".to_owned(), "application/json".to_owned()),
        ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
    ];
    if provider.secret_in_body {
        pairs.extend([("client_id", server.client_id.as_str()), ("client_secret", client_secret)]);
    } else {
        headers.push(("authorization".to_owned(), basic(&server.client_id, client_secret)));
    }
    let request = HttpRequest {
        upstream: Upstream::IdentityProvider,
        method: HttpMethod::Post,
        url: provider.token_endpoint.clone(),
        headers,
        body: Some(encode(&pairs).into_bytes()),
        timeout_milliseconds: TIMEOUT_MILLISECONDS,
        max_response_bytes: MAX_ANSWER_BYTES,
        reach: Reach::Configured,
        coalesce: None,
    };
    let response = federation.ports.http().send(request).await.map_err(no_answer)?;
    match response.status {
        200 => read(&response.body),
        status @ 400..=499 => Err(refused_with(status, &response.body)),
        status => Err(FederationError::Answered(status)),
    }
}

/// Refusals are 400 or 401 and name an error (RFC 6749 §5.2). Of a 404, a 429 or a page of a proxy nothing follows for
/// code or secret.
fn refused_with(status: u16, body: &[u8]) -> FederationError {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let names_an_error = answer.get("error").is_some_and(Value::is_string);
    match status {
        400 | 401 => refused(status, &answer),
        403 if names_an_error => refused(status, &answer),
        status => FederationError::Answered(status),
    }
}

fn read(body: &[u8]) -> Result<String, FederationError> {
    // Where in a page JSON would have begun, nobody asks.
    let answer: Value = serde_json::from_slice(body).map_err(|_| FederationError::NotJson)?;
    if answer.get("error").is_some_and(|error| !error.is_null()) {
        return Err(refused(200, &answer));
    }
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let id_token = text("id_token").ok_or(FederationError::ProviderFailed)?;
    check_token_type(text("token_type"))?;
    Ok(id_token.to_owned())
}

/// OpenID Connect Core §3.1.3.3: "the value MUST be Bearer"; it is compared without case (RFC 6749 §5.1).
fn check_token_type(token_type: Option<&str>) -> Result<(), FederationError> {
    match token_type {
        Some(token_type) if token_type.eq_ignore_ascii_case("bearer") => Ok(()),
        _ => Err(FederationError::TokenType),
    }
}

/// RFC 6749 §5.2: `invalid_client`, which may come with 401, is about the secret; everything else is about the code.
fn refused(status: u16, answer: &Value) -> FederationError {
    let error = answer.get("error").and_then(Value::as_str);
    if status == 401 || error == Some("invalid_client") {
        return FederationError::SecretRefused;
    }
    FederationError::ProviderRefused
}

/// RFC 6749 §2.3.1: both are form-encoded first.
fn basic(client_id: &str, client_secret: &str) -> String {
    let pair = format!("{}:{}", percent_encode(client_id), percent_encode(client_secret));
    format!("Basic {}", STANDARD.encode(pair))
}

/// The browser of the user waits.
const TIMEOUT_MILLISECONDS: u32 = 10_000;

/// Tokens of Access have two kilobytes.
const MAX_ANSWER_BYTES: u32 = 64 * 1024;
