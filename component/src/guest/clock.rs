//! `wasi:clocks/wall-clock`.

use super::bindings::wasi::clocks::wall_clock;
use crate::ports::{Clock, Timestamp};

/// The host's wall clock.
pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let now = wall_clock::now();
        Timestamp(now.seconds.saturating_mul(1000).saturating_add(u64::from(now.nanoseconds / 1_000_000)))
    }
}
