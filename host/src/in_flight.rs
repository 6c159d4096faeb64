//! How many requests the component works on, counted in parts: those that somebody waits for, those whose answer is
//! complete while the component still does something, and for each upstream those that wait for it. Each part of an
//! upstream has room for all that may wait for it, so an upstream that never answers takes no room from requests that
//! need none.
//!
//! ```text
//! admit ──> waited for ── answered ──> finishing ──> done
//!   │          │  ↑                    └─ no room: waited for until it is done
//!   │          ↓  │
//!   │        waits for an upstream
//!   └─ no room for a while: refused
//! ```

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::limits::Limits;
use crate::outbound_http::{PerUpstream, Upstream};

/// The permits of one host.
pub(crate) struct Permits {
    waited_for: Counted,
    finishing: Counted,
    waiting: Arc<PerUpstream<Counted>>,
}

/// A request under way. Clones share its permit, which is returned when the last of them is gone: the host holds one
/// until it has the answer, the worker one until the guest is done.
#[derive(Clone)]
pub(crate) struct InFlight {
    held: Arc<Mutex<Held>>,
    waited_for: Arc<Semaphore>,
    finishing: Arc<Semaphore>,
    waiting: Arc<PerUpstream<Counted>>,
}

struct Held {
    permit: OwnedSemaphorePermit,
    is_answered: bool,
}

#[derive(Debug)]
struct Counted {
    semaphore: Arc<Semaphore>,
    all: u32,
}

impl Permits {
    /// As many as `limits` say.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            waited_for: Counted::new(limits.concurrent_requests),
            finishing: Counted::new(limits.finishing_requests),
            waiting: Arc::new(PerUpstream::of(|upstream| Counted::new(limits.waiting(upstream)))),
        }
    }

    /// A permit for a request that somebody waits for, in the order in which they came; `None` when there is still none
    /// after `time`.
    pub(crate) async fn admit(&self, time: Duration) -> Option<InFlight> {
        let permit = timeout(time, self.waited_for.semaphore.clone().acquire_owned()).await.ok()?.ok()?;
        Some(InFlight {
            held: Arc::new(Mutex::new(Held { permit, is_answered: false })),
            waited_for: self.waited_for.semaphore.clone(),
            finishing: self.finishing.semaphore.clone(),
            waiting: self.waiting.clone(),
        })
    }

    /// Whether there is one for another request now.
    pub(crate) fn has_place(&self) -> bool {
        self.waited_for.semaphore.available_permits() > 0
    }

    /// Waits until no request is under way.
    pub(crate) async fn all_returned(&self) {
        // Semaphores that are never closed give what they are asked for in the end. Each is kept while the next is
        // waited for, so that no request moves on from one to the other unseen; one that has waited for an upstream
        // stays where it is when there is no way back.
        let _none_is_waited_for = self.waited_for.semaphore.acquire_many(self.waited_for.all).await;
        let _none_is_finishing = self.finishing.semaphore.acquire_many(self.finishing.all).await;
        let mut none_waits = Vec::new();
        for part in self.waiting.all() {
            none_waits.push(part.semaphore.acquire_many(part.all).await);
        }
    }
}

impl InFlight {
    /// Nobody waits any more. What the guest still does counts among what is finishing, if there is room.
    pub(crate) fn answered(&self) {
        let mut held = self.held();
        held.is_answered = true;
        held.moves_to(&self.finishing);
    }

    /// The guest waits for an answer of `upstream`: until it is there, the request counts among those that do, as soon as
    /// there is room. Then it counts where it did before, if there is room.
    pub(crate) async fn waits_for<T>(&self, upstream: Upstream, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        tokio::select! {
            biased;
            outcome = &mut answer => return outcome,
            // Semaphores are never closed.
            permit = self.waiting.get(upstream).semaphore.clone().acquire_owned() => {
                if let Ok(permit) = permit {
                    self.held().permit = permit;
                }
            }
        }
        let outcome = answer.await;
        let mut held = self.held();
        let part = if held.is_answered { &self.finishing } else { &self.waited_for };
        held.moves_to(part);
        drop(held);
        outcome
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn moves_to(&mut self, part: &Arc<Semaphore>) {
        if let Ok(permit) = part.clone().try_acquire_owned() {
            self.permit = permit;
        }
    }
}

impl Counted {
    fn new(all: u32) -> Self {
        let permits = usize::try_from(all).unwrap_or(Semaphore::MAX_PERMITS);
        Self { semaphore: Arc::new(Semaphore::new(permits)), all }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::BoxFuture;
    use tokio::sync::oneshot;

    use super::*;

    const AT_ONCE: Duration = Duration::ZERO;

    fn permits(concurrent_requests: u32, finishing_requests: u32) -> Permits {
        Permits::new(&Limits { concurrent_requests, finishing_requests, ..Limits::default() })
    }

    #[tokio::test]
    async fn an_answered_request_makes_room_while_the_guest_goes_on() {
        let permits = permits(1, 1);
        let first = permits.admit(AT_ONCE).await.unwrap();
        let guest = first.clone();
        assert!(permits.admit(AT_ONCE).await.is_none());
        first.answered();
        drop(first);
        let second = permits.admit(AT_ONCE).await.expect("the first one is answered");
        assert!(permits.admit(AT_ONCE).await.is_none());
        drop((guest, second));
        assert!(permits.all_returned().now_or_never().is_some());
    }

    #[tokio::test]
    async fn when_too_many_are_finishing_they_count_as_waited_for() {
        let permits = permits(2, 1);
        let guests = [permits.admit(AT_ONCE).await.unwrap(), permits.admit(AT_ONCE).await.unwrap()];
        guests.iter().for_each(InFlight::answered);
        let third = permits.admit(AT_ONCE).await.expect("one of the two is finishing");
        assert!(permits.admit(AT_ONCE).await.is_none(), "the other one still counts");
        drop(guests);
        assert!(permits.admit(AT_ONCE).await.is_some());
        drop(third);
    }

    #[tokio::test]
    async fn a_host_is_drained_when_the_last_guest_is_done() {
        let permits = permits(2, 2);
        let request = permits.admit(AT_ONCE).await.unwrap();
        let guest = request.clone();
        request.answered();
        drop(request);
        assert!(permits.all_returned().now_or_never().is_none(), "the guest is still at work");
        drop(guest);
        assert!(permits.all_returned().now_or_never().is_some());
    }

    /// Waits for `upstream` until the sender says so.
    fn waiting(request: &InFlight, upstream: Upstream) -> (oneshot::Sender<()>, BoxFuture<'static, ()>) {
        let (answer, answered) = oneshot::channel::<()>();
        let request = request.clone();
        let waits = async move {
            let _ = request.waits_for(upstream, answered).await;
        };
        (answer, waits.boxed())
    }

    #[tokio::test]
    async fn a_request_that_waits_for_an_upstream_makes_room_for_another() {
        for upstream in Upstream::ALL {
            let permits = permits(1, 1);
            let first = permits.admit(AT_ONCE).await.unwrap();
            let (answer, mut waits) = waiting(&first, upstream);
            assert!(waits.as_mut().now_or_never().is_none());
            let second = permits.admit(AT_ONCE).await.expect("the first one only waits");
            assert!(permits.admit(AT_ONCE).await.is_none());
            drop(answer);
            assert!(waits.now_or_never().is_some());
            assert!(permits.all_returned().now_or_never().is_none());
            drop(second);
            assert!(permits.admit(AT_ONCE).await.is_some(), "there was no way back for the first one");
            let (answer, mut waits) = waiting(&first, upstream);
            assert!(waits.as_mut().now_or_never().is_none());
            drop(answer);
            assert!(waits.now_or_never().is_some());
            assert!(permits.admit(AT_ONCE).await.is_none(), "now there was");
            first.answered();
            let (answer, mut waits) = waiting(&first, upstream);
            assert!(waits.as_mut().now_or_never().is_none());
            drop(answer);
            assert!(waits.now_or_never().is_some());
            assert!(permits.admit(AT_ONCE).await.is_some(), "an answered one goes back to where it was");
            drop(first);
            assert!(permits.all_returned().now_or_never().is_some());
        }
    }

    #[tokio::test]
    async fn an_upstream_that_never_answers_takes_no_room_from_the_others() {
        for upstream in Upstream::ALL {
            let permits = permits(2, 1);
            let mut held = Vec::new();
            for _ in 0..Limits::default().waiting(upstream) {
                let request = permits.admit(AT_ONCE).await.expect("those before only wait");
                let (answer, mut waits) = waiting(&request, upstream);
                assert!(waits.as_mut().now_or_never().is_none());
                held.push((answer, waits, request));
            }
            let (first, second) = (permits.admit(AT_ONCE).await, permits.admit(AT_ONCE).await);
            assert!(first.is_some() && second.is_some(), "{upstream:?}");
            drop((held, first, second));
            assert!(permits.all_returned().now_or_never().is_some());
        }
    }

    #[tokio::test]
    async fn who_finds_no_room_among_those_that_wait_moves_there_when_there_is_some() {
        let permits = Permits::new(&Limits { telemetry_calls: 1, concurrent_requests: 1, ..Limits::default() });
        let first = permits.admit(AT_ONCE).await.unwrap();
        let (_answer, mut waits) = waiting(&first, Upstream::Telemetry);
        assert!(waits.as_mut().now_or_never().is_none());
        let second = permits.admit(AT_ONCE).await.unwrap();
        let (_never, mut waits_too) = waiting(&second, Upstream::Telemetry);
        assert!(waits_too.as_mut().now_or_never().is_none());
        assert!(permits.admit(AT_ONCE).await.is_none(), "there is room for one");
        drop((waits, first));
        assert!(waits_too.as_mut().now_or_never().is_none());
        assert!(permits.admit(AT_ONCE).await.is_some());
    }

    #[tokio::test]
    async fn one_too_many_waits_for_its_turn_and_not_for_ever() {
        let permits = permits(1, 1);
        let first = permits.admit(AT_ONCE).await.unwrap();
        let mut second = Box::pin(permits.admit(Duration::from_secs(60)));
        assert!(second.as_mut().now_or_never().is_none(), "the first one is under way");
        assert!(permits.admit(Duration::from_millis(1)).await.is_none());
        drop(first);
        assert!(second.now_or_never().flatten().is_some());
    }
}
