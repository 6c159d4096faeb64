//! Two machines with one server: one sign-in, one limit.

use std::sync::Arc;

use plausible_mcp_host::oauth_store::RedisStore;
use plausible_mcp_host::rate_limit::RedisBuckets;
use plausible_mcp_tests::harness::{Harness, simulated};
use plausible_mcp_tests::mcp_request::legacy;
use plausible_mcp_tests::redis_process::{RedisProcess, server_at};
use plausible_mcp_tests::relay::{Relay, Traffic};
use plausible_mcp_tests::sign_in::{Deployment, Tokens};
use plausible_mcp_tests::upstream::Upstream;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_on_one_machine_counts_and_ends_on_the_other() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let store = || Arc::new(RedisStore::new(server.server()));
    let one = Deployment::start_on(store(), &[]).await;
    let other = one.another_machine(store()).await;
    let name = one.harness.address().to_string();
    let client = one.client().await;
    let tokens = one.tokens(&client, "ada@example.com").await;
    let ask_other =
        async |token: &str| other.send(&one.tools_request().bearer(token).header("Host", &name)).await.status;
    assert_eq!(ask_other(&tokens.access).await, 200, "the token of one machine is good on the other");
    let next = Tokens::of(&client.refresh(&tokens.refresh).await);
    assert_eq!(ask_other(&next.access).await, 200);
    assert_eq!(client.revoke(&next.refresh).await.status, 200);
    assert_eq!(ask_other(&next.access).await, 401, "what is revoked on one machine ends on the other");
    let records = one.records().await;
    assert!(!records.is_empty() && records.iter().all(|record| !record.contains("ada@")), "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_store_is_503_until_it_is_back() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let relay = Relay::start(server.address()).await;
    let deployment = Deployment::start_on(Arc::new(RedisStore::new(server_at(relay.address()))), &[]).await;
    let tokens = deployment.tokens(&deployment.client().await, "ada@example.com").await;
    for traffic in [Traffic::Breaks, Traffic::Stops] {
        relay.set(traffic);
        let answer = deployment.list_tools(&tokens.access).await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.header("retry-after").is_some());
        relay.set(Traffic::Flows);
        super::recovers(async || match deployment.list_tools(&tokens.access).await.status {
            200 => Ok(()),
            status => Err(status),
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_machines_share_a_limit() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let machine = async || {
        let buckets = Arc::new(RedisBuckets::new(server.server()));
        let upstream = Upstream::answering(simulated()).await;
        let settings = [("RATE_LIMIT_PER_MINUTE", "6")];
        Harness::try_start_as(|host| host.rate_limit(buckets), upstream, &settings).await.expect("a host")
    };
    let (one, other) = (machine().await, machine().await);
    let ping = legacy(None, "ping", json!({}));
    for _ in 0..3 {
        assert_eq!(one.send(&ping).await.status, 200);
        assert_eq!(other.send(&ping).await.status, 200);
    }
    assert_eq!(one.send(&ping).await.status, 429);
    assert_eq!(other.send(&ping).await.status, 429);
}
