//! `POST /token` (RFC 6749 §3.2) and `POST /revoke` (RFC 7009).

use serde_json::json;

use super::Served;
use super::client_documents::DocumentFailure;
use super::clients::{self, NoClient};
use super::issuer::Issuer;
use super::limits::Limits;
use super::request::{BodyError, Headers, Request, RequestBody};
use super::response::{Refusal, Response};
use crate::oauth::client::{Client, ClientError, Credentials};
use crate::oauth::code::{self, Exchange};
use crate::oauth::error::WireError;
use crate::oauth::form::{Form, MAX_FORM_BYTES};
use crate::oauth::grant::Issued;
use crate::oauth::refresh::{self, Refresh};
use crate::oauth::revoke::{self, Revoked};
use crate::oauth::scope::{SCOPE, check_scope};
use crate::ports::Ports;
use crate::telemetry::Act;

/// Serves `/token`: method, media type, body, client, then what the grant type says.
pub async fn token<P: Ports, B: RequestBody>(
    issuer: &Issuer<'_, P>,
    limits: &Limits<'_, P::Limiter>,
    request: &Request,
    body: B,
) -> Result<Served, Refusal> {
    let form = read_form(request, body)?;
    let grant_type = required(&form, "grant_type")?;
    let client = authenticate(issuer, limits, &request.headers, &form).await?;
    let issued = match grant_type {
        "authorization_code" => redeem(issuer, &client, &form).await?,
        "refresh_token" if !client.metadata.may_refresh => {
            let text = "This client registered without the grant type refresh_token. Sign in again.";
            return Err(Refusal::oauth(WireError::UnauthorizedClient, text, "grant_type"));
        }
        "refresh_token" => refresh(issuer, &client, &form).await?,
        _ => {
            let text = "Ask with grant_type authorization_code or refresh_token.";
            return Err(Refusal::oauth(WireError::UnsupportedGrantType, text, "grant_type"));
        }
    };
    clients::renew(issuer, &client).await;
    Ok(Served::plain(Response::json(200, body_of(&issued)).with_header("pragma", "no-cache".to_owned())))
}

/// Serves `/revoke`. Whatever the token is, the answer is the same (RFC 7009 §2.2).
pub async fn revoke<P: Ports, B: RequestBody>(
    issuer: &Issuer<'_, P>,
    limits: &Limits<'_, P::Limiter>,
    request: &Request,
    body: B,
) -> Result<Served, Refusal> {
    let form = read_form(request, body)?;
    let token = required(&form, "token")?;
    let client = authenticate(issuer, limits, &request.headers, &form).await?;
    let revoked = revoke::revoke(&issuer.vault, &client.id, token).await;
    match revoked.map_err(|error| unavailable().because(error.reason()))? {
        Revoked::Nothing => {}
        Revoked::AccessToken(of) => issuer.note(Act::token_revoked(&of.user, &client.id, &of.grant)),
        Revoked::Grant(of) => issuer.note(Act::grant_revoked(&of.user, &client.id, &of.grant)),
    }
    Ok(Served::plain(Response::empty(200)))
}

async fn redeem<P: Ports>(issuer: &Issuer<'_, P>, client: &Client, form: &Form) -> Result<Issued, Refusal> {
    let exchange = Exchange {
        client_id: &client.id,
        code: required(form, "code")?,
        redirect_uri: optional(form, "redirect_uri")?,
        verifier: optional(form, "code_verifier")?,
        resource: issuer.resource.requested(form),
    };
    check_form_scope(form)?;
    let admits = |email: &str| issuer.admits(email);
    let issued = code::redeem(&issuer.vault, issuer.now, issuer.resource, &exchange, admits).await;
    let issued = issued.map_err(|error| {
        note_end(issuer, client, error.ended_grant(), error.reason());
        grant_refused(error.wire(), "code").because(error.reason()).ending(error.ended_grant())
    })?;
    issuer.note(Act::signed_in(&issued.grant.user, &client.id, &issued.grant.grant));
    Ok(issued)
}

async fn refresh<P: Ports>(issuer: &Issuer<'_, P>, client: &Client, form: &Form) -> Result<Issued, Refusal> {
    let token = required(form, "refresh_token")?;
    let request = Refresh { client_id: &client.id, token, resource: issuer.resource.requested(form) };
    check_form_scope(form)?;
    let admits = |email: &str| issuer.admits(email);
    let issued = refresh::refresh(&issuer.vault, issuer.now, issuer.resource, &request, admits).await;
    let issued = issued.map_err(|error| {
        note_end(issuer, client, error.ended_grant(), error.reason());
        grant_refused(error.wire(), "refresh").because(error.reason()).ending(error.ended_grant())
    })?;
    issuer.note(Act::refreshed(&issued.grant.user, &client.id, &issued.grant.grant));
    Ok(issued)
}

/// Notes that a grant ended because something came a second time, if one did.
fn note_end<P: Ports>(issuer: &Issuer<'_, P>, client: &Client, ended: Option<&str>, cause: &'static str) {
    if let Some(grant) = ended {
        issuer.note(Act::grant_ended(&client.id, grant, cause));
    }
}

/// Reads the form of a request to an endpoint of clients. Parameters in the query are refused (RFC 6749 §3.2).
fn read_form<B: RequestBody>(request: &Request, body: B) -> Result<Form, Refusal> {
    if request.method != "POST" {
        return Err(Refusal::method_not_allowed("POST, OPTIONS"));
    }
    let invalid = |text: &str, reason| Refusal::oauth(WireError::InvalidRequest, text, reason);
    if !request.query.is_empty() {
        return Err(invalid("Parameters belong in the body, not in the URL.", "query"));
    }
    if !is_form(&request.headers) {
        return Err(invalid("Send the header Content-Type: application/x-www-form-urlencoded.", "media_type"));
    }
    let body = body.read(MAX_FORM_BYTES).map_err(|error| match error {
        BodyError::TooLarge => Refusal::new(413, "The body is larger than 64 KiB.", "body_too_large"),
        BodyError::Interrupted => invalid("The body did not arrive whole. Send it again.", "body_interrupted"),
    })?;
    Form::parse(&body, MAX_FORM_BYTES).map_err(|_| invalid("The body is not a form of text fields.", "form"))
}

pub(super) fn is_form(headers: &Headers) -> bool {
    let value = headers.value("content-type").unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") && !value.contains(',')
}

/// The client of a request, once it has proven who it is.
async fn authenticate<P: Ports>(
    issuer: &Issuer<'_, P>,
    limits: &Limits<'_, P::Limiter>,
    headers: &Headers,
    form: &Form,
) -> Result<Client, Refusal> {
    let authorization = headers.single("authorization").map_err(Refusal::conflicting)?;
    let by_header = authorization.is_some();
    let refused = |error: ClientError| client_refused(by_header, error);
    let credentials = Credentials::read(authorization.as_deref(), form).map_err(refused)?;
    let client = match clients::find_standing(issuer, limits, &credentials.client_id).await {
        Ok(client) => client,
        Err(NoClient::Store(error)) => return Err(unavailable().because(error.reason())),
        Err(NoClient::Unknown) => {
            let carried = client_of_code(issuer, &credentials.client_id, form).await?;
            carried.ok_or_else(|| unknown_client(by_header))?
        }
        Err(NoClient::Document(failure)) if failure.keeps_the_client() => {
            let carried = client_of_code(issuer, &credentials.client_id, form).await?;
            carried.ok_or_else(|| document_away(&failure))?
        }
        Err(NoClient::TooMany(seconds)) => return Err(Refusal::too_many_requests(seconds, "document_limit")),
        Err(other) => {
            let text = "The document that describes this client cannot be used here.";
            return Err(invalid_client(by_header, text, other.reason()).because(other.cause()));
        }
    };
    client.authenticate(&credentials).map_err(refused)?;
    Ok(client)
}

/// The client as the code carries it: it may have been evicted, or its document may be away, since its user signed in.
async fn client_of_code<P: Ports>(
    issuer: &Issuer<'_, P>,
    client_id: &str,
    form: &Form,
) -> Result<Option<Client>, Refusal> {
    let code = optional(form, "code")?.unwrap_or_default();
    let found = code::client(&issuer.vault, issuer.now, code, client_id).await;
    found.map_err(|error| unavailable().because(error.reason()))
}

fn unknown_client(by_header: bool) -> Refusal {
    let text = "This client is not known here, or not any more. Remove the connection and add it again: the app then \
                registers anew.";
    invalid_client(by_header, text, NoClient::Unknown.reason())
}

/// A client that does not prove who it is.
fn client_refused(by_header: bool, error: ClientError) -> Refusal {
    let text = match error {
        ClientError::NoClientId => "The client id is missing. Send it in the header or in the body.",
        ClientError::MalformedBasic => {
            "The header Authorization is not Basic with a client id and a secret (RFC 6749, section 2.3.1)."
        }
        ClientError::ClientIdTwice => "The client id came more than once. Send one, in the header or in the body.",
        ClientError::SecretTwice => "The secret came more than once. Send it once, in the header or in the body.",
        ClientError::AssertionNotSupported => {
            "Clients authenticate here by client_secret_basic, client_secret_post or none, not by an assertion."
        }
        ClientError::MissingSecret => "This client has a secret and did not send it.",
        ClientError::UnexpectedSecret => "This client is registered without a secret. Do not send one.",
        ClientError::WrongSecret => {
            "The secret is not this client's. Remove the connection and add it again: the app then registers anew."
        }
    };
    let reason = "client_credentials";
    match error.wire() {
        WireError::InvalidClient => invalid_client(by_header, text, reason),
        wire => Refusal::oauth(wire, text, reason),
    }
    .because(error.reason())
}

/// RFC 6749 §5.2: who tried with the header is told that it may be tried again with it.
fn invalid_client(by_header: bool, text: &str, reason: &'static str) -> Refusal {
    let refusal = Refusal::oauth(WireError::InvalidClient, text, reason);
    match by_header {
        true => refusal.with_header("www-authenticate", "Basic realm=\"plausible-mcp\"".to_owned()),
        false => refusal,
    }
}

/// A client that reads `invalid_client` throws its registration and its tokens away: a fault on the way to its document
/// is no reason to.
fn document_away(failure: &DocumentFailure) -> Refusal {
    let text = "The document that describes this client cannot be fetched right now. Try again in a few seconds.";
    Refusal::oauth(WireError::TemporarilyUnavailable, text, failure.reason()).because(failure.cause())
}

fn grant_refused(error: WireError, reason: &'static str) -> Refusal {
    let text = match error {
        WireError::TemporarilyUnavailable => return unavailable(),
        WireError::InvalidTarget => {
            "Tokens are for this server's /internal only. Leave resource out, or send that URL."
        }
        _ => "The grant is not valid: it has ended, was used, or was made for another request. Sign in again.",
    };
    Refusal::oauth(error, text, reason)
}

pub(super) fn unavailable() -> Refusal {
    let text = "Records cannot be read or written right now. Try again in a few seconds.";
    Refusal::oauth(WireError::TemporarilyUnavailable, text, "store")
}

fn optional<'a>(form: &'a Form, name: &str) -> Result<Option<&'a str>, Refusal> {
    form.value(name).map_err(|_| {
        let text = format!("The parameter {name} came more than once.");
        Refusal::oauth(WireError::InvalidRequest, &text, "repeated_parameter")
    })
}

fn required<'a>(form: &'a Form, name: &str) -> Result<&'a str, Refusal> {
    optional(form, name)?.ok_or_else(|| {
        let text = format!("The parameter {name} is missing.");
        Refusal::oauth(WireError::InvalidRequest, &text, "missing_parameter")
    })
}

fn check_form_scope(form: &Form) -> Result<(), Refusal> {
    check_scope(optional(form, "scope")?).map_err(|_| {
        Refusal::oauth(WireError::InvalidScope, "The scope is malformed. Leave it out, or send mcp.", "scope")
    })
}

/// RFC 6749 §5.1.
fn body_of(issued: &Issued) -> String {
    let mut body = json!({
        "access_token": issued.access.expose(),
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "scope": SCOPE,
    });
    if let (Some(refresh), Some(members)) = (&issued.refresh, body.as_object_mut()) {
        members.insert("refresh_token".to_owned(), json!(refresh.expose()));
    }
    body.to_string()
}
