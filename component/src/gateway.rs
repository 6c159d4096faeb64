//! Routes a request and puts the parts together; nothing else does.
//!
//! The order of checks is one visible list, `Gateway::respond`: OPTIONS, host, origin, address limit, method,
//! credential, identity limit, media type, body.

mod answer_cache;
mod authorize_endpoint;
mod bearer;
mod bearer_token;
mod callback_endpoint;
pub mod check;
mod client_documents;
mod clients;
mod failed_login;
pub mod federation;
mod host_settings;
mod internal_endpoint;
mod issuer;
mod journal;
mod kept_documents;
mod limits;
mod mcp_endpoint;
mod metadata;
pub mod operator;
mod operator_endpoint;
mod origin;
pub mod pages;
mod plausible_budget;
mod register_endpoint;
mod reporting;
mod request;
mod response;
mod route;
mod setup;
mod shared_plausible;
mod surface;
mod token_endpoint;

pub use crate::config::{Config, ConfigError};
use crate::config::{LogLevel, SignIn};
use crate::ports::{Clock, Ports, SecretUnavailable};
use crate::telemetry::sentry::Report;
use crate::telemetry::{Identifiers, Outcome, RequestRecord, Severity};
pub use client_documents::StaleDocument;
pub use host_settings::HostSettings;
use issuer::Issuer;
use journal::Journal;
use limits::Limits;
pub use request::{BodyError, Headers, Request, RequestBody};
use response::Refusal;
pub use response::Response;
use route::Route;
pub use setup::Setup;

/// Answers requests.
pub struct Gateway<'a, P> {
    ports: &'a P,
    setup: Result<&'a Result<Setup, ConfigError>, SecretUnavailable>,
}

/// An answer and what the log says about it.
pub struct Answered {
    /// The response.
    pub response: Response,
    /// The record for the log; `None` when the log level leaves it out.
    pub record: Option<RequestRecord>,
    /// The lines for an audit, whatever the log level is; without their ends.
    pub audit: Vec<String>,
    /// What it leaves for Sentry, to be handed to [`Gateway::report`] when the response is out.
    pub report: Option<Report>,
    /// The client's document whose last good copy served, to be handed to [`Gateway::fetch_anew`] when the response is
    /// out.
    pub stale_document: Option<StaleDocument>,
}

/// What an endpoint makes of a request.
struct Served {
    response: Response,
    outcome: Outcome,
    mcp_method: Option<&'static str>,
    tool: Option<&'static str>,
}

impl<'a, P: Ports> Gateway<'a, P> {
    /// A gateway over `ports`. Settings that could not be read are told to whoever asks.
    pub fn new(ports: &'a P, setup: &'a Result<Setup, ConfigError>) -> Self {
        Gateway { ports, setup: Ok(setup) }
    }

    /// A gateway whose settings the host cannot read at the moment: whoever asks is told to come back.
    pub fn without_settings(ports: &'a P, unavailable: SecretUnavailable) -> Self {
        Gateway { ports, setup: Err(unavailable) }
    }

    /// The settings, where they could be read and are in order.
    fn settings(&self) -> Option<&'a Setup> {
        self.setup.ok()?.as_ref().ok()
    }

    /// Answers a request. It never fails: whatever is wrong is a response.
    pub async fn handle<B: RequestBody>(&self, request: &Request, body: B) -> Answered {
        if let Ok(setup) = self.setup
            && surface::is_asked_for(self.ports, request)
        {
            return Answered {
                response: surface::answer(setup),
                record: None,
                audit: Vec::new(),
                report: None,
                stale_document: None,
            };
        }
        let received = self.ports.clock().now();
        let request = &*request.without_copies();
        let route = Route::of(&request.path);
        let journal = self.journal(request);
        let outcome = self.respond(request, route, body, &journal).await;
        let evidence = outcome.as_ref().err().map(Refusal::evidence).unwrap_or_default();
        let mut served = outcome.unwrap_or_else(|refusal| Served::refused(refusal.in_form_of(route)));
        served.response.finish(route, &request.method);
        let record = RequestRecord {
            received,
            milliseconds: self.ports.clock().now().0.saturating_sub(received.0),
            request_id: journal.request_id.clone(),
            trace: journal.trace,
            route: route.map_or("other", Route::path),
            method: known_method(&request.method),
            status: served.response.status,
            outcome: served.outcome,
            causes: evidence.cause.into_iter().chain(journal.unreadable.causes()).collect(),
            ended_grant: evidence.ended_grant,
            upstream_status: evidence.upstream_status,
            mcp_method: served.mcp_method,
            tool: served.tool,
            client: journal.client,
            user: journal.user(),
            unreadable_records: journal.unreadable.so_far(),
            left_out_redirect_uris: journal.left_out(),
            calls: journal.tool_calls(),
            shared: journal.shared.so_far(),
        };
        let (report, wanted) = match self.settings() {
            Some(setup) => {
                (reporting::report(setup, &record, &journal), is_logged(record.severity(), setup.config.log_level))
            }
            None => (None, true),
        };
        let stale_document = journal.stale_document();
        let audit = journal.audit(received);
        Answered { response: served.response, record: wanted.then_some(record), audit, report, stale_document }
    }

    /// Fetches a client's document anew, once. Nobody waits for it any more, and whatever comes of it is for the next
    /// request.
    pub async fn fetch_anew(&self, document: &StaleDocument) {
        let Some(setup) = self.settings() else { return };
        let Ok(ring) = issuer::key_ring(self.ports.secrets()) else { return };
        if let Some(issuer) = Issuer::new(self.ports, setup, &ring) {
            // The last good copy serves on.
            let _ = client_documents::fetch(&issuer, &document.0).await;
        }
    }

    /// Sends what a request left for Sentry. Nobody waits for it any more. A line for the log when Sentry failed.
    pub async fn report(&self, report: &Report) -> Option<String> {
        let setup = self.settings()?;
        let delivery = reporting::send(self.ports, setup, report).await?;
        delivery.line(self.ports.clock().now()).filter(|_| setup.config.log_level >= LogLevel::Warn)
    }

    fn journal(&self, request: &Request) -> Journal {
        let random = self.ports.random();
        match self.settings() {
            Some(setup) => Journal::of(request, &setup.identifiers, random),
            None => Journal::of(request, &Identifiers::default(), random),
        }
    }

    async fn respond<B: RequestBody>(
        &self,
        request: &Request,
        route: Option<Route>,
        body: B,
        journal: &Journal,
    ) -> Result<Served, Refusal> {
        if request.method == "OPTIONS" {
            return Ok(Served::plain(Response::empty(204)));
        }
        if route == Some(Route::Healthz) {
            return healthz(request);
        }
        let read = self.setup.map_err(|unavailable| match route {
            Some(_) => Refusal::secret_unavailable(unavailable),
            None => Refusal::not_found(),
        })?;
        let setup = read.as_ref().map_err(|error| Refusal::misconfigured(error, route))?;
        let config = &setup.config;
        origin::check_host(request, config)?;
        if !route.is_some_and(Route::is_page) {
            origin::check_origin(request, config)?;
        }
        let limits = Limits::new(self.ports.limiter(), config, request);
        limits.address().await?;
        let outcome = self.dispatch(setup, &limits, request, route, body, journal).await;
        if let Err(refusal) = &outcome {
            limits.charge_for(refusal.status()).await;
        }
        outcome
    }
}

impl<P: Ports> Gateway<'_, P> {
    async fn dispatch<B: RequestBody>(
        &self,
        setup: &Setup,
        limits: &Limits<'_, P::Limiter>,
        request: &Request,
        route: Option<Route>,
        body: B,
        journal: &Journal,
    ) -> Result<Served, Refusal> {
        let sign_in = setup.config.sign_in.as_ref();
        let server = sign_in.and_then(|sign_in| sign_in.authorization_server.as_ref());
        match (route, sign_in, server) {
            (Some(Route::Mcp), ..) => mcp_endpoint::serve(self.ports, setup, limits, request, body, journal).await,
            (Some(Route::Internal), Some(sign_in), _) => {
                internal_endpoint::serve(self.ports, setup, sign_in, limits, request, body, journal).await
            }
            (Some(Route::Operator), ..) => {
                let read = self.setup.map_err(Refusal::secret_unavailable)?;
                operator_endpoint::serve(self.ports, read, limits, request, body, journal).await
            }
            (Some(route @ (Route::ServerMetadata | Route::InternalMetadata | Route::McpMetadata)), _, Some(server)) => {
                metadata::serve(self.ports, server, route, request).await
            }
            (Some(route), _, Some(_)) => self.authorize(setup, limits, request, route, body, journal).await,
            (Some(_), ..) => Err(Refusal::not_found()),
            (None, ..) => Err(nothing_at(&request.path, sign_in)),
        }
    }

    /// The endpoints of the authorization server, all of which need the server's keys.
    async fn authorize<B: RequestBody>(
        &self,
        setup: &Setup,
        limits: &Limits<'_, P::Limiter>,
        request: &Request,
        route: Route,
        body: B,
        journal: &Journal,
    ) -> Result<Served, Refusal> {
        if request.method == "POST" {
            check_body_headers(&request.headers)?;
        }
        let ring = issuer::key_ring(self.ports.secrets()).map_err(|error| issuer::without_secret(&error))?;
        let issuer = Issuer::new(self.ports, setup, &ring).ok_or_else(Refusal::not_found)?;
        let outcome = match route {
            Route::Authorize => authorize_endpoint::serve(&issuer, limits, request, body).await,
            Route::Callback => callback_endpoint::serve(&issuer, request).await,
            Route::Token => token_endpoint::token(&issuer, limits, request, body).await,
            Route::Revoke => token_endpoint::revoke(&issuer, limits, request, body).await,
            Route::Register => register_endpoint::serve(&issuer, limits, request, body).await,
            _ => Err(Refusal::not_found()),
        };
        journal.unreadable.count(&issuer.vault);
        journal.take(issuer.notes.take());
        journal.note(issuer.acts.take());
        outcome
    }
}

impl Served {
    fn plain(response: Response) -> Served {
        Served { response, outcome: Outcome::Served, mcp_method: None, tool: None }
    }

    fn refused(refusal: Refusal) -> Served {
        let outcome = refusal.outcome();
        Served { response: refusal.into_response(), outcome, mcp_method: None, tool: None }
    }
}

/// The 404 for a path that is no route: it names the endpoint that the path lies under, if that is served.
fn nothing_at(path: &str, sign_in: Option<&SignIn>) -> Refusal {
    let has_server = sign_in.is_some_and(|sign_in| sign_in.authorization_server.is_some());
    let is_served = |route: &Route| match route {
        Route::Mcp | Route::Healthz => true,
        Route::Internal => sign_in.is_some(),
        // Whether it is there is nobody's business but the operator's.
        Route::Operator => false,
        _ => has_server,
    };
    Refusal::not_found_near(Route::above(path).filter(is_served).unwrap_or(Route::Mcp))
}

/// What is wrong with a form or a registration before it is read, whichever endpoint it was sent to.
fn check_body_headers(headers: &Headers) -> Result<(), Refusal> {
    for name in ["authorization", "content-type"] {
        headers.single(name).map_err(Refusal::conflicting)?;
    }
    mcp_endpoint::check_coding(headers)
}

/// Liveness: no host check, no secrets, no version.
fn healthz(request: &Request) -> Result<Served, Refusal> {
    match request.method.as_str() {
        "GET" | "HEAD" => Ok(Served::plain(Response::json(200, "{\"status\":\"ok\"}".to_owned()))),
        _ => Err(Refusal::method_not_allowed("GET, HEAD, OPTIONS")),
    }
}

/// Whether the log level lets a record through.
fn is_logged(severity: Severity, level: LogLevel) -> bool {
    match severity {
        Severity::Error => true,
        Severity::Warn => level >= LogLevel::Warn,
        Severity::Info => level >= LogLevel::Info,
    }
}

fn known_method(method: &str) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}

#[cfg(test)]
mod tests;
