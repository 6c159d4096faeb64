//! `oauth-store` in files. What a key holds and how it changes in one step is the matter of [`chain`]; here is what the
//! operations make of it.

mod chain;
mod content;
mod key_name;
mod sweep;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::state_folder::{Clock, StateFolder, names};
use chain::Chains;
use content::{Content, Record};

/// Records in a folder that several processes may use at the same time.
pub struct FileStore(StateFolder);

/// Why an operation did not happen, or may not have; the cases of `wit/oauth-store.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreError {
    /// The folder is missing, full or read-only, or a file in it is not ours. Nothing was changed.
    Unavailable,
    /// The value is larger than [`VALUE_BYTES`]. Nothing was changed.
    TooLarge,
    /// The operation may or may not have taken effect.
    UnknownOutcome,
}

/// What an operation does with the record that it found.
enum Step<T> {
    /// Leaves it and answers.
    Leave(T),
    /// Puts a record in its place, and answers when that was done.
    Write(Record, T),
    /// Removes it, and answers when that was done.
    Remove(T),
}

impl FileStore {
    /// A store in the folder `root`, which must exist, by `clock`. Does not touch the disk.
    pub fn new(root: &Path, clock: Clock) -> Self {
        Self(StateFolder::new(root, clock))
    }

    /// The value under `key`.
    ///
    /// # Errors
    /// See [`StoreError`]; so with the other operations.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.change(key, |found| Step::Leave(found.map(|record| record.value.clone())))
    }

    /// Writes `value` whether or not a record stands there.
    pub fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), StoreError> {
        let record = self.record(value, ttl)?;
        self.change(key, |_| Step::Write(record.clone(), ()))
    }

    /// Writes `value` only if there is no record; tells whether it did.
    pub fn create(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool, StoreError> {
        let record = self.record(value, ttl)?;
        self.change(key, |found| match found {
            Some(_) => Step::Leave(false),
            None => Step::Write(record.clone(), true),
        })
    }

    /// Removes the record and returns its value.
    pub fn take(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.change(key, |found| match found {
            Some(record) => Step::Remove(Some(record.value.clone())),
            None => Step::Leave(None),
        })
    }

    /// Writes `new` only if the value equals `expected`; tells whether it did. `ttl` of `None` keeps the time.
    pub fn replace(&self, key: &str, expected: &[u8], new: &[u8], ttl: Option<Duration>) -> Result<bool, StoreError> {
        let fresh = self.record(new, ttl.unwrap_or_default())?;
        self.change(key, |found| match found {
            Some(record) if record.value == expected => {
                let end = if ttl.is_some() { fresh.end } else { record.end };
                Step::Write(Record { end, ..fresh.clone() }, true)
            }
            _ => Step::Leave(false),
        })
    }

    /// Removes the record if there is one.
    pub fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.take(key).map(|_| ())
    }

    /// At most `limit` keys that begin with `prefix`, in ascending byte order, after `after`.
    pub fn keys(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        self.prepare()?;
        let names = names(&self.0.records()).map_err(|_| StoreError::Unavailable)?;
        let is_asked = |key: &String| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after);
        let mut keys: Vec<String> = names.iter().filter_map(|name| key_name::decode(name)).filter(is_asked).collect();
        keys.sort_unstable();
        let mut page = Vec::new();
        for key in keys {
            if page.len() == limit {
                break;
            }
            if self.change(&key, |found| Step::Leave(found.is_some()))? {
                page.push(key);
            }
        }
        Ok(page)
    }

    /// Looks at what `key` holds and does the step that `decide` makes of it; starts over when somebody else was
    /// faster. One of several is always the fastest, so that all get on.
    fn change<T>(&self, key: &str, decide: impl Fn(Option<&Record>) -> Step<T>) -> Result<T, StoreError> {
        self.prepare()?;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let head = Chains(&self.0).head(key).map_err(|_| StoreError::Unavailable)?;
            let found = head.as_ref().and_then(|head| head.record(self.0.now()));
            let (content, answer) = match decide(found) {
                Step::Leave(answer) => return Ok(answer),
                Step::Write(record, answer) => (Content::Record(record), answer),
                Step::Remove(answer) => (Content::Seal, answer),
            };
            if self.step(key, head.as_ref(), content)? {
                sweep::sometimes(&self.0);
                return Ok(answer);
            }
        }
        Err(StoreError::Unavailable)
    }

    /// `false` when the head is no longer the head.
    fn step(&self, key: &str, head: Option<&chain::Head>, content: Content) -> Result<bool, StoreError> {
        let chains = Chains(&self.0);
        match (head, content) {
            (Some(head), content) if head.content != Content::Seal => {
                let is_done = chains.append(head, &content)?;
                if is_done && content == Content::Seal {
                    chains.retire(key, head);
                }
                Ok(is_done)
            }
            (head, Content::Record(record)) => {
                if let Some(head) = head {
                    chains.retire(key, head);
                }
                chains.begin(key, record)
            }
            // There is nothing to remove.
            (_, Content::Seal) => Ok(true),
        }
    }

    fn record(&self, value: &[u8], ttl: Duration) -> Result<Record, StoreError> {
        if value.len() > VALUE_BYTES {
            return Err(StoreError::TooLarge);
        }
        Ok(Record { end: self.0.now().saturating_add(crate::state_folder::milliseconds(ttl)), value: value.to_vec() })
    }

    fn prepare(&self) -> Result<(), StoreError> {
        self.0.prepare().map_err(|_| StoreError::Unavailable)
    }
}

/// Whether `key` is one that `wit/oauth-store.wit` allows.
pub fn is_key(key: &str) -> bool {
    key_name::is_key(key)
}

/// The largest value of a record, in bytes.
pub const VALUE_BYTES: usize = 256 << 10;

/// How long an operation tries to be the fastest: well within the time of a request.
const PATIENCE: Duration = Duration::from_secs(10);
