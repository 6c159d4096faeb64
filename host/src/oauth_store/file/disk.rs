//! A disk that is honest about failed syncs.
//!
//! After a failed sync the system counts the pages as written although they may not be, and the next sync says nothing
//! of them: what is read then may be lost later. So everything is written again before the database is opened again.

use std::io::{Error, Result as IoResult};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::StorageBackend;

/// What outlives an opening of the disk: whether a sync failed.
#[derive(Debug, Clone, Default)]
pub(super) struct SyncFailed(Arc<AtomicBool>);

/// A storage on which everything that can be read was written, or can still be synced.
#[derive(Debug)]
pub(super) struct Disk<B> {
    storage: B,
    sync_failed: SyncFailed,
}

impl<B: StorageBackend> Disk<B> {
    /// `storage`, after what a failed sync left undone.
    pub(super) fn over(storage: B, sync_failed: &SyncFailed) -> IoResult<Self> {
        if sync_failed.0.load(Ordering::SeqCst) {
            write_again(&storage)?;
            sync_failed.0.store(false, Ordering::SeqCst);
        }
        Ok(Self { storage, sync_failed: sync_failed.clone() })
    }
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

impl<B: StorageBackend> StorageBackend for Disk<B> {
    fn len(&self) -> IoResult<u64> {
        self.storage.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> IoResult<()> {
        self.storage.read(offset, out)
    }

    fn set_len(&self, len: u64) -> IoResult<()> {
        self.storage.set_len(len)
    }

    fn sync_data(&self) -> IoResult<()> {
        self.storage.sync_data().inspect_err(|_| self.sync_failed.0.store(true, Ordering::SeqCst))
    }

    fn write(&self, offset: u64, data: &[u8]) -> IoResult<()> {
        self.storage.write(offset, data)
    }

    fn close(&self) -> IoResult<()> {
        self.storage.close()
    }
}

const COPY_BYTES: u64 = 1 << 20;
