//! `POST /register`: dynamic client registration (RFC 7591).

use super::Served;
use super::issuer::Issuer;
use super::limits::Limits;
use super::request::{BodyError, Request, RequestBody};
use super::response::{Refusal, Response};
use super::token_endpoint::unavailable;
use crate::oauth::clients;
use crate::oauth::error::WireError;
use crate::oauth::registration::{self, MAX_REGISTRATION_BYTES, RegistrationError};
use crate::ports::Ports;

/// Serves a registration: switch, method, limit, media type, body, metadata.
pub async fn serve<P: Ports, B: RequestBody>(
    issuer: &Issuer<'_, P>,
    limits: &Limits<'_, P::Limiter>,
    request: &Request,
    body: B,
) -> Result<Served, Refusal> {
    if !issuer.server.registration {
        return Err(Refusal::not_found());
    }
    if request.method != "POST" {
        return Err(Refusal::method_not_allowed("POST, OPTIONS"));
    }
    let limited = |seconds| Refusal::too_many_requests(seconds, "registration_limit");
    limits.purpose("registration", REGISTRATIONS_PER_MINUTE).await.map_err(limited)?;
    super::mcp_endpoint::check_media_type(&request.headers)
        .map_err(|_| invalid(WireError::InvalidClientMetadata, "Send the header Content-Type: application/json."))?;
    let body = body.read(MAX_REGISTRATION_BYTES).map_err(|error| match error {
        BodyError::TooLarge => Refusal::new(413, "The body is larger than 64 KiB.", "body_too_large"),
        BodyError::Interrupted => {
            invalid(WireError::InvalidClientMetadata, "The body did not arrive whole. Send it again.")
        }
    })?;
    let metadata = registration::read_request(&body, &issuer.server.private_schemes)
        .map_err(|error| invalid(error.wire(), advice(error)))?;
    let registered = clients::register(&issuer.vault, issuer.now, metadata).await.map_err(|_| unavailable())?;
    let body = registration::response(&registered.client, registered.secret.as_ref(), registered.issued.seconds());
    Ok(Served::plain(Response::json(201, body.to_string())))
}

fn invalid(error: WireError, text: &str) -> Refusal {
    Refusal::oauth(error, text, "registration")
}

/// What to mend.
fn advice(error: RegistrationError) -> &'static str {
    match error {
        RegistrationError::NotAnObject => "The body must be one JSON object in which no member is repeated.",
        RegistrationError::RedirectUris => {
            "redirect_uris must list 1 to 10 absolute URIs without fragment or wildcard: https, or http on loopback. \
             Other schemes must be allowed by the operator (PRIVATE_USE_REDIRECT_SCHEMES)."
        }
        RegistrationError::WebOnLoopback => "A client of application_type web cannot have a loopback redirect URI.",
        RegistrationError::AuthMethod => {
            "token_endpoint_auth_method must be none, client_secret_post or client_secret_basic."
        }
        RegistrationError::GrantTypes => "grant_types must have authorization_code and response_types must have code.",
        RegistrationError::Keys => "Send jwks or jwks_uri, not both, and no private key.",
        RegistrationError::Name => "client_name must be a text of at most 200 bytes.",
    }
}

/// Far above what a person needs; registering costs a record that lives for a day.
const REGISTRATIONS_PER_MINUTE: u32 = 10;
