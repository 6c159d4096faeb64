//! Traces over OTLP: what the spans say, how they hang together, and what a bad collector costs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use plausible_mcp_tests::harness::simulated;
use plausible_mcp_tests::http_client::Request;
use plausible_mcp_tests::mcp_request::{DEMO_SITE, call, modern};
use plausible_mcp_tests::upstream::{Reply, Upstream};
use serde_json::{Value, json};

use super::collector::{Collector, attributes, hex};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn breakdown() -> Request {
    call("get_breakdown", json!({ "site_id": DEMO_SITE, "date_range": "7d", "dimension": "event:page" }))
}

fn of_kind(spans: &[Span], kind: SpanKind) -> &Span {
    let mut found = spans.iter().filter(|span| span.kind() == kind);
    let (Some(span), None) = (found.next(), found.next()) else { panic!("not one span of {kind:?}: {spans:?}") };
    span
}

fn texts<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[tokio::test]
async fn a_call_of_a_tool_is_a_span_of_the_server_and_one_of_the_client_in_the_callers_trace() {
    let collector = Collector::start().await;
    let plausible = Upstream::answering(simulated()).await;
    let port = plausible.base_url().rsplit(':').next().expect("a port").to_owned();
    let host = collector.host(plausible, &[]).await;
    let traced = breakdown().header("traceparent", &format!("00-{TRACE}-{CALLER}-01"));
    assert_eq!(host.send(&traced.header("tracestate", "vendor=secret")).await.status, 200);
    let passed_on = host.upstream.take().first().and_then(|query| query.header("traceparent").map(str::to_owned));
    let log = host.log().await;
    let (spans, resource) = collector.spans().await;
    assert_eq!(resource.get("service.name").map(String::as_str), Some("plausible-mcp"));
    assert_eq!(spans.len(), 2, "{spans:?}");
    let (server, client) = (of_kind(&spans, SpanKind::Server), of_kind(&spans, SpanKind::Client));
    assert_eq!((server.name.as_str(), client.name.as_str()), ("POST /mcp", "POST"));
    assert_eq!((hex(&server.trace_id), hex(&client.trace_id)), (TRACE.to_owned(), TRACE.to_owned()));
    assert_eq!((hex(&server.parent_span_id), &client.parent_span_id), (CALLER.to_owned(), &server.span_id));
    let request = [("http.request.method", "POST"), ("http.response.status_code", "200"), ("http.route", "/mcp")];
    assert_eq!(attributes(&server.attributes), texts(request));
    assert_eq!(
        attributes(&client.attributes),
        texts([
            ("http.request.method", "POST"),
            ("http.response.status_code", "200"),
            ("server.address", "127.0.0.1"),
            ("server.port", &port),
        ])
    );
    assert!(spans.iter().all(|span| span.trace_state.is_empty() && span.events.is_empty()), "{spans:?}");
    assert_eq!(passed_on, Some(format!("00-{TRACE}-{}-01", hex(&client.span_id))), "Plausible hangs below the call");
    assert!(log.contains(TRACE), "the component's line is of the same trace: {log}");
}

#[tokio::test]
async fn a_request_without_a_trace_begins_one_that_the_component_takes_over() {
    let collector = Collector::start().await;
    let host = collector.host(Upstream::answering(simulated()).await, &[]).await;
    for request in [modern("tools/list", json!({})), modern("tools/list", json!({})).header("traceparent", "secret")] {
        assert_eq!(host.send(&request).await.status, 200);
        let line: Value = serde_json::from_str(host.log().await.lines().last().unwrap_or_default()).expect("a line");
        let (spans, _) = collector.spans().await;
        let server = of_kind(&spans, SpanKind::Server);
        assert!(server.parent_span_id.is_empty());
        assert_eq!(line["trace_id"].as_str(), Some(hex(&server.trace_id).as_str()), "{line}");
    }
}

#[tokio::test]
async fn a_trace_that_the_caller_does_not_record_is_not_recorded_here() {
    let collector = Collector::start().await;
    let host = collector.host(Upstream::answering(simulated()).await, &[]).await;
    let unsampled = breakdown().header("traceparent", &format!("00-{TRACE}-{CALLER}-00"));
    assert_eq!(host.send(&unsampled).await.status, 200);
    let passed_on = host.upstream.take().first().and_then(|query| query.header("traceparent").map(str::to_owned));
    assert!(passed_on.is_some_and(|line| line.starts_with(&format!("00-{TRACE}-")) && line.ends_with("-00")));
    assert!(collector.spans().await.0.is_empty());
}

#[tokio::test]
async fn faults_are_errors_where_they_are_and_callers_mistakes_are_not_the_servers() {
    let collector = Collector::start().await;
    let host = collector.host(Upstream::answering(|_| Reply::Close).await, &[]).await;
    assert_eq!(host.send(&breakdown()).await.status, 200, "the tool says what went wrong");
    let (spans, _) = collector.spans().await;
    let calls: Vec<_> = spans.iter().filter(|span| span.kind() == SpanKind::Client).collect();
    assert!(!calls.is_empty(), "the component may try again");
    for call in calls {
        assert_eq!(attributes(&call.attributes).get("error.type").map(String::as_str), Some("interrupted"));
        assert_eq!(call.status.as_ref().map(|status| status.code()), Some(StatusCode::Error));
    }
    assert_eq!(host.send(&Request::new("BREW", "/coffee")).await.status, 404);
    let (spans, _) = collector.spans().await;
    let server = of_kind(&spans, SpanKind::Server);
    assert_eq!(server.name, "HTTP");
    let expected = texts([("http.request.method", "_OTHER"), ("http.response.status_code", "404")]);
    assert_eq!(attributes(&server.attributes), expected);
    assert_ne!(server.status.as_ref().map(|status| status.code()), Some(StatusCode::Error));
}

#[tokio::test]
async fn a_collector_that_is_away_slow_or_refuses_costs_no_request_anything() {
    let gone = Upstream::answering(|_| Reply::Close).await;
    let slow = Upstream::start(|_| Box::pin(std::future::pending())).await;
    let refusing = Upstream::answering(|_| Reply::json(503, "{}")).await;
    for bad in [gone, slow, refusing] {
        let collector = Collector::over(bad);
        let host = collector.host(Upstream::answering(simulated()).await, &[]).await;
        let start = Instant::now();
        let flushed = {
            let traces = collector.traces.clone();
            assert_eq!(host.send(&breakdown()).await.status, 200);
            tokio::spawn(async move { traces.flush().await })
        };
        for _ in 0..5 {
            assert_eq!(host.send(&breakdown()).await.status, 200);
        }
        assert!(start.elapsed() < Duration::from_secs(10), "nobody waits: {:?}", start.elapsed());
        flushed.abort();
        assert!(host.stopped().await);
        let start = Instant::now();
        collector.traces.shut_down().await;
        assert!(start.elapsed() < Duration::from_secs(3), "the end is bounded: {:?}", start.elapsed());
    }
}
