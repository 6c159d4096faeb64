//! The component in an engine of one's own: WASI and two of our interfaces are linked as they are, secrets come from a
//! source of the application's, and the rate limit is an implementation of the application's.
//!
//! ```sh
//! cargo run -p plausible-mcp-host --example own_engine
//! ```
//! asks `tools/list` once and prints the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use plausible_mcp_host::embedded_component;
use plausible_mcp_host::oauth_store::{self, MemoryStore, OauthStoreState};
use plausible_mcp_host::outbound_http::{self, HttpPolicy, OutboundHttpState};
use plausible_mcp_host::secrets::{self, SecretUnavailable, Secrets, SecretsState};
use plausible_mcp_host::wasmtime::component::{Component, ComponentType, Lift, Linker, Lower, ResourceTable};
use plausible_mcp_host::wasmtime::{self, Config, Engine, Store, StoreContextMut, error::Context as _};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{Error as HttpError, RequestOptions, WasiBody};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

#[tokio::main]
async fn main() -> wasmtime::Result<()> {
    let embedding = Embedding::new()?;
    let message = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let request = Request::post("http://localhost/mcp")
        .header("host", "localhost")
        .header("authorization", "Bearer some-plausible-key")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-11-25")
        .body(Full::from(message))?;
    let response = embedding.handle(request).await?;
    eprintln!("{}", String::from_utf8_lossy(response.body()));
    Ok(())
}

/// An engine with the component in it, and what its instances share.
struct Embedding {
    component: ProxyPre<State>,
    shared: Arc<Shared>,
}

struct Shared {
    store: OauthStoreState,
    http: OutboundHttpState,
    secrets: SecretsState,
    requests: AtomicU32,
}

/// The data of one instance.
struct State {
    shared: Arc<Shared>,
    table: ResourceTable,
    wasi: WasiCtx,
    wasi_http: WasiHttpCtx,
    hooks: NoOutgoingHttp,
}

/// The application's own source of secrets.
struct Vault;

impl Secrets for Vault {
    fn secret(&self, name: &str) -> Result<Option<String>, SecretUnavailable> {
        Ok((name == "PLAUSIBLE_API_KEY").then(|| "from the vault".to_owned()))
    }
}

impl Embedding {
    fn new() -> wasmtime::Result<Self> {
        let engine = Engine::new(&Config::new())?;
        let component = Component::from_binary(&engine, embedded_component())?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
        oauth_store::add_to_linker(&mut linker, |state: &mut State| state.shared.store.view())?;
        outbound_http::add_to_linker(&mut linker, |state: &mut State| state.shared.http.view(&mut state.table))?;
        secrets::add_to_linker(&mut linker, |state: &mut State| state.shared.secrets.view())?;
        own_rate_limit(&mut linker)?;
        let component = ProxyPre::new(linker.instantiate_pre(&component)?)?;
        let http = OutboundHttpState::new(None, HttpPolicy::default())?;
        let shared = Shared {
            store: OauthStoreState::new(Arc::new(MemoryStore::default())),
            http,
            secrets: SecretsState::new(Arc::new(Vault)),
            requests: AtomicU32::new(0),
        };
        Ok(Self { component, shared: Arc::new(shared) })
    }

    async fn handle(&self, request: Request<Full<Bytes>>) -> wasmtime::Result<Response<Bytes>> {
        let request = request.map(|body| body.map_err(|never| -> HttpError { match never {} }));
        let mut store = Store::new(self.component.engine(), State::new(self.shared.clone()));
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let mut view = store.data_mut().http();
        let request = view.new_incoming_request::<_>(Scheme::Http, request)?;
        let out = view.new_response_outparam(sender)?;
        let instance = self.component.instantiate_async(&mut store).await?;
        let handled =
            tokio::spawn(
                async move { instance.wasi_http_incoming_handler().call_handle(&mut store, request, out).await },
            );
        let response = receiver.await.context("the component gave no answer")??;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        handled.await??;
        Ok(Response::from_parts(head, body))
    }
}

/// `plausible-mcp:host/rate-limit`, written by hand: a hundred requests, then no more.
fn own_rate_limit(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("plausible-mcp:host/rate-limit@0.1.0")?;
    interface.func_wrap("check", |store: StoreContextMut<'_, State>, (_, _, cost): (String, Quota, u32)| {
        let taken = store.data().shared.requests.fetch_add(cost, Ordering::Relaxed);
        let decision = match LARGEST.checked_sub(taken.saturating_add(cost)) {
            Some(left) => Decision::Allowed(left),
            None => Decision::RetryAfter(60),
        };
        Ok((decision,))
    })
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct Quota {
    #[expect(dead_code, reason = "this limit knows one quota")]
    limit: u32,
    #[component(name = "window-seconds")]
    #[expect(dead_code, reason = "this limit knows one quota")]
    window_seconds: u32,
}

#[derive(ComponentType, Lower)]
#[component(variant)]
enum Decision {
    #[component(name = "allowed")]
    Allowed(u32),
    #[component(name = "retry-after")]
    RetryAfter(u32),
}

impl State {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            table: ResourceTable::new(),
            wasi: WasiCtx::builder().env("MCP_ALLOWED_HOSTNAMES", "localhost").inherit_stderr().build(),
            wasi_http: WasiHttpCtx::new(),
            hooks: NoOutgoingHttp,
        }
    }
}

/// The component sends requests through `outbound-http` and never through `wasi:http`.
struct NoOutgoingHttp;

impl WasiHttpHooks for NoOutgoingHttp {
    fn send_request(
        &mut self,
        _: Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), HttpError>> + Send>,
    ) -> Box<dyn Future<Output = OutgoingAnswer> + Send> {
        Box::new(async { Err(HttpError::HttpRequestDenied) })
    }
}

type OutgoingAnswer = Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), HttpError>> + Send>), HttpError>;

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.wasi_http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

const LARGEST: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_component_runs_over_interfaces_of_ones_own() {
        let embedding = Embedding::new().unwrap();
        let ask = || {
            let request = Request::post("http://localhost/mcp").header("host", "localhost");
            embedding.handle(request.header("authorization", "Bearer k").body(Full::default()).unwrap())
        };
        assert_ne!(ask().await.unwrap().status(), 429);
        embedding.shared.requests.store(LARGEST, Ordering::Relaxed);
        let refused = ask().await.unwrap();
        assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"60".parse().unwrap()));
    }
}
