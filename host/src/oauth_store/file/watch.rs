//! Watches whether the disk answers, without asking it: a thread of its own looks how long the thread that writes has
//! been at work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::disk::Space;
use super::fault::Fault;

/// What is known of the disk.
#[derive(Debug, Default)]
pub(super) struct Watch {
    begun: Mutex<Option<Instant>>,
    hangs: AtomicBool,
    /// Whether a read got no answer, and none has since.
    reading_hangs: AtomicBool,
    space: Mutex<Option<Space>>,
}

/// Work that touches the disk. It ends when this is dropped.
pub(super) struct Working<'a>(&'a Watch);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        *self.0.begun.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if self.0.hangs.swap(false, Ordering::SeqCst) {
            tracing::info!(event = "store_answers", "the disk of the store answers again");
        }
    }
}

impl Watch {
    pub(super) fn working(&self) -> Working<'_> {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Working(self)
    }

    /// Notes what the file system has left.
    pub(super) fn saw(&self, space: Space) {
        *self.space.lock().unwrap_or_else(PoisonError::into_inner) = Some(space);
    }

    /// What the file system had left at the last look.
    pub(super) fn space(&self) -> Option<Space> {
        *self.space.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the disk has not answered for as long as it may take.
    pub(super) fn hangs(&self) -> bool {
        self.hangs.load(Ordering::SeqCst) || self.reading_hangs.load(Ordering::SeqCst)
    }

    /// Notes that nobody waits for a read any longer. The log has it once, until a read is answered.
    pub(super) fn read_is_given_up(&self) {
        if !self.reading_hangs.swap(true, Ordering::SeqCst) && !self.hangs.load(Ordering::SeqCst) {
            let (cause, text) = (Fault::Hangs.cause(), Fault::Hangs.to_string());
            tracing::error!(event = "store_failed", cause, text, "the store waits for its disk");
        }
    }

    /// Notes that a read was answered.
    pub(super) fn read_is_answered(&self) {
        if self.reading_hangs.load(Ordering::SeqCst) && self.reading_hangs.swap(false, Ordering::SeqCst) {
            tracing::info!(event = "store_answers", "the disk of the store answers again");
        }
    }

    /// Says once if the disk takes longer than `limit`.
    fn check(&self, limit: Duration) {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let lasts = begun.map(|begun| begun.elapsed()).filter(|lasts| *lasts >= limit);
        if let Some(lasts) = lasts
            && !self.hangs.swap(true, Ordering::SeqCst)
        {
            let (cause, text, seconds) = (Fault::Hangs.cause(), Fault::Hangs.to_string(), lasts.as_secs());
            tracing::error!(event = "store_failed", cause, text, seconds, "the store waits for its disk");
        }
    }
}

/// Checks until the other end of `ended` is dropped.
pub(super) fn run(watch: &Arc<Watch>, limit: Duration, ended: &Receiver<()>) {
    while ended.recv_timeout(limit / 10) == Err(RecvTimeoutError::Timeout) {
        watch.check(limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_work_that_lasts_is_a_disk_that_hangs() {
        let watch = Watch::default();
        watch.check(Duration::ZERO);
        assert!(!watch.hangs(), "nobody works");
        let working = watch.working();
        watch.check(Duration::from_secs(3600));
        assert!(!watch.hangs());
        watch.check(Duration::ZERO);
        assert!(watch.hangs());
        drop(working);
        assert!(!watch.hangs());
        watch.read_is_given_up();
        assert!(watch.hangs());
        watch.read_is_answered();
        assert!(!watch.hangs());
    }
}
