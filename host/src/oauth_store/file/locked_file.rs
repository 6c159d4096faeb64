//! The file of a database: locked for this process, readable by its owner only, and watched for whether it is still
//! the one at its path.
//!
//! A write into a file that was deleted, or that another one has taken the place of, works and is lost. So the file is
//! compared with what is at the path after each sync, before anything is acknowledged, and between writes.

use std::cell::{Cell, RefCell};
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Read as _, Result as IoResult, Seek as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use redb::StorageBackend;
use rustix::fs::{StatVfsMountFlags, fstatvfs};

use super::disk::{Space, Storage};
use super::draft::Draft;
use super::{OpenError, records};

/// A file that is open and locked. The lock goes with the process, however that ends. Clones are the same file.
#[derive(Debug, Clone)]
pub(super) struct LockedFile(Arc<Held>);

#[derive(Debug)]
struct Held {
    file: File,
    path: PathBuf,
    /// As long as we made it.
    length: AtomicU64,
    /// What we last wrote at the beginning, where every commit writes.
    head: Mutex<Vec<u8>>,
    /// Why it is not the store's file any more. From then on nothing is written to it: what took its place by being
    /// copied over it must stay as it is.
    lost: OnceLock<Loss>,
    is_lost: Arc<AtomicBool>,
}

/// How a file is not the store's any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing is at its path.
    Away,
    /// Another file is at its path.
    Replaced,
    /// It is shorter than we made it.
    CutOff,
    /// Somebody else wrote to it.
    Overwritten,
}

/// What outlives an opening of the file.
#[derive(Debug, Default)]
pub(super) struct WasOpened {
    once: Cell<bool>,
    /// Whether the file was lost that was open last.
    is_lost: RefCell<Arc<AtomicBool>>,
    /// How the file looked at the last try that has taken its place.
    newcomer: Cell<Option<Look>>,
}

/// Device and number, length, and time of the last change of a file.
type Look = (u64, u64, u64, i64, i64);

impl std::fmt::Display for Loss {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Away => "the file was moved away or deleted while it was in use",
            Self::Replaced => "another file was put in its place while it was in use",
            Self::CutOff => "the file was cut off while it was in use",
            Self::Overwritten => "something else wrote to the file while it was in use",
        })
    }
}

impl std::error::Error for Loss {}

impl LockedFile {
    /// Opens and locks the file. Only at first one is made where there is none: begun anew later, it would forget
    /// without a word whatever was revoked or redeemed before.
    pub(super) fn open(path: &Path, was_opened: &WasOpened) -> Result<Self, OpenError> {
        let is_first = !was_opened.once.get();
        if is_first && fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            make(path)?;
        }
        let file = Self::lock(path, was_opened)?;
        require_content(path, &file.0.file)?;
        was_opened.once.set(true);
        Ok(file)
    }

    /// Opens and locks the file, whatever is in it.
    pub(super) fn lock(path: &Path, was_opened: &WasOpened) -> Result<Self, OpenError> {
        for _ in 0..TRIES {
            let file = open_existing(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_owned())),
                Err(TryLockError::Error(error)) => return Err(OpenError::of_system(path, &error)),
            }
            let failed = |error: Error| OpenError::of_system(path, &error);
            let about = file.metadata().map_err(failed)?;
            // A backup may have been put in its place between the two.
            if fs::metadata(path).is_ok_and(|there| identity(&there) == identity(&about)) {
                was_opened.require_at_rest(path, &about)?;
                return Ok(Self(Arc::new(Held::new(file, path, &about, was_opened).map_err(failed)?)));
            }
        }
        Err(OpenError::Failed(path.to_owned(), "it is replaced again and again".to_owned()))
    }
}

/// Opens the file at `path`.
fn open_existing(path: &Path) -> Result<File, OpenError> {
    // Opening a pipe would wait for its other end.
    if fs::metadata(path).is_ok_and(|about| !about.is_file()) {
        return Err(OpenError::NotAStore(path.to_owned()));
    }
    let opened = OpenOptions::new().read(true).write(true).open(path);
    opened.map_err(|error| match error.kind() {
        ErrorKind::NotFound => OpenError::Gone(path.to_owned()),
        _ => OpenError::of_system(path, &error),
    })
}

/// Makes a store without records. A process that is killed meanwhile leaves nothing at the path.
fn make(path: &Path) -> Result<(), OpenError> {
    let failed = |error: Error| OpenError::of_system(path, &error);
    let draft = Draft::for_place(path).map_err(failed)?;
    let database = draft.database().map_err(|error| OpenError::of_database(path, error))?;
    records::prepare(&database).map_err(|error| OpenError::of_database(path, error))?;
    database.close().map_err(|error| OpenError::of_database(path, error.into()))?;
    match draft.place(false) {
        // Another process was faster; whose it is shows when it is locked.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        placed => placed.map_err(failed),
    }
}

/// Refuses what is known to be no store before the database looks at it, which would take an empty file for a new one.
pub(super) fn require_content(path: &Path, file: &File) -> Result<(), OpenError> {
    let mut mark = Vec::new();
    // The position is for nobody else: everything else says where it reads.
    let read = file.try_clone().and_then(|file| file.take(MARK_BYTES).read_to_end(&mut mark));
    let rewound = read.and_then(|_| (&*file).rewind());
    rewound.map_err(|error| OpenError::of_system(path, &error))?;
    if mark.is_empty() {
        return Err(OpenError::Empty(path.to_owned()));
    }
    if mark.iter().all(|byte| *byte == 0) { Err(OpenError::Zeros(path.to_owned())) } else { Ok(()) }
}

impl WasOpened {
    /// Whether the file was lost that was open last: what is opened next may be another one.
    pub(super) fn was_lost(&self) -> bool {
        self.is_lost.borrow().load(Ordering::SeqCst)
    }

    /// A file that has taken the place of ours may still be on its way there, by a copy. It is looked at when it has not
    /// changed between two tries.
    fn require_at_rest(&self, path: &Path, about: &Metadata) -> Result<(), OpenError> {
        if !self.was_lost() {
            return Ok(());
        }
        let (device, number) = identity(about);
        let look = Some((device, number, about.len(), about.mtime(), about.mtime_nsec()));
        if self.newcomer.replace(look) == look { Ok(()) } else { Err(OpenError::Changing(path.to_owned())) }
    }
}

impl Held {
    fn new(file: File, path: &Path, about: &Metadata, was_opened: &WasOpened) -> IoResult<Self> {
        let mut head = vec![0; usize::try_from(about.len()).unwrap_or(HEAD_BYTES).min(HEAD_BYTES)];
        file.read_exact_at(&mut head, 0)?;
        let is_lost = Arc::<AtomicBool>::default();
        was_opened.is_lost.replace(is_lost.clone());
        let (length, head) = (AtomicU64::new(about.len()), Mutex::new(head));
        Ok(Self { file, path: path.to_owned(), length, head, lost: OnceLock::new(), is_lost })
    }

    fn head(&self) -> MutexGuard<'_, Vec<u8>> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn require_not_lost(&self) -> IoResult<()> {
        self.lost.get().map_or(Ok(()), |loss| Err(Error::other(*loss)))
    }

    /// How the file was lost, if it was.
    fn loss(&self) -> IoResult<Option<Loss>> {
        let about = self.file.metadata()?;
        match fs::metadata(&self.path) {
            Ok(there) if identity(&there) != identity(&about) => return Ok(Some(Loss::Replaced)),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Some(Loss::Away));
            }
            Err(error) => return Err(error),
        }
        if about.len() < self.length.load(Ordering::SeqCst) {
            return Ok(Some(Loss::CutOff));
        }
        let head = self.head();
        let mut there = vec![0; head.len()];
        self.file.read_exact_at(&mut there, 0)?;
        Ok((there != *head).then_some(Loss::Overwritten))
    }
}

impl StorageBackend for LockedFile {
    fn len(&self) -> IoResult<u64> {
        Ok(self.0.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> IoResult<()> {
        self.0.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> IoResult<()> {
        self.0.require_not_lost()?;
        self.0.file.set_len(len)?;
        self.0.length.store(len, Ordering::SeqCst);
        Ok(())
    }

    fn sync_data(&self) -> IoResult<()> {
        self.0.require_not_lost()?;
        self.0.file.sync_data()?;
        self.require_in_place()
    }

    fn write(&self, offset: u64, data: &[u8]) -> IoResult<()> {
        self.0.require_not_lost()?;
        if offset > 0 {
            return self.0.file.write_all_at(data, offset);
        }
        // Under the lock, so that nobody compares what is written by half.
        let mut head = self.0.head();
        self.0.file.write_all_at(data, 0)?;
        let written = data.len().min(HEAD_BYTES);
        let after = head.iter().skip(written);
        *head = data.iter().take(written).chain(after).copied().collect();
        Ok(())
    }

    fn close(&self) -> IoResult<()> {
        self.0.file.unlock()
    }
}

impl Storage for LockedFile {
    fn reserve(&self, from: u64, to: u64) -> IoResult<()> {
        self.0.require_not_lost()?;
        take_space(&self.0.file, from, to.saturating_sub(from))
    }

    fn backed(&self) -> IoResult<u64> {
        let about = self.0.file.metadata()?;
        let has_holes = about.blocks().saturating_mul(BLOCK_BYTES) < about.len();
        Ok(if has_holes { 0 } else { about.len() })
    }

    fn require_in_place(&self) -> IoResult<()> {
        self.0.require_not_lost()?;
        if let Some(loss) = self.0.loss()? {
            // Another thread may have found out at the same time.
            let _ = self.0.lost.set(loss);
            self.0.is_lost.store(true, Ordering::SeqCst);
        }
        self.0.require_not_lost()
    }

    fn space(&self) -> IoResult<Space> {
        let about = fstatvfs(&self.0.file)?;
        let free_bytes = about.f_bavail.saturating_mul(about.f_frsize);
        Ok(Space { free_bytes, is_read_only: about.f_flag.contains(StatVfsMountFlags::RDONLY) })
    }
}

#[cfg(target_os = "linux")]
fn take_space(file: &File, from: u64, length: u64) -> IoResult<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    Ok(fallocate(file, FallocateFlags::KEEP_SIZE, from, length)?)
}

#[cfg(not(target_os = "linux"))]
fn take_space(_: &File, _: u64, _: u64) -> IoResult<()> {
    Err(ErrorKind::Unsupported.into())
}

fn identity(about: &Metadata) -> (u64, u64) {
    (about.dev(), about.ino())
}

/// Length of redb's mark.
const MARK_BYTES: u64 = 9;
/// What is compared at the beginning: more than redb's header, less than its first page.
const HEAD_BYTES: usize = 512;
/// In which the system counts the space of a file, whatever the file system has.
const BLOCK_BYTES: u64 = 512;
/// How often a file that is replaced at the same moment is opened anew.
const TRIES: u32 = 5;
