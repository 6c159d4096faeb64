//! Token buckets that outlive a request.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// How much a bucket lets through: at most `limit` at once, and as much again in `window_seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The size of the bucket, at least 1.
    pub limit: u32,
    /// The time in which an empty bucket fills up, in seconds, at least 1.
    pub window_seconds: u32,
}

/// What a bucket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The cost was taken; so much is left at least.
    Allowed {
        /// What is left.
        remaining: u32,
    },
    /// Nothing was taken; the same cost fits after so many seconds.
    Denied {
        /// Seconds to wait, at least 1.
        retry_after: u32,
    },
}

/// Takes from buckets. The contract stands in `wit/rate-limit.wit`: checking and taking are one atomic step.
#[expect(async_fn_in_trait, reason = "a component instance is single-threaded: futures need not be Send")]
pub trait RateLimit {
    /// Takes `cost` from the bucket `key` under `quota`.
    async fn check(&self, key: &str, quota: Quota, cost: u32) -> Decision;
}

/// Counts what was taken per key and denies above the quota; nothing ever flows back.
#[derive(Debug, Default)]
pub struct CountingLimiter(pub RefCell<BTreeMap<String, u32>>);

impl RateLimit for CountingLimiter {
    async fn check(&self, key: &str, quota: Quota, cost: u32) -> Decision {
        let mut counts = self.0.borrow_mut();
        let taken = counts.entry(key.to_owned()).or_insert(0);
        if *taken + cost > quota.limit {
            return Decision::Denied { retry_after: quota.window_seconds };
        }
        *taken += cost;
        Decision::Allowed { remaining: quota.limit - *taken }
    }
}
