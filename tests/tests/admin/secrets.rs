//! Nothing of what callers, users and the operator keep to themselves is in metrics or spans.

use plausible_mcp_host::Host;
use plausible_mcp_tests::harness::simulated;
use plausible_mcp_tests::http_client::Request;
use plausible_mcp_tests::mcp_request::{call, post};
use plausible_mcp_tests::upstream::Upstream;
use serde_json::json;

use super::collector::Collector;
use super::operator::Operator;

/// In everything that a caller sends, and in the operator's secrets.
const MARK: &str = "marked";

#[tokio::test]
async fn no_marked_secret_is_in_metrics_or_spans() {
    let collector = Collector::start().await;
    let settings = [
        ("MCP_ALLOWED_HOSTNAMES", "localhost,marked-host.example"),
        ("PLAUSIBLE_API_KEY", "marked-shared-key"),
        ("ADMIN_TOKEN", "marked-admin-token-of-32-bytes-or-more"),
    ];
    let host = collector.host(Upstream::answering(simulated()).await, &settings).await;
    let operator = Operator::of(host.host()).await;
    for request in requests() {
        host.send(&request).await;
    }
    assert!(host.upstream.take().iter().any(|query| String::from_utf8_lossy(&query.body).contains(MARK)));
    let metrics = operator.metrics().await;
    let spans = String::from_utf8_lossy(&collector.bytes().await).into_owned();
    assert!(metrics.contains("plausible_mcp_http_requests_total{") && spans.contains("/mcp"));
    for seen in [&metrics, &spans] {
        assert!(!seen.to_ascii_lowercase().contains(MARK), "{seen}");
        assert!(!seen.contains("203.0.113.9"), "{seen}");
    }
}

fn requests() -> Vec<Request> {
    let arguments = json!({
        "site_id": "marked-site.example", "date_range": "7d", "dimension": "event:page", "page": "/marked-page",
    });
    let asked = call("get_breakdown", arguments);
    let mut requests: Vec<Request> = Host::routes()
        .iter()
        .flat_map(|route| ["GET", "POST"].map(|method| (method, format!("{route}?code=marked-code&state=marked"))))
        .map(|(method, path)| Request::new(method, &path).bearer("marked-key").body("token=marked-token"))
        .collect();
    requests.extend([
        asked.clone().bearer("marked-key"),
        asked.clone().path("/marked-path/ada.marked@example.com"),
        asked.clone().method("MARKED"),
        asked.clone().header("Host", "marked-host.example"),
        asked
            .clone()
            .header("traceparent", "00-marked")
            .header("tracestate", "marked=marked")
            .header("baggage", "a=marked"),
        asked.clone().header("User-Agent", "marked/1").header("X-Forwarded-For", "203.0.113.9"),
        asked.clone().header("Cookie", "__Host-consent-marked=marked"),
        asked.raw_header(b"Host", b"marked").raw_header(b"Host", b"marked"),
        post("{\"marked\":"),
        call("send_feedback", json!({ "message": "marked, ada.marked@example.com" })),
    ]);
    requests
}
