//! The time of day as the component sees it: the system's, unless whoever makes the host passes another in.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wasmtime_wasi::HostWallClock;

/// Tells the time since 1970-01-01T00:00:00Z.
pub type WallClock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The system's clock. Before 1970 it is 1970.
pub(crate) fn system() -> WallClock {
    Arc::new(|| SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

/// What `wasi:clocks/wall-clock` asks.
pub(crate) struct HostClock(pub(crate) WallClock);

impl HostWallClock for HostClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        (self.0)()
    }
}
