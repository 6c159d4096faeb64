//! How many requests the component works on, counted in three parts: those that somebody waits for, those whose answer
//! is complete while the component still sends a report, and those that wait for an address that an outsider chose. A
//! slow receiver of reports, or an address that never answers, fills its own part and then takes from the first; while
//! it has room there, no request is turned away because of it.
//!
//! ```text
//! admit ──> waited for ── answered ──> finishing ──> done
//!   │          │  ↑                    └─ no room: waited for until it is done
//!   │          ↓  │
//!   │        fetching
//!   └─ no room for a while: refused
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::limits::Limits;
use crate::outbound_http::WAITS;

/// The permits of one host.
pub(crate) struct Permits {
    waited_for: Counted,
    finishing: Counted,
    fetching: Counted,
}

/// A request under way. Clones share its permit, which is returned when the last of them is gone: the host holds one
/// until it has the answer, the worker one until the guest is done.
#[derive(Clone)]
pub(crate) struct InFlight {
    held: Arc<Mutex<Held>>,
    waited_for: Arc<Semaphore>,
    finishing: Arc<Semaphore>,
    fetching: Arc<Semaphore>,
}

struct Held {
    permit: OwnedSemaphorePermit,
    is_answered: bool,
}

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
            fetching: Counted::new(FETCHING_REQUESTS),
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
            fetching: self.fetching.semaphore.clone(),
        })
    }

    /// Whether there is one for another request now.
    pub(crate) fn has_place(&self) -> bool {
        self.waited_for.semaphore.available_permits() > 0
    }

    /// Waits until no request is under way.
    pub(crate) async fn all_returned(&self) {
        // Semaphores that are never closed give what they are asked for in the end. Each is kept while the next is
        // waited for, so that no request moves on from one to the other unseen; one that has fetched stays where it is
        // when there is no way back.
        let _none_is_waited_for = self.waited_for.semaphore.acquire_many(self.waited_for.all).await;
        let _none_is_finishing = self.finishing.semaphore.acquire_many(self.finishing.all).await;
        let _none_is_fetching = self.fetching.semaphore.acquire_many(self.fetching.all).await;
    }
}

impl InFlight {
    /// Nobody waits any more. What the guest still does counts among what is finishing, if there is room.
    pub(crate) fn answered(&self) {
        let mut held = self.held();
        held.is_answered = true;
        held.moves_to(&self.finishing);
    }

    /// The guest waits for an address that an outsider chose: it counts among those that do, if there is room.
    pub(crate) fn fetching(&self) {
        self.held().moves_to(&self.fetching);
    }

    /// The guest waits no longer: it counts where it did before, if there is room.
    pub(crate) fn fetched(&self) {
        let mut held = self.held();
        let part = if held.is_answered { &self.finishing } else { &self.waited_for };
        held.moves_to(part);
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

/// As many as may wait for such an address at a time. Each holds an instance.
pub(crate) const FETCHING_REQUESTS: u32 = WAITS as u32;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

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

    #[tokio::test]
    async fn a_request_that_waits_for_an_outsiders_address_makes_room_for_another() {
        let permits = permits(1, 1);
        let first = permits.admit(AT_ONCE).await.unwrap();
        first.fetching();
        let second = permits.admit(AT_ONCE).await.expect("the first one only waits");
        assert!(permits.admit(AT_ONCE).await.is_none());
        first.fetched();
        assert!(permits.all_returned().now_or_never().is_none());
        drop(second);
        assert!(permits.admit(AT_ONCE).await.is_some(), "there was no way back for the first one");
        first.fetching();
        first.fetched();
        assert!(permits.admit(AT_ONCE).await.is_none(), "now there was");
        first.answered();
        first.fetching();
        first.fetched();
        assert!(permits.admit(AT_ONCE).await.is_some(), "an answered one goes back to where it was");
        drop(first);
        assert!(permits.all_returned().now_or_never().is_some());
    }

    #[tokio::test]
    async fn those_that_wait_beyond_their_part_count_as_waited_for() {
        let permits = permits(20, 1);
        let mut waiting = Vec::new();
        while let Some(request) = permits.admit(AT_ONCE).await {
            request.fetching();
            waiting.push(request);
        }
        assert_eq!(waiting.len(), 20 + WAITS);
        drop(waiting);
        assert!(permits.all_returned().now_or_never().is_some());
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
