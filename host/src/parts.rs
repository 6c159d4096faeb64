//! What is known about the parts that a host depends on: the store, the identity provider, Plausible, hosts of client
//! documents, Sentry, and the disk of the store.
//!
//! ```text
//! an operation of the store ────┐
//! an exchange with an upstream ─┼─> Parts ──> /readyz, /metrics, the log
//! a look at the disk ───────────┘
//! ```
//! Whoever finds something out about a part says so here, and whoever wants to know reads it: nobody waits for a
//! neighbour because somebody asks how it is. A change leaves a line in the log, once in a while however often it changes.

mod exchange;
mod fault;
mod sign_in;
mod store;
mod watched_store;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::bindings::outbound_http::{Error, Response};
use crate::metrics::Metrics;
use crate::oauth_store::Condition as FileCondition;
pub(crate) use exchange::Exchange;
use exchange::Observation;
pub(crate) use fault::Fault;
use sign_in::Addresses;
pub(crate) use store::Access;
use store::StoreOutcomes;
pub(crate) use watched_store::WatchedStore;

/// A part that a host depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Where the records are.
    Store,
    /// The identity provider, and the settings of sign-in.
    SignIn,
    /// Plausible.
    Plausible,
    /// The hosts of client metadata documents, which outsiders choose.
    Documents,
    /// Sentry.
    Sentry,
    /// The file system of a store that is a file.
    Disk,
}

/// How a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum State {
    /// It does what it is asked.
    Ok,
    /// It does some of it.
    Degraded,
    /// It does not answer, or nothing that is of use.
    Away,
    /// Nobody has asked it yet.
    Unknown,
    /// There is no such part here.
    Off,
}

/// What is known about one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) state: State,
    /// Why it is not as it should be.
    pub(crate) fault: Option<Fault>,
    /// Since when it is in this state.
    pub(crate) since: Timestamp,
}

/// How the file system of the store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// What this process may still write.
    pub(crate) free_bytes: u64,
}

/// What one host knows. Clones share it.
#[derive(Clone)]
pub(crate) struct Parts(Arc<Shared>);

struct Shared {
    metrics: Metrics,
    known: Mutex<Known>,
    worsened: Notify,
}

struct Known {
    entries: [Entry; Part::ALL.len()],
    store: StoreOutcomes,
    provider: Addresses,
    /// The first setting of sign-in that is wrong.
    wrong_setting: Option<String>,
    room: Option<Room>,
}

#[derive(Clone)]
struct Entry {
    condition: Condition,
    /// What the log said last, and when.
    said: State,
    said_at: Option<Instant>,
}

impl Part {
    /// All of them, in the order in which they are shown.
    pub(crate) const ALL: [Self; 6] =
        [Self::Store, Self::SignIn, Self::Plausible, Self::Documents, Self::Sentry, Self::Disk];

    /// Its name in `/readyz`, in the metrics and in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::SignIn => "sign_in",
            Self::Plausible => "plausible",
            Self::Documents => "documents",
            Self::Sentry => "sentry",
            Self::Disk => "disk",
        }
    }
}

impl State {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Ok, Self::Degraded, Self::Away, Self::Unknown, Self::Off];

    /// Its name in `/readyz`, in the metrics and in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Away => "away",
            Self::Unknown => "unknown",
            Self::Off => "off",
        }
    }

    /// Whether the part was asked and is not as it should be.
    pub(crate) fn is_bad(self) -> bool {
        matches!(self, Self::Degraded | Self::Away)
    }
}

impl Room {
    /// What is wrong with it.
    fn fault(self) -> Option<Fault> {
        match self.free_bytes {
            ..FULL_BYTES => Some(Fault::DiskFull),
            FULL_BYTES..ENOUGH_BYTES => Some(Fault::DiskLow),
            _ => None,
        }
    }
}

impl Parts {
    /// Nothing is known yet.
    pub(crate) fn new(metrics: Metrics) -> Self {
        let condition = Condition { state: State::Unknown, fault: None, since: Timestamp::now() };
        let entry = Entry { condition, said: State::Unknown, said_at: None };
        let known = Known {
            entries: std::array::from_fn(|_| entry.clone()),
            store: StoreOutcomes::default(),
            provider: Addresses::default(),
            wrong_setting: None,
            room: None,
        };
        Self(Arc::new(Shared { metrics, known: Mutex::new(known), worsened: Notify::new() }))
    }

    /// What is known about `part`.
    pub(crate) fn condition(&self, part: Part) -> Condition {
        self.known().entry(part).condition.clone()
    }

    /// How much room the store's file has, where it is one.
    pub(crate) fn room(&self) -> Option<Room> {
        self.known().room
    }

    /// The setting of sign-in that is wrong now.
    pub(crate) fn wrong_setting(&self) -> Option<String> {
        self.known().wrong_setting.clone()
    }

    /// Whether the provider ever gave the keys of its tokens: before, nobody can sign in.
    pub(crate) fn provider_was_there(&self) -> bool {
        self.known().provider.keys_were_there()
    }

    /// Says how `part` is. Whoever knows more than single outcomes tell, as a breaker does, says it with this.
    pub(crate) fn set(&self, part: Part, state: State, fault: Option<Fault>) {
        self.learn(|_| (part, state, fault));
    }

    /// There is no such part here.
    pub(crate) fn off(&self, part: Part) {
        self.set(part, State::Off, None);
    }

    /// An operation of the store came to this.
    pub(crate) fn store_answered(&self, access: Access, failed: Option<&'static str>) {
        self.learn(|known| {
            known.store.learn(access, failed);
            let (state, cause) = known.store.verdict();
            (Part::Store, state, cause.map(Fault::Store))
        });
    }

    /// An exchange with an upstream came to this.
    pub(crate) fn ended(&self, exchange: &Exchange, outcome: Result<&Response, &Error>) {
        match (exchange.part(), exchange.tells(outcome)) {
            (_, Observation::Nothing) => {}
            (Part::SignIn, observation) => self.learn(|known| {
                known.provider.learn(observation, Instant::now());
                known.sign_in()
            }),
            (part, Observation::Answered(_)) => self.set(part, State::Ok, None),
            (part, Observation::Failed { state, fault, .. }) => self.set(part, state, Some(fault)),
        }
    }

    /// The settings of sign-in were read: the first of them that is wrong.
    pub(crate) fn settings_read(&self, wrong: Option<String>) {
        self.learn(|known| {
            known.wrong_setting = wrong;
            known.sign_in()
        });
    }

    /// A store in a file says how it is. It knows that nothing can be added before anybody tries to, and that the file
    /// was taken away.
    pub(crate) fn file_is(&self, condition: &FileCondition) {
        if !condition.can_write && condition.fault.is_none() {
            // It is being opened again.
            return;
        }
        self.learn(|known| {
            let fault = condition.fault.as_ref();
            known.store.told(fault.map(|fault| fault.cause()), fault.is_some_and(|fault| fault.ends_reading()));
            let (state, cause) = known.store.verdict();
            (Part::Store, state, cause.map(Fault::Store))
        });
    }

    /// The file system of the store was looked at; `None` where it does not tell. `found` is what the store itself found
    /// out about it by using it, which counts for more: a quota, and what is kept for revocations, is no room.
    pub(crate) fn disk_looked_at(&self, room: Option<Room>, found: Option<Fault>) {
        self.learn(|known| {
            known.room = room;
            let fault = found.or_else(|| room.and_then(Room::fault));
            let state = match (room, fault) {
                (_, Some(Fault::DiskHangs)) => State::Away,
                (_, Some(_)) => State::Degraded,
                (Some(_), None) => State::Ok,
                (None, None) => State::Unknown,
            };
            (Part::Disk, state, fault)
        });
    }

    /// Waits until a part is worse than it was.
    pub(crate) async fn worsened(&self) {
        self.0.worsened.notified().await;
    }

    /// Takes in what is new, in one step: of two that come at once, the later one counts.
    fn learn(&self, news: impl FnOnce(&mut Known) -> (Part, State, Option<Fault>)) {
        let is_worse = {
            let mut known = self.known();
            let (part, state, fault) = news(&mut known);
            known.set(&self.0.metrics, part, state, fault)
        };
        if is_worse {
            self.0.worsened.notify_one();
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// How sign-in is, by its settings and by what its provider answered.
    fn sign_in(&self) -> (Part, State, Option<Fault>) {
        if self.wrong_setting.is_some() {
            return (Part::SignIn, State::Away, Some(Fault::Misconfigured));
        }
        let (state, fault) = self.provider.verdict();
        (Part::SignIn, state, fault)
    }

    fn entry(&self, part: Part) -> &Entry {
        let [store, sign_in, plausible, documents, sentry, disk] = &self.entries;
        match part {
            Part::Store => store,
            Part::SignIn => sign_in,
            Part::Plausible => plausible,
            Part::Documents => documents,
            Part::Sentry => sentry,
            Part::Disk => disk,
        }
    }

    fn entry_mut(&mut self, part: Part) -> &mut Entry {
        let [store, sign_in, plausible, documents, sentry, disk] = &mut self.entries;
        match part {
            Part::Store => store,
            Part::SignIn => sign_in,
            Part::Plausible => plausible,
            Part::Documents => documents,
            Part::Sentry => sentry,
            Part::Disk => disk,
        }
    }

    /// Writes it down; whether the part is worse than it was.
    fn set(&mut self, metrics: &Metrics, part: Part, state: State, fault: Option<Fault>) -> bool {
        let entry = self.entry_mut(part);
        let before = entry.condition.state;
        if before == State::Off {
            return false;
        }
        if before != state {
            entry.condition.since = Timestamp::now();
            metrics.parts().is(part, state);
        }
        entry.condition.state = state;
        entry.condition.fault = fault;
        entry.say(part, Instant::now());
        state.is_bad() && before != state
    }
}

impl Entry {
    /// Says in the log that the part is in another state than the log said last.
    fn say(&mut self, part: Part, now: Instant) {
        let Condition { state, fault, .. } = self.condition;
        let is_news = match (self.said, state) {
            (said, state) if said == state => false,
            // That it works is no news where nobody was told of anything else.
            (State::Unknown, State::Ok) | (_, State::Off | State::Unknown) => {
                self.said = state;
                false
            }
            _ => self.said_at.is_none_or(|said| now.duration_since(said) >= PAUSE),
        };
        if !is_news {
            return;
        }
        self.said = state;
        self.said_at = Some(now);
        let (part, state_name) = (part.name(), state.name());
        let (cause, status) = (fault.map(Fault::cause), fault.and_then(Fault::status).map(u64::from));
        match state {
            State::Ok => tracing::info!(event = "part_works", part, "a part works again"),
            _ => tracing::warn!(event = "part_fails", part, state = state_name, cause, status, "a part does not work"),
        }
    }
}

/// A flapping part leaves six lines a minute at most.
const PAUSE: Duration = Duration::from_secs(10);
/// Thousands of sign-ins, and the copy of a page that each write of the store needs beside the page.
const ENOUGH_BYTES: u64 = 64 << 20;
/// One write of the store may need as much.
const FULL_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::oauth_store::{Fault as FileFault, OpenError};

    fn parts() -> (Parts, Metrics) {
        let metrics = Metrics::new();
        (Parts::new(metrics.clone()), metrics)
    }

    const REFUSED: Fault = Fault::Store("store_refuses");

    #[test]
    fn a_part_is_in_one_state_and_the_metrics_say_which() {
        let (parts, metrics) = parts();
        for state in [State::Away, State::Ok, State::Degraded] {
            parts.set(Part::Plausible, state, None);
            let text = metrics.encode();
            for other in State::ALL {
                let name = other.name();
                let line = format!("part_state{{part=\"plausible\",state=\"{name}\"}} {}\n", u8::from(other == state));
                assert!(text.contains(&line), "{line}\n{text}");
            }
        }
    }

    #[test]
    fn since_when_counts_from_the_change_of_state_and_not_of_cause() {
        let (parts, _) = parts();
        parts.set(Part::Plausible, State::Away, Some(REFUSED));
        let first = parts.condition(Part::Plausible);
        assert_eq!((first.state, first.fault), (State::Away, Some(REFUSED)));
        parts.set(Part::Plausible, State::Away, Some(Fault::Status(503)));
        let second = parts.condition(Part::Plausible);
        assert_eq!((second.fault, second.since), (Some(Fault::Status(503)), first.since));
        parts.set(Part::Plausible, State::Ok, None);
        assert_eq!(parts.condition(Part::Plausible).fault, None);
    }

    #[test]
    fn what_is_off_stays_off() {
        let (parts, _) = parts();
        parts.off(Part::SignIn);
        parts.set(Part::SignIn, State::Away, Some(REFUSED));
        parts.settings_read(Some("ALLOWED_EMAIL_DOMAIN".to_owned()));
        assert_eq!(parts.condition(Part::SignIn).state, State::Off);
    }

    #[test]
    fn whoever_waits_is_woken_when_a_part_is_worse_and_not_when_it_is_better() {
        let (parts, _) = parts();
        parts.set(Part::Store, State::Ok, None);
        assert!(parts.worsened().now_or_never().is_none());
        parts.set(Part::Store, State::Away, Some(REFUSED));
        assert!(parts.worsened().now_or_never().is_some());
        parts.set(Part::Store, State::Away, Some(REFUSED));
        parts.set(Part::Store, State::Ok, None);
        assert!(parts.worsened().now_or_never().is_none());
    }

    #[test]
    fn a_disk_is_degraded_before_it_is_full() {
        for (free_bytes, state, fault) in [
            (ENOUGH_BYTES, State::Ok, None),
            (ENOUGH_BYTES - 1, State::Degraded, Some(Fault::DiskLow)),
            (0, State::Degraded, Some(Fault::DiskFull)),
        ] {
            let (parts, _) = parts();
            parts.disk_looked_at(Some(Room { free_bytes }), None);
            let found = parts.condition(Part::Disk);
            assert_eq!((found.state, found.fault), (state, fault), "{free_bytes}");
        }
    }

    #[test]
    fn what_the_store_found_out_about_its_disk_counts_for_more_than_its_room() {
        for (found, state, cause) in [
            (FileFault::Hangs, State::Away, Some("disk_hangs")),
            (FileFault::Full("quota exceeded".to_owned()), State::Degraded, Some("disk_full")),
            (FileFault::ReadOnly, State::Degraded, Some("disk_read_only")),
            (FileFault::Failed("input/output error".to_owned()), State::Degraded, Some("disk_failed")),
            (FileFault::NotOpened(OpenError::Gone("/s".into())), State::Ok, None),
        ] {
            let (parts, _) = parts();
            parts.disk_looked_at(Some(Room { free_bytes: ENOUGH_BYTES }), Fault::of_disk(&found));
            let known = parts.condition(Part::Disk);
            assert_eq!((known.state, known.fault.map(Fault::cause)), (state, cause), "{found}");
        }
        let (parts, _) = parts();
        parts.disk_looked_at(None, None);
        assert_eq!(parts.condition(Part::Disk).state, State::Unknown);
    }

    #[test]
    fn a_store_in_a_file_is_as_it_says() {
        let (parts, _) = parts();
        let told = |can_write, fault: Option<FileFault>| {
            parts.file_is(&FileCondition { can_write, fault, free_bytes: None });
            let known = parts.condition(Part::Store);
            (known.state, known.fault)
        };
        parts.store_answered(Access::Reads, None);
        let full = Some(Fault::Store("store_full"));
        assert_eq!(told(false, Some(FileFault::full())), (State::Degraded, full), "before anybody writes");
        assert_eq!(told(false, None), (State::Degraded, full), "it is being opened again");
        assert_eq!(told(true, None), (State::Ok, None));
        let gone = FileFault::NotOpened(OpenError::Gone("/s".into()));
        assert_eq!(told(false, Some(gone)), (State::Away, Some(Fault::Store("store_gone"))), "before anybody reads");
    }

    #[test]
    fn a_flapping_part_is_told_once_in_a_while() {
        let condition = |state| Condition { state, fault: None, since: Timestamp::now() };
        let start = Instant::now();
        let mut entry = Entry { condition: condition(State::Away), said: State::Unknown, said_at: None };
        entry.say(Part::Plausible, start);
        assert_eq!(entry.said, State::Away, "an outage is told at once");
        entry.condition = condition(State::Ok);
        entry.say(Part::Plausible, start + PAUSE / 2);
        assert_eq!(entry.said, State::Away);
        entry.say(Part::Plausible, start + PAUSE);
        assert_eq!(entry.said, State::Ok, "the last word is true");
    }
}
