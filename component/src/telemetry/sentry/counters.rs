//! The counters: `app.server.response` for each request to an MCP endpoint, `mcp.tool.error` for each call that failed.
//! Every attribute has a fixed set of values, so that no caller can make up another; none names a user.

use serde_json::{Value, json};

use super::envelope::{SDK, insert, seconds};
use super::report::{Deployment, Report};

/// The counters of a request; none outside the MCP endpoints, so that scanners do not count.
pub fn of(report: &Report, deployment: &Deployment<'_>) -> Vec<Value> {
    let Some(group) = report.route_group() else { return Vec::new() };
    let record = &report.record;
    let mut counters = vec![counter(
        report,
        deployment,
        "app.server.response",
        &[
            ("http.request.method", json!(record.method)),
            ("http.route", json!(record.route)),
            ("app.route.group", json!(group)),
            ("http.response.status_code", json!(record.status)),
            ("app.response.status_class", json!(format!("{}xx", record.status / 100))),
            ("app.client.family", json!(record.client.name())),
            ("mcp.method.name", json!(record.mcp_method.unwrap_or("unknown"))),
            ("app.mcp.request.kind", json!(report.request_kind())),
        ],
    )];
    for call in &report.calls {
        let Some(failure) = call.failure else { continue };
        let mut attributes = vec![("mcp.tool.name", json!(call.tool)), ("error.kind", json!(failure.kind.name()))];
        attributes.extend(failure.upstream_status.map(|status| ("http.response.status_code", json!(status))));
        counters.push(counter(report, deployment, "mcp.tool.error", &attributes));
    }
    counters
}

fn counter(report: &Report, deployment: &Deployment<'_>, name: &str, attributes: &[(&str, Value)]) -> Value {
    let record = &report.record;
    let mut typed = json!({
        "sentry.sdk.name": text(SDK),
        "sentry.sdk.version": text(env!("CARGO_PKG_VERSION")),
    });
    let of_deployment = [("sentry.release", deployment.release), ("sentry.environment", deployment.environment)];
    for (name, value) in of_deployment {
        if let Some(value) = value {
            insert(&mut typed, name, text(value));
        }
    }
    for (name, value) in attributes {
        let kind = if value.is_u64() { "integer" } else { "string" };
        insert(&mut typed, name, json!({ "value": value, "type": kind }));
    }
    json!({
        "timestamp": seconds(record.received), "type": "counter", "name": name, "value": 1,
        "trace_id": record.trace.trace_id.to_string(), "span_id": record.trace.span.to_string(), "attributes": typed,
    })
}

fn text(value: &str) -> Value {
    json!({ "value": value, "type": "string" })
}
