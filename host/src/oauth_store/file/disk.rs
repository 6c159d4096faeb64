//! A disk that is honest about failed syncs, and on which room is kept.
//!
//! After a failed sync the system counts the pages as written although they may not be, and the next sync says nothing
//! of them: what is read then may be lost later. So everything is written again before the database is opened again.

use std::io::{Error, ErrorKind, Result as IoResult};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redb::StorageBackend;

use super::room::Room;

/// What the database is kept on.
pub(super) trait Storage: StorageBackend {
    /// Takes space on the disk for the bytes between these two, so that writing them cannot meet a full disk. The
    /// length of the file stays as it is.
    fn reserve(&self, from: u64, to: u64) -> IoResult<()>;
    /// How much has its space on the disk for certain, from the beginning on.
    fn backed(&self) -> IoResult<u64>;
    /// Whether what is written still reaches the store: fails from the moment on that its file is not in its place.
    fn require_in_place(&self) -> IoResult<()>;
    /// What the file system has left.
    fn space(&self) -> IoResult<Space>;
}

/// What a file system has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Space {
    pub(super) free_bytes: u64,
    pub(super) is_read_only: bool,
}

/// What outlives an opening of the disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Remembered(Arc<Memory>);

#[derive(Debug, Default)]
struct Memory {
    sync_failed: AtomicBool,
    acknowledged: AtomicU64,
    room: Room,
}

impl Remembered {
    pub(super) fn room(&self) -> &Room {
        &self.0.room
    }

    /// Remembers that commit `number` was acknowledged.
    pub(super) fn acknowledge(&self, number: u64) {
        self.0.acknowledged.fetch_max(number, Ordering::SeqCst);
    }

    /// The last commit that was acknowledged.
    pub(super) fn acknowledged(&self) -> u64 {
        self.0.acknowledged.load(Ordering::SeqCst)
    }
}

/// A storage on which everything that can be read was written, or can still be synced.
#[derive(Debug)]
pub(super) struct Disk<S> {
    storage: S,
    remembered: Remembered,
}

impl<S: Storage> Disk<S> {
    /// `storage`, after what a failed sync left undone, with room for revocations.
    pub(super) fn over(storage: S, remembered: &Remembered) -> IoResult<Self> {
        if remembered.0.sync_failed.load(Ordering::SeqCst) {
            write_again(&storage)?;
            remembered.0.sync_failed.store(false, Ordering::SeqCst);
        }
        remembered.room().prepare(&storage)?;
        Ok(Self { storage, remembered: remembered.clone() })
    }

    fn noted<T>(&self, done: IoResult<T>) -> IoResult<T> {
        done.inspect_err(|error| {
            if is_full(error) {
                self.remembered.room().ran_out();
            }
        })
    }
}

/// Whether an error says that the file system, or the user's part of it, is full.
pub(super) fn is_full(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

fn write_again(storage: &impl StorageBackend) -> IoResult<()> {
    let (length, mut offset) = (storage.len()?, 0);
    while offset < length {
        let count = COPY_BYTES.min(length - offset);
        let mut part = vec![0; usize::try_from(count).map_err(Error::other)?];
        storage.read(offset, &mut part)?;
        storage.write(offset, &part)?;
        offset += count;
    }
    storage.sync_data()
}

impl<S: Storage> StorageBackend for Disk<S> {
    fn len(&self) -> IoResult<u64> {
        Ok(self.remembered.room().len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> IoResult<()> {
        self.storage.read(offset, out)
    }

    fn set_len(&self, len: u64) -> IoResult<()> {
        self.remembered.room().set_len(&self.storage, len)
    }

    fn sync_data(&self) -> IoResult<()> {
        let done = self.storage.sync_data();
        self.noted(done.inspect_err(|_| self.remembered.0.sync_failed.store(true, Ordering::SeqCst)))
    }

    fn write(&self, offset: u64, data: &[u8]) -> IoResult<()> {
        self.noted(self.storage.write(offset, data))
    }

    fn close(&self) -> IoResult<()> {
        self.storage.close()
    }
}

const COPY_BYTES: u64 = 1 << 20;
