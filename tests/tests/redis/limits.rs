//! The limiter: one bucket for several machines, and each by itself when the server is silent.

use std::time::Duration;

use plausible_mcp_host::rate_limit::{Decision, MemoryBuckets, Quota, RateLimit, RedisBuckets};
use plausible_mcp_tests::redis_process::{RedisProcess, free_address, server_at};
use plausible_mcp_tests::relay::{Relay, Traffic};
use tokio::time::{Instant, sleep, timeout};

const QUOTA: Quota = Quota { limit: 3, window_seconds: 60 };

#[tokio::test]
async fn machines_share_a_bucket() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let [one, other] = [server.server(), server.server()].map(RedisBuckets::new);
    assert_eq!(one.check("a", QUOTA, 1).await, Decision::Allowed(2));
    assert_eq!(other.check("a", QUOTA, 1).await, Decision::Allowed(1));
    assert_eq!(one.check("a", QUOTA, 1).await, Decision::Allowed(0));
    assert!(matches!(other.check("a", QUOTA, 1).await, Decision::RetryAfter(19..=20)));
    assert_eq!(other.check("b", QUOTA, 1).await, Decision::Allowed(2), "another key is another bucket");
    let wider = Quota { limit: 4, ..QUOTA };
    assert_eq!(other.check("a", wider, 1).await, Decision::Allowed(3), "another quota too");
}

#[tokio::test]
async fn it_decides_as_the_buckets_in_memory_do() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let (shared, own) = (RedisBuckets::new(server.server()), MemoryBuckets::default());
    let quotas = [(3, 60), (7, 60), (1, 1), (600, 60), (0, 0), (1000, 1), (u32::MAX, 3600), (10, u32::MAX)];
    for (number, (limit, window_seconds)) in quotas.into_iter().enumerate() {
        let quota = Quota { limit, window_seconds };
        let key = format!("key/{number}");
        for cost in [0, limit / 2, 1, limit, u32::MAX] {
            let decisions = [shared.check(&key, quota, cost).await, own.check(&key, quota, cost).await];
            match decisions {
                [Decision::Allowed(shared), Decision::Allowed(own)] => {
                    // Fast buckets fill up while the test runs.
                    let slack = (limit / 2).max(1);
                    assert!(shared.abs_diff(own) <= slack, "{quota:?} {cost}: {decisions:?}");
                }
                [Decision::RetryAfter(shared), Decision::RetryAfter(own)] => {
                    assert!(shared.abs_diff(own) <= 1 && shared >= 1, "{quota:?} {cost}: {decisions:?}");
                }
                // So do these two when one is asked a moment later.
                _ => assert!(limit >= 1000, "{quota:?} {cost}: {decisions:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_bucket_fills_up_by_the_servers_clock_and_is_then_forgotten() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let buckets = RedisBuckets::new(server.server());
    let quota = Quota { limit: 2, window_seconds: 2 };
    assert_eq!(buckets.check("a", quota, 2).await, Decision::Allowed(0));
    assert_eq!(buckets.check("a", quota, 2).await, Decision::RetryAfter(2));
    sleep(Duration::from_millis(1100)).await;
    assert_eq!(buckets.check("a", quota, 1).await, Decision::Allowed(0));
    server.until::<Vec<String>>(&["KEYS", "*"], Vec::is_empty).await;
    assert_eq!(buckets.check("a", quota, 1).await, Decision::Allowed(1));
}

#[tokio::test]
async fn nobody_reads_addresses_in_the_server() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    RedisBuckets::new(server.server()).check("address/203.0.113.9", QUOTA, 1).await;
    let keys = server.ask::<Vec<String>>(&["KEYS", "*"]).await;
    assert_eq!(keys.len(), 1);
    assert!(keys[0].starts_with("{plausible-mcp}:bucket/3/60/") && !keys[0].contains("203"), "{keys:?}");
}

#[tokio::test]
async fn without_a_server_each_machine_limits_by_itself_at_once() {
    let buckets = RedisBuckets::new(server_at(free_address()));
    assert_eq!(super::in_time(buckets.check("a", QUOTA, 1)).await, Decision::Allowed(2), "the first may wait");
    for left in [1, 0] {
        assert_eq!(at_once(buckets.check("a", QUOTA, 1)).await, Decision::Allowed(left));
    }
    assert!(matches!(at_once(buckets.check("a", QUOTA, 1)).await, Decision::RetryAfter(_)));
}

#[tokio::test]
async fn a_silent_server_is_waited_for_once_and_used_again_when_it_speaks() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let relay = Relay::start(server.address()).await;
    let buckets = RedisBuckets::new(server_at(relay.address()));
    assert_eq!(buckets.check("a", QUOTA, 3).await, Decision::Allowed(0));
    relay.set(Traffic::Stops);
    assert_eq!(super::in_time(buckets.check("a", QUOTA, 1)).await, Decision::Allowed(2), "its own bucket is full");
    for left in [1, 0] {
        assert_eq!(at_once(buckets.check("a", QUOTA, 1)).await, Decision::Allowed(left));
    }
    relay.set(Traffic::Flows);
    let other = RedisBuckets::new(server.server());
    let end = Instant::now() + super::PATIENCE;
    // The server's own buckets of `b` are emptied for both as soon as the first is connected again.
    while !matches!(other.check("b", QUOTA, 1).await, Decision::RetryAfter(_)) {
        buckets.check("b", QUOTA, 3).await;
        assert!(Instant::now() < end, "it is not used again");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_server_that_refuses_does_not_stop_requests() {
    let Some(server) = RedisProcess::start(&[]).await else { return };
    let buckets = RedisBuckets::new(server.server());
    assert_eq!(buckets.check("a", QUOTA, 1).await, Decision::Allowed(2));
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(buckets.check("a", QUOTA, 1).await, Decision::Allowed(2), "its own bucket is full");
}

/// What a check comes to that waits for nothing.
async fn at_once(check: impl Future<Output = Decision>) -> Decision {
    timeout(Duration::ZERO, check).await.expect("nobody waits for a server that is silent")
}
