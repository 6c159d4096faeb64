//! Buckets in memory: GCRA cells in a cache that forgets the least recently used ones.

use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, RateLimiter};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::{Decision, Quota, RateLimit};

type Bucket<C> = RateLimiter<NotKeyed, InMemoryState, C, StateInformationMiddleware>;

/// A bucket that is used under another quota is another bucket.
type Key = (String, u32, u32);

/// The buckets of this process alone.
#[derive(Default)]
pub struct MemoryBuckets(Buckets);

impl MemoryBuckets {
    /// The same as [`RateLimit::check`], at once.
    pub(crate) fn take(&self, key: &str, quota: Quota, cost: u32) -> Decision {
        self.0.take(key, quota, cost)
    }
}

impl RateLimit for MemoryBuckets {
    fn check<'a>(
        &'a self,
        key: &'a str,
        quota: Quota,
        cost: u32,
    ) -> Pin<Box<dyn Future<Output = Decision> + Send + 'a>> {
        Box::pin(std::future::ready(self.take(key, quota, cost)))
    }
}

/// All buckets, on the clock `C`.
///
/// Invariant: a key that nobody has proven pushes out no counter of a budget, because they share no cache.
struct Buckets<C: Clock = DefaultClock> {
    budgets: Cache<Key, Arc<Bucket<C>>>,
    others: Cache<Key, Arc<Bucket<C>>>,
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
        Self { budgets: cache(BUDGET_CACHE_BYTES), others: cache(CACHE_BYTES), clock }
    }

    fn take(&self, key: &str, quota: Quota, cost: u32) -> Decision {
        let limit = NonZeroU32::new(quota.limit).unwrap_or(NonZeroU32::MIN);
        let window = quota.window_seconds.max(1);
        let Some(cost) = NonZeroU32::new(cost) else {
            return Decision::Allowed(0);
        };
        let cache = if key.starts_with(BUDGET) { &self.budgets } else { &self.others };
        let bucket = cache.get_with((key.to_owned(), limit.get(), window), || Arc::new(self.bucket(limit, window)));
        match bucket.check_n(cost.min(limit)) {
            Ok(Ok(after)) => Decision::Allowed(remaining(&after)),
            Ok(Err(until)) => Decision::RetryAfter(self.seconds(&until)),
            // The cost is never above the limit, so that the bucket always has the capacity.
            Err(_) => Decision::RetryAfter(window),
        }
    }

    fn bucket(&self, limit: NonZeroU32, window: u32) -> Bucket<C> {
        let each = Duration::from_secs(window.into()) / limit.get();
        let each = each.max(Duration::from_nanos(1));
        let quota = governor::Quota::with_period(each).unwrap_or(governor::Quota::per_second(limit)).allow_burst(limit);
        RateLimiter::direct_with_clock(quota, self.clock.clone()).with_middleware()
    }

    fn seconds(&self, until: &NotUntil<C::Instant>) -> u32 {
        let wait = until.wait_time_from(self.clock.now());
        let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        u32::try_from(whole).unwrap_or(u32::MAX).max(1)
    }
}

/// A cache that forgets what was used least recently when it holds so many bytes.
fn cache<B: Clone + Send + Sync + 'static>(bytes: u64) -> Cache<Key, B> {
    Cache::builder()
        .max_capacity(bytes)
        .weigher(|key: &Key, _| u32::try_from(key.0.len()).unwrap_or(u32::MAX).saturating_add(BUCKET_BYTES))
        .eviction_policy(EvictionPolicy::lru())
        .build()
}

fn remaining(after: &StateSnapshot) -> u32 {
    after.remaining_burst_capacity()
}

/// How the keys of a budget's counters begin (`wit/rate-limit.wit`).
const BUDGET: &str = "budget/";
/// Bounds the memory of all buckets but those of budgets; enough for a hundred thousand of them.
const CACHE_BYTES: u64 = 32 << 20;
/// Bounds the memory of the counters of budgets; enough for ten thousand users.
const BUDGET_CACHE_BYTES: u64 = 4 << 20;
/// What a bucket and its entry take beside the key.
const BUCKET_BYTES: u32 = 256;

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    const QUOTA: Quota = Quota { limit: 3, window_seconds: 60 };

    fn allowed(decision: &Decision) -> Option<u32> {
        match decision {
            Decision::Allowed(remaining) => Some(*remaining),
            Decision::RetryAfter(_) => None,
        }
    }

    fn wait(decision: &Decision) -> Option<u32> {
        match decision {
            Decision::Allowed(_) => None,
            Decision::RetryAfter(seconds) => Some(*seconds),
        }
    }

    #[test]
    fn a_new_key_has_a_full_bucket_that_runs_empty_and_fills_up() {
        let clock = FakeRelativeClock::default();
        let buckets = Buckets::new(clock.clone());
        let take = |cost| buckets.take("a", QUOTA, cost);
        assert_eq!(allowed(&take(2)), Some(1));
        assert_eq!(wait(&take(2)), Some(20));
        assert_eq!(allowed(&take(1)), Some(0));
        assert_eq!(allowed(&buckets.take("b", QUOTA, 1)), Some(2));
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
        assert_eq!(allowed(&buckets.take("a", QUOTA, 99)), Some(0));
        assert_eq!(wait(&buckets.take("a", QUOTA, 99)), Some(60));
    }

    #[test]
    fn nonsense_is_no_panic() {
        let buckets = Buckets::new(FakeRelativeClock::default());
        let nothing = Quota { limit: 0, window_seconds: 0 };
        assert_eq!(allowed(&buckets.take("", nothing, 0)), Some(0));
        let most = Quota { limit: u32::MAX, window_seconds: u32::MAX };
        assert!(allowed(&buckets.take("a", most, 1)).is_some());
        let fast = Quota { limit: u32::MAX, window_seconds: 1 };
        assert!(allowed(&buckets.take("a", fast, u32::MAX)).is_some());
    }

    #[test]
    fn memory_is_bounded() {
        let buckets = Buckets::new(FakeRelativeClock::default());
        for number in 0..200_000 {
            buckets.take(&format!("address/{number}"), QUOTA, 1);
        }
        buckets.others.run_pending_tasks();
        assert!(buckets.others.weighted_size() <= CACHE_BYTES);
        assert_eq!(buckets.budgets.entry_count(), 0);
    }

    #[test]
    fn keys_that_nobody_has_proven_push_out_no_budget() {
        let buckets = Buckets::new(FakeRelativeClock::default());
        let day = Quota { limit: 2, window_seconds: 24 * 3600 };
        for key in ["budget/7", "budget/7/ada"] {
            assert_eq!(allowed(&buckets.take(key, day, 2)), Some(0), "{key}");
        }
        for number in 0..200_000 {
            for kind in ["address", "identity"] {
                buckets.take(&format!("{kind}/{number}"), QUOTA, 1);
            }
        }
        buckets.others.run_pending_tasks();
        for key in ["budget/7", "budget/7/ada"] {
            assert!(wait(&buckets.take(key, day, 1)).is_some(), "{key} is forgotten");
        }
    }
}
