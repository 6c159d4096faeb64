//! Requests to the host, counted by `Host::handle` and by the server for those that it answers itself; those that hold a
//! place, by the worker that has it.

use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::refusal::Refusal;

/// The counters.
pub(crate) struct Requests {
    answered: Family<AnsweredLabels, Counter>,
    abandoned: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram>,
    in_flight: Gauge,
    refused: Family<RefusalLabels, Counter>,
}

/// Counts a request that the component works on for as long as it does, whether or not its client waits.
pub(crate) struct AtWork(Gauge);

/// What a request is, as far as labels say it.
#[derive(Debug, Clone, Copy, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    /// One of `Host::routes`, or `other`.
    pub(crate) route: &'static str,
    /// A method that is registered, or `other`.
    pub(crate) method: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AnsweredLabels {
    route: &'static str,
    method: &'static str,
    status: u16,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RefusalLabels {
    reason: &'static str,
}

impl Requests {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let requests = Self {
            answered: Family::default(),
            abandoned: Family::default(),
            seconds: Family::new_with_constructor(super::long),
            in_flight: Gauge::default(),
            refused: Family::default(),
        };
        registry.register("http_requests", "Requests that were answered", requests.answered.clone());
        registry.register(
            "http_requests_abandoned",
            "Requests whose client did not wait for the answer",
            requests.abandoned.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "Time from the head of a request to its complete answer",
            Unit::Seconds,
            requests.seconds.clone(),
        );
        registry.register(
            "http_requests_in_flight",
            "Requests that hold a place in the component",
            requests.in_flight.clone(),
        );
        for refusal in Refusal::ALL {
            requests.refused.get_or_create_owned(&RefusalLabels { reason: refusal.name() });
        }
        registry.register("refusals", "Requests that the host answered by itself", requests.refused.clone());
        requests
    }

    /// The component begins to work on a request.
    pub(crate) fn at_work(&self) -> AtWork {
        self.in_flight.inc();
        AtWork(self.in_flight.clone())
    }

    /// The host answers instead of the component.
    pub(crate) fn refused(&self, refusal: Refusal) {
        self.refused.get_or_create(&RefusalLabels { reason: refusal.name() }).inc();
    }

    /// A request has its answer, or nobody waits for it any more (`None`).
    pub(crate) fn ended(&self, labels: RequestLabels, status: Option<StatusCode>, time: Duration) {
        let RequestLabels { route, method } = labels;
        match status {
            Some(status) => {
                let status = status.as_u16();
                self.answered.get_or_create(&AnsweredLabels { route, method, status }).inc();
                self.seconds.get_or_create(&RouteLabels { route }).observe(time.as_secs_f64());
            }
            None => {
                self.abandoned.get_or_create(&labels).inc();
            }
        }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::Metrics;

    #[test]
    fn a_request_holds_its_place_until_the_component_is_done() {
        let metrics = Metrics::new();
        let (one, other) = (metrics.requests().at_work(), metrics.requests().at_work());
        drop(one);
        assert!(metrics.encode().contains("http_requests_in_flight 1\n"));
        drop(other);
        assert!(metrics.encode().contains("http_requests_in_flight 0\n"));
    }
}
