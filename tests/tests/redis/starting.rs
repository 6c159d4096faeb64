//! A host that starts while Redis is away or of no use: what it says, what it serves, and that it passes.

use std::sync::Arc;

use plausible_mcp_host::oauth_store::{OauthStore, RedisStore, StoreError};
use plausible_mcp_host::{Host, Level, NotReady, Origin};
use plausible_mcp_tests::mcp_request::modern;
use plausible_mcp_tests::redis_process::{RedisProcess, free_address, server_at};
use plausible_mcp_tests::relay::{Relay, Traffic};
use plausible_mcp_tests::sign_in::Deployment;
use serde_json::json;
use tokio::task::JoinHandle;

use super::{HOUR, in_time, recovers, relayed};

/// Has the host look after its parts.
fn watching(host: &Host) -> JoinHandle<std::convert::Infallible> {
    let host = host.clone();
    tokio::spawn(async move { host.watch().await })
}

/// Settings refuse nothing, and `/mcp` is served, whatever becomes of Redis.
async fn serves_mcp(deployment: &Deployment) {
    let settings = deployment.harness.host().check_settings().await.expect("the component answers");
    let wrong = settings.iter().filter(|finding| finding.level == Level::Error).count();
    assert_eq!((wrong, deployment.harness.host().ready()), (0, Ok(())), "{settings:?}");
    assert!(settings.iter().all(|finding| finding.origin == Origin::Settings), "{settings:?}");
    assert_eq!(deployment.send(modern("tools/list", json!({}))).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_later_is_used_without_a_restart() {
    let address = free_address();
    let relay = Relay::start(address).await;
    relay.set(Traffic::Breaks);
    let deployment = Deployment::start_on(Arc::new(RedisStore::new(server_at(relay.address()))), &[]).await;
    let (host, watching) = (deployment.harness.host(), watching(deployment.harness.host()));
    serves_mcp(&deployment).await;
    assert_eq!(in_time(host.ready_for_internal()).await, Err(NotReady::Store));
    let Some(server) = RedisProcess::start(&[]).await else { return };
    relay.turn_to(server.address());
    relay.set(Traffic::Flows);
    recovers(|| host.ready_for_internal()).await;
    let tokens = deployment.tokens(&deployment.client().await, "ada@example.com").await;
    assert_eq!(deployment.list_tools(&tokens.access).await.status, 200);
    watching.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_lets_nobody_sign_in_and_serves_until_it_has_room() {
    let Some(server) = RedisProcess::start(&["--maxmemory-policy", "noeviction"]).await else { return };
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let deployment = Deployment::start_on(Arc::new(RedisStore::new(server.server())), &[]).await;
    let watching = watching(deployment.harness.host());
    serves_mcp(&deployment).await;
    let metrics = deployment.harness.host().metrics();
    let degraded = "plausible_mcp_part_state{part=\"store\",state=\"degraded\"} 1\n";
    recovers(async || if metrics.encode().contains(degraded) { Ok(()) } else { Err(()) }).await;
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    recovers(|| deployment.harness.host().ready_for_internal()).await;
    let well = "plausible_mcp_part_state{part=\"store\",state=\"ok\"} 1\n";
    recovers(async || if metrics.encode().contains(well) { Ok(()) } else { Err(()) }).await;
    deployment.tokens(&deployment.client().await, "ada@example.com").await;
    watching.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_evicts_what_lists_grants_is_503_until_that_is_changed() {
    let arguments = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"];
    let Some(server) = RedisProcess::start(&arguments).await else { return };
    let deployment = Deployment::start_on(Arc::new(RedisStore::new(server.server())), &[]).await;
    let (host, watching) = (deployment.harness.host(), watching(deployment.harness.host()));
    serves_mcp(&deployment).await;
    assert_eq!(in_time(host.ready_for_internal()).await, Err(NotReady::Store));
    let found = host.check().await.expect("the component answers");
    assert!(found.iter().any(|finding| finding.text.contains("allkeys-lru")), "{found:?}");
    server.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    recovers(|| host.ready_for_internal()).await;
    let tokens = deployment.tokens(&deployment.client().await, "ada@example.com").await;
    assert_eq!(deployment.list_tools(&tokens.access).await.status, 200);
    server.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"]).await;
    recovers(async || match deployment.list_tools(&tokens.access).await.status {
        503 => Ok(()),
        status => Err(status),
    })
    .await;
    server.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]).await;
    recovers(async || match deployment.list_tools(&tokens.access).await.status {
        200 => Ok(()),
        status => Err(status),
    })
    .await;
    watching.abort();
}

#[tokio::test]
async fn nothing_is_read_or_written_where_lists_are_evicted() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let (_relay, store) = relayed(&server).await;
    store.put("a", vec![1], HOUR).await.expect("a write");
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-random"]).await;
    recovers(async || match in_time(store.get("a")).await {
        Err(StoreError::Unavailable) => Ok(()),
        found => Err(found),
    })
    .await;
    assert_eq!(in_time(store.create("b", vec![1], HOUR)).await, Err(StoreError::Unavailable));
    assert_eq!(store.cause(), Some("store_evicts"));
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(recovers(|| store.get("a")).await, Some(vec![1]), "without a limit nothing is evicted");
}
