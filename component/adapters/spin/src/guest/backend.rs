//! Which store the instance uses, and its connection, which lives as long as the instance.

use std::cell::OnceCell;

use super::clock;
use super::redis::SpinRedis;
use super::secrets;
use super::sqlite::SpinDatabase;
use crate::bucket::Buckets;
use crate::record::Records;
use crate::redis::{RedisBuckets, RedisRecords};
use crate::sqlite::{SqliteBuckets, SqliteRecords};

enum Backend {
    Sqlite(SpinDatabase),
    Redis(SpinRedis),
}

thread_local! {
    static BACKEND: OnceCell<Backend> = const { OnceCell::new() };
}

/// Calls `operate` with the records as they stand now.
pub(super) fn with_records<T>(operate: impl FnOnce(&dyn Records) -> T) -> T {
    BACKEND.with(|backend| match backend.get_or_init(open) {
        Backend::Sqlite(database) => operate(&SqliteRecords::new(database, clock::milliseconds())),
        Backend::Redis(server) => operate(&RedisRecords(server)),
    })
}

/// Calls `operate` with the buckets as they are now.
pub(super) fn with_buckets<T>(operate: impl FnOnce(&dyn Buckets) -> T) -> T {
    BACKEND.with(|backend| match backend.get_or_init(open) {
        Backend::Sqlite(database) => operate(&SqliteBuckets::new(database, clock::microseconds())),
        Backend::Redis(server) => operate(&RedisBuckets(server)),
    })
}

fn open() -> Backend {
    match secrets::variable(REDIS_VARIABLE) {
        Some(address) => Backend::Redis(SpinRedis::open(address.trim())),
        None => Backend::Sqlite(SpinDatabase::open()),
    }
}

/// Is no setting of the component, and none that it can ask for.
const REDIS_VARIABLE: &str = "redis_url";
