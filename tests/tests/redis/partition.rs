//! A replica that is cut off from its primary: what clients are told, and what a failover to it brings back.

use std::sync::Arc;

use plausible_mcp_host::Selector;
use plausible_mcp_host::oauth_store::RedisStore;
use plausible_mcp_tests::redis_process::{RedisProcess, server_at};
use plausible_mcp_tests::relay::{Relay, Traffic};
use plausible_mcp_tests::sign_in::{Client, Deployment, Tokens};

use super::replication::{calls, follow, follows};

/// A primary that soon forgets a replica which is silent, the way between the two, and the replica.
async fn apart() -> Option<(RedisProcess, Relay, RedisProcess)> {
    let primary = RedisProcess::start(&["--repl-timeout", "3", "--repl-ping-replica-period", "1"]).await?;
    let between = Relay::start(primary.address()).await;
    let port = between.address().port().to_string();
    let replica = RedisProcess::start(&["--replicaof", "127.0.0.1", &port]).await?;
    follows(&replica, &primary).await;
    Some((primary, between, replica))
}

/// Whether a client's requests come to what they should, now or soon.
async fn soon(status: u16, answer: impl AsyncFn() -> u16) {
    super::recovers(async || match answer().await {
        found if found == status => Ok(()),
        found => Err(found),
    })
    .await;
}

/// Nothing that `client` or the operator asks for is acknowledged.
async fn check_nothing_is_acknowledged(deployment: &Deployment, client: &Client, [one, two]: [&Tokens; 2]) {
    for token in [&one.access, &one.refresh] {
        let answer = client.revoke(token).await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.header("retry-after").is_some());
    }
    assert_eq!(client.refresh(&two.refresh).await.status, 503);
    let bob = Selector::User("bob@example.com".to_owned());
    let done = deployment.harness.host().revoke(&bob).await.expect("an answer").expect("a revocation");
    assert!(!done.is_confirmed && done.revoked == 0, "{done:?}");
    assert!(done.notes[0].contains("Revoke again"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_the_failover_to_a_replica_that_was_cut_off() {
    let Some((primary, between, replica)) = apart().await else { return };
    let relay = Relay::start(primary.address()).await;
    let deployment = Deployment::start_on(Arc::new(RedisStore::new(server_at(relay.address()))), &[]).await;
    let client = deployment.client().await;
    let one = deployment.tokens(&client, "ada@example.com").await;
    let two = deployment.tokens(&client, "eve@example.com").await;
    let bob = deployment.tokens(&client, "bob@example.com").await;
    let gone = deployment.tokens(&client, "ada@example.com").await;
    assert_eq!(client.revoke(&gone.refresh).await.status, 200, "this one is acknowledged");
    between.set(Traffic::Stops);
    check_nothing_is_acknowledged(&deployment, &client, [&one, &two]).await;
    // From now on the primary looks as if it never had a replica.
    primary.until::<String>(&["INFO", "replication"], |section| section.contains("connected_slaves:0")).await;
    check_nothing_is_acknowledged(&deployment, &client, [&one, &two]).await;
    assert_eq!(deployment.list_tools(&one.access).await.status, 401, "it is refused meanwhile");
    assert_eq!(deployment.list_tools(&two.access).await.status, 200, "sign-ins that stand go on");

    replica.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    relay.turn_to(replica.address());
    relay.cut();
    soon(200, async || deployment.list_tools(&two.access).await.status).await;
    assert_eq!(deployment.list_tools(&one.access).await.status, 200, "the replica was not told, as nobody was");
    assert_eq!(deployment.list_tools(&gone.access).await.status, 401, "what was acknowledged is gone");
    assert_eq!(client.revoke(&one.refresh).await.status, 503, "the new primary has no replica yet");

    follow(&primary, &replica).await;
    soon(200, async || client.revoke(&one.refresh).await.status).await;
    let next = Tokens::of(&client.refresh(&two.refresh).await);
    assert_eq!(deployment.list_tools(&next.access).await.status, 200, "nobody was logged out");
    let done = deployment.harness.host().revoke(&Selector::All).await.expect("an answer").expect("a revocation");
    assert!(done.is_confirmed && done.revoked >= 2, "{done:?}");
    for token in [&one.access, &bob.access, &next.access] {
        assert_eq!(deployment.list_tools(token).await.status, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_is_acknowledged_when_the_replica_is_back() {
    let Some((primary, between, replica)) = apart().await else { return };
    let deployment = Deployment::start_on(Arc::new(RedisStore::new(primary.server())), &[]).await;
    let client = deployment.client().await;
    let tokens = deployment.tokens(&client, "ada@example.com").await;
    between.set(Traffic::Stops);
    assert_eq!(client.revoke(&tokens.access).await.status, 503);
    assert_eq!(client.refresh(&tokens.refresh).await.status, 503);
    between.set(Traffic::Flows);
    soon(200, async || client.revoke(&tokens.access).await.status).await;
    let next = Tokens::of(&client.refresh(&tokens.refresh).await);
    assert_eq!(deployment.list_tools(&next.access).await.status, 200);
    assert_eq!(records(&primary).await, records(&replica).await);
}

/// The names of the records on a server.
async fn records(server: &RedisProcess) -> Vec<String> {
    let mut keys = server.ask::<Vec<String>>(&["KEYS", "{plausible-mcp}:record/*"]).await;
    keys.sort();
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_check_takes_one_round_trip() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let relay = Relay::start(server.address()).await;
    let deployment = Deployment::start_on(Arc::new(RedisStore::new(server_at(relay.address()))), &[]).await;
    let client = deployment.client().await;
    let tokens = deployment.tokens(&client, "ada@example.com").await;
    for _ in 0..2 {
        assert_eq!(deployment.list_tools(&tokens.access).await.status, 200, "the server knows the script");
    }
    let next = Tokens::of(&client.refresh(&tokens.refresh).await);
    for access in [&tokens.access, &next.access] {
        let before = calls(&server.ask::<String>(&["INFO", "commandstats"]).await, "mget");
        // The server is asked for both records before any answer has come.
        relay.set(Traffic::AnswersStop);
        let (answer, ()) = tokio::join!(deployment.list_tools(access), async {
            server.until::<String>(&["INFO", "commandstats"], |statistics| calls(statistics, "mget") > before).await;
            relay.set(Traffic::Flows);
        });
        assert_eq!(answer.status, 200, "{}", answer.text());
        let asked = || async { calls(&server.ask::<String>(&["INFO", "commandstats"]).await, "evalsha") };
        let before = asked().await;
        assert_eq!(deployment.list_tools(access).await.status, 200);
        assert_eq!(asked().await, before + 1, "one question for both records");
    }
    assert_eq!(client.revoke(&next.refresh).await.status, 200);
    assert_eq!(deployment.list_tools(&next.access).await.status, 401, "it is not remembered");
}
