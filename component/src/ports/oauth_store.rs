//! Durable records of the authorization server.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::clock::Clock;

/// Why an operation did not happen, or may not have: the cases of `wit/oauth-store.wit`, and one for what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreError {
    /// The store cannot be reached or refuses service. Nothing was changed.
    Unavailable,
    /// The value is larger than 256 KiB. Nothing was changed.
    TooLarge,
    /// The operation may or may not have taken effect, or not on as many copies as the store needs: the caller confirms
    /// by another write, or fails. Reading is no confirmation where the store has several copies.
    UnknownOutcome,
    /// A newer version of this server wrote the record. No store says so: whoever opens records does. Such a record is
    /// neither absent nor to be written over.
    NewerRecord,
}

impl StoreError {
    /// The name of the cause, for the log.
    pub fn reason(self) -> &'static str {
        match self {
            StoreError::Unavailable => "store_unavailable",
            StoreError::TooLarge => "store_too_large",
            StoreError::UnknownOutcome => "store_unknown_outcome",
            StoreError::NewerRecord => "record_newer_version",
        }
    }
}

/// Keeps records, each with a time to live in seconds. The contract stands in `wit/oauth-store.wit`: operations on one
/// key are linearizable; of concurrent `create`s exactly one is true; of concurrent `take`s exactly one gets the value;
/// `replace` is compare-and-swap on the bytes, and a `delete` that comes first wins over it. A store of several copies
/// answers a call that can write when enough of them have what it did *or found*.
#[expect(async_fn_in_trait, reason = "a component instance is single-threaded: futures need not be Send")]
pub trait OauthStore {
    /// The value under `key`; `None` when there is none or its time is over.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes `value`, whether or not a record stands there.
    async fn put(&self, key: &str, value: &[u8], ttl_seconds: u32) -> Result<(), StoreError>;

    /// Writes `value` only if there is no record, and tells whether it did.
    async fn create(&self, key: &str, value: &[u8], ttl_seconds: u32) -> Result<bool, StoreError>;

    /// Removes the record and returns its value. The value must never be returned from `take` twice.
    async fn take(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes `new` only if the value equals `expected`, and tells whether it did. `ttl_seconds` of `None` leaves the
    /// remaining time as it is.
    async fn replace(
        &self,
        key: &str,
        expected: &[u8],
        new: &[u8],
        ttl_seconds: Option<u32>,
    ) -> Result<bool, StoreError>;

    /// Removes the record; removing what is not there succeeds.
    async fn delete(&self, key: &str) -> Result<(), StoreError>;

    /// At most `limit` keys that begin with `prefix`, in ascending byte order, after the key `after`.
    async fn keys(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError>;
}

/// Records in memory, forgotten when `clock` says that their time is over.
#[derive(Debug, Default)]
pub struct MemoryStore<C> {
    clock: C,
    records: RefCell<BTreeMap<String, Entry>>,
    refuses: Cell<bool>,
    is_full: Cell<bool>,
    is_alone: Cell<bool>,
}

#[derive(Debug)]
struct Entry {
    value: Vec<u8>,
    expires_milliseconds: u64,
}

impl<C: Clock> MemoryStore<C> {
    /// An empty store.
    pub fn new(clock: C) -> MemoryStore<C> {
        MemoryStore {
            clock,
            records: RefCell::default(),
            refuses: Cell::new(false),
            is_full: Cell::new(false),
            is_alone: Cell::new(false),
        }
    }

    /// Everything in the store, as a dump would show it.
    pub fn dump(&self) -> Vec<(String, Vec<u8>)> {
        self.forget();
        self.records.borrow().iter().map(|(key, entry)| (key.clone(), entry.value.clone())).collect()
    }

    /// From now on every operation is refused, or is not: for tests of an outage.
    pub fn refuse(&self, refuses: bool) {
        self.refuses.set(refuses);
    }

    /// From now on nothing more can be written, or it can: for tests of a full disk.
    pub fn fill(&self, is_full: bool) {
        self.is_full.set(is_full);
    }

    /// From now on nothing that is written is confirmed, as where the other copies of a store are cut off, or it is.
    pub fn isolate(&self, is_alone: bool) {
        self.is_alone.set(is_alone);
    }

    fn confirmed<T>(&self, outcome: T) -> Result<T, StoreError> {
        if self.is_alone.get() { Err(StoreError::UnknownOutcome) } else { Ok(outcome) }
    }

    fn serve(&self) -> Result<(), StoreError> {
        if self.refuses.get() {
            return Err(StoreError::Unavailable);
        }
        self.forget();
        Ok(())
    }

    fn forget(&self) {
        let now = self.clock.now().0;
        self.records.borrow_mut().retain(|_, entry| entry.expires_milliseconds > now);
    }

    fn entry(&self, key: &str, value: &[u8], ttl_seconds: u32) -> Result<Entry, StoreError> {
        assert!(is_key(key), "{key} is no key");
        assert!((1..=MAX_TTL_SECONDS).contains(&ttl_seconds), "{ttl_seconds} s is no time to live");
        if value.len() > MAX_VALUE_BYTES {
            return Err(StoreError::TooLarge);
        }
        if self.is_full.get() {
            return Err(StoreError::Unavailable);
        }
        let expires_milliseconds = self.clock.now().0 + u64::from(ttl_seconds) * 1000;
        Ok(Entry { value: value.to_vec(), expires_milliseconds })
    }
}

impl<C: Clock> OauthStore for MemoryStore<C> {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.serve()?;
        Ok(self.records.borrow().get(key).map(|entry| entry.value.clone()))
    }

    async fn put(&self, key: &str, value: &[u8], ttl_seconds: u32) -> Result<(), StoreError> {
        self.serve()?;
        let entry = self.entry(key, value, ttl_seconds)?;
        self.records.borrow_mut().insert(key.to_owned(), entry);
        self.confirmed(())
    }

    async fn create(&self, key: &str, value: &[u8], ttl_seconds: u32) -> Result<bool, StoreError> {
        self.serve()?;
        let entry = self.entry(key, value, ttl_seconds)?;
        let mut records = self.records.borrow_mut();
        let is_free = !records.contains_key(key);
        if is_free {
            records.insert(key.to_owned(), entry);
        }
        self.confirmed(is_free)
    }

    async fn take(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.serve()?;
        let taken = self.records.borrow_mut().remove(key).map(|entry| entry.value);
        self.confirmed(taken)
    }

    async fn replace(
        &self,
        key: &str,
        expected: &[u8],
        new: &[u8],
        ttl_seconds: Option<u32>,
    ) -> Result<bool, StoreError> {
        self.serve()?;
        let fresh = self.entry(key, new, ttl_seconds.unwrap_or(1))?;
        let mut records = self.records.borrow_mut();
        let Some(entry) = records.get_mut(key).filter(|entry| entry.value == expected) else {
            return self.confirmed(false);
        };
        entry.value = fresh.value;
        if ttl_seconds.is_some() {
            entry.expires_milliseconds = fresh.expires_milliseconds;
        }
        self.confirmed(true)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.serve()?;
        self.records.borrow_mut().remove(key);
        self.confirmed(())
    }

    async fn keys(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError> {
        self.serve()?;
        let records = self.records.borrow();
        let matching =
            records.keys().filter(|key| key.starts_with(prefix) && after.is_none_or(|last| key.as_str() > last));
        Ok(matching.take(usize::try_from(limit).unwrap_or(usize::MAX)).cloned().collect())
    }
}

fn is_key(key: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/_-".contains(&byte);
    (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(legal)
}

/// The bounds of `wit/oauth-store.wit`.
const MAX_KEY_BYTES: usize = 200;
const MAX_VALUE_BYTES: usize = 256 * 1024;
const MAX_TTL_SECONDS: u32 = 90 * 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::ports::FixedClock;

    fn now<T>(future: impl Future<Output = T>) -> T {
        future.now_or_never().expect("memory answers at once")
    }

    #[test]
    fn records_are_gone_after_their_time() {
        let clock = FixedClock::default();
        let store = MemoryStore::new(clock.clone());
        now(store.put("a/1", b"x", 2)).unwrap();
        clock.advance(1);
        assert_eq!(now(store.get("a/1")), Ok(Some(b"x".to_vec())));
        assert_eq!(now(store.replace("a/1", b"x", b"y", None)), Ok(true));
        clock.advance(1);
        assert_eq!(now(store.get("a/1")), Ok(None));
        assert_eq!(now(store.create("a/1", b"z", 1)), Ok(true));
    }

    #[test]
    fn create_take_and_replace_happen_once() {
        let store = MemoryStore::new(FixedClock::default());
        assert_eq!(now(store.create("k", b"1", 9)), Ok(true));
        assert_eq!(now(store.create("k", b"2", 9)), Ok(false));
        assert_eq!(now(store.replace("k", b"2", b"3", Some(9))), Ok(false));
        assert_eq!(now(store.replace("k", b"1", b"3", Some(9))), Ok(true));
        assert_eq!(now(store.take("k")), Ok(Some(b"3".to_vec())));
        assert_eq!(now(store.take("k")), Ok(None));
        assert_eq!(now(store.replace("k", b"3", b"4", Some(9))), Ok(false));
        assert_eq!(now(store.put("k", &vec![0; MAX_VALUE_BYTES + 1], 9)), Err(StoreError::TooLarge));
    }

    #[test]
    fn keys_are_paged_in_order() {
        let store = MemoryStore::new(FixedClock::default());
        for key in ["b/2", "a/1", "b/1", "b/3"] {
            now(store.put(key, b"", 9)).unwrap();
        }
        assert_eq!(now(store.keys("b/", None, 2)).unwrap(), ["b/1", "b/2"]);
        assert_eq!(now(store.keys("b/", Some("b/2"), 2)).unwrap(), ["b/3"]);
        now(store.delete("b/3")).unwrap();
        assert!(now(store.keys("b/", Some("b/2"), 2)).unwrap().is_empty());
    }
}
