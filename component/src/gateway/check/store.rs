//! What `check` finds about the store: it is asked to do, with a record of its own, what a sign-in needs done.

use super::{Finding, Level, Origin, finding};
use crate::oauth::secret::hex;
use crate::ports::{OauthStore, Ports, Random, StoreError};

/// Whether records are kept as they must be. Nothing is left behind.
pub async fn run<P: Ports>(ports: &P) -> Finding {
    let key = format!("check/{}", hex(&ports.random().bytes::<16>()));
    let tried = try_out(ports.store(), &key).await;
    // What a store that failed has kept ends soon.
    let _ = ports.store().delete(&key).await;
    match tried {
        Ok(Ok(())) => finding(Level::Ok, Origin::Answer, STORE, "records are kept", ""),
        Ok(Err(broken)) => finding(Level::Error, Origin::Answer, STORE, broken, "do not let anybody sign in with it"),
        Err(StoreError::Unavailable | StoreError::UnknownOutcome | StoreError::NewerRecord) => {
            finding(Level::Error, Origin::Unreachable, STORE, "the store does not answer", ADVICE)
        }
        Err(StoreError::TooLarge) => {
            finding(Level::Error, Origin::Answer, STORE, "a record of a few bytes is too large for the store", ADVICE)
        }
    }
}

/// `Err` in `Ok` names the rule of `wit/oauth-store.wit` that does not hold.
async fn try_out<S: OauthStore>(store: &S, key: &str) -> Result<Result<(), &'static str>, StoreError> {
    let rules = [
        (store.create(key, b"1", SECONDS).await?, "a record is not created"),
        (!store.create(key, b"2", SECONDS).await?, "a record is created twice"),
        (!store.replace(key, b"2", b"3", None).await?, "a record is replaced that is another"),
        (store.replace(key, b"1", b"3", None).await?, "a record is not replaced"),
        (store.keys(key, None, 2).await? == [key], "a record is not listed"),
        (store.take(key).await? == Some(b"3".to_vec()), "a record is not given back as it was written"),
        (store.take(key).await?.is_none(), "a record is taken twice"),
    ];
    let broken = rules.into_iter().find(|(holds, _)| !holds);
    Ok(broken.map_or(Ok(()), |(_, rule)| Err(rule)))
}

/// No setting of the table: where records live is told to the host.
const STORE: &str = "STORE";
const ADVICE: &str = "see where this host keeps records, and whether it may write there and has room; on Spin with Redis, \
                      whether redis_host names scheme, host and port of redis_url (a variable of spin.toml)";
const SECONDS: u32 = 60;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::ports::{FixedClock, MemoryPorts, MemoryStore};

    #[test]
    fn a_sound_store_is_left_as_it_was() {
        let ports = MemoryPorts::default();
        let found = run(&ports).now_or_never().expect("nothing waits");
        assert_eq!((found.level, found.setting), (Level::Ok, STORE));
        assert!(ports.store.dump().is_empty());
    }

    /// A store in memory with one fault.
    struct Faulty {
        store: MemoryStore<FixedClock>,
        fault: Fault,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fault {
        CreatesTwice,
        TakesTwice,
        ComparesNothing,
        IsGone,
    }

    impl OauthStore for Faulty {
        async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
            self.store.get(key).await
        }

        async fn put(&self, key: &str, value: &[u8], ttl_seconds: u32) -> Result<(), StoreError> {
            self.store.put(key, value, ttl_seconds).await
        }

        async fn create(&self, key: &str, value: &[u8], ttl_seconds: u32) -> Result<bool, StoreError> {
            match self.fault {
                Fault::IsGone => Err(StoreError::Unavailable),
                Fault::CreatesTwice => self.store.put(key, value, ttl_seconds).await.map(|()| true),
                _ => self.store.create(key, value, ttl_seconds).await,
            }
        }

        async fn take(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
            if self.fault == Fault::TakesTwice {
                return self.store.get(key).await;
            }
            self.store.take(key).await
        }

        async fn replace(
            &self,
            key: &str,
            expected: &[u8],
            new: &[u8],
            ttl_seconds: Option<u32>,
        ) -> Result<bool, StoreError> {
            if self.fault == Fault::ComparesNothing {
                return self.store.put(key, new, SECONDS).await.map(|()| true);
            }
            self.store.replace(key, expected, new, ttl_seconds).await
        }

        async fn delete(&self, key: &str) -> Result<(), StoreError> {
            self.store.delete(key).await
        }

        async fn keys(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError> {
            self.store.keys(prefix, after, limit).await
        }
    }

    #[test]
    fn a_rule_that_a_store_breaks_is_named() {
        for (fault, expected) in [
            (Fault::CreatesTwice, Ok(Err("a record is created twice"))),
            (Fault::ComparesNothing, Ok(Err("a record is replaced that is another"))),
            (Fault::TakesTwice, Ok(Err("a record is taken twice"))),
            (Fault::IsGone, Err(StoreError::Unavailable)),
        ] {
            let store = Faulty { store: MemoryStore::new(FixedClock::default()), fault };
            let found = try_out(&store, "check/0").now_or_never().expect("nothing waits");
            assert_eq!(found, expected, "{fault:?}");
        }
    }
}
