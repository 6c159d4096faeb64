//! `outbound-http`: the component's requests to upstreams. This file converts between WIT and Rust; what is sent and
//! refused is decided in its submodules.

mod address;
mod client;
mod failure;
mod fetches;
mod flight;
mod observed;
mod policy;
mod request;
mod resolver;
mod trust;

use std::net::IpAddr;
use std::sync::Arc;

use http::Uri;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use crate::bindings::outbound_http as wit;
use crate::in_flight::InFlight;
use crate::metrics::Metrics;
use crate::traces::RequestSpan;
use client::Clients;
pub(crate) use fetches::WAITS;
use fetches::{Fetches, Place};
use flight::{Flight, Flights};
use observed::Observed;
pub use policy::HttpPolicy;
use resolver::is_invalid;
pub use trust::OutboundError;
#[cfg(any(feature = "otlp", feature = "redis"))]
pub(crate) use trust::client_tls;
pub(crate) use trust::trust_faults;

/// What all instances share: connections and exchanges under way.
#[derive(Clone)]
pub struct OutboundHttpState {
    clients: Arc<Clients>,
    flights: Arc<Flights>,
    fetches: Arc<Fetches>,
    metrics: Option<Metrics>,
}

/// A request under way, as the component holds it. Dropping the last holder gives the request up.
#[derive(Debug)]
pub struct Exchange {
    flight: Arc<Flight>,
    /// The place of who waits for the answer of an address that an outsider chose.
    place: Option<Place>,
}

/// For whom the component sends requests: the request that it works on.
#[derive(Clone, Default)]
pub(crate) struct Caller {
    pub(crate) in_flight: Option<InFlight>,
    pub(crate) client: Option<IpAddr>,
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
    /// what `policy` lets through.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn new(extra_ca_file: Option<&str>, policy: HttpPolicy) -> Result<Self, OutboundError> {
        let clients = Arc::new(Clients::new(extra_ca_file, policy)?);
        Ok(Self { clients, flights: Arc::default(), fetches: Arc::default(), metrics: None })
    }

    /// The same with its exchanges counted.
    pub(crate) fn counted(mut self, metrics: &Metrics) -> Self {
        self.metrics = Some(metrics.clone());
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

    /// Joins the exchange that is under way already, or starts one; `None` where there is no place for another.
    fn start(&self, request: &wit::Request, client: Option<IpAddr>) -> Option<Arc<Flight>> {
        let host = outsiders_host(request);
        let (clients, fetches) = (self.state.clients.clone(), self.state.fetches.clone());
        let (metrics, span) = (self.state.metrics.clone(), self.caller.and_then(|caller| caller.span.clone()));
        self.state.flights.start(request.coalesce.clone(), || {
            let place = match &host {
                Some(host) => Some(fetches.begin(client, host)?),
                None => None,
            };
            let request = request.clone();
            Some(async move {
                // Not before: an exchange that is shared instead does not come here.
                let observed = Observed::start(metrics, span.as_deref(), &request);
                let request = observed.sent(request);
                let outcome = clients.exchange(request).await;
                observed.ended(&outcome);
                if let (Some(host), Ok(wit::Response { status: 200, .. })) = (host, &outcome) {
                    fetches.answered(&host);
                }
                drop(place);
                outcome
            })
        })
    }

    /// An exchange that was over before it began.
    fn refused(&self, request: &wit::Request, error: wit::Error) -> Exchange {
        let span = self.caller.and_then(|caller| caller.span.as_deref());
        let outcome = Err(error);
        Observed::start(self.state.metrics.clone(), span, request).ended(&outcome);
        Exchange { flight: Flight::over(outcome), place: None }
    }
}

/// The host that an outsider wants to be asked, where asking may take time: a name that never resolves takes none.
fn outsiders_host(request: &wit::Request) -> Option<String> {
    let url: Uri = match request.reach {
        wit::Reach::Configured => return None,
        wit::Reach::PublicInternet => request.url.parse().ok()?,
    };
    url.host().filter(|host| !is_invalid(host)).map(str::to_owned)
}

impl wit::Host for OutboundHttpView<'_> {
    fn send(&mut self, request: wit::Request) -> wasmtime::Result<Resource<Exchange>> {
        let client = self.caller.and_then(|caller| caller.client);
        let place = outsiders_host(&request).map(|host| self.state.fetches.wait(client, &host));
        let started = match place {
            Some(None) => None,
            Some(place) => self.start(&request, client).map(|flight| Exchange { flight, place }),
            None => self.start(&request, client).map(|flight| Exchange { flight, place: None }),
        };
        let exchange = started.unwrap_or_else(|| self.refused(&request, wit::Error::Busy));
        Ok(self.table.push(exchange)?)
    }
}

impl wit::HostExchange for OutboundHttpView<'_> {
    async fn response(&mut self, exchange: Resource<Exchange>) -> wasmtime::Result<Result<wit::Response, wit::Error>> {
        let Exchange { flight, place } = self.table.get(&exchange)?;
        let flight = flight.clone();
        let in_flight = self.caller.and_then(|caller| caller.in_flight.as_ref()).filter(|_| place.is_some());
        if let Some(in_flight) = in_flight {
            in_flight.fetching();
        }
        let outcome = flight.outcome().await;
        if let Some(in_flight) = in_flight {
            in_flight.fetched();
        }
        self.table.get_mut(&exchange)?.place = None;
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
