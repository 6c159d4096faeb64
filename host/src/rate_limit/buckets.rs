//! The buckets: GCRA cells in a bounded cache.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, Quota, RateLimiter};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::bindings::rate_limit as wit;

type Bucket<C> = RateLimiter<NotKeyed, InMemoryState, C, StateInformationMiddleware>;

/// A bucket that is used under another quota is another bucket.
type Key = (String, u32, u32);

/// All buckets of the process, on the clock `C`.
pub(super) struct Buckets<C: Clock = DefaultClock> {
    cache: Cache<Key, Arc<Bucket<C>>>,
    clock: C,
}

impl Default for Buckets {
    fn default() -> Self {
        Self::new(DefaultClock::default())
    }
}

impl<C> Buckets<C>
where
    C: Clock + Clone + Send + Sync + 'static,
    C::Instant: Send + Sync,
{
    fn new(clock: C) -> Self {
        let cache = Cache::builder()
            .max_capacity(CACHE_BYTES)
            .weigher(|key: &Key, _| u32::try_from(key.0.len()).unwrap_or(u32::MAX).saturating_add(BUCKET_BYTES))
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self { cache, clock }
    }

    /// Takes `cost` from the bucket `key`, or tells how long to wait for it.
    pub(super) fn check(&self, key: String, quota: wit::Quota, cost: u32) -> wit::Decision {
        let limit = NonZeroU32::new(quota.limit).unwrap_or(NonZeroU32::MIN);
        let window = quota.window_seconds.max(1);
        let Some(cost) = NonZeroU32::new(cost) else {
            return wit::Decision::Allowed(0);
        };
        let bucket = self.cache.get_with((key, limit.get(), window), || Arc::new(self.bucket(limit, window)));
        match bucket.check_n(cost.min(limit)) {
            Ok(Ok(after)) => wit::Decision::Allowed(remaining(&after)),
            Ok(Err(until)) => wit::Decision::RetryAfter(self.seconds(&until)),
            // The cost is never above the limit, so that the bucket always has the capacity.
            Err(_) => wit::Decision::RetryAfter(window),
        }
    }

    fn bucket(&self, limit: NonZeroU32, window: u32) -> Bucket<C> {
        let each = Duration::from_secs(window.into()) / limit.get();
        let each = each.max(Duration::from_nanos(1));
        let quota = Quota::with_period(each).unwrap_or(Quota::per_second(limit)).allow_burst(limit);
        RateLimiter::direct_with_clock(quota, self.clock.clone()).with_middleware()
    }

    fn seconds(&self, until: &NotUntil<C::Instant>) -> u32 {
        let wait = until.wait_time_from(self.clock.now());
        let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        u32::try_from(whole).unwrap_or(u32::MAX).max(1)
    }
}

fn remaining(after: &StateSnapshot) -> u32 {
    after.remaining_burst_capacity()
}

/// Bounds the memory of all buckets together; enough for a hundred thousand of them.
const CACHE_BYTES: u64 = 32 << 20;
/// What a bucket and its entry take beside the key.
const BUCKET_BYTES: u32 = 256;

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    const QUOTA: wit::Quota = wit::Quota { limit: 3, window_seconds: 60 };

    fn allowed(decision: &wit::Decision) -> Option<u32> {
        match decision {
            wit::Decision::Allowed(remaining) => Some(*remaining),
            wit::Decision::RetryAfter(_) => None,
        }
    }

    fn wait(decision: &wit::Decision) -> Option<u32> {
        match decision {
            wit::Decision::Allowed(_) => None,
            wit::Decision::RetryAfter(seconds) => Some(*seconds),
        }
    }

    #[test]
    fn a_new_key_has_a_full_bucket_that_runs_empty_and_fills_up() {
        let clock = FakeRelativeClock::default();
        let buckets = Buckets::new(clock.clone());
        let take = |cost| buckets.check("a".into(), QUOTA, cost);
        assert_eq!(allowed(&take(2)), Some(1));
        assert_eq!(wait(&take(2)), Some(20));
        assert_eq!(allowed(&take(1)), Some(0));
        assert_eq!(allowed(&buckets.check("b".into(), QUOTA, 1)), Some(2));
        clock.advance(Duration::from_secs(19));
        assert_eq!(wait(&take(1)), Some(1));
        clock.advance(Duration::from_secs(1));
        assert_eq!(allowed(&take(1)), Some(0));
        clock.advance(Duration::from_secs(60));
        assert_eq!(allowed(&take(1)), Some(2));
    }

    #[test]
    fn a_cost_above_the_limit_is_the_limit() {
        let buckets = Buckets::new(FakeRelativeClock::default());
        assert_eq!(allowed(&buckets.check("a".into(), QUOTA, 99)), Some(0));
        assert_eq!(wait(&buckets.check("a".into(), QUOTA, 99)), Some(60));
    }

    #[test]
    fn nonsense_is_no_panic() {
        let buckets = Buckets::new(FakeRelativeClock::default());
        let nothing = wit::Quota { limit: 0, window_seconds: 0 };
        assert_eq!(allowed(&buckets.check(String::new(), nothing, 0)), Some(0));
        let most = wit::Quota { limit: u32::MAX, window_seconds: u32::MAX };
        assert!(allowed(&buckets.check("a".into(), most, 1)).is_some());
        let fast = wit::Quota { limit: u32::MAX, window_seconds: 1 };
        assert!(allowed(&buckets.check("a".into(), fast, u32::MAX)).is_some());
    }

    #[test]
    fn memory_is_bounded() {
        let buckets = Buckets::new(FakeRelativeClock::default());
        for number in 0..200_000 {
            buckets.check(format!("address/{number}"), QUOTA, 1);
        }
        buckets.cache.run_pending_tasks();
        assert!(buckets.cache.weighted_size() <= CACHE_BYTES);
    }
}
