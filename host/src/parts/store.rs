//! What the outcomes of its operations tell about the store. One that refuses to write serves those who are signed in.

use super::State;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It reads.
    Reads,
    /// It writes. That works only where there is room.
    Writes,
    /// It writes what can be asked for again, which a store may do where it writes nothing else.
    Remembers,
    /// It removes. That works where nothing can be written.
    Removes,
}

/// What was found last.
#[derive(Debug, Default)]
pub(super) struct StoreOutcomes {
    was_asked: bool,
    /// Why it could not be read.
    reading: Option<&'static str>,
    /// Why it could not be written.
    writing: Option<&'static str>,
}

impl StoreOutcomes {
    /// An operation was done, or failed for this cause.
    pub(super) fn learn(&mut self, access: Access, failed: Option<&'static str>) {
        self.was_asked = true;
        match (access, failed) {
            (Access::Reads, failed) => self.reading = failed,
            (_, Some(cause)) => self.writing = Some(cause),
            (Access::Writes, None) => (self.reading, self.writing) = (None, None),
            (Access::Remembers | Access::Removes, None) => self.reading = None,
        }
    }

    /// The store says by itself why it cannot be written or, if `ends_reading`, not be read either; `None` when it works.
    pub(super) fn told(&mut self, fault: Option<&'static str>, ends_reading: bool) {
        self.writing = fault;
        if ends_reading {
            self.was_asked = true;
            self.reading = fault;
        }
    }

    pub(super) fn verdict(&self) -> (State, Option<&'static str>) {
        match (self.was_asked, self.reading, self.writing) {
            (false, ..) => (State::Unknown, None),
            (_, Some(cause), _) => (State::Away, Some(cause)),
            (_, None, Some(cause)) => (State::Degraded, Some(cause)),
            (_, None, None) => (State::Ok, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_read_and_not_written_is_degraded() {
        let full = Some("store_full");
        let away = Some("store_unreachable");
        let mut store = StoreOutcomes::default();
        assert_eq!(store.verdict(), (State::Unknown, None));
        for (access, failed, verdict) in [
            (Access::Reads, None, (State::Ok, None)),
            (Access::Writes, full, (State::Degraded, full)),
            (Access::Reads, None, (State::Degraded, full)),
            (Access::Removes, None, (State::Degraded, full)),
            (Access::Remembers, None, (State::Degraded, full)),
            (Access::Writes, None, (State::Ok, None)),
            (Access::Removes, full, (State::Degraded, full)),
            (Access::Reads, away, (State::Away, away)),
            (Access::Writes, away, (State::Away, away)),
            (Access::Reads, None, (State::Degraded, away)),
            (Access::Writes, None, (State::Ok, None)),
            (Access::Reads, away, (State::Away, away)),
            (Access::Removes, None, (State::Ok, None)),
        ] {
            store.learn(access, failed);
            assert_eq!(store.verdict(), verdict, "after {access:?}: {failed:?}");
        }
    }

    #[test]
    fn what_a_store_says_of_itself_counts_for_writing_and_for_reading_until_it_is_read() {
        let (full, gone) = (Some("store_full"), Some("store_gone"));
        let mut store = StoreOutcomes::default();
        store.learn(Access::Reads, None);
        store.told(full, false);
        assert_eq!(store.verdict(), (State::Degraded, full), "nobody has written");
        store.told(None, false);
        assert_eq!(store.verdict(), (State::Ok, None), "it found out by itself");
        store.told(gone, true);
        assert_eq!(store.verdict(), (State::Away, gone));
        store.told(None, false);
        assert_eq!(store.verdict(), (State::Away, gone), "a read has to show it");
        store.learn(Access::Reads, None);
        assert_eq!(store.verdict(), (State::Ok, None));
    }
}
