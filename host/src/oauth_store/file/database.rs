//! The database in the file: opening it, closing it over a failure, and the place where both sides find it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError, RwLock};

use redb::{ReadTransaction, ReadableDatabase as _, StorageBackend, WriteTransaction};

use super::disk::{Disk, SyncFailed};
use super::locked_file::{LockedFile, WasOpened};
use super::{OpenError, records};

/// Opens the database, at first and after each failure.
pub(super) type Open = Box<dyn Fn() -> Result<Database, OpenError> + Send>;

/// A database that is open and of our format.
pub(super) struct Database(redb::Database);

impl Database {
    /// That in the file at `path`.
    pub(super) fn at(path: &Path, was_opened: &WasOpened, sync_failed: &SyncFailed) -> Result<Self, OpenError> {
        Self::on(LockedFile::open(path, was_opened)?, sync_failed, path)
    }

    /// That on `storage`; `path` is for the errors. The whole database is read and its checksums are verified.
    pub(super) fn on(storage: impl StorageBackend, sync_failed: &SyncFailed, path: &Path) -> Result<Self, OpenError> {
        let disk = Disk::over(storage, sync_failed).map_err(|error| OpenError::of_system(path, &error))?;
        // The library panics over some kinds of damage.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let mut builder = redb::Builder::new();
            builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
            let database = builder.create_with_backend(disk).map_err(redb::Error::from)?;
            let format = records::prepare(&database)?;
            Ok((database, format))
        }));
        match opened {
            Ok(Ok((database, records::Format::Ours))) => Ok(Self(database)),
            Ok(Ok((_, records::Format::OtherVersion))) => Err(OpenError::OtherVersion(path.to_owned())),
            Ok(Ok((_, records::Format::Foreign))) => Err(OpenError::NotAStore(path.to_owned())),
            Ok(Err(error)) => Err(OpenError::of_database(path, error)),
            Err(_) => Err(OpenError::Damaged(path.to_owned(), "it cannot be read".to_owned())),
        }
    }
}

/// Where the database is found while it is open.
pub(super) struct Slot {
    opened: RwLock<Option<Opened>>,
    last_failure: Mutex<Option<String>>,
}

struct Opened {
    database: Database,
    number: Opening,
}

/// Which opening of the database: those before it are closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opening(u64);

/// An error of the database, and the opening that it happened in. That one is of no use any more: redb refuses
/// everything after an error of the disk.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) opening: Opening,
    pub(super) cause: String,
}

impl Slot {
    pub(super) fn new(database: Database) -> Self {
        let opened = Opened { database, number: Opening(0) };
        Self { opened: RwLock::new(Some(opened)), last_failure: Mutex::default() }
    }

    /// Runs `question` on the last commit. `None` when the database is closed.
    pub(super) fn read<T>(
        &self,
        question: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, Option<Failure>> {
        self.with(|database| question(&database.0.begin_read()?))
    }

    /// Runs `work` on a new transaction, which it commits or drops. `None` when the database is closed.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, Option<Failure>> {
        self.with(|database| work(database.0.begin_write()?))
    }

    /// Closes the database, unless it was opened again since the failure.
    pub(super) fn close_after(&self, failure: &Failure) {
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if opened.as_ref().is_some_and(|opened| opened.number == failure.opening) {
            self.note(failure.cause.clone());
            tracing::error!(event = "store_failed", cause = failure.cause, "the store is closed and opened again");
            close(&mut opened);
        }
    }

    /// Notes why the database cannot be opened again. The log has each cause once, for it is tried again and again.
    pub(super) fn stays_closed(&self, cause: String) {
        if self.last_failure().as_ref() != Some(&cause) {
            tracing::error!(event = "store_failed", cause, "the store cannot be opened again yet");
        }
        self.note(cause);
    }

    /// Closes the database for good.
    pub(super) fn close(&self) {
        close(&mut self.opened.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Puts a database that was opened anew in place.
    pub(super) fn reopened(&self, database: Database, number: u64) {
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        *opened = Some(Opened { database, number: Opening(number) });
    }

    pub(super) fn is_open(&self) -> bool {
        self.opened.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The cause of the last failure, for the operator.
    pub(super) fn last_failure(&self) -> Option<String> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, cause: String) {
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(cause);
    }

    fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, Option<Failure>> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        let opened = opened.as_ref().ok_or(None)?;
        let failure = |cause: String| Some(Failure { opening: opened.number, cause });
        match catch_unwind(AssertUnwindSafe(|| work(&opened.database))) {
            Ok(done) => done.map_err(|error| failure(error.to_string())),
            Err(_) => Err(failure("the database is damaged".to_owned())),
        }
    }
}

fn close(opened: &mut Option<Opened>) {
    let closing = opened.take();
    // Closing writes, and must not bring down the thread that has to open it again.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(closing)));
}

/// Pages kept in memory, the system's own cache apart: the inner nodes of a large store and what is asked often.
const CACHE_BYTES: usize = 32 << 20;
