//! The file of a database: locked for this process, and readable by its owner only.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Result as IoResult};
use std::ops::RangeInclusive;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use redb::StorageBackend;

use super::OpenError;

/// A file that is open and locked. The lock goes with the process, however that ends.
#[derive(Debug)]
pub(super) struct LockedFile(File);

/// What outlives an opening of the file: whether there was one.
#[derive(Debug, Default)]
pub(super) struct WasOpened(Cell<bool>);

impl LockedFile {
    /// Opens and locks the file. Only at first one is made where there is none: begun anew later, it would forget
    /// without a word whatever was revoked or redeemed before. A backup that the operator put in its place will do.
    pub(super) fn open(path: &Path, was_opened: &WasOpened) -> Result<Self, OpenError> {
        // Opening a pipe would wait for its other end.
        if fs::metadata(path).is_ok_and(|about| !about.is_file()) {
            return Err(OpenError::NotAStore(path.to_owned()));
        }
        let is_first = !was_opened.0.get();
        let failed = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound if !is_first => OpenError::Gone(path.to_owned()),
            _ => OpenError::of_system(path, &error),
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(is_first).truncate(false).mode(OWNER_ONLY);
        let file = options.open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let file = Self(file);
        if is_first {
            file.forget_unfinished_making(path).map_err(failed)?;
            was_opened.0.set(true);
        } else if file.len().map_err(failed)? == 0 {
            return Err(OpenError::Damaged(path.to_owned(), "it is empty".to_owned()));
        }
        Ok(file)
    }

    /// A process that was killed while it made the database leaves a file without the mark at its beginning, which is
    /// written last. Nothing was acknowledged yet.
    fn forget_unfinished_making(&self, path: &Path) -> IoResult<()> {
        if self.is_unfinished()? {
            self.0.set_len(0)?;
        }
        if self.0.metadata()?.len() > 0 {
            return Ok(());
        }
        // The name of a new file has to be on disk too.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }

    fn is_unfinished(&self) -> IoResult<bool> {
        let mut mark = [0xff; MARK_BYTES];
        if !UNFINISHED_BYTES.contains(&self.0.metadata()?.len()) {
            return Ok(false);
        }
        self.0.read_exact_at(&mut mark, 0)?;
        Ok(mark == [0; MARK_BYTES])
    }
}

impl StorageBackend for LockedFile {
    fn len(&self) -> IoResult<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> IoResult<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> IoResult<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> IoResult<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> IoResult<()> {
        self.0.write_all_at(data, offset)
    }

    fn close(&self) -> IoResult<()> {
        self.0.unlock()
    }
}

/// Read and write for the owner.
const OWNER_ONLY: u32 = 0o600;
/// Length of redb's mark.
const MARK_BYTES: usize = 9;
/// The sizes that an unfinished database may have: redb begins with less than the larger.
const UNFINISHED_BYTES: RangeInclusive<u64> = 512..=8 << 20;
