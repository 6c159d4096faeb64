//! One instance of the component: the state in its store, what it is linked to, and its limits of memory and time.

use std::sync::Arc;
use std::time::Instant;

use http::HeaderName;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::LinkOptions;
use wasmtime_wasi_http::{Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView};
use wasmtime_wasi_http::{WasiHttp, WasiHttpHooks, WasiHttpView};

use crate::guest_output::{GuestOutput, LineSink};
use crate::limits::Limits;
use crate::metrics::{End, LiveInstance, Metrics};
use crate::oauth_store::{self, OauthStoreState, ReadAhead};
use crate::outbound_http::{self, Caller, OutboundHttpState};
use crate::parts::Parts;
use crate::rate_limit::{self, RateLimitState};
use crate::secrets::{self, SecretsState};
use crate::wall_clock::{HostClock, WallClock};

/// What all instances of one host share.
pub(crate) struct Services {
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) log: LineSink,
    pub(crate) wall_clock: WallClock,
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
    pub(crate) parts: Parts,
    pub(crate) oauth_store: OauthStoreState,
    pub(crate) outbound_http: OutboundHttpState,
    pub(crate) rate_limit: RateLimitState,
    pub(crate) secrets: SecretsState,
}

/// The data of one store.
pub(crate) struct Instance {
    services: Arc<Services>,
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: NoOutgoingHttp,
    memory: MemoryLimit,
    deadline: Instant,
    caller: Caller,
    ahead: ReadAhead,
    live: LiveInstance,
}

impl Instance {
    /// A request begins: the guest is interrupted at `deadline` wherever it is, and what it asks upstreams is done for
    /// `caller`.
    pub(crate) fn begins(&mut self, deadline: Instant, caller: Caller) {
        self.deadline = deadline;
        self.caller = caller;
        self.ahead = ReadAhead::default();
    }

    /// The guest is done with the request, and nothing of its caller is kept.
    pub(crate) fn rests(&mut self) {
        self.caller = Caller::default();
        self.ahead = ReadAhead::default();
    }

    /// Says why the instance is about to be dropped.
    pub(crate) fn ends(&mut self, end: End) {
        self.live.ends(end);
    }

    /// Whether the request is one that took room for large answers.
    pub(crate) fn is_large(&self) -> bool {
        self.caller.large.is_large()
    }

    /// The size of the instance's linear memory in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory.bytes
    }
}

/// A store for a new instance. The guest yields at every epoch and is interrupted at the first one after its deadline.
pub(crate) fn new_store(engine: &Engine, services: &Arc<Services>) -> Store<Instance> {
    let output = GuestOutput::new(services.log.clone());
    let instance = Instance {
        table: ResourceTable::new(),
        wasi: WasiCtx::builder()
            .envs(&services.environment)
            .wall_clock(HostClock(services.wall_clock.clone()))
            .stdout(output.clone())
            .stderr(output)
            .allow_udp(false)
            .allow_tcp(false)
            .build(),
        http: WasiHttpCtx::new(),
        hooks: NoOutgoingHttp,
        memory: MemoryLimit { largest: services.limits.instance_memory_bytes, bytes: 0 },
        deadline: Instant::now() + services.limits.request_time,
        caller: Caller::default(),
        ahead: ReadAhead::default(),
        live: LiveInstance::started(&services.metrics),
        services: services.clone(),
    };
    let mut store = Store::new(engine, instance);
    store.limiter(|instance| &mut instance.memory);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| {
        if Instant::now() >= store.data().deadline {
            return Ok(UpdateDeadline::Interrupt);
        }
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
    store
}

/// Links everything the component may import: WASI 0.2 without network and files, the types of `wasi:http` without
/// its outgoing handler, and our own interfaces.
pub(crate) fn link(
    engine: &Engine,
    component: &Component,
) -> wasmtime::Result<wasmtime::component::InstancePre<Instance>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::bindings::http::types::add_to_linker::<_, WasiHttp>(
        &mut linker,
        &LinkOptions::default().into(),
        Instance::http,
    )?;
    oauth_store::add_to_linker(&mut linker, |instance: &mut Instance| {
        instance.services.oauth_store.view().within(&mut instance.ahead)
    })?;
    outbound_http::add_to_linker(&mut linker, |instance: &mut Instance| {
        instance.services.outbound_http.view(&mut instance.table).within(&instance.caller)
    })?;
    rate_limit::add_to_linker(&mut linker, |instance: &mut Instance| instance.services.rate_limit.view())?;
    secrets::add_to_linker(&mut linker, |instance: &mut Instance| instance.services.secrets.view())?;
    linker.instantiate_pre(component)
}

impl WasiView for Instance {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Instance {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

/// The component sends requests through `outbound-http` only.
struct NoOutgoingHttp;

impl WasiHttpHooks for NoOutgoingHttp {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        matches!(
            name.as_str(),
            "connection"
                | "host"
                | "http2-settings"
                | "keep-alive"
                | "proxy-authenticate"
                | "proxy-authorization"
                | "proxy-connection"
                | "transfer-encoding"
                | "upgrade"
        )
    }

    fn send_request(
        &mut self,
        _: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), HttpError>> + Send>,
    ) -> Box<dyn Future<Output = OutgoingAnswer> + Send> {
        Box::new(async { Err(HttpError::HttpRequestDenied) })
    }
}

type OutgoingAnswer =
    Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), HttpError>> + Send>), HttpError>;

/// Refuses to grow memory beyond the limit, and tells how large it is.
struct MemoryLimit {
    largest: usize,
    bytes: usize,
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired <= self.largest;
        if fits {
            self.bytes = desired;
        }
        Ok(fits)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }
}

/// Far more than the component has functions; its tables do not grow at run time.
const TABLE_ELEMENTS: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_up_to_its_limit_and_no_further() {
        let mut memory = MemoryLimit { largest: 64 << 20, bytes: 0 };
        for (desired, allowed) in [(1 << 20, true), (64 << 20, true), ((64 << 20) + 1, false), (4 << 30, false)] {
            assert_eq!(memory.memory_growing(0, desired, None).unwrap(), allowed, "{desired}");
        }
        assert_eq!(memory.bytes, 64 << 20, "a refused growth does not count");
    }
}
