//! The generic cell rate algorithm: a bucket is one point in time, at which it will be full again.

/// How much a bucket lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The size of the bucket; 0 counts as 1.
    pub limit: u32,
    /// The time in which an empty bucket fills up again, in seconds; 0 counts as 1.
    pub window_seconds: u32,
}

/// What the bucket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The cost was taken; so much is left.
    Allowed(u32),
    /// Nothing was taken. The same cost fits after so many seconds, at least 1.
    RetryAfter(u32),
}

impl Quota {
    /// Takes `cost` at the time `now` from a bucket that is full again at `full`: the new `full`, and the decision. All
    /// times are in nanoseconds since 1970. A denied bucket stays as it is.
    pub(super) fn take(self, full: u64, now: u64, cost: u32) -> (u64, Decision) {
        let limit = self.limit.max(1);
        let window = u64::from(self.window_seconds.max(1)) * NANOSECONDS;
        let each = (window / u64::from(limit)).max(1);
        let window = each * u64::from(limit);
        // A clock that went back must not close a bucket for longer than its window.
        let full = full.clamp(now, now.saturating_add(window));
        let after = full + each * u64::from(cost.min(limit));
        let debt = after - now;
        if debt > window {
            let wait = u32::try_from((debt - window).div_ceil(NANOSECONDS)).unwrap_or(u32::MAX);
            return (full, Decision::RetryAfter(wait.max(1)));
        }
        (after, Decision::Allowed(u32::try_from((window - debt) / each).unwrap_or(limit)))
    }
}

const NANOSECONDS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000 * NANOSECONDS;
    const QUOTA: Quota = Quota { limit: 3, window_seconds: 60 };

    #[test]
    fn a_bucket_runs_empty_and_fills_up() {
        let (full, first) = QUOTA.take(0, NOW, 2);
        assert_eq!(first, Decision::Allowed(1));
        assert_eq!(QUOTA.take(full, NOW, 2), (full, Decision::RetryAfter(20)));
        let (full, second) = QUOTA.take(full, NOW, 1);
        assert_eq!(second, Decision::Allowed(0));
        assert_eq!(QUOTA.take(full, NOW + 19 * NANOSECONDS, 1).1, Decision::RetryAfter(1));
        assert_eq!(QUOTA.take(full, NOW + 20 * NANOSECONDS, 1).1, Decision::Allowed(0));
        assert_eq!(QUOTA.take(full, NOW + 60 * NANOSECONDS, 1).1, Decision::Allowed(2));
    }

    #[test]
    fn a_cost_above_the_limit_is_the_limit() {
        let (full, all) = QUOTA.take(0, NOW, 99);
        assert_eq!(all, Decision::Allowed(0));
        assert_eq!(QUOTA.take(full, NOW, 99).1, Decision::RetryAfter(60));
        assert_eq!(QUOTA.take(0, NOW, 0).1, Decision::Allowed(3));
    }

    #[test]
    fn a_clock_that_goes_back_closes_no_bucket_for_long() {
        let (full, _) = QUOTA.take(0, NOW, 3);
        assert_eq!(QUOTA.take(full, NOW - 3600 * NANOSECONDS, 1).1, Decision::RetryAfter(20));
    }

    #[test]
    fn nonsense_is_no_panic() {
        let nothing = Quota { limit: 0, window_seconds: 0 };
        assert_eq!(nothing.take(0, NOW, 9).1, Decision::Allowed(0));
        for quota in [
            Quota { limit: u32::MAX, window_seconds: u32::MAX },
            Quota { limit: u32::MAX, window_seconds: 1 },
            Quota { limit: 1, window_seconds: u32::MAX },
        ] {
            assert!(matches!(quota.take(0, NOW, 1).1, Decision::Allowed(_)), "{quota:?}");
            assert!(matches!(quota.take(u64::MAX, NOW, u32::MAX).1, Decision::RetryAfter(_)), "{quota:?}");
        }
    }
}
