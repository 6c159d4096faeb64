//! Whether a request is sent, and what its end tells: places, breakers and pauses of all upstreams together.
//!
//! ```text
//!  asked to wait? ── open? ── a place? ──> sent ──> ended: breaker, accepted key, `Retry-After`
//!        └─────────────┴──────────┴─ refused at once, nothing is sent
//! ```

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::breaker::Outage;
use super::breakers::{Breakers, Evidence, Probes};
use super::places::Place;
use super::retry_after::{Pauses, asked_pause};
use super::slots::Slots;
use super::upstream::{Asked, PerUpstream, Upstream};
use crate::bindings::outbound_http as wit;
use crate::limits::Limits;
use crate::wall_clock::{self, WallClock};

/// Tells the time; never goes back.
pub(super) type MonotonicClock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// The upstreams of one process.
pub(crate) struct Upstreams {
    slots: PerUpstream<Slots>,
    breakers: Mutex<Breakers>,
    pauses: Pauses,
    refusals: PerUpstream<Refusals>,
    clock: MonotonicClock,
    wall_clock: WallClock,
}

/// How often nothing was sent, by why.
#[derive(Debug, Default)]
struct Refusals {
    busy: AtomicU64,
    out_of_service: AtomicU64,
    asked_to_wait: AtomicU64,
}

/// How requests to one upstream fare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UpstreamState {
    pub(crate) upstream: Upstream,
    /// Requests under way.
    pub(crate) in_flight: usize,
    /// Most of them.
    pub(crate) most: usize,
    /// Callers that wait for one.
    pub(crate) waiting: usize,
    /// Times that nothing was sent because there was no place.
    pub(crate) refused_busy: u64,
    /// Times that nothing was sent because the breaker was open.
    pub(crate) refused_out_of_service: u64,
    /// Times that nothing was sent because the upstream had asked to wait.
    pub(crate) refused_asked_to_wait: u64,
    /// How long the upstream has not answered, in seconds; `None` while the breaker is closed.
    pub(crate) out_of_service_seconds: Option<u64>,
}

/// A request that may be sent. Dropped before it has ended, it says nothing about the upstream.
pub(super) struct Begun {
    upstreams: Arc<Upstreams>,
    asked: Asked,
    started: Instant,
    probes: Option<Probes>,
    _place: Place,
}

impl std::fmt::Debug for Upstreams {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Upstreams").finish_non_exhaustive()
    }
}

impl Upstreams {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            slots: PerUpstream::of(|upstream| Slots::new(upstream, limits)),
            breakers: Mutex::default(),
            pauses: Pauses::default(),
            refusals: PerUpstream::default(),
            clock: Arc::new(Instant::now),
            wall_clock: wall_clock::system(),
        }
    }

    /// The same with a time of day of one's own.
    pub(super) fn with_wall_clock(self, wall_clock: WallClock) -> Self {
        Self { wall_clock, ..self }
    }

    /// A place for a caller who waits for an answer, if there is one.
    pub(super) fn wait(&self, asked: &Asked) -> Option<Place> {
        self.slots.get(asked.upstream).wait(asked.key, asked.client)
    }

    /// Lets a request be sent, unless something is against it. `is_crowded`: there is no place to wait for its answer.
    pub(super) fn begin(self: &Arc<Self>, asked: Asked, is_crowded: bool) -> Result<Begun, wit::Error> {
        let now = (self.clock)();
        let mut breakers = self.breakers();
        if let Some(error) = self.refusal_by(&breakers, &asked, now) {
            return Err(error);
        }
        if is_crowded {
            return Err(BUSY);
        }
        let place = self.slots.get(asked.upstream).begin(asked.key, asked.client).ok_or(BUSY)?;
        let probes = Some(breakers.begin(&asked));
        Ok(Begun { upstreams: self.clone(), asked, started: now, probes, _place: place })
    }

    /// Why a request would not be sent now, whether or not there is a place for it.
    pub(super) fn refusal(&self, asked: &Asked) -> Option<wit::Error> {
        self.refusal_by(&self.breakers(), asked, (self.clock)())
    }

    fn refusal_by(&self, breakers: &Breakers, asked: &Asked, now: Instant) -> Option<wit::Error> {
        if let Some(seconds) = self.pauses.left(&asked.key, now) {
            return Some(wit::Error::AskedToWait(seconds));
        }
        let Outage { since, retry_after } = breakers.refusal(asked, now)?;
        Some(wit::Error::OutOfService(wit::Outage { since_seconds: since, retry_after_seconds: retry_after }))
    }

    /// Counts a refusal.
    pub(super) fn refused(&self, upstream: Upstream, error: &wit::Error) {
        let refusals = self.refusals.get(upstream);
        let count = match error {
            wit::Error::Busy(_) => &refusals.busy,
            wit::Error::OutOfService(_) => &refusals.out_of_service,
            wit::Error::AskedToWait(_) => &refusals.asked_to_wait,
            _ => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// How requests to each upstream fare now.
    pub(crate) fn states(&self) -> [UpstreamState; 4] {
        let now = (self.clock)();
        let breakers = self.breakers();
        Upstream::ALL.map(|upstream| {
            let (slots, refusals) = (self.slots.get(upstream), self.refusals.get(upstream));
            UpstreamState {
                upstream,
                in_flight: slots.in_flight(),
                most: slots.most(),
                waiting: slots.waiting(),
                refused_busy: refusals.busy.load(Ordering::Relaxed),
                refused_out_of_service: refusals.out_of_service.load(Ordering::Relaxed),
                refused_asked_to_wait: refusals.asked_to_wait.load(Ordering::Relaxed),
                out_of_service_seconds: breakers.open_for(upstream, now).map(|time| time.as_secs()),
            }
        })
    }

    fn breakers(&self) -> MutexGuard<'_, Breakers> {
        self.breakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Begun {
    /// The request has ended.
    pub(super) fn ended(mut self, outcome: Result<&wit::Response, &wit::Error>) {
        let (asked, upstreams) = (&self.asked, &self.upstreams);
        let now = (upstreams.clock)();
        if let Ok(response) = outcome {
            if (200..300).contains(&response.status) {
                upstreams.slots.get(asked.upstream).accepted(asked.key);
            }
            let pause = asked_pause(response, (upstreams.wall_clock)());
            if let Some(time) = pause.filter(|_| asked.upstream == Upstream::Plausible) {
                upstreams.pauses.begin(asked.key, time, now);
            }
        }
        if let Some(probes) = self.probes.take() {
            upstreams.tell(asked, probes, Evidence::of(outcome, asked.has_body), self.started, now);
        }
    }
}

impl Upstreams {
    /// Tells the breakers how a request ended, and the operator what changes by it.
    fn tell(&self, asked: &Asked, probes: Probes, evidence: Evidence, started: Instant, now: Instant) {
        let upstream = asked.upstream;
        let mut breakers = self.breakers();
        let before = breakers.open_for(upstream, now);
        breakers.ended(asked, probes, evidence, started, now);
        let after = breakers.open_for(upstream, now);
        drop(breakers);
        match (before, after) {
            (None, Some(time)) => tracing::error!(
                event = "upstream_out_of_service",
                upstream = upstream.name(),
                since_seconds = time.as_secs(),
                "an upstream does not answer and is asked only now and then"
            ),
            (Some(time), None) => tracing::warn!(
                event = "upstream_in_service",
                upstream = upstream.name(),
                after_seconds = time.as_secs(),
                "an upstream answers again"
            ),
            _ => {}
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(probes) = self.probes.take() {
            let now = (self.upstreams.clock)();
            self.upstreams.tell(&self.asked, probes, Evidence::None, self.started, now);
        }
    }
}

/// A place is free as soon as any request ends, which half of them do within a second.
pub(super) const BUSY: wit::Error = wit::Error::Busy(1);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::upstream::tests::request;
    use super::*;

    /// Upstreams whose time a test moves.
    fn upstreams(limits: &Limits) -> (Arc<Upstreams>, Arc<Mutex<Instant>>) {
        let time = Arc::new(Mutex::new(Instant::now()));
        let clock = time.clone();
        let clock: MonotonicClock = Arc::new(move || *clock.lock().unwrap());
        let upstreams = Upstreams { clock, ..Upstreams::new(limits) };
        (Arc::new(upstreams.with_wall_clock(Arc::new(|| Duration::from_secs(784_111_740)))), time)
    }

    fn plausible(key: &str) -> Asked {
        Asked::of(&request(wit::Upstream::Plausible, "https://p.example/api/v2/query", key), None).unwrap()
    }

    fn answer(status: u16, retry_after: &[&str]) -> Result<wit::Response, wit::Error> {
        let headers = retry_after.iter().map(|value| ("retry-after".to_owned(), (*value).to_owned())).collect();
        Ok(wit::Response { status, headers, body: Vec::new() })
    }

    fn pass(time: &Mutex<Instant>, seconds: u64) {
        *time.lock().unwrap() += Duration::from_secs(seconds);
    }

    #[test]
    fn what_an_upstream_asks_to_wait_is_kept_to_and_by_nobody_else() {
        for (status, value) in [(429, "37"), (503, "Sun, 06 Nov 1994 08:49:37 GMT")] {
            let (upstreams, time) = upstreams(&Limits::default());
            upstreams.begin(plausible("one"), false).ok().unwrap().ended(answer(status, &[value]).as_ref());
            assert_eq!(upstreams.begin(plausible("one"), false).err(), Some(wit::Error::AskedToWait(37)));
            assert!(upstreams.begin(plausible("two"), false).is_ok());
            pass(&time, 36);
            assert_eq!(upstreams.begin(plausible("one"), false).err(), Some(wit::Error::AskedToWait(1)));
            pass(&time, 1);
            assert!(upstreams.begin(plausible("one"), false).is_ok());
        }
        let (upstreams, _) = upstreams(&Limits::default());
        let provider =
            || Asked::of(&request(wit::Upstream::IdentityProvider, "https://p.example/", "one"), None).unwrap();
        upstreams.begin(provider(), false).ok().unwrap().ended(answer(429, &["37"]).as_ref());
        assert!(upstreams.begin(provider(), false).is_ok(), "one secret for everybody: it is not kept for others");
    }

    #[test]
    fn an_open_breaker_lets_one_probe_through_and_its_answer_closes_it() {
        let (upstreams, time) = upstreams(&Limits::default());
        for _ in 0..5 {
            upstreams.begin(plausible("one"), false).ok().unwrap().ended(Err(&wit::Error::ConnectFailed));
        }
        let refused =
            |seconds, left| wit::Error::OutOfService(wit::Outage { since_seconds: seconds, retry_after_seconds: left });
        pass(&time, 2);
        assert_eq!(upstreams.begin(plausible("two"), false).err(), Some(refused(2, 3)));
        assert_eq!(upstreams.states()[0].out_of_service_seconds, Some(2));
        pass(&time, 3);
        let probe = upstreams.begin(plausible("two"), false).ok().unwrap();
        assert_eq!(upstreams.begin(plausible("one"), false).err(), Some(refused(5, 1)));
        drop(probe);
        let Ok(probe) = upstreams.begin(plausible("two"), false) else {
            panic!("a probe that was given up makes room")
        };
        probe.ended(answer(401, &[]).as_ref());
        assert!(upstreams.begin(plausible("one"), false).is_ok());
        assert_eq!(upstreams.states()[0].out_of_service_seconds, None);
    }

    #[test]
    fn states_tell_what_is_under_way_and_refused() {
        let limits = Limits { plausible_calls_of_key: 1, ..Limits::default() };
        let (upstreams, _) = upstreams(&limits);
        let (held, waiting) = (upstreams.begin(plausible("one"), false), upstreams.wait(&plausible("one")));
        assert_eq!(upstreams.begin(plausible("one"), false).err(), Some(BUSY));
        upstreams.refused(Upstream::Plausible, &BUSY);
        let [state, ..] = upstreams.states();
        assert_eq!((state.in_flight, state.waiting, state.most, state.refused_busy), (1, 1, 128, 1));
        drop((held, waiting));
        let [state, ..] = upstreams.states();
        assert_eq!((state.in_flight, state.waiting), (0, 0));
    }

    #[test]
    fn a_full_upstream_takes_nothing_from_another() {
        let limits = Limits { plausible_calls: 0, ..Limits::default() };
        let (upstreams, _) = upstreams(&limits);
        assert_eq!(upstreams.begin(plausible("one"), false).err(), Some(BUSY));
        for other in [wit::Upstream::IdentityProvider, wit::Upstream::Telemetry, wit::Upstream::ClientDocument] {
            let asked = Asked::of(&request(other, "https://p.example/", "one"), None).unwrap();
            assert!(upstreams.begin(asked, false).is_ok(), "{other:?}");
        }
    }
}
