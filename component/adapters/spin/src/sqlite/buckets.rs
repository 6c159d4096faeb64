//! Buckets in a table.

use super::{Database, Failure, Row, SWEPT_ROWS, Value, execute, sweeps};
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

    /// The bucket after the cost was taken; `None` when it did not fit.
    fn take(&self, key: &str, quota: Quota, cost: u32) -> Result<Option<Bucket>, Failure> {
        let parameters = vec![
            Value::Text(quota.bucket(key)),
            Value::Integer(self.now),
            Value::Integer(quota.increment(cost)),
            Value::Integer(quota.window()),
        ];
        execute(self.database, TAKE, parameters).map(Bucket::first)
    }

    fn read(&self, key: &str, quota: Quota) -> Option<Bucket> {
        execute(self.database, READ, vec![Value::Text(quota.bucket(key))]).ok().and_then(Bucket::first)
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
            Ok(Some(bucket)) => quota.allowed(bucket.seen, bucket.full_at),
            Ok(None) => match self.read(key, quota) {
                Some(bucket) => quota.denied(bucket.seen.max(self.now), bucket.full_at, cost),
                None => Decision::RetryAfter(1),
            },
            Err(_) => Decision::Allowed(0),
        }
    }
}

/// A row: when the bucket will be full, and the latest time at which somebody took from it.
struct Bucket {
    full_at: i64,
    seen: i64,
}

impl Bucket {
    fn first(rows: Vec<Row>) -> Option<Self> {
        match rows.first()?.as_slice() {
            [Value::Integer(full_at), Value::Integer(seen)] => Some(Bucket { full_at: *full_at, seen: *seen }),
            _ => None,
        }
    }
}

/// Requests read their clocks before they wait for the database's lock, and machines have clocks of their own, so the
/// time of a bucket is the latest one seen: it does not go back. One further ahead than a window is left over from a
/// clock that was set back, and the bucket counts as none.
const TAKE: &str = "INSERT INTO plausible_mcp_buckets (k, full_at, seen) VALUES (?1, ?2 + ?3, ?2) \
     ON CONFLICT (k) DO UPDATE SET \
       full_at = iif(seen > ?2 + ?4, ?2, max(full_at, seen, ?2)) + ?3, \
       seen = iif(seen > ?2 + ?4, ?2, max(seen, ?2)) \
     WHERE iif(seen > ?2 + ?4, ?2, max(full_at, seen, ?2)) + ?3 <= iif(seen > ?2 + ?4, ?2, max(seen, ?2)) + ?4 \
     RETURNING full_at, seen";

const READ: &str = "SELECT full_at, seen FROM plausible_mcp_buckets WHERE k = ?1";

const SWEEP: &str = "DELETE FROM plausible_mcp_buckets WHERE k IN \
     (SELECT k FROM plausible_mcp_buckets WHERE full_at <= ?1 ORDER BY full_at LIMIT ?2)";

#[cfg(test)]
mod tests {
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
    fn who_read_the_clock_first_and_came_last_finds_the_bucket_as_full_as_the_others() {
        let database = InMemory::default();
        assert_eq!(check(&database, START + SECOND, "a", 2), Decision::Allowed(1));
        assert_eq!(check(&database, START, "a", 1), Decision::Allowed(0));
        assert_eq!(check(&database, START, "a", 1), Decision::RetryAfter(20));
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out() {
        let database = InMemory::default();
        assert_eq!(check(&database, START + 86_400 * SECOND, "a", 3), Decision::Allowed(0));
        assert_eq!(check(&database, START, "a", 1), Decision::Allowed(2));
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
