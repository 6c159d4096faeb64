//! `GET /authorize`: the consent page. `POST /authorize`: the user's decision.
//!
//! The request is checked once, when the page is made; after that it is read from the sealed form or the store alone.
//! Whatever else a form carries counts for nothing.

use super::Served;
use super::client_documents::DocumentFailure;
use super::clients::{self, NoClient};
use super::failed_login;
use super::federation::{Federation, FederationError};
use super::issuer::Issuer;
use super::limits::Limits;
use super::pages::{Consent, Destination, DocumentFault, Page, Problem, ReturnToClient, UnusableClient};
use super::request::{BodyError, Headers, Request, RequestBody};
use super::response::{Refusal, Response};
use super::token_endpoint::is_form;
use crate::oauth::authorize::{self, AuthorizationRequest, ClientAnswer, PageError, Refused, Rules};
use crate::oauth::client::Client;
use crate::oauth::client_metadata::DocumentUrl;
use crate::oauth::error::WireError;
use crate::oauth::form::{Form, FormError, MAX_QUERY_BYTES};
use crate::oauth::redirect_uri::RedirectUri;
use crate::oauth::transaction::cookies::Cookies;
use crate::oauth::transaction::{self, Submission, TransactionError};
use crate::ports::{HttpError, Ports};

/// Serves the page, or takes the decision.
pub async fn serve<P: Ports, B: RequestBody>(
    issuer: &Issuer<'_, P>,
    limits: &Limits<'_, P::Limiter>,
    request: &Request,
    body: B,
) -> Result<Served, Refusal> {
    match request.method.as_str() {
        "GET" => ask(issuer, limits, request).await,
        "POST" => decide(issuer, limits, request, body).await,
        _ => Err(Refusal::method_not_allowed("GET, POST, OPTIONS")),
    }
}

/// Checks the request and asks the user.
async fn ask<P: Ports>(
    issuer: &Issuer<'_, P>,
    limits: &Limits<'_, P::Limiter>,
    request: &Request,
) -> Result<Served, Refusal> {
    let form = Form::parse(request.query.as_bytes(), MAX_QUERY_BYTES).map_err(|error| match error {
        FormError::TooLong => refuse(Problem::TooLong, "query_too_long"),
        _ => refuse(Problem::Malformed, "query"),
    })?;
    let client_id = authorize::client_id(&form).map_err(not_proven)?;
    let client = clients::find(issuer, limits, client_id).await.map_err(|error| no_client(client_id, &error))?;
    let rules = Rules { resource: issuer.resource, private_schemes: &issuer.server.private_schemes };
    let checked = match authorize::check(&form, &client, rules) {
        Ok(checked) => checked,
        Err(Refused::Page(error)) => return Err(not_proven(error)),
        Err(Refused::Client(answer)) => return Err(return_to_client(issuer, &answer)),
    };
    consent(issuer, request, &client, checked).await
}

async fn consent<P: Ports>(
    issuer: &Issuer<'_, P>,
    request: &Request,
    client: &Client,
    checked: AuthorizationRequest,
) -> Result<Served, Refusal> {
    let redirect_uri = redirect_uri(issuer, &checked)?;
    let opened = transaction::open(&issuer.vault, issuer.now, client, checked).map_err(stopped)?;
    let cookies = cookies_of(&request.headers);
    let document = DocumentUrl::parse(&client.id, issuer.server.documents.loopback).ok();
    let page = Consent {
        client_name: client.metadata.name.as_deref(),
        client_host: document.as_ref().map(DocumentUrl::host),
        destination: Destination::of(&redirect_uri),
        sites: issuer.sign_in.allowed_sites.as_deref(),
        domains: &issuer.sign_in.allowed_domains,
        handle: &opened.form.handle,
        token: &opened.form.token,
    };
    let response = page.page().into_response();
    let set = [opened.cookie.header(opened.cookie_seconds)];
    Ok(Served::plain(with_cookies(response, set.into_iter().chain(cookies.drop_oldest(&opened.id)))))
}

/// Takes what a form of ours says: handle, token and decision, and nothing else.
async fn decide<P: Ports, B: RequestBody>(
    issuer: &Issuer<'_, P>,
    limits: &Limits<'_, P::Limiter>,
    request: &Request,
    body: B,
) -> Result<Served, Refusal> {
    if !is_same_origin(&request.headers, &issuer.server.public_url) {
        return Err(refuse(Problem::CrossSite, "cross_site"));
    }
    if !is_form(&request.headers) {
        return Err(refuse(Problem::Malformed, "media_type"));
    }
    let body = body.read(MAX_DECISION_BYTES).map_err(|error| match error {
        BodyError::TooLarge => refuse(Problem::BodyTooLarge, "body_too_large"),
        BodyError::Interrupted => refuse(Problem::Malformed, "body_interrupted"),
    })?;
    let form = Form::parse(&body, MAX_DECISION_BYTES).map_err(|_| refuse(Problem::Malformed, "form"))?;
    let field = |name| form.value(name).map_err(|_| refuse(Problem::Malformed, "repeated_parameter"));
    let (handle, token) = (field("handle")?.unwrap_or_default(), field("token")?.unwrap_or_default());
    let cookies = cookies_of(&request.headers);
    let submission = Submission { handle, token, cookies: &cookies };
    let decision = field("decision")?.filter(|decision| matches!(*decision, "approve" | "deny"));
    let decision = decision.ok_or_else(|| refuse(Problem::Decision, "decision"))?;
    // A decision, whichever it is, writes a record.
    let room = limits.purpose("decision", DECISIONS_PER_MINUTE).await;
    room.map_err(|seconds| refuse(Problem::TooMany(seconds), "decision_limit"))?;
    match decision {
        "approve" => approve(issuer, &submission).await,
        _ => deny(issuer, &submission).await,
    }
}

async fn approve<P: Ports>(issuer: &Issuer<'_, P>, submission: &Submission<'_>) -> Result<Served, Refusal> {
    let federation = Federation { ports: issuer.ports, vault: &issuer.vault, now: issuer.now };
    // Asked first, so that an outage costs no attempt.
    if let Err(error) = federation.provider(issuer.server).await {
        return Err(not_started(issuer, submission, &error).await);
    }
    let started = transaction::approve(&issuer.vault, issuer.now, submission).await.map_err(stopped)?;
    clients::restore(issuer, &started.client).await;
    let location = match federation.authorization_url(issuer.server, &started).await {
        Ok(location) => location,
        Err(error) => return Err(not_started(issuer, submission, &error).await),
    };
    let set = [started.cookie.header(started.cookie_seconds)];
    Ok(Served::plain(with_cookies(Response::see_other(&location), set.into_iter())))
}

/// A login that cannot be started is shown as one that failed.
async fn not_started<P: Ports>(
    issuer: &Issuer<'_, P>,
    submission: &Submission<'_>,
    error: &FederationError,
) -> Refusal {
    match transaction::submitted(&issuer.vault, issuer.now, submission).await {
        Ok((form, request)) => failed_login::of_provider(issuer, &form, &request, error),
        Err(error) => stopped(error),
    }
}

/// The user has decided, so the client is told without another page.
async fn deny<P: Ports>(issuer: &Issuer<'_, P>, submission: &Submission<'_>) -> Result<Served, Refusal> {
    let denial = transaction::deny(&issuer.vault, issuer.now, submission).await.map_err(stopped)?;
    let request = denial.request;
    let answer = ClientAnswer {
        redirect_uri: redirect_uri(issuer, &request)?,
        error: WireError::AccessDenied,
        check: "denied",
        state: request.state,
    };
    let response = Response::see_other(&answer.location(issuer.resource));
    Ok(Served::plain(with_cookies(response, submission.cookies.end(&denial.id).into_iter())))
}

/// Anyone can register a redirect URI, so an automatic redirect would make this host an open redirector: only a program
/// on the user's own machine is answered without a click.
fn return_to_client<P: Ports>(issuer: &Issuer<'_, P>, answer: &ClientAnswer) -> Refusal {
    let location = answer.location(issuer.resource);
    if answer.redirect_uri.is_loopback() {
        return Refusal::with_response(Response::see_other(&location), answer.check);
    }
    let page = ReturnToClient {
        error: answer.error.code(),
        destination: Destination::of(&answer.redirect_uri),
        location: &location,
        resource: &issuer.resource.url(),
    };
    Refusal::with_response(page.page().into_response(), answer.check)
}

fn no_client(client_id: &str, error: &NoClient) -> Refusal {
    let problem = match error {
        NoClient::Unknown => Problem::ClientUnknown,
        NoClient::Document(failure) => return unusable_client(client_id, failure),
        NoClient::TooMany(seconds) => Problem::TooMany(*seconds),
        NoClient::Store(_) => Problem::Unavailable,
    };
    refuse(problem, error.reason()).because(error.cause())
}

/// Nothing may leave our pages, because it is not proven where to.
fn not_proven(error: PageError) -> Refusal {
    let refusal = match error {
        PageError::ClientId => refuse(Problem::Malformed, "client_id"),
        _ => refuse(Problem::RedirectUri, "redirect_uri"),
    };
    refusal.because(error.reason())
}

/// The page for an app whose document is of no use. An address that a host refuses is told in the words of one that
/// does not answer: nobody learns here what stands in a private network.
fn unusable_client(client_id: &str, failure: &DocumentFailure) -> Refusal {
    let rule = match failure {
        DocumentFailure::Document(error) => error.rule(),
        _ => String::new(),
    };
    let fault = match failure {
        DocumentFailure::Off | DocumentFailure::Fetch(HttpError::ReachUnsupported) => DocumentFault::Off,
        DocumentFailure::Url(_) | DocumentFailure::OwnHost => DocumentFault::Address,
        DocumentFailure::HostNotAllowed | DocumentFailure::Fetch(HttpError::NotAllowed) => {
            DocumentFault::HostNotAllowed
        }
        DocumentFailure::Fetch(HttpError::Busy { .. }) => DocumentFault::Busy,
        DocumentFailure::Fetch(HttpError::AddressRefused | HttpError::InvalidRequest | HttpError::ResponseTooLarge) => {
            DocumentFault::OutOfReach
        }
        DocumentFailure::Document(error) if error.is_gone() => DocumentFault::Gone,
        failure if failure.is_away() => DocumentFault::NotFetched,
        _ => DocumentFault::Rule(&rule),
    };
    let url = DocumentUrl::parse(client_id, true).ok();
    let page = UnusableClient { host: url.as_ref().map(DocumentUrl::host), fault };
    refuse_page(page.page(), failure.reason()).because(failure.cause())
}

/// The redirect URI of a request that was checked. The operator may have withdrawn its scheme since.
pub(super) fn redirect_uri<P: Ports>(
    issuer: &Issuer<'_, P>,
    request: &AuthorizationRequest,
) -> Result<RedirectUri, Refusal> {
    RedirectUri::parse(&request.redirect_uri, &issuer.server.private_schemes)
        .map_err(|error| refuse(Problem::RedirectUri, "redirect_uri").because(error.reason()))
}

/// A page of a problem as a refusal.
pub(super) fn refuse(problem: Problem, reason: &'static str) -> Refusal {
    refuse_page(problem.page(), reason)
}

pub(super) fn refuse_page(page: Page, reason: &'static str) -> Refusal {
    Refusal::with_response(page.into_response(), reason)
}

/// A transaction that does not go on.
pub(super) fn stopped(error: TransactionError) -> Refusal {
    let reason = match error {
        TransactionError::WrongBrowser => "wrong_browser",
        TransactionError::Superseded => "superseded",
        TransactionError::WrongCookie | TransactionError::WrongFormToken => "wrong_form",
        TransactionError::Contended | TransactionError::Store(_) => "store",
        TransactionError::TooManyAttempts => "too_many_attempts",
        _ => "transaction",
    };
    refuse(Problem::from(error), reason).because(error.reason())
}

/// The cookies of a request: HTTP/2 may send them in several lines (RFC 9113 §8.2.3).
pub(super) fn cookies_of(headers: &Headers) -> Cookies {
    Cookies::read(&headers.values("cookie").collect::<Vec<_>>().join("; "))
}

/// Adds `Set-Cookie` lines.
pub(super) fn with_cookies(response: Response, lines: impl Iterator<Item = String>) -> Response {
    lines.fold(response, |response, line| response.with_header("set-cookie", line))
}

/// Whether a page of ours sent the form. Under `Referrer-Policy: no-referrer` a browser sends `Origin: null` (Fetch,
/// "append a request Origin header"), so `Sec-Fetch-Site` decides where there is one.
fn is_same_origin(headers: &Headers, public_url: &str) -> bool {
    let origin = headers.value("origin");
    match headers.value("sec-fetch-site") {
        Some(site) => site == "same-origin" && origin.is_none_or(|origin| origin == "null" || origin == public_url),
        None => origin.as_deref() == Some(public_url),
    }
}

/// Handle, token and decision. The handle carries the request and its client, sealed: a client's redirect URIs take up to
/// 8 KB, the request as much, and base64 a third more.
pub(super) const MAX_DECISION_BYTES: usize = 32 * 1024;

/// Far above what a person decides; each first decision costs a record that lives for eleven minutes.
const DECISIONS_PER_MINUTE: u32 = 60;
