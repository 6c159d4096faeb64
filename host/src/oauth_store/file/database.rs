//! The database in the file: opening it, closing it over a failure, and the place where both sides find it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock, RwLockWriteGuard};

use redb::{ReadTransaction, ReadableDatabase as _, StorageBackend, WriteTransaction};

use super::disk::{Disk, Remembered, Space, Storage};
use super::fault::Fault;
use super::locked_file::{LockedFile, WasOpened};
use super::room::Growth;
use super::{OpenError, records};

/// Opens the database, at first and after each failure.
pub(super) type Open = Box<dyn Fn() -> Result<Database, OpenError> + Send>;

/// A database that is open and of our format, and what it is kept on.
pub(super) struct Database {
    database: redb::Database,
    storage: Box<dyn Storage>,
    remembered: Remembered,
}

impl Database {
    /// That in the file at `path`.
    pub(super) fn at(path: &Path, was_opened: &WasOpened, remembered: &Remembered) -> Result<Self, OpenError> {
        let was_lost = was_opened.was_lost();
        let file = LockedFile::open(path, was_opened)?;
        if was_lost {
            remembered.room().forget();
        }
        Self::on(file, remembered, path)
    }

    /// That on `storage`; `path` is for the errors. The whole database is read and its checksums are verified.
    pub(super) fn on(storage: impl Storage + Clone, remembered: &Remembered, path: &Path) -> Result<Self, OpenError> {
        let disk = Disk::over(storage.clone(), remembered).map_err(|error| OpenError::of_system(path, &error))?;
        let (database, number) = open_checked(disk, path)?;
        if number < remembered.acknowledged() {
            return Err(OpenError::Outdated(path.to_owned()));
        }
        remembered.acknowledge(number);
        Ok(Self { database, storage: Box::new(storage), remembered: remembered.clone() })
    }

    /// The last commit.
    pub(super) fn begin_read(&self) -> Result<ReadTransaction, redb::Error> {
        Ok(self.database.begin_read()?)
    }
}

/// Opens the database on `backend` if it is sound and of our format, and tells its last commit; `path` is for the
/// errors. The whole database is read and its checksums are verified.
pub(super) fn open_checked(backend: impl StorageBackend, path: &Path) -> Result<(redb::Database, u64), OpenError> {
    // The library panics over some kinds of damage.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let mut builder = redb::Builder::new();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        let database = builder.create_with_backend(backend).map_err(redb::Error::from)?;
        let format = records::prepare(&database)?;
        let number = match format {
            records::Format::Ours => records::last_commit(&database.begin_read()?)?,
            _ => 0,
        };
        Ok((database, format, number))
    }));
    let (database, format, number) = match opened {
        Ok(opened) => opened.map_err(|error| OpenError::of_database(path, error))?,
        Err(_) => return Err(OpenError::Damaged(path.to_owned(), "it cannot be read".to_owned())),
    };
    match format {
        records::Format::Ours => Ok((database, number)),
        records::Format::Newer => Err(OpenError::NewerVersion(path.to_owned())),
        records::Format::Older => Err(OpenError::OlderVersion(path.to_owned())),
        records::Format::Foreign => Err(OpenError::NotAStore(path.to_owned())),
    }
}

/// Where the database is found while it is open.
pub(super) struct Slot {
    opened: RwLock<Option<Opened>>,
    is_open: AtomicBool,
    path: PathBuf,
    remembered: Remembered,
    last_failure: Mutex<Option<Fault>>,
    /// The last failure, until a write works.
    fault: Mutex<Option<Fault>>,
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
    pub(super) fault: Fault,
}

impl Slot {
    pub(super) fn new(database: Database, path: &Path) -> Self {
        let remembered = database.remembered.clone();
        let opened = Opened { database, number: Opening(0) };
        Self {
            opened: RwLock::new(Some(opened)),
            is_open: AtomicBool::new(true),
            path: path.to_owned(),
            remembered,
            last_failure: Mutex::default(),
            fault: Mutex::default(),
        }
    }

    /// Runs `question` on the last commit. `None` when the database is closed.
    pub(super) fn read<T>(
        &self,
        question: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, Option<Failure>> {
        self.with(|database| question(&database.database.begin_read()?))
    }

    /// Runs `work` on a new transaction, which it commits or drops. `None` when the database is closed.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, Option<Failure>> {
        self.with(|database| work(database.database.begin_write()?))
    }

    /// The last commit, which stays readable as it is now while the database is open. `None` when it is closed.
    pub(super) fn snapshot(&self) -> Result<ReadTransaction, Option<Failure>> {
        self.with(|database| Ok(database.database.begin_read()?))
    }

    /// Sees whether the file is still in its place, and what its file system has left. `None` when it is closed.
    pub(super) fn look(&self) -> Result<Space, Option<Failure>> {
        self.with(|database| {
            database.storage.require_in_place()?;
            Ok(database.storage.space()?)
        })
    }

    /// Whether the file may be added to.
    pub(super) fn growth(&self) -> Result<Growth, Option<Failure>> {
        self.with(|database| Ok(database.remembered.room().growth(database.storage.as_ref())?))
    }

    /// What outlives the openings.
    pub(super) fn remembered(&self) -> &Remembered {
        &self.remembered
    }

    /// Closes the database, unless it was opened again since the failure.
    pub(super) fn close_after(&self, failure: &Failure) {
        let mut opened = self.place();
        if opened.as_ref().is_some_and(|opened| opened.number == failure.opening) {
            self.close_noted(&mut opened, failure);
        }
    }

    /// Closes the database and opens it anew, as opening `number`. Who asks meanwhile waits. After a `failure` it is
    /// left alone if it was opened again since; tells whether it was opened now.
    pub(super) fn renew(&self, failure: Option<&Failure>, number: u64, open: &Open) -> Result<bool, OpenError> {
        let mut opened = self.place();
        match failure {
            Some(failure) if opened.as_ref().is_none_or(|opened| opened.number != failure.opening) => {
                return Ok(false);
            }
            Some(failure) => self.close_noted(&mut opened, failure),
            None => close(&mut opened),
        }
        self.is_open.store(false, Ordering::SeqCst);
        match catch_unwind(AssertUnwindSafe(open)) {
            Ok(database) => *opened = Some(Opened { database: database?, number: Opening(number) }),
            Err(_) => return Err(OpenError::Failed(self.path.clone(), "it cannot be read".to_owned())),
        }
        self.is_open.store(true, Ordering::SeqCst);
        Ok(true)
    }

    /// Notes why the store does not work, or not fully. The log has each fault once, for it is met again and again.
    pub(super) fn note(&self, fault: Fault) {
        if self.fault().as_ref() != Some(&fault) {
            let (cause, text) = (fault.cause(), fault.to_string());
            tracing::error!(event = "store_failed", cause, text, "the store does not work");
        }
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault.clone());
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    /// Notes that a write worked.
    pub(super) fn works(&self) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Closes the database for good.
    pub(super) fn close(&self) {
        close(&mut self.place());
        self.is_open.store(false, Ordering::SeqCst);
    }

    /// Whether it is open. Does not wait for the disk.
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::SeqCst)
    }

    /// The last failure, for the operator.
    pub(super) fn last_failure(&self) -> Option<Fault> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A failure since which no write has worked.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn close_noted(&self, opened: &mut Option<Opened>, failure: &Failure) {
        self.note(failure.fault.clone());
        close(opened);
        self.is_open.store(false, Ordering::SeqCst);
    }

    fn place(&self) -> RwLockWriteGuard<'_, Option<Opened>> {
        self.opened.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, Option<Failure>> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        let opened = opened.as_ref().ok_or(None)?;
        let failure = |fault: Fault| Some(Failure { opening: opened.number, fault });
        match catch_unwind(AssertUnwindSafe(|| work(&opened.database))) {
            Ok(done) => done.map_err(|error| failure(Fault::of_database(&error))),
            Err(_) => Err(failure(Fault::Damaged("it cannot be read".to_owned()))),
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
