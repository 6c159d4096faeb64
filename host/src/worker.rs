//! How instances are started, reused and dropped.
//!
//! ```text
//! start -> at work on one request -> idle -> at work -> ... -> dropped
//! ```
//! A WASI 0.2 guest blocks while it waits, so an instance has one request at a time. It is dropped after a trap, after a
//! deadline, when nobody waits for its answer any more, after enough requests, when its memory has grown, or when it has
//! been idle for a while. What it holds goes with it: its place, and its upstream request unless others share that.

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
use crate::waiting::Left;

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

    /// The guest's answer to a request. The guest may go on when it has answered; before, it is stopped when `left` says
    /// so, and by nothing else than its deadline where that is `None`.
    ///
    /// # Errors
    /// When the guest gave no answer: [`Trap::Interrupt`] when its time was over, else what it failed by.
    pub(crate) async fn ask(
        &self,
        caller: Caller,
        request: Request<WasiBody>,
        left: Option<Left>,
    ) -> wasmtime::Result<Response<HyperOutgoingBody>> {
        let (answer, answered) = oneshot::channel();
        let work = tokio::spawn(self.0.clone().work(caller, request, answer, left));
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
        left: Option<Left>,
    ) -> wasmtime::Result<()> {
        let _in_flight = caller.in_flight.clone();
        let _counted = self.services.metrics.requests().at_work();
        let mut worker = match self.take_idle() {
            Some(worker) => worker,
            None => self.start().await?,
        };
        let deadline = Instant::now() + self.limits().request_time + DEADLINE_GRACE;
        worker.store.data_mut().begins(deadline, caller);
        let outcome = tokio::select! {
            biased;
            outcome = timeout_at(deadline.into(), worker.serve(request, answer)) => outcome,
            () = nobody_waits(left) => {
                worker.drop_as(End::Left);
                return Err(wasmtime::format_err!("nobody waits for the answer"));
            }
        };
        let outcome = outcome.unwrap_or_else(|_| Err(Trap::Interrupt.into()));
        match outcome {
            Ok(()) => {
                let was_large = worker.store.data().is_large();
                worker.store.data_mut().rests();
                if was_large {
                    worker.drop_as(End::Memory);
                } else {
                    self.keep(worker);
                }
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

/// Ready when the request is to be given up.
async fn nobody_waits(left: Option<Left>) {
    match left {
        Some(left) => left.left().await,
        None => std::future::pending().await,
    }
}

/// Whether the time of a request was over.
pub(crate) fn is_interrupted(error: &wasmtime::Error) -> bool {
    matches!(error.downcast_ref(), Some(Trap::Interrupt))
}

/// A guest is interrupted, and dropped if it waits, this much after the host has given its request up: a guest that is
/// interrupted first leaves only word that it never answered, and its caller would not be told why.
const DEADLINE_GRACE: Duration = Duration::from_millis(100);
/// An instance that has grown beyond this gives its memory back. Small answers take half a mebibyte of it.
const REUSED_MEMORY_BYTES: usize = 4 << 20;
