//! What the store holds: records by kind, and bytes. The store is asked when somebody scrapes, though not at each scrape.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::oauth_store::{Census, OTHER_KIND, OauthStore, RECORD_KINDS};

/// The gauges, and when the store is asked again.
pub(crate) struct StoreCensus {
    records: Family<KindLabels, Gauge>,
    bytes: Family<NoLabels, Gauge>,
    due: Mutex<Option<Instant>>,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

/// None: a family of one gauge, which can be taken away.
type NoLabels = Vec<(&'static str, &'static str)>;

impl StoreCensus {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let census = Self { records: Family::default(), bytes: Family::default(), due: Mutex::new(None) };
        registry.register("store_records", "Records in the store, by kind", census.records.clone());
        registry.register("store_bytes", "Size of the store", census.bytes.clone());
        census
    }

    /// Asks `store`, where that is due. What a store does not tell in time is unknown, so it is not there: an old number
    /// would look like a store that is well.
    pub(crate) async fn take(&self, store: &dyn OauthStore) {
        let start = Instant::now();
        if !self.is_due(start) {
            return;
        }
        let census = tokio::time::timeout(PATIENCE, store.census()).await.ok().flatten();
        // A store that takes long is asked seldom: it is not to spend its time on being counted.
        self.is_due_after(start.elapsed().saturating_mul(SHARE).max(PAUSE));
        self.set(census);
    }

    fn set(&self, census: Option<Census>) {
        self.records.clear();
        self.bytes.clear();
        let Some(Census { records, bytes }) = census else { return };
        for kind in RECORD_KINDS.into_iter().chain([OTHER_KIND]) {
            let count = records.get(kind).copied().unwrap_or(0);
            self.records.get_or_create(&KindLabels { kind }).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        if let Some(bytes) = bytes {
            self.bytes.get_or_create(&NoLabels::new()).set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    /// Whether to ask. Whoever is told so asks; the others go on without.
    fn is_due(&self, now: Instant) -> bool {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = due.is_none_or(|due| due <= now);
        if is_due {
            *due = Some(now + PATIENCE);
        }
        is_due
    }

    fn is_due_after(&self, pause: Duration) {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + pause);
    }
}

/// Shorter than a scrape may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Numbers of records change slowly.
const PAUSE: Duration = Duration::from_secs(60);
/// Counting takes at most one part in so many of a store's time.
const SHARE: u32 = 100;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::metrics::{CountedStore, Metrics};
    use crate::oauth_store::MemoryStore;

    #[tokio::test]
    async fn records_are_counted_by_kind_and_the_store_is_not_asked_at_each_scrape() {
        let metrics = Metrics::new();
        let store = CountedStore::new(Arc::new(MemoryStore::default()), metrics.clone());
        let hour = Duration::from_secs(3600);
        for key in ["grant/a/1", "grant/a/2", "client/1", "made-up/1"] {
            store.put(key, vec![0; 100], hour).await.unwrap();
        }
        metrics.census().take(&store).await;
        let text = metrics.encode();
        for line in [
            "store_records{kind=\"grant\"} 2",
            "store_records{kind=\"client\"} 1",
            "store_records{kind=\"other\"} 1",
            "store_records{kind=\"refresh\"} 0",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(text.lines().any(|line| line.starts_with("plausible_mcp_store_bytes ")), "{text}");
        assert!(!text.contains("made-up"), "{text}");
        store.put("grant/a/3", Vec::new(), hour).await.unwrap();
        metrics.census().take(&store).await;
        assert!(metrics.encode().contains("store_records{kind=\"grant\"} 2"), "it is not due");
        metrics.census().is_due_after(Duration::ZERO);
        metrics.census().take(&store).await;
        assert!(metrics.encode().contains("store_records{kind=\"grant\"} 3"));
    }

    #[test]
    fn what_is_not_known_any_more_is_not_there() {
        let metrics = Metrics::new();
        metrics.census().set(Some(Census { records: BTreeMap::from([("grant", 1)]), bytes: Some(7) }));
        assert!(metrics.encode().contains("plausible_mcp_store_bytes 7"));
        metrics.census().set(None);
        let text = metrics.encode();
        assert!(!text.contains("store_bytes 7") && !text.contains("store_records{"), "{text}");
    }
}
