//! Rate limits: one bucket for an identity, one for an address, and what a refusal costs.

use plausible_mcp_tests::harness::Harness;
use plausible_mcp_tests::http_client::{Answer, Request};
use plausible_mcp_tests::mcp_request::{legacy, legacy_message};
use serde_json::{Value, json};

fn ping() -> Request {
    legacy(None, "ping", json!({}))
}

#[tokio::test]
async fn a_key_may_ask_so_often_and_other_keys_are_not_slowed_down() {
    let host = Harness::demo_with(&[("RATE_LIMIT_PER_MINUTE", "5")]).await;
    for _ in 0..5 {
        assert_eq!(host.send(&ping()).await.status, 200);
    }
    refused(&host.send(&ping()).await);
    assert_eq!(host.send(&ping().bearer("another-key-entirely")).await.status, 200);
}

#[tokio::test]
async fn a_refused_request_reaches_no_upstream() {
    let host = Harness::demo_with(&[("RATE_LIMIT_PER_MINUTE", "1")]).await;
    let arguments = json!({ "name": "get_breakdown", "arguments": { "date_range": "7d", "dimension": "event:page" } });
    let call = legacy(Some("2025-11-25"), "tools/call", arguments);
    assert_eq!(host.send(&call).await.status, 200);
    let asked = host.upstream.take().len();
    assert_eq!(asked, 1);
    refused(&host.send(&call).await);
    assert!(host.upstream.take().is_empty());
}

#[tokio::test]
async fn a_guess_costs_the_address_ten_times_a_request() {
    // The address may spend 10 × 10, so ten guesses are all it gets, and a few more on a slow machine.
    let host = Harness::demo_with(&[("RATE_LIMIT_PER_MINUTE", "10")]).await;
    let guess = ping().without("Authorization");
    let mut guesses = 0;
    while host.send(&guess).await.status == 401 {
        guesses += 1;
        assert!(guesses <= 12, "guesses are free");
    }
    assert!(guesses >= 9, "{guesses}");
    let answer = host.send(&guess).await;
    refused(&answer);
}

#[tokio::test]
async fn a_wrong_host_name_costs_nothing_and_a_missing_route_one() {
    let host = Harness::demo_with(&[("RATE_LIMIT_PER_MINUTE", "2")]).await;
    for _ in 0..15 {
        assert_eq!(host.send(&ping().header("Host", "evil.example")).await.status, 403);
        assert_eq!(host.send(&ping().path("/nope")).await.status, 404);
    }
    assert_eq!(host.send(&ping()).await.status, 200);
}

#[tokio::test]
async fn an_address_cannot_be_made_up() {
    let host = Harness::demo_with(&[("RATE_LIMIT_PER_MINUTE", "1")]).await;
    let mut statuses = Vec::new();
    for number in 0..4 {
        let address = format!("203.0.113.{number}");
        let mut request = ping().without("Authorization");
        for name in ["plausible-mcp-client-addr", "X-Forwarded-For", "CF-Connecting-IP", "Forwarded"] {
            request = request.header(name, &address);
        }
        statuses.push(host.send(&request).await.status);
    }
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
}

#[tokio::test]
async fn behind_a_proxy_the_named_header_tells_addresses_apart() {
    let settings = [("RATE_LIMIT_PER_MINUTE", "1"), ("CLIENT_IP_HEADER", "X-Forwarded-For")];
    let host = Harness::demo_with(&settings).await;
    let guess = |forwarded: &str| ping().without("Authorization").header("X-Forwarded-For", forwarded);
    assert_eq!(host.send(&guess("198.51.100.1")).await.status, 401);
    refused(&host.send(&guess("198.51.100.1")).await);
    // The last element is the proxy's own word; what stands before it came from the client.
    refused(&host.send(&guess("192.0.2.9, 198.51.100.1")).await);
    assert_eq!(host.send(&guess("198.51.100.2")).await.status, 401);
}

#[tokio::test]
async fn each_member_of_a_batch_counts() {
    let host = Harness::demo_with(&[("RATE_LIMIT_PER_MINUTE", "10")]).await;
    let batch = |count: usize| {
        let member = |id: usize| json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
        legacy_message(None, &Value::Array((0..count).map(member).collect()))
    };
    assert_eq!(host.send(&batch(8)).await.status, 200);
    refused(&host.send(&batch(8)).await);
    assert_eq!(host.send(&ping()).await.status, 200);
}

#[tokio::test]
async fn zero_turns_the_limits_off() {
    let host = Harness::demo_with(&[("RATE_LIMIT_PER_MINUTE", "0")]).await;
    for _ in 0..80 {
        assert_eq!(host.send(&ping().without("Authorization")).await.status, 401);
    }
}

fn refused(answer: &Answer) {
    assert_eq!(answer.status, 429, "{}", answer.text());
    let seconds = answer.header("retry-after").and_then(|value| value.parse::<u32>().ok());
    assert!(seconds.is_some_and(|seconds| (1..=60).contains(&seconds)), "{seconds:?}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}
