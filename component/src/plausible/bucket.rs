//! Buckets of time and their labels, which are dates, or for hours a date and a time, on the site's clock:
//! <https://plausible.io/docs/stats-api#dimensions>.

use std::ops::Range;

use time::util::days_in_month;

use super::date_range::{DAY_SECONDS, date, midnight, time_of_day};
use super::dimension::Granularity;

impl Granularity {
    /// The whole bucket that a label names, in seconds of the site's clock since 1970-01-01T00:00, the end excluded. A
    /// week that the beginning of the range cuts has the range's first day as its label, not its Monday. `None`: the
    /// label is not one of this granularity, or the granularity is Plausible's to choose.
    pub fn bucket(self, label: &str) -> Option<Range<i64>> {
        if self == Granularity::Hour {
            let (day, clock) = label.split_once(' ')?;
            let midnight = midnight(date(day)?);
            let start = midnight + time_of_day(clock)?;
            // Plausible counts hours from the beginning of the day, so where clocks move by half an hour, the last one
            // ends with the day.
            return Some(start..(start + HOUR_SECONDS).min(midnight + DAY_SECONDS));
        }
        let day = date(label)?;
        let (days_before, days) = match self {
            Granularity::Day => (0, 1),
            Granularity::Week => (day.weekday().number_days_from_monday(), 7),
            Granularity::Month => (day.day() - 1, days_in_month(day.month(), day.year())),
            Granularity::Hour | Granularity::Auto => return None,
        };
        let start = midnight(day) - i64::from(days_before) * DAY_SECONDS;
        Some(start..start + i64::from(days) * DAY_SECONDS)
    }
}

const HOUR_SECONDS: i64 = 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plausible::date_range::instant;

    #[track_caller]
    fn check(granularity: Granularity, label: &str, bucket: Option<(&str, &str)>) {
        let second = |text: &str| instant(&format!("{text}:00Z")).unwrap();
        let expected = bucket.map(|(start, end)| second(start)..second(end));
        assert_eq!(granularity.bucket(label), expected, "{label}");
    }

    #[test]
    fn a_label_names_a_whole_hour_day_week_or_month() {
        check(Granularity::Hour, "2026-08-06 23:00:00", Some(("2026-08-06T23:00", "2026-08-07T00:00")));
        check(Granularity::Hour, "2026-10-04 23:30:00", Some(("2026-10-04T23:30", "2026-10-05T00:00")));
        check(Granularity::Day, "2026-12-31", Some(("2026-12-31T00:00", "2027-01-01T00:00")));
        check(Granularity::Week, "2026-08-03", Some(("2026-08-03T00:00", "2026-08-10T00:00")));
        check(Granularity::Week, "2026-08-05", Some(("2026-08-03T00:00", "2026-08-10T00:00")));
        check(Granularity::Month, "2028-02-01", Some(("2028-02-01T00:00", "2028-03-01T00:00")));
    }

    #[test]
    fn what_is_no_label_names_no_bucket() {
        check(Granularity::Hour, "2026-08-06", None);
        check(Granularity::Day, "2026-08-06 11:00:00", None);
        check(Granularity::Week, "2026-02-30", None);
        check(Granularity::Auto, "2026-08-06", None);
    }
}
