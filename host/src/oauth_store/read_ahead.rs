//! Reading ahead in a store that is far away, so that a bearer check takes one round trip: the record of a token leads to
//! that of its grant, and only the component, which opens it, learns to which.
//!
//! ```text
//! a request gets a first record and then a second      -> the first leads to the second
//! a request writes records and then replaces another   -> they lead to that one
//! a request begins with a record that leads to another -> both are read at once
//! ```
//! What was read ahead answers the very next operation of the same request, if that is a `get` of it, and is thrown away
//! otherwise. So a request never sees a record as it was before the request came, nor twice.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Which records lead to which, by their keys. Bounded: of the oldest, half is forgotten at a time.
#[derive(Default)]
pub(super) struct Links(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<String, Lead>,
    old: HashMap<String, Lead>,
}

/// Where a record leads.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Lead {
    /// To the record with this key.
    To(String),
    /// To another one each time, as a client's does.
    Varies,
}

/// What one request has asked the store, as far as that tells what it will ask next.
#[derive(Default)]
pub(crate) struct ReadAhead {
    step: Step,
    written: Vec<String>,
}

#[derive(Default)]
enum Step {
    /// It has asked nothing.
    #[default]
    Begun,
    /// It has got this record, and nothing else.
    Got(String),
    /// It has got the first of these, and nothing else; the next one was read with it.
    Ahead { first: String, next: String, value: Option<Vec<u8>> },
    /// It has done more than that.
    Over,
}

impl Links {
    /// Where the record under `key` leads.
    pub(super) fn next(&self, key: &str) -> Option<String> {
        let generations = self.generations();
        match generations.young.get(key).or_else(|| generations.old.get(key)) {
            Some(Lead::To(next)) => Some(next.clone()),
            Some(Lead::Varies) | None => None,
        }
    }

    fn learn(&self, key: String, next: &str) {
        let mut generations = self.generations();
        let known = generations.young.get(&key).or_else(|| generations.old.get(&key));
        let lead = match known {
            Some(Lead::To(known)) if known == next => return,
            Some(_) => Lead::Varies,
            None => Lead::To(next.to_owned()),
        };
        if generations.young.len() >= GENERATION {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(key, lead);
    }

    fn generations(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadAhead {
    /// What was read ahead, if it is the record under `key`: outer `None` if not, inner if there is no such record.
    pub(super) fn take(&mut self, key: &str) -> Option<Option<Vec<u8>>> {
        match std::mem::replace(&mut self.step, Step::Over) {
            Step::Ahead { next, value, .. } if next == key => Some(value),
            other => {
                self.step = other;
                None
            }
        }
    }

    /// Whether the request has asked for nothing, so that its first record tells of the next.
    pub(super) fn is_first(&self) -> bool {
        matches!(self.step, Step::Begun)
    }

    /// The record under `key` was asked for, and was there if `found`.
    pub(super) fn got(&mut self, links: &Links, key: &str, found: bool) {
        self.step = match std::mem::replace(&mut self.step, Step::Over) {
            Step::Begun if found => Step::Got(key.to_owned()),
            Step::Got(first) | Step::Ahead { first, .. } => {
                links.learn(first, key);
                Step::Over
            }
            _ => Step::Over,
        };
    }

    /// `value`, the record under `next`, was read with the record `first`, for the next question.
    pub(super) fn holds(&mut self, first: &str, next: String, value: Option<Vec<u8>>) {
        self.step = Step::Ahead { first: first.to_owned(), next, value };
    }

    /// The record under `key` was written.
    pub(super) fn wrote(&mut self, key: &str) {
        self.step = Step::Over;
        if self.written.len() < WRITTEN {
            self.written.push(key.to_owned());
        }
    }

    /// The record under `key` was replaced.
    pub(super) fn replaced(&mut self, links: &Links, key: &str) {
        self.step = Step::Over;
        for written in self.written.drain(..) {
            links.learn(written, key);
        }
    }

    /// Something else was asked.
    pub(super) fn is_over(&mut self) {
        self.step = Step::Over;
    }
}

/// The records that lead to others which are remembered, twice as many at most. One takes about 300 bytes.
const GENERATION: usize = 4096;
/// Of the records that a request writes, so many are taken to lead to the next that it replaces: two tokens do.
const WRITTEN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// A request that gets `keys`, each of which is there; returns what of them was read ahead.
    fn request(links: &Links, keys: &[&str]) -> Vec<String> {
        let mut ahead = ReadAhead::default();
        let mut saved = Vec::new();
        for key in keys {
            if ahead.take(key).is_some() {
                saved.push((*key).to_owned());
                continue;
            }
            let next = if ahead.is_first() { links.next(key) } else { None };
            ahead.got(links, key, true);
            if let Some(next) = next {
                ahead.holds(key, next, Some(Vec::new()));
            }
        }
        saved
    }

    #[test]
    fn the_second_record_of_a_request_is_read_with_the_first_from_then_on() {
        let links = Links::default();
        assert!(request(&links, &["access/1", "grant/1", "answer/1"]).is_empty());
        assert_eq!(request(&links, &["access/1", "grant/1", "answer/2"]), ["grant/1"]);
        assert!(request(&links, &["access/2", "grant/1"]).is_empty(), "another token");
        assert_eq!(links.next("grant/1"), None, "what comes third is not learnt");
    }

    #[test]
    fn a_record_that_leads_to_several_leads_to_none() {
        let links = Links::default();
        for code in ["code/1", "code/2", "code/1", "code/1"] {
            request(&links, &["client/1", code]);
        }
        assert_eq!(links.next("client/1"), None);
    }

    #[test]
    fn new_tokens_lead_to_the_grant_that_is_replaced_with_them() {
        let (links, mut ahead) = (Links::default(), ReadAhead::default());
        ahead.got(&links, "code/1", true);
        ahead.wrote("access/1");
        ahead.wrote("refresh/1");
        ahead.replaced(&links, "grant/1");
        assert_eq!(request(&links, &["access/1", "grant/1"]), ["grant/1"]);
        assert_eq!(request(&links, &["refresh/1", "grant/1"]), ["grant/1"]);
        assert_eq!(links.next("code/1"), None);
    }

    #[test]
    fn what_was_read_ahead_is_good_for_the_next_operation_alone() {
        let links = Links::default();
        let held = || {
            let mut ahead = ReadAhead::default();
            ahead.holds("access/1", "grant/1".to_owned(), Some(vec![1]));
            ahead
        };
        let mut ahead = held();
        assert_eq!(ahead.take("grant/1"), Some(Some(vec![1])));
        assert_eq!(ahead.take("grant/1"), None, "a second time the store is asked");
        let mut ahead = held();
        ahead.got(&links, "grant/2", true);
        assert_eq!(ahead.take("grant/1"), None);
        for other in [ReadAhead::is_over, |ahead: &mut ReadAhead| ahead.wrote("grant/1")] {
            let mut ahead = held();
            other(&mut ahead);
            assert_eq!(ahead.take("grant/1"), None);
        }
        let mut ahead = held();
        ahead.replaced(&links, "grant/1");
        assert_eq!(ahead.take("grant/1"), None);
    }

    #[test]
    fn links_are_bounded() {
        let links = Links::default();
        for number in 0..3 * GENERATION {
            links.learn(format!("access/{number}"), "grant/1");
        }
        let generations = links.generations();
        assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION);
        drop(generations);
        assert_eq!(links.next("access/0"), None);
        assert_eq!(links.next(&format!("access/{}", 3 * GENERATION - 1)), Some("grant/1".to_owned()));
    }
}
