//! What an upstream asks for by `Retry-After` (RFC 9110, section 10.2.3), and until when.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::fmt::{rfc2822, strtime};

use super::breaker::seconds_up;
use super::places::KeyHash;
use crate::bindings::outbound_http::Response;

/// The keys with which an upstream is not to be asked yet.
#[derive(Debug, Default)]
pub(super) struct Pauses(Mutex<HashMap<KeyHash, Instant>>);

impl Pauses {
    /// The seconds that are left of a pause; `None` when there is none.
    pub(super) fn left(&self, key: &KeyHash, now: Instant) -> Option<u32> {
        let ends = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()?;
        let left = ends.checked_duration_since(now)?;
        Some(seconds_up(left)).filter(|left| *left > 0)
    }

    /// Begins a pause, or replaces the one that stands. Where there are as many as may be, the one that ends first makes
    /// room.
    pub(super) fn begin(&self, key: KeyHash, time: Duration, now: Instant) {
        let mut pauses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pauses.len() >= MOST_PAUSES && !pauses.contains_key(&key) {
            pauses.retain(|_, ends| *ends > now);
            let first = pauses.iter().min_by_key(|(_, ends)| **ends).map(|(key, _)| *key);
            if let Some(first) = first.filter(|_| pauses.len() >= MOST_PAUSES) {
                pauses.remove(&first);
            }
        }
        pauses.insert(key, now + time);
    }
}

/// The time for which an answer asks not to be asked again: of a 429 or a 503, by its first `Retry-After` that can be
/// read; at most an hour. `now` is the time since 1970.
pub(super) fn asked_pause(response: &Response, now: Duration) -> Option<Duration> {
    if !matches!(response.status, 429 | 503) {
        return None;
    }
    let mut lines = response.headers.iter().filter(|(name, _)| name == "retry-after");
    let time = lines.find_map(|(_, value)| delay(value.trim(), now))?;
    Some(time.min(LONGEST_PAUSE)).filter(|time| !time.is_zero())
}

/// Seconds, or the date at which they are over.
fn delay(value: &str, now: Duration) -> Option<Duration> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.parse().map_or(LONGEST_PAUSE, Duration::from_secs));
    }
    let date = date(value)?;
    let since_1970 = u64::try_from(date.as_second()).unwrap_or_default();
    Some(Duration::from_secs(since_1970).saturating_sub(now))
}

/// The three forms of RFC 9110, section 5.6.7, all of which a recipient MUST accept.
fn date(value: &str) -> Option<Timestamp> {
    if let Ok(date) = rfc2822::parse(value) {
        return Some(date.timestamp());
    }
    let obsolete = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let date = obsolete.iter().find_map(|format| strtime::parse(format, value).ok()?.to_datetime().ok())?;
    date.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|date| date.timestamp())
}

/// Plausible counts by the hour; what asks for more is a mistake, or meant for robots.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);
/// More keys than Plausible asks to wait in an hour at any one server; each takes a hundred bytes.
const MOST_PAUSES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// 1994-11-06T08:49:00Z, a little before the date of the specification's examples.
    const NOW: Duration = Duration::from_secs(784_111_740);

    fn asked(status: u16, values: &[&str]) -> Option<u64> {
        let headers = values.iter().map(|value| ("retry-after".to_owned(), (*value).to_owned())).collect();
        asked_pause(&Response { status, headers, body: Vec::new() }, NOW).map(|time| time.as_secs())
    }

    #[test]
    fn both_forms_of_the_header_are_read_and_bounded() {
        for (value, seconds) in [
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(37)),
            ("Sun Nov  6 08:49:37 1994", Some(37)),
            ("Sun, 06 Nov 1994 18:49:37 GMT", Some(3600)),
            ("999999", Some(3600)),
            ("99999999999999999999999", Some(3600)),
            ("0", None),
            ("Sun, 06 Nov 1994 08:48:00 GMT", None),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(asked(429, &[value]), seconds, "{value:?}");
        }
        assert_eq!((asked(503, &["5"]), asked(429, &["soon", "5"]), asked(429, &[])), (Some(5), Some(5), None));
        assert!([200, 301, 400, 500, 502].iter().all(|status| asked(*status, &["5"]).is_none()));
    }

    #[test]
    fn a_pause_ends_by_itself_and_is_of_one_key() {
        let (pauses, now) = (Pauses::default(), Instant::now());
        pauses.begin([1; 32], Duration::from_secs(10), now);
        assert_eq!(pauses.left(&[1; 32], now), Some(10));
        assert_eq!(pauses.left(&[1; 32], now + Duration::from_millis(9_001)), Some(1));
        assert_eq!(pauses.left(&[1; 32], now + Duration::from_secs(10)), None);
        assert_eq!(pauses.left(&[2; 32], now), None);
    }

    #[test]
    fn pauses_are_bounded() {
        let (pauses, now) = (Pauses::default(), Instant::now());
        let key = |number: usize| -> KeyHash {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            key
        };
        for number in 0..MOST_PAUSES + 5 {
            let seconds = u64::try_from(number).unwrap() + 1;
            pauses.begin(key(number), Duration::from_secs(seconds), now);
        }
        assert_eq!(pauses.0.lock().unwrap().len(), MOST_PAUSES);
        assert_eq!(pauses.left(&key(0), now), None, "the one that ends first made room");
        assert!(pauses.left(&key(MOST_PAUSES), now).is_some());
    }
}
