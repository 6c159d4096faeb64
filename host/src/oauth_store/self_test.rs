//! A store's self-test: the operations that single use rests on, once, on a key of their own.

use std::time::Duration;

use super::{OauthStore, StoreError, VALUE_BYTES};

/// What does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// An operation failed.
    Failed(StoreError),
    /// An operation was answered as it must not be; the rule.
    Rule(&'static str),
}

impl std::fmt::Display for Broken {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(StoreError::Unavailable) => out.write_str("it refuses to work"),
            Self::Failed(StoreError::TooLarge) => out.write_str("it refuses values that are allowed"),
            Self::Failed(StoreError::UnknownOutcome) => out.write_str("it does not say whether it wrote"),
            Self::Rule(rule) => write!(out, "it breaks the rule that {rule}"),
        }
    }
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// Tests `store` with one record, which is gone afterwards.
pub(crate) async fn run(store: &dyn OauthStore) -> Result<(), Broken> {
    let key = format!("self-test/{}-{:x}", std::process::id(), jiff::Timestamp::now().as_nanosecond());
    let (key, value) = (key.as_str(), vec![0; VALUE_BYTES]);
    require(store.create(key, value.clone(), TTL).await?, "a free key can be created")?;
    require(!store.create(key, Vec::new(), TTL).await?, "a key is created once")?;
    require(store.get(key).await? == Some(value.clone()), "what was written is read")?;
    require(!store.replace(key, b"", Vec::new(), None).await?, "replace compares")?;
    require(store.replace(key, &value, b"new".to_vec(), None).await?, "replace swaps")?;
    require(store.keys(key, None, 2).await? == [key], "a record is listed")?;
    require(store.take(key).await? == Some(b"new".to_vec()), "a record can be taken")?;
    require(store.take(key).await?.is_none(), "a record is taken once")
}

fn require(holds: bool, rule: &'static str) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken::Rule(rule)) }
}

/// What a broken self-test leaves ends by itself.
const TTL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth_store::MemoryStore;

    #[tokio::test]
    async fn a_store_that_works_passes_and_is_left_empty() {
        let store = MemoryStore::default();
        assert_eq!(run(&store).await, Ok(()));
        assert_eq!(store.keys("", None, 10).await, Ok(Vec::new()));
    }
}
