//! Records and buckets in a SQLite database: one statement per operation, so that SQLite's own lock makes it one step.
//!
//! Spin opens a new connection to the file for every request and waits up to five seconds for the lock of another; a
//! database of libSQL on a server is reached in the same way. The tables are made when a statement finds them
//! missing, so that they cost nothing afterwards. Rows whose time is over count as absent in every statement and are
//! removed by every few writes, a bounded number at a time.

mod buckets;
mod records;

pub use buckets::SqliteBuckets;
pub use records::SqliteRecords;

/// A database that runs one statement.
pub trait Database {
    /// Runs `statement` in a transaction of its own and returns its rows.
    fn execute(&self, statement: &str, parameters: Vec<Value>) -> Result<Vec<Row>, Failure>;
}

/// The columns of one row.
pub type Row = Vec<Value>;

/// A parameter or a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
    /// Nothing, or a type that no statement here uses.
    Null,
}

/// Why a statement has no rows to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// A table is missing. Nothing was changed.
    MissingTable,
    /// The database refused. Nothing was changed.
    Refused,
    /// The statement may or may not have taken effect.
    Unknown,
}

impl Failure {
    /// What SQLite's message, or that of a server, says about the outcome.
    pub fn of_message(message: &str) -> Self {
        if message.contains("no such table") {
            return Failure::MissingTable;
        }
        if REFUSALS.iter().any(|refusal| message.contains(refusal)) { Failure::Refused } else { Failure::Unknown }
    }
}

/// Runs `statement`, and makes the tables first where they are missing.
pub(crate) fn execute(database: &impl Database, statement: &str, parameters: Vec<Value>) -> Result<Vec<Row>, Failure> {
    match database.execute(statement, parameters.clone()) {
        Err(Failure::MissingTable) => {
            for making in TABLES {
                database.execute(making, Vec::new())?;
            }
            database.execute(statement, parameters)
        }
        done => done,
    }
}

/// Whether the write at `now`, in whatever small unit, is one that removes expired rows.
fn sweeps(now: i64) -> bool {
    now % WRITES_A_SWEEP == 0
}

/// The texts of result codes (sqlite3_errstr) after which an automatic transaction has been rolled back.
const REFUSALS: [&str; 9] = [
    "database is locked",
    "database table is locked",
    "readonly database",
    "database or disk is full",
    "unable to open database file",
    "file is not a database",
    "database disk image is malformed",
    "out of memory",
    "no such column",
];

/// The expiry and the times of the watch are in milliseconds since 1970, the moments of a bucket in microseconds.
const TABLES: [&str; 5] = [
    "CREATE TABLE IF NOT EXISTS plausible_mcp_records \
     (k TEXT NOT NULL PRIMARY KEY, v BLOB NOT NULL, expires INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS plausible_mcp_records_expires ON plausible_mcp_records (expires)",
    "CREATE TABLE IF NOT EXISTS plausible_mcp_buckets \
     (k TEXT NOT NULL PRIMARY KEY, full_at INTEGER NOT NULL, seen INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS plausible_mcp_buckets_full_at ON plausible_mcp_buckets (full_at)",
    "CREATE TABLE IF NOT EXISTS plausible_mcp_watch \
     (k TEXT NOT NULL PRIMARY KEY, asked INTEGER NOT NULL, answered INTEGER NOT NULL, pause INTEGER NOT NULL)",
];

/// One write in so many sweeps. A sweep removes up to [`SWEPT_ROWS`], more than the writes between two can add.
const WRITES_A_SWEEP: i64 = 16;
/// Keeps a sweep under about a millisecond.
const SWEPT_ROWS: i64 = 100;

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_message_that_excludes_a_change_is_a_refusal() {
        let missing = ["no such table: plausible_mcp_records", "SQLite error: no such table: x"];
        for message in missing {
            assert_eq!(Failure::of_message(message), Failure::MissingTable, "{message}");
        }
        for message in ["database is locked", "attempt to write a readonly database"] {
            assert_eq!(Failure::of_message(message), Failure::Refused, "{message}");
        }
        for message in ["disk I/O error", "connection reset by peer", ""] {
            assert_eq!(Failure::of_message(message), Failure::Unknown, "{message}");
        }
    }
}
