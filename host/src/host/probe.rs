//! Questions to what answers fast when it is well: the store and its disk. One is under way at a time, whoever asks, and
//! nobody waits for longer than a probe of an orchestrator does.
//!
//! ```text
//! asked ── none under way ──> begun ──> told to Parts, when it comes
//!    └── one under way: its outcome is waited for, for what is left of the time
//! ```

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};

use crate::instance::Services;
use crate::oauth_store::{FileStore, OauthStore, StoreError};
use crate::parts::{Access, Fault, Parts, Room};

/// The probe of one host.
#[derive(Default)]
pub(super) struct Probe(Mutex<Option<UnderWay>>);

#[derive(Clone)]
struct UnderWay {
    begun: Instant,
    /// Its sender is gone when all is told.
    done: watch::Receiver<()>,
}

impl Probe {
    /// Asks the store and looks at its disk, or waits for who does already. What does not answer in time is away.
    pub(super) async fn ask(&self, services: &Arc<Services>) {
        let UnderWay { begun, mut done } = self.under_way(services);
        // An error says that the sender is gone.
        if timeout_at(begun + PROBE_TIME, done.changed()).await.is_err() {
            // A store in a file knows what it waits for.
            let known = services.oauth_store.store().file_store().and_then(OauthStore::cause);
            services.parts.store_answered(Access::Reads, Some(known.unwrap_or(StoreError::SILENT)));
        }
    }

    fn under_way(&self, services: &Arc<Services>) -> UnderWay {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = under_way.as_ref().filter(|known| known.done.has_changed().is_ok()) {
            return known.clone();
        }
        let (told, done) = watch::channel(());
        tokio::spawn(questions(services.clone(), told));
        under_way.insert(UnderWay { begun: Instant::now(), done }).clone()
    }
}

async fn questions(services: Arc<Services>, told: watch::Sender<()>) {
    let store = services.oauth_store.store();
    tokio::join!(
        async {
            // The store says by itself how it was answered; one that never answers is given up.
            let _ = timeout(PATIENCE, store.get(PROBE)).await;
        },
        look_at_disk(&services.parts, store),
    );
    if let Some(file) = store.file_store() {
        services.parts.file_is(&file.condition());
    }
    drop(told);
}

async fn look_at_disk(parts: &Parts, store: &dyn OauthStore) {
    let Some(file) = store.file() else { return };
    let condition = store.file_store().map(FileStore::condition);
    let found = condition.as_ref().and_then(|known| known.fault.as_ref()).and_then(Fault::of_disk);
    let room = if found == Some(Fault::DiskHangs) {
        // It would not answer this either.
        condition.and_then(|known| known.free_bytes).map(|free_bytes| Room { free_bytes })
    } else {
        // A thread that hangs on a dead disk does so for this probe alone.
        spawn_blocking(move || room_for(&file)).await.ok().flatten()
    };
    parts.disk_looked_at(room, found);
}

/// What may still be written on the file system of `file`.
fn room_for(file: &Path) -> Option<Room> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let about = rustix::fs::statvfs(file).or_else(|_| rustix::fs::statvfs(folder)).ok()?;
    Some(Room { free_bytes: about.f_bavail.saturating_mul(about.f_frsize) })
}

/// No record ever has this key.
const PROBE: &str = "readiness";
/// Orchestrators wait a second for a probe by default; one that answers later counts as failed there.
const PROBE_TIME: Duration = Duration::from_millis(500);
/// Longer than our own stores take to give up.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_room_of_its_file_system_before_it_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("records.redb");
        let before = room_for(&file).expect("the folder tells");
        std::fs::write(&file, "x").unwrap();
        assert!(before.free_bytes > 0 && room_for(&file).is_some());
        assert_eq!(room_for(Path::new("/nowhere/at/all")), None);
    }
}
