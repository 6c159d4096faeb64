//! Which store the instance uses, and its connection, which lives as long as the instance.

use std::cell::{Cell, OnceCell};

use super::bindings::sqlite;
use super::clock;
use super::redis::SpinRedis;
use super::secrets::{self, Unreadable};
use super::sqlite::SpinDatabase;
use crate::bucket::{Buckets, Decision, Quota};
use crate::record::{Records, StoreError};
use crate::redis::{RedisBuckets, RedisRecords};
use crate::sqlite::{SqliteBuckets, SqliteRecords};
use crate::watch::{Surroundings, Watched};
use plausible_mcp_adapter_edge::log;

enum Backend {
    Sqlite(SpinDatabase),
    Redis { server: SpinRedis, watch: SpinDatabase, good_until: Cell<i64>, moment: Moment },
}

thread_local! {
    static BACKEND: OnceCell<Backend> = const { OnceCell::new() };
}

/// Calls `operate` with the records as they stand now. Nothing is kept anywhere while it cannot be read where.
pub(super) fn with_records<T>(operate: impl FnOnce(&dyn Records) -> Result<T, StoreError>) -> Result<T, StoreError> {
    let operated = with_backend(|backend| match backend {
        Backend::Sqlite(database) => operate(&SqliteRecords::new(database, clock::milliseconds())),
        Backend::Redis { server, watch, good_until, moment } => {
            operate(&RedisRecords(&Watched::new(server, watch, moment, good_until)))
        }
    });
    operated.unwrap_or(Err(StoreError::Unavailable))
}

/// Asks the bucket `key`. All is allowed while it cannot be read where buckets are, as where they do not answer.
pub(super) fn check_bucket(key: &str, quota: Quota, cost: u32) -> Decision {
    let checked = with_backend(|backend| match backend {
        Backend::Sqlite(database) => SqliteBuckets::new(database, clock::microseconds()).check(key, quota, cost),
        Backend::Redis { server, watch, good_until, moment } => {
            RedisBuckets(&Watched::new(server, watch, moment, good_until)).check(key, quota, cost)
        }
    });
    checked.unwrap_or(Decision::Allowed(0))
}

fn with_backend<T>(operate: impl FnOnce(&Backend) -> T) -> Result<T, Unreadable> {
    BACKEND.with(|kept| {
        if let Some(backend) = kept.get() {
            return Ok(operate(backend));
        }
        let opened = open()?;
        Ok(operate(kept.get_or_init(|| opened)))
    })
}

/// Records are never kept in SQLite because it cannot be read that they belong into Redis.
fn open() -> Result<Backend, Unreadable> {
    Ok(match secrets::variable(REDIS_VARIABLE)? {
        Some(address) => Backend::Redis {
            server: SpinRedis::at(address.trim()),
            // Where there is none, nobody is kept away from a Redis that is silent.
            watch: SpinDatabase::open(|_| ()),
            good_until: Cell::new(0),
            moment: Moment(Cell::new(false)),
        },
        None => Backend::Sqlite(SpinDatabase::open(tell)),
    })
}

fn tell(error: &sqlite::Error) {
    let cause = match error {
        sqlite::Error::NoSuchDatabase => "there is no database `default`",
        sqlite::Error::AccessDenied => "sqlite_databases does not list the database `default`",
        sqlite::Error::InvalidConnection => "the connection is not valid",
        sqlite::Error::DatabaseFull => "the database is full",
        sqlite::Error::Io(message) => message,
    };
    log::error("sqlite_unavailable", &[("cause", cause)]);
}

/// The time as it passes for an instance, and whether it has said that Redis is silent.
struct Moment(Cell<bool>);

impl Surroundings for Moment {
    fn now(&self) -> i64 {
        clock::milliseconds()
    }

    fn pause(&self, milliseconds: u64) {
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
    }

    fn refused(&self) {
        if !self.0.replace(true) {
            log::error(
                "redis_silent",
                &[("cause", "Redis has not answered for seconds, and is not asked for a while")],
            );
        }
    }
}

/// Is no setting of the component, and none that it can ask for.
const REDIS_VARIABLE: &str = "redis_url";
