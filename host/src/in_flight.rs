//! How many requests the component works on, counted in two parts: those that somebody waits for, and those whose answer
//! is complete while the component still sends a report. A slow receiver of reports fills the second part and then takes
//! from the first; while it has room there, no request is turned away because of it.
//!
//! ```text
//! admit ──> waited for ── answered ──> finishing ──> done
//!   └─ no room for a while: refused    └─ no room: waited for until it is done
//! ```

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::limits::Limits;

/// The permits of one host.
pub(crate) struct Permits {
    waited_for: Counted,
    finishing: Counted,
}

/// A request under way. Clones share its permit, which is returned when the last of them is gone: the host holds one
/// until it has the answer, the worker one until the guest is done.
#[derive(Clone)]
pub(crate) struct InFlight {
    permit: Arc<Mutex<OwnedSemaphorePermit>>,
    finishing: Arc<Semaphore>,
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
        }
    }

    /// A permit for a request that somebody waits for, in the order in which they came; `None` when there is still none
    /// after `time`.
    pub(crate) async fn admit(&self, time: Duration) -> Option<InFlight> {
        let permit = timeout(time, self.waited_for.semaphore.clone().acquire_owned()).await.ok()?.ok()?;
        Some(InFlight { permit: Arc::new(Mutex::new(permit)), finishing: self.finishing.semaphore.clone() })
    }

    /// Waits until no request is under way.
    pub(crate) async fn all_returned(&self) {
        // Semaphores that are never closed give what they are asked for in the end. The first is kept while the second
        // is waited for, so that no request moves on from one to the other unseen.
        let _none_is_waited_for = self.waited_for.semaphore.acquire_many(self.waited_for.all).await;
        let _none_is_finishing = self.finishing.semaphore.acquire_many(self.finishing.all).await;
    }
}

impl InFlight {
    /// Nobody waits any more. What the guest still does counts among what is finishing, if there is room.
    pub(crate) fn answered(&self) {
        if let Ok(permit) = self.finishing.clone().try_acquire_owned() {
            *self.permit.lock().unwrap_or_else(PoisonError::into_inner) = permit;
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
