//! How instances are started, reused and dropped.
//!
//! ```text
//! start -> at work on one request -> idle -> at work -> ... -> dropped
//! ```
//! A WASI 0.2 guest blocks while it waits, so an instance has one request at a time. It is dropped after a trap, after a
//! deadline, after enough requests, when its memory has grown, or when it has been idle for a while.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use http::{Request, Response};
use tokio::sync::oneshot;
use tokio::time::timeout_at;
use wasmtime::{Engine, Store, Trap};
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::{WasiBody, WasiHttpView as _};

use crate::instance::{Instance, Services, new_store};
use crate::limits::Limits;
use crate::metrics::End;
use crate::outbound_http::Caller;

/// All instances of one host.
#[derive(Clone)]
pub(crate) struct Workers(Arc<Shared>);

/// What a guest makes of a request: `wasi:http/types.response-outparam`.
type Answer = Result<Response<HyperOutgoingBody>, ErrorCode>;

struct Shared {
    engine: Engine,
    services: Arc<Services>,
    component: ProxyPre<Instance>,
    idle: Mutex<Idle>,
}

/// Instances that wait for a request, the one that has waited longest first.
#[derive(Default)]
struct Idle {
    workers: Vec<Worker>,
    /// Whether a task looks after them.
    is_swept: bool,
}

/// One instance.
struct Worker {
    store: Store<Instance>,
    proxy: Proxy,
    served: usize,
    idle_since: Instant,
    /// Why it is dropped, should that happen now.
    end: End,
}

impl Workers {
    /// No instance yet: the first request starts the first one.
    pub(crate) fn new(engine: Engine, services: Arc<Services>, component: ProxyPre<Instance>) -> Self {
        Self(Arc::new(Shared { engine, services, component, idle: Mutex::default() }))
    }

    /// The guest's answer to a request. The guest may go on when it has answered, and does so when nobody waits for the
    /// answer any more.
    ///
    /// # Errors
    /// When the guest gave no answer: [`Trap::Interrupt`] when its time was over, else what it failed by.
    pub(crate) async fn ask(
        &self,
        caller: Caller,
        request: Request<WasiBody>,
    ) -> wasmtime::Result<Response<HyperOutgoingBody>> {
        let (answer, answered) = oneshot::channel();
        let work = tokio::spawn(self.0.clone().work(caller, request, answer));
        match answered.await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(code)) => Err(wasmtime::format_err!("the guest answered with the error {code:?}")),
            Err(_) => match work.await {
                Ok(Ok(())) => Err(wasmtime::format_err!("the guest gave no answer")),
                Ok(Err(error)) => Err(error),
                // What it panicked with may hold what a caller sent; the log has the place.
                Err(_) => Err(wasmtime::format_err!("the host failed while the guest worked")),
            },
        }
    }
}

impl Shared {
    async fn work(
        self: Arc<Self>,
        caller: Caller,
        request: Request<WasiBody>,
        answer: oneshot::Sender<Answer>,
    ) -> wasmtime::Result<()> {
        let _in_flight = caller.in_flight.clone();
        let mut worker = match self.take_idle() {
            Some(worker) => worker,
            None => self.start().await?,
        };
        let deadline = Instant::now() + self.limits().request_time + DEADLINE_GRACE;
        worker.store.data_mut().begins(deadline, caller);
        let outcome = timeout_at(deadline.into(), worker.serve(request, answer)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(Trap::Interrupt.into()));
        match outcome {
            Ok(()) => {
                worker.store.data_mut().rests();
                self.keep(worker);
                Ok(())
            }
            Err(error) => {
                worker.drop_as(if is_interrupted(&error) { End::Deadline } else { End::Trap });
                tracing::error!(event = "instance_dropped", cause = format!("{error:?}"), "an instance was dropped");
                Err(error)
            }
        }
    }

    async fn start(&self) -> wasmtime::Result<Worker> {
        let mut store = new_store(&self.engine, &self.services);
        let proxy = self.component.instantiate_async(&mut store).await?;
        Ok(Worker { store, proxy, served: 0, idle_since: Instant::now(), end: End::Stopped })
    }

    fn limits(&self) -> &Limits {
        &self.services.limits
    }

    /// The instance that was used last: its memory is the most likely to be in the caches still, and the others may end.
    fn take_idle(&self) -> Option<Worker> {
        self.idle().workers.pop()
    }

    /// Keeps an instance for the next request, or drops it.
    fn keep(self: Arc<Self>, mut worker: Worker) {
        if worker.store.data().memory_bytes() > REUSED_MEMORY_BYTES {
            worker.drop_as(End::Memory);
        } else if worker.served >= self.limits().instance_requests.get() {
            worker.drop_as(End::Requests);
        } else {
            worker.idle_since = Instant::now();
            let mut idle = self.idle();
            idle.workers.push(worker);
            if !std::mem::replace(&mut idle.is_swept, true) {
                tokio::spawn(sweep(Arc::downgrade(&self)));
            }
        }
    }

    /// Takes out the instances that have been idle for too long; when the next one will have been, if there is one.
    fn expired(&self) -> (Vec<Worker>, Option<Instant>) {
        let (now, allowed) = (Instant::now(), self.limits().instance_idle_time);
        let mut idle = self.idle();
        let count = idle.workers.partition_point(|worker| worker.idle_since + allowed <= now);
        let expired = idle.workers.drain(..count).collect();
        let next = idle.workers.first().map(|worker| worker.idle_since + allowed);
        idle.is_swept = next.is_some();
        (expired, next)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drops instances that have been idle for too long, for as long as there are idle ones.
async fn sweep(shared: Weak<Shared>) {
    while let Some(alive) = shared.upgrade() {
        let (expired, next) = alive.expired();
        expired.into_iter().for_each(|worker| worker.drop_as(End::Idle));
        drop(alive);
        let Some(next) = next else { return };
        tokio::time::sleep_until(next.into()).await;
    }
}

impl Worker {
    async fn serve(&mut self, request: Request<WasiBody>, answer: oneshot::Sender<Answer>) -> wasmtime::Result<()> {
        self.served += 1;
        let mut http = self.store.data_mut().http();
        let request = http.new_incoming_request(Scheme::Http, request)?;
        let answer = http.new_response_outparam(answer)?;
        self.proxy.wasi_http_incoming_handler().call_handle(&mut self.store, request, answer).await
    }

    fn drop_as(mut self, end: End) {
        self.end = end;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.store.data_mut().ends(self.end);
    }
}

/// Whether the time of a request was over.
pub(crate) fn is_interrupted(error: &wasmtime::Error) -> bool {
    matches!(error.downcast_ref(), Some(Trap::Interrupt))
}

/// A guest is interrupted, and dropped if it waits, this much after the host has given its request up: a guest that is
/// interrupted first leaves only word that it never answered, and its caller would not be told why.
const DEADLINE_GRACE: Duration = Duration::from_millis(100);
/// An instance that has grown beyond this for one large answer gives its memory back.
const REUSED_MEMORY_BYTES: usize = 16 << 20;
