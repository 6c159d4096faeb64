//! The arithmetic of a bucket by the generic cell rate algorithm (GCRA): all that is kept of a bucket is the moment at
//! which it will be full again. A cost moves that moment on; it fits if the moment stays within one window from now.
//! Who keeps the moment compares and moves it in one step, in whole microseconds.

use sha2::{Digest as _, Sha256};

/// How much a bucket lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    limit: u32,
    window_seconds: u32,
}

/// What a bucket says; the cases of `wit/rate-limit.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The cost was taken; so much is left at least.
    Allowed(u32),
    /// Nothing was taken; the same cost fits after so many seconds.
    RetryAfter(u32),
}

/// Takes from buckets, each in one atomic step.
pub trait Buckets {
    /// Takes `cost` from the bucket `key`.
    fn check(&self, key: &str, quota: Quota, cost: u32) -> Decision;
}

impl Quota {
    /// A size and the seconds in which it fills up; each is at least 1.
    pub fn new(limit: u32, window_seconds: u32) -> Self {
        Quota { limit: limit.max(1), window_seconds: window_seconds.max(1) }
    }

    /// The size.
    pub fn limit(self) -> u32 {
        self.limit
    }

    /// The seconds.
    pub fn window_seconds(self) -> u32 {
        self.window_seconds
    }

    /// The name of the bucket `key`; under another quota it is another one. Keys hold addresses of people, which are no
    /// business of who reads the store; a hash also bounds the length.
    pub fn bucket(self, key: &str) -> String {
        let mut hash = base16ct::lower::encode_string(&Sha256::digest(key));
        hash.truncate(2 * HASH_BYTES);
        format!("{}/{}/{hash}", self.limit, self.window_seconds)
    }

    /// The window in microseconds: how far from now the moment may lie.
    pub fn window(self) -> i64 {
        i64::from(self.window_seconds) * MICROSECONDS
    }

    /// How far `cost` moves the moment, in microseconds; a cost above the limit is the limit.
    pub fn increment(self, cost: u32) -> i64 {
        let whole = i128::from(cost.min(self.limit)) * i128::from(self.window());
        i64::try_from(whole / i128::from(self.limit)).unwrap_or(i64::MAX)
    }

    /// The decision when the cost was taken and the bucket will be full at `full_at`.
    pub fn allowed(self, now: i64, full_at: i64) -> Decision {
        let free = i128::from(self.window()) - i128::from(full_at) + i128::from(now);
        let left = free.max(0) * i128::from(self.limit) / i128::from(self.window());
        Decision::Allowed(u32::try_from(left).unwrap_or(self.limit))
    }

    /// The decision when `cost` did not fit into a bucket that would be full at `full_at`.
    pub fn denied(self, now: i64, full_at: i64, cost: u32) -> Decision {
        let latest = now.saturating_add(self.window()) - self.increment(cost);
        let wait = full_at.saturating_sub(latest).clamp(1, self.window());
        let seconds = wait.saturating_add(MICROSECONDS - 1) / MICROSECONDS;
        Decision::RetryAfter(u32::try_from(seconds).unwrap_or(u32::MAX))
    }
}

const MICROSECONDS: i64 = 1_000_000;
/// Half of SHA-256: nobody finds two keys with the same half.
const HASH_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_moves_the_moment_by_its_share_of_the_window() {
        let quota = Quota::new(60, 60);
        assert_eq!(quota.increment(1), 1_000_000);
        assert_eq!(quota.increment(99), 60_000_000);
        assert_eq!(quota.allowed(5, 5), Decision::Allowed(60));
        assert_eq!(quota.allowed(0, 1_000_000), Decision::Allowed(59));
        assert_eq!(quota.allowed(0, 60_000_000), Decision::Allowed(0));
        assert_eq!(quota.denied(0, 60_000_000, 1), Decision::RetryAfter(1));
        assert_eq!(quota.denied(0, 60_000_000, 60), Decision::RetryAfter(60));
        assert_eq!(quota.denied(500_000, 60_000_000, 10), Decision::RetryAfter(10));
    }

    #[test]
    fn a_bucket_is_named_by_quota_and_hash() {
        let name = Quota::new(600, 60).bucket("address/203.0.113.9");
        assert!(name.starts_with("600/60/") && name.len() == 7 + 32, "{name}");
        assert_ne!(name, Quota::new(600, 60).bucket("address/203.0.113.8"));
        assert_ne!(name, Quota::new(600, 61).bucket("address/203.0.113.9"));
    }

    #[test]
    fn nonsense_is_no_panic() {
        let nothing = Quota::new(0, 0);
        assert_eq!(nothing.increment(0), 0);
        assert_eq!(nothing.increment(7), 1_000_000);
        let most = Quota::new(u32::MAX, u32::MAX);
        assert_eq!(most.increment(u32::MAX), most.window());
        assert_eq!(most.allowed(i64::MAX, i64::MIN), Decision::Allowed(u32::MAX));
        assert_eq!(most.denied(i64::MAX, i64::MIN, 1), Decision::RetryAfter(1));
        assert_eq!(most.denied(0, i64::MAX, u32::MAX), Decision::RetryAfter(u32::MAX));
    }
}
