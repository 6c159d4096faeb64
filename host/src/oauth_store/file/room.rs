//! Room on the disk that is kept for revocations.
//!
//! ```text
//! |<-- what the database knows -->|<------- reserve ------->|
//! |<-- the file --------------------------->|               |
//! |<-- what has its place on the disk --------------------->|
//! ```
//! The database writes a page never where the old one stands, so even a removal needs some free pages; and it takes
//! free pages from anywhere in the file. So the file never grows by more than was taken on the disk before, and behind
//! what the database knows there is always a reserve, inside the file or behind its end. Nothing is added while it is
//! not there. Where the disk is full and a removal finds no free pages, the database is opened on a file that has the
//! reserve. No other program can take that space in between, because it is never given back.
//!
//! File systems that copy what is overwritten (btrfs, ZFS), and those that cannot take space ahead, promise less: there
//! a removal is tried, and may be refused.

use std::io::{ErrorKind, Result as IoResult};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::disk::{Storage, is_full};

/// How it stands with the reserve. It outlives the openings of the file.
#[derive(Debug, Default)]
pub(super) struct Room(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The disk was full at the last try.
    is_full: bool,
    /// The file system cannot take space ahead.
    is_unsupported: bool,
    /// How long the database takes the file to be.
    length: u64,
    /// How long the file is: as long, or longer.
    end: u64,
    /// How much has its place on the disk: all of the file, and what is behind its end.
    taken: u64,
    /// How long the file is made when it is opened next, if there is the space.
    wanted: u64,
    /// Records that were removed since the disk was full.
    removed: usize,
    /// Whether the database gave up some of its length in the last commit.
    got_shorter: bool,
}

/// Whether the file may be added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Growth {
    /// There is room.
    Free,
    /// There is room when the file has been opened again.
    AfterReopening,
    /// There is none.
    Full,
}

impl Room {
    /// Makes the file longer, if that was agreed on, and takes the reserve. The database takes the file as it is.
    pub(super) fn prepare(&self, storage: &impl Storage) -> IoResult<()> {
        let mut state = self.state();
        state.end = storage.len()?;
        let wanted = std::mem::take(&mut state.wanted);
        // Not longer than there is space for: a hole would be met by a full disk later.
        if wanted > state.end && wanted <= state.taken {
            storage.set_len(wanted)?;
            storage.sync_data()?;
            state.end = wanted;
        }
        state.length = state.end;
        state.taken = state.taken.max(storage.backed()?);
        state.take_reserve(storage)
    }

    /// Forgets what was taken: another file is opened.
    pub(super) fn forget(&self) {
        *self.state() = State::default();
    }

    /// How long the database takes the file to be.
    pub(super) fn len(&self) -> u64 {
        self.state().length
    }

    /// Sets that length. What is added has its space first, and the reserve behind it; what is given up leaves the
    /// reserve as it is.
    pub(super) fn set_len(&self, storage: &impl Storage, length: u64) -> IoResult<()> {
        let mut state = self.state();
        if length > state.length && !state.take(storage, length + RESERVE_BYTES)? {
            return Err(ErrorKind::StorageFull.into());
        }
        let with_reserve = length + RESERVE_BYTES;
        if length > state.end || state.end > with_reserve {
            state.end = if length > state.end { length } else { with_reserve };
            storage.set_len(state.end)?;
            if state.end == with_reserve {
                // What stood behind the end was given back.
                state.taken = state.taken.min(state.end);
            }
        }
        state.got_shorter |= length < state.length;
        state.length = length;
        state.take_reserve(storage)
    }

    /// Whether the database gave up some of its length since this was asked last. It does so by and by, and one more
    /// commit may go on with it.
    pub(super) fn got_shorter(&self) -> bool {
        std::mem::take(&mut self.state().got_shorter)
    }

    /// Notes that a write met a full disk all the same.
    pub(super) fn ran_out(&self) {
        self.state().runs_out();
    }

    /// Whether the disk was full at the last try.
    pub(super) fn is_full(&self) -> bool {
        self.state().is_full
    }

    /// Notes that records were removed. When there were some, adding is tried again in what they have left.
    pub(super) fn removed(&self, count: usize) {
        let mut state = self.state();
        state.removed += count;
        if state.removed >= MANY_RECORDS && state.has_reserve() {
            state.is_full = false;
            state.removed = 0;
        }
    }

    /// Whether the file may be added to now. A full disk is tried again.
    pub(super) fn growth(&self, storage: &dyn Storage) -> IoResult<Growth> {
        let mut state = self.state();
        if !state.is_full {
            return Ok(Growth::Free);
        }
        // The database itself would make the file twice as long, for which there may never be room.
        let step = (state.length / STEP_PART / PAGE_BYTES * PAGE_BYTES).max(RESERVE_BYTES);
        let wanted = state.length + step + RESERVE_BYTES;
        // A try that fails may take what is left, from others who need less.
        let free_bytes = storage.space()?.free_bytes;
        let has = if state.is_unsupported { state.length } else { state.taken };
        if free_bytes < wanted.saturating_sub(has) || !state.take(storage, wanted)? {
            // With the reserve in its place again, what is free inside the file may be used.
            let reserve = state.length + RESERVE_BYTES;
            let is_regained = !state.has_reserve() && free_bytes >= reserve.saturating_sub(has);
            let is_free = is_regained && state.take(storage, reserve)?;
            return Ok(if is_free { Growth::Free } else { Growth::Full });
        }
        if state.is_unsupported {
            state.is_full = false;
            return Ok(Growth::Free);
        }
        state.wanted = state.length + step;
        Ok(Growth::AfterReopening)
    }

    /// Gives the reserve to the database, or what there is of it, when it is opened next; tells whether there is any.
    pub(super) fn give_reserve(&self) -> bool {
        let mut state = self.state();
        let is_there = !state.is_unsupported && state.taken > state.length;
        if is_there {
            state.wanted = state.taken.min(state.length + RESERVE_BYTES);
        }
        is_there
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_reserve(&self) -> bool {
        !self.is_unsupported && self.taken >= self.length + RESERVE_BYTES
    }

    /// Takes space for the first `length` bytes; tells whether there was enough.
    fn take(&mut self, storage: &(impl Storage + ?Sized), length: u64) -> IoResult<bool> {
        if length <= self.taken {
            self.is_full = false;
            return Ok(true);
        }
        match storage.reserve(self.taken, length) {
            Ok(()) => {
                self.taken = self.taken.max(length);
                self.is_full = false;
            }
            Err(error) if error.kind() == ErrorKind::Unsupported => self.is_unsupported = true,
            Err(error) if is_full(&error) => self.runs_out(),
            Err(error) => return Err(error),
        }
        Ok(self.is_unsupported || !self.is_full)
    }

    fn runs_out(&mut self) {
        if !std::mem::replace(&mut self.is_full, true) {
            self.removed = 0;
        }
    }

    /// Takes the reserve, or notes that the disk is full.
    fn take_reserve(&mut self, storage: &impl Storage) -> IoResult<()> {
        if !self.has_reserve() {
            self.take(storage, self.length + RESERVE_BYTES)?;
        }
        Ok(())
    }
}

/// 256 pages: [`super::writer::FULL_JOBS`] removals need fewer, each of which changes a path of three or four pages in
/// two trees, and the database's own trees.
pub(super) const RESERVE_BYTES: u64 = 1 << 20;
/// On a disk that is nearly full the file grows by an eighth, and by the reserve at least.
const STEP_PART: u64 = 8;
const PAGE_BYTES: u64 = 4096;
/// So many that what was said of the disk is not taken back at each of them.
const MANY_RECORDS: usize = 64;
