//! Whether an upstream is asked at all.
//!
//! ```text
//!            failures in a row, or callers in doubt
//!   closed ──────────────────────────────────────────> open ──── the pause is over ──> one probe
//!     ↑                                                 ↑                               │   │
//!     │                                                 └── no answer: a longer pause ───┘   │
//!     └────────────────────────────── any answer ───────────────────────────────────────────┘
//! ```
//!
//! A *failure* is what no caller can bring about: a connection that does not come to be or breaks, a 5xx. What one caller
//! may well bring about, by a query that takes too long, is a *doubt*: it counts once for a caller, and only when no
//! answer came while the caller waited. An answer is whatever the upstream itself says, a 4xx included.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::places::{Client, KeyHash};

/// Who has a doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    /// Whoever has this key.
    Key(KeyHash),
    /// Whoever asks from there, where requests have no key of their own.
    Client(Option<Client>),
}

/// How long an upstream has not answered, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outage {
    pub(super) since: u32,
    /// Until it is asked again; at least 1.
    pub(super) retry_after: u32,
}

/// The breaker of one upstream. It starts closed.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    opened: Option<Opened>,
    failures: u32,
    doubters: HashSet<Caller>,
    /// The first sign since the last answer.
    failing_since: Option<Instant>,
    last_answer: Option<Instant>,
}

#[derive(Debug)]
struct Opened {
    until: Instant,
    pause: Duration,
    is_probed: bool,
}

impl Breaker {
    /// Why nothing is sent at `now`, if nothing is.
    pub(super) fn refusal(&self, now: Instant) -> Option<Outage> {
        let opened = self.opened.as_ref().filter(|opened| opened.is_probed || now < opened.until)?;
        let since = self.failing_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        Some(Outage {
            since: seconds(since),
            retry_after: seconds_up(opened.until.saturating_duration_since(now)).max(1),
        })
    }

    /// A request is sent that was not refused. Returns whether it is the probe of an open breaker, whose outcome decides.
    pub(super) fn begin(&mut self) -> bool {
        let Some(opened) = &mut self.opened else { return false };
        opened.is_probed = true;
        true
    }

    /// The upstream has said something.
    pub(super) fn answered(&mut self, now: Instant) {
        *self = Self { last_answer: Some(now), ..Self::default() };
    }

    /// A failure.
    pub(super) fn failed(&mut self, is_probe: bool, now: Instant) {
        if is_probe {
            return self.probe_failed(now);
        }
        self.failing_since.get_or_insert(now);
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_IN_A_ROW {
            self.open(now);
        }
    }

    /// A doubt of `caller`, whose request was sent at `started`.
    pub(super) fn doubted(&mut self, caller: Caller, started: Instant, is_probe: bool, now: Instant) {
        if is_probe {
            return self.probe_failed(now);
        }
        if self.last_answer.is_some_and(|answer| answer >= started) || self.opened.is_some() {
            return;
        }
        let since = self.failing_since.get_or_insert(started);
        *since = (*since).min(started);
        self.doubters.insert(caller);
        if self.doubters.len() >= CALLERS_IN_DOUBT {
            self.open(now);
        }
    }

    /// A probe ended without a word about the upstream: another one may be sent.
    pub(super) fn given_up(&mut self) {
        if let Some(opened) = &mut self.opened {
            opened.is_probed = false;
        }
    }

    /// For how long it has been open; `None` while it is closed.
    pub(super) fn open_for(&self, now: Instant) -> Option<Duration> {
        self.opened.as_ref()?;
        Some(self.failing_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since)))
    }

    fn open(&mut self, now: Instant) {
        if self.opened.is_none() {
            self.opened = Some(Opened { until: now + FIRST_PAUSE, pause: FIRST_PAUSE, is_probed: false });
        }
    }

    fn probe_failed(&mut self, now: Instant) {
        if let Some(opened) = &mut self.opened {
            let pause = (opened.pause * 2).min(LONGEST_PAUSE);
            *opened = Opened { until: now + pause, pause, is_probed: false };
        }
    }
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

/// Rounded up.
pub(super) fn seconds_up(time: Duration) -> u32 {
    seconds(time).saturating_add(u32::from(time.subsec_nanos() > 0))
}

/// More than one call of a tool makes: two queries, of which each is tried twice.
const FAILURES_IN_A_ROW: u32 = 5;
/// One caller is no witness, and two may be the same person with two keys.
const CALLERS_IN_DOUBT: usize = 3;
/// A restart of an upstream takes about as long.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// An upstream that is back is found within a minute, and one that is overloaded gets a request a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn caller(number: u8) -> Caller {
        Caller::Key([number; 32])
    }

    /// A breaker that opened at the moment that is returned.
    fn open() -> (Breaker, Instant) {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..FAILURES_IN_A_ROW {
            assert_eq!(breaker.refusal(now), None);
            assert!(!breaker.begin());
            breaker.failed(false, now);
        }
        (breaker, now)
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_between_them_does_not() {
        let (breaker, now) = open();
        assert_eq!(breaker.refusal(now), Some(Outage { since: 0, retry_after: 5 }));
        assert_eq!(breaker.refusal(now + 3 * SECOND), Some(Outage { since: 3, retry_after: 2 }));
        let mut breaker = Breaker::default();
        for number in 0..20 * FAILURES_IN_A_ROW {
            breaker.failed(false, now);
            if number % FAILURES_IN_A_ROW == FAILURES_IN_A_ROW - 2 {
                breaker.answered(now);
            }
            assert_eq!(breaker.refusal(now), None, "{number}");
        }
    }

    #[test]
    fn one_probe_at_a_time_decides_and_the_pause_grows_up_to_a_minute() {
        let (mut breaker, mut now) = open();
        for pause in [5, 10, 20, 40, 60, 60] {
            assert!(breaker.refusal(now + (pause - 1) * SECOND).is_some());
            now += pause * SECOND;
            assert_eq!(breaker.refusal(now), None);
            assert!(breaker.begin());
            assert_eq!(breaker.refusal(now).map(|outage| outage.retry_after), Some(1), "one at a time");
            breaker.failed(true, now);
        }
        now += 60 * SECOND;
        assert!(breaker.begin());
        breaker.answered(now);
        assert_eq!((breaker.refusal(now), breaker.open_for(now)), (None, None));
        assert!(!breaker.begin(), "no probe any more");
    }

    #[test]
    fn a_probe_that_was_given_up_decides_nothing() {
        let (mut breaker, mut now) = open();
        now += FIRST_PAUSE;
        assert!(breaker.begin());
        breaker.given_up();
        assert_eq!(breaker.refusal(now), None);
        assert!(breaker.begin());
        breaker.doubted(caller(1), now, true, now + 25 * SECOND);
        assert!(breaker.refusal(now + 25 * SECOND).is_some(), "a time-out of the probe decides alone");
    }

    #[test]
    fn what_was_sent_before_it_opened_neither_lengthens_the_pause_nor_ends_the_probe() {
        let (mut breaker, now) = open();
        for _ in 0..10 {
            breaker.failed(false, now + SECOND);
            breaker.doubted(caller(1), now, false, now + SECOND);
        }
        assert_eq!(breaker.refusal(now + FIRST_PAUSE), None);
        assert!(breaker.begin());
        breaker.failed(false, now + FIRST_PAUSE);
        assert!(breaker.refusal(now + FIRST_PAUSE).is_some(), "the probe is under way");
        breaker.answered(now + FIRST_PAUSE);
        assert_eq!(breaker.refusal(now + FIRST_PAUSE), None, "a late answer is one too");
    }

    #[test]
    fn doubts_of_three_callers_open_it_and_those_of_two_never_do() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        let later = now + 25 * SECOND;
        for number in 0..100 {
            breaker.doubted(caller(number % 2), now, false, later);
        }
        assert_eq!(breaker.refusal(later), None);
        breaker.doubted(caller(2), now + SECOND, false, later);
        assert_eq!(breaker.refusal(later), Some(Outage { since: 25, retry_after: 5 }), "since the first was sent");
    }

    #[test]
    fn who_waits_while_others_are_answered_has_no_doubt() {
        let (mut breaker, now) = (Breaker::default(), Instant::now());
        breaker.answered(now + SECOND);
        for number in 0..10 {
            breaker.doubted(caller(number), now, false, now + 25 * SECOND);
        }
        assert_eq!(breaker.refusal(now + 25 * SECOND), None);
        breaker.doubted(caller(1), now + 2 * SECOND, false, now + 27 * SECOND);
        breaker.answered(now + 28 * SECOND);
        for number in 2..4 {
            breaker.doubted(caller(number), now + 29 * SECOND, false, now + 54 * SECOND);
        }
        assert_eq!(breaker.refusal(now + 54 * SECOND), None, "an answer ends the doubts before it");
    }

    #[test]
    fn seconds_are_whole() {
        assert_eq!((seconds_up(Duration::ZERO), seconds_up(Duration::from_millis(1001))), (0, 2));
        assert_eq!(seconds_up(Duration::MAX), u32::MAX);
    }
}
