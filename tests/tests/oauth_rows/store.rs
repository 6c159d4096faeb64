//! Records in memory that a test can see, change, and make unavailable.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use plausible_mcp_host::WallClock;
use plausible_mcp_host::oauth_store::{Answer, MemoryStore, OauthStore, StoreError};

/// The store of one world.
pub(super) struct Records {
    memory: MemoryStore,
    is_broken: AtomicBool,
}

impl Records {
    /// An empty store by `clock`.
    pub(super) fn new(clock: WallClock) -> Records {
        Records { memory: MemoryStore::with_clock(clock), is_broken: AtomicBool::new(false) }
    }

    /// From now on it refuses service, or does not.
    pub(super) fn refuse(&self, is_broken: bool) {
        self.is_broken.store(is_broken, Ordering::SeqCst);
    }

    /// All keys and values.
    pub(super) async fn all(&self) -> Vec<(String, Vec<u8>)> {
        let mut records = Vec::new();
        for key in self.memory.keys("", None, usize::MAX).await.expect("memory can be read") {
            let value = self.memory.get(&key).await.expect("memory can be read").unwrap_or_default();
            records.push((key, value));
        }
        records
    }

    /// The operation of `memory`, which acts when it is called, unless it is refused.
    fn unless_broken<'a, T: Send + 'a>(
        &'a self,
        operation: impl FnOnce(&'a MemoryStore) -> Answer<'a, T>,
    ) -> Answer<'a, T> {
        match self.is_broken.load(Ordering::SeqCst) {
            true => Box::pin(std::future::ready(Err(StoreError::Unavailable))),
            false => operation(&self.memory),
        }
    }
}

impl OauthStore for Records {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        self.unless_broken(move |memory| memory.get(key))
    }

    fn put<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, ()> {
        self.unless_broken(move |memory| memory.put(key, value, ttl))
    }

    fn create<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, bool> {
        self.unless_broken(move |memory| memory.create(key, value, ttl))
    }

    fn take<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        self.unless_broken(move |memory| memory.take(key))
    }

    fn replace<'a>(
        &'a self,
        key: &'a str,
        expected: &'a [u8],
        new: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        self.unless_broken(move |memory| memory.replace(key, expected, new, ttl))
    }

    fn delete<'a>(&'a self, key: &'a str) -> Answer<'a, ()> {
        self.unless_broken(move |memory| memory.delete(key))
    }

    fn keys<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>> {
        self.unless_broken(move |memory| memory.keys(prefix, after, limit))
    }
}
