//! The wall clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Whole seconds since 1970-01-01T00:00:00Z.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// ISO 8601 in UTC with milliseconds.
    pub fn iso(self) -> String {
        let seconds = i64::try_from(self.seconds()).unwrap_or_default();
        let time = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            time.year(),
            u8::from(time.month()),
            time.day(),
            time.hour(),
            time.minute(),
            time.second(),
            self.0 % 1000
        )
    }
}

/// Tells the time. Decisions take a [`Timestamp`]; only the shell asks the clock.
pub trait Clock {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// A clock that stands still until it is set: 2026-08-06T10:30:00Z at first. Clones are the same clock.
#[derive(Debug, Clone)]
pub struct FixedClock(Arc<AtomicU64>);

impl FixedClock {
    /// Sets the time.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    /// Moves the time on by so many seconds.
    pub fn advance(&self, seconds: u64) {
        self.set(Timestamp(self.now().0.saturating_add(seconds * 1000)));
    }
}

impl Default for FixedClock {
    fn default() -> Self {
        FixedClock(Arc::new(AtomicU64::new(1_786_012_200_000)))
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}
