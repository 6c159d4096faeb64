//! The store as native code.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) use plausible_mcp_adapter_wasi::store::{FileStore as Store, StoreError};

/// The store in `folder`, by the real clock.
pub(crate) fn store(folder: &Path) -> Store {
    Store::new(folder, Box::new(now))
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970")
}

/// How often a process is killed. One starts in no time.
pub(crate) const KILLS: usize = 12;
