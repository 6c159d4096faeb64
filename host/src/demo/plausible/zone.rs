//! The reporting timezone of the simulated sites, Europe/Berlin, from the
//! EU's fixed rule: exact for today's dates and needs no timezone database.

use std::sync::LazyLock;

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, date},
    tz::TimeZone,
};

/// The zone itself.
pub(super) fn berlin() -> &'static TimeZone {
    &BERLIN
}

/// First instant of a local day.
pub(super) fn midnight(day: Date) -> Option<Timestamp> {
    day.to_zoned(berlin().clone()).ok().map(|z| z.timestamp())
}

/// Last whole second of a local day.
pub(super) fn last_second(day: Date) -> Option<Timestamp> {
    midnight(day.tomorrow().ok()?)?.checked_sub(SignedDuration::from_secs(1)).ok()
}

/// Seconds to add to a Unix time to read it as local wall-clock time.
pub(super) fn offset_seconds(at: Timestamp) -> i64 {
    i64::from(berlin().to_offset(at).seconds())
}

/// `2026-07-01T00:00:00+02:00`.
pub(super) fn iso8601(at: Timestamp) -> String {
    at.to_zoned(berlin().clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// The local date of an instant.
pub(super) fn local_date(at: Timestamp) -> Date {
    at.to_zoned(berlin().clone()).date()
}

/// Days since 1970-01-01.
pub(super) fn day_number(day: Date) -> i64 {
    day.duration_since(EPOCH).as_hours() / 24
}

/// The inverse of [`day_number`].
pub(super) fn day_from_number(number: i64) -> Option<Date> {
    EPOCH.checked_add(SignedDuration::from_hours(number.checked_mul(24)?)).ok()
}

const EPOCH: Date = date(1970, 1, 1);

static BERLIN: LazyLock<TimeZone> =
    LazyLock::new(|| TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("the EU rule is a POSIX time zone"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summer_time_changes_the_length_of_a_day() {
        let hours = |day: Date| {
            let first = midnight(day).unwrap().as_second();
            (last_second(day).unwrap().as_second() + 1 - first) / 3600
        };
        assert_eq!(hours(date(2026, 3, 29)), 23);
        assert_eq!(hours(date(2026, 7, 1)), 24);
        assert_eq!(hours(date(2026, 10, 25)), 25);
    }

    #[test]
    fn day_numbers_are_invertible() {
        for day in [date(1969, 12, 30), date(2026, 2, 28), date(2028, 2, 29)] {
            assert_eq!(day_from_number(day_number(day)), Some(day));
        }
    }
}
