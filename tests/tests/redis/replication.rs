//! A primary with a replica: what is acknowledged is on both, and survives a failover.

use std::sync::Arc;
use std::time::Duration;

use plausible_mcp_host::oauth_store::{OauthStore, RedisStore, StoreError};
use plausible_mcp_host::{Origin, RedisServer};
use plausible_mcp_tests::redis_process::RedisProcess;
use plausible_mcp_tests::relay::Traffic;
use tokio::time::Instant;

use super::{HOUR, PATIENCE, in_time, recovers, relayed};

/// A primary and a replica that follows it.
async fn pair() -> Option<(RedisProcess, RedisProcess)> {
    let primary = RedisProcess::start(&[]).await?;
    let port = primary.address().port().to_string();
    let replica = RedisProcess::start(&["--replicaof", "127.0.0.1", &port]).await?;
    follows(&replica, &primary).await;
    Some((primary, replica))
}

/// Waits until `replica` gets what is written to `primary`.
pub(super) async fn follows(replica: &RedisProcess, primary: &RedisProcess) {
    primary.until::<String>(&["INFO", "replication"], |section| section.contains("state=online")).await;
    // It gets writes a while after it is said to be online; before, the key could come with its first filling.
    primary.ask::<()>(&["SET", "arrived", "yes"]).await;
    replica.until::<Option<String>>(&["GET", "arrived"], Option::is_some).await;
    primary.ask::<()>(&["DEL", "arrived"]).await;
}

/// Has `replica` follow `primary`.
pub(super) async fn follow(replica: &RedisProcess, primary: &RedisProcess) {
    replica.ask::<()>(&["REPLICAOF", "127.0.0.1", &primary.address().port().to_string()]).await;
    follows(replica, primary).await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_failover_and_is_taken_once() {
    let Some((mut primary, replica)) = pair().await else { return };
    let (relay, store) = relayed(&primary).await;
    for number in 0..50 {
        store.create(&format!("code/{number}"), vec![number], HOUR).await.expect("a write");
    }
    assert_eq!(store.take("code/0").await, Ok(Some(vec![0])));
    assert_eq!(store.replace("code/1", &[1], vec![101], None).await, Ok(true));
    primary.kill();
    replica.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    relay.turn_to(replica.address());
    assert_eq!(recovers(|| store.get("code/0")).await, None, "what was taken stays taken");
    assert_eq!(store.get("code/1").await, Ok(Some(vec![101])));
    assert_eq!(in_time(store.take("code/2")).await, Err(StoreError::Unavailable), "the new primary has no replica");
    primary.restart().await;
    follow(&primary, &replica).await;
    assert_eq!(store.keys("code/", None, 1000).await.map(|keys| keys.len()), Ok(49));
    for number in 2..50 {
        assert_eq!(store.take(&format!("code/{number}")).await, Ok(Some(vec![number])));
    }
}

#[tokio::test]
async fn a_demoted_primary_is_left_for_the_new_one() {
    let Some((primary, replica)) = pair().await else { return };
    let (relay, store) = relayed(&primary).await;
    let store = Arc::new(store);
    let mut writing = tokio::task::JoinSet::new();
    for key in KEYS {
        let store = store.clone();
        writing.spawn(async move { store.put(key, vec![1], HOUR).await });
    }
    assert_eq!(writing.join_all().await, [Ok(()); 8]);
    replica.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    follow(&primary, &replica).await;
    relay.turn_to(replica.address());
    // Eight connections still lead to the old primary, which lives on as a replica. One refusal is enough.
    assert_eq!(in_time(store.take(KEYS[0])).await, Err(StoreError::Unavailable));
    for key in KEYS {
        assert_eq!(in_time(store.take(key)).await, Ok(Some(vec![1])));
    }
}

#[tokio::test]
async fn what_was_revoked_at_the_new_primary_is_soon_gone_whichever_connection_asks() {
    let Some((primary, replica)) = pair().await else { return };
    let (relay, store) = relayed(&primary).await;
    let store = Arc::new(store);
    let at_once = || {
        let mut reading = tokio::task::JoinSet::new();
        for _ in KEYS {
            let store = store.clone();
            reading.spawn(async move { in_time(store.get("token")).await });
        }
        reading.join_all()
    };
    store.put("token", vec![1], HOUR).await.expect("a write");
    assert_eq!(at_once().await, vec![Ok(Some(vec![1])); KEYS.len()]);
    replica.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    replica.ask::<()>(&["DEL", "{plausible-mcp}:record/token"]).await;
    // The old primary lives on as a replica that never hears of it.
    primary.ask::<()>(&["REPLICAOF", "127.0.0.1", "1"]).await;
    relay.turn_to(replica.address());
    let end = Instant::now() + PATIENCE;
    while in_time(store.get("token")).await != Ok(None) {
        assert!(Instant::now() < end, "it is still read from the old primary");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(at_once().await, vec![Ok(None); KEYS.len()]);
}

#[tokio::test]
async fn the_first_read_after_a_failover_finds_the_new_primary() {
    let Some((primary, replica)) = pair().await else { return };
    let (relay, store) = relayed(&primary).await;
    store.put("a", vec![1], HOUR).await.expect("a write");
    replica.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    primary.ask::<()>(&["REPLICAOF", "127.0.0.1", &replica.address().port().to_string()]).await;
    relay.turn_to(replica.address());
    tokio::time::sleep(ROLE_IS_OLD).await;
    assert_eq!(in_time(store.get("a")).await, Ok(Some(vec![1])));
}

#[tokio::test]
async fn an_address_that_leads_to_a_replica_is_not_connected_to_for_every_operation() {
    let Some(replica) = RedisProcess::start(&["--replicaof", "127.0.0.1", "1"]).await else { return };
    let store = RedisStore::new(replica.server());
    let (begun, before) = (Instant::now(), connections(&replica).await);
    for _ in 0..200 {
        assert_eq!(in_time(store.get("a")).await, Err(StoreError::Unavailable));
    }
    let made = connections(&replica).await - before;
    // Four a second, the first one, and the one that asks here.
    let most = begun.elapsed().as_millis() / 250 + 2;
    assert!((2..=most).contains(&u128::from(made)), "{made} of at most {most}");
}

/// How many connections a server has accepted.
async fn connections(server: &RedisProcess) -> u64 {
    let statistics: String = server.ask(&["INFO", "stats"]).await;
    let accepted = statistics.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    accepted.and_then(|count| count.trim().parse().ok()).expect("a server counts its connections")
}

#[tokio::test]
async fn a_server_that_forbids_info_is_asked_once_for_each_connection() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    server.ask::<()>(&["ACL", "SETUSER", "app", "on", ">s3cret", "~*", "+@all", "-info"]).await;
    let address = format!("redis://app:s3cret@{}", server.address()).parse().expect("an address");
    let store = RedisStore::new(RedisServer::new(address, None).expect("no TLS is needed"));
    assert_eq!(store.put("a", vec![1], HOUR).await, Ok(()));
    tokio::time::sleep(ROLE_IS_OLD).await;
    assert_eq!(store.get("a").await, Ok(Some(vec![1])));
    let statistics: String = server.ask(&["INFO", "commandstats"]).await;
    let info = statistics.lines().find(|line| line.starts_with("cmdstat_info:")).expect("INFO was asked for");
    assert!(info.contains("rejected_calls=1,"), "{info}");
}

#[tokio::test]
async fn reads_ask_for_the_role_once_in_a_while_and_not_each_time() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let store = RedisStore::new(server.server());
    let begun = Instant::now();
    for _ in 0..200 {
        assert_eq!(store.get("a").await, Ok(None));
    }
    let most = begun.elapsed().as_secs() + 1;
    let statistics: String = server.ask(&["INFO", "commandstats"]).await;
    let calls = statistics.lines().find_map(|line| line.strip_prefix("cmdstat_info:calls=")?.split(',').next());
    let asked: u64 = calls.and_then(|calls| calls.parse().ok()).expect("the role was asked for");
    assert!((1..=most).contains(&asked), "{asked} times: {statistics}");
}

#[tokio::test]
async fn a_write_that_no_replica_confirms_has_an_unknown_outcome() {
    let Some((primary, replica)) = pair().await else { return };
    let store = RedisStore::new(primary.server());
    assert_eq!(store.create("a", vec![1], HOUR).await, Ok(true));
    replica.signal("STOP");
    assert_eq!(in_time(store.create("b", vec![2], HOUR)).await, Err(StoreError::UnknownOutcome));
    assert_eq!(in_time(store.take("a")).await, Err(StoreError::UnknownOutcome));
    for _ in 0..2 {
        // What was found may be known to this server alone.
        assert_eq!(in_time(store.create("b", vec![3], HOUR)).await, Err(StoreError::UnknownOutcome));
        assert_eq!(in_time(store.replace("b", &[1], vec![3], None)).await, Err(StoreError::UnknownOutcome));
        assert_eq!(in_time(store.take("a")).await, Err(StoreError::UnknownOutcome));
        assert_eq!(in_time(store.delete("a")).await, Err(StoreError::UnknownOutcome));
    }
    assert_eq!(store.get("b").await, Ok(Some(vec![2])));
    assert_eq!(
        in_time(store.put("answer/1", vec![1], HOUR)).await,
        Ok(()),
        "what can be asked for again needs no replica"
    );
    replica.signal("CONT");
    assert!(!recovers(|| store.create("b", vec![3], HOUR)).await);
    assert!(recovers(|| store.replace("b", &[2], vec![4], None)).await);
    assert_eq!(replica.ask::<Option<String>>(&["GET", "{plausible-mcp}:record/a"]).await, None, "the replica follows");
}

#[tokio::test]
async fn a_replica_that_went_away_is_missed_until_the_operator_gives_it_up() {
    let Some((primary, mut replica)) = pair().await else { return };
    let store = RedisStore::new(primary.server());
    store.put("a", vec![1], HOUR).await.expect("a write");
    replica.kill();
    let gone = |section: &String| section.contains("connected_slaves:0");
    primary.until::<String>(&["INFO", "replication"], gone).await;
    // The first write may still wait for it.
    let _ = in_time(store.put("a", vec![1], HOUR)).await;
    tokio::time::sleep(ROLE_IS_OLD).await;
    assert_eq!(in_time(store.put("a", vec![2], HOUR)).await, Err(StoreError::Unavailable));
    assert_eq!(in_time(store.create("b", vec![2], HOUR)).await, Err(StoreError::Unavailable));
    assert_eq!(in_time(store.take("a")).await, Err(StoreError::Unavailable));
    assert_eq!(in_time(store.replace("a", &[1], vec![2], None)).await, Err(StoreError::Unavailable));
    assert_eq!(store.get("a").await, Ok(Some(vec![1])), "nothing was written, and it is read");
    assert_eq!(in_time(store.delete("a")).await, Err(StoreError::UnknownOutcome));
    assert_eq!(store.get("a").await, Ok(None), "what is revoked is not good meanwhile");
    let findings = in_time(store.findings()).await;
    let missing = findings.iter().find(|finding| finding.text.contains("needs 1 replicas and 0 follow"));
    assert_eq!(missing.map(|finding| finding.origin), Some(Origin::Unreachable), "{findings:?}");
    for given_up in [RedisStore::new(primary.server()), needing(0, &primary)] {
        assert_eq!(in_time(given_up.put("a", vec![3], HOUR)).await, Ok(()), "after a restart, or by ?replicas=0");
    }
}

#[tokio::test]
async fn a_store_that_needs_a_replica_does_not_write_without_one() {
    let Some(primary) = RedisProcess::start(&[]).await else { return };
    let store = needing(1, &primary);
    assert_eq!(in_time(store.put("a", vec![1], HOUR)).await, Err(StoreError::Unavailable));
    assert_eq!(store.get("a").await, Ok(None));
    let Some(replica) = RedisProcess::start(&[]).await else { return };
    follow(&replica, &primary).await;
    assert_eq!(in_time(store.put("a", vec![1], HOUR)).await, Ok(()));
    assert_eq!(in_time(needing(2, &primary).put("a", vec![1], HOUR)).await, Err(StoreError::Unavailable));
    assert_eq!(replica.ask::<u32>(&["EXISTS", "{plausible-mcp}:record/a"]).await, 1);
}

/// A store on `server` whose address says how many replicas a write needs.
fn needing(replicas: usize, server: &RedisProcess) -> RedisStore {
    let address = format!("redis://{}?replicas={replicas}", server.address()).parse().expect("an address");
    RedisStore::new(RedisServer::new(address, None).expect("no TLS is needed"))
}

#[tokio::test]
async fn the_role_is_asked_for_in_the_round_trip_of_a_read() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let (relay, store) = relayed(&server).await;
    let store = Arc::new(store);
    store.put("a", vec![1], HOUR).await.expect("a write");
    assert_eq!(store.get("a").await, Ok(Some(vec![1])), "the server knows the script");
    tokio::time::sleep(ROLE_IS_OLD).await;
    let before = calls(&server.ask::<String>(&["INFO", "commandstats"]).await, "get");
    relay.set(Traffic::AnswersStop);
    let reading = tokio::spawn({
        let store = store.clone();
        async move { in_time(store.get("a")).await }
    });
    server.until::<String>(&["INFO", "commandstats"], |statistics| calls(statistics, "get") > before).await;
    relay.set(Traffic::Flows);
    assert_eq!(reading.await.expect("no panic"), Ok(Some(vec![1])));
}

/// How often a server has executed a command.
pub(super) fn calls(statistics: &str, command: &str) -> u64 {
    let line = format!("cmdstat_{command}:calls=");
    let calls = statistics.lines().find_map(|statistic| statistic.strip_prefix(&line)?.split(',').next());
    calls.and_then(|calls| calls.parse().ok()).unwrap_or_default()
}

#[tokio::test]
async fn too_few_replicas_for_the_server_is_unavailable() {
    let Some(server) = RedisProcess::start(&["--min-replicas-to-write", "1"]).await else { return };
    let store = RedisStore::new(server.server());
    assert_eq!(in_time(store.put("a", vec![1], HOUR)).await, Err(StoreError::Unavailable));
    assert_eq!(store.get("a").await, Ok(None));
}

/// The store asks for the role again after a second.
const ROLE_IS_OLD: Duration = Duration::from_millis(1100);
const KEYS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
