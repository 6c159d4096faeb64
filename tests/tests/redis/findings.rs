//! What an operator is told about a real server.

use std::time::Duration;

use plausible_mcp_host::oauth_store::{OauthStore, RedisStore};
use plausible_mcp_host::{Finding, Level, Origin, RedisServer};
use plausible_mcp_tests::redis_process::{RedisProcess, free_address, server_at};

use super::in_time;

fn texts(findings: &[Finding], level: Level) -> Vec<&str> {
    findings.iter().filter(|finding| finding.level == level).map(|finding| finding.text.as_str()).collect()
}

#[tokio::test]
async fn a_server_that_forgets_nothing_is_fine() {
    let arguments = ["--appendonly", "yes", "--appendfsync", "always"];
    let Some(server) = RedisProcess::start(&arguments).await else { return };
    let findings = in_time(RedisStore::new(server.server()).findings()).await;
    assert!(findings.iter().all(|finding| finding.level == Level::Ok), "{findings:?}");
    assert!(findings[0].text.contains(&server.address().to_string()), "{findings:?}");
}

#[tokio::test]
async fn what_a_server_may_forget_is_said() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let store = RedisStore::new(server.server());
    let findings = in_time(store.findings()).await;
    assert!(texts(&findings, Level::Warn)[0].starts_with("appendonly is off"), "{findings:?}");
    server.ask::<()>(&["CONFIG", "SET", "appendonly", "yes", "maxmemory", "100mb"]).await;
    server.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]).await;
    let findings = in_time(store.findings()).await;
    let warned = texts(&findings, Level::Warn);
    assert!(warned[0].starts_with("appendfsync is everysec") && warned[1].contains("volatile-lru"), "{findings:?}");
    server.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let findings = in_time(store.findings()).await;
    assert!(texts(&findings, Level::Error)[0].contains("allkeys-lru"), "{findings:?}");
}

#[tokio::test]
async fn a_service_that_forbids_config_or_info_cannot_be_asked() {
    let Some(server) = RedisProcess::start(&["--appendonly", "yes"]).await else { return };
    server.ask::<()>(&["ACL", "SETUSER", "app", "on", ">s3cret", "~*", "+@all", "-config"]).await;
    let address = format!("redis://app:s3cret@{}", server.address()).parse().expect("an address");
    let store = RedisStore::new(RedisServer::new(address, None).expect("no TLS is needed"));
    let findings = in_time(store.findings()).await;
    assert!(texts(&findings, Level::Warn)[0].contains("CONFIG is forbidden"), "{findings:?}");
    server.ask::<()>(&["ACL", "SETUSER", "app", "-info"]).await;
    let findings = in_time(store.findings()).await;
    assert!(texts(&findings, Level::Warn)[0].contains("INFO is forbidden"), "{findings:?}");
    server.ask::<()>(&["ACL", "SETUSER", "app", "-zcard"]).await;
    let findings = in_time(store.findings()).await;
    assert!(texts(&findings, Level::Error)[0].contains("NOPERM"), "{findings:?}");
    assert!(!format!("{findings:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_server_that_is_away_or_a_replica_is_an_error() {
    let away = in_time(RedisStore::new(server_at(free_address())).findings()).await;
    assert_eq!((away[0].level, away[0].origin), (Level::Error, Origin::Unreachable));
    let Some(server) = RedisProcess::start(&["--replicaof", "127.0.0.1", "1"]).await else { return };
    let replica = in_time(RedisStore::new(server.server()).findings()).await;
    assert!(texts(&replica, Level::Error).iter().any(|text| text.contains("replica")), "{replica:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_holds_is_told_by_kind() {
    let Some(mut server) = RedisProcess::start(&[]).await else { return };
    let store = RedisStore::new(server.server());
    for key in ["grant/a/1", "grant/b/1", "grants", "client/1", "made-up/1"] {
        store.put(key, b"1".to_vec(), Duration::from_secs(60)).await.expect("a write");
    }
    let census = store.census().await.expect("the server answers");
    let of = |kind: &str| census.records.get(kind).copied();
    assert_eq!([of("grant"), of("client"), of("refresh"), of("other")], [Some(2), Some(1), Some(0), Some(2)]);
    assert!(census.bytes.is_some_and(|bytes| bytes > 100_000), "{census:?}");
    server.kill();
    assert_eq!(store.census().await, None);
}
