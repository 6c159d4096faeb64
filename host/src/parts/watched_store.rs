//! A store whose operations tell how it is.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{Access, Parts};
use crate::oauth_store::{Answer, Census, FileStore, OauthStore, StoreError};
use crate::operator::Finding;

/// A store that is watched.
pub(crate) struct WatchedStore {
    store: Arc<dyn OauthStore>,
    parts: Parts,
}

impl WatchedStore {
    pub(crate) fn new(store: Arc<dyn OauthStore>, parts: Parts) -> Self {
        Self { store, parts }
    }

    fn watched<'a, T: 'a>(&'a self, access: Access, answer: Answer<'a, T>) -> Answer<'a, T> {
        Box::pin(async move {
            let answer = answer.await;
            match &answer {
                Ok(_) => self.parts.store_answered(access, None),
                // That is the fault of who asks.
                Err(StoreError::TooLarge) => {}
                Err(error) => {
                    let cause = self.store.cause().unwrap_or_else(|| error.cause());
                    self.parts.store_answered(access, Some(cause));
                }
            }
            answer
        })
    }
}

/// What writing under `key` shows.
fn writing(key: &str) -> Access {
    if key.starts_with(REMEMBERED) { Access::Remembers } else { Access::Writes }
}

impl OauthStore for WatchedStore {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        self.watched(Access::Reads, self.store.get(key))
    }

    fn get_many<'a>(&'a self, keys: &'a [&'a str]) -> Answer<'a, Vec<Option<Vec<u8>>>> {
        self.watched(Access::Reads, self.store.get_many(keys))
    }

    fn is_far(&self) -> bool {
        self.store.is_far()
    }

    fn put<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, ()> {
        self.watched(writing(key), self.store.put(key, value, ttl))
    }

    fn create<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, bool> {
        self.watched(writing(key), self.store.create(key, value, ttl))
    }

    fn take<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        self.watched(Access::Removes, self.store.take(key))
    }

    fn replace<'a>(
        &'a self,
        key: &'a str,
        expected: &'a [u8],
        new: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        self.watched(writing(key), self.store.replace(key, expected, new, ttl))
    }

    fn delete<'a>(&'a self, key: &'a str) -> Answer<'a, ()> {
        self.watched(Access::Removes, self.store.delete(key))
    }

    fn keys<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>> {
        self.watched(Access::Reads, self.store.keys(prefix, after, limit))
    }

    fn census(&self) -> Pin<Box<dyn Future<Output = Option<Census>> + Send + '_>> {
        self.store.census()
    }

    fn file_store(&self) -> Option<&FileStore> {
        self.store.file_store()
    }

    fn findings(&self) -> Pin<Box<dyn Future<Output = Vec<Finding>> + Send + '_>> {
        self.store.findings()
    }

    fn cause(&self) -> Option<&'static str> {
        self.store.cause()
    }

    fn file(&self) -> Option<PathBuf> {
        self.store.file()
    }
}

/// What keys of records begin with that can be asked for again (`wit/oauth-store.wit`).
const REMEMBERED: &str = "answer/";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::oauth_store::{MemoryStore, VALUE_BYTES};
    use crate::parts::{Fault, Part, State};

    #[tokio::test]
    async fn what_operations_come_to_is_how_the_store_is() {
        let parts = Parts::new(Metrics::new());
        let store = WatchedStore::new(Arc::new(MemoryStore::default()), parts.clone());
        assert_eq!(parts.condition(Part::Store).state, State::Unknown);
        assert_eq!(store.get("a").await, Ok(None));
        assert_eq!(parts.condition(Part::Store).state, State::Ok);
        let large = store.put("a", vec![0; VALUE_BYTES + 1], Duration::from_secs(1)).await;
        assert_eq!((large, parts.condition(Part::Store).state), (Err(StoreError::TooLarge), State::Ok));
    }

    #[tokio::test]
    async fn without_a_cause_of_the_stores_own_the_error_is_the_cause() {
        let parts = Parts::new(Metrics::new());
        let store = WatchedStore::new(Arc::new(MemoryStore::default()), parts.clone());
        let failed: Answer<'_, ()> = Box::pin(std::future::ready(Err(StoreError::UnknownOutcome)));
        assert_eq!(store.watched(Access::Writes, failed).await, Err(StoreError::UnknownOutcome));
        let found = parts.condition(Part::Store);
        assert_eq!((found.state, found.fault), (State::Degraded, Some(Fault::Store("store_unknown_outcome"))));
    }
}
