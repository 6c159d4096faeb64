//! `/mcp`: credentials, malformed input, protocol eras, tools.

use serde_json::{Value, json};

use crate::http_client::Request;
use crate::mcp_request::{LEGACY, initialize, modern, post};
use crate::site::Site;

pub(super) async fn a_request_without_a_key_is_challenged(site: Site) {
    let answer = site.send(modern("tools/list", json!({})).without("Authorization")).await;
    assert_eq!(answer.status, 401, "{}", answer.text());
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    assert!(challenge.starts_with("Bearer"), "the challenge is {challenge:?}");
}

pub(super) async fn a_token_of_ours_never_reaches_plausible(site: Site) {
    let ours = format!("pmcp_a_{}", "A".repeat(43));
    for bearer in [ours.as_str(), "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"] {
        let answer = site.send(modern("tools/list", json!({})).bearer(bearer)).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
    }
}

pub(super) async fn malformed_requests_are_refused(site: Site) {
    let large = vec![b' '; (1 << 20) + 1];
    for (what, request, statuses) in [
        ("no JSON", post("{"), [400, 400]),
        ("no message", post("[]"), [400, 400]),
        ("another media type", post("{}").header("Content-Type", "text/plain"), [415, 400]),
        ("a body that is too large", post(large), [413, 413]),
        ("GET", Request::new("GET", "/mcp"), [405, 405]),
        ("another path", Request::new("GET", "/mcp/x"), [404, 404]),
    ] {
        let request = if request_has_key(what) { request.bearer("any-plausible-key") } else { request };
        let answer = site.send(request).await;
        assert!(statuses.contains(&answer.status), "{what} is answered {}: {}", answer.status, answer.text());
    }
}

fn request_has_key(what: &str) -> bool {
    !matches!(what, "GET" | "another path")
}

pub(super) async fn a_foreign_host_is_refused(site: Site) {
    let foreign = modern("tools/list", json!({})).header("Host", "evil.example");
    let answer = site.origin.send(&foreign).await.expect("the deployment is reached");
    // What stands in front may refuse the name by itself, with any answer that is no success.
    let status = answer.map_or(403, |answer| answer.status);
    assert!((400..500).contains(&status), "a foreign host is answered {status}");
}

pub(super) async fn every_protocol_era_is_served(site: Site) {
    let key = site.plausible_key.clone().unwrap_or_default();
    let listed = site.send(modern("tools/list", json!({})).bearer(&key)).await;
    assert_eq!(listed.status, 200, "{}", listed.text());
    for version in LEGACY {
        let answer = site.send(initialize(version).bearer(&key)).await;
        let negotiated = answer.json().pointer("/result/protocolVersion").cloned();
        assert_eq!(negotiated, Some(json!(version)), "{}", answer.text());
    }
}

pub(super) async fn every_tool_answers(site: Site) {
    for (tool, arguments) in [
        ("get_timeseries", json!({ "date_range": "7d" })),
        ("get_breakdown", json!({ "date_range": "7d", "dimension": "event:page", "limit": 3 })),
        ("get_conversions", json!({ "date_range": "30d" })),
        ("compare_periods", json!({ "period_a": "7d", "period_b": "28d" })),
    ] {
        let answer = site.call(tool, arguments).await;
        let result = answer.json().get("result").cloned().unwrap_or_default();
        assert_eq!(answer.status, 200, "{tool}: {}", answer.text());
        assert_eq!(result.get("isError").unwrap_or(&Value::Null), &Value::Null, "{tool}: {}", answer.text());
        assert!(result.get("structuredContent").is_some(), "{tool}: {}", answer.text());
    }
}
