//! What is worth a log line once in a while, however often it happens.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Tells when a line is due.
#[derive(Default)]
pub(crate) struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    /// Whether there was no line for a while. The caller writes it.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| now.duration_since(last) >= PAUSE);
        if due {
            *last = Some(now);
        }
        due
    }
}

/// Six lines a minute show when an outage began and that it lasts.
const PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_once_in_a_while() {
        let (seldom, start) = (Seldom::default(), Instant::now());
        assert!(seldom.is_due(start));
        assert!(!seldom.is_due(start + PAUSE / 2));
        assert!(seldom.is_due(start + PAUSE));
        assert!(!seldom.is_due(start + PAUSE));
    }
}
