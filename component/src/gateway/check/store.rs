//! What `check` finds about the store: whether it keeps the contract of `oauth-store`, tried on records of its own.
//!
//! One caller at a time can tell only so much: that many callers at once get one winner is what the contract suite of
//! each store proves.

use super::{Finding, Level, Origin, finding};
use crate::oauth::secret::hex;
use crate::ports::{OauthStore, Ports, Random, StoreError};

/// Why a store is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    /// It does not answer.
    Error(StoreError),
    /// It answers, and breaks this rule.
    Rule(&'static str),
}

impl From<StoreError> for Flaw {
    fn from(error: StoreError) -> Self {
        Flaw::Error(error)
    }
}

/// Tries every operation once or twice.
pub async fn run<P: Ports>(ports: &P) -> Finding {
    let mut drawn = [0; 8];
    ports.random().fill(&mut drawn);
    let key = format!("self-test/{}", hex(&drawn));
    let outcome = keeps_contract(ports.store(), &key).await;
    // It ends by itself where it cannot be removed.
    let _ = ports.store().delete(&key).await;
    match outcome {
        Ok(()) => finding(Level::Ok, Origin::Answer, STORE, "the store keeps records as it must", ""),
        Err(Flaw::Rule(rule)) => {
            let text = format!("the store cannot be used for sign-in: {rule}");
            finding(Level::Error, Origin::Answer, STORE, &text, "use one of the stores that the documentation names")
        }
        Err(Flaw::Error(_)) => {
            let advice = "see whether it is there, may be written to and has room";
            finding(Level::Error, Origin::Unreachable, STORE, "the store does not answer", advice)
        }
    }
}

async fn keeps_contract<S: OauthStore>(store: &S, key: &str) -> Result<(), Flaw> {
    let (one, two) = (b"one".as_slice(), b"two".as_slice());
    require(store.get(key).await?.is_none(), "it has a record that nobody wrote")?;
    require(store.create(key, one, SECONDS).await?, "`create` writes nothing")?;
    require(!store.create(key, two, SECONDS).await?, "`create` writes over a record")?;
    require(store.get(key).await?.as_deref() == Some(one), "what was written is not what is read")?;
    require(!store.replace(key, two, two, None).await?, "`replace` does not compare")?;
    require(store.replace(key, one, two, None).await?, "`replace` does not replace")?;
    require(store.keys(key, None, 10).await? == [key], "`keys` does not list a record")?;
    require(store.take(key).await?.as_deref() == Some(two), "`take` does not return the record")?;
    require(store.take(key).await?.is_none(), "`take` returns a record twice")?;
    require(!store.replace(key, two, one, Some(SECONDS)).await?, "`replace` brings back what is gone")?;
    store.put(key, one, SECONDS).await?;
    store.delete(key).await?;
    require(store.get(key).await?.is_none(), "`delete` leaves the record")
}

fn require(holds: bool, rule: &'static str) -> Result<(), Flaw> {
    if holds { Ok(()) } else { Err(Flaw::Rule(rule)) }
}

/// The store is no setting of the component's: each host has its own way to name it.
const STORE: &str = "store";
/// Longer than a check takes, so that what it leaves behind in an outage is soon gone.
const SECONDS: u32 = 60;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::ports::{FixedClock, MemoryPorts, MemoryStore};

    #[test]
    fn a_store_that_keeps_the_contract_is_fine_and_left_as_it_was() {
        let ports = MemoryPorts::default();
        let found = run(&ports).now_or_never().expect("nothing waits");
        assert_eq!((found.level, found.setting), (Level::Ok, "store"));
        assert!(ports.store.dump().is_empty());
    }

    /// A store in which `create` overwrites, as a key-value store without compare-and-swap does.
    struct Overwriting(MemoryStore<FixedClock>);

    impl OauthStore for Overwriting {
        async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
            self.0.get(key).await
        }

        async fn put(&self, key: &str, value: &[u8], ttl_seconds: u32) -> Result<(), StoreError> {
            self.0.put(key, value, ttl_seconds).await
        }

        async fn create(&self, key: &str, value: &[u8], ttl_seconds: u32) -> Result<bool, StoreError> {
            self.0.put(key, value, ttl_seconds).await.map(|()| true)
        }

        async fn take(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
            self.0.take(key).await
        }

        async fn replace(&self, key: &str, old: &[u8], new: &[u8], ttl: Option<u32>) -> Result<bool, StoreError> {
            self.0.replace(key, old, new, ttl).await
        }

        async fn delete(&self, key: &str) -> Result<(), StoreError> {
            self.0.delete(key).await
        }

        async fn keys(&self, _: &str, _: Option<&str>, _: u32) -> Result<Vec<String>, StoreError> {
            Err(StoreError::Unavailable)
        }
    }

    #[test]
    fn a_store_that_breaks_a_rule_is_named_by_the_rule() {
        let store = Overwriting(MemoryStore::default());
        let outcome = keeps_contract(&store, "self-test/x").now_or_never().expect("nothing waits");
        assert_eq!(outcome, Err(Flaw::Rule("`create` writes over a record")));
    }
}
