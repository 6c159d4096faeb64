//! Whether what the callers of one key saw could have come from operations that happened one after the other, each at
//! one moment between its call and its answer: linearizability. Decided by keeping every state that is possible from
//! answer to answer (Lowe, "Testing for linearizability", 2017).

use std::collections::{BTreeSet, HashSet};

/// An operation on the key and what it was answered. Values are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Event {
    /// When it was called, in any unit.
    pub(crate) begun: u64,
    /// When it was answered.
    pub(crate) ended: u64,
    /// What was asked for.
    pub(crate) operation: Operation,
    /// `None`: it may have happened by `ended`, or never.
    pub(crate) answer: Option<Seen>,
}

/// What can be asked of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Get,
    Put(u64),
    Create(u64),
    Take,
    Replace(u64, u64),
    Delete,
}

/// What a caller was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Seen {
    /// The value read or taken.
    Value(Option<u64>),
    /// Whether it was written; always, where the operation does not say.
    Wrote(bool),
}

/// A state that the key may be in: its value, and which of the open operations have happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct State {
    value: Option<u64>,
    happened: BTreeSet<usize>,
}

/// Checks the events of a key that had no record at first.
///
/// # Errors
/// The first event whose answer nothing explains.
pub(crate) fn check(events: &[Event]) -> Result<(), &Event> {
    let mut moments: Vec<_> = events.iter().enumerate().flat_map(|(number, event)| moments(number, event)).collect();
    moments.sort_unstable();
    let (mut open, mut possible) = (Vec::new(), HashSet::from([State::default()]));
    for (_, is_answer, number, event) in moments {
        if !is_answer {
            open.push((number, event));
            continue;
        }
        possible = with_what_happens(possible, &open);
        open.retain(|(known, _)| *known != number);
        possible.retain(|state| event.answer.is_none() || state.happened.contains(&number));
        possible = possible.into_iter().map(|state| state.without(number)).collect();
        if possible.is_empty() {
            return Err(event);
        }
    }
    Ok(())
}

/// Call and answer of an event; a call comes before an answer at the same time.
fn moments(number: usize, event: &Event) -> [(u64, bool, usize, &Event); 2] {
    [(event.begun, false, number, event), (event.ended, true, number, event)]
}

/// `possible`, and all states that open operations may lead to.
fn with_what_happens(possible: HashSet<State>, open: &[(usize, &Event)]) -> HashSet<State> {
    let mut unseen: Vec<State> = possible.iter().cloned().collect();
    let mut all = possible;
    while let Some(state) = unseen.pop() {
        for (number, event) in open.iter().filter(|(number, _)| !state.happened.contains(number)) {
            let (value, answer) = apply(event.operation, state.value);
            if event.answer.is_none_or(|given| given == answer) {
                let mut next = State { value, happened: state.happened.clone() };
                next.happened.insert(*number);
                if all.insert(next.clone()) {
                    unseen.push(next);
                }
            }
        }
    }
    all
}

/// What an operation leaves of `value`, and its answer.
fn apply(operation: Operation, value: Option<u64>) -> (Option<u64>, Seen) {
    match operation {
        Operation::Get => (value, Seen::Value(value)),
        Operation::Put(new) => (Some(new), Seen::Wrote(true)),
        Operation::Create(new) if value.is_none() => (Some(new), Seen::Wrote(true)),
        Operation::Create(_) => (value, Seen::Wrote(false)),
        Operation::Take => (None, Seen::Value(value)),
        Operation::Replace(expected, new) if value == Some(expected) => (Some(new), Seen::Wrote(true)),
        Operation::Replace(..) => (value, Seen::Wrote(false)),
        Operation::Delete => (None, Seen::Wrote(true)),
    }
}

impl State {
    fn without(mut self, number: usize) -> Self {
        self.happened.remove(&number);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Operation::*;
    use super::Seen::{Value, Wrote};
    use super::*;

    fn event((begun, ended, operation, answer): (u64, u64, Operation, Option<Seen>)) -> Event {
        Event { begun, ended, operation, answer }
    }

    #[test]
    fn only_what_happens_one_after_the_other_is_linearizable() {
        let read = |value| Some(Value(value));
        let wrote = |wrote| Some(Wrote(wrote));
        for (name, linearizable, events) in [
            ("nothing", true, vec![]),
            ("in turn", true, vec![(0, 1, Put(1), wrote(true)), (2, 3, Get, read(Some(1)))]),
            ("a stale read", false, vec![(0, 1, Put(1), wrote(true)), (2, 3, Get, read(None))]),
            ("a read meanwhile", true, vec![(0, 3, Put(1), wrote(true)), (1, 2, Get, read(None))]),
            (
                "reads that go back",
                false,
                vec![(0, 9, Put(1), wrote(true)), (1, 2, Get, read(Some(1))), (3, 4, Get, read(None))],
            ),
            ("created twice", false, vec![(0, 9, Create(1), wrote(true)), (1, 8, Create(2), wrote(true))]),
            ("created once", true, vec![(0, 9, Create(1), wrote(false)), (1, 8, Create(2), wrote(true))]),
            (
                "taken twice",
                false,
                vec![(0, 1, Put(1), wrote(true)), (2, 9, Take, read(Some(1))), (3, 8, Take, read(Some(1)))],
            ),
            (
                "replaced twice",
                false,
                vec![
                    (0, 1, Put(1), wrote(true)),
                    (2, 9, Replace(1, 2), wrote(true)),
                    (3, 8, Replace(1, 3), wrote(true)),
                ],
            ),
            (
                "replaced after a removal",
                false,
                vec![(0, 1, Put(1), wrote(true)), (2, 3, Delete, wrote(true)), (4, 5, Replace(1, 2), wrote(true))],
            ),
            ("it may have happened", true, vec![(0, 1, Put(1), None), (2, 3, Get, read(Some(1)))]),
            ("or not", true, vec![(0, 1, Put(1), None), (2, 3, Get, read(None))]),
            ("but not later", false, vec![(0, 1, Put(1), None), (2, 3, Get, read(None)), (4, 5, Get, read(Some(1)))]),
            (
                "and not twice",
                false,
                vec![
                    (0, 1, Put(1), wrote(true)),
                    (2, 3, Take, None),
                    (4, 5, Create(1), wrote(true)),
                    (6, 7, Get, read(None)),
                ],
            ),
        ] {
            let events: Vec<Event> = events.into_iter().map(event).collect();
            assert_eq!(check(&events).is_ok(), linearizable, "{name}");
        }
    }
}
