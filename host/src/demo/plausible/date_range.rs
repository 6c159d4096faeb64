//! `date_range`: its forms, and the instants a form stands for.
//!
//! `resolve` is pure in `now`. `Nd` ends yesterday, `Nmo` ends with the last
//! month; `month` and `year` reach to their last day, as in Plausible.

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde_json::Value;

use super::{inspect::inspect, zone};

/// A parsed form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DateRange {
    Today,
    Last24Hours,
    Days(i32),
    Month,
    Months(i32),
    Year,
    All,
    Dates(Date, Date),
    Instants(Timestamp, Timestamp),
}

/// First and last second of a range, both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

/// What the JSON schema lets through; the parser is stricter on `N`.
pub(super) fn has_known_shape(value: &Value) -> bool {
    match value {
        Value::String(word) => is_shorthand(word),
        Value::Array(items) => match items.as_slice() {
            [Value::String(from), Value::String(to)] => dates(from, to).is_some() || instants(from, to).is_some(),
            _ => false,
        },
        _ => false,
    }
}

/// Parses a form; the error is Plausible's text.
pub(super) fn parse(value: &Value) -> Result<DateRange, String> {
    let parsed = match value {
        Value::String(word) => shorthand(word),
        Value::Array(items) => match items.as_slice() {
            [Value::String(from), Value::String(to)] => dates(from, to).or_else(|| instants(from, to)),
            _ => None,
        },
        _ => None,
    };
    parsed.ok_or_else(|| format!("Invalid date_range {}", inspect(value)))
}

impl DateRange {
    /// The seconds the form stands for when asked at `now`; `start` is the
    /// first day with data; `trim` cuts `month` and `year` at today.
    /// `None` when the calendar ends before the range does.
    pub(super) fn resolve(self, now: Timestamp, start: Date, trim: bool) -> Option<Resolved> {
        let today = now.to_zoned(TimeZone::clone(zone::berlin())).date();
        let (first, last) = match self {
            Self::Last24Hours => {
                let first = now.checked_sub(24.hours()).ok()?;
                return Some(Resolved { first, last: now });
            }
            Self::Instants(first, last) => return Some(Resolved { first, last }),
            Self::Dates(first, last) => (first, last),
            Self::Today => (today, today),
            Self::Days(n) => (today.checked_sub(n.days()).ok()?, today.checked_sub(1.days()).ok()?),
            Self::Month => (today.first_of_month(), cut(today.last_of_month(), today, trim)),
            Self::Months(n) => (
                today.first_of_month().checked_sub(n.months()).ok()?,
                today.first_of_month().checked_sub(1.days()).ok()?,
            ),
            Self::Year => (today.first_of_year(), cut(today.last_of_year(), today, trim)),
            Self::All => (start, today),
        };
        Some(Resolved { first: zone::midnight(first)?, last: zone::last_second(last)? })
    }
}

fn cut(last: Date, today: Date, trim: bool) -> Date {
    if trim { last.min(today) } else { last }
}

fn is_shorthand(word: &str) -> bool {
    WORDS.iter().any(|(known, _)| *known == word) || count(word).is_some()
}

fn shorthand(word: &str) -> Option<DateRange> {
    if let Some((_, range)) = WORDS.iter().find(|(known, _)| *known == word) {
        return Some(*range);
    }
    match count(word)? {
        (n, "d") if (1..=MAX_DAYS).contains(&n) => Some(DateRange::Days(n)),
        (n, "mo") if (1..=MAX_MONTHS).contains(&n) => Some(DateRange::Months(n)),
        _ => None,
    }
}

/// Splits `7d` and `12mo`; a number that is too large counts as -1.
fn count(word: &str) -> Option<(i32, &str)> {
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = word.strip_suffix(unit)?;
    if digits.is_empty() || !matches!(unit, "d" | "mo") {
        return None;
    }
    Some((digits.parse().unwrap_or(-1), unit))
}

fn dates(from: &str, to: &str) -> Option<DateRange> {
    Some(DateRange::Dates(date(from)?, date(to)?))
}

fn date(text: &str) -> Option<Date> {
    let is_iso = text.len() == "2026-01-01".len();
    is_iso.then(|| text.parse().ok()).flatten()
}

fn instants(from: &str, to: &str) -> Option<DateRange> {
    Some(DateRange::Instants(instant(from)?, instant(to)?))
}

/// Offsets are part of the form, since a local time does not name an instant, and so are seconds, which Elixir's
/// `DateTime.from_iso8601` demands.
fn instant(text: &str) -> Option<Timestamp> {
    let (_, clock) = text.split_once(['T', ' '])?;
    let has_seconds = clock.get(5..6) == Some(":");
    has_seconds.then(|| text.parse().ok()).flatten()
}

/// The parser's bounds on `N`.
const MAX_DAYS: i32 = 5_000;
const MAX_MONTHS: i32 = 100;

const WORDS: &[(&str, DateRange)] = &[
    ("day", DateRange::Today),
    ("24h", DateRange::Last24Hours),
    ("month", DateRange::Month),
    ("year", DateRange::Year),
    ("all", DateRange::All),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resolved(range: Value) -> (String, String) {
        let now: Timestamp = "2026-07-15T10:30:00Z".parse().unwrap();
        let start = jiff::civil::date(2025, 6, 1);
        let range = parse(&range).unwrap().resolve(now, start, false).unwrap();
        (zone::iso8601(range.first), zone::iso8601(range.last))
    }

    #[test]
    fn every_form_resolves_as_in_plausible() {
        let day = |first: &str, last: &str| (format!("{first}T00:00:00+02:00"), format!("{last}T23:59:59+02:00"));
        assert_eq!(resolved(json!("day")), day("2026-07-15", "2026-07-15"));
        assert_eq!(resolved(json!("7d")), day("2026-07-08", "2026-07-14"));
        assert_eq!(resolved(json!("28d")), day("2026-06-17", "2026-07-14"));
        assert_eq!(resolved(json!("month")), day("2026-07-01", "2026-07-31"));
        assert_eq!(resolved(json!(["2026-07-01", "2026-07-02"])), day("2026-07-01", "2026-07-02"));
        assert_eq!(
            resolved(json!("6mo")),
            ("2026-01-01T00:00:00+01:00".to_owned(), "2026-06-30T23:59:59+02:00".to_owned())
        );
        assert_eq!(
            resolved(json!("year")),
            ("2026-01-01T00:00:00+01:00".to_owned(), "2026-12-31T23:59:59+01:00".to_owned())
        );
        assert_eq!(resolved(json!("all")), day("2025-06-01", "2026-07-15"));
        assert_eq!(
            resolved(json!("24h")),
            ("2026-07-14T12:30:00+02:00".to_owned(), "2026-07-15T12:30:00+02:00".to_owned())
        );
        assert_eq!(
            resolved(json!(["2026-07-01T00:00:00Z", "2026-07-01T12:00:00+03:00"])),
            ("2026-07-01T02:00:00+02:00".to_owned(), "2026-07-01T11:00:00+02:00".to_owned())
        );
    }

    #[test]
    fn a_point_in_time_has_seconds() {
        assert!(!has_known_shape(&json!(["2026-07-01T08:00+02:00", "2026-07-01T12:00+02:00"])));
    }

    #[test]
    fn numbers_out_of_bounds_are_invalid_date_ranges() {
        for word in ["0d", "5001d", "101mo", "99999999999d"] {
            assert_eq!(parse(&json!(word)), Err(format!("Invalid date_range \"{word}\"")));
        }
    }
}
