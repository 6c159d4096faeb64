//! An OpenTelemetry collector that keeps what it is sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use plausible_mcp_host::HostBuilder;
use plausible_mcp_host::traces::OtlpTraces;
use plausible_mcp_tests::harness::Harness;
use plausible_mcp_tests::upstream::{Received, Reply, Upstream};
use prost::Message as _;

/// The collector, and the exporter that sends to it.
pub(crate) struct Collector {
    pub(crate) received: Upstream,
    pub(crate) traces: Arc<OtlpTraces>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let answer = |_: &Received| Reply::Answer { status: 200, headers: Vec::new(), body: String::new() };
        Collector::over(Upstream::answering(answer).await)
    }

    /// One that behaves as `received` does.
    pub(crate) fn over(received: Upstream) -> Self {
        let endpoint = format!("{}/v1/traces", received.base_url());
        let traces = OtlpTraces::to(&endpoint, None).expect("an endpoint");
        Self { received, traces: Arc::new(traces) }
    }

    /// A host over `plausible` whose traces come here.
    pub(crate) async fn host(&self, plausible: Upstream, settings: &[(&str, &str)]) -> Harness {
        let traced = |host: HostBuilder| host.traces(self.traces.clone());
        Harness::try_start_as(traced, plausible, settings).await.expect("the host starts")
    }

    /// What has come so far, in bytes.
    pub(crate) async fn bytes(&self) -> Vec<u8> {
        assert!(self.traces.flush().await, "the collector takes what it is sent");
        self.received.take().into_iter().flat_map(|request| request.body).collect()
    }

    /// The spans that have come since the last call, and all resource attributes.
    pub(crate) async fn spans(&self) -> (Vec<Span>, BTreeMap<String, String>) {
        assert!(self.traces.flush().await, "the collector takes what it is sent");
        let (mut spans, mut resource) = (Vec::new(), BTreeMap::new());
        for request in self.received.take() {
            assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/traces"));
            assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
            let batch = ExportTraceServiceRequest::decode(request.body.as_slice()).expect("protobuf");
            for part in batch.resource_spans {
                resource.extend(attributes(&part.resource.unwrap_or_default().attributes));
                spans.extend(part.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        }
        (spans, resource)
    }
}

/// Attributes as text.
pub(crate) fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(&attribute.value))).collect()
}

/// Lower-case hexadecimal digits, as in a `traceparent`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
