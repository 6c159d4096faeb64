//! `outbound-http`: the component's requests to upstreams. This file converts between WIT and Rust; what is sent and
//! refused is decided in its submodules.

mod address;
mod breaker;
mod breakers;
mod client;
mod failure;
mod flight;
mod observed;
mod places;
mod policy;
mod request;
mod resolver;
mod retry_after;
mod slots;
mod trust;
mod upstream;
mod upstreams;

use std::net::IpAddr;
use std::sync::Arc;

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use crate::bindings::outbound_http as wit;
use crate::in_flight::InFlight;
use crate::large_answers::{LargeAnswers, LargeCall};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::parts::{self, Parts};
use crate::traces::RequestSpan;
use crate::wall_clock::WallClock;
use client::Clients;
use flight::{Answer, Flight, Flights, Outcome, response};
use observed::Observed;
use places::{Client, Place};
pub use policy::HttpPolicy;
pub use trust::OutboundError;
#[cfg(any(feature = "otlp", feature = "redis"))]
pub(crate) use trust::client_tls;
pub(crate) use trust::trust_faults;
use upstream::Asked;
pub(crate) use upstream::{PerUpstream, Upstream};
use upstreams::BUSY;
pub(crate) use upstreams::{UpstreamState, Upstreams};

/// What all instances share: connections and exchanges under way.
#[derive(Clone)]
pub struct OutboundHttpState {
    clients: Arc<Clients>,
    flights: Arc<Flights>,
    upstreams: Arc<Upstreams>,
    large_answers: Arc<LargeAnswers>,
    metrics: Option<Metrics>,
    parts: Option<Parts>,
    /// Nothing is sent.
    is_unplugged: bool,
}

/// A request under way, as the component holds it. Dropping the last holder gives the request up.
#[derive(Debug)]
pub struct Exchange {
    flight: Arc<Flight>,
    /// For whom the answer is waited for, and the place of who does; `None` where there is nothing to wait for.
    waiting: Option<(Upstream, Place)>,
}

/// For whom the component sends requests: the request that it works on.
#[derive(Clone, Default)]
pub(crate) struct Caller {
    pub(crate) in_flight: Option<InFlight>,
    pub(crate) client: Option<IpAddr>,
    pub(crate) large: Arc<LargeCall>,
    pub(crate) span: Option<Arc<dyn RequestSpan>>,
}

/// The client as one call of the component sees it.
pub struct OutboundHttpView<'a> {
    state: &'a OutboundHttpState,
    table: &'a mut ResourceTable,
    caller: Option<&'a Caller>,
}

impl OutboundHttpState {
    /// A client that trusts the system's certificate authorities and those in the PEM file `extra_ca_file`, and sends
    /// what `policy` lets through, within the default [`Limits`].
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn new(extra_ca_file: Option<&str>, policy: HttpPolicy) -> Result<Self, OutboundError> {
        let clients = Arc::new(Clients::new(extra_ca_file, policy)?);
        let limits = Limits::default();
        Ok(Self {
            clients,
            flights: Arc::default(),
            upstreams: Arc::new(Upstreams::new(&limits)),
            large_answers: Arc::new(LargeAnswers::new(&limits)),
            metrics: None,
            parts: None,
            is_unplugged: false,
        })
    }

    /// The same with as many requests under way, and as much room for large answers, as `limits` say.
    pub fn limited(self, limits: &Limits) -> Self {
        let large_answers = Arc::new(LargeAnswers::new(limits));
        Self { upstreams: Arc::new(Upstreams::new(limits)), large_answers, ..self }
    }

    /// The same for a host: what an upstream asks to wait for by a date is counted from `wall_clock`.
    pub(crate) fn of_host(self, limits: &Limits, wall_clock: WallClock) -> Self {
        let upstreams = Arc::new(Upstreams::new(limits).with_wall_clock(wall_clock));
        Self { upstreams, ..self.limited(limits) }
    }

    /// How requests to each upstream fare.
    pub(crate) fn upstreams(&self) -> &Arc<Upstreams> {
        &self.upstreams
    }

    /// The room for large answers.
    pub(crate) fn room(&self) -> &LargeAnswers {
        &self.large_answers
    }

    /// The same with its exchanges counted.
    pub(crate) fn counted(mut self, metrics: &Metrics) -> Self {
        self.metrics = Some(metrics.clone());
        self
    }

    /// The same, which tells `parts` what its exchanges come to.
    pub(crate) fn watched(mut self, parts: &Parts) -> Self {
        self.parts = Some(parts.clone());
        self
    }

    /// The same without a network: nothing is sent, and nobody is waited for.
    pub(crate) fn unplugged(mut self) -> Self {
        self.is_unplugged = true;
        self
    }

    /// For [`add_to_linker`]; `table` is that of the store.
    pub fn view<'a>(&'a self, table: &'a mut ResourceTable) -> OutboundHttpView<'a> {
        OutboundHttpView { state: self, table, caller: None }
    }
}

impl<'a> OutboundHttpView<'a> {
    /// What is sent is done for `caller`.
    pub(crate) fn within(mut self, caller: &'a Caller) -> Self {
        self.caller = Some(caller);
        self
    }

    /// Joins the exchange that is under way already, or starts one. The error says why neither may be.
    fn start(&self, request: &wit::Request, asked: Option<Asked>) -> Result<Exchange, wit::Error> {
        let upstreams = &self.state.upstreams;
        let place = asked.as_ref().map(|asked| (asked.upstream, upstreams.wait(asked)));
        let is_crowded = matches!(place, Some((_, None)));
        let flight = self.state.flights.start(request.coalesce.clone(), || {
            let begun = asked.map(|asked| upstreams.begin(asked, is_crowded)).transpose()?;
            let (clients, room) = (self.state.clients.clone(), self.state.large_answers.clone());
            let (metrics, parts) = (self.state.metrics.clone(), self.state.parts.clone());
            let (request, span) = (request.clone(), self.caller.and_then(|caller| caller.span.clone()));
            Ok(async move {
                // Not before: an exchange that is shared instead does not come here.
                let observed = Observed::start(metrics, span.as_deref(), &request);
                let request = observed.sent(request);
                let exchange = parts::Exchange::of(&request);
                let outcome = clients.exchange(request, &room).await;
                observed.ended(&outcome);
                if let Some(parts) = parts {
                    parts.ended(&exchange, response(&outcome));
                }
                if let Some(begun) = begun {
                    begun.ended(response(&outcome));
                }
                outcome
            })
        })?;
        let waiting = match place {
            Some((upstream, place)) => Some((upstream, place.ok_or(BUSY)?)),
            None => None,
        };
        Ok(Exchange { flight, waiting })
    }

    /// An exchange that was over before it began.
    fn refused(&self, request: &wit::Request, upstream: Option<Upstream>, error: wit::Error) -> Exchange {
        if let Some(upstream) = upstream {
            self.state.upstreams.refused(upstream, &error);
        }
        let span = self.caller.and_then(|caller| caller.span.as_deref());
        let outcome = Err(error);
        if let Some(parts) = &self.state.parts {
            parts.ended(&parts::Exchange::of(request), response(&outcome));
        }
        Observed::start(self.state.metrics.clone(), span, request).ended(&outcome);
        Exchange { flight: Flight::over(outcome), waiting: None }
    }
}

/// The answer as the component gets it, once there is room for what `call` makes of it.
async fn handed_over(
    outcome: Outcome,
    call: Option<&LargeCall>,
    room: &LargeAnswers,
) -> Result<wit::Response, wit::Error> {
    let Answer { response, weight, .. } = &*outcome?;
    if let Some(call) = call {
        call.reads(*weight, room).await?;
    }
    Ok(response.clone())
}

impl wit::Host for OutboundHttpView<'_> {
    fn refusal(&mut self, request: wit::Request) -> wasmtime::Result<Option<wit::Error>> {
        let asked = Asked::of(&request, None);
        Ok(asked.and_then(|asked| self.state.upstreams.refusal(&asked)))
    }

    fn send(&mut self, request: wit::Request) -> wasmtime::Result<Resource<Exchange>> {
        if self.state.is_unplugged {
            let exchange = self.refused(&request, None, wit::Error::NameNotResolved);
            return Ok(self.table.push(exchange)?);
        }
        let asked = Asked::of(&request, self.caller.map(|caller| Client::of(caller.client)));
        let upstream = asked.as_ref().map(|asked| asked.upstream);
        let exchange = self.start(&request, asked).unwrap_or_else(|error| self.refused(&request, upstream, error));
        Ok(self.table.push(exchange)?)
    }
}

impl wit::HostExchange for OutboundHttpView<'_> {
    async fn response(&mut self, exchange: Resource<Exchange>) -> wasmtime::Result<Result<wit::Response, wit::Error>> {
        let Exchange { flight, waiting } = self.table.get(&exchange)?;
        let (flight, upstream) = (flight.clone(), waiting.as_ref().map(|(upstream, _)| *upstream));
        let in_flight = self.caller.and_then(|caller| caller.in_flight.as_ref());
        let call = self.caller.map(|caller| &*caller.large);
        // Who waits for room waits as well: a large answer that finds none keeps no place from requests that need none.
        let answer = async { handed_over(flight.outcome().await, call, &self.state.large_answers).await };
        let outcome = match (in_flight, upstream) {
            (Some(in_flight), Some(upstream)) => in_flight.waits_for(upstream, answer).await,
            _ => answer.await,
        };
        self.table.get_mut(&exchange)?.waiting = None;
        Ok(outcome)
    }

    fn drop(&mut self, exchange: Resource<Exchange>) -> wasmtime::Result<()> {
        self.table.delete(exchange)?;
        Ok(())
    }
}

struct HasOutboundHttp;

impl HasData for HasOutboundHttp {
    type Data<'a> = OutboundHttpView<'a>;
}

/// Supplies `plausible-mcp:host/outbound-http` from the part of `T` that `view` shows.
///
/// # Errors
/// When the linker has the interface already.
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> OutboundHttpView<'_>,
) -> wasmtime::Result<()> {
    wit::add_to_linker::<_, HasOutboundHttp>(linker, view)
}
