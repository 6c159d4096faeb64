//! The contract that every store keeps, and how this one keeps it.

use std::sync::Arc;
use std::time::Duration;

use plausible_mcp_host::oauth_store::{OauthStore, RedisStore, contract};
use plausible_mcp_tests::redis_process::RedisProcess;

use super::HOUR;

#[tokio::test(flavor = "multi_thread")]
async fn the_store_keeps_the_contract() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    contract::check(Arc::new(RedisStore::new(server.server())), tokio::time::sleep).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_machines_one_wins() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let machines = [RedisStore::new(server.server()), RedisStore::new(server.server())].map(Arc::new);
    for round in 0..10 {
        let key = format!("code/{round}");
        let mut creating = tokio::task::JoinSet::new();
        let mut taking = tokio::task::JoinSet::new();
        for machine in machines.iter().cycle().take(20).cloned() {
            let key = key.clone();
            creating.spawn(async move { machine.create(&key, b"x".to_vec(), HOUR).await });
        }
        assert_eq!(creating.join_all().await.into_iter().filter(|created| *created == Ok(true)).count(), 1);
        for machine in machines.iter().cycle().take(20).cloned() {
            let key = key.clone();
            taking.spawn(async move { machine.take(&key).await });
        }
        let taken = taking.join_all().await;
        assert_eq!(taken.iter().filter(|taken| **taken == Ok(Some(b"x".to_vec()))).count(), 1);
        assert_eq!(taken.iter().filter(|taken| **taken == Ok(None)).count(), 19);
    }
}

#[tokio::test]
async fn names_of_ended_records_never_make_an_empty_page() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let store = RedisStore::new(server.server());
    for number in 0..2500 {
        store.put(&format!("k/{number:04}"), vec![1], Duration::from_secs(1)).await.expect("a write");
    }
    store.put("k/last", vec![1], HOUR).await.expect("a write");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(server.ask::<usize>(&["ZCARD", "{plausible-mcp}:names"]).await > 1000, "the test has nothing to pass over");
    assert_eq!(store.keys("k/", None, 10).await, Ok(vec!["k/last".to_owned()]));
    for set in ["{plausible-mcp}:names", "{plausible-mcp}:ends"] {
        assert_eq!(server.ask::<usize>(&["ZCARD", set]).await, 1, "what was passed over is removed");
    }
}

#[tokio::test]
async fn writing_sweeps_up_what_has_ended() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let store = RedisStore::new(server.server());
    for number in 0..100 {
        store.put(&format!("old/{number}"), vec![1], Duration::from_secs(1)).await.expect("a write");
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for number in 0..20 {
        store.put(&format!("new/{number}"), vec![1], HOUR).await.expect("a write");
    }
    assert_eq!(server.ask::<usize>(&["ZCARD", "{plausible-mcp}:names"]).await, 20);
    assert_eq!(server.ask::<usize>(&["ZCARD", "{plausible-mcp}:ends"]).await, 20);
    for number in 0..20 {
        store.delete(&format!("new/{number}")).await.expect("a removal");
    }
    assert_eq!(server.ask::<Vec<String>>(&["KEYS", "*"]).await, Vec::<String>::new(), "nothing is left behind");
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_told_again() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let store = RedisStore::new(server.server());
    assert_eq!(store.create("a", vec![1], HOUR).await, Ok(true));
    server.ask::<()>(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(store.create("a", vec![2], HOUR).await, Ok(false));
    assert_eq!(store.take("a").await, Ok(Some(vec![1])));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_outlives_a_killed_server_with_appendonly() {
    let arguments = ["--appendonly", "yes", "--appendfsync", "always"];
    let Some(mut server) = RedisProcess::start(&arguments).await else { return };
    let store = Arc::new(RedisStore::new(server.server()));
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let writer = store.clone();
        let writing = tokio::spawn(async move {
            let mut written = Vec::new();
            for number in 0.. {
                let key = format!("r/{round}/{number}");
                match writer.create(&key, key.clone().into_bytes(), HOUR).await {
                    Ok(created) => assert!(created),
                    Err(_) => break,
                }
                written.push(key);
            }
            written
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.kill();
        let written = writing.await.expect("the writer does not panic");
        assert!(!written.is_empty());
        acknowledged.extend(written);
        server.restart().await;
        server.until::<String>(&["PING"], |answer| answer == "PONG").await;
        super::recovers(|| store.get("none")).await;
        for key in &acknowledged {
            assert_eq!(store.get(key).await, Ok(Some(key.clone().into_bytes())), "{key}");
        }
    }
}
