//! Copies of a store: its records as they are at one moment, read from a store or written to a file.
//!
//! ```text
//! Snapshot (a store that is open, or a file) ── parts ──> CopyFile ── checked ──> a file in its place
//! ```
//! A copy is a store of its own. It holds what stands at its moment, and says when that was.

use std::fs::{self, File, TryLockError};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use redb::backends::FileBackend;
use redb::{ReadTransaction, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _};

use super::database::{self, Database};
use super::disk::Remembered;
use super::draft::{self, Draft};
use super::locked_file::WasOpened;
use super::records::{self, ABOUT, ENDS, RECORDS, milliseconds};
use super::writer::Message;
use super::{FileStore, OpenError, wall_clock};
use crate::oauth_store::StoreError;

/// A part of a copy on its way. They come in this order: one beginning, any number of records, one end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// How many records there may be.
    Begin(u64),
    /// Some records.
    Records(Vec<CopiedRecord>),
    /// That it is whole.
    End(Whole),
}

/// A record as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CopiedRecord {
    pub(crate) key: String,
    /// In milliseconds since 1970.
    pub(crate) end: u64,
    pub(crate) value: Vec<u8>,
}

/// What a copy is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole {
    /// How many records it has.
    pub(crate) records: u64,
    /// The last commit that it has.
    pub(crate) commits: u64,
    /// Its moment, in milliseconds since 1970.
    pub(crate) at: u64,
}

/// Why there is no copy. The texts say what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CopyError {
    /// Something is in the place of the copy.
    Exists(PathBuf),
    /// The place of the copy is the store itself.
    IsTheStore(PathBuf),
    /// There is no store to copy.
    NoStore(PathBuf),
    /// The file to copy from cannot be used.
    Source(OpenError),
    /// The copy cannot be written; its place and the cause.
    Unwritten(PathBuf, String),
    /// What was written is not what was read; its place and the difference.
    Unlike(PathBuf, String),
}

impl std::fmt::Display for CopyError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exists(path) => {
                write!(out, "{} is there already; choose another name, or replace it with --overwrite", path.display())
            }
            Self::IsTheStore(path) => {
                write!(out, "{} is the store itself; choose another name for the backup", path.display())
            }
            Self::NoStore(path) => write!(
                out,
                "there is no store {}; say where it is with --store file:PATH, or ask a running server with --control \
                 PATH",
                path.display()
            ),
            Self::Source(error) => error.fmt(out),
            Self::Unwritten(path, cause) => write!(out, "{} cannot be written: {cause}", path.display()),
            Self::Unlike(path, cause) => {
                write!(out, "{} did not become a sound copy ({cause}); nothing was left there", path.display())
            }
        }
    }
}

impl std::error::Error for CopyError {}

/// The records at one moment.
pub(crate) struct Snapshot {
    transaction: ReadTransaction,
    now: Duration,
    /// Kept open where nobody else does.
    _database: Option<Database>,
}

impl FileStore {
    /// The records as they are now. They stay so for the snapshot while others write.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, StoreError> {
        match self.database.snapshot() {
            Ok(transaction) => Ok(Snapshot { transaction, now: (self.clock)(), _database: None }),
            Err(failure) => {
                if let Some(failure) = failure {
                    self.send(Message::ReadFailed(failure))?;
                }
                Err(StoreError::Unavailable)
            }
        }
    }
}

impl Snapshot {
    /// The records of a store that no process has open. Makes none.
    pub(crate) fn of_file(path: &Path) -> Result<Self, CopyError> {
        if fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Err(CopyError::NoStore(path.to_owned()));
        }
        let remembered = Remembered::default();
        let database = Database::at(path, &WasOpened::default(), &remembered).map_err(CopyError::Source)?;
        let read = |error: redb::Error| CopyError::Source(OpenError::of_database(path, error));
        let transaction = database.begin_read().map_err(read)?;
        Ok(Self { transaction, now: wall_clock::wall_clock()(), _database: Some(database) })
    }

    /// Gives the records away, part by part, until `receive` says that it takes no more.
    pub(crate) fn parts(&self, mut receive: impl FnMut(Part) -> bool) -> Result<(), redb::Error> {
        let table = self.transaction.open_table(RECORDS)?;
        if !receive(Part::Begin(table.len()?)) {
            return Ok(());
        }
        let (at, mut records, mut batch, mut bytes) = (milliseconds(self.now), 0, Vec::new(), 0);
        for entry in table.iter()? {
            let (key, record) = entry?;
            let (end, value) = record.value();
            // What is over would end at once.
            if end <= at {
                continue;
            }
            records += 1;
            bytes += key.value().len() + value.len();
            batch.push(CopiedRecord { key: key.value().to_owned(), end, value: value.to_owned() });
            if bytes >= BATCH_BYTES {
                bytes = 0;
                if !receive(Part::Records(std::mem::take(&mut batch))) {
                    return Ok(());
                }
            }
        }
        let commits = records::last_commit(&self.transaction)?;
        if receive(Part::Records(batch)) {
            receive(Part::End(Whole { records, commits, at }));
        }
        Ok(())
    }
}

/// A copy that is being written. Dropping it leaves nothing.
pub(crate) struct CopyFile {
    place: PathBuf,
    replaces: bool,
    draft: Draft,
    database: redb::Database,
}

impl CopyFile {
    /// A copy for `place`, where nothing is unless it `replaces` that. `store` is what must not be replaced.
    pub(crate) fn begin(place: &Path, replaces: bool, store: Option<&Path>) -> Result<Self, CopyError> {
        let there = fs::metadata(place).ok();
        let identity = |about: &fs::Metadata| (about.dev(), about.ino());
        let of_store = store.and_then(|store| fs::metadata(store).ok());
        match &there {
            Some(there) if of_store.is_some_and(|store| identity(&store) == identity(there)) || is_held(place) => {
                return Err(CopyError::IsTheStore(place.to_owned()));
            }
            Some(there) if replaces && !there.is_file() => {
                return Err(CopyError::Unwritten(place.to_owned(), "it is not a file".to_owned()));
            }
            Some(_) if !replaces => return Err(CopyError::Exists(place.to_owned())),
            _ => {}
        }
        let draft = Draft::for_place(place).map_err(|error| unwritten(place, &error))?;
        let database = draft.database().map_err(|error| failed(place, error))?;
        records::prepare(&database).map_err(|error| failed(place, error))?;
        Ok(Self { place: place.to_owned(), replaces, draft, database })
    }

    /// Writes some records.
    pub(crate) fn add(&self, copied: &[CopiedRecord]) -> Result<(), CopyError> {
        let add = || {
            let transaction = self.database.begin_write()?;
            let (mut records, mut ends) = (transaction.open_table(RECORDS)?, transaction.open_table(ENDS)?);
            for CopiedRecord { key, end, value } in copied {
                records.insert(key.as_str(), (*end, value.as_slice()))?;
                ends.insert((*end, key.as_str()), ())?;
            }
            drop((records, ends));
            Ok(transaction.commit()?)
        };
        add().map_err(|error| failed(&self.place, error))
    }

    /// Puts the copy in its place, if it is whole.
    pub(crate) fn finish(self, whole: Whole) -> Result<(), CopyError> {
        let Self { place, replaces, draft, database } = self;
        let about = |database: &redb::Database| {
            let transaction = database.begin_write()?;
            let mut about = transaction.open_table(ABOUT)?;
            about.insert("commits", whole.commits)?;
            about.insert(records::COPIED, whole.at)?;
            drop(about);
            Ok(transaction.commit()?)
        };
        about(&database).map_err(|error| failed(&place, error))?;
        database.close().map_err(|error| failed(&place, error.into()))?;
        let there = count(&draft, &place)?;
        if there != (whole.records, whole.records) {
            let cause = format!("it has {} of {} records", there.0, whole.records);
            return Err(CopyError::Unlike(place, cause));
        }
        draft.place(replaces).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => CopyError::Exists(place.clone()),
            _ => unwritten(&place, &error),
        })
    }
}

/// Whether a process has the file as its store.
fn is_held(place: &Path) -> bool {
    File::open(place).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// How many records and ends the draft has, read from the disk with all checksums.
fn count(draft: &Draft, place: &Path) -> Result<(u64, u64), CopyError> {
    let backend = FileBackend::new(draft.file().map_err(|error| unwritten(place, &error))?);
    let backend = backend.map_err(|error| failed(place, error.into()))?;
    let unlike = |error: OpenError| CopyError::Unlike(place.to_owned(), error.to_string());
    let (database, _) = database::open_checked(backend, place).map_err(unlike)?;
    let count = |database: &redb::Database| {
        let transaction = database.begin_read()?;
        Ok((transaction.open_table(RECORDS)?.len()?, transaction.open_table(ENDS)?.len()?))
    };
    let there = count(&database).map_err(|error| failed(place, error))?;
    database.close().map_err(|error| failed(place, error.into()))?;
    Ok(there)
}

fn unwritten(place: &Path, error: &Error) -> CopyError {
    let cause = match error.kind() {
        ErrorKind::NotFound => format!("the folder {} does not exist", draft::folder_of(place).display()),
        _ => error.to_string(),
    };
    CopyError::Unwritten(place.to_owned(), cause)
}

fn failed(place: &Path, error: redb::Error) -> CopyError {
    match error {
        redb::Error::Io(error) => unwritten(place, &error),
        error => CopyError::Unwritten(place.to_owned(), error.to_string()),
    }
}

/// Bytes of the records that are on their way together.
const BATCH_BYTES: usize = 1 << 20;

/// Copies `file` as it is.
pub(super) fn copy_bytes(file: &mut File, to: &Draft) -> std::io::Result<u64> {
    std::io::copy(file, &mut to.file()?)
}
