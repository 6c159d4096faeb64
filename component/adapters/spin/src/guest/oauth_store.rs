//! `oauth-store`. A key, a time or a page outside of the contract is a bug of the component, so it traps.

use super::{Adapter, backend};
use crate::record::{PAGE_KEYS, StoreError, TimeToLive, is_key, is_prefix};
use plausible_mcp_adapter_edge::bindings::oauth_store as wit;

impl wit::Guest for Adapter {
    fn get(key: String) -> Result<Option<Vec<u8>>, wit::Error> {
        require_key(&key);
        backend::with_records(|records| records.get(&key)).map_err(error)
    }

    fn put(key: String, value: Vec<u8>, ttl_seconds: u32) -> Result<(), wit::Error> {
        require_key(&key);
        let time = require_time(ttl_seconds);
        backend::with_records(|records| records.put(&key, value, time)).map_err(error)
    }

    fn create(key: String, value: Vec<u8>, ttl_seconds: u32) -> Result<bool, wit::Error> {
        require_key(&key);
        let time = require_time(ttl_seconds);
        backend::with_records(|records| records.create(&key, value, time)).map_err(error)
    }

    fn take(key: String) -> Result<Option<Vec<u8>>, wit::Error> {
        require_key(&key);
        backend::with_records(|records| records.take(&key)).map_err(error)
    }

    fn replace(key: String, expected: Vec<u8>, new: Vec<u8>, ttl_seconds: Option<u32>) -> Result<bool, wit::Error> {
        require_key(&key);
        let time = ttl_seconds.map(require_time);
        backend::with_records(|records| records.replace(&key, expected, new, time)).map_err(error)
    }

    fn delete(key: String) -> Result<(), wit::Error> {
        require_key(&key);
        backend::with_records(|records| records.delete(&key)).map_err(error)
    }

    fn keys(prefix: String, after: Option<String>, limit: u32) -> Result<Vec<String>, wit::Error> {
        assert!(is_prefix(&prefix), "a prefix of keys must be of [a-z0-9/_-]");
        assert!((1..=PAGE_KEYS).contains(&limit), "a page has 1 to {PAGE_KEYS} keys");
        backend::with_records(|records| records.keys(&prefix, after.as_deref(), limit)).map_err(error)
    }
}

fn require_key(key: &str) {
    assert!(is_key(key), "a store key must be 1 to 200 bytes of [a-z0-9/_-]");
}

fn require_time(seconds: u32) -> TimeToLive {
    TimeToLive::from_seconds(seconds).expect("a record lives 1 second to 90 days")
}

fn error(error: StoreError) -> wit::Error {
    match error {
        StoreError::Unavailable => wit::Error::Unavailable,
        StoreError::TooLarge => wit::Error::TooLarge,
        StoreError::UnknownOutcome => wit::Error::UnknownOutcome,
    }
}
