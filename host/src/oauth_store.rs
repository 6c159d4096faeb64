//! `oauth-store`: the port that every store implements, and the adapter that links one to the component.

mod census;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
mod file;
mod location;
mod memory;
mod opening;
mod read_ahead;
#[cfg(feature = "redis")]
mod redis;
mod self_test;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{HasData, Linker};
use wasmtime::{bail, ensure};

use crate::bindings::oauth_store as wit;
use crate::operator::Finding;
use census::kind_of;
pub use census::{Census, OTHER_KIND, RECORD_KINDS};
pub(crate) use file::{Condition, CopiedRecord, CopyError, CopyFile, Fault, Found, Part, Restore, Snapshot, Whole};
pub use file::{FileStore, OpenError};
pub use location::{LocationError, Opened, RedisUrl, StoreLocation};
pub use memory::{Clock, MemoryStore};
pub use opening::OpeningStore;
use read_ahead::Links;
pub(crate) use read_ahead::ReadAhead;
#[cfg(feature = "redis")]
pub use redis::RedisStore;

/// Durable records of the authorization server. Keys, values and times to live are checked before a store sees them,
/// values excepted: a store refuses one that is larger than [`VALUE_BYTES`].
///
/// Security contract, which [`contract`](self) checks: operations on one key are linearizable. Of concurrent
/// `create`s exactly one is `true`; a value is never returned from `take` twice; `replace` compares and writes in one
/// step; a `delete` that comes before a `replace` wins; a record whose time is over is gone for every operation. A store
/// of several copies answers what can write when enough of them have what it did or found, else with
/// [`StoreError::UnknownOutcome`].
pub trait OauthStore: Send + Sync + 'static {
    /// The value under `key`.
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>>;
    /// The values under `keys`, in their order. Of one time, where a store can do so.
    fn get_many<'a>(&'a self, keys: &'a [&'a str]) -> Answer<'a, Vec<Option<Vec<u8>>>> {
        Box::pin(async move {
            let mut values = Vec::with_capacity(keys.len());
            for key in keys {
                values.push(self.get(key).await?);
            }
            Ok(values)
        })
    }
    /// Whether asking once for two records is worth while: the store is another machine, and [`OauthStore::get_many`]
    /// takes one round trip.
    fn is_far(&self) -> bool {
        false
    }
    /// Writes `value` whether or not a record stands there.
    fn put<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, ()>;
    /// Writes `value` only if there is no record; tells whether it did.
    fn create<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, bool>;
    /// Removes the record and returns its value.
    fn take<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>>;
    /// Writes `new` only if the value equals `expected`; tells whether it did. `ttl` of `None` keeps the time.
    fn replace<'a>(&'a self, key: &'a str, expected: &'a [u8], new: Vec<u8>, ttl: Option<Duration>)
    -> Answer<'a, bool>;
    /// Removes the record if there is one.
    fn delete<'a>(&'a self, key: &'a str) -> Answer<'a, ()>;
    /// At most `limit` keys that begin with `prefix`, in ascending byte order, after `after`.
    fn keys<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>>;
    /// What the store holds; `None` where it cannot tell at the moment, or cannot tell without asking for every value.
    /// It is asked once a minute at most.
    fn census(&self) -> Pin<Box<dyn Future<Output = Option<Census>> + Send + '_>> {
        Box::pin(std::future::ready(None))
    }
    /// The store in a file, where this is one or leads to one: some things only that can do.
    fn file_store(&self) -> Option<&FileStore> {
        None
    }
    /// What an operator should know about the store as it is set up, with [`STORE_SETTING`] as the setting's name.
    fn findings(&self) -> Pin<Box<dyn Future<Output = Vec<Finding>> + Send + '_>> {
        Box::pin(std::future::ready(Vec::new()))
    }
    /// Why an operation failed last, by the name that the log has; `None` where the error of the operation says it all.
    fn cause(&self) -> Option<&'static str> {
        None
    }
    /// The file in which the records are, where they are in one.
    fn file(&self) -> Option<PathBuf> {
        None
    }
}

/// What a store's operation comes to, later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why an operation did not happen, or may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreError {
    /// The store cannot be reached or refuses service. Nothing was changed.
    Unavailable,
    /// The value is larger than [`VALUE_BYTES`]. Nothing was changed.
    TooLarge,
    /// The operation may or may not have taken effect, or not on as many copies as are needed.
    UnknownOutcome,
}

/// The largest value of a record, in bytes.
pub const VALUE_BYTES: usize = 256 << 10;

/// What the operator chooses a store with.
pub const STORE_SETTING: &str = "--store";

/// The store of the process.
pub struct OauthStoreState {
    store: Arc<dyn OauthStore>,
    links: Links,
}

/// The store as one call of the component sees it.
pub struct OauthStoreView<'a> {
    store: &'a dyn OauthStore,
    links: &'a Links,
    ahead: Option<&'a mut ReadAhead>,
}

impl OauthStoreState {
    /// Keeps records in `store`.
    pub fn new(store: Arc<dyn OauthStore>) -> Self {
        Self { store, links: Links::default() }
    }

    pub(crate) fn store(&self) -> &dyn OauthStore {
        self.store.as_ref()
    }

    /// For [`add_to_linker`].
    pub fn view(&self) -> OauthStoreView<'_> {
        OauthStoreView { store: self.store.as_ref(), links: &self.links, ahead: None }
    }
}

impl<'a> OauthStoreView<'a> {
    /// The same for one request, of which `ahead` knows what it has asked.
    pub(crate) fn within(self, ahead: &'a mut ReadAhead) -> Self {
        Self { ahead: Some(ahead).filter(|_| self.store.is_far()), ..self }
    }

    /// The value under `key`, with what will be asked for next, or from what was read so.
    async fn read(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(ahead) = &mut self.ahead else { return self.store.get(key).await };
        if let Some(value) = ahead.take(key) {
            return Ok(value);
        }
        let next = if ahead.is_first() { self.links.next(key) } else { None };
        let Some(next) = next else {
            let value = self.store.get(key).await?;
            ahead.got(self.links, key, value.is_some());
            return Ok(value);
        };
        let mut values = self.store.get_many(&[key, &next]).await?.into_iter();
        let (value, following) = (values.next().flatten(), values.next().flatten());
        ahead.holds(key, next, following);
        Ok(value)
    }

    /// Says what is asked otherwise.
    fn notes(&mut self, note: impl FnOnce(&mut ReadAhead, &Links)) {
        if let Some(ahead) = &mut self.ahead {
            note(ahead, self.links);
        }
    }
}

impl wit::Host for OauthStoreView<'_> {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, wit::Error>> {
        require_key(&key)?;
        Ok(self.read(&key).await.map_err(wit::Error::from))
    }

    async fn put(&mut self, key: String, value: Vec<u8>, ttl: u32) -> wasmtime::Result<Result<(), wit::Error>> {
        require_key(&key)?;
        self.notes(|ahead, _| ahead.wrote(&key));
        Ok(self.store.put(&key, value, require_ttl(ttl)?).await.map_err(wit::Error::from))
    }

    async fn create(&mut self, key: String, value: Vec<u8>, ttl: u32) -> wasmtime::Result<Result<bool, wit::Error>> {
        require_key(&key)?;
        self.notes(|ahead, _| ahead.wrote(&key));
        Ok(self.store.create(&key, value, require_ttl(ttl)?).await.map_err(wit::Error::from))
    }

    async fn take(&mut self, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, wit::Error>> {
        require_key(&key)?;
        self.notes(|ahead, _| ahead.is_over());
        Ok(self.store.take(&key).await.map_err(wit::Error::from))
    }

    async fn replace(
        &mut self,
        key: String,
        expected: Vec<u8>,
        new: Vec<u8>,
        ttl: Option<u32>,
    ) -> wasmtime::Result<Result<bool, wit::Error>> {
        require_key(&key)?;
        let ttl = ttl.map(require_ttl).transpose()?;
        self.notes(|ahead, links| ahead.replaced(links, &key));
        Ok(self.store.replace(&key, &expected, new, ttl).await.map_err(wit::Error::from))
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<(), wit::Error>> {
        require_key(&key)?;
        self.notes(|ahead, _| ahead.is_over());
        Ok(self.store.delete(&key).await.map_err(wit::Error::from))
    }

    async fn keys(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<String>, wit::Error>> {
        ensure!((1..=PAGE_KEYS).contains(&limit), "a page has 1 to {PAGE_KEYS} keys");
        let limit = usize::try_from(limit)?;
        self.notes(|ahead, _| ahead.is_over());
        Ok(self.store.keys(&prefix, after.as_deref(), limit).await.map_err(wit::Error::from))
    }
}

impl StoreError {
    /// The name of the cause where a store does not say anything, for the log.
    pub(crate) const SILENT: &str = "store_unanswered";

    /// The name of the cause, for the log.
    pub(crate) fn cause(self) -> &'static str {
        match self {
            Self::Unavailable => "store_unavailable",
            Self::TooLarge => "store_too_large",
            Self::UnknownOutcome => "store_unknown_outcome",
        }
    }
}

impl From<StoreError> for wit::Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable => Self::Unavailable,
            StoreError::TooLarge => Self::TooLarge,
            StoreError::UnknownOutcome => Self::UnknownOutcome,
        }
    }
}

/// A key outside of the contract is a bug of the component, so it traps.
fn require_key(key: &str) -> wasmtime::Result<()> {
    let legal = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'/' | b'_' | b'-');
    if key.is_empty() || key.len() > KEY_BYTES || !key.bytes().all(legal) {
        bail!("a store key must be 1 to {KEY_BYTES} bytes of [a-z0-9/_-]");
    }
    Ok(())
}

fn require_ttl(seconds: u32) -> wasmtime::Result<Duration> {
    ensure!((1..=TTL_SECONDS).contains(&seconds), "a record lives 1 to {TTL_SECONDS} seconds");
    Ok(Duration::from_secs(seconds.into()))
}

struct HasOauthStore;

impl HasData for HasOauthStore {
    type Data<'a> = OauthStoreView<'a>;
}

/// Supplies `plausible-mcp:host/oauth-store` from the part of `T` that `view` shows.
///
/// # Errors
/// When the linker has the interface already.
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> OauthStoreView<'_>,
) -> wasmtime::Result<()> {
    wit::add_to_linker::<_, HasOauthStore>(linker, view)
}

/// From the contract in `wit/oauth-store.wit`, as are the next two.
const KEY_BYTES: usize = 200;
/// 90 days.
const TTL_SECONDS: u32 = 90 * 24 * 60 * 60;
const PAGE_KEYS: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_as_the_contract_says() {
        let longest = "a".repeat(KEY_BYTES);
        for key in ["a", "grant/0af_-/z9", longest.as_str()] {
            assert!(require_key(key).is_ok(), "{key}");
        }
        let longer = "a".repeat(KEY_BYTES + 1);
        for key in ["", "A", "a b", "a.b", "ä", "a\0", longer.as_str()] {
            assert!(require_key(key).is_err(), "{key}");
        }
    }

    #[test]
    fn every_record_has_a_bounded_time() {
        assert!(require_ttl(0).is_err());
        assert!(require_ttl(TTL_SECONDS + 1).is_err());
        assert_eq!(require_ttl(TTL_SECONDS).unwrap(), Duration::from_secs(7_776_000));
    }
}
