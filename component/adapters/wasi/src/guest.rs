//! The adapter's edge: joins files and environment to the interfaces of `wit/`. It converts and calls; it decides
//! nothing.

use std::env::VarError;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plausible_mcp_adapter_edge::bindings::{oauth_store, outbound_http, rate_limit, secrets};
use plausible_mcp_adapter_edge::{Exchange, log, setting};

use crate::STATE_FOLDER;
use crate::buckets::{Buckets, Decision, Quota};
use crate::store::{FileStore, StoreError, is_key};

/// The adapter, as the bindings see it.
struct Adapter;

plausible_mcp_adapter_edge::bindings::export_adapter!(Adapter with_types_in plausible_mcp_adapter_edge::bindings);

thread_local! {
    // Both keep no more than that their folder was there.
    static STORE: FileStore = FileStore::new(Path::new(STATE_FOLDER), Box::new(now));
    static BUCKETS: Buckets = Buckets::new(Path::new(STATE_FOLDER), Box::new(now));
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl oauth_store::Guest for Adapter {
    fn get(key: String) -> Result<Option<Vec<u8>>, oauth_store::Error> {
        with_store(&key, |store| store.get(&key))
    }

    fn put(key: String, value: Vec<u8>, ttl_seconds: u32) -> Result<(), oauth_store::Error> {
        with_store(&key, |store| store.put(&key, &value, ttl(ttl_seconds)))
    }

    fn create(key: String, value: Vec<u8>, ttl_seconds: u32) -> Result<bool, oauth_store::Error> {
        with_store(&key, |store| store.create(&key, &value, ttl(ttl_seconds)))
    }

    fn take(key: String) -> Result<Option<Vec<u8>>, oauth_store::Error> {
        with_store(&key, |store| store.take(&key))
    }

    fn replace(
        key: String,
        expected: Vec<u8>,
        new: Vec<u8>,
        ttl_seconds: Option<u32>,
    ) -> Result<bool, oauth_store::Error> {
        with_store(&key, |store| store.replace(&key, &expected, &new, ttl_seconds.map(ttl)))
    }

    fn delete(key: String) -> Result<(), oauth_store::Error> {
        with_store(&key, |store| store.delete(&key))
    }

    fn keys(prefix: String, after: Option<String>, limit: u32) -> Result<Vec<String>, oauth_store::Error> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        STORE.with(|store| store.keys(&prefix, after.as_deref(), limit)).map_err(error)
    }
}

/// A key outside the contract is a bug of the component's.
fn with_store<T>(
    key: &str,
    operation: impl FnOnce(&FileStore) -> Result<T, StoreError>,
) -> Result<T, oauth_store::Error> {
    assert!(is_key(key), "this is no key of a record");
    STORE.with(operation).map_err(error)
}

fn ttl(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

fn error(error: StoreError) -> oauth_store::Error {
    match error {
        StoreError::Unavailable => oauth_store::Error::Unavailable,
        StoreError::TooLarge => oauth_store::Error::TooLarge,
        StoreError::UnknownOutcome => oauth_store::Error::UnknownOutcome,
    }
}

impl outbound_http::Guest for Adapter {
    type Exchange = Exchange;

    /// No account is kept of upstreams: nothing outlives a request here.
    fn refusal(_: outbound_http::Request) -> Option<outbound_http::Error> {
        None
    }

    fn send(request: outbound_http::Request) -> outbound_http::Exchange {
        outbound_http::Exchange::new(Exchange::start(request))
    }
}

impl secrets::Guest for Adapter {
    fn get(names: Vec<String>) -> Result<Vec<Option<String>>, secrets::Error> {
        names.iter().map(|name| variable(name)).collect()
    }
}

/// The value of a setting. One that is there and is no text is not absent.
fn variable(name: &str) -> Result<Option<String>, secrets::Error> {
    if !setting::is_name(name) {
        return Ok(None);
    }
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => {
            log::error("secret_unavailable", &[("setting", name), ("cause", "its value is not UTF-8")]);
            Err(secrets::Error::Unavailable)
        }
    }
}

impl rate_limit::Guest for Adapter {
    fn check(key: String, quota: rate_limit::Quota, cost: u32) -> rate_limit::Decision {
        let quota = Quota { limit: quota.limit, window_seconds: quota.window_seconds };
        match BUCKETS.with(|buckets| buckets.check(&key, quota, cost)) {
            Decision::Allowed(left) => rate_limit::Decision::Allowed(left),
            Decision::RetryAfter(seconds) => rate_limit::Decision::RetryAfter(seconds),
        }
    }
}
