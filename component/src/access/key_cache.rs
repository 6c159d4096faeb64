//! When a key set that was fetched before may be used, and when it is fetched again.
//!
//! Invariant: a key set that is older than [`FRESH`] verifies nothing, so a key that its issuer withdrew is refused
//! then at the latest. Issuers rotate keys ahead of use, so an unknown `kid` is worth another look, but not one for
//! every token that an attacker makes up.

use super::key_set::KeySet;
use crate::ports::Timestamp;

/// A key set with its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedKeys {
    /// The keys.
    pub keys: KeySet,
    /// When they were fetched.
    pub fetched: Timestamp,
    /// When fetching was last tried, whatever came of it; not before `fetched`.
    pub tried: Timestamp,
}

/// What to do for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySetStep<'a> {
    /// Verify it with these keys.
    Use(&'a KeySet),
    /// Fetch the key set, note that this was tried, and verify with what came. When nothing came, the answer is an
    /// outage (503) unless [`decide`] says otherwise by then.
    Fetch,
    /// Refuse it: the key is unknown, and was looked for a moment ago.
    Refuse,
}

/// Decides for a token whose header names the key `key_id`.
pub fn decide<'a>(cached: Option<&'a CachedKeys>, key_id: &str, now: Timestamp) -> KeySetStep<'a> {
    let Some(cached) = cached.filter(|cached| is_within(cached.fetched, FRESH, now)) else { return KeySetStep::Fetch };
    if cached.keys.has(key_id) {
        KeySetStep::Use(&cached.keys)
    } else if is_within(cached.tried, COOL_DOWN, now) {
        KeySetStep::Refuse
    } else {
        KeySetStep::Fetch
    }
}

/// Whether `now` is less than `milliseconds` after `since`. A time that has not come yet counts as long ago: the clock
/// was set back, and nothing is known.
fn is_within(since: Timestamp, milliseconds: u64, now: Timestamp) -> bool {
    now.0.checked_sub(since.0).is_some_and(|age| age < milliseconds)
}

/// How long a key set is used, in milliseconds.
const FRESH: u64 = 5 * 60 * 1000;

/// How long an unknown `kid` causes no other fetch, in milliseconds.
const COOL_DOWN: u64 = 30 * 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::test_tokens::{FIRST, keys};

    const NOW: Timestamp = Timestamp(1_786_012_200_000);

    #[track_caller]
    fn check(fetched_ago: i64, tried_ago: i64, key_id: &str, expected: &str) {
        let before = |age: i64| Timestamp(NOW.0.checked_add_signed(-age).unwrap());
        let cached = CachedKeys { keys: keys(&[(FIRST, "k")]), fetched: before(fetched_ago), tried: before(tried_ago) };
        let step = match decide(Some(&cached), key_id, NOW) {
            KeySetStep::Use(keys) => {
                assert_eq!(keys, &cached.keys);
                "use"
            }
            KeySetStep::Fetch => "fetch",
            KeySetStep::Refuse => "refuse",
        };
        assert_eq!(step, expected, "{key_id}, fetched {fetched_ago} ms ago, tried {tried_ago} ms ago");
    }

    #[test]
    fn without_keys_they_are_fetched() {
        assert_eq!(decide(None, "k", NOW), KeySetStep::Fetch);
    }

    #[test]
    fn keys_are_used_for_five_minutes_and_never_after() {
        for (age, step) in [(0, "use"), (299_999, "use"), (300_000, "fetch"), (86_400_000, "fetch"), (-1, "fetch")] {
            check(age, age, "k", step);
        }
        // A fetch that failed in between prolongs nothing.
        check(300_000, 1_000, "k", "fetch");
        check(300_000, 1_000, "unknown", "fetch");
    }

    #[test]
    fn an_unknown_key_is_looked_for_once_in_thirty_seconds() {
        for (age, step) in [(0, "refuse"), (29_999, "refuse"), (30_000, "fetch"), (299_999, "fetch")] {
            check(age, age, "unknown", step);
        }
        check(200_000, 29_999, "unknown", "refuse");
        check(200_000, 30_000, "unknown", "fetch");
        check(200_000, -1, "unknown", "fetch");
        check(200_000, 0, "k", "use");
    }
}
