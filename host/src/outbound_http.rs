//! `outbound-http`: the component's requests to upstreams. This file converts between WIT and Rust; what is sent and
//! refused is decided in its submodules.

mod address;
mod client;
mod failure;
mod flight;
mod observed;
mod policy;
mod request;
mod resolver;
mod trust;

use std::sync::Arc;

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use crate::bindings::outbound_http as wit;
use crate::metrics::Metrics;
use crate::traces::RequestSpan;
use client::Clients;
use flight::{Flight, Flights};
use observed::Observed;
pub use policy::HttpPolicy;
pub use trust::OutboundError;
#[cfg(any(feature = "otlp", feature = "redis"))]
pub(crate) use trust::client_tls;

/// What all instances share: connections and exchanges under way.
#[derive(Clone)]
pub struct OutboundHttpState {
    clients: Arc<Clients>,
    flights: Arc<Flights>,
    metrics: Option<Metrics>,
}

/// A request under way, as the component holds it. Dropping the last holder gives the request up.
#[derive(Debug)]
pub struct Exchange(Arc<Flight>);

/// The client as one call of the component sees it.
pub struct OutboundHttpView<'a> {
    state: &'a OutboundHttpState,
    table: &'a mut ResourceTable,
    span: Option<&'a Arc<dyn RequestSpan>>,
}

impl OutboundHttpState {
    /// A client that trusts the system's certificate authorities and those in the PEM file `extra_ca_file`, and sends
    /// what `policy` lets through.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn new(extra_ca_file: Option<&str>, policy: HttpPolicy) -> Result<Self, OutboundError> {
        Ok(Self { clients: Arc::new(Clients::new(extra_ca_file, policy)?), flights: Arc::default(), metrics: None })
    }

    /// The same with its exchanges counted.
    pub(crate) fn counted(mut self, metrics: &Metrics) -> Self {
        self.metrics = Some(metrics.clone());
        self
    }

    /// For [`add_to_linker`]; `table` is that of the store.
    pub fn view<'a>(&'a self, table: &'a mut ResourceTable) -> OutboundHttpView<'a> {
        OutboundHttpView { state: self, table, span: None }
    }
}

impl<'a> OutboundHttpView<'a> {
    /// What is sent is done for the request of `span`.
    pub(crate) fn within(mut self, span: Option<&'a Arc<dyn RequestSpan>>) -> Self {
        self.span = span;
        self
    }
}

impl wit::Host for OutboundHttpView<'_> {
    fn send(&mut self, request: wit::Request) -> wasmtime::Result<Resource<Exchange>> {
        let coalesce = request.coalesce.clone();
        let clients = self.state.clients.clone();
        let (metrics, span) = (self.state.metrics.clone(), self.span.cloned());
        let flight = self.state.flights.start(coalesce, async move {
            // Not before: an exchange that is shared instead does not come here.
            let observed = Observed::start(metrics, span.as_deref(), &request);
            let request = observed.sent(request);
            let outcome = clients.exchange(request).await;
            observed.ended(&outcome);
            outcome
        });
        Ok(self.table.push(Exchange(flight))?)
    }
}

impl wit::HostExchange for OutboundHttpView<'_> {
    async fn response(&mut self, exchange: Resource<Exchange>) -> wasmtime::Result<Result<wit::Response, wit::Error>> {
        let flight = self.table.get(&exchange)?.0.clone();
        Ok(flight.outcome().await)
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
