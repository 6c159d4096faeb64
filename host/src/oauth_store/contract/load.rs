//! Concurrent callers that mix every operation on few keys, and the history of what they saw.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::history::{self, Event, Operation, Seen};
use crate::oauth_store::{OauthStore, StoreError};

/// An operation of one caller on one key. The order is drawn from `seed`, always the same.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    state: u64,
    next_value: u64,
}

impl Plan {
    /// That of caller `number`; every caller writes values of its own.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let state = (seed << 16 | number) + 1;
        Self { state: state.wrapping_mul(MULTIPLIER), next_value: state << 20 }
    }

    /// The key of the next operation, and the operation. `read` is what it remembers.
    pub(crate) fn next(&mut self, read: &BTreeMap<String, u64>) -> (String, Operation) {
        let key = format!("load/{}", self.draw() % KEYS);
        self.next_value += 1;
        let (expected, new) = (read.get(&key).copied().unwrap_or(0), self.next_value);
        let operation = match self.draw() % 16 {
            0..5 => Operation::Get,
            5..7 => Operation::Put(new),
            7..10 => Operation::Create(new),
            10..12 => Operation::Take,
            12..15 => Operation::Replace(expected, new),
            _ => Operation::Delete,
        };
        (key, operation)
    }

    /// Xorshift, which is random enough for an order.
    fn draw(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state >> 16
    }
}

/// Does an operation on a store.
///
/// # Errors
/// Those of the store.
///
/// # Panics
/// At a value that nobody wrote.
pub(crate) async fn run(store: &dyn OauthStore, key: &str, operation: Operation) -> Result<Seen, StoreError> {
    Ok(match operation {
        Operation::Get => Seen::Value(store.get(key).await?.map(|bytes| number_of(&bytes))),
        Operation::Take => Seen::Value(store.take(key).await?.map(|bytes| number_of(&bytes))),
        Operation::Put(new) => store.put(key, bytes_of(new), HOUR).await.map(|()| Seen::Wrote(true))?,
        Operation::Create(new) => Seen::Wrote(store.create(key, bytes_of(new), HOUR).await?),
        Operation::Replace(expected, new) => {
            Seen::Wrote(store.replace(key, &bytes_of(expected), bytes_of(new), None).await?)
        }
        Operation::Delete => store.delete(key).await.map(|()| Seen::Wrote(true))?,
    })
}

/// The value of a number: the number, and bytes that follow from it, so that half a value is not taken for one.
fn bytes_of(number: u64) -> Vec<u8> {
    let length = usize::try_from(number.wrapping_mul(MULTIPLIER) >> 52).unwrap_or(0);
    let rest = number.to_be_bytes().into_iter().cycle().take(length);
    number.to_be_bytes().into_iter().chain(rest).collect()
}

fn number_of(bytes: &[u8]) -> u64 {
    let number = bytes.first_chunk().map(|first| u64::from_be_bytes(*first)).expect("a whole value");
    assert!(bytes == bytes_of(number), "a value is whole");
    number
}

/// Lets callers work on `store` at the same time, and checks what they saw.
///
/// # Panics
/// When it is not linearizable.
pub(crate) async fn is_linearizable_under_load(store: &Arc<dyn OauthStore>) {
    let histories: Arc<Histories> = Arc::default();
    let callers = (0..CALLERS).map(|number| tokio::spawn(call(store.clone(), histories.clone(), number)));
    for caller in callers.collect::<Vec<_>>() {
        caller.await.expect("no caller panics");
    }
    histories.check();
    for key in 0..KEYS {
        store.delete(&format!("load/{key}")).await.expect("a removal");
    }
}

async fn call(store: Arc<dyn OauthStore>, histories: Arc<Histories>, number: u64) {
    let (mut plan, mut read) = (Plan::new(1, number), BTreeMap::new());
    for _ in 0..OPERATIONS {
        let (key, operation) = plan.next(&read);
        let begun = histories.tick();
        let answer = run(store.as_ref(), &key, operation).await.expect("an answer");
        histories.push(&key, Event { begun, ended: histories.tick(), operation, answer: Some(answer) });
        remember(&mut read, key, operation, answer);
    }
}

/// Keeps the value that the caller last saw or wrote under a key, for its next `replace`.
pub(crate) fn remember(read: &mut BTreeMap<String, u64>, key: String, operation: Operation, answer: Seen) {
    let value = match (operation, answer) {
        (_, Seen::Value(value)) => value,
        (Operation::Put(new) | Operation::Create(new) | Operation::Replace(_, new), Seen::Wrote(true)) => Some(new),
        _ => None,
    };
    if let Some(value) = value {
        read.insert(key, value);
    }
}

/// What happened to every key.
#[derive(Default)]
pub(crate) struct Histories {
    clock: AtomicU64,
    events: Mutex<BTreeMap<String, Vec<Event>>>,
}

impl Histories {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn push(&self, key: &str, event: Event) {
        let mut events = self.events.lock().expect("no holder of this lock panics");
        events.entry(key.to_owned()).or_default().push(event);
    }

    /// # Panics
    /// When a key's history is not linearizable.
    pub(crate) fn check(&self) {
        for (key, events) in self.events.lock().expect("no holder of this lock panics").iter() {
            if let Err(event) = history::check(events) {
                let near = events.iter().filter(|other| other.begun <= event.ended && event.begun <= other.ended);
                panic!("{key}: nothing explains {event:?} among {:#?}", near.collect::<Vec<_>>());
            }
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);
/// Few, so that callers meet.
const KEYS: u64 = 4;
const CALLERS: u64 = 8;
const OPERATIONS: usize = 100;
/// Spreads numbers (Knuth's multiplicative hash, 64 bits).
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
