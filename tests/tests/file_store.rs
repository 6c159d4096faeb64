//! The WASI adapter's store in files keeps the contract of every store, on this machine's file system without WASI in
//! between.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plausible_mcp_adapter_wasi::store::{self, FileStore};
use plausible_mcp_host::oauth_store::{Answer, OauthStore, StoreError, contract};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_the_contract() {
    let folder = TempDir::new().expect("a folder");
    let passed = Arc::new(AtomicU64::new(0));
    let store = Files(Arc::new(opened(folder.path(), Arc::clone(&passed))));
    contract::check(Arc::new(store), |time| {
        passed.fetch_add(time.as_secs(), Ordering::SeqCst);
        std::future::ready(())
    })
    .await;
}

fn opened(folder: &Path, passed: Arc<AtomicU64>) -> FileStore {
    FileStore::new(
        folder,
        Box::new(move || {
            SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970")
                + Duration::from_secs(passed.load(Ordering::SeqCst))
        }),
    )
}

/// The store as the contract asks it.
struct Files(Arc<FileStore>);

impl Files {
    fn ask<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&FileStore) -> Result<T, store::StoreError> + Send + 'static,
    ) -> Answer<'static, T> {
        let store = Arc::clone(&self.0);
        Box::pin(async move {
            let answer = tokio::task::spawn_blocking(move || operation(&store)).await.expect("no panic");
            answer.map_err(|error| match error {
                store::StoreError::Unavailable => StoreError::Unavailable,
                store::StoreError::TooLarge => StoreError::TooLarge,
                store::StoreError::UnknownOutcome => StoreError::UnknownOutcome,
            })
        })
    }
}

impl OauthStore for Files {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        let key = key.to_owned();
        self.ask(move |store| store.get(&key))
    }

    fn put<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, ()> {
        let key = key.to_owned();
        self.ask(move |store| store.put(&key, &value, ttl))
    }

    fn create<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, bool> {
        let key = key.to_owned();
        self.ask(move |store| store.create(&key, &value, ttl))
    }

    fn take<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        let key = key.to_owned();
        self.ask(move |store| store.take(&key))
    }

    fn replace<'a>(
        &'a self,
        key: &'a str,
        expected: &'a [u8],
        new: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        let (key, expected) = (key.to_owned(), expected.to_owned());
        self.ask(move |store| store.replace(&key, &expected, &new, ttl))
    }

    fn delete<'a>(&'a self, key: &'a str) -> Answer<'a, ()> {
        let key = key.to_owned();
        self.ask(move |store| store.delete(&key))
    }

    fn keys<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.ask(move |store| store.keys(&prefix, after.as_deref(), limit))
    }
}
