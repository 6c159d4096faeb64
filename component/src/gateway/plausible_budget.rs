//! How many queries `/internal` may send to Plausible in an hour. Plausible allows 600 per team, counted by the hour of
//! the clock, and everybody at `/internal` shares one key.
//!
//! The rule: of the hour's budget everybody together may spend all and one user at most half. Queries that were not
//! answered from memory count, each for its caller, also where the host sends equal ones once.

use std::cell::Cell;

use crate::plausible::{QueryError, Spender};
use crate::ports::{Decision, Quota, RateLimit, Timestamp};

/// The budget as one user meets it.
pub struct PlausibleBudget<'a, L> {
    limiter: &'a L,
    hourly: Option<u32>,
    user: &'a str,
    now: Timestamp,
    left: Cell<Option<u32>>,
}

impl<'a, L: RateLimit> PlausibleBudget<'a, L> {
    /// A budget of `hourly` queries; `None` is no limit.
    pub fn new(limiter: &'a L, hourly: Option<u32>, user: &'a str, now: Timestamp) -> Self {
        PlausibleBudget { limiter, hourly, user, now, left: Cell::new(None) }
    }

    /// What the last query left of everybody's budget, and how large that is; `None` where it was not asked for.
    pub fn left(&self) -> Option<(u32, u32)> {
        self.left.get().zip(self.hourly)
    }

    /// Takes a query out of the budget: first out of the user's share, so that who has spent it takes nothing from the
    /// others.
    pub async fn spend(&self) -> Result<(), QueryError> {
        let Some(hourly) = self.hourly else { return Ok(()) };
        let hour = self.now.seconds() / HOUR_SECONDS;
        self.take(&format!("budget/{hour}/{}", self.user), hourly.div_ceil(2), Spender::User).await?;
        self.take(&format!("budget/{hour}"), hourly, Spender::Everybody).await
    }

    /// Each hour has buckets of its own, which hardly fill up again within it.
    async fn take(&self, key: &str, limit: u32, spender: Spender) -> Result<(), QueryError> {
        let decision = self.limiter.check(key, Quota { limit, window_seconds: WINDOW_SECONDS }, 1).await;
        if spender == Spender::Everybody {
            self.left.set(Some(match decision {
                Decision::Allowed { remaining } => remaining,
                Decision::Denied { .. } => 0,
            }));
        }
        match decision {
            Decision::Allowed { .. } => Ok(()),
            Decision::Denied { .. } => {
                let left = HOUR_SECONDS - self.now.seconds() % HOUR_SECONDS;
                Err(QueryError::OverBudget { spender, retry_after: u32::try_from(left).unwrap_or(1) })
            }
        }
    }
}

const HOUR_SECONDS: u64 = 60 * 60;

/// In an hour a bucket gets back a twenty-fourth of the budget: the default leaves Plausible's limit more room than
/// that. The host may forget it a day later.
const WINDOW_SECONDS: u32 = 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::ports::CountingLimiter;

    fn spend(limiter: &CountingLimiter, hourly: u32, user: &str, now: u64) -> Result<(), QueryError> {
        let hourly = (hourly > 0).then_some(hourly);
        PlausibleBudget::new(limiter, hourly, user, Timestamp(now * 1000)).spend().now_or_never().unwrap()
    }

    fn over(spender: Spender, retry_after: u32) -> Result<(), QueryError> {
        Err(QueryError::OverBudget { spender, retry_after })
    }

    #[test]
    fn a_user_gets_half_and_everybody_together_all() {
        let limiter = CountingLimiter::default();
        let now = 7200 + 600;
        for user in ["ada", "bob"] {
            assert!((0..5).all(|_| spend(&limiter, 10, user, now) == Ok(())), "{user}");
            assert_eq!(spend(&limiter, 10, user, now), over(Spender::User, 3000));
        }
        assert_eq!(spend(&limiter, 10, "cleo", now), over(Spender::Everybody, 3000));
        assert_eq!(spend(&limiter, 10, "cleo", now + 2999), over(Spender::Everybody, 1));
        assert_eq!(spend(&limiter, 10, "cleo", now + 3000), Ok(()), "the next hour");
    }

    #[test]
    fn what_is_left_for_everybody_is_known_where_it_was_asked_for() {
        let limiter = CountingLimiter::default();
        let after = |user: &str| {
            let budget = PlausibleBudget::new(&limiter, Some(4), user, Timestamp(0));
            budget.spend().now_or_never().unwrap().ok();
            budget.left()
        };
        assert_eq!([after("ada"), after("ada"), after("ada")], [Some((3, 4)), Some((2, 4)), None], "over her share");
        assert_eq!([after("bob"), after("bob"), after("cleo")], [Some((1, 4)), Some((0, 4)), Some((0, 4))]);
        let unlimited = PlausibleBudget::new(&limiter, None, "ada", Timestamp(0));
        unlimited.spend().now_or_never().unwrap().unwrap();
        assert_eq!(unlimited.left(), None);
    }

    #[test]
    fn a_budget_of_one_is_one_and_none_is_no_limit() {
        let limiter = CountingLimiter::default();
        assert_eq!(spend(&limiter, 1, "ada", 0), Ok(()));
        assert_eq!(spend(&limiter, 1, "ada", 0), over(Spender::User, 3600));
        assert_eq!(spend(&limiter, 1, "bob", 0), over(Spender::Everybody, 3600));
        let unlimited = CountingLimiter::default();
        assert!((0..1000).all(|_| spend(&unlimited, 0, "ada", 0) == Ok(())));
        assert!(unlimited.0.borrow().is_empty());
    }
}
