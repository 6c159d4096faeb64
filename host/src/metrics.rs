//! What the host counts, for an operator's monitoring. Each file counts one part and says where it is called from.
//!
//! Labels are from fixed sets: a route or a method that is not known counts as `other`, and no label holds a host name,
//! an address, a key or anything else that a caller or an upstream chose. What nobody asked for yet is there with zero
//! where its labels are known beforehand, so that a first failure is seen as an increase.

mod calls;
mod census;
mod connections;
mod instances;
mod parts;
mod process;
mod rate_limit;
pub(crate) mod request_lines;
mod requests;
mod store;
mod upstreams;

use std::sync::Arc;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use calls::Calls;
use census::StoreCensus;
use connections::Connections;
use instances::Instances;
pub(crate) use instances::{End, LiveInstance};
use parts::PartStates;
pub(crate) use rate_limit::CountedRateLimit;
use rate_limit::Refusals;
use request_lines::RequestLines;
pub(crate) use requests::RequestLabels;
use requests::Requests;
pub(crate) use store::CountedStore;
use store::Operations;
use upstreams::Source;

/// The counters of one host. Clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Parts>);

struct Parts {
    registry: Registry,
    requests: Requests,
    instances: Instances,
    operations: Operations,
    calls: Calls,
    connections: Connections,
    rate_limit: Refusals,
    upstreams: Source,
    parts: PartStates,
    request_lines: RequestLines,
    census: StoreCensus,
}

impl Metrics {
    /// The `Content-Type` of [`Metrics::encode`].
    pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        process::register(&mut registry);
        let ours = registry.sub_registry_with_prefix("plausible_mcp");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        ours.register("build", "The version that runs", build);
        let requests = Requests::registered(ours);
        let instances = Instances::registered(ours);
        let operations = Operations::registered(ours);
        let calls = Calls::registered(ours);
        let connections = Connections::registered(ours);
        let rate_limit = Refusals::registered(ours);
        let request_lines = RequestLines::registered(ours);
        let census = StoreCensus::registered(ours);
        let upstreams = Source::registered(ours);
        let parts = PartStates::registered(ours);
        Self(Arc::new(Parts {
            registry,
            requests,
            instances,
            operations,
            calls,
            connections,
            rate_limit,
            upstreams,
            parts,
            request_lines,
            census,
        }))
    }

    /// Everything that was counted, in the text format of Prometheus, version 0.0.4.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_text::encode(&mut text, &self.0.registry);
        text
    }

    pub(crate) fn requests(&self) -> &Requests {
        &self.0.requests
    }

    pub(crate) fn calls(&self) -> &Calls {
        &self.0.calls
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.0.connections
    }

    /// Where the upstreams are that are told of.
    pub(crate) fn upstreams(&self) -> &Source {
        &self.0.upstreams
    }

    pub(crate) fn parts(&self) -> &PartStates {
        &self.0.parts
    }

    pub(crate) fn census(&self) -> &StoreCensus {
        &self.0.census
    }

    fn request_lines(&self) -> &RequestLines {
        &self.0.request_lines
    }

    fn instances(&self) -> &Instances {
        &self.0.instances
    }

    fn operations(&self) -> &Operations {
        &self.0.operations
    }

    fn rate_limit(&self) -> &Refusals {
        &self.0.rate_limit
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Metrics")
    }
}

/// For what takes as long as a request to an upstream, up to the deadline of a request.
fn long() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

/// For what is done in microseconds on this machine, or in milliseconds over a network.
fn short() -> Histogram {
    Histogram::new([0.000_01, 0.000_1, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::*;
    use crate::oauth_store::{MemoryStore, OauthStore as _};
    use crate::outbound_http::{HttpPolicy, OutboundHttpState};

    #[test]
    fn every_name_is_ours_and_has_its_unit() {
        let text = Metrics::new().encode();
        for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            assert!(name.starts_with("plausible_mcp_") || name.starts_with("process_"), "{name}");
            let (name, kind) = name.split_once(' ').unwrap();
            match kind {
                "counter" => assert!(name.ends_with("_total"), "{name}"),
                "histogram" => assert!(name.ends_with("_seconds"), "{name}"),
                _ => {}
            }
        }
    }

    #[tokio::test]
    async fn the_readme_names_every_metric() {
        let readme = include_str!("../../README.md");
        let metrics = Metrics::new();
        // What has unknown labels is there from its first use on.
        let labels = RequestLabels { route: "/mcp", method: "POST" };
        metrics.requests().ended(labels, Some(StatusCode::OK), Duration::ZERO);
        metrics.requests().ended(labels, None, Duration::ZERO);
        metrics.calls().ended("2xx", Duration::ZERO);
        let http = OutboundHttpState::new(None, HttpPolicy::default()).unwrap();
        metrics.upstreams().is(http.upstreams());
        let store = CountedStore::new(Arc::new(MemoryStore::default()), metrics.clone());
        assert_eq!(store.get("a").await, Ok(None));
        let text = metrics.encode();
        let named: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        assert!(named.len() >= 20, "{text}");
        drop(http);
        for line in named {
            let name = line.split(' ').next().unwrap();
            let name = name.strip_prefix("plausible_mcp_").unwrap_or(name);
            assert!(readme.contains(&format!("`{name}`")), "{name} is not in the README");
        }
    }

    #[test]
    fn what_is_known_beforehand_begins_with_zero() {
        let text = Metrics::new().encode();
        for line in [
            "plausible_mcp_http_requests_in_flight 0",
            "plausible_mcp_instances 0",
            "plausible_mcp_instances_dropped_total{reason=\"trap\"} 0",
            "plausible_mcp_refusals_total{reason=\"deadline\"} 0",
            "plausible_mcp_connections_displaced_total 0",
            "plausible_mcp_rate_limit_refusals_total 0",
            "plausible_mcp_part_state{part=\"store\",state=\"unknown\"} 1",
            "plausible_mcp_part_state{part=\"disk\",state=\"away\"} 0",
            "plausible_mcp_tool_calls_total{tool=\"get_breakdown\",outcome=\"served\"} 0",
            "plausible_mcp_shared_answers_total{source=\"remembered\"} 0",
        ] {
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        }
    }
}
