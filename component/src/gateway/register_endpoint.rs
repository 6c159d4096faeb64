//! `POST /register`: dynamic client registration (RFC 7591).

use super::Served;
use super::issuer::Issuer;
use super::limits::Limits;
use super::request::{BodyError, Request, RequestBody};
use super::response::{Refusal, Response};
use super::token_endpoint::unavailable;
use crate::oauth::clients;
use crate::oauth::error::WireError;
use crate::oauth::registration::{self, MAX_REGISTRATION_BYTES, ReadMetadata, RegistrationError};
use crate::ports::Ports;

/// Serves a registration: switch, method, media type, body, metadata, limit. To register again what stands is free of
/// the limit: a vendor registers for all its users from one address.
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
    let ReadMetadata { metadata, left_out } = read(issuer, request, body)?;
    issuer.notes.borrow_mut().left_out = left_out;
    let stands = clients::stands(&issuer.vault, issuer.now, &metadata).await;
    if !stands.map_err(|error| unavailable().because(error.reason()))? {
        let limited = |seconds| Refusal::too_many_requests(seconds, "registration_limit");
        limits.purpose("registration", REGISTRATIONS_PER_MINUTE).await.map_err(limited)?;
    }
    let registered = clients::register(&issuer.vault, issuer.now, metadata).await;
    let registered = registered.map_err(|error| unavailable().because(error.reason()))?;
    let body = registration::response(&registered.client, registered.secret.as_ref(), registered.issued.seconds());
    Ok(Served::plain(Response::json(201, body.to_string())))
}

fn read<P: Ports, B: RequestBody>(issuer: &Issuer<'_, P>, request: &Request, body: B) -> Result<ReadMetadata, Refusal> {
    super::mcp_endpoint::check_media_type(&request.headers)
        .map_err(|_| invalid(WireError::InvalidClientMetadata, "Send the header Content-Type: application/json."))?;
    let body = body.read(MAX_REGISTRATION_BYTES).map_err(|error| match error {
        BodyError::TooLarge => Refusal::new(413, "The body is larger than 64 KiB.", "body_too_large"),
        BodyError::Interrupted => {
            invalid(WireError::InvalidClientMetadata, "The body did not arrive whole. Send it again.")
        }
    })?;
    registration::read_request(&body, &issuer.server.private_schemes).map_err(|error| {
        if let RegistrationError::NoRedirectUri(left_out) = &error {
            issuer.notes.borrow_mut().left_out = left_out.clone();
        }
        invalid(error.wire(), &error.rule())
    })
}

fn invalid(error: WireError, text: &str) -> Refusal {
    Refusal::oauth(error, text, "registration")
}

/// Far above what a person needs; registering costs a record that lives for a day.
const REGISTRATIONS_PER_MINUTE: u32 = 10;
