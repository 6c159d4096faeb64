//! The time that records end by.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::oauth_store::Clock;

/// Tells the time since 1970. It follows the machine's clock but for steps back, which would bring back what has ended:
/// it then stands until the clock has caught up, or the process is restarted.
pub(super) fn wall_clock() -> Clock {
    not_going_back(|| SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

fn not_going_back(clock: impl Fn() -> Duration + Send + Sync + 'static) -> Clock {
    let latest = AtomicU64::new(0);
    Arc::new(move || {
        let now = u64::try_from(clock().as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(latest.fetch_max(now, Ordering::SeqCst).max(now))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_go_back() {
        let machine = Arc::new(AtomicU64::new(1000));
        let set = machine.clone();
        let clock = not_going_back(move || Duration::from_millis(set.load(Ordering::SeqCst)));
        for (set, told) in [(1000, 1000), (5000, 5000), (2000, 5000), (5001, 5001)] {
            machine.store(set, Ordering::SeqCst);
            assert_eq!(clock(), Duration::from_millis(told), "at {set}");
        }
    }
}
