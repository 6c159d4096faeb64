//! The adapter alone, through the interfaces that it exports.

use std::sync::Arc;
use std::time::Duration;

use plausible_mcp_host::oauth_store::{Answer, OauthStore, StoreError};
use wasmtime::component::Component;
use wasmtime::{Result, Store};

use super::artefacts;
use super::bindings::adapter::oauth_store::Error;
use super::bindings::adapter::outbound_http::{Error as HttpError, Method, Reach, Request};
use super::bindings::adapter::rate_limit::{Decision, Quota};
use super::bindings::{Adapter, AdapterPre};
use super::instance::{Instance, Shared, engine, linker};
use super::serving::SpinOptions;

/// The adapter in a stand-in for Spin. A fresh instance answers each call.
pub struct SpinAdapter {
    shared: Arc<Shared>,
    adapter: AdapterPre<Instance>,
}

impl SpinAdapter {
    /// The adapter in an application with these options.
    pub fn new(options: &SpinOptions) -> Result<Self, String> {
        let load = || {
            let engine = engine();
            let component = Component::from_binary(&engine, artefacts::adapter())?;
            AdapterPre::new(linker(&engine)?.instantiate_pre(&component)?)
        };
        let adapter = load().map_err(|error| format!("{error:#}"))?;
        Ok(SpinAdapter { shared: Arc::new(Shared::of(options)?), adapter })
    }

    /// Lets time go by for the adapter.
    pub fn pass_time(&self, time: Duration) {
        self.shared.clock.advance(time);
    }

    /// What `secrets` answers.
    pub async fn secret(&self, name: &str) -> Option<String> {
        let (mut store, adapter) = self.instance().await;
        adapter.plausible_mcp_host_secrets().call_get(&mut store, name).await.expect("no trap")
    }

    /// What `rate-limit` answers: how much is left, or how many seconds to wait.
    pub async fn check(&self, key: &str, limit: u32, window_seconds: u32, cost: u32) -> Result<u32, u32> {
        let (mut store, adapter) = self.instance().await;
        let limits = adapter.plausible_mcp_host_rate_limit();
        match limits.call_check(&mut store, key, Quota { limit, window_seconds }, cost).await.expect("no trap") {
            Decision::Allowed(left) => Ok(left),
            Decision::RetryAfter(seconds) => Err(seconds),
        }
    }

    /// What `outbound-http` answers to a GET: a status, or the name of an error.
    pub async fn fetch(&self, url: &str, reach: Reach) -> Result<u16, HttpError> {
        let (mut store, adapter) = self.instance().await;
        let http = adapter.plausible_mcp_host_outbound_http();
        let request = Request {
            method: Method::Get,
            url: url.to_owned(),
            headers: Vec::new(),
            body: None,
            timeout_milliseconds: 5_000,
            max_response_bytes: 65_536,
            reach,
            coalesce: None,
        };
        let exchange = http.call_send(&mut store, &request).await.expect("no trap");
        let response = http.exchange().call_response(&mut store, exchange).await.expect("no trap");
        response.map(|response| response.status)
    }

    async fn instance(&self) -> (Store<Instance>, Adapter) {
        let mut store = self.shared.store(self.adapter.engine());
        let adapter = self.adapter.instantiate_async(&mut store).await.expect("an instance");
        (store, adapter)
    }
}

impl OauthStore for SpinAdapter {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let (mut store, adapter) = self.instance().await;
            answer(adapter.plausible_mcp_host_oauth_store().call_get(&mut store, key).await)
        })
    }

    fn put<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, ()> {
        Box::pin(async move {
            let (mut store, adapter) = self.instance().await;
            answer(adapter.plausible_mcp_host_oauth_store().call_put(&mut store, key, &value, seconds(ttl)).await)
        })
    }

    fn create<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, bool> {
        Box::pin(async move {
            let (mut store, adapter) = self.instance().await;
            answer(adapter.plausible_mcp_host_oauth_store().call_create(&mut store, key, &value, seconds(ttl)).await)
        })
    }

    fn take<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let (mut store, adapter) = self.instance().await;
            answer(adapter.plausible_mcp_host_oauth_store().call_take(&mut store, key).await)
        })
    }

    fn replace<'a>(
        &'a self,
        key: &'a str,
        expected: &'a [u8],
        new: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        Box::pin(async move {
            let (mut store, adapter) = self.instance().await;
            let records = adapter.plausible_mcp_host_oauth_store();
            answer(records.call_replace(&mut store, key, expected, &new, ttl.map(seconds)).await)
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let (mut store, adapter) = self.instance().await;
            answer(adapter.plausible_mcp_host_oauth_store().call_delete(&mut store, key).await)
        })
    }

    fn keys<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>> {
        Box::pin(async move {
            let (mut store, adapter) = self.instance().await;
            let limit = u32::try_from(limit).expect("a page of the contract");
            answer(adapter.plausible_mcp_host_oauth_store().call_keys(&mut store, prefix, after, limit).await)
        })
    }
}

/// A trap is a failed test.
fn answer<T>(called: Result<Result<T, Error>>) -> Result<T, StoreError> {
    called.expect("no trap").map_err(|error| match error {
        Error::Unavailable => StoreError::Unavailable,
        Error::TooLarge => StoreError::TooLarge,
        Error::UnknownOutcome => StoreError::UnknownOutcome,
    })
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).expect("a time of the contract")
}
