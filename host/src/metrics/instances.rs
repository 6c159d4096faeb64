//! Instances of the component. Each carries a [`LiveInstance`] in its store, so that none is missed, however it ends.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Metrics;

/// The counters.
pub(crate) struct Instances {
    live: Gauge,
    started: Counter,
    dropped: Family<EndLabels, Counter>,
}

/// Counts one instance for as long as it lives.
pub(crate) struct LiveInstance {
    metrics: Metrics,
    end: End,
}

/// Why an instance is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was made for one question and answered it, or could not start.
    Done,
    /// No request came for a while.
    Idle,
    /// It has answered as many requests as one instance may.
    Requests,
    /// Its memory has grown.
    Memory,
    /// Nobody waited for its answer any more.
    Left,
    /// A request took too long.
    Deadline,
    /// It trapped.
    Trap,
    /// The host stopped.
    Stopped,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EndLabels {
    reason: &'static str,
}

impl Instances {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let instances = Self { live: Gauge::default(), started: Counter::default(), dropped: Family::default() };
        registry.register("instances", "Instances of the component", instances.live.clone());
        registry.register("instances_started", "Instances that were made", instances.started.clone());
        for end in End::ALL {
            instances.dropped.get_or_create_owned(&EndLabels { reason: end.name() });
        }
        registry.register("instances_dropped", "Instances that ended, by why", instances.dropped.clone());
        instances
    }
}

impl LiveInstance {
    /// An instance is made.
    pub(crate) fn started(metrics: &Metrics) -> Self {
        metrics.instances().live.inc();
        metrics.instances().started.inc();
        Self { metrics: metrics.clone(), end: End::Done }
    }

    /// Says why it is about to be dropped.
    pub(crate) fn ends(&mut self, end: End) {
        self.end = end;
    }
}

impl Drop for LiveInstance {
    fn drop(&mut self) {
        let instances = self.metrics.instances();
        instances.live.dec();
        instances.dropped.get_or_create(&EndLabels { reason: self.end.name() }).inc();
    }
}

impl End {
    const ALL: [Self; 8] =
        [Self::Done, Self::Idle, Self::Requests, Self::Memory, Self::Left, Self::Deadline, Self::Trap, Self::Stopped];

    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Idle => "idle",
            Self::Requests => "requests",
            Self::Memory => "memory",
            Self::Left => "left",
            Self::Deadline => "deadline",
            Self::Trap => "trap",
            Self::Stopped => "stopped",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_counts_until_it_is_dropped() {
        let metrics = Metrics::new();
        let mut first = LiveInstance::started(&metrics);
        let second = LiveInstance::started(&metrics);
        first.ends(End::Trap);
        drop(first);
        let text = metrics.encode();
        for line in [
            "plausible_mcp_instances 1",
            "plausible_mcp_instances_started_total 2",
            "plausible_mcp_instances_dropped_total{reason=\"trap\"} 1",
            "plausible_mcp_instances_dropped_total{reason=\"done\"} 0",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        }
        drop(second);
        assert!(metrics.encode().contains("plausible_mcp_instances 0\n"));
    }
}
