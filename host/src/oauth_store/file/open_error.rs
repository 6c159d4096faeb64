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
    /// Another version of this program wrote it. It is left as it is.
    OtherVersion(PathBuf),
    /// It is a store, but not whole; the cause.
    Damaged(PathBuf, String),
    /// The file was open before and is no longer there.
    Gone(PathBuf),
    /// Its folder does not exist.
    NoFolder(PathBuf),
    /// It must not be written; the cause.
    Denied(PathBuf, String),
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
            ErrorKind::UnexpectedEof => Self::Damaged(path.to_owned(), "it is cut off".to_owned()),
            _ => Self::Failed(path.to_owned(), error.to_string()),
        }
    }

    /// What an error of the database means.
    pub(super) fn of_database(path: &Path, error: redb::Error) -> Self {
        match error {
            redb::Error::DatabaseAlreadyOpen => Self::InUse(path.to_owned()),
            redb::Error::UpgradeRequired(_) => Self::OtherVersion(path.to_owned()),
            // There is no variant for a version to come; a test holds the text.
            redb::Error::Corrupted(cause) if cause.contains("file format version") => {
                Self::OtherVersion(path.to_owned())
            }
            redb::Error::Corrupted(cause) => Self::Damaged(path.to_owned(), cause),
            redb::Error::Io(error) => Self::of_system(path, &error),
            error => Self::Failed(path.to_owned(), error.to_string()),
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
            Self::OtherVersion(path) => write!(
                out,
                "the store {} was written by another version; use that version, or choose another path with --store \
                 file:PATH, where everybody signs in again",
                path.display()
            ),
            Self::Damaged(path, cause) => write!(
                out,
                "the store {} is damaged ({cause}); put a backup in its place, or move it away and start the server \
                 again: then everybody signs in again",
                path.display()
            ),
            Self::Gone(path) => write!(
                out,
                "the store {} was moved away while it was in use; put it or a backup in its place, or restart the \
                 server without it: then everybody signs in again",
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
            Self::Failed(path, cause) => write!(
                out,
                "the store {} cannot be opened ({cause}); mend that, or choose another path with --store file:PATH",
                path.display()
            ),
        }
    }
}

impl std::error::Error for OpenError {}
