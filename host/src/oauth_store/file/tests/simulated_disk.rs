//! A disk that fails on command and forgets at a power loss what was not synced.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result as IoResult};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

use crate::oauth_store::file::disk::{Space, Storage};

/// Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(super) struct SimulatedDisk {
    sectors: Arc<Mutex<Sectors>>,
    /// Calls, those included that still wait.
    arrivals: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Sectors {
    /// What programs read.
    cached: Vec<u8>,
    /// What a power loss leaves.
    durable: Vec<u8>,
    /// What is to be written at the next sync: sector and content of the cache.
    dirty: BTreeMap<usize, ()>,
    /// How much has its place on the disk, from the beginning on.
    backed: usize,
    fault: Option<Fault>,
    calls: u64,
    syncs: u64,
}

/// What fails, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Everything that needs more space than was taken.
    Full,
    /// Everything that needs more space than this in all.
    FullAt(usize),
    /// Every write and sync.
    ReadOnly,
    /// Every write.
    Writes,
    /// Every sync. Whichever way a sync fails, what was to be synced counts as written afterwards, as on Linux.
    Syncs,
    /// Every read.
    Reads,
    /// Of the calls that change something, this one and all that follow.
    From(u64),
    /// This one only.
    Once(u64),
}

/// How many records of what was not synced survive a power loss.
#[derive(Debug, Clone, Copy)]
pub(super) enum Loss {
    /// None.
    All,
    /// Those with an even number.
    Half,
}

impl SimulatedDisk {
    pub(super) fn fails(&self, fault: Option<Fault>) {
        self.sectors().fault = fault;
    }

    /// Calls of `write`, `set_len` and `sync_data` so far.
    pub(super) fn calls(&self) -> u64 {
        self.sectors().calls
    }

    /// Successful syncs so far.
    pub(super) fn syncs(&self) -> u64 {
        self.sectors().syncs
    }

    /// A disk with what a power loss leaves of this one.
    pub(super) fn after_power_loss(&self, loss: Loss) -> Self {
        let sectors = self.sectors();
        let mut left = sectors.durable.clone();
        if matches!(loss, Loss::Half) {
            left.resize(left.len().max(sectors.cached.len()), 0);
            for sector in sectors.dirty.keys().filter(|sector| *sector % 2 == 0) {
                copy(&sectors.cached, &mut left, *sector);
            }
        }
        let backed = sectors.backed.max(left.len());
        let sectors = Sectors { cached: left.clone(), durable: left, backed, ..Sectors::default() };
        Self { sectors: Arc::new(Mutex::new(sectors)), arrivals: Arc::default() }
    }

    /// Every call waits until the answer is dropped.
    pub(super) fn hangs(&self) -> impl Drop + '_ {
        self.sectors()
    }

    /// Gives back what was taken and not written, as a file that is made without taking space has it.
    pub(super) fn has_holes(&self) {
        let mut sectors = self.sectors();
        let written = sectors.cached.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        sectors.backed = written;
    }

    /// How long the file is.
    pub(super) fn length(&self) -> usize {
        self.sectors().cached.len()
    }

    pub(super) fn arrivals(&self) -> u64 {
        self.arrivals.load(Ordering::SeqCst)
    }

    fn sectors(&self) -> MutexGuard<'_, Sectors> {
        self.arrivals.fetch_add(1, Ordering::SeqCst);
        self.sectors.lock().unwrap()
    }
}

impl Sectors {
    /// Takes space up to `end`.
    fn back(&mut self, end: usize) -> IoResult<()> {
        let limit = match self.fault {
            Some(Fault::Full) => self.backed,
            Some(Fault::FullAt(limit)) => limit.max(self.backed),
            _ => usize::MAX,
        };
        if end > limit {
            return Err(Error::from(ErrorKind::StorageFull));
        }
        self.backed = self.backed.max(end);
        Ok(())
    }

    fn change(&mut self) -> IoResult<()> {
        self.calls += 1;
        match self.fault {
            Some(Fault::ReadOnly) => Err(Error::from(ErrorKind::ReadOnlyFilesystem)),
            Some(Fault::From(call)) if self.calls >= call => Err(Error::other("EIO")),
            Some(Fault::Once(call)) if self.calls == call => Err(Error::other("EIO")),
            _ => Ok(()),
        }
    }
}

impl StorageBackend for SimulatedDisk {
    fn len(&self) -> IoResult<u64> {
        Ok(self.sectors().cached.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> IoResult<()> {
        let sectors = self.sectors();
        if sectors.fault == Some(Fault::Reads) {
            return Err(Error::other("EIO"));
        }
        let offset = offset as usize;
        let range = sectors.cached.get(offset..offset + out.len());
        out.copy_from_slice(range.ok_or(Error::from(ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> IoResult<()> {
        let mut sectors = self.sectors();
        sectors.change()?;
        if (len as usize) < sectors.cached.len() {
            sectors.backed = sectors.backed.min(len as usize);
        }
        sectors.cached.resize(len as usize, 0);
        // A shorter file is shorter at once; a longer one at the next sync.
        let durable = sectors.durable.len().min(len as usize);
        sectors.durable.truncate(durable);
        let last = len as usize / SECTOR;
        sectors.dirty.retain(|sector, ()| *sector <= last);
        Ok(())
    }

    fn sync_data(&self) -> IoResult<()> {
        let mut sectors = self.sectors();
        let dirty = std::mem::take(&mut sectors.dirty);
        sectors.change()?;
        if sectors.fault == Some(Fault::Syncs) {
            return Err(Error::other("EIO"));
        }
        sectors.syncs += 1;
        let sectors = &mut *sectors;
        sectors.durable.resize(sectors.cached.len(), 0);
        for sector in dirty.into_keys() {
            copy(&sectors.cached, &mut sectors.durable, sector);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> IoResult<()> {
        let mut sectors = self.sectors();
        sectors.change()?;
        let (start, end) = (offset as usize, offset as usize + data.len());
        if sectors.fault == Some(Fault::Writes) {
            return Err(Error::other("EIO"));
        }
        sectors.back(end)?;
        if sectors.cached.len() < end {
            sectors.cached.resize(end, 0);
        }
        sectors.cached[start..end].copy_from_slice(data);
        sectors.dirty.extend((start / SECTOR..=end.saturating_sub(1) / SECTOR).map(|sector| (sector, ())));
        Ok(())
    }
}

impl Storage for SimulatedDisk {
    fn reserve(&self, _: u64, to: u64) -> IoResult<()> {
        self.sectors().back(to as usize)
    }

    fn backed(&self) -> IoResult<u64> {
        let sectors = self.sectors();
        Ok(if sectors.backed < sectors.cached.len() { 0 } else { sectors.cached.len() as u64 })
    }

    fn require_in_place(&self) -> IoResult<()> {
        Ok(())
    }

    fn space(&self) -> IoResult<Space> {
        Ok(Space { free_bytes: u64::MAX, is_read_only: false })
    }
}

fn copy(from: &[u8], to: &mut [u8], sector: usize) {
    let start = sector * SECTOR;
    let end = (start + SECTOR).min(from.len()).min(to.len());
    if start < end {
        to[start..end].copy_from_slice(&from[start..end]);
    }
}

const SECTOR: usize = 512;
