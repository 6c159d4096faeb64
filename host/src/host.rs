//! The embeddable host: one component with what it needs, and no listening socket.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, Limited};
use wasmtime::Engine;
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::handler::{ExpirationError, ProxyHandler, ProxyPre};

use crate::bindings::OperatorPre;
use crate::component::{self, ComponentError, ComponentSource};
use crate::guest_output::{self, LineSink};
use crate::in_flight::{InFlight, Permits};
use crate::instance::{self, Instance, Services};
use crate::limits::Limits;
use crate::oauth_store::{MemoryStore, OauthStore, OauthStoreState};
use crate::outbound_http::{OutboundError, OutboundHttpState};
use crate::rate_limit::RateLimitState;
use crate::refusal::{Refusal, ResponseBody};
use crate::request_body;
use crate::secrets::SecretsState;
use crate::settings::Settings;
use crate::worker::Workers;

/// What a host is made of.
pub struct HostOptions {
    /// The values of the settings, secret ones included.
    pub settings: Settings,
    /// The component to run.
    pub component: ComponentSource,
    /// What it admits.
    pub limits: Limits,
    /// Where the authorization server's records live.
    pub oauth_store: Arc<dyn OauthStore>,
    /// Receives the component's log lines.
    pub log: LineSink,
    /// Whether an address that an outsider chose may be one of this machine's loopback addresses. Only for tests and
    /// demonstrations of which every client is on this machine: anybody else could reach what listens here. The
    /// setting `ALLOW_LOOPBACK_CLIENT_METADATA` alone does not turn it on; see [`HostOptions::loopback_is_public`].
    pub loopback_is_public: bool,
}

impl HostOptions {
    /// The embedded component with `settings`, records in memory, log lines on standard error.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            component: ComponentSource::Embedded,
            limits: Limits::default(),
            oauth_store: Arc::new(MemoryStore::default()),
            log: guest_output::standard_error(),
            loopback_is_public: false,
        }
    }

    /// What the field of this name should be for a server on `listen`: the setting `ALLOW_LOOPBACK_CLIENT_METADATA`
    /// counts where only this machine reaches the server.
    pub fn loopback_is_public(settings: &Settings, listen: IpAddr) -> bool {
        listen.to_canonical().is_loopback() && settings.value("ALLOW_LOOPBACK_CLIENT_METADATA") == Some("true")
    }
}

/// Why a host cannot start, or cannot ask the component.
#[derive(Debug, PartialEq, Eq)]
pub enum HostError {
    /// There is no component to run.
    Component(ComponentError),
    /// The component needs something that this host does not have, or lacks something that it needs; the cause.
    Mismatch(String),
    /// The HTTP client cannot be set up.
    Outbound(OutboundError),
    /// The component failed while it answered the operator; the cause.
    Operator(String),
}

impl std::fmt::Display for HostError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Component(error) => error.fmt(out),
            Self::Mismatch(cause) => write!(out, "the component does not fit this host: {cause}"),
            Self::Outbound(error) => error.fmt(out),
            Self::Operator(cause) => write!(out, "the component failed: {cause}"),
        }
    }
}

impl std::error::Error for HostError {}

/// A running component. Clones share it.
#[derive(Clone)]
pub struct Host(Arc<Running>);

struct Running {
    engine: Engine,
    services: Arc<Services>,
    operator: OperatorPre<Instance>,
    handler: ProxyHandler<Workers>,
    permits: Permits,
}

impl Host {
    /// Loads the component and everything it imports. Starts nothing that outlives the value but one timer thread,
    /// which ends with it.
    ///
    /// # Errors
    /// When the component, the settings' files or the engine cannot be used.
    pub async fn new(options: HostOptions) -> Result<Self, HostError> {
        let engine = component::engine(&options.limits).map_err(HostError::Component)?;
        let component = component::load(&engine, &options.component).map_err(HostError::Component)?;
        let services = Arc::new(services(&options)?);
        let linked = instance::link(&engine, &component).map_err(mismatch)?;
        let operator = OperatorPre::new(linked.clone()).map_err(mismatch)?;
        let proxy = wasmtime_wasi_http::p2::bindings::ProxyPre::new(linked).map_err(mismatch)?;
        let handler = ProxyHandler::new(Workers {
            engine: engine.clone(),
            services: services.clone(),
            component: ProxyPre::P2(proxy),
        });
        tick_epochs(&engine);
        let permits = Permits::new(&options.limits);
        Ok(Self(Arc::new(Running { engine, services, operator, handler, permits })))
    }

    /// Answers one request. `client` is the address of the peer, if there is one; a header that claims it is dropped.
    /// Never fails: a trap, a deadline or an overload is a response too.
    pub async fn handle<B>(&self, request: Request<B>, client: Option<IpAddr>) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send,
    {
        let path = request.uri().path().to_owned();
        match self.answer(request, client).await {
            Ok(response) => response,
            Err(refusal) => {
                tracing::warn!(event = "refused", path, refusal = ?refusal, "the host answered by itself");
                refusal.response(&path)
            }
        }
    }

    /// The paths that the component serves. An application that embeds the host under `/internal` routes these to it.
    pub fn routes() -> &'static [&'static str] {
        &ROUTES
    }

    /// The limits that this host was made with.
    pub fn limits(&self) -> &Limits {
        &self.0.services.limits
    }

    /// Waits until the component works on no request, or until `time` is over; tells which.
    pub async fn drained(&self, time: Duration) -> bool {
        tokio::time::timeout(time, self.0.permits.all_returned()).await.is_ok()
    }

    async fn answer<B>(&self, request: Request<B>, client: Option<IpAddr>) -> Result<Response<ResponseBody>, Refusal>
    where
        B: Body<Data = Bytes> + Send,
    {
        let limits = self.limits();
        let (mut head, body) = request.into_parts();
        require_host(&head)?;
        let body = request_body::read(body, limits.request_body_bytes, limits.request_body_time).await?;
        head.headers.remove(CLIENT_ADDRESS);
        if let Some(address) = client.and_then(|address| HeaderValue::try_from(address.to_string()).ok()) {
            head.headers.insert(CLIENT_ADDRESS, address);
        }
        let in_flight = self.0.permits.admit().ok_or(Refusal::Busy)?;
        let request = Request::from_parts(head, Full::new(body).map_err(|never| match never {}).boxed_unsync());
        match tokio::time::timeout(limits.request_time, self.ask(in_flight.clone(), request)).await {
            Ok(answer) => {
                in_flight.answered();
                answer
            }
            Err(_) => Err(Refusal::Deadline),
        }
    }

    async fn ask(&self, in_flight: InFlight, request: Request<WasiBody>) -> Result<Response<ResponseBody>, Refusal> {
        let answer = self.0.handler.handle(in_flight, request).await.map_err(|error| failure(&error))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, self.limits().response_body_bytes).collect().await.map_err(|error| {
            tracing::error!(event = "broken_response", cause = %error, "the component broke off its answer");
            Refusal::Failed
        })?;
        Ok(Response::from_parts(head, Full::new(body.to_bytes())))
    }

    pub(crate) fn parts(&self) -> (&Engine, &Arc<Services>, &OperatorPre<Instance>) {
        (&self.0.engine, &self.0.services, &self.0.operator)
    }
}

fn services(options: &HostOptions) -> Result<Services, HostError> {
    let settings = &options.settings;
    Ok(Services {
        environment: settings.environment(),
        log: options.log.clone(),
        limits: options.limits,
        oauth_store: OauthStoreState::new(options.oauth_store.clone()),
        outbound_http: OutboundHttpState::new(settings.value("EXTRA_CA_FILE"), options.loopback_is_public)
            .map_err(HostError::Outbound)?,
        rate_limit: RateLimitState::default(),
        secrets: SecretsState::new(settings.clone()),
    })
}

/// RFC 9112, section 3.2: a server MUST answer 400 to a request without or with more than one `Host`. HTTP/2 carries
/// the host in the URI.
fn require_host(head: &http::request::Parts) -> Result<(), Refusal> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let first = hosts.next();
    let one = match (head.uri.authority(), first) {
        (Some(_), None) => true,
        (_, Some(host)) => host.to_str().is_ok_and(|host| !host.is_empty()),
        (None, None) => false,
    };
    if one && hosts.next().is_none() { Ok(()) } else { Err(Refusal::HostHeader) }
}

fn failure(error: &wasmtime::Error) -> Refusal {
    if error.is::<ExpirationError>() || matches!(error.downcast_ref(), Some(wasmtime::Trap::Interrupt)) {
        return Refusal::Deadline;
    }
    tracing::error!(event = "component_failed", cause = format!("{error:?}"), "the component gave no answer");
    Refusal::Failed
}

fn mismatch(error: wasmtime::Error) -> HostError {
    HostError::Mismatch(format!("{error:#}"))
}

/// Advances the engine's epoch for as long as the engine lives.
fn tick_epochs(engine: &Engine) {
    let engine = engine.weak();
    std::thread::spawn(move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(EPOCH);
        }
    });
}

/// How long a guest may compute before it lets others run on its thread.
const EPOCH: Duration = Duration::from_millis(10);
/// Carries the peer's address to the component.
const CLIENT_ADDRESS: HeaderName = HeaderName::from_static("plausible-mcp-client-addr");
/// DESIGN of the HTTP surface; the component answers everything else with 404.
const ROUTES: [&str; 12] = [
    "/mcp",
    "/internal",
    "/.well-known/oauth-protected-resource/internal",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-authorization-server",
    "/authorize",
    "/callback",
    "/token",
    "/register",
    "/revoke",
    "/admin/operator",
    "/healthz",
];
