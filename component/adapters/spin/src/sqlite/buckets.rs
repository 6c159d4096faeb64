//! Buckets in a table.

use super::{Database, Row, SWEPT_ROWS, Value, execute, sweeps};
use crate::bucket::{Buckets, Decision, Quota};

/// Buckets in `database` at `now`, in microseconds since 1970.
///
/// A row is as good as none once its bucket is full, so the table holds at most the keys of one window. A cost that
/// does not fit writes nothing: a flood of refused requests costs the disk nothing.
pub struct SqliteBuckets<'a, D> {
    database: &'a D,
    now: i64,
}

impl<'a, D: Database> SqliteBuckets<'a, D> {
    /// The buckets at one moment.
    pub fn new(database: &'a D, now: i64) -> Self {
        SqliteBuckets { database, now }
    }

    /// The moment after the cost was taken; `None` when it did not fit.
    fn take(&self, key: &str, quota: Quota, cost: u32) -> Result<Option<i64>, super::Failure> {
        let parameters = vec![
            Value::Text(quota.bucket(key)),
            Value::Integer(self.now),
            Value::Integer(quota.increment(cost)),
            Value::Integer(self.now.saturating_add(quota.window())),
            Value::Integer(self.now.saturating_add(quota.window().saturating_mul(2))),
        ];
        execute(self.database, TAKE, parameters).map(first_integer)
    }

    fn sweep(&self) {
        if sweeps(self.now) {
            // The bucket was asked already; whether this succeeds does not matter to the caller.
            let _ = execute(self.database, SWEEP, vec![Value::Integer(self.now), Value::Integer(SWEPT_ROWS)]);
        }
    }
}

impl<D: Database> Buckets for SqliteBuckets<'_, D> {
    /// The first statement decides; the second one only tells how long to wait. Without a database all is allowed:
    /// what needs the store fails by itself, and `/mcp`, which needs none, goes on.
    fn check(&self, key: &str, quota: Quota, cost: u32) -> Decision {
        let taken = self.take(key, quota, cost);
        self.sweep();
        match taken {
            Ok(Some(full_at)) => quota.allowed(self.now, full_at),
            Ok(None) => {
                let row = execute(self.database, READ, vec![Value::Text(quota.bucket(key))]).map(first_integer);
                quota.denied(self.now, row.ok().flatten().unwrap_or(self.now), cost)
            }
            Err(_) => Decision::Allowed(0),
        }
    }
}

fn first_integer(rows: Vec<Row>) -> Option<i64> {
    match rows.first()?.first()? {
        Value::Integer(number) => Some(*number),
        _ => None,
    }
}

/// The moment lies within a window of now, and within two where clocks of several machines differ. One further off is
/// left over from a longer window or from a clock that was set back, and counts as none.
const TAKE: &str = "INSERT INTO plausible_mcp_buckets (k, full_at) VALUES (?1, ?2 + ?3) \
     ON CONFLICT (k) DO UPDATE SET full_at = iif(full_at > ?5, ?2, max(full_at, ?2)) + ?3 \
     WHERE iif(full_at > ?5, ?2, max(full_at, ?2)) + ?3 <= ?4 RETURNING full_at";

const READ: &str = "SELECT full_at FROM plausible_mcp_buckets WHERE k = ?1";

const SWEEP: &str = "DELETE FROM plausible_mcp_buckets WHERE k IN \
     (SELECT k FROM plausible_mcp_buckets WHERE full_at <= ?1 ORDER BY full_at LIMIT ?2)";

#[cfg(test)]
mod tests {
    use super::super::Failure;
    use super::super::testing::{InMemory, Silent};
    use super::*;

    const SECOND: i64 = 1_000_000;
    /// A moment at which nothing is swept.
    const START: i64 = 1_700_000_000 * SECOND + 1;

    fn check(database: &InMemory, at: i64, key: &str, cost: u32) -> Decision {
        SqliteBuckets::new(database, at).check(key, Quota::new(3, 60), cost)
    }

    #[test]
    fn a_new_key_has_a_full_bucket_that_runs_empty_and_fills_up() {
        let database = InMemory::default();
        let take = |seconds: i64, cost| check(&database, START + seconds * SECOND, "a", cost);
        assert_eq!(take(0, 2), Decision::Allowed(1));
        assert_eq!(take(0, 2), Decision::RetryAfter(20));
        assert_eq!(take(0, 1), Decision::Allowed(0));
        assert_eq!(check(&database, START, "b", 1), Decision::Allowed(2));
        assert_eq!(take(19, 1), Decision::RetryAfter(1));
        assert_eq!(take(20, 1), Decision::Allowed(0));
        assert_eq!(take(80, 1), Decision::Allowed(2));
    }

    #[test]
    fn a_cost_above_the_limit_is_the_limit() {
        let database = InMemory::default();
        assert_eq!(check(&database, START, "a", 99), Decision::Allowed(0));
        assert_eq!(check(&database, START, "a", 99), Decision::RetryAfter(60));
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out_for_longer_than_a_window() {
        let database = InMemory::default();
        assert_eq!(check(&database, START + 86_400 * SECOND, "a", 3), Decision::Allowed(0));
        assert_eq!(check(&database, START, "a", 1), Decision::Allowed(2));
        assert_eq!(check(&database, START + 86_400 * SECOND, "b", 3), Decision::Allowed(0));
        assert_eq!(check(&database, START + 86_399 * SECOND, "b", 1), Decision::RetryAfter(21));
    }

    #[test]
    fn full_buckets_are_swept() {
        let database = InMemory::default();
        for number in 0..50 {
            check(&database, START, &number.to_string(), 1);
        }
        let sweeping = START - 1 + 64 * SECOND;
        check(&database, sweeping, "a", 1);
        assert_eq!(database.count("plausible_mcp_buckets"), 1);
    }

    #[test]
    fn without_a_database_all_is_allowed() {
        for failure in [Failure::Refused, Failure::Unknown] {
            let database = Silent(failure);
            let decision = SqliteBuckets::new(&database, START).check("a", Quota::new(3, 60), 1);
            assert_eq!(decision, Decision::Allowed(0));
        }
    }
}
