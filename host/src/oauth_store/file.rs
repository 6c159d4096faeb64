//! Records in one file on disk: for a server on one machine that remembers everybody across restarts.
//!
//! ```text
//! get, keys ----------------> a blocking thread ----> the last commit
//! put, create, take, ... ---> queue ---> one thread --> one commit for all that wait ---> answers
//! ```
//! A write is answered when it is on disk, so a crash at any moment loses nothing that was acknowledged. Writes of
//! concurrent callers share a commit, because the disk's sync is what costs. Times to live are counted on the wall
//! clock: records survive restarts. Where the disk is full, removals go on.

mod copy;
mod database;
mod disk;
mod draft;
mod fault;
mod job;
mod locked_file;
mod open_error;
mod records;
mod restore;
mod room;
#[cfg(test)]
mod tests;
mod wall_clock;
mod watch;
mod writer;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redb::ReadTransaction;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::self_test::{self, Broken};
use super::{Answer, Census, Clock, OauthStore, STORE_SETTING, StoreError, VALUE_BYTES};
use crate::operator::{Finding, Level, Origin};
pub(crate) use copy::{CopiedRecord, CopyError, CopyFile, Part, Snapshot, Whole};
use database::{Database, Open, Slot};
use disk::Remembered;
pub(crate) use fault::Fault;
use job::{Caller, Queued};
use locked_file::WasOpened;
pub use open_error::OpenError;
use records::Records;
pub(crate) use restore::{Found, Restore};
use watch::Watch;
use writer::{Message, Timing, Writer};

/// A store in one file, which it locks: one process at a time uses it. Must be used within a tokio runtime.
pub struct FileStore {
    path: PathBuf,
    clock: Clock,
    database: Arc<Slot>,
    /// Empty only while it is dropped.
    queue: Option<Sender<Message>>,
    room: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    patience: Duration,
    watch: Arc<Watch>,
    closed: Mutex<Receiver<()>>,
    /// Ends the thread that watches when it is dropped.
    _watched: Sender<()>,
}

/// How a store is. It is known without asking the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    /// Whether records can be added.
    pub(crate) can_write: bool,
    /// Why not, and what else is wrong.
    pub(crate) fault: Option<Fault>,
    /// What the file system had left at the last look, less than a second ago unless the disk hangs.
    pub(crate) free_bytes: Option<u64>,
}

impl Drop for FileStore {
    /// Waits until the file is closed and unlocked, for a while.
    fn drop(&mut self) {
        drop(self.queue.take());
        let closed = self.closed.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = closed.recv_timeout(CLOSING);
    }
}

impl FileStore {
    /// Opens the store at `path`, or makes it where there is no file. Its folder must exist. Blocks: it reads the whole
    /// file to see that it is sound.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::with_clock(path, wall_clock::wall_clock())
    }

    /// The same with records that end by `clock`, which tells the time since 1970.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn with_clock(path: &Path, clock: Clock) -> Result<Self, OpenError> {
        let (file, was_opened, remembered) = (path.to_owned(), WasOpened::default(), Remembered::default());
        let open: Open = Box::new(move || Database::at(&file, &was_opened, &remembered));
        Self::start(path, clock, open, Timing::default())
    }

    fn start(path: &Path, clock: Clock, open: Open, timing: Timing) -> Result<Self, OpenError> {
        let database = Arc::new(Slot::new(open()?, path));
        let (queue, messages) = mpsc::channel();
        let (closing, closed) = mpsc::channel();
        let (watched, ended) = mpsc::channel();
        let watch = Arc::<Watch>::default();
        let writer = Writer::new(database.clone(), open, clock.clone(), (messages, watch.clone()), timing);
        let watching = watch.clone();
        let failed = |error: std::io::Error| OpenError::Failed(path.to_owned(), error.to_string());
        spawn("store", move || {
            writer.run();
            // Nobody waits when the store was given up.
            let _ = closing.send(());
        })
        .map_err(failed)?;
        spawn("store-watch", move || watch::run(&watching, timing.hang, &ended)).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            clock,
            database,
            queue: Some(queue),
            room: Arc::new(Semaphore::new(QUEUE_BYTES / ROOM_BYTES)),
            readers: Arc::new(Semaphore::new(READERS)),
            patience: timing.patience,
            watch,
            closed: Mutex::new(closed),
            _watched: watched,
        })
    }

    /// How the store is. Does not wait for the disk.
    pub(crate) fn condition(&self) -> Condition {
        let space = self.watch.space();
        let hangs = self.watch.hangs().then_some(Fault::Hangs);
        let full = self.database.remembered().room().is_full().then(Fault::full);
        let fault = hangs.or_else(|| self.database.fault()).or(full);
        let can_write = fault.is_none() && self.database.is_open();
        Condition { can_write, fault, free_bytes: space.map(|space| space.free_bytes) }
    }

    /// Runs `operation` in the next transaction; answers when that is on disk. `bytes` is what it holds in memory.
    async fn write<T, F>(&self, bytes: usize, operation: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Records<'_>) -> Result<T, redb::Error> + Send + 'static,
    {
        self.queued(bytes, operation, |job| job).await
    }

    /// The same for an operation that only removes, for which room is kept on the disk.
    async fn remove<T, F>(&self, bytes: usize, operation: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Records<'_>) -> Result<T, redb::Error> + Send + 'static,
    {
        self.queued(bytes, operation, Queued::that_only_removes).await
    }

    async fn queued<T, F>(
        &self,
        bytes: usize,
        operation: F,
        kind: impl FnOnce(Queued<T, F>) -> Queued<T, F>,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&mut Records<'_>) -> Result<T, redb::Error> + Send + 'static,
    {
        let caller = Caller::default();
        let share = u32::try_from(bytes / ROOM_BYTES + 1).unwrap_or(u32::MAX);
        let waiting = async {
            let room = self.room.clone().acquire_many_owned(share).await.map_err(|_| StoreError::Unavailable)?;
            let (answer, answered) = oneshot::channel();
            self.send(Message::Job(Box::new(kind(Queued::new(operation, answer, &caller, room)))))?;
            // No answer: the thread failed in the middle.
            answered.await.unwrap_or(Err(StoreError::UnknownOutcome))
        };
        match timeout(self.patience, waiting).await {
            Ok(answer) => answer,
            Err(_) if caller.gives_up() => Err(StoreError::Unavailable),
            Err(_) => Err(StoreError::UnknownOutcome),
        }
    }

    /// Runs `question` on the last commit, on a thread that may block.
    async fn read<T, F>(&self, question: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&ReadTransaction, Duration) -> Result<T, redb::Error> + Send + 'static,
    {
        let (database, clock, watch) = (self.database.clone(), self.clock.clone(), self.watch.clone());
        let reading = async {
            // A read that hangs keeps its permit, so that a hanging disk does not use up all threads.
            let permit = self.readers.clone().acquire_owned().await.map_err(|_| StoreError::Unavailable)?;
            let answer = spawn_blocking(move || {
                let _permit = permit;
                let answer = database.read(|transaction| question(transaction, clock()));
                watch.read_is_answered();
                answer
            });
            match answer.await {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(Some(failure))) => {
                    self.send(Message::ReadFailed(failure))?;
                    Err(StoreError::Unavailable)
                }
                // Closed just now; or the runtime is going down.
                Ok(Err(None)) | Err(_) => Err(StoreError::Unavailable),
            }
        };
        timeout(self.patience, reading).await.unwrap_or_else(|_| {
            self.watch.read_is_given_up();
            Err(StoreError::Unavailable)
        })
    }

    fn send(&self, message: Message) -> Result<(), StoreError> {
        let queue = self.queue.as_ref().ok_or(StoreError::Unavailable)?;
        queue.send(message).map_err(|_| StoreError::Unavailable)
    }
}

impl OauthStore for FileStore {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        let key = key.to_owned();
        Box::pin(self.read(move |transaction, now| records::get(transaction, &key, now)))
    }

    fn put<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, ()> {
        let key = key.to_owned();
        Box::pin(async move {
            require_size(&value)?;
            self.write(key.len() + value.len(), move |records| records.put(&key, &value, ttl)).await
        })
    }

    fn create<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, bool> {
        let key = key.to_owned();
        Box::pin(async move {
            require_size(&value)?;
            self.write(key.len() + value.len(), move |records| records.create(&key, &value, ttl)).await
        })
    }

    fn take<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        let key = key.to_owned();
        // The answer may be as large as a value.
        Box::pin(self.write(key.len(), move |records| records.take(&key)))
    }

    fn replace<'a>(
        &'a self,
        key: &'a str,
        expected: &'a [u8],
        new: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        let (key, expected) = (key.to_owned(), expected.to_owned());
        Box::pin(async move {
            require_size(&new)?;
            // What is larger than any value equals none of them.
            if expected.len() > VALUE_BYTES {
                return Ok(false);
            }
            let bytes = key.len() + expected.len() + new.len();
            self.write(bytes, move |records| records.replace(&key, &expected, &new, ttl)).await
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> Answer<'a, ()> {
        let key = key.to_owned();
        Box::pin(self.remove(key.len(), move |records| records.delete(&key)))
    }

    fn keys<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        Box::pin(self.read(move |transaction, now| records::keys(transaction, &prefix, after.as_deref(), limit, now)))
    }

    fn census(&self) -> Pin<Box<dyn Future<Output = Option<Census>> + Send + '_>> {
        Box::pin(async {
            let records = self.read(records::count_by_kind).await.ok()?;
            let bytes = std::fs::metadata(&self.path).ok().map(|about| about.len());
            Some(Census { records, bytes })
        })
    }

    fn file_store(&self) -> Option<&FileStore> {
        Some(self)
    }

    fn findings(&self) -> Pin<Box<dyn Future<Output = Vec<Finding>> + Send + '_>> {
        Box::pin(async {
            let tested = self_test::run(self).await;
            let mut findings = vec![self.finding(tested)];
            findings.extend(open_to_others(&self.path));
            findings
        })
    }

    fn cause(&self) -> Option<&'static str> {
        self.condition().fault.map(|fault| fault.cause())
    }

    fn file(&self) -> Option<PathBuf> {
        Some(self.path.clone())
    }
}

impl FileStore {
    /// Where records are, and whether they can be written.
    fn finding(&self, tested: Result<(), Broken>) -> Finding {
        let path = self.path.display();
        let (level, text, advice) = match tested {
            Ok(()) => (Level::Ok, format!("records are kept in {path}, which can be written"), String::new()),
            Err(broken) => {
                let cause = self.condition().fault.or_else(|| self.database.last_failure());
                let cause = cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
                (Level::Error, format!("the store in {path} does not work: {broken}{cause}"), LOOK.to_owned())
            }
        };
        Finding { level, origin: Origin::Answer, setting: STORE_SETTING.to_owned(), text, advice }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(|_| ())
}

/// A finding where users besides the file's owner may open it.
fn open_to_others(path: &Path) -> Option<Finding> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o077 != 0).then(|| Finding {
        level: Level::Warn,
        origin: Origin::Answer,
        setting: STORE_SETTING.to_owned(),
        text: format!("{} is open to other users", path.display()),
        advice: "chmod 600 it".to_owned(),
    })
}

fn require_size(value: &[u8]) -> Result<(), StoreError> {
    if value.len() > VALUE_BYTES { Err(StoreError::TooLarge) } else { Ok(()) }
}

/// How long a store that is dropped waits for the disk.
const CLOSING: Duration = Duration::from_secs(5);
/// The memory of all writes that wait: 64 of the largest values, or some ten thousand of the usual size.
const QUEUE_BYTES: usize = 16 << 20;
/// What one write takes of that at least, and the unit in which it is counted.
const ROOM_BYTES: usize = 1 << 10;
/// Reads at a time. More threads would wait for the same disk.
const READERS: usize = 16;
const LOOK: &str = "look at the disk: is it full, read-only or broken? The server goes on by itself when it is well";
