//! What keeps a store in a file from working, or from working fully.

use std::io::{Error, ErrorKind};

use super::OpenError;
use super::disk;
use super::locked_file::Loss;

/// Why the store does not work, or not fully. The texts are for people; the names are those of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The disk does not answer.
    Hangs,
    /// The disk is full; in the words of the system where it said so.
    Full(String),
    /// The file system is read-only.
    ReadOnly,
    /// The file is not the store's any more.
    Lost(Loss),
    /// The file cannot be opened again.
    NotOpened(OpenError),
    /// The database is not sound; the cause.
    Damaged(String),
    /// The disk failed; the cause.
    Failed(String),
}

impl Fault {
    /// What an error of the database means.
    pub(super) fn of_database(error: &redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => Self::of_system(error),
            redb::Error::Corrupted(cause) => Self::Damaged(cause.clone()),
            error => Self::Failed(error.to_string()),
        }
    }

    fn of_system(error: &Error) -> Self {
        if let Some(loss) = error.get_ref().and_then(|cause| cause.downcast_ref::<Loss>()) {
            return Self::Lost(*loss);
        }
        match error.kind() {
            _ if disk::is_full(error) => Self::Full(error.to_string()),
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            _ => Self::Failed(error.to_string()),
        }
    }

    /// The disk is full, and nobody has just met that.
    pub(crate) fn full() -> Self {
        Self::Full("nothing more can be added".to_owned())
    }

    /// Whether the disk is full.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    /// Whether nothing can be read either: no file is open.
    pub(crate) fn ends_reading(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::NotOpened(_))
    }

    /// The name of the cause, for the log.
    pub(crate) fn cause(&self) -> &'static str {
        match self {
            Self::Hangs => "store_disk_hangs",
            Self::Full(_) => "store_full",
            Self::ReadOnly => "store_read_only",
            Self::Lost(Loss::Away) => "store_gone",
            Self::Lost(Loss::Replaced) => "store_replaced",
            Self::Lost(Loss::CutOff | Loss::Overwritten) => "store_overwritten",
            Self::NotOpened(error) => error.cause(),
            Self::Damaged(_) => "store_damaged",
            Self::Failed(_) => "store_disk_failed",
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hangs => out.write_str("the disk does not answer"),
            Self::Full(cause) => {
                write!(out, "the disk is full ({cause}); revocations work, and nothing is added")
            }
            Self::ReadOnly => out.write_str("the file system is read-only"),
            Self::Lost(loss) => loss.fmt(out),
            Self::NotOpened(error) => error.fmt(out),
            Self::Damaged(cause) => write!(out, "the database is damaged ({cause})"),
            Self::Failed(cause) => write!(out, "the disk failed ({cause})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn each_fault_has_its_name_and_is_told_apart_from_the_disks() {
        let of_kind = |kind: ErrorKind| redb::Error::Io(kind.into());
        let lost = |loss: Loss| redb::Error::Io(Error::other(loss));
        for (error, cause) in [
            (of_kind(ErrorKind::StorageFull), "store_full"),
            (of_kind(ErrorKind::QuotaExceeded), "store_full"),
            (of_kind(ErrorKind::ReadOnlyFilesystem), "store_read_only"),
            (redb::Error::Io(Error::other("EIO")), "store_disk_failed"),
            (redb::Error::PreviousIo, "store_disk_failed"),
            (redb::Error::Corrupted("a page".to_owned()), "store_damaged"),
            (lost(Loss::Away), "store_gone"),
            (lost(Loss::Replaced), "store_replaced"),
            (lost(Loss::CutOff), "store_overwritten"),
            (lost(Loss::Overwritten), "store_overwritten"),
        ] {
            assert_eq!(Fault::of_database(&error).cause(), cause, "{error}");
        }
        let outdated = Fault::NotOpened(OpenError::Outdated(PathBuf::from("/s")));
        assert_eq!((outdated.cause(), Fault::full().is_full()), ("store_outdated", true));
    }
}
