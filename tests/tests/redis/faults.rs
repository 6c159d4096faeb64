//! A server that is gone, slow, or refuses: what the caller is told, in bounded time, and that it passes.

use std::sync::Arc;
use std::time::Duration;

use plausible_mcp_host::oauth_store::{OauthStore, RedisStore, StoreError};
use plausible_mcp_tests::redis_process::{RedisProcess, free_address, server_at};
use plausible_mcp_tests::relay::Traffic;
use tokio::time::sleep;

use super::{HOUR, in_time, recovers, relayed};

const UNAVAILABLE: StoreError = StoreError::Unavailable;
const UNKNOWN: StoreError = StoreError::UnknownOutcome;

#[tokio::test]
async fn where_nobody_listens_the_store_is_unavailable() {
    let store = RedisStore::new(server_at(free_address()));
    assert_eq!(in_time(store.get("a")).await, Err(UNAVAILABLE));
    assert_eq!(in_time(store.create("a", vec![1], HOUR)).await, Err(UNAVAILABLE));
    assert_eq!(in_time(store.take("a")).await, Err(UNAVAILABLE));
    assert_eq!(in_time(store.keys("", None, 10)).await, Err(UNAVAILABLE));
}

#[tokio::test]
async fn a_lost_server_is_unavailable_until_it_is_back() {
    let Some(mut server) = RedisProcess::start(&["--appendonly", "yes"]).await else { return };
    let store = RedisStore::new(server.server());
    store.put("a", vec![1], HOUR).await.expect("a write");
    server.kill();
    // The end of the connection is seen a moment later.
    sleep(Duration::from_millis(200)).await;
    assert_eq!(in_time(store.take("a")).await, Err(UNAVAILABLE));
    assert_eq!(in_time(store.get("a")).await, Err(UNAVAILABLE));
    server.restart().await;
    assert_eq!(recovers(|| store.take("a")).await, Some(vec![1]));
}

#[tokio::test]
async fn a_server_that_does_not_answer_leaves_the_outcome_of_a_write_unknown() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let (relay, store) = relayed(&server).await;
    store.put("code", vec![1], HOUR).await.expect("a write");
    assert_eq!(store.take("none").await, Ok(None), "the server knows the script");
    relay.set(Traffic::AnswersStop);
    assert_eq!(in_time(store.take("code")).await, Err(UNKNOWN));
    assert_eq!(in_time(store.get("code")).await, Err(UNAVAILABLE), "reading changed nothing");
    relay.set(Traffic::Flows);
    assert_eq!(recovers(|| store.get("code")).await, None, "it was taken");
    assert_eq!(store.create("code", vec![2], HOUR).await, Ok(true), "and not taken again later");
    sleep(Duration::from_millis(300)).await;
    assert_eq!(store.get("code").await, Ok(Some(vec![2])));
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_the_outcome_of_a_write_unknown() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let (relay, store) = relayed(&server).await;
    let store = Arc::new(store);
    store.put("code", vec![1], HOUR).await.expect("a write");
    assert_eq!(store.take("none").await, Ok(None), "the server knows the script");
    relay.set(Traffic::AnswersStop);
    let taking = tokio::spawn({
        let store = store.clone();
        async move { in_time(store.take("code")).await }
    });
    server.until::<u32>(&["EXISTS", "{plausible-mcp}:record/code"], |found| *found == 0).await;
    relay.set(Traffic::Breaks);
    assert_eq!(taking.await.expect("no panic"), Err(UNKNOWN));
    assert_eq!(in_time(store.take("code")).await, Err(UNAVAILABLE));
    relay.set(Traffic::Flows);
    assert_eq!(recovers(|| store.take("code")).await, None, "it was redeemed once");
}

#[tokio::test]
async fn a_read_survives_a_broken_connection() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let (relay, store) = relayed(&server).await;
    store.put("a", vec![1], HOUR).await.expect("a write");
    relay.set(Traffic::AnswersStop);
    let store = Arc::new(store);
    let reading = tokio::spawn({
        let store = store.clone();
        async move { in_time(store.get("a")).await }
    });
    sleep(Duration::from_millis(200)).await;
    relay.cut();
    // The question is asked again over a new connection.
    relay.set(Traffic::Flows);
    assert_eq!(reading.await.expect("no panic"), Ok(Some(vec![1])));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_of_a_stalled_server_wait_together() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let (relay, store) = relayed(&server).await;
    let store = Arc::new(store);
    store.put("a", vec![1], HOUR).await.expect("a write");
    relay.set(Traffic::Stops);
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..100 {
        let store = store.clone();
        callers.spawn(async move { store.put(&format!("b/{number}"), vec![1], HOUR).await });
    }
    let outcomes = in_time(callers.join_all()).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(UNAVAILABLE | UNKNOWN))), "{outcomes:?}");
    assert!(outcomes.contains(&Err(UNAVAILABLE)), "most were never sent");
    relay.set(Traffic::Flows);
    assert_eq!(recovers(|| store.get("a")).await, Some(vec![1]));
}

#[tokio::test]
async fn a_caller_that_gives_up_leaves_no_answer_for_the_next() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let (relay, store) = relayed(&server).await;
    store.put("a", vec![1], HOUR).await.expect("a write");
    store.put("b", vec![2], HOUR).await.expect("a write");
    relay.set(Traffic::AnswersStop);
    assert!(tokio::time::timeout(Duration::from_millis(100), store.get("a")).await.is_err());
    relay.set(Traffic::Flows);
    assert_eq!(store.get("b").await, Ok(Some(vec![2])));
}

#[tokio::test]
async fn a_replica_is_neither_written_nor_read_until_it_is_a_primary() {
    let Some(primary) = RedisProcess::start(&[]).await else { return };
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let store = RedisStore::new(server.server());
    RedisStore::new(primary.server()).put("a", vec![1], HOUR).await.expect("a write");
    server.ask::<()>(&["REPLICAOF", "127.0.0.1", &primary.address().port().to_string()]).await;
    server.until::<u32>(&["EXISTS", "{plausible-mcp}:record/a"], |found| *found == 1).await;
    assert_eq!(in_time(store.put("a", vec![2], HOUR)).await, Err(UNAVAILABLE));
    assert_eq!(in_time(store.take("a")).await, Err(UNAVAILABLE));
    assert_eq!(in_time(store.delete("a")).await, Err(UNAVAILABLE));
    assert_eq!(in_time(store.replace("a", &[1], vec![2], None)).await, Err(UNAVAILABLE));
    assert_eq!(in_time(store.get("a")).await, Err(UNAVAILABLE));
    assert_eq!(in_time(store.keys("", None, 10)).await, Err(UNAVAILABLE));
    server.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    assert_eq!(recovers(|| store.take("a")).await, Some(vec![1]));
}

#[tokio::test]
async fn a_server_without_memory_refuses_to_write_and_still_removes() {
    let Some(server) = RedisProcess::start(&["--maxmemory-policy", "noeviction"]).await else { return };
    let store = RedisStore::new(server.server());
    store.put("a", vec![1], HOUR).await.expect("a write");
    store.put("b", vec![1], HOUR).await.expect("a write");
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(in_time(store.create("c", vec![1], HOUR)).await, Err(UNAVAILABLE));
    assert_eq!(in_time(store.put("a", vec![2], HOUR)).await, Err(UNAVAILABLE));
    assert_eq!(in_time(store.replace("a", &[1], vec![2], Some(HOUR))).await, Err(UNAVAILABLE));
    assert_eq!(in_time(store.replace("a", &[1], vec![2], None)).await, Err(UNAVAILABLE));
    assert_eq!(store.take("a").await, Ok(Some(vec![1])), "nothing was changed, and a code is redeemed");
    assert_eq!(store.delete("b").await, Ok(()), "a grant is revoked");
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(store.keys("", None, 10).await, Ok(Vec::new()), "a refused record has no name");
    assert_eq!(store.create("c", vec![1], HOUR).await, Ok(true));
}

#[tokio::test]
async fn a_server_that_loads_is_unavailable_until_it_has_loaded() {
    let arguments = ["--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024"];
    let Some(mut server) = RedisProcess::start(&arguments).await else { return };
    let store = RedisStore::new(server.server());
    for number in 0..300 {
        store.put(&format!("k/{number}"), vec![7; 512], HOUR).await.expect("a write");
    }
    server.ask::<()>(&["SAVE"]).await;
    server.restart().await;
    let refused = server.try_ask::<()>(&["GET", "a"]).await.expect_err("the server loads for some seconds");
    assert_eq!(refused.code(), Some("LOADING"));
    assert_eq!(in_time(store.take("k/0")).await, Err(UNAVAILABLE));
    assert_eq!(in_time(store.get("k/0")).await, Err(UNAVAILABLE));
    assert_eq!(recovers(|| store.take("k/0")).await, Some(vec![7; 512]));
}

#[tokio::test]
async fn a_server_that_runs_another_script_for_long_is_unavailable() {
    let Some(server) = RedisProcess::start(&["--lua-time-limit", "50"]).await else { return };
    let store = RedisStore::new(server.server());
    store.put("a", vec![1], HOUR).await.expect("a write");
    assert!(server.try_ask::<()>(&["EVAL", "while true do end", "0"]).await.is_err(), "it gives no answer");
    assert_eq!(in_time(store.take("a")).await, Err(UNAVAILABLE));
    server.ask::<()>(&["SCRIPT", "KILL"]).await;
    assert_eq!(recovers(|| store.take("a")).await, Some(vec![1]));
}

#[tokio::test]
async fn a_server_that_wants_a_password_is_unavailable() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let store = RedisStore::new(server.server());
    server.ask::<()>(&["CONFIG", "SET", "requirepass", "s3cret"]).await;
    assert_eq!(in_time(store.create("a", vec![1], HOUR)).await, Err(UNAVAILABLE));
    assert_eq!(in_time(store.get("a")).await, Err(UNAVAILABLE));
}
