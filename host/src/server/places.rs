//! Places for connections. When all are taken, a new connection gets the place of the one that has been quiet for the
//! longest time: who opens many connections and says nothing keeps nobody out.
//!
//! ```text
//! taken ──> quiet ── request is whole ──> at work
//!             │ └────── answered ───────────┘
//!             └── quiet for longest, and its place is needed ──> displaced
//! ```
//! A connection is quiet while nothing of it is at work in the component: it waits for its client to send, or to take
//! its answer. How long counts from the last bytes that its client took.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::metrics::Metrics;

/// The places of one server.
pub(crate) struct Places(Arc<Shared>);

struct Shared {
    free: Arc<Semaphore>,
    all: usize,
    /// For those who come while all connections are at work.
    extra: Arc<Semaphore>,
    taken: Mutex<BTreeMap<u64, Activity>>,
    /// The moments so far: they are counted, not measured.
    moments: AtomicU64,
    metrics: Metrics,
}

/// A place that is taken for as long as this lives.
pub(crate) struct Place {
    number: u64,
    activity: Activity,
}

/// What one connection does. Clones are of the same connection.
#[derive(Clone)]
pub(crate) struct Activity(Arc<State>);

struct State {
    shared: Arc<Shared>,
    /// Whether it has an extra place, in which nothing is asked of the component.
    is_extra: AtomicBool,
    /// What goes with its place.
    permit: Mutex<Option<OwnedSemaphorePermit>>,
    /// The moment of the last sign of its client.
    last_sign: AtomicU64,
    /// Those whose head is there, and of them those that are whole.
    requests: AtomicUsize,
    requests_at_work: AtomicUsize,
    /// Whether a request is on its way: none has come so far, or a part of the next one has.
    is_expecting: AtomicBool,
    /// Whether the client has to take some of an answer before more of it can be sent.
    is_sending: AtomicBool,
    is_asked_to_go: AtomicBool,
    asked_to_go: Notify,
}

/// A request, from its head to its answer. Its connection is at work once the request is whole.
pub(crate) struct Request {
    activity: Activity,
    is_whole: AtomicBool,
}

impl Places {
    /// So many places, all of them free. Connections that are displaced are counted in `metrics`.
    pub(crate) fn new(all: usize, metrics: Metrics) -> Self {
        let (free, extra) = (Arc::new(Semaphore::new(all)), Arc::new(Semaphore::new(EXTRA)));
        Self(Arc::new(Shared { free, all, extra, taken: Mutex::default(), moments: AtomicU64::new(0), metrics }))
    }

    /// Takes a place, if need be that of another connection. While all of them are at work it is an extra one, so that
    /// who asks whether the server is alive is told; while these are taken too, it is waited for.
    pub(crate) async fn take(&self) -> Place {
        loop {
            if let Ok(permit) = self.0.free.clone().try_acquire_owned() {
                return Place::taken(&self.0, permit);
            }
            if !self.0.displace(false) {
                if let Ok(permit) = self.0.extra.clone().try_acquire_owned() {
                    return Place::extra(&self.0, permit);
                }
                self.0.displace(true);
            }
            if let Ok(Ok(permit)) = timeout(PAUSE, self.0.free.clone().acquire_owned()).await {
                return Place::taken(&self.0, permit);
            }
        }
    }

    /// Takes a place once one is free; nobody is asked to go.
    pub(crate) async fn take_free(&self) -> Option<Place> {
        // The semaphore is never closed.
        let permit = self.0.free.clone().acquire_owned().await.ok()?;
        Some(Place::taken(&self.0, permit))
    }

    /// Waits until no place is taken.
    pub(crate) async fn all_free(&self) {
        let all = u32::try_from(self.0.all).unwrap_or(u32::MAX);
        let extra = u32::try_from(EXTRA).unwrap_or(u32::MAX);
        // The semaphores are never closed. Nobody gets an extra place any more, and who has one waits for one of the others.
        let _extra = self.0.extra.acquire_many(extra).await;
        let _all = self.0.free.acquire_many(all).await;
    }
}

impl Shared {
    /// Asks the connection to go that has been quiet for the longest time, among those with an extra place or the others;
    /// whether one is quiet, and about to go.
    fn displace(&self, is_extra: bool) -> bool {
        let taken = self.taken();
        let quiet = || taken.values().filter(|activity| activity.is_quiet() && activity.is_extra() == is_extra);
        let staying = quiet().filter(|activity| !activity.is_asked_to_go());
        if let Some(activity) = staying.min_by_key(|activity| activity.0.last_sign.load(Ordering::Relaxed)) {
            activity.0.is_asked_to_go.store(true, Ordering::Relaxed);
            activity.0.asked_to_go.notify_one();
        }
        quiet().next().is_some()
    }

    fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::Relaxed)
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<u64, Activity>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn taken(shared: &Arc<Shared>, permit: OwnedSemaphorePermit) -> Self {
        Self::new(shared, permit, false)
    }

    fn extra(shared: &Arc<Shared>, permit: OwnedSemaphorePermit) -> Self {
        Self::new(shared, permit, true)
    }

    fn new(shared: &Arc<Shared>, permit: OwnedSemaphorePermit, is_extra: bool) -> Self {
        let number = shared.moment();
        let activity = Activity(Arc::new(State {
            shared: shared.clone(),
            is_extra: AtomicBool::new(is_extra),
            permit: Mutex::new(Some(permit)),
            last_sign: AtomicU64::new(number),
            requests: AtomicUsize::new(0),
            requests_at_work: AtomicUsize::new(0),
            is_expecting: AtomicBool::new(true),
            is_sending: AtomicBool::new(false),
            is_asked_to_go: AtomicBool::new(false),
            asked_to_go: Notify::new(),
        }));
        shared.taken().insert(number, activity.clone());
        Self { number, activity }
    }

    /// For the connection that has the place.
    pub(crate) fn activity(&self) -> Activity {
        self.activity.clone()
    }

    /// Waits until the connection has to go.
    pub(crate) async fn displaced(&self) {
        let state = &self.activity.0;
        loop {
            state.asked_to_go.notified().await;
            if self.activity.is_quiet() {
                state.shared.metrics.connections().displaced();
                return;
            }
            // A request became whole in the meantime.
            state.is_asked_to_go.store(false, Ordering::Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.activity.0.shared.taken().remove(&self.number);
        self.activity.permit().take();
    }
}

impl Activity {
    /// The client took some bytes.
    pub(crate) fn sent(&self) {
        self.0.last_sign.store(self.0.shared.moment(), Ordering::Relaxed);
        self.0.is_sending.store(false, Ordering::Relaxed);
    }

    /// The client has to take some bytes before it gets more.
    pub(crate) fn sending(&self) {
        self.0.is_sending.store(true, Ordering::Relaxed);
    }

    /// Some bytes came from the client. While a request is under way, they belong to it.
    pub(crate) fn received(&self) {
        if self.0.requests.load(Ordering::Relaxed) == 0 {
            self.0.is_expecting.store(true, Ordering::Relaxed);
        }
    }

    /// The head of a request is there.
    pub(crate) fn request(&self) -> Request {
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        self.0.is_expecting.store(false, Ordering::Relaxed);
        Request { activity: self.clone(), is_whole: AtomicBool::new(false) }
    }

    /// Whether its place is an extra one: all others are at work, and there is room for no request that needs an answer of
    /// the component.
    pub(crate) fn is_extra(&self) -> bool {
        self.0.is_extra.load(Ordering::Relaxed)
    }

    /// Changes an extra place for another, once there is one. Meanwhile the connection counts as at work.
    pub(crate) async fn takes_other_place(&self) {
        let waiting = self.request();
        waiting.arrived();
        while self.is_extra() {
            self.0.shared.displace(false);
            let free = self.0.shared.free.clone();
            if let Ok(Ok(permit)) = timeout(PAUSE, free.acquire_owned()).await {
                self.0.is_extra.store(false, Ordering::Relaxed);
                *self.permit() = Some(permit);
            }
        }
    }

    fn permit(&self) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.0.permit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is no request, and no answer left to send.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.requests.load(Ordering::Relaxed) == 0 && !self.0.is_sending.load(Ordering::Relaxed)
    }

    /// Whether the next request is on its way: it is the first one of the connection, or its head has begun to arrive.
    pub(crate) fn is_expecting(&self) -> bool {
        self.0.is_expecting.load(Ordering::Relaxed)
    }

    /// Whether the client has to take some of an answer before more of it can be sent.
    pub(crate) fn is_sending(&self) -> bool {
        self.0.is_sending.load(Ordering::Relaxed)
    }

    fn is_quiet(&self) -> bool {
        self.0.requests_at_work.load(Ordering::Relaxed) == 0
    }

    fn is_asked_to_go(&self) -> bool {
        self.0.is_asked_to_go.load(Ordering::Relaxed)
    }
}

impl Request {
    /// All of it has arrived.
    pub(crate) fn arrived(&self) {
        if !self.is_whole.swap(true, Ordering::Relaxed) {
            self.activity.0.requests_at_work.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.activity.0.requests.fetch_sub(1, Ordering::Relaxed);
        if *self.is_whole.get_mut() {
            self.activity.0.requests_at_work.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A few probes, and those who are told that the server is busy.
const EXTRA: usize = 8;
/// Whoever is asked to go is gone sooner; where nobody could be asked, somebody may be quiet after it.
const PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn places(all: usize) -> Places {
        Places::new(all, Metrics::new())
    }

    fn is_displaced(place: &Place) -> bool {
        place.displaced().now_or_never().is_some()
    }

    async fn full() -> (Places, [Place; 3]) {
        let places = places(3);
        let taken = [places.take().await, places.take().await, places.take().await];
        (places, taken)
    }

    #[tokio::test]
    async fn the_one_that_was_quiet_for_longest_is_displaced() {
        let (places, [first, second, third]) = full().await;
        first.activity().sent();
        places.0.displace(false);
        assert_eq!([&first, &second, &third].map(is_displaced), [false, true, false]);
        assert!(places.0.metrics.encode().contains("connections_displaced_total 1\n"));
    }

    #[tokio::test]
    async fn one_after_the_other_is_displaced_and_none_twice() {
        let (places, [first, second, third]) = full().await;
        places.0.displace(false);
        places.0.displace(false);
        assert_eq!([&first, &second, &third].map(is_displaced), [true, true, false]);
    }

    #[tokio::test]
    async fn what_is_at_work_stays_and_what_only_arrives_does_not() {
        let (places, [first, second, third]) = full().await;
        let (whole, arriving) = (first.activity().request(), second.activity().request());
        whole.arrived();
        places.0.displace(false);
        assert_eq!([&first, &second, &third].map(is_displaced), [false, true, false]);
        drop((whole, arriving));
        places.0.displace(false);
        assert!(is_displaced(&first), "its request is answered");
    }

    #[tokio::test]
    async fn a_request_or_an_answer_under_way_is_no_idleness() {
        let place = places(1).take().await;
        let activity = place.activity();
        assert!(activity.is_idle());
        let request = activity.request();
        assert!(!activity.is_idle());
        drop(request);
        activity.sending();
        assert!(!activity.is_idle());
        activity.sent();
        assert!(activity.is_idle());
    }

    #[tokio::test]
    async fn a_request_is_on_its_way_until_its_head_is_there() {
        let place = places(1).take().await;
        let activity = place.activity();
        assert!(activity.is_expecting(), "nobody connects for nothing");
        activity.received();
        let request = activity.request();
        assert!(!activity.is_expecting());
        activity.received();
        assert!(!activity.is_expecting(), "that was of its body");
        drop(request);
        assert!(!activity.is_expecting(), "the next one has not begun");
        activity.received();
        assert!(activity.is_expecting(), "now it has");
    }

    #[tokio::test]
    async fn a_place_that_is_taken_when_it_is_free_displaces_nobody() {
        let (places, taken) = full().await;
        let mut waiting = std::pin::pin!(places.take_free());
        assert!(waiting.as_mut().now_or_never().is_none());
        assert_eq!(taken.each_ref().map(is_displaced), [false; 3]);
        drop(taken);
        assert!(waiting.now_or_never().flatten().is_some());
    }

    #[tokio::test]
    async fn a_request_that_is_whole_in_the_last_moment_is_answered() {
        let (places, [first, ..]) = full().await;
        places.0.displace(false);
        let request = first.activity().request();
        request.arrived();
        assert!(!is_displaced(&first));
        drop(request);
        places.0.displace(false);
        assert!(is_displaced(&first), "it can be asked again");
    }

    #[tokio::test]
    async fn there_are_a_few_extra_places_while_all_are_at_work() {
        let places = places(1);
        let place = places.take().await;
        assert!(!place.activity().is_extra());
        let request = place.activity().request();
        request.arrived();
        let mut extra = Vec::new();
        for _ in 0..EXTRA {
            let place = timeout(PATIENCE, places.take()).await.expect("an extra place");
            assert!(place.activity().is_extra());
            let request = place.activity().request();
            request.arrived();
            extra.push((place, request));
        }
        assert!(timeout(PAUSE * 3, places.take()).await.is_err(), "they are at work too");
        let activity = extra[0].0.activity();
        let mut waiting = std::pin::pin!(activity.takes_other_place());
        assert!(timeout(PAUSE * 3, waiting.as_mut()).await.is_err());
        assert!(!is_displaced(&place));
        drop((request, place));
        assert!(timeout(PATIENCE, waiting).await.is_ok());
        assert!(!activity.is_extra(), "there is a place for it");
        assert!(places.all_free().now_or_never().is_none());
        drop(extra);
        assert!(places.all_free().now_or_never().is_some());
    }

    #[tokio::test]
    async fn nobody_gets_an_extra_place_while_somebody_is_quiet() {
        let places = places(1);
        let place = places.take().await;
        let making_room = async {
            place.displaced().await;
            drop(place);
        };
        let (next, ()) = timeout(PATIENCE, async { tokio::join!(places.take(), making_room) }).await.expect("a place");
        assert!(!next.activity().is_extra());
    }
}
