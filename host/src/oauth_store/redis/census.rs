//! What the server holds, from its sorted set of names: it counts the members of a range without looking at each.

use std::collections::BTreeMap;

use redis::Value;
use tokio::time::timeout;

use super::{NAMES, OPERATION_TIME, RedisStore};
use crate::oauth_store::{Census, OTHER_KIND, RECORD_KINDS};
use crate::redis_server::{Connection, Fault, text_of};

/// `None` where the server does not answer.
pub(super) async fn of(store: &RedisStore) -> Option<Census> {
    let asked = async { count(&store.pool.server().connect().await?).await };
    timeout(OPERATION_TIME, asked).await.ok()?.ok()
}

async fn count(connection: &Connection) -> Result<Census, Fault> {
    let (mut records, mut of_ours) = (BTreeMap::new(), 0);
    for kind in RECORD_KINDS {
        // The character after the slash ends the range.
        let (from, to) = (format!("[{kind}/"), format!("({kind}0"));
        let found = number(connection.command(redis::cmd("ZLEXCOUNT").arg(NAMES).arg(from).arg(to)).await?);
        of_ours += found;
        records.insert(kind, found);
    }
    let all = number(connection.command(redis::cmd("ZCARD").arg(NAMES)).await?);
    records.insert(OTHER_KIND, all.saturating_sub(of_ours));
    // A managed service may forbid it. What it tells is the whole server's.
    let info = connection.command(redis::cmd("INFO").arg("memory")).await.ok().and_then(text_of);
    let bytes = info.as_deref().and_then(|info| info.lines().find_map(|line| line.strip_prefix("used_memory:")));
    Ok(Census { records, bytes: bytes.and_then(|bytes| bytes.trim().parse().ok()) })
}

fn number(value: Value) -> u64 {
    redis::from_redis_value(value).unwrap_or(0)
}
