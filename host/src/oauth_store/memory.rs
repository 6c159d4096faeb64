//! Records in memory: for demonstrations, tests and deployments that may forget everybody at a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Answer, Census, OauthStore, StoreError, VALUE_BYTES, kind_of};

/// Tells the time since some fixed moment; never goes back.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// All records under one lock: every operation is one step.
pub struct MemoryStore {
    clock: Clock,
    records: Mutex<Records>,
}

/// Invariant: `ends` holds the end and key of every record and nothing else, `answers` those of remembered answers;
/// `bytes` is the size of all, and `kinds` has their number by kind.
#[derive(Default)]
struct Records {
    by_key: BTreeMap<String, Record>,
    ends: BTreeSet<(Duration, String)>,
    answers: BTreeSet<(Duration, String)>,
    kinds: BTreeMap<&'static str, u64>,
    bytes: usize,
}

struct Record {
    value: Vec<u8>,
    end: Duration,
}

impl Default for MemoryStore {
    fn default() -> Self {
        let start = Instant::now();
        Self::with_clock(Arc::new(move || start.elapsed()))
    }
}

impl MemoryStore {
    /// A store whose records end by `clock`.
    pub fn with_clock(clock: Clock) -> Self {
        Self { clock, records: Mutex::default() }
    }

    /// The records that stand now, and the time.
    fn now(&self) -> (MutexGuard<'_, Records>, Duration) {
        let now = (self.clock)();
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.forget_until(now);
        (records, now)
    }
}

impl OauthStore for MemoryStore {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        done(Ok(self.now().0.by_key.get(key).map(|record| record.value.clone())))
    }

    fn put<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, ()> {
        let (mut records, now) = self.now();
        done(records.write(key, value, now + ttl))
    }

    fn create<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, bool> {
        let (mut records, now) = self.now();
        if records.by_key.contains_key(key) {
            return done(Ok(false));
        }
        done(records.write(key, value, now + ttl).map(|()| true))
    }

    fn take<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        done(Ok(self.now().0.remove(key).map(|record| record.value)))
    }

    fn replace<'a>(
        &'a self,
        key: &'a str,
        expected: &'a [u8],
        new: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        let (mut records, now) = self.now();
        let end = match records.by_key.get(key) {
            Some(record) if record.value == expected => ttl.map_or(record.end, |ttl| now + ttl),
            _ => return done(Ok(false)),
        };
        done(records.write(key, new, end).map(|()| true))
    }

    fn delete<'a>(&'a self, key: &'a str) -> Answer<'a, ()> {
        self.now().0.remove(key);
        done(Ok(()))
    }

    fn keys<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let (records, _) = self.now();
        let range = records.by_key.range::<str, _>((from, Bound::Unbounded));
        let found = range.map(|(key, _)| key).take_while(|key| key.starts_with(prefix));
        done(Ok(found.take(limit).cloned().collect()))
    }

    fn census(&self) -> Pin<Box<dyn Future<Output = Option<Census>> + Send + '_>> {
        let (records, _) = self.now();
        let census = Census { records: records.kinds.clone(), bytes: u64::try_from(records.bytes).ok() };
        Box::pin(std::future::ready(Some(census)))
    }
}

impl Records {
    fn forget_until(&mut self, now: Duration) {
        while let Some((end, key)) = self.ends.first()
            && *end <= now
        {
            let key = key.clone();
            self.remove(&key);
        }
    }

    fn write(&mut self, key: &str, value: Vec<u8>, end: Duration) -> Result<(), StoreError> {
        if value.len() > VALUE_BYTES {
            return Err(StoreError::TooLarge);
        }
        let freed = self.by_key.get(key).map_or(0, |record| size(key, record));
        let record = Record { value, end };
        let missing = (self.bytes - freed + size(key, &record)).saturating_sub(STORE_BYTES);
        if missing > 0 && !self.forget_answers(missing, key) {
            return Err(StoreError::Unavailable);
        }
        self.remove(key);
        self.bytes += size(key, &record);
        *self.kinds.entry(kind_of(key)).or_insert(0) += 1;
        self.ends.insert((end, key.to_owned()));
        if key.starts_with(ANSWER) {
            self.answers.insert((end, key.to_owned()));
        }
        self.by_key.insert(key.to_owned(), record);
        Ok(())
    }

    /// Makes room of so many `bytes` for the record under `key`, by removing the answers that end soonest; `false`, with
    /// nothing removed, where all of them are not enough.
    fn forget_answers(&mut self, bytes: usize, key: &str) -> bool {
        let mut freed = 0;
        let mut forgotten = Vec::new();
        for (_, answer) in self.answers.iter().filter(|(_, answer)| answer != key) {
            if freed >= bytes {
                break;
            }
            freed += self.by_key.get(answer).map_or(0, |record| size(answer, record));
            forgotten.push(answer.clone());
        }
        let is_enough = freed >= bytes;
        if is_enough {
            forgotten.iter().for_each(|answer| drop(self.remove(answer)));
        }
        is_enough
    }

    fn remove(&mut self, key: &str) -> Option<Record> {
        let (key, record) = self.by_key.remove_entry(key)?;
        self.bytes -= size(&key, &record);
        self.kinds.entry(kind_of(&key)).and_modify(|count| *count -= 1);
        let end = (record.end, key);
        self.ends.remove(&end);
        self.answers.remove(&end);
        Some(record)
    }
}

fn size(key: &str, record: &Record) -> usize {
    key.len() * 2 + record.value.len() + RECORD_BYTES
}

fn done<'a, T: Send + 'a>(answer: Result<T, StoreError>) -> Answer<'a, T> {
    Box::pin(std::future::ready(answer))
}

/// How the keys of answers begin that can be asked for again (`wit/oauth-store.wit`).
const ANSWER: &str = "answer/";
/// Bounds the memory of all records together: about a hundred thousand of the usual size.
const STORE_BYTES: usize = 64 << 20;
/// What a record takes in the two trees beside its key and value.
const RECORD_BYTES: usize = 160;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::oauth_store::contract;

    #[tokio::test(flavor = "multi_thread")]
    async fn it_keeps_the_contract() {
        let seconds = Arc::new(AtomicU64::new(0));
        let clock = seconds.clone();
        let store = MemoryStore::with_clock(Arc::new(move || Duration::from_secs(clock.load(Ordering::SeqCst))));
        let pass = |time: Duration| {
            seconds.fetch_add(time.as_secs(), Ordering::SeqCst);
            std::future::ready(())
        };
        contract::check(Arc::new(store), pass).await;
    }

    #[tokio::test]
    async fn memory_is_bounded_and_freed() {
        let store = MemoryStore::default();
        let hour = Duration::from_secs(3600);
        let mut count = 0;
        while store.put(&format!("a/{count}"), vec![0; VALUE_BYTES], hour).await.is_ok() {
            count += 1;
        }
        assert!(count <= STORE_BYTES / VALUE_BYTES);
        assert_eq!(store.put("b", vec![0; VALUE_BYTES], hour).await, Err(StoreError::Unavailable));
        assert_eq!(store.put("a/0", vec![1; VALUE_BYTES], hour).await, Ok(()));
        store.delete("a/0").await.unwrap();
        assert_eq!(store.put("b", vec![0; VALUE_BYTES], hour).await, Ok(()));
        for key in store.keys("", None, 1000).await.unwrap() {
            store.delete(&key).await.unwrap();
        }
        assert_eq!(store.now().0.bytes, 0);
        assert!(store.now().0.ends.is_empty());
    }

    #[tokio::test]
    async fn remembered_answers_give_way_to_records_and_records_to_nothing() {
        let store = MemoryStore::default();
        let (hour, large) = (Duration::from_secs(3600), || vec![0; VALUE_BYTES]);
        for number in 0..STORE_BYTES / VALUE_BYTES / 2 {
            store.put(&format!("grant/{number}"), large(), hour).await.unwrap();
        }
        let longer = |number: u64| hour + Duration::from_secs(number);
        for number in 0..1000 {
            assert_eq!(store.put(&format!("answer/{number:04}"), large(), longer(number)).await, Ok(()), "{number}");
        }
        let answers = store.keys("answer/", None, 1000).await.unwrap();
        assert_eq!(answers.last().unwrap(), "answer/0999", "of the answers those stay that last longest");
        let mut records = STORE_BYTES / VALUE_BYTES / 2;
        while store.create(&format!("grant/{records}"), large(), hour).await == Ok(true) {
            records += 1;
        }
        assert_eq!(store.keys("answer/", None, 1000).await, Ok(Vec::new()), "they have all given way");
        assert_eq!(store.keys("grant/", None, 1000).await.unwrap().len(), records, "no record has");
        assert_eq!(store.put("answer/0", large(), hour).await, Err(StoreError::Unavailable));
        assert_eq!(store.put("answer/0", Vec::new(), hour).await, Ok(()), "a small one has room");
        assert_eq!(store.put("grant/more", large(), hour).await, Err(StoreError::Unavailable));
        assert_eq!(store.get("answer/0").await, Ok(Some(Vec::new())), "what would not be enough stays");
        assert!(store.now().0.bytes <= STORE_BYTES);
    }
}
