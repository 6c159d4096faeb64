//! An adapter alone, through the interfaces that it exports, in whatever host it is for. A fresh instance answers each
//! call.

mod bindings;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use plausible_mcp_host::compiled_for_tests;
use plausible_mcp_host::oauth_store::{Answer, OauthStore, StoreError};
use wasmtime::component::Linker;
use wasmtime::{Engine, Result, Store};
use wasmtime_wasi::clocks::HostWallClock;

use bindings::exports::oauth_store::Error;
pub use bindings::exports::outbound_http::{
    Error as HttpError, Method as HttpMethod, Reach, Request as HttpRequest, Response as HttpResponse,
    Upstream as HttpUpstream,
};
use bindings::exports::rate_limit::{Decision, Quota};
pub use bindings::exports::secrets::Error as SecretError;
use bindings::{Adapter as Instance, AdapterPre};

/// An adapter, and how an instance of it comes to be. `T` is the data of a store.
pub struct Adapter<T: 'static> {
    adapter: AdapterPre<T>,
    new_store: NewStore<T>,
    clock: Clock,
}

/// Makes a store for a fresh instance.
pub type NewStore<T> = Box<dyn Fn(&Engine) -> Store<T> + Send + Sync>;

/// The wall clock of instances, which a test can set ahead.
#[derive(Clone, Default)]
pub struct Clock(Arc<AtomicU64>);

/// A GET as the component sends it.
pub fn get(url: &str, reach: Reach) -> HttpRequest {
    HttpRequest {
        upstream: HttpUpstream::Plausible,
        method: HttpMethod::Get,
        url: url.to_owned(),
        headers: Vec::new(),
        body: None,
        timeout_milliseconds: 5_000,
        max_response_bytes: 65_536,
        reach,
        coalesce: None,
    }
}

impl<T: Send + 'static> Adapter<T> {
    /// The adapter in `wasm`, over what `linker` has. `clock` is the one of the stores.
    pub fn linked(linker: &Linker<T>, wasm: &[u8], clock: Clock, new_store: NewStore<T>) -> Result<Self> {
        let component = compiled_for_tests(linker.engine(), wasm)?;
        Ok(Adapter { adapter: AdapterPre::new(linker.instantiate_pre(&component)?)?, new_store, clock })
    }

    /// Lets time go by for the adapter.
    pub fn pass_time(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// What `secrets` answers about one setting, which can be read.
    pub async fn secret(&self, name: &str) -> Option<String> {
        let [value] = self.secrets([name]).await.expect("it can be read");
        value
    }

    /// What `secrets` answers about several settings; `Err` where one of them cannot be read.
    pub async fn secrets<const N: usize>(&self, names: [&str; N]) -> Result<[Option<String>; N], SecretError> {
        let (mut store, adapter) = self.instance().await;
        let names = names.map(str::to_owned);
        let values = adapter.plausible_mcp_host_secrets().call_get(&mut store, &names).await.expect("no trap");
        values.map(|values| values.try_into().expect("one value for each name"))
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
    pub async fn status_of(&self, url: &str, reach: Reach) -> Result<u16, HttpError> {
        let [response] = self.exchange([get(url, reach)]).await;
        response.map(|response| response.status)
    }

    /// What one instance is answered that starts all of these and then waits for each.
    pub async fn exchange<const N: usize>(&self, requests: [HttpRequest; N]) -> [Result<HttpResponse, HttpError>; N] {
        let (mut store, adapter) = self.instance().await;
        let http = adapter.plausible_mcp_host_outbound_http();
        let mut exchanges = Vec::new();
        for request in &requests {
            exchanges.push(http.call_send(&mut store, request).await.expect("no trap"));
        }
        let mut responses = Vec::new();
        for exchange in exchanges {
            let response = http.exchange().call_response(&mut store, exchange).await.expect("no trap");
            let again = http.exchange().call_response(&mut store, exchange).await.expect("no trap");
            assert_eq!(format!("{response:?}"), format!("{again:?}"), "a second call returns the same");
            exchange.resource_drop_async(&mut store).await.expect("no trap");
            responses.push(response);
        }
        responses.try_into().expect("as many as there are requests")
    }

    async fn instance(&self) -> (Store<T>, Instance) {
        let mut store = (self.new_store)(self.adapter.engine());
        let instance = self.adapter.instantiate_async(&mut store).await.expect("an instance");
        (store, instance)
    }
}

impl<T: Send + 'static> OauthStore for Adapter<T> {
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

impl Clock {
    /// Lets time go by.
    pub fn advance(&self, time: Duration) {
        self.0.fetch_add(time.as_secs(), Ordering::SeqCst);
    }
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
        now + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}
