//! Reports to Sentry from the real component in the real host: they leave after the answer, and a Sentry that is slow or
//! away costs no caller anything.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use plausible_mcp_host::{Host, Limits, Settings, code_cache_of_tests};
use plausible_mcp_tests::harness::simulated;
use plausible_mcp_tests::mcp_request::DEMO_SITE;
use plausible_mcp_tests::upstream::{Received, Reply, Upstream};
use serde_json::json;

async fn host(plausible: &Upstream, sentry: &Upstream, limits: Limits) -> Host {
    let dsn = sentry.base_url().replace("http://", "http://0123456789abcdef@") + "/7";
    let base_url = plausible.base_url();
    let settings = [
        ("MCP_ALLOWED_HOSTNAMES", "localhost"),
        ("PLAUSIBLE_BASE_URL", base_url.as_str()),
        ("RATE_LIMIT_PER_MINUTE", "0"),
        ("SENTRY_DSN", dsn.as_str()),
        ("SENTRY_ENVIRONMENT", "test"),
    ];
    let settings = Settings::from_pairs(settings).expect("these are settings");
    let builder =
        Host::builder().code_cache(code_cache_of_tests()).settings(settings).limits(limits).log(Arc::new(|_| {}));
    builder.build().await.expect("the host starts")
}

async fn call(host: &Host) -> u16 {
    let arguments = json!({ "site_id": DEMO_SITE, "date_range": "7d", "dimension": "event:page" });
    let params = json!({ "name": "get_breakdown", "arguments": arguments });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
    let request = http::Request::post("/mcp")
        .header("host", "localhost")
        .header("authorization", "Bearer demo-plausible-key")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .expect("a request");
    host.handle(request).await.status().as_u16()
}

fn envelopes(sentry: &Upstream) -> Vec<Received> {
    sentry.take()
}

#[tokio::test]
async fn a_report_leaves_when_the_caller_has_the_answer() {
    let (sentry, held) = Upstream::holding(|_| Reply::json(200, "{}")).await;
    let plausible = Upstream::answering(simulated()).await;
    let host = host(&plausible, &sentry, Limits::default()).await;
    assert_eq!(call(&host).await, 200, "Sentry has not answered yet");
    assert!(!host.drained(Duration::from_millis(10)).await, "the report is under way");
    held.release(1);
    assert!(host.drained(Duration::from_secs(5)).await);
    let reports = envelopes(&sentry);
    let [report] = reports.as_slice() else { panic!("{reports:?}") };
    assert_eq!((report.method.as_str(), report.path.as_str()), ("POST", "/api/7/envelope/"));
    assert_eq!(report.header("content-type"), Some("application/x-sentry-envelope"));
    assert!(report.header("x-sentry-auth").is_some_and(|value| value.ends_with("sentry_key=0123456789abcdef")));
    let text = String::from_utf8_lossy(&report.body);
    assert!(text.contains("tools/call get_breakdown") && text.contains("app.server.response"), "{text}");
    assert!(!text.contains(DEMO_SITE) && !text.contains("demo-plausible-key"), "{text}");
    let asked = plausible.take();
    let traceparent = asked.first().and_then(|query| query.header("traceparent")).expect("a trace");
    let trace_id = traceparent.split('-').nth(1).expect("an id");
    assert!(text.contains(trace_id), "the report and the query belong to one trace");
}

#[tokio::test]
async fn a_sentry_that_does_not_answer_turns_no_request_away() {
    let sentry = Upstream::start(|_| Box::pin(std::future::pending())).await;
    let plausible = Upstream::answering(simulated()).await;
    // Less room than there are reports under way: those have places of their own.
    let limits = Limits { concurrent_requests: 1, finishing_requests: 1, ..Limits::default() };
    let host = host(&plausible, &sentry, limits).await;
    for number in 0..8 {
        assert_eq!(call(&host).await, 200, "request {number}");
    }
    assert!(!host.drained(Duration::ZERO).await, "somebody waited for Sentry");
    assert!(host.drained(Duration::from_secs(10)).await, "a report ends by itself");
    let tried = envelopes(&sentry).len();
    assert!((1..=8).contains(&tried), "{tried}");
    for _ in 0..3 {
        assert_eq!(call(&host).await, 200);
    }
    assert!(host.drained(Duration::from_secs(1)).await);
    assert!(envelopes(&sentry).is_empty(), "after a failure nothing is sent for a while");
}
