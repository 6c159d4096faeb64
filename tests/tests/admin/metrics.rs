//! `/metrics` after requests of every kind.

use std::collections::BTreeSet;
use std::time::Duration;

use plausible_mcp_host::{HostBuilder, Limits};
use plausible_mcp_tests::harness::Harness;
use plausible_mcp_tests::http_client::{self, Request};
use plausible_mcp_tests::mcp_request::{DEMO_SITE, call, legacy};
use plausible_mcp_tests::sign_in::Deployment;
use plausible_mcp_tests::upstream::Upstream;
use serde_json::json;

use super::operator::{Operator, value};

fn breakdown() -> Request {
    call("get_breakdown", json!({ "site_id": DEMO_SITE, "date_range": "7d", "dimension": "event:page" }))
}

#[tokio::test]
async fn requests_instances_and_calls_are_counted() {
    let host = Harness::demo().await;
    let operator = Operator::of(host.host()).await;
    assert_eq!(operator.metric("instances_started_total").await, 0.0);
    for _ in 0..3 {
        assert_eq!(host.send(&breakdown()).await.status, 200);
    }
    assert_eq!(host.send(&breakdown().without("Authorization")).await.status, 401);
    assert_eq!(host.send(&Request::new("BREW", "/coffee?secret")).await.status, 404);
    let metrics = operator.metrics().await;
    for (name, expected) in [
        ("http_requests_total{route=\"/mcp\",method=\"POST\",status=\"200\"}", 3.0),
        ("http_requests_total{route=\"/mcp\",method=\"POST\",status=\"401\"}", 1.0),
        ("http_requests_total{route=\"other\",method=\"other\",status=\"404\"}", 1.0),
        ("http_request_duration_seconds_count{route=\"/mcp\"}", 4.0),
        ("http_request_duration_seconds_bucket{route=\"/mcp\",le=\"+Inf\"}", 4.0),
        ("http_requests_in_flight", 0.0),
        ("outbound_requests_total{outcome=\"2xx\"}", 3.0),
        ("outbound_request_duration_seconds_count", 3.0),
        ("refusals_total{reason=\"failed\"}", 0.0),
    ] {
        assert_eq!(value(&metrics, name), expected, "{name}\n{metrics}");
    }
    let started = value(&metrics, "instances_started_total");
    assert!(started >= 1.0 && value(&metrics, "instances") <= started, "{metrics}");
    assert!(metrics.contains(&format!("plausible_mcp_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))));
}

#[tokio::test]
async fn what_the_host_refuses_is_counted_by_why() {
    let limits = Limits { request_head_bytes: 8 << 10, ..Limits::default() };
    let host = Harness::try_start_as(|host: HostBuilder| host.limits(limits), idle().await, &[]).await;
    let host = host.expect("the host starts");
    let operator = Operator::of(host.host()).await;
    let large = host.send(&breakdown().header("X-Large", &"x".repeat(8 << 10))).await;
    assert_eq!(large.status, 431);
    assert_eq!(host.send(&breakdown().raw_header(b"Host", b"a").raw_header(b"Host", b"b")).await.status, 400);
    for (name, expected) in [
        ("refusals_total{reason=\"large_header\"}", 1.0),
        ("refusals_total{reason=\"host_header\"}", 1.0),
        ("http_requests_total{route=\"/mcp\",method=\"POST\",status=\"431\"}", 1.0),
        ("http_requests_in_flight", 0.0),
    ] {
        assert_eq!(operator.metric(name).await, expected, "{name}");
    }
}

#[tokio::test]
async fn an_instance_that_takes_too_long_is_dropped_for_it() {
    let limits = Limits { request_time: Duration::from_secs(1), ..Limits::default() };
    let host = Harness::try_start_as(|host: HostBuilder| host.limits(limits), idle().await, &[]).await;
    let host = host.expect("the host starts");
    let operator = Operator::of(host.host()).await;
    assert_eq!(host.send(&breakdown()).await.status, 503);
    assert!(host.host().drained(Duration::from_secs(10)).await);
    for (name, expected) in [
        ("refusals_total{reason=\"deadline\"}", 1.0),
        ("instances_dropped_total{reason=\"deadline\"}", 1.0),
        ("instances_dropped_total{reason=\"trap\"}", 0.0),
        ("outbound_requests_total{outcome=\"abandoned\"}", 1.0),
        ("instances", 0.0),
    ] {
        eventually(&operator, name, expected).await;
    }
}

#[tokio::test]
async fn an_idle_instance_is_dropped_for_that() {
    let limits = Limits { instance_idle_time: Duration::from_millis(100), ..Limits::default() };
    let host = Harness::try_start_as(|host: HostBuilder| host.limits(limits), idle().await, &[]).await;
    let host = host.expect("the host starts");
    let operator = Operator::of(host.host()).await;
    assert_eq!(host.send(&Request::new("GET", "/healthz")).await.status, 200);
    assert_eq!(operator.metric("instances_started_total").await, 0.0, "liveness needs none");
    assert_eq!(host.send(&Request::new("GET", "/nothing")).await.status, 404);
    eventually(&operator, "instances_dropped_total{reason=\"idle\"}", 1.0).await;
    eventually(&operator, "instances", 0.0).await;
}

#[tokio::test]
async fn a_client_that_goes_away_is_not_counted_as_answered() {
    let host = Harness::start(idle().await, &[]).await;
    let operator = Operator::of(host.host()).await;
    let (address, request) = (host.address(), breakdown());
    let client = tokio::spawn(async move { http_client::send(address, &request).await });
    eventually(&operator, "http_requests_in_flight", 1.0).await;
    client.abort();
    eventually(&operator, "http_requests_abandoned_total{route=\"/mcp\",method=\"POST\"}", 1.0).await;
    eventually(&operator, "http_requests_in_flight", 0.0).await;
}

#[tokio::test]
async fn refusals_of_rate_limits_are_counted() {
    let host = Harness::demo_with(&[("RATE_LIMIT_PER_MINUTE", "1")]).await;
    let operator = Operator::of(host.host()).await;
    let ping = legacy(None, "ping", json!({}));
    assert_eq!(host.send(&ping).await.status, 200);
    assert_eq!(operator.metric("rate_limit_refusals_total").await, 0.0);
    assert_eq!(host.send(&ping).await.status, 429);
    assert_eq!(operator.metric("rate_limit_refusals_total").await, 1.0);
}

#[tokio::test]
async fn operations_of_the_store_are_counted() {
    let deployment = Deployment::start().await;
    let operator = Operator::of(deployment.harness.host()).await;
    let client = deployment.client().await;
    let tokens = deployment.tokens(&client, "ada@example.com").await;
    assert_eq!(deployment.list_tools(&tokens.access).await.status, 200);
    let metrics = operator.metrics().await;
    for operation in ["get", "create", "replace"] {
        let done = value(&metrics, &format!("store_operations_total{{operation=\"{operation}\",outcome=\"ok\"}}"));
        assert!(done >= 1.0, "{operation}\n{metrics}");
        let timed = value(&metrics, &format!("store_operation_duration_seconds_count{{operation=\"{operation}\"}}"));
        assert!((timed - done).abs() < 0.5, "{operation}\n{metrics}");
    }
    assert!(!metrics.contains("ada@example.com") && !metrics.contains(&tokens.access));
}

#[tokio::test]
async fn tools_remembered_answers_and_the_budget_are_counted_whatever_the_log_level_is() {
    for level in ["info", "warn", "error"] {
        let deployment = Deployment::start_with(&[("LOG_LEVEL", level), ("PLAUSIBLE_HOURLY_BUDGET", "100")]).await;
        let operator = Operator::of(deployment.harness.host()).await;
        let client = deployment.client().await;
        let tokens = deployment.tokens(&client, "ada@example.com").await;
        for _ in 0..2 {
            let asked = breakdown().path("/internal").bearer(&tokens.access);
            assert_eq!(deployment.send(asked).await.status, 200);
        }
        let wrong = call("get_breakdown", json!({ "date_range": "nonsense" })).path("/internal");
        assert_eq!(deployment.send(wrong.bearer(&tokens.access)).await.status, 200);
        assert_eq!(deployment.send(breakdown().path("/internal").bearer("x")).await.status, 401);
        for (name, expected) in [
            ("tool_calls_total{tool=\"get_breakdown\",outcome=\"served\"}", 2.0),
            ("tool_calls_total{tool=\"get_breakdown\",outcome=\"user_input\"}", 1.0),
            ("shared_answers_total{source=\"remembered\"}", 1.0),
            ("shared_answers_total{source=\"plausible\"}", 1.0),
            ("budget_left", 99.0),
            ("budget_limit", 100.0),
            ("sign_ins_total{step=\"callback\",outcome=\"served\",cause=\"none\"}", 1.0),
            ("sign_ins_total{step=\"token\",outcome=\"served\",cause=\"none\"}", 1.0),
            ("sign_ins_total{step=\"bearer\",outcome=\"refused\",cause=\"token_not_ours\"}", 1.0),
        ] {
            eventually(&operator, name, expected).await;
        }
    }
}

#[tokio::test]
async fn every_tool_is_a_label_from_the_start() {
    let host = Harness::demo_with(&[("SENTRY_DSN", "https://abc@sentry.example/7")]).await;
    let operator = Operator::of(host.host()).await;
    let listed = host.send(&legacy(Some("2025-11-25"), "tools/list", json!({}))).await.json();
    let tools = listed["result"]["tools"].as_array().expect("tools").clone();
    assert!(tools.len() >= 5, "{listed}");
    let metrics = operator.metrics().await;
    for tool in tools {
        let line = format!("plausible_mcp_tool_calls_total{{tool={},outcome=\"served\"}} 0", tool["name"]);
        assert!(metrics.lines().any(|known| known == line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn what_the_store_holds_is_counted_by_kind() {
    let deployment = Deployment::start().await;
    let client = deployment.client().await;
    deployment.tokens(&client, "ada@example.com").await;
    let operator = Operator::of(deployment.harness.host()).await;
    let metrics = operator.metrics().await;
    for kind in ["access", "client", "code", "grant", "refresh", "transaction"] {
        assert!(value(&metrics, &format!("store_records{{kind=\"{kind}\"}}")) >= 1.0, "{kind}\n{metrics}");
    }
    assert_eq!(value(&metrics, "store_records{kind=\"other\"}"), 0.0, "every kind has a name\n{metrics}");
    assert!(value(&metrics, "store_bytes") > 100.0, "{metrics}");
}

#[tokio::test]
async fn every_metric_that_dashboard_and_alerts_name_is_there() {
    let deployment = Deployment::start_with(&[("PLAUSIBLE_HOURLY_BUDGET", "540")]).await;
    let operator = Operator::of(deployment.harness.host()).await;
    let client = deployment.client().await;
    let tokens = deployment.tokens(&client, "ada@example.com").await;
    let asked = breakdown().path("/internal").bearer(&tokens.access);
    assert_eq!(deployment.send(asked).await.status, 200);
    eventually(&operator, "tool_calls_total{tool=\"get_breakdown\",outcome=\"served\"}", 1.0).await;
    let metrics = operator.metrics().await;
    let there: BTreeSet<&str> =
        metrics.lines().filter_map(|line| line.split(['{', ' ']).next()).filter(|name| *name != "#").collect();
    for (file, text) in [
        ("alerts.yml", include_str!("../../../host/deploy/alerts.yml")),
        ("grafana.json", include_str!("../../../host/deploy/grafana.json")),
    ] {
        let named: BTreeSet<&str> = text
            .split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
            .filter(|word| word.starts_with("plausible_mcp_") || word.starts_with("process_"))
            .collect();
        assert!(named.len() >= 10, "{file}: {named:?}");
        for name in named {
            assert!(there.contains(name), "{file} names {name}\n{metrics}");
        }
    }
}

/// A Plausible that never answers.
async fn idle() -> Upstream {
    Upstream::start(|_| Box::pin(std::future::pending())).await
}

async fn eventually(operator: &Operator, name: &str, expected: f64) {
    let soon = async {
        while operator.metric(name).await != expected {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), soon).await.is_ok(), "{name} is not {expected}");
}
