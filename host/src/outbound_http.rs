//! `outbound-http`: the component's requests to upstreams. This file converts between WIT and Rust; what is sent and
//! refused is decided in its submodules.

mod address;
mod client;
mod failure;
mod flight;
mod request;
mod resolver;
mod trust;

use std::sync::Arc;

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use crate::bindings::outbound_http as wit;
use client::Clients;
use flight::{Flight, Flights};
use resolver::PublicAddresses;
pub use trust::OutboundError;
#[cfg(feature = "redis")]
pub(crate) use trust::client_tls;

/// What all instances share: connections and exchanges under way.
#[derive(Clone)]
pub(crate) struct OutboundHttpState {
    clients: Arc<Clients>,
    flights: Arc<Flights>,
}

/// A request under way, as the component holds it. Dropping the last holder gives the request up.
#[derive(Debug)]
pub struct Exchange(Arc<Flight>);

pub(crate) struct OutboundHttpView<'a> {
    state: &'a OutboundHttpState,
    table: &'a mut ResourceTable,
}

impl OutboundHttpState {
    /// Clients that trust the system's certificate authorities and those in the PEM file `extra_ca_file`.
    /// `loopback_is_public`: the public internet includes this machine's loopback addresses.
    pub(crate) fn new(extra_ca_file: Option<&str>, loopback_is_public: bool) -> Result<Self, OutboundError> {
        let public = match loopback_is_public {
            true => PublicAddresses::GlobalAndLoopback,
            false => PublicAddresses::Global,
        };
        let clients = Arc::new(Clients::new(extra_ca_file, public)?);
        Ok(Self { clients, flights: Arc::default() })
    }

    pub(crate) fn view<'a>(&'a self, table: &'a mut ResourceTable) -> OutboundHttpView<'a> {
        OutboundHttpView { state: self, table }
    }
}

impl wit::Host for OutboundHttpView<'_> {
    fn send(&mut self, request: wit::Request) -> wasmtime::Result<Resource<Exchange>> {
        let coalesce = request.coalesce.clone();
        let clients = self.state.clients.clone();
        let flight = self.state.flights.start(coalesce, async move { clients.exchange(request).await });
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

struct OutboundHttp;

impl HasData for OutboundHttp {
    type Data<'a> = OutboundHttpView<'a>;
}

pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> OutboundHttpView<'_>,
) -> wasmtime::Result<()> {
    wit::add_to_linker::<_, OutboundHttp>(linker, view)
}
