//! The tables and the operations on them, each within a transaction.
//!
//! | table | key | value |
//! |---|---|---|
//! | `records` | the record's key | when it ends, its value |
//! | `ends` | when a record ends, its key | |
//! | `about` | `format`, `commits`, `copied` | the version of this layout; how many commits there were; when this copy was made, if it is one |
//!
//! Times are in milliseconds since 1970. Invariant: `ends` holds the end and key of every record and nothing else.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use redb::{
    Error, ReadTransaction, ReadableDatabase as _, ReadableTable as _, Table, TableDefinition, TableError,
    WriteTransaction,
};

use crate::oauth_store::kind_of;

/// What a database is to us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Of this layout; a new one is made so.
    Ours,
    /// Of a version of this layout that is still to come.
    Newer,
    /// Of a version of this layout that is not read any more.
    Older,
    /// Somebody else's.
    Foreign,
}

/// The records within a transaction that writes.
pub(super) struct Records<'t> {
    records: Table<'t, &'static str, Record>,
    ends: Table<'t, (u64, &'static str), ()>,
    now: u64,
    changed: bool,
}

type Record = (u64, &'static [u8]);

/// Tells the format of `database`, and makes the tables where there are none at all.
pub(super) fn prepare(database: &redb::Database) -> Result<Format, Error> {
    let reading = database.begin_read()?;
    if reading.list_tables()?.next().is_some() || reading.list_multimap_tables()?.next().is_some() {
        return match reading.open_table(ABOUT) {
            Ok(about) => Ok(match about.get("format")?.map(|format| format.value()) {
                Some(FORMAT) => Format::Ours,
                Some(format) if format > FORMAT => Format::Newer,
                Some(_) => Format::Older,
                None => Format::Foreign,
            }),
            Err(TableError::Storage(error)) => Err(error.into()),
            Err(_) => Ok(Format::Foreign),
        };
    }
    let making = database.begin_write()?;
    making.open_table(RECORDS)?;
    making.open_table(ENDS)?;
    making.open_table(ABOUT)?.insert("format", FORMAT)?;
    making.commit()?;
    Ok(Format::Ours)
}

/// Writes down that this transaction is commit `number`.
pub(super) fn count(transaction: &WriteTransaction, number: u64) -> Result<(), Error> {
    transaction.open_table(ABOUT)?.insert("commits", number)?;
    Ok(())
}

/// The number of the last commit.
pub(super) fn last_commit(transaction: &ReadTransaction) -> Result<u64, Error> {
    let number = transaction.open_table(ABOUT)?.get("commits")?;
    Ok(number.map_or(0, |number| number.value()))
}

/// The value under `key` at `now`.
pub(super) fn get(transaction: &ReadTransaction, key: &str, now: Duration) -> Result<Option<Vec<u8>>, Error> {
    let record = transaction.open_table(RECORDS)?.get(key)?;
    Ok(record.and_then(|record| live(record.value(), milliseconds(now))))
}

/// At most `limit` keys that begin with `prefix`, after `after`, of records that stand at `now`.
pub(super) fn keys(
    transaction: &ReadTransaction,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
    now: Duration,
) -> Result<Vec<String>, Error> {
    let from = match after {
        Some(after) if after >= prefix => Bound::Excluded(after),
        _ => Bound::Included(prefix),
    };
    let (mut found, now) = (Vec::new(), milliseconds(now));
    let records = transaction.open_table(RECORDS)?;
    for entry in records.range::<&str>((from, Bound::Unbounded))? {
        let (key, record) = entry?;
        if found.len() == limit || !key.value().starts_with(prefix) {
            break;
        }
        if record.value().0 > now {
            found.push(key.value().to_owned());
        }
    }
    Ok(found)
}

/// How many records stand at `now`, by kind. Looks at every key.
pub(super) fn count_by_kind(
    transaction: &ReadTransaction,
    now: Duration,
) -> Result<BTreeMap<&'static str, u64>, Error> {
    let (mut counts, now) = (BTreeMap::new(), milliseconds(now));
    for entry in transaction.open_table(RECORDS)?.iter()? {
        let (key, record) = entry?;
        if record.value().0 > now {
            *counts.entry(kind_of(key.value())).or_insert(0) += 1;
        }
    }
    Ok(counts)
}

impl<'t> Records<'t> {
    /// The records as of `now`.
    pub(super) fn open(transaction: &'t WriteTransaction, now: Duration) -> Result<Self, Error> {
        let (records, ends) = (transaction.open_table(RECORDS)?, transaction.open_table(ENDS)?);
        Ok(Self { records, ends, now: milliseconds(now), changed: false })
    }

    /// Whether there is anything to commit.
    pub(super) fn changed(&self) -> bool {
        self.changed
    }

    pub(super) fn put(&mut self, key: &str, value: &[u8], ttl: Duration) -> Result<(), Error> {
        self.write(key, value, self.end(ttl))
    }

    pub(super) fn create(&mut self, key: &str, value: &[u8], ttl: Duration) -> Result<bool, Error> {
        if self.get(key)?.is_some() {
            return Ok(false);
        }
        self.put(key, value, ttl)?;
        Ok(true)
    }

    pub(super) fn take(&mut self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let now = self.now;
        Ok(self.remove(key)?.and_then(|(end, value)| live((end, &value), now)))
    }

    pub(super) fn replace(
        &mut self,
        key: &str,
        expected: &[u8],
        new: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, Error> {
        let end = match self.get(key)? {
            Some((end, value)) if value == expected => ttl.map_or(end, |ttl| self.end(ttl)),
            _ => return Ok(false),
        };
        self.write(key, new, end)?;
        Ok(true)
    }

    pub(super) fn delete(&mut self, key: &str) -> Result<(), Error> {
        self.remove(key)?;
        Ok(())
    }

    /// Removes at most `limit` records whose time is over; tells how many.
    pub(super) fn sweep(&mut self, limit: usize) -> Result<usize, Error> {
        let mut over = Vec::new();
        for entry in self.ends.iter()?.take(limit) {
            let (end_and_key, _) = entry?;
            let (end, key) = end_and_key.value();
            if end > self.now {
                break;
            }
            over.push(key.to_owned());
        }
        for key in &over {
            self.remove(key)?;
        }
        Ok(over.len())
    }

    /// The end and the value of the record, if it stands.
    fn get(&self, key: &str) -> Result<Option<(u64, Vec<u8>)>, Error> {
        let record = self.records.get(key)?;
        Ok(record.and_then(|record| {
            let (end, value) = record.value();
            live((end, value), self.now).map(|value| (end, value))
        }))
    }

    fn write(&mut self, key: &str, value: &[u8], end: u64) -> Result<(), Error> {
        let old = self.records.insert(key, (end, value))?.map(|old| old.value().0);
        if let Some(old) = old.filter(|old| *old != end) {
            self.ends.remove((old, key))?;
        }
        self.ends.insert((end, key), ())?;
        self.changed = true;
        Ok(())
    }

    /// Removes the record, whether it stands or its time is over.
    fn remove(&mut self, key: &str) -> Result<Option<(u64, Vec<u8>)>, Error> {
        let removed = self.records.remove(key)?.map(|old| {
            let (end, value) = old.value();
            (end, value.to_vec())
        });
        if let Some((end, _)) = &removed {
            self.ends.remove((*end, key))?;
            self.changed = true;
        }
        Ok(removed)
    }

    fn end(&self, ttl: Duration) -> u64 {
        self.now.saturating_add(milliseconds(ttl))
    }
}

/// The value of a record whose time is not over.
fn live((end, value): (u64, &[u8]), now: u64) -> Option<Vec<u8>> {
    (end > now).then(|| value.to_vec())
}

pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(super) const RECORDS: TableDefinition<&str, Record> = TableDefinition::new("records");
pub(super) const ENDS: TableDefinition<(u64, &str), ()> = TableDefinition::new("ends");
pub(super) const ABOUT: TableDefinition<&str, u64> = TableDefinition::new("about");
/// In a copy: when it was made.
pub(super) const COPIED: &str = "copied";
/// Of the layout described above. What reads another number leaves the file alone.
const FORMAT: u64 = 1;

/// How many records there are, and how many ends.
#[cfg(test)]
pub(super) fn count_all(transaction: &ReadTransaction) -> Result<(u64, u64), Error> {
    use redb::ReadableTableMetadata as _;
    Ok((transaction.open_table(RECORDS)?.len()?, transaction.open_table(ENDS)?.len()?))
}
