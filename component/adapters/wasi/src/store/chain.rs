//! Chains of files: how one key changes in single steps on a file system that has no locks.
//!
//! ```text
//! records/KEY=/CHAIN/0000000000000001     a record
//!                    0000000000000002     the record that replaced it
//!                    0000000000000003     the seal: the record was removed
//! ```
//!
//! The file with the highest number is the head, and the head is what the key holds. Three steps change a key, and
//! each is one call of the file system that only one of several callers can win:
//!
//! - **begin**: a folder with a whole chain of one record is written beside and *renamed* to `KEY=`, which fails
//!   unless nothing or an empty folder stands there.
//! - **append**: a file is written beside and *hard-linked* under the number after the head's, which fails when that
//!   number is taken.
//! - **retire**: a chain whose head is the seal is *renamed* away, after which another may begin.
//!
//! Invariant: `KEY=` holds at most one chain, because only `begin` puts one there.
//!
//! Invariant: what is appended is appended to the chain that was looked at. Names of chains are never given twice, so
//! the number that a late writer aims at is in that chain or nowhere.
//!
//! Invariant: nothing follows a seal, so a chain that is retired does not change any more.
//!
//! Invariant: a number that was taken stays taken for everybody who could still aim at it. Numbers are removed in
//! ascending order, each no sooner than [`WRITER_TIME`] after the next was written, the head never; a retired chain
//! keeps all of its files for ten times as long; and a writer that has looked at a chain for longer than
//! [`WRITER_TIME`] does not append, or, when it was stopped in the middle, does not claim that it did.
//!
//! A file is synced before it is linked or moved, and the folder that it got into before the step is acknowledged.
//!
//! Invariant: a chain with a second record would survive a loss of power. Whoever began it may have ended before he
//! synced `records`, so who appends the second record does that first. A seal needs none of it: where its chain is
//! lost, so is the record.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::StoreError;
use super::content::{Content, Record};
use super::key_name::encode;
use crate::state_folder::{StateFolder, WRITER_TIME, accept, create_new, move_folder, names, remove_tree, sync};

/// The chains of all keys.
pub(super) struct Chains<'a>(pub(super) &'a StateFolder);

/// What a key holds, as it was looked at.
pub(super) struct Head {
    chain: PathBuf,
    /// In ascending order, never empty; the last is the head's.
    numbers: Vec<u64>,
    /// What stands in the head's file.
    pub(super) content: Content,
    looked: Instant,
}

impl Chains<'_> {
    /// The head of a key's chain; `None` when it has none.
    pub(super) fn head(&self, key: &str) -> io::Result<Option<Head>> {
        let place = self.place(key);
        for _ in 0..LOOKS {
            let Some(chain) = first_name(&place)? else { return Ok(None) };
            if let Some(head) = head_of(place.join(chain))? {
                return Ok(Some(head));
            }
            // The chain was retired, or grew, while it was looked at.
        }
        Err(ErrorKind::TimedOut.into())
    }

    /// Starts a chain with `record`; `false` when there is one already.
    pub(super) fn begin(&self, key: &str, record: Record) -> Result<bool, StoreError> {
        let draft = self.0.new_path().map_err(unchanged)?;
        let begun = self
            .write_chain(&draft, record)
            .map_err(unchanged)
            .and_then(|()| move_folder(&draft, &self.place(key)).map_err(step_failed));
        if begun == Ok(true) {
            sync(&self.0.records()).map_err(|_| StoreError::UnknownOutcome)?;
        } else {
            remove_tree(&draft);
        }
        begun
    }

    fn write_chain(&self, draft: &Path, record: Record) -> io::Result<()> {
        let chain = draft.join(self.0.unique_name()?);
        fs::create_dir(draft)?;
        fs::create_dir(&chain)?;
        write(&chain.join(file_name(1)), &Content::Record(record))?;
        sync(&chain)?;
        sync(draft)
    }

    /// Puts `content` after the head; `false` when somebody else did so first, or the chain was retired.
    pub(super) fn append(&self, head: &Head, content: &Content) -> Result<bool, StoreError> {
        let draft = self.0.new_path().map_err(unchanged)?;
        let next = head.chain.join(file_name(head.number() + 1));
        let written = write(&draft, content).and_then(|()| self.settle(head, content));
        let linked = written.map_err(unchanged).and_then(|()| {
            if head.looked.elapsed() > WRITER_TIME {
                return Ok(false);
            }
            accept(fs::hard_link(&draft, next), &[ErrorKind::AlreadyExists, ErrorKind::NotFound]).map_err(step_failed)
        });
        let _ = fs::remove_file(&draft);
        if linked != Ok(true) {
            return linked;
        }
        if head.looked.elapsed() > WRITER_TIME {
            return Err(StoreError::UnknownOutcome);
        }
        // Who retires a chain has synced it.
        accept(sync(&head.chain), &[ErrorKind::NotFound]).map_err(|_| StoreError::UnknownOutcome)?;
        forget_superseded(head);
        Ok(true)
    }

    /// Syncs the entry of a chain to which a second record is about to be appended.
    fn settle(&self, head: &Head, content: &Content) -> io::Result<()> {
        let is_second = head.number() == 1 && *content != Content::Seal;
        if is_second { sync(&self.0.records()) } else { Ok(()) }
    }

    /// Moves a chain away that is sealed by now. Failing is no failure of what the caller does: a sealed chain holds
    /// nothing, and whoever needs its place tries again.
    pub(super) fn retire(&self, key: &str, head: &Head) {
        if sync(&head.chain).is_ok()
            && let Ok(old) = self.0.old_path()
        {
            let _ = fs::rename(&head.chain, old);
        }
        self.remove_empty(key);
    }

    /// Removes the folder of a key that has no chain. It fails, as it must, when a chain has begun meanwhile.
    pub(super) fn remove_empty(&self, key: &str) {
        let _ = fs::remove_dir(self.place(key));
    }

    fn place(&self, key: &str) -> PathBuf {
        self.0.records().join(encode(key))
    }
}

impl Head {
    fn number(&self) -> u64 {
        self.numbers.last().copied().unwrap_or_default()
    }

    /// The record that the key holds at `now`, in milliseconds since 1970.
    pub(super) fn record(&self, now: u64) -> Option<&Record> {
        match &self.content {
            Content::Record(record) if record.end > now => Some(record),
            Content::Record(_) | Content::Seal => None,
        }
    }
}

/// `None` when the chain, or the file that was its head, is no longer there.
fn head_of(chain: PathBuf) -> io::Result<Option<Head>> {
    let looked = Instant::now();
    let found = match names(&chain) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    let mut numbers: Vec<u64> = found.iter().filter_map(|name| u64::from_str_radix(name, 16).ok()).collect();
    numbers.sort_unstable();
    let Some(number) = numbers.last() else { return Ok(None) };
    let bytes = match fs::read(chain.join(file_name(*number))) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        bytes => bytes?,
    };
    let content = Content::decode(bytes).map_err(|_| ErrorKind::InvalidData)?;
    Ok(Some(Head { chain, numbers, content, looked }))
}

/// The only name in a folder, which may be missing.
fn first_name(folder: &Path) -> io::Result<Option<String>> {
    match names(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        names => Ok(names?.pop()),
    }
}

/// Removes a few files below the head. When a file was written, the number before it had been taken already; so once
/// the file is older than [`WRITER_TIME`], nobody aims at that number any more.
fn forget_superseded(head: &Head) {
    for (older, newer) in head.numbers.iter().zip(head.numbers.iter().skip(1)).take(FORGOTTEN_AT_ONCE) {
        let newer = fs::metadata(head.chain.join(file_name(*newer))).and_then(|found| found.modified());
        let age = newer.ok().and_then(|modified| modified.elapsed().ok());
        if age.is_none_or(|age| age <= WRITER_TIME) || fs::remove_file(head.chain.join(file_name(*older))).is_err() {
            return;
        }
    }
}

fn write(path: &Path, content: &Content) -> io::Result<()> {
    let mut file = create_new(path)?;
    file.write_all(&content.encode())?;
    file.sync_all()
}

fn file_name(number: u64) -> String {
    format!("{number:016x}")
}

/// The error of what precedes a step.
fn unchanged(_: io::Error) -> StoreError {
    StoreError::Unavailable
}

/// The error of a step. Of some the file system says that it did nothing; of the others nobody knows.
fn step_failed(error: io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::StorageFull
        | ErrorKind::QuotaExceeded
        | ErrorKind::TooManyLinks
        | ErrorKind::CrossesDevices
        | ErrorKind::Unsupported => StoreError::Unavailable,
        _ => StoreError::UnknownOutcome,
    }
}

/// How often a chain that changes under the reader's eyes is looked at again. Each time somebody else got further.
const LOOKS: usize = 1000;

/// Each takes two calls; the writer's caller waits for them.
const FORGOTTEN_AT_ONCE: usize = 8;

#[cfg(test)]
mod tests;
