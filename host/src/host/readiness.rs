//! Whether a host should be sent requests now.
//!
//! ```text
//! NotListening ── set_listening ──> listening ── set_draining ──> Draining
//! ```
//! A [`Server`](crate::Server) goes these steps by itself; an application that routes requests to the host says them.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::Host;

/// Why a host should not be sent requests now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReady {
    /// Nobody accepts connections for it yet.
    NotListening,
    /// It finishes what is in flight and takes no more.
    Draining,
    /// The store is away, refuses service or is slow.
    Store,
}

impl std::fmt::Display for NotReady {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::NotListening => "not listening yet",
            Self::Draining => "draining",
            Self::Store => "the store does not answer",
        })
    }
}

impl std::error::Error for NotReady {}

/// How far whoever accepts connections for the host is.
#[derive(Debug, Default)]
pub(super) struct Stage(AtomicU8);

impl Host {
    /// Whether the host should be sent requests now: connections are accepted for it, it is not draining, and the store
    /// answers a question within a second.
    ///
    /// # Errors
    /// The first of these that does not hold.
    pub async fn ready(&self) -> Result<(), NotReady> {
        match self.0.stage.0.load(Ordering::Relaxed) {
            LISTENING => {}
            DRAINING => return Err(NotReady::Draining),
            _ => return Err(NotReady::NotListening),
        }
        match tokio::time::timeout(STORE_TIME, self.store().get(PROBE)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(NotReady::Store),
        }
    }

    /// Says that connections are accepted for the host from now on. A [`Server`](crate::Server) says so when it runs;
    /// an application that routes requests to the host calls this, or the host never is [ready](Self::ready).
    pub fn set_listening(&self) {
        self.0.stage.0.store(LISTENING, Ordering::Relaxed);
    }

    /// Says that the host finishes what is in flight and should be sent no more. It still answers what comes. A
    /// [`Server`](crate::Server) says so as the first thing when it is told to stop.
    pub fn set_draining(&self) {
        self.0.stage.0.store(DRAINING, Ordering::Relaxed);
    }

    /// Whether that was said.
    pub(crate) fn is_draining(&self) -> bool {
        self.0.stage.0.load(Ordering::Relaxed) == DRAINING
    }
}

const LISTENING: u8 = 1;
const DRAINING: u8 = 2;
/// No record ever has this key.
const PROBE: &str = "readiness";
/// Orchestrators wait a second for a probe by default; one that answers later counts as failed there.
const STORE_TIME: Duration = Duration::from_millis(900);
