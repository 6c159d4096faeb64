//! Records in Redis or Valkey: one store for several machines.
//!
//! ```text
//! {plausible-mcp}:record/<key>   the value, with its time to live
//! {plausible-mcp}:names          every key, in byte order (a sorted set of equal scores)
//! {plausible-mcp}:ends           every key by the time at which its record ends
//! {plausible-mcp}:mark           nothing: it is written for the sake of writing
//! ```
//!
//! The part in braces keeps all of them in one slot of a cluster. An operation is one command or one Lua script, so it
//! happens as a whole or not at all. What Redis promises beyond that depends on how it runs, which
//! [`OauthStore::findings`] tells: without `appendonly` a restart forgets, and a failover may forget what no replica
//! had. So where there are or should be replicas, what can write is answered when they have what it did or found; else
//! its outcome is unknown. Where too few follow, nothing is written, and what is to be removed is removed without being
//! acknowledged. A server that has become a replica is not read either: it may not know yet what its new primary was told.
//! Nor is one that evicts the sets above: a revocation would miss grants.

mod census;
mod findings;
mod pool;
mod replicas;

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::Value;
use tokio::time::timeout_at;

use super::{Answer, Census, OauthStore, StoreError, VALUE_BYTES};
use crate::operator::Finding;
use crate::redis_server::{Fault, RedisServer, Script};
use crate::seldom::Seldom;
use pool::{Lease, Pool};
use replicas::Replicas;

/// Records on one server.
pub struct RedisStore {
    pool: Pool,
    scripts: Scripts,
    complaints: Seldom,
    /// Why an operation failed last.
    cause: Mutex<Option<&'static str>>,
}

struct Scripts {
    get: Script,
    get_many: Script,
    mark: Script,
    put: Script,
    create: Script,
    take: Script,
    replace: Script,
    delete: Script,
    keys: Script,
}

/// One run of a script.
struct Call<'a> {
    script: &'a Script,
    keys: &'a [&'a str],
    arguments: &'a [&'a [u8]],
    effect: Effect,
}

/// What a script may do to records, and what becomes of it where replicas are missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// It reads: no replica is needed.
    None,
    /// It writes what can be asked for again: no replica is needed.
    Remembers,
    /// It writes: it is not begun where it could not be confirmed.
    Writes,
    /// It removes: it is done where it cannot be confirmed too, for what is revoked must not be good meanwhile.
    Removes,
}

/// A part of a listing.
struct Page {
    names: Vec<String>,
    last_seen: String,
    is_last: bool,
}

impl RedisStore {
    /// The records on `server`. Connects when it is first asked for something, and again whenever that is needed.
    pub fn new(server: RedisServer) -> Self {
        Self {
            pool: Pool::new(server),
            scripts: Scripts::default(),
            complaints: Seldom::default(),
            cause: Mutex::default(),
        }
    }

    /// Runs a script that may change the record `key`. Never runs it twice: it may have been executed.
    async fn write(&self, script: &Script, key: &str, arguments: &[&[u8]]) -> Result<Value, StoreError> {
        let effect = if key.starts_with(REMEMBERED) { Effect::Remembers } else { Effect::Writes };
        self.change(script, key, arguments, effect).await
    }

    async fn change(
        &self,
        script: &Script,
        key: &str,
        arguments: &[&[u8]],
        effect: Effect,
    ) -> Result<Value, StoreError> {
        let record = record_of(key);
        let arguments: Vec<&[u8]> = std::iter::once(key.as_bytes()).chain(arguments.iter().copied()).collect();
        let call = Call { script, keys: &[&record, NAMES, ENDS], arguments: &arguments, effect };
        self.attempt(&call, end_of_operation()).await.map_err(|fault| {
            self.complain(&fault);
            if fault.nothing_was_done() { StoreError::Unavailable } else { StoreError::UnknownOutcome }
        })
    }

    /// Runs a script that changes no record. Asking again does no harm, so a connection that is lost, or leads to a
    /// former primary, is no reason to fail. If it was a new one, asking again costs nothing: the pool pauses.
    async fn read(&self, script: &Script, keys: &[&str], arguments: &[&[u8]], end: End) -> Result<Value, StoreError> {
        let call = Call { script, keys, arguments, effect: Effect::None };
        let mut answer = self.attempt(&call, end).await;
        if answer.as_ref().is_err_and(is_of_the_connection) {
            answer = self.attempt(&call, end).await;
        }
        answer.map_err(|fault| {
            self.complain(&fault);
            StoreError::Unavailable
        })
    }

    async fn attempt(&self, call: &Call<'_>, end: End) -> Result<Value, Fault> {
        let leased = timeout_at(end, self.pool.lease()).await;
        let mut lease = leased.unwrap_or_else(|_| Err(Fault::Unreachable("no connection in time".to_owned())))?;
        let answer = match call.effect {
            Effect::None => timeout_at(end, read_over(call, &mut lease)).await,
            _ => timeout_at(end, self.change_over(call, &mut lease)).await,
        };
        let answer = answer.unwrap_or_else(|_| Err(Fault::Unanswered("no answer in time".to_owned())));
        match &answer {
            Ok(_) => lease.give_back(),
            // The server works. A new connection in place of this one finds another, should there be a new primary.
            Err(fault) if fault.is_of_replicas() => drop(lease),
            // The other connections probably lead to the same trouble: to a server that is gone, or no longer the
            // primary. New ones find the one that is.
            Err(_) => self.pool.close_idle(),
        }
        answer
    }

    /// Changes something over a connection.
    async fn change_over(&self, call: &Call<'_>, lease: &mut Lease<'_>) -> Result<Value, Fault> {
        let copies = lease.copies().await?;
        if call.effect == Effect::Writes && !copies.are_there() {
            return Err(Fault::Refused(format!("NOREPLICAS {}", copies.shortage())));
        }
        let answer = lease.connection().run(call.script, call.keys, call.arguments).await?;
        if copies.needed == 0 || call.effect == Effect::Remembers {
            return Ok(answer);
        }
        if !copies.are_there() {
            return Err(Fault::Unconfirmed(copies.shortage()));
        }
        if matches!(answer, Value::Nil | Value::Int(0)) {
            // What was found may be known to this server alone, and WAIT waits for what is written over this connection.
            lease.connection().run(&self.scripts.mark, &[MARK], &[MARK_TIME]).await?;
        }
        lease.confirm(copies.needed).await?;
        Ok(answer)
    }

    async fn page(&self, from: &str, to: &[u8], limit: usize, end: End) -> Result<Page, StoreError> {
        let (size, most) = (limit.to_string(), NAMES_AT_ONCE.to_string());
        let arguments: [&[u8]; 5] = [RECORD.as_bytes(), from.as_bytes(), to, size.as_bytes(), most.as_bytes()];
        let answer = self.read(&self.scripts.keys, &[NAMES, ENDS], &arguments, end).await?;
        let (is_last, last_seen, names) = redis::from_redis_value(answer).map_err(|_| StoreError::Unavailable)?;
        Ok(Page { names, last_seen, is_last })
    }

    /// Says in the log, once in a while, what is wrong.
    fn complain(&self, fault: &Fault) {
        *self.cause.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault.cause());
        if self.complaints.is_due(Instant::now()) {
            let server = self.pool.server().address();
            tracing::warn!(event = "store_failed", %server, cause = fault.cause(), text = %fault, "the store does not work");
        }
    }
}

impl OauthStore for RedisStore {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let answer = self.read(&self.scripts.get, &[&record_of(key)], &[], end_of_operation()).await?;
            value_in(answer).ok_or(StoreError::Unavailable)
        })
    }

    fn get_many<'a>(&'a self, keys: &'a [&'a str]) -> Answer<'a, Vec<Option<Vec<u8>>>> {
        Box::pin(async move {
            let records: Vec<String> = keys.iter().map(|key| record_of(key)).collect();
            let records: Vec<&str> = records.iter().map(String::as_str).collect();
            match self.read(&self.scripts.get_many, &records, &[], end_of_operation()).await? {
                Value::Array(values) => values.into_iter().map(value_in).collect::<Option<_>>(),
                _ => None,
            }
            .filter(|values: &Vec<_>| values.len() == keys.len())
            .ok_or(StoreError::Unavailable)
        })
    }

    fn is_far(&self) -> bool {
        true
    }

    fn put<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, ()> {
        Box::pin(async move {
            require_size(&value)?;
            self.write(&self.scripts.put, key, &[&value, &milliseconds(ttl)]).await.map(drop)
        })
    }

    fn create<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, bool> {
        Box::pin(async move {
            require_size(&value)?;
            self.write(&self.scripts.create, key, &[&value, &milliseconds(ttl)]).await.and_then(was_done)
        })
    }

    fn take<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let answer = self.write(&self.scripts.take, key, &[]).await?;
            value_in(answer).ok_or(StoreError::UnknownOutcome)
        })
    }

    fn replace<'a>(
        &'a self,
        key: &'a str,
        expected: &'a [u8],
        new: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        Box::pin(async move {
            require_size(&new)?;
            let ttl = milliseconds(ttl.unwrap_or_default());
            self.write(&self.scripts.replace, key, &[&new, &ttl, expected]).await.and_then(was_done)
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { self.change(&self.scripts.delete, key, &[], Effect::Removes).await.map(drop) })
    }

    fn keys<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>> {
        Box::pin(async move {
            let end = end_of_operation();
            let mut from = match after {
                Some(after) if after >= prefix => format!("({after}"),
                _ => format!("[{prefix}"),
            };
            let to = [b"(", prefix.as_bytes(), &[ABOVE_EVERY_BYTE_OF_A_KEY]].concat();
            loop {
                let page = self.page(&from, &to, limit, end).await?;
                // An empty page ends a listing, so names whose records have ended must not make one.
                if page.is_last || !page.names.is_empty() {
                    return Ok(page.names);
                }
                from = format!("({}", page.last_seen);
            }
        })
    }

    fn census(&self) -> Pin<Box<dyn Future<Output = Option<Census>> + Send + '_>> {
        Box::pin(census::of(self))
    }

    fn findings(&self) -> Pin<Box<dyn Future<Output = Vec<Finding>> + Send + '_>> {
        Box::pin(findings::of(self))
    }

    fn cause(&self) -> Option<&'static str> {
        *self.cause.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            get: Script::new(include_str!("redis/lua/get.lua")),
            get_many: Script::new(include_str!("redis/lua/get_many.lua")),
            mark: Script::new(include_str!("redis/lua/mark.lua")),
            put: Script::new(concat!(include_str!("redis/lua/record.lua"), include_str!("redis/lua/put.lua"))),
            create: Script::new(concat!(include_str!("redis/lua/record.lua"), include_str!("redis/lua/create.lua"))),
            take: Script::new(concat!(include_str!("redis/lua/record.lua"), include_str!("redis/lua/take.lua"))),
            replace: Script::new(concat!(include_str!("redis/lua/record.lua"), include_str!("redis/lua/replace.lua"))),
            delete: Script::new(concat!(include_str!("redis/lua/record.lua"), include_str!("redis/lua/delete.lua"))),
            keys: Script::new(include_str!("redis/lua/keys.lua")),
        }
    }
}

/// Reads over a connection. The server is asked for its role in the same round trip, where that is due.
async fn read_over(call: &Call<'_>, lease: &mut Lease<'_>) -> Result<Value, Fault> {
    if !lease.is_due() {
        return lease.connection().run(call.script, call.keys, call.arguments).await;
    }
    let connection = lease.connection();
    let (replicas, answer) =
        tokio::join!(Replicas::of(connection), connection.run(call.script, call.keys, call.arguments));
    // What a replica has answered is not looked at.
    lease.told(replicas)?;
    answer
}

/// Whether another connection may do better.
fn is_of_the_connection(fault: &Fault) -> bool {
    matches!(fault, Fault::Unanswered(_) | Fault::Unreachable(_)) || fault.has_code("READONLY")
}

fn record_of(key: &str) -> String {
    format!("{RECORD}{key}")
}

fn require_size(value: &[u8]) -> Result<(), StoreError> {
    if value.len() > VALUE_BYTES { Err(StoreError::TooLarge) } else { Ok(()) }
}

fn milliseconds(ttl: Duration) -> Vec<u8> {
    ttl.as_millis().to_string().into_bytes()
}

/// The record in an answer; outer `None` when the answer is neither that nor none.
fn value_in(answer: Value) -> Option<Option<Vec<u8>>> {
    match answer {
        Value::BulkString(value) => Some(Some(value)),
        Value::Nil => Some(None),
        _ => None,
    }
}

fn was_done(answer: Value) -> Result<bool, StoreError> {
    match answer {
        Value::Int(done) => Ok(done == 1),
        _ => Err(StoreError::UnknownOutcome),
    }
}

type End = tokio::time::Instant;

fn end_of_operation() -> End {
    End::now() + OPERATION_TIME
}

const RECORD: &str = "{plausible-mcp}:record/";
const NAMES: &str = "{plausible-mcp}:names";
const ENDS: &str = "{plausible-mcp}:ends";
const MARK: &str = "{plausible-mcp}:mark";
/// A day, in milliseconds.
const MARK_TIME: &[u8] = b"86400000";
/// What keys of records begin with that can be asked for again (`wit/oauth-store.wit`).
const REMEMBERED: &str = "answer/";
/// Keys are of `[a-z0-9/_-]`.
const ABOVE_EVERY_BYTE_OF_A_KEY: u8 = 0xff;
/// All of an operation: waiting for a connection, opening one, the answer, a replica's confirmation. A request asks the
/// store a handful of times and has 30 seconds.
const OPERATION_TIME: Duration = Duration::from_secs(2);
/// The largest page that the contract allows. Looking at so many names holds the server up for about a millisecond.
const NAMES_AT_ONCE: usize = 1000;
