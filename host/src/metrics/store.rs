//! Operations of the store, counted around it.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::Metrics;
use crate::oauth_store::{Answer, Census, FileStore, OauthStore, StoreError};
use crate::operator::Finding;

/// The counters.
pub(crate) struct Operations {
    ended: Family<EndedLabels, Counter>,
    seconds: Family<OperationLabels, Histogram>,
}

/// A store whose operations are counted.
pub(crate) struct CountedStore {
    store: Arc<dyn OauthStore>,
    metrics: Metrics,
}

/// One operation under way. Dropped before it has ended, it was abandoned: its request was given up.
struct Operation<'a> {
    operations: &'a Operations,
    name: &'static str,
    start: Instant,
    outcome: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EndedLabels {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

impl Operations {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let operations = Self { ended: Family::default(), seconds: Family::new_with_constructor(super::short) };
        registry.register("store_operations", "Operations of the store, by how they ended", operations.ended.clone());
        registry.register_with_unit(
            "store_operation_duration",
            "Time that an operation of the store took",
            Unit::Seconds,
            operations.seconds.clone(),
        );
        operations
    }
}

impl CountedStore {
    pub(crate) fn new(store: Arc<dyn OauthStore>, metrics: Metrics) -> Self {
        Self { store, metrics }
    }

    fn counted<'a, T: 'a>(&'a self, name: &'static str, answer: Answer<'a, T>) -> Answer<'a, T> {
        Box::pin(async move {
            let operations = self.metrics.operations();
            let mut operation = Operation { operations, name, start: Instant::now(), outcome: "abandoned" };
            let answer = answer.await;
            operation.outcome = outcome(&answer);
            answer
        })
    }
}

impl Drop for Operation<'_> {
    fn drop(&mut self) {
        let (operation, outcome) = (self.name, self.outcome);
        self.operations.ended.get_or_create(&EndedLabels { operation, outcome }).inc();
        let seconds = self.operations.seconds.get_or_create(&OperationLabels { operation });
        seconds.observe(self.start.elapsed().as_secs_f64());
    }
}

impl OauthStore for CountedStore {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        self.counted("get", self.store.get(key))
    }

    fn get_many<'a>(&'a self, keys: &'a [&'a str]) -> Answer<'a, Vec<Option<Vec<u8>>>> {
        self.counted("get", self.store.get_many(keys))
    }

    fn is_far(&self) -> bool {
        self.store.is_far()
    }

    fn file_store(&self) -> Option<&FileStore> {
        self.store.file_store()
    }

    fn put<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, ()> {
        self.counted("put", self.store.put(key, value, ttl))
    }

    fn create<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, bool> {
        self.counted("create", self.store.create(key, value, ttl))
    }

    fn take<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        self.counted("take", self.store.take(key))
    }

    fn replace<'a>(
        &'a self,
        key: &'a str,
        expected: &'a [u8],
        new: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        self.counted("replace", self.store.replace(key, expected, new, ttl))
    }

    fn delete<'a>(&'a self, key: &'a str) -> Answer<'a, ()> {
        self.counted("delete", self.store.delete(key))
    }

    fn keys<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>> {
        self.counted("keys", self.store.keys(prefix, after, limit))
    }

    fn census(&self) -> Pin<Box<dyn Future<Output = Option<Census>> + Send + '_>> {
        self.store.census()
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

fn outcome<T>(answer: &Result<T, StoreError>) -> &'static str {
    match answer {
        Ok(_) => "ok",
        Err(StoreError::Unavailable) => "unavailable",
        Err(StoreError::TooLarge) => "too_large",
        Err(StoreError::UnknownOutcome) => "unknown_outcome",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use futures_util::FutureExt as _;

    use super::*;
    use crate::oauth_store::{MemoryStore, VALUE_BYTES, contract};

    #[tokio::test]
    async fn operations_count_by_how_they_end() {
        let metrics = Metrics::new();
        let store = CountedStore::new(Arc::new(MemoryStore::default()), metrics.clone());
        let ttl = Duration::from_secs(60);
        assert_eq!(store.create("secret-key", b"secret-value".to_vec(), ttl).await, Ok(true));
        assert_eq!(store.create("secret-key", Vec::new(), ttl).await, Ok(false));
        assert_eq!(store.put("a", vec![0; VALUE_BYTES + 1], ttl).await, Err(StoreError::TooLarge));
        let text = metrics.encode();
        for part in [
            "store_operations_total{operation=\"create\",outcome=\"ok\"} 2",
            "store_operations_total{operation=\"put\",outcome=\"too_large\"} 1",
            "store_operation_duration_seconds_count{operation=\"create\"} 2",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("secret-"), "{text}");
    }

    #[tokio::test]
    async fn an_operation_that_nobody_waits_for_is_abandoned() {
        let metrics = Metrics::new();
        let store = CountedStore::new(Arc::new(MemoryStore::default()), metrics.clone());
        let forever: Answer<'_, ()> = Box::pin(std::future::pending());
        assert!(store.counted("get", forever).now_or_never().is_none());
        assert!(metrics.encode().contains("{operation=\"get\",outcome=\"abandoned\"} 1"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn counting_keeps_the_contract() {
        let seconds = Arc::new(AtomicU64::new(0));
        let clock = seconds.clone();
        let store = MemoryStore::with_clock(Arc::new(move || Duration::from_secs(clock.load(Ordering::SeqCst))));
        let pass = |time: Duration| {
            seconds.fetch_add(time.as_secs(), Ordering::SeqCst);
            std::future::ready(())
        };
        contract::check(Arc::new(CountedStore::new(Arc::new(store), Metrics::new())), pass).await;
    }
}
