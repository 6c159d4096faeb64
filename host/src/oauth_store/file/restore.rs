//! Putting a backup into a store's place.
//!
//! ```text
//! lock the store -> copy the backup beside it -> check the copy -> end what must not come back -> rename
//! ```
//! The backup itself is only read. What was revoked after it was made would live again, so nothing of a sign-in is
//! kept, unless the operator wants it: clients stay, and sign in again without registering.

use std::fs::{self, File};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use redb::backends::FileBackend;
use redb::{ReadableDatabase as _, ReadableTable as _};

use super::copy::copy_bytes;
use super::database::open_checked;
use super::draft::{Draft, folder_of};
use super::locked_file::{LockedFile, WasOpened, require_content};
use super::records::{self, ABOUT, ENDS, RECORDS, milliseconds};
use super::{OpenError, wall_clock};

/// A backup that can be put into a store's place.
pub(crate) struct Restore {
    backup: PathBuf,
    store: PathBuf,
    draft: Draft,
    database: redb::Database,
    commits: u64,
    found: Found,
    /// Held until the backup is in its place.
    lock: Option<LockedFile>,
}

/// What is in a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// Records that stand now.
    pub(crate) records: u64,
    /// Those of them that belong to sign-ins.
    pub(crate) of_sign_ins: u64,
    /// When it was made.
    pub(crate) at: Duration,
}

/// Why a backup cannot be put in place. The store is as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RestoreError {
    /// The backup cannot be used.
    Backup(PathBuf, String),
    /// The backup is the store itself.
    IsTheStore(PathBuf),
    /// A server has the store.
    InUse(PathBuf),
    /// The store cannot be written; the cause.
    Store(PathBuf, String),
}

impl std::fmt::Display for RestoreError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Backup(path, cause) => write!(out, "{} cannot be restored: {cause}", path.display()),
            Self::IsTheStore(path) => write!(out, "{} is the store itself", path.display()),
            Self::InUse(path) => {
                write!(out, "a server uses the store {}; stop it, restore, and start it again", path.display())
            }
            Self::Store(path, cause) => write!(out, "the store {} cannot be written: {cause}", path.display()),
        }
    }
}

impl std::error::Error for RestoreError {}

impl Restore {
    /// Checks the backup, and sees that no server has the store.
    pub(crate) fn prepare(backup: &Path, store: &Path) -> Result<Self, RestoreError> {
        let unusable = |cause: String| RestoreError::Backup(backup.to_owned(), cause);
        let (mut source, about) = open_backup(backup).map_err(unusable)?;
        if fs::metadata(store).is_ok_and(|there| (there.dev(), there.ino()) == (about.dev(), about.ino())) {
            return Err(RestoreError::IsTheStore(backup.to_owned()));
        }
        let lock = lock(store)?;
        let unwritten = |error: Error| unwritten(store, &error);
        let draft = Draft::for_place(store).map_err(unwritten)?;
        copy_bytes(&mut source, &draft).map_err(unwritten)?;
        give_to_owner(&draft, store);
        let broken = |error: redb::Error| unusable(error.to_string());
        let backend = FileBackend::new(draft.file().map_err(unwritten)?).map_err(|error| broken(error.into()))?;
        let (database, commits) = open_checked(backend, backup).map_err(|error| unusable(flaw(&error)))?;
        let found = look_into(&database, about.modified().ok()).map_err(broken)?;
        let (backup, store) = (backup.to_owned(), store.to_owned());
        Ok(Self { backup, store, draft, database, commits, found, lock })
    }

    /// What is in the backup.
    pub(crate) fn found(&self) -> Found {
        self.found
    }

    /// Puts the backup in its place: with every sign-in ended, or with those that stood when it was made.
    pub(crate) fn finish(self, keeps_sign_ins: bool) -> Result<(), RestoreError> {
        let Self { backup, store, draft, database, commits, lock, .. } = self;
        let failed = |error: redb::Error| match error {
            redb::Error::Io(error) => unwritten(&store, &error),
            error => RestoreError::Backup(backup.clone(), error.to_string()),
        };
        keep_only(&database, keeps_sign_ins, commits + 1).map_err(failed)?;
        database.close().map_err(|error| failed(error.into()))?;
        draft.place(true).map_err(|error| unwritten(&store, &error))?;
        drop(lock);
        Ok(())
    }
}

/// Leaves what stands, with or without sign-ins, as commit `number`.
fn keep_only(database: &redb::Database, sign_ins: bool, number: u64) -> Result<(), redb::Error> {
    let now = milliseconds(wall_clock::wall_clock()());
    let stays = |key: &str, end: u64| end > now && (sign_ins || is_of_client(key));
    let transaction = database.begin_write()?;
    transaction.open_table(RECORDS)?.retain(|key, (end, _)| stays(key, end))?;
    transaction.open_table(ENDS)?.retain(|(end, key), ()| stays(key, end))?;
    transaction.open_table(ABOUT)?.remove(records::COPIED)?;
    records::count(&transaction, number)?;
    Ok(transaction.commit()?)
}

/// Whether a record is about a client, and about nobody who signed in. What is not known to be so is not kept.
fn is_of_client(key: &str) -> bool {
    key.split_once('/').is_some_and(|(kind, _)| KINDS_OF_CLIENTS.contains(&kind))
}

/// Opens the backup for reading, if it may be one.
fn open_backup(backup: &Path) -> Result<(File, fs::Metadata), String> {
    let about = fs::metadata(backup).map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("it is not a file".to_owned());
    }
    let file = File::open(backup).map_err(|error| error.to_string())?;
    require_content(backup, &file).map_err(|error| flaw(&error))?;
    Ok((file, about))
}

/// Locks the store, where there is one: no server may begin to write what is about to be replaced.
fn lock(store: &Path) -> Result<Option<LockedFile>, RestoreError> {
    match LockedFile::lock(store, &WasOpened::default()) {
        Ok(locked) => Ok(Some(locked)),
        Err(OpenError::Gone(_)) => Ok(None),
        Err(OpenError::InUse(path)) => Err(RestoreError::InUse(path)),
        Err(OpenError::NotAStore(path)) => Err(RestoreError::Store(path, "it is not a file".to_owned())),
        Err(error) => Err(RestoreError::Store(store.to_owned(), error.to_string())),
    }
}

/// The server's user has to be able to open what somebody else restores.
fn give_to_owner(draft: &Draft, store: &Path) {
    let owner = fs::metadata(store).or_else(|_| fs::metadata(folder_of(store)));
    if let (Ok(owner), Ok(file)) = (owner, draft.file()) {
        // Only root can give a file away; for anybody else it is theirs already.
        let _ = fchown(file, Some(owner.uid()), Some(owner.gid()));
    }
}

fn look_into(database: &redb::Database, changed: Option<std::time::SystemTime>) -> Result<Found, redb::Error> {
    let transaction = database.begin_read()?;
    let now = milliseconds(wall_clock::wall_clock()());
    let (mut records, mut of_sign_ins) = (0, 0);
    for entry in transaction.open_table(RECORDS)?.iter()? {
        let (key, record) = entry?;
        if record.value().0 > now {
            records += 1;
            of_sign_ins += u64::from(!is_of_client(key.value()));
        }
    }
    let copied = transaction.open_table(ABOUT)?.get(records::COPIED)?.map(|at| Duration::from_millis(at.value()));
    // A file that was copied by other means is as old as its last change.
    let changed = changed.and_then(|changed| changed.duration_since(UNIX_EPOCH).ok());
    Ok(Found { records, of_sign_ins, at: copied.or(changed).unwrap_or_default() })
}

fn unwritten(store: &Path, error: &Error) -> RestoreError {
    let cause = match error.kind() {
        ErrorKind::NotFound => format!("the folder {} does not exist", folder_of(store).display()),
        _ => error.to_string(),
    };
    RestoreError::Store(store.to_owned(), cause)
}

/// What is wrong with a file that is no store yet.
fn flaw(error: &OpenError) -> String {
    match error {
        OpenError::Empty(_) => "it is empty".to_owned(),
        OpenError::Zeros(_) => "it begins with zeros, as a crash may leave a file".to_owned(),
        OpenError::NotAStore(_) => "it is not a store".to_owned(),
        OpenError::NewerVersion(_) => "it was made by a newer plausible-mcp; restore it with that version".to_owned(),
        OpenError::OlderVersion(_) => {
            "it was made by an older plausible-mcp, whose files this one does not read".to_owned()
        }
        OpenError::Damaged(_, cause) => format!("it is damaged ({cause})"),
        error => error.to_string(),
    }
}

/// Kinds of records that hold nothing of anybody who signed in: registrations, those that nobody has used yet, and
/// clients' documents.
const KINDS_OF_CLIENTS: [&str; 4] = ["client", "unused", "document", "document-copy"];
