//! The component's requests to upstreams, counted where one really starts: calls that share an exchange count once.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// The counters.
pub(crate) struct Calls {
    ended: Family<OutcomeLabels, Counter>,
    seconds: Histogram,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

impl Calls {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let calls = Self { ended: Family::default(), seconds: super::long() };
        registry.register("outbound_requests", "Requests to upstreams, by how they ended", calls.ended.clone());
        registry.register_with_unit(
            "outbound_request_duration",
            "Time that a request to an upstream took",
            Unit::Seconds,
            calls.seconds.clone(),
        );
        calls
    }

    /// A call has ended: with a class of statuses, or with the name of an error.
    pub(crate) fn ended(&self, outcome: &'static str, time: Duration) {
        self.ended.get_or_create(&OutcomeLabels { outcome }).inc();
        self.seconds.observe(time.as_secs_f64());
    }
}
