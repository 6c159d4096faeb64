//! How requests to each upstream fare: read when somebody asks, from where it is known.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::outbound_http::{UpstreamState, Upstreams};

/// Where the upstreams of a host are, once there are some. Before that, nothing is told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source(Arc<OnceLock<Weak<Upstreams>>>);

type Number = fn(&UpstreamState) -> u64;

impl Source {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let source = Self::default();
        registry.register_collector(Box::new(source.clone()));
        source
    }

    /// What is told from now on.
    pub(crate) fn is(&self, upstreams: &Arc<Upstreams>) {
        let _ = self.0.set(Arc::downgrade(upstreams));
    }
}

impl Collector for Source {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let Some(upstreams) = self.0.get().and_then(Weak::upgrade) else { return Ok(()) };
        let states = upstreams.states();
        for (name, help, number) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for state in &states {
                family.encode_family(&[("upstream", state.upstream.name())])?.encode_gauge(&number(state))?;
            }
        }
        let (name, help) = REFUSALS;
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for state in &states {
            for (reason, count) in [
                ("busy", state.refused_busy),
                ("out_of_service", state.refused_out_of_service),
                ("asked_to_wait", state.refused_asked_to_wait),
            ] {
                let labels = [("upstream", state.upstream.name()), ("reason", reason)];
                family.encode_family(&labels)?.encode_counter::<Vec<(&str, &str)>, _, u64>(&count, None)?;
            }
        }
        Ok(())
    }
}

const GAUGES: [(&str, &str, Number); 5] = [
    ("upstream_requests_in_flight", "Requests to an upstream that are under way", |state| number(state.in_flight)),
    ("upstream_requests_limit", "Most requests to an upstream at a time", |state| number(state.most)),
    ("upstream_requests_waiting", "Callers that wait for an answer of an upstream", |state| number(state.waiting)),
    ("upstream_out_of_service", "Whether an upstream is asked only now and then because it does not answer", |state| {
        u64::from(state.out_of_service_seconds.is_some())
    }),
    ("upstream_out_of_service_age_seconds", "How long such an upstream has not answered", |state| {
        state.out_of_service_seconds.unwrap_or_default()
    }),
];

const REFUSALS: (&str, &str) = ("upstream_refusals", "Requests to an upstream that were not sent, by why");

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
