//! The store with its records sealed and opened: what the flows of this module read and write.
//!
//! Invariant: what a flow answers with success is as safe as the store promises. A store of several copies answers a
//! write when enough of them have it. So an outcome that is unknown is never taken for success because the record can
//! be read: the copy that is read may be the only one that has it. It is asked for again by a write.

use std::cell::RefCell;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::keyring::KeyRing;
use super::record::{self, RecordFault, Sealed};
use crate::ports::{OauthStore, Random, StoreError};

/// Reads and writes sealed records.
pub struct Vault<'a, S, R> {
    /// Where the records stand.
    pub store: &'a S,
    /// Where nonces and tokens are drawn.
    pub random: &'a R,
    /// What they are sealed with.
    pub ring: &'a KeyRing,
    unreadable: RefCell<Vec<Unreadable>>,
}

/// A record as it was read: what it says, and the bytes that compare-and-swap expects.
#[derive(Debug, Clone)]
pub struct Stored<T> {
    /// What it says.
    pub content: T,
    bytes: Vec<u8>,
}

/// A record that did not decode and was treated as absent; for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The first part of its key.
    pub kind: String,
    /// What is wrong with it.
    pub fault: RecordFault,
}

impl<'a, S: OauthStore, R: Random> Vault<'a, S, R> {
    /// A vault over `store`.
    pub fn new(store: &'a S, random: &'a R, ring: &'a KeyRing) -> Self {
        Vault { store, random, ring, unreadable: RefCell::default() }
    }

    /// The record under `key`. One that does not decode is absent, and reported in [`Vault::unreadable`]; but one of a
    /// newer version is [`StoreError::NewerRecord`]: a request that needs it has to wait for somebody who can read it.
    pub async fn read<T: DeserializeOwned>(
        &self,
        key: &str,
        sealed: Sealed<'_>,
    ) -> Result<Option<Stored<T>>, StoreError> {
        let found = self.find(key, sealed).await?;
        Ok(found.and_then(|Stored { content, bytes }| Some(Stored { content: content?, bytes })))
    }

    /// The same for who would write where it stands: one that does not decode, and is reported, has no content, and can
    /// be replaced.
    pub async fn find<T: DeserializeOwned>(
        &self,
        key: &str,
        sealed: Sealed<'_>,
    ) -> Result<Option<Stored<Option<T>>>, StoreError> {
        let Some(bytes) = self.store.get(key).await? else { return Ok(None) };
        match record::open(self.ring, key, sealed, &bytes) {
            Ok(content) => Ok(Some(Stored { content: Some(content), bytes })),
            Err(RecordFault::NewerVersion(_)) => Err(StoreError::NewerRecord),
            Err(fault) => {
                self.report(key, fault);
                Ok(Some(Stored { content: None, bytes }))
            }
        }
    }

    /// A record that only saves asking for the same again, such as a key set. One of a newer version is absent like any
    /// that does not decode, and what was asked for again may be written over it: newer versions read it.
    pub async fn read_cached<T: DeserializeOwned>(
        &self,
        key: &str,
        sealed: Sealed<'_>,
    ) -> Result<Option<Stored<T>>, StoreError> {
        let Some(bytes) = self.store.get(key).await? else { return Ok(None) };
        let opened = record::open(self.ring, key, sealed, &bytes).map_err(|fault| self.report(key, fault));
        Ok(opened.ok().map(|content| Stored { content, bytes }))
    }

    /// Whether a record was written under the newest key, and so outlives the others.
    pub fn is_under_newest<T>(&self, stored: &Stored<T>) -> bool {
        record::is_under_newest(self.ring, &stored.bytes)
    }

    /// Writes the record under `key`, whatever stands there.
    pub async fn put(
        &self,
        key: &str,
        sealed: Sealed<'_>,
        record: &impl Serialize,
        ttl: u32,
    ) -> Result<(), StoreError> {
        let value = self.seal(key, sealed, record);
        match self.store.put(key, &value, ttl).await {
            Err(StoreError::UnknownOutcome) => self.store.put(key, &value, ttl).await,
            outcome => outcome,
        }
    }

    /// Writes the record only if there is none, and tells whether it did.
    pub async fn create(
        &self,
        key: &str,
        sealed: Sealed<'_>,
        record: &impl Serialize,
        ttl: u32,
    ) -> Result<bool, StoreError> {
        let value = self.seal(key, sealed, record);
        match self.store.create(key, &value, ttl).await {
            Err(StoreError::UnknownOutcome) => self.still_stands(key, &value).await,
            outcome => outcome,
        }
    }

    /// Replaces the record only if it is still the one that was read, and tells whether it did. `ttl` of `None` leaves
    /// its remaining time as it is.
    pub async fn replace<T>(
        &self,
        key: &str,
        sealed: Sealed<'_>,
        stored: &Stored<T>,
        record: &impl Serialize,
        ttl: Option<u32>,
    ) -> Result<bool, StoreError> {
        let value = self.seal(key, sealed, record);
        match self.store.replace(key, &stored.bytes, &value, ttl).await {
            Err(StoreError::UnknownOutcome) => self.still_stands(key, &value).await,
            outcome => outcome,
        }
    }

    /// Whether the record that was read still stands, and is as safe as if it had been written now: for an answer that
    /// rests on what another request has written, which may have broken off before it was confirmed.
    pub async fn confirm<T>(&self, key: &str, stored: &Stored<T>) -> Result<bool, StoreError> {
        match self.still_stands(key, &stored.bytes).await {
            Err(StoreError::UnknownOutcome) => self.still_stands(key, &stored.bytes).await,
            outcome => outcome,
        }
    }

    /// Removes the record. It is gone for good even where it was gone before: who finds none cannot know whether its
    /// removal was confirmed.
    pub async fn delete(&self, key: &str) -> Result<(), StoreError> {
        match self.store.delete(key).await {
            Err(StoreError::UnknownOutcome) => self.store.delete(key).await,
            outcome => outcome,
        }
    }

    /// The records that did not decode so far; they are handed out once.
    pub fn unreadable(&self) -> Vec<Unreadable> {
        self.unreadable.take()
    }

    /// Writes `value` where it stands: a write that changes nothing, and that a store of several copies confirms like
    /// any other. Every value carries a nonce of its own, so equal bytes mean the same write.
    async fn still_stands(&self, key: &str, value: &[u8]) -> Result<bool, StoreError> {
        self.store.replace(key, value, value, None).await
    }

    fn report(&self, key: &str, fault: RecordFault) {
        let kind = key.split('/').next().unwrap_or_default().to_owned();
        self.unreadable.borrow_mut().push(Unreadable { kind, fault });
    }

    fn seal(&self, key: &str, sealed: Sealed, record: &impl Serialize) -> Vec<u8> {
        record::seal(self.ring, key, sealed, self.random.bytes(), record)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::ports::{FixedClock, MemoryStore, SeededRandom};

    #[test]
    fn an_unreadable_record_is_absent_and_reported() {
        let ring = KeyRing::parse(&format!("{:064x}", 7)).unwrap();
        let (store, random) = (MemoryStore::new(FixedClock::default()), SeededRandom::new(1));
        let vault = Vault::new(&store, &random, &ring);
        store.put("code/1", b"garbage", 9).now_or_never().unwrap().unwrap();
        let read = vault.read::<u8>("code/1", Sealed::ByServer).now_or_never().unwrap();
        assert!(matches!(read, Ok(None)));
        assert_eq!(vault.unreadable(), [Unreadable { kind: "code".into(), fault: RecordFault::UnknownVersion(b'g') }]);
        assert!(vault.unreadable().is_empty());
    }

    #[test]
    fn a_record_of_a_newer_version_is_an_error_unless_it_can_be_had_again() {
        let ring = KeyRing::parse(&format!("{:064x}", 7)).unwrap();
        let (store, random) = (MemoryStore::new(FixedClock::default()), SeededRandom::new(1));
        let vault = Vault::new(&store, &random, &ring);
        let steps = async {
            vault.put("k/1", Sealed::ByServer, &1, 9).await.unwrap();
            let mut value = store.get("k/1").await.unwrap().unwrap();
            value[0] = 2;
            store.put("k/1", &value, 9).await.unwrap();
            assert_eq!(vault.read::<u8>("k/1", Sealed::ByServer).await.err(), Some(StoreError::NewerRecord));
            assert_eq!(vault.find::<u8>("k/1", Sealed::ByServer).await.err(), Some(StoreError::NewerRecord));
            assert!(vault.unreadable().is_empty(), "the error tells");
            assert!(vault.read_cached::<u8>("k/1", Sealed::ByServer).await.unwrap().is_none());
            assert_eq!(vault.unreadable(), [Unreadable { kind: "k".into(), fault: RecordFault::NewerVersion(2) }]);
        };
        steps.now_or_never().unwrap();
    }

    #[test]
    fn a_record_tells_whether_it_outlives_the_older_keys() {
        let (old, new) = (format!("{:064x}", 7), format!("{:064x}", 8));
        let (before, during) = (KeyRing::parse(&old).unwrap(), KeyRing::parse(&format!("{new},{old}")).unwrap());
        let (store, random) = (MemoryStore::new(FixedClock::default()), SeededRandom::new(1));
        let (first, second) = (Vault::new(&store, &random, &before), Vault::new(&store, &random, &during));
        let steps = async {
            first.put("k/1", Sealed::ByServer, &1, 9).await.unwrap();
            let read = second.read::<u8>("k/1", Sealed::ByServer).await.unwrap().unwrap();
            assert!(first.is_under_newest(&read) && !second.is_under_newest(&read));
            second.put("k/1", Sealed::ByServer, &1, 9).await.unwrap();
            let read = second.read::<u8>("k/1", Sealed::ByServer).await.unwrap().unwrap();
            assert!(second.is_under_newest(&read) && !first.is_under_newest(&read));
        };
        steps.now_or_never().unwrap();
    }

    #[test]
    fn only_what_was_read_is_replaced() {
        let ring = KeyRing::parse(&format!("{:064x}", 7)).unwrap();
        let (store, random) = (MemoryStore::new(FixedClock::default()), SeededRandom::new(1));
        let vault = Vault::new(&store, &random, &ring);
        let steps = async {
            assert!(vault.create("k/1", Sealed::ByServer, &1, 9).await.unwrap());
            assert!(!vault.create("k/1", Sealed::ByServer, &1, 9).await.unwrap());
            let read = vault.read::<u8>("k/1", Sealed::ByServer).await.unwrap().unwrap();
            vault.put("k/1", Sealed::ByServer, &1, 9).await.unwrap();
            assert!(!vault.replace("k/1", Sealed::ByServer, &read, &2, None).await.unwrap());
        };
        steps.now_or_never().unwrap();
    }
}
