//! Why a store cannot be opened.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Why the file of a store cannot be used. The texts name it and say what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// Another process has it open.
    InUse(PathBuf),
    /// Something else is at the path. It is left as it is.
    NotAStore(PathBuf),
    /// It is there and has no content. It is left as it is.
    Empty(PathBuf),
    /// It begins with zeros where a store has its mark. It is left as it is.
    Zeros(PathBuf),
    /// A newer version of this program wrote it. It is left as it is.
    NewerVersion(PathBuf),
    /// A version of this program wrote it whose files are not read any more. It is left as it is.
    OlderVersion(PathBuf),
    /// It is a store, but not whole; the cause.
    Damaged(PathBuf, String),
    /// The file was open before and is no longer there.
    Gone(PathBuf),
    /// A file has taken the place of the one that was open, and may still be on its way there.
    Changing(PathBuf),
    /// A file has taken the place of the one that was open, and lacks what was acknowledged since.
    Outdated(PathBuf),
    /// Its folder does not exist.
    NoFolder(PathBuf),
    /// It must not be written; the cause.
    Denied(PathBuf, String),
    /// Its disk has no room for it.
    Full(PathBuf),
    /// The system failed; the cause.
    Failed(PathBuf, String),
}

impl OpenError {
    /// What a failed call of the system means.
    pub(crate) fn of_system(path: &Path, error: &std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::NoFolder(path.to_owned()),
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Self::Denied(path.to_owned(), error.to_string())
            }
            // redb says so of a file that does not begin with its mark.
            ErrorKind::InvalidData | ErrorKind::IsADirectory => Self::NotAStore(path.to_owned()),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full(path.to_owned()),
            ErrorKind::UnexpectedEof => Self::Damaged(path.to_owned(), "it is cut off".to_owned()),
            _ => Self::Failed(path.to_owned(), error.to_string()),
        }
    }

    /// What an error of the database means.
    pub(super) fn of_database(path: &Path, error: redb::Error) -> Self {
        match error {
            redb::Error::DatabaseAlreadyOpen => Self::InUse(path.to_owned()),
            redb::Error::UpgradeRequired(_) => Self::OlderVersion(path.to_owned()),
            // There is no variant for a version to come; a test holds the text.
            redb::Error::Corrupted(cause) if cause.contains("file format version") => {
                Self::NewerVersion(path.to_owned())
            }
            redb::Error::Corrupted(cause) => Self::Damaged(path.to_owned(), cause),
            redb::Error::Io(error) => Self::of_system(path, &error),
            error => Self::Failed(path.to_owned(), error.to_string()),
        }
    }
}

impl OpenError {
    /// Whether the store cannot be used as it is set up. The others pass by themselves, or when the disk is well.
    pub fn is_of_settings(&self) -> bool {
        match self {
            Self::NotAStore(_)
            | Self::Empty(_)
            | Self::Zeros(_)
            | Self::NewerVersion(_)
            | Self::OlderVersion(_)
            | Self::Damaged(..)
            | Self::NoFolder(_)
            | Self::Denied(..) => true,
            // These three are of a file that was open before, by a server that goes on.
            Self::Gone(_) | Self::Changing(_) | Self::Outdated(_) => false,
            Self::InUse(_) | Self::Full(_) | Self::Failed(..) => false,
        }
    }

    /// The name of the cause, for the log.
    pub(crate) fn cause(&self) -> &'static str {
        match self {
            Self::InUse(_) => "store_in_use",
            Self::NotAStore(_) => "store_foreign_file",
            Self::Empty(_) => "store_empty",
            Self::Zeros(_) => "store_zeros",
            Self::NewerVersion(_) => "store_newer_version",
            Self::OlderVersion(_) => "store_older_version",
            Self::Damaged(..) => "store_damaged",
            Self::Gone(_) => "store_gone",
            Self::Changing(_) => "store_changing",
            Self::Outdated(_) => "store_outdated",
            Self::NoFolder(_) => "store_no_folder",
            Self::Denied(..) => "store_denied",
            Self::Full(_) => "store_full",
            Self::Failed(..) => "store_not_opened",
        }
    }
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InUse(path) => write!(
                out,
                "the store {} is in use by another process; stop that one, or give each server a file of its own with \
                 --store file:PATH",
                path.display()
            ),
            Self::NotAStore(path) => write!(
                out,
                "{} is not a store and is left as it is; choose another path with --store file:PATH",
                path.display()
            ),
            Self::Empty(path) => write!(
                out,
                "the store {} is empty, as a crash or a full disk may leave a file; put a backup in its place with \
                 `plausible-mcp restore`, or remove it and start the server again: then everybody signs in again",
                path.display()
            ),
            Self::Zeros(path) => write!(
                out,
                "the store {} begins with zeros, as a crash may leave a file; put a backup in its place with \
                 `plausible-mcp restore`, or move it away and start the server again: then everybody signs in again",
                path.display()
            ),
            Self::NewerVersion(path) => write!(
                out,
                "the store {} was written by a newer plausible-mcp; start that version, put a backup of this one in \
                 its place with `plausible-mcp restore`, or choose another path with --store file:PATH, where \
                 everybody signs in again",
                path.display()
            ),
            Self::OlderVersion(path) => write!(
                out,
                "the store {} was written by an older plausible-mcp, whose files this one does not read; start that \
                 version, or choose another path with --store file:PATH, where everybody signs in again",
                path.display()
            ),
            Self::Damaged(path, cause) => write!(
                out,
                "the store {} is damaged ({cause}); put a backup in its place with `plausible-mcp restore`, or move it \
                 away and start the server again: then everybody signs in again",
                path.display()
            ),
            Self::Gone(path) => write!(
                out,
                "the store {} was moved away or deleted while it was in use; put it back, or stop the server and put a \
                 backup in its place with `plausible-mcp restore`; started without either, everybody signs in again",
                path.display()
            ),
            Self::Changing(path) => write!(
                out,
                "another file is put in the place of the store {}; it is looked at when it does not change any more",
                path.display()
            ),
            Self::Outdated(path) => write!(
                out,
                "the file that was put in the place of the store {} lacks what was written since, revocations too; \
                 stop the server and put it there with `plausible-mcp restore`, which ends every sign-in, or restart \
                 the server to go on with it as it is",
                path.display()
            ),
            Self::NoFolder(path) => write!(
                out,
                "the folder of the store {} does not exist; make it, or choose another path with --store file:PATH",
                path.display()
            ),
            Self::Denied(path, cause) => write!(
                out,
                "the store {} cannot be written ({cause}); let the server's user write to the file and its folder, or \
                 choose another path with --store file:PATH",
                path.display()
            ),
            Self::Full(path) => write!(
                out,
                "the disk of the store {} is full; make room, or choose another path with --store file:PATH",
                path.display()
            ),
            Self::Failed(path, cause) => write!(
                out,
                "the store {} cannot be opened ({cause}); fix that, or choose another path with --store file:PATH",
                path.display()
            ),
        }
    }
}

impl std::error::Error for OpenError {}
