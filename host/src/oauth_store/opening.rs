//! A store that cannot be opened yet: another process holds its file, or the disk is full. It is tried again until it
//! can, and refuses everything meanwhile, so that a server starts and serves what needs no store.
//!
//! ```text
//! opening ── opened ──────────────────────────────> open
//!    └── not now ──> waiting ── after a pause ──> opening
//! ```

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::sleep;

use super::{Answer, Census, FileStore, LocationError, OauthStore, OpenError, STORE_SETTING, StoreError};
use crate::operator::{Finding, Level, Origin};

/// A store that is opened while it is used already. Must be made within a tokio runtime.
pub struct OpeningStore {
    shared: Arc<Shared>,
    keeper: AbortHandle,
}

struct Shared {
    file: PathBuf,
    opened: OnceLock<Arc<dyn OauthStore>>,
    /// What the first attempt came to, where it failed.
    first: OnceLock<LocationError>,
    progress: watch::Sender<Progress>,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Progress {
    /// It is being opened for the first time.
    Opening,
    /// It could not be opened.
    Waiting(LocationError),
    /// It is open.
    Open,
}

/// Opens a store. Blocks.
pub(super) type Open = Arc<dyn Fn() -> Result<Arc<dyn OauthStore>, LocationError> + Send + Sync>;

impl OpeningStore {
    /// A store in `file`, which `open` opens.
    pub(super) fn begin(file: PathBuf, open: Open) -> Self {
        Self::with_pauses(file, open, FIRST_PAUSE)
    }

    fn with_pauses(file: PathBuf, open: Open, first_pause: Duration) -> Self {
        let progress = watch::Sender::new(Progress::Opening);
        let shared = Arc::new(Shared { file, opened: OnceLock::new(), first: OnceLock::new(), progress });
        let keeper = tokio::spawn(keep(shared.clone(), open, first_pause)).abort_handle();
        Self { shared, keeper }
    }

    /// Waits until it was tried once to open the store. What passes by itself is no error.
    ///
    /// # Errors
    /// When the store cannot be used as it is set up, now or later.
    pub async fn tried(&self) -> Result<(), LocationError> {
        let mut progress = self.shared.progress.subscribe();
        // The sender is `self`'s own, so that the channel is never closed.
        let is_open = progress.wait_for(|progress| *progress != Progress::Opening).await;
        let is_open = is_open.is_ok_and(|progress| *progress == Progress::Open);
        match self.shared.first.get() {
            Some(error) if !is_open && error.is_of_settings() => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// The store, where it is open.
    fn store(&self) -> Result<&dyn OauthStore, StoreError> {
        self.shared.opened.get().map(Arc::as_ref).ok_or(StoreError::Unavailable)
    }

    /// What `ask` comes to, where the store is open.
    fn asked<'a, T: Send + 'a>(&'a self, ask: impl FnOnce(&'a dyn OauthStore) -> Answer<'a, T>) -> Answer<'a, T> {
        match self.store() {
            Ok(store) => ask(store),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn finding(&self) -> Finding {
        let text = match &*self.shared.progress.borrow() {
            Progress::Waiting(error) => error.to_string(),
            _ => format!("the store {} is still being opened", self.shared.file.display()),
        };
        let (setting, advice) = (STORE_SETTING.to_owned(), String::new());
        Finding { level: Level::Error, origin: Origin::Unreachable, setting, text, advice }
    }
}

impl Drop for OpeningStore {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Tries until the store is open. The log has each error once.
async fn keep(shared: Arc<Shared>, open: Open, mut pause: Duration) {
    loop {
        let attempt = spawn_blocking({
            let open = open.clone();
            move || open()
        });
        // What a thread panicked with is in no text of ours; the log has the place.
        let opened = attempt.await.unwrap_or_else(|_| {
            let cause = "the thread that opened it failed".to_owned();
            Err(LocationError::File(OpenError::Failed(shared.file.clone(), cause)))
        });
        let error = match opened {
            Ok(store) => {
                if shared.first.get().is_some() {
                    tracing::info!(event = "store_opened", "the store is open");
                }
                // Nobody else sets it.
                let _ = shared.opened.set(store);
                shared.progress.send_replace(Progress::Open);
                return;
            }
            Err(error) => error,
        };
        let is_news = *shared.progress.borrow() != Progress::Waiting(error.clone());
        if is_news {
            let (cause, text) = (error.cause(), error.to_string());
            tracing::warn!(event = "store_not_open", cause, text, "the store is tried again until it can be opened");
        }
        // Only the first one is kept.
        let _ = shared.first.set(error.clone());
        shared.progress.send_replace(Progress::Waiting(error));
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

impl OauthStore for OpeningStore {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        self.asked(|store| store.get(key))
    }

    fn get_many<'a>(&'a self, keys: &'a [&'a str]) -> Answer<'a, Vec<Option<Vec<u8>>>> {
        self.asked(|store| store.get_many(keys))
    }

    fn is_far(&self) -> bool {
        self.store().is_ok_and(|store| store.is_far())
    }

    fn put<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, ()> {
        self.asked(|store| store.put(key, value, ttl))
    }

    fn create<'a>(&'a self, key: &'a str, value: Vec<u8>, ttl: Duration) -> Answer<'a, bool> {
        self.asked(|store| store.create(key, value, ttl))
    }

    fn take<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        self.asked(|store| store.take(key))
    }

    fn replace<'a>(
        &'a self,
        key: &'a str,
        expected: &'a [u8],
        new: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Answer<'a, bool> {
        self.asked(|store| store.replace(key, expected, new, ttl))
    }

    fn delete<'a>(&'a self, key: &'a str) -> Answer<'a, ()> {
        self.asked(|store| store.delete(key))
    }

    fn keys<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> Answer<'a, Vec<String>> {
        self.asked(|store| store.keys(prefix, after, limit))
    }

    fn census(&self) -> Pin<Box<dyn Future<Output = Option<Census>> + Send + '_>> {
        match self.store() {
            Ok(store) => store.census(),
            Err(_) => Box::pin(std::future::ready(None)),
        }
    }

    fn file_store(&self) -> Option<&FileStore> {
        self.store().ok().and_then(OauthStore::file_store)
    }

    fn findings(&self) -> Pin<Box<dyn Future<Output = Vec<Finding>> + Send + '_>> {
        match self.store() {
            Ok(store) => store.findings(),
            Err(_) => Box::pin(std::future::ready(vec![self.finding()])),
        }
    }

    fn cause(&self) -> Option<&'static str> {
        if let Ok(store) = self.store() {
            return store.cause();
        }
        match &*self.shared.progress.borrow() {
            Progress::Waiting(error) => Some(error.cause()),
            _ => None,
        }
    }

    fn file(&self) -> Option<PathBuf> {
        Some(self.shared.file.clone())
    }
}

/// A process that is told to stop lets go of its file soon after.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Trying costs little where the file is held or the disk is full, and who waits for it wants it back.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    use super::*;
    use crate::oauth_store::MemoryStore;

    /// A store that nobody has opened, and what tells how each attempt ends: with an error, or with a store.
    fn opening() -> (OpeningStore, Sender<Option<OpenError>>) {
        let (attempts, outcomes) = channel();
        let outcomes = Mutex::new(outcomes);
        let open: Open = Arc::new(move || match outcomes.lock().unwrap().recv() {
            Ok(Some(error)) => Err(LocationError::File(error)),
            Ok(None) | Err(_) => Ok(Arc::new(MemoryStore::default())),
        });
        (OpeningStore::with_pauses(path(), open, Duration::ZERO), attempts)
    }

    fn path() -> PathBuf {
        PathBuf::from("/state/records.redb")
    }

    async fn until(store: &OpeningStore, reached: impl FnMut(&Progress) -> bool) {
        store.shared.progress.subscribe().wait_for(reached).await.unwrap();
    }

    fn is_waiting(progress: &Progress, cause: &str) -> bool {
        matches!(progress, Progress::Waiting(error) if error.cause() == cause)
    }

    const TTL: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_store_that_is_held_is_unavailable_until_it_is_let_go() {
        let (store, attempts) = opening();
        assert_eq!(store.put("a", vec![1], TTL).await, Err(StoreError::Unavailable), "it was not tried yet");
        attempts.send(Some(OpenError::InUse(path()))).unwrap();
        assert_eq!(store.tried().await, Ok(()), "it passes");
        assert_eq!(store.get("a").await, Err(StoreError::Unavailable));
        assert_eq!(store.cause(), Some("store_in_use"));
        let finding = store.findings().await.remove(0);
        assert_eq!((finding.level, finding.origin), (Level::Error, Origin::Unreachable));
        assert!(finding.text.contains("/state/records.redb"), "{}", finding.text);
        attempts.send(Some(OpenError::Full(path()))).unwrap();
        until(&store, |progress| is_waiting(progress, "store_full")).await;
        attempts.send(None).unwrap();
        until(&store, |progress| *progress == Progress::Open).await;
        assert_eq!(store.put("a", vec![1], TTL).await, Ok(()));
        assert_eq!((store.get("a").await, store.cause()), (Ok(Some(vec![1])), None));
    }

    #[tokio::test]
    async fn what_is_set_up_wrong_is_an_error_at_first_and_waited_for_later() {
        for error in [
            OpenError::NoFolder(path()),
            OpenError::Denied(path(), "no".to_owned()),
            OpenError::NotAStore(path()),
            OpenError::Empty(path()),
            OpenError::Zeros(path()),
            OpenError::NewerVersion(path()),
            OpenError::OlderVersion(path()),
            OpenError::Damaged(path(), "cut off".to_owned()),
        ] {
            let (store, attempts) = opening();
            for outcome in [error.clone(), OpenError::InUse(path())] {
                attempts.send(Some(outcome)).unwrap();
            }
            until(&store, |progress| is_waiting(progress, "store_in_use")).await;
            let refused = Err(LocationError::File(error.clone()));
            assert_eq!(store.tried().await, refused, "also when it was tried again meanwhile");
            let (later, attempts) = opening();
            for outcome in [Some(OpenError::InUse(path())), Some(error.clone())] {
                attempts.send(outcome).unwrap();
            }
            until(&later, |progress| is_waiting(progress, error.cause())).await;
            assert_eq!(later.tried().await, Ok(()), "{error}");
            attempts.send(None).unwrap();
            until(&later, |progress| *progress == Progress::Open).await;
        }
        for error in [OpenError::Full(path()), OpenError::Failed(path(), "input/output error".to_owned())] {
            let (store, attempts) = opening();
            attempts.send(Some(error)).unwrap();
            assert_eq!(store.tried().await, Ok(()), "a disk may be well again");
        }
    }
}
