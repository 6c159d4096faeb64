//! `plausible-mcp:host/oauth-store`.

use super::bindings::plausible_mcp::host::oauth_store as host;
use crate::ports::{OauthStore, StoreError};

/// The host's store.
pub struct HostStore;

impl OauthStore for HostStore {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        host::get(key).map_err(error)
    }

    async fn put(&self, key: &str, value: &[u8], ttl_seconds: u32) -> Result<(), StoreError> {
        host::put(key, value, ttl_seconds).map_err(error)
    }

    async fn create(&self, key: &str, value: &[u8], ttl_seconds: u32) -> Result<bool, StoreError> {
        host::create(key, value, ttl_seconds).map_err(error)
    }

    async fn take(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        host::take(key).map_err(error)
    }

    async fn replace(
        &self,
        key: &str,
        expected: &[u8],
        new: &[u8],
        ttl_seconds: Option<u32>,
    ) -> Result<bool, StoreError> {
        host::replace(key, expected, new, ttl_seconds).map_err(error)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        host::delete(key).map_err(error)
    }

    async fn keys(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, StoreError> {
        host::keys(prefix, after, limit).map_err(error)
    }
}

fn error(error: host::Error) -> StoreError {
    match error {
        host::Error::Unavailable => StoreError::Unavailable,
        host::Error::TooLarge => StoreError::TooLarge,
        host::Error::UnknownOutcome => StoreError::UnknownOutcome,
    }
}
