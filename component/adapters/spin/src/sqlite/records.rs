//! Records in a table.

use super::{Database, Failure, Row, SWEPT_ROWS, Value, execute, sweeps};
use crate::record::{Records, StoreError, TimeToLive, check_value};

/// Records in `database` as they stand at `now`, in milliseconds since 1970. Where several machines share a database,
/// their clocks decide when a record ends.
pub struct SqliteRecords<'a, D> {
    database: &'a D,
    now: i64,
}

impl<'a, D: Database> SqliteRecords<'a, D> {
    /// The records at one moment.
    pub fn new(database: &'a D, now: i64) -> Self {
        SqliteRecords { database, now }
    }

    fn read(&self, statement: &str, parameters: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        execute(self.database, statement, parameters).map_err(|_| StoreError::Unavailable)
    }

    fn write(&self, statement: &str, parameters: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        execute(self.database, statement, parameters).map_err(|failure| match failure {
            Failure::MissingTable | Failure::Refused => StoreError::Unavailable,
            Failure::Unknown => StoreError::UnknownOutcome,
        })
    }

    /// A write that adds a row; now and then expired ones go. Whether that succeeds does not matter to the caller.
    fn add(&self, statement: &str, parameters: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let rows = self.write(statement, parameters)?;
        if sweeps(self.now) {
            let _ = self.write(SWEEP, vec![Value::Integer(self.now), Value::Integer(SWEPT_ROWS)]);
        }
        Ok(rows)
    }

    fn end(&self, time: TimeToLive) -> Value {
        Value::Integer(self.now.saturating_add(time.milliseconds()))
    }

    fn now(&self) -> Value {
        Value::Integer(self.now)
    }
}

impl<D: Database> Records for SqliteRecords<'_, D> {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(GET, vec![text(key), self.now()]).map(first_blob)
    }

    fn put(&self, key: &str, value: Vec<u8>, time: TimeToLive) -> Result<(), StoreError> {
        check_value(&value)?;
        self.add(PUT, vec![text(key), Value::Blob(value), self.end(time)]).map(|_| ())
    }

    fn create(&self, key: &str, value: Vec<u8>, time: TimeToLive) -> Result<bool, StoreError> {
        check_value(&value)?;
        let parameters = vec![text(key), Value::Blob(value), self.end(time), self.now()];
        self.add(CREATE, parameters).map(|rows| !rows.is_empty())
    }

    fn take(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.write(TAKE, vec![text(key), self.now()]).map(first_blob)
    }

    fn replace(
        &self,
        key: &str,
        expected: Vec<u8>,
        new: Vec<u8>,
        time: Option<TimeToLive>,
    ) -> Result<bool, StoreError> {
        check_value(&new)?;
        let end = time.map_or(Value::Null, |time| self.end(time));
        let parameters = vec![text(key), Value::Blob(expected), self.now(), Value::Blob(new), end];
        self.write(REPLACE, parameters).map(|rows| !rows.is_empty())
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.write(DELETE, vec![text(key)]).map(|_| ())
    }

    fn keys(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError> {
        let beyond = format!("{prefix}{AFTER_EVERY_KEY_BYTE}");
        let parameters = vec![
            text(prefix),
            text(after.unwrap_or_default()),
            Value::Text(beyond),
            self.now(),
            Value::Integer(limit.into()),
        ];
        let rows = self.read(KEYS, parameters)?;
        Ok(rows.into_iter().filter_map(first_text).collect())
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn first_blob(rows: Vec<Row>) -> Option<Vec<u8>> {
    match rows.into_iter().next()?.into_iter().next()? {
        Value::Blob(bytes) => Some(bytes),
        _ => None,
    }
}

fn first_text(row: Row) -> Option<String> {
    match row.into_iter().next()? {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

const GET: &str = "SELECT v FROM plausible_mcp_records WHERE k = ?1 AND expires > ?2";

const PUT: &str = "INSERT INTO plausible_mcp_records (k, v, expires) VALUES (?1, ?2, ?3) \
     ON CONFLICT (k) DO UPDATE SET v = excluded.v, expires = excluded.expires";

/// Over an expired record the first creator wins too: the second one finds the time of the first.
const CREATE: &str = "INSERT INTO plausible_mcp_records (k, v, expires) VALUES (?1, ?2, ?3) \
     ON CONFLICT (k) DO UPDATE SET v = excluded.v, expires = excluded.expires \
     WHERE plausible_mcp_records.expires <= ?4 RETURNING k";

const TAKE: &str = "DELETE FROM plausible_mcp_records WHERE k = ?1 AND expires > ?2 RETURNING v";

const REPLACE: &str = "UPDATE plausible_mcp_records SET v = ?4, expires = coalesce(?5, expires) \
     WHERE k = ?1 AND v = ?2 AND expires > ?3 RETURNING k";

const DELETE: &str = "DELETE FROM plausible_mcp_records WHERE k = ?1";

/// Text is compared byte by byte (collation BINARY).
const KEYS: &str = "SELECT k FROM plausible_mcp_records \
     WHERE k >= ?1 AND k > ?2 AND k < ?3 AND expires > ?4 ORDER BY k LIMIT ?5";

const SWEEP: &str = "DELETE FROM plausible_mcp_records WHERE k IN \
     (SELECT k FROM plausible_mcp_records WHERE expires <= ?1 ORDER BY expires LIMIT ?2)";

/// Comes directly after `z`, the last byte that a key may have.
const AFTER_EVERY_KEY_BYTE: char = '{';

#[cfg(test)]
mod tests {
    use super::super::testing::{InMemory, Silent};
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn hour() -> TimeToLive {
        TimeToLive::from_seconds(3600).unwrap()
    }

    #[test]
    fn a_record_is_written_compared_taken_and_gone() {
        let database = InMemory::default();
        let records = SqliteRecords::new(&database, 1);
        assert_eq!(records.get("a"), Ok(None));
        assert_eq!(records.create("a", b"1".to_vec(), hour()), Ok(true));
        assert_eq!(records.create("a", b"2".to_vec(), hour()), Ok(false));
        assert_eq!(records.replace("a", b"x".to_vec(), b"3".to_vec(), None), Ok(false));
        assert_eq!(records.replace("a", b"1".to_vec(), b"3".to_vec(), None), Ok(true));
        assert_eq!(records.get("a"), Ok(Some(b"3".to_vec())));
        assert_eq!(records.take("a"), Ok(Some(b"3".to_vec())));
        assert_eq!(records.take("a"), Ok(None));
        assert_eq!(records.put("a", Vec::new(), hour()), Ok(()));
        assert_eq!(records.get("a"), Ok(Some(Vec::new())), "an empty value is a value");
        assert_eq!(records.delete("a"), Ok(()));
        assert_eq!(records.delete("a"), Ok(()));
        assert_eq!(records.get("a"), Ok(None));
    }

    #[test]
    fn an_expired_record_is_absent_for_every_operation() {
        let database = InMemory::default();
        for key in ["a", "b"] {
            assert_eq!(SqliteRecords::new(&database, 1).put(key, b"1".to_vec(), hour()), Ok(()));
        }
        let last = SqliteRecords::new(&database, HOUR);
        assert_eq!(last.get("a"), Ok(Some(b"1".to_vec())), "it stands to its last millisecond");
        let later = SqliteRecords::new(&database, HOUR + 1);
        assert_eq!(later.get("a"), Ok(None));
        assert_eq!(later.take("a"), Ok(None));
        assert_eq!(later.replace("a", b"1".to_vec(), b"2".to_vec(), Some(hour())), Ok(false));
        assert_eq!(later.keys("", None, 10), Ok(Vec::new()));
        assert_eq!(later.create("a", b"3".to_vec(), hour()), Ok(true), "the key is free");
        assert_eq!(later.create("a", b"4".to_vec(), hour()), Ok(false), "once");
        assert_eq!(later.get("a"), Ok(Some(b"3".to_vec())));
    }

    #[test]
    fn keys_are_those_of_the_prefix_in_byte_order_after_the_given_one() {
        let database = InMemory::default();
        let records = SqliteRecords::new(&database, 1);
        for key in ["k", "k/b", "k/-", "k/_", "k/a", "k/a/1", "ka", "l"] {
            assert_eq!(records.put(key, Vec::new(), hour()), Ok(()));
        }
        let keys = |after, limit| records.keys("k/", after, limit).unwrap();
        assert_eq!(keys(None, 9), ["k/-", "k/_", "k/a", "k/a/1", "k/b"]);
        assert_eq!(keys(Some("k/_"), 2), ["k/a", "k/a/1"]);
        assert_eq!(keys(Some("a"), 1), ["k/-"], "a key before the prefix is no bound");
        assert!(keys(Some("k/b"), 9).is_empty() && keys(Some("z"), 9).is_empty());
    }

    #[test]
    fn writes_remove_expired_rows_a_bounded_number_at_a_time() {
        let database = InMemory::default();
        for number in 0..150 {
            let early = SqliteRecords::new(&database, 1);
            assert_eq!(early.put(&format!("old/{number}"), Vec::new(), hour()), Ok(()));
        }
        let rows = || database.count("plausible_mcp_records");
        let sweeping = HOUR * 16;
        let write = |now: i64| SqliteRecords::new(&database, now).put("new", Vec::new(), hour()).unwrap();
        write(sweeping + 1);
        assert_eq!(rows(), 151, "not every write sweeps");
        write(sweeping);
        assert_eq!(rows(), 51);
        write(sweeping);
        assert_eq!(rows(), 1, "what stands stays");
    }

    #[test]
    fn a_failed_write_is_unknown_unless_it_was_refused_and_a_failed_read_is_unavailable() {
        let check = |failure, expected| {
            let database = Silent(failure);
            let records = SqliteRecords::new(&database, 1);
            assert_eq!(records.get("a"), Err(StoreError::Unavailable));
            assert_eq!(records.keys("a", None, 1), Err(StoreError::Unavailable));
            assert_eq!(records.take("a"), Err(expected));
            assert_eq!(records.create("a", Vec::new(), hour()), Err(expected));
            assert_eq!(records.replace("a", Vec::new(), Vec::new(), None), Err(expected));
            assert_eq!(records.delete("a"), Err(expected));
        };
        check(Failure::Refused, StoreError::Unavailable);
        check(Failure::MissingTable, StoreError::Unavailable);
        check(Failure::Unknown, StoreError::UnknownOutcome);
    }
}
