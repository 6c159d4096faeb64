//! The embeddable host: one component with what it needs, and no listening socket.

mod builder;
mod health;
mod observed;
mod probe;
mod readiness;
mod service;
mod watch;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, Limited};
use wasmtime::Engine;
use wasmtime_wasi_http::WasiBody;

use crate::bindings::OperatorPre;
use crate::component::{self, ComponentError};
use crate::in_flight::Permits;
use crate::instance::{Instance, Services};
use crate::large_answers::{LargeAnswers, LargeCall, NoRoom, Weight};
use crate::limits::Limits;
use crate::memory::Need;
use crate::metrics::Metrics;
use crate::oauth_store::OauthStore;
use crate::outbound_http::{Caller, OutboundError};
use crate::refusal::{Refusal, ResponseBody};
use crate::request_body::{self, BodyRoom, Bounds, ReadBody};
use crate::surface::{Answers, Surface};
use crate::traces::{RequestSpan, Traces};
use crate::waiting::{Left, waiting};
use crate::worker::{self, Workers};
pub use builder::HostBuilder;
pub(crate) use health::is_liveness;
use observed::Observed;
use probe::Probe;
pub use readiness::NotReady;
use readiness::Stage;
use watch::SettingsRead;

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

/// The address of the client that sent a request, as an extension of the request. Rate limits count by it, so it must
/// come from the connection and not from what the client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// A running component. Clones share it. It is a [`tower` service](tower_service::Service) too.
#[derive(Clone)]
pub struct Host(Arc<Running>);

struct Running {
    engine: Engine,
    services: Arc<Services>,
    /// For questions that nobody else is asked about.
    alone: Arc<Services>,
    operator: OperatorPre<Instance>,
    workers: Workers,
    permits: Permits,
    body_room: BodyRoom,
    traces: Option<Arc<dyn Traces>>,
    stage: Stage,
    probe: Probe,
    settings_read: SettingsRead,
    surface: Surface,
}

impl Host {
    /// Options for a new host, all at their defaults.
    pub fn builder() -> HostBuilder {
        HostBuilder::new()
    }

    /// Answers one request. The address of the peer is read from the extension [`ClientAddress`]; a header that claims
    /// it is dropped. Never fails: a trap, a deadline or an overload is a response too.
    ///
    /// Dropping the future says that the client has left. A call of a tool ends with it: its upstream request is given up,
    /// unless others share it, and its place is free. What writes records is finished once the request is whole.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send,
    {
        let path = request.uri().path().to_owned();
        let observed = self.observed(&request);
        let response = match self.answer(request, &observed).await {
            Ok(response) => response,
            Err(refusal) => {
                observed.refused(refusal);
                refusal.response(self.answers(&path))
            }
        };
        observed.answered(response.status());
        response
    }

    /// Answers a request with `refusal` before the component is asked.
    pub(crate) fn refuse<B>(&self, request: &Request<B>, refusal: Refusal) -> Response<ResponseBody> {
        let observed = self.observed(request);
        observed.refused(refusal);
        let response = refusal.response(self.answers(request.uri().path()));
        observed.answered(response.status());
        response
    }

    /// Answers by `refusal` what the server could not read as a request; `path` as far as it could.
    pub(crate) fn refuse_unread(&self, path: &str, refusal: Refusal) -> Response<ResponseBody> {
        self.metrics().requests().refused(refusal);
        observed::tell_unread(path, refusal);
        refusal.response(self.answers(path))
    }

    /// What answers to requests for `path` have.
    pub(crate) fn answers(&self, path: &str) -> &Answers {
        self.0.surface.answers(path)
    }

    /// Whether a request for `path` ends when its client leaves.
    pub(crate) fn ends_with_client(&self, path: &str) -> bool {
        self.0.surface.ends_with_client(path)
    }

    /// The paths that the component serves, for an application that keeps other paths to itself. Each is also served
    /// with a slash at its end. `/mcp` may stand under
    /// any prefix that the application takes away before it passes the request on; sign-in at `/internal` needs all the
    /// others as they are, because `PUBLIC_URL` has no path.
    pub fn routes() -> &'static [&'static str] {
        &ROUTES
    }

    /// The limits that this host was made with.
    pub fn limits(&self) -> &Limits {
        &self.0.services.limits
    }

    /// The memory that a process with this host takes at most.
    pub(crate) fn memory(&self) -> Need {
        let limits = self.limits();
        Need::of(limits, component::most_instances(limits))
    }

    /// What this host has counted since it was made.
    pub fn metrics(&self) -> &Metrics {
        &self.0.services.metrics
    }

    /// Asks the store what it holds, unless that was done a short while ago, so that [`Metrics::encode`] says it. The
    /// operator's listener does so before it answers `/metrics`.
    pub async fn count_records(&self) {
        self.metrics().census().take(self.store()).await;
    }

    /// Waits until the component works on no request, or until `time` is over; tells which.
    pub async fn drained(&self, time: Duration) -> bool {
        tokio::time::timeout(time, self.0.permits.all_returned()).await.is_ok()
    }

    fn observed<B>(&self, request: &Request<B>) -> Observed {
        Observed::start(self.metrics().clone(), self.0.traces.as_deref(), request)
    }

    async fn answer<B>(&self, request: Request<B>, observed: &Observed) -> Result<Response<ResponseBody>, Refusal>
    where
        B: Body<Data = Bytes> + Send,
    {
        let (limits, surface, span) = (self.limits(), &self.0.surface, observed.span());
        let (mut head, body) = request.into_parts();
        require_host(&head)?;
        if let Some(alive) = health::answer(&head, surface) {
            return Ok(alive);
        }
        let largest = limits.request_body_bytes;
        let bounds =
            Bounds { wanted: surface.largest_body(&head).min(largest), largest, time: limits.request_body_time };
        let body = request_body::read(body, bounds, &self.0.body_room).await?;
        tell_guest(&mut head, span.as_deref());
        observed.id().write(&mut head.headers);
        if surface.ends_with_client(head.uri.path()) {
            return self.work(head, body, span).await;
        }
        // In a task of its own, so that it is finished whether or not anybody waits. It fails only by a panic, which the
        // log has already.
        let host = self.clone();
        tokio::spawn(async move { host.work(head, body, span).await }).await.unwrap_or(Err(Refusal::Failed))
    }

    /// Has the component work on a request that has arrived.
    async fn work(
        &self,
        head: http::request::Parts,
        body: ReadBody,
        span: Option<Arc<dyn RequestSpan>>,
    ) -> Result<Response<ResponseBody>, Refusal> {
        let (limits, surface) = (self.limits(), &self.0.surface);
        // What was not read is not missed: the component refuses the request, and says why.
        let ReadBody { bytes: body, is_whole, part: _part } = body;
        let in_flight = self.0.permits.admit(limits.admission_time).await.ok_or(Refusal::Busy)?;
        let large = Arc::<LargeCall>::default();
        large
            .reads(Weight::of(&body), self.0.services.outbound_http.room())
            .await
            .map_err(|NoRoom| Refusal::Crowded)?;
        let caller =
            Caller { in_flight: Some(in_flight.clone()), client: surface.client(&head), large: large.clone(), span };
        let (waiting, left) = waiting();
        let left = surface.ends_with_client(head.uri.path()).then_some(left);
        let request = Request::from_parts(head, Full::new(body).map_err(|never| match never {}).boxed_unsync());
        let answer = tokio::time::timeout(limits.request_time, self.ask(caller, request, left)).await;
        // Also where the time is over: then the guest has a deadline of its own.
        waiting.answered();
        match answer {
            Ok(answer) => {
                in_flight.answered();
                let answer = answer?.map(|body| Full::new(large.answered(body)));
                Ok(if is_whole { answer } else { closing(answer) })
            }
            Err(_) => Err(Refusal::Deadline),
        }
    }

    async fn ask(
        &self,
        caller: Caller,
        request: Request<WasiBody>,
        left: Option<Left>,
    ) -> Result<Response<Bytes>, Refusal> {
        let answer = self.0.workers.ask(caller, request, left).await.map_err(|error| failure(&error))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, self.limits().response_body_bytes);
        let body = whole(body, declared_length(&head.headers)).await.map_err(|error| {
            tracing::error!(event = "broken_response", cause = %error, "the component broke off its answer");
            Refusal::Failed
        })?;
        Ok(Response::from_parts(head, body))
    }

    /// The store that this host was made with.
    pub(crate) fn store(&self) -> &dyn OauthStore {
        self.0.services.oauth_store.store()
    }

    pub(crate) fn parts(&self) -> (&Engine, &Arc<Services>, &OperatorPre<Instance>) {
        (&self.0.engine, &self.0.services, &self.0.operator)
    }

    /// What an instance has that asks nobody.
    pub(crate) fn alone(&self) -> &Arc<Services> {
        &self.0.alone
    }
}

/// All of a body. A large one is put together as it comes, so that there is no second copy of it.
async fn whole<B>(body: B, declared: usize) -> Result<Bytes, B::Error>
where
    B: Body<Data = Bytes>,
{
    if !LargeAnswers::is_large(declared) {
        return Ok(body.collect().await?.to_bytes());
    }
    let (mut body, mut joined) = (std::pin::pin!(body), BytesMut::with_capacity(declared));
    while let Some(frame) = body.frame().await {
        joined.extend(frame?.into_data());
    }
    Ok(joined.freeze())
}

/// What the component says that its answer has, as far as it is to be believed.
fn declared_length(headers: &HeaderMap) -> usize {
    let declared = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    declared.filter(|length| *length <= MOST_DECLARED).unwrap_or_default()
}

/// The same as the last answer of its connection, on which the rest of a body is still under way.
fn closing(mut answer: Response<ResponseBody>) -> Response<ResponseBody> {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// Headers that the host alone may write: the client's address and, where requests are traced, the trace.
fn tell_guest(head: &mut http::request::Parts, span: Option<&dyn RequestSpan>) {
    head.headers.remove(CLIENT_ADDRESS);
    let client = head.extensions.get::<ClientAddress>().map(|client| client.0.to_canonical().to_string());
    if let Some(address) = client.and_then(|address| HeaderValue::try_from(address).ok()) {
        head.headers.insert(CLIENT_ADDRESS, address);
    }
    if let Some(span) = span {
        head.headers.remove(TRACEPARENT);
        head.headers.extend(HeaderValue::try_from(span.traceparent()).ok().map(|value| (TRACEPARENT, value)));
    }
}

/// RFC 9112, section 3.2: a server MUST answer 400 to a request without or with more than one `Host`. HTTP/2 carries
/// the host in the URI, and a `Host` beside it has to be the same (RFC 9113, section 8.3.1).
fn require_host(head: &http::request::Parts) -> Result<(), Refusal> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let first = hosts.next();
    let one = match (head.uri.authority(), first) {
        (Some(_), None) => true,
        (Some(authority), Some(host)) if head.version == Version::HTTP_2 => {
            host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes())
        }
        (_, Some(host)) => host.to_str().is_ok_and(|host| !host.is_empty()),
        (None, None) => false,
    };
    if one && hosts.next().is_none() { Ok(()) } else { Err(Refusal::HostHeader) }
}

fn failure(error: &wasmtime::Error) -> Refusal {
    if worker::is_interrupted(error) {
        return Refusal::Deadline;
    }
    tracing::error!(event = "component_failed", cause = format!("{error:?}"), "the component gave no answer");
    Refusal::Failed
}

/// The largest answer that is made room for before it comes: twice as much as tools answer.
const MOST_DECLARED: usize = 32 << 20;
/// Carries the peer's address to the component.
const CLIENT_ADDRESS: HeaderName = HeaderName::from_static("plausible-mcp-client-addr");
/// <https://www.w3.org/TR/trace-context/#traceparent-header>.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
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
