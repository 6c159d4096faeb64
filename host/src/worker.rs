//! How instances are started, reused and dropped: the policy that `ProxyHandler` runs each worker under.
//!
//! ```text
//! start -> Idle -> Requests (one at a time) -> Idle -> ... -> dropped
//! ```
//! A worker is dropped after a trap, after a deadline, after enough requests, when its memory has grown, or when it
//! has been idle for a while.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;
use wasmtime::component::GuestTaskId;
use wasmtime::{Engine, Store, StoreContextMut, Trap};
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::handler::{
    HandlerState, Instance as Worker, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};

use crate::in_flight::InFlight;
use crate::instance::{Instance, Services, new_store};
use crate::metrics::End;
use crate::traces::RequestSpan;

/// Starts instances.
pub(crate) struct Workers {
    pub(crate) engine: Engine,
    pub(crate) services: Arc<Services>,
    pub(crate) component: ProxyPre<Instance>,
}

/// What goes along with a request to its worker.
pub(crate) struct Admitted {
    pub(crate) in_flight: InFlight,
    pub(crate) span: Option<Arc<dyn RequestSpan>>,
}

/// When one worker takes its next request.
pub(crate) struct Reuse {
    services: Arc<Services>,
    memory: Arc<AtomicUsize>,
    /// Why it takes no more, once it takes no more.
    retired: OnceLock<End>,
}

/// When one worker is dropped for its use of time.
pub(crate) struct Expiration {
    request_time: Duration,
    idle_time: Duration,
    timer: Pin<Box<Sleep>>,
}

impl HandlerState for Workers {
    type StoreData = Instance;
    type WorkerExpiration = Expiration;
    type WorkerState = Reuse;

    async fn instantiate(&self) -> wasmtime::Result<Worker<Instance, Expiration, Reuse>> {
        let mut store = new_store(&self.engine, &self.services);
        let memory = store.data().memory_bytes();
        let proxy = self.component.instantiate_async(&mut store).await?;
        let limits = &self.services.limits;
        Ok(Worker {
            store,
            proxy,
            view: |instance| instance.http(),
            expiration: Expiration {
                request_time: limits.request_time + DEADLINE_GRACE,
                idle_time: limits.instance_idle_time,
                timer: Box::pin(tokio::time::sleep(limits.instance_idle_time)),
            },
            state: Reuse { services: self.services.clone(), memory, retired: OnceLock::new() },
        })
    }
}

impl WorkerState for Reuse {
    type StoreData = Instance;
    type RequestData = Admitted;

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        let grown = self.memory.load(Ordering::Relaxed) > REUSED_MEMORY_BYTES;
        if grown || total >= self.services.limits.instance_requests.get() {
            self.retired.get_or_init(|| if grown { End::Memory } else { End::Requests });
            return ShouldAccept::Never;
        }
        // A WASI 0.2 guest blocks while it waits, so an instance serves one request at a time.
        if concurrent == 0 { ShouldAccept::Yes } else { ShouldAccept::No }
    }

    fn on_request_start(
        &self,
        mut store: StoreContextMut<'_, Instance>,
        Admitted { in_flight, span }: Admitted,
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + 'static + Send + Sync>> {
        let deadline = Instant::now() + self.services.limits.request_time + DEADLINE_GRACE;
        store.data_mut().begins(deadline, span);
        // The future lives as long as the guest works on the request. It never ends by itself: time is kept by
        // `Expiration`, outside of the store's event loop, where a busy guest cannot hold it up.
        Box::pin(async move {
            let _in_flight = in_flight;
            std::future::pending().await
        })
    }

    fn drop(&self, mut store: Store<Instance>, result: wasmtime::Result<()>) {
        let end = match &result {
            Ok(()) => self.retired.get().copied().unwrap_or(End::Idle),
            Err(error) => end_by(error),
        };
        store.data_mut().ends(end);
        drop(store);
        if let Err(error) = result
            && end != End::Stopped
        {
            tracing::error!(event = "instance_dropped", cause = format!("{error:?}"), "an instance was dropped");
        }
    }
}

/// What an instance ended by. Some of the causes have no type of their own, and are known by their text.
fn end_by(error: &wasmtime::Error) -> End {
    if matches!(error.downcast_ref(), Some(Trap::Interrupt)) {
        return End::Deadline;
    }
    match error.to_string().as_str() {
        "guest timed out" => End::Deadline,
        // A worker that is dropped with its runtime is reported as one that panicked.
        "worker panicked" if !std::thread::panicking() => End::Stopped,
        _ => End::Trap,
    }
}

impl WorkerExpiration for Expiration {
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>, status: WorkerStatus, start: Instant) -> Poll<()> {
        let allowed = match status {
            WorkerStatus::Idle => self.idle_time,
            WorkerStatus::Requests | WorkerStatus::PostReturn => self.request_time,
        };
        let end = start + allowed;
        if Instant::now() >= end {
            return Poll::Ready(());
        }
        // The timer is moved only when it would ring too late or has rung: moving it for every request costs more
        // than waking up early now and then.
        if self.timer.deadline().into_std() > end || self.timer.is_elapsed() {
            self.timer.as_mut().reset(end.into());
        }
        while self.timer.as_mut().poll(context).is_ready() {
            self.timer.as_mut().reset(end.into());
        }
        Poll::Pending
    }
}

/// A guest is interrupted, and dropped if it waits, this much after the host has given its request up: a guest that is
/// interrupted first leaves only word that it never answered, and its caller would not be told why.
const DEADLINE_GRACE: Duration = Duration::from_millis(100);
/// An instance that has grown beyond this for one large answer gives its memory back.
const REUSED_MEMORY_BYTES: usize = 16 << 20;
