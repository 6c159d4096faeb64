//! Connections of clients, counted where they get their places.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// The counter.
pub(crate) struct Connections(Counter);

impl Connections {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let counter = Counter::default();
        let help = "Quiet connections that were closed because new ones needed their places";
        registry.register("connections_displaced", help, counter.clone());
        Self(counter)
    }

    /// One was closed.
    pub(crate) fn displaced(&self) {
        self.0.inc();
    }
}
