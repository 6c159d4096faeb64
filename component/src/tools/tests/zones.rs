//! Whole days and their buckets in any time zone, with clocks that move by any amount at any time.

use proptest::prelude::*;
use time::Date;

use super::*;
use crate::plausible::{DateRange, Dimension, Granularity, Metric, Period, Query};
use crate::tools::buckets::complete;

/// A time zone whose clocks move once.
#[derive(Debug, Clone, Copy)]
struct Zone {
    /// When, in seconds since 1970.
    moves: i64,
    /// How far the clocks are from UTC before.
    before: i64,
    /// And after.
    after: i64,
}

/// What the local time of a day's end is where it comes twice or never.
#[derive(Clone, Copy)]
enum Pick {
    Earlier,
    Later,
}

impl Zone {
    fn offset(self, instant: i64) -> i64 {
        if instant < self.moves { self.before } else { self.after }
    }

    fn local(self, instant: i64) -> i64 {
        instant + self.offset(instant)
    }

    /// The instant of a local time. Where there is none, the one just before or just after.
    fn instant(self, local: i64, pick: Pick) -> i64 {
        let (early, late) = (local - self.before, local - self.after);
        match (early < self.moves, late >= self.moves, pick) {
            (true, true, Pick::Earlier) | (true, false, _) => early,
            (true, true, Pick::Later) | (false, true, _) => late,
            (false, false, Pick::Earlier) => self.moves - 1,
            (false, false, Pick::Later) => self.moves,
        }
    }

    fn written(self, instant: i64) -> String {
        let minutes = self.offset(instant) / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        let clock = label(self.local(instant)).replace(' ', "T");
        format!("{clock}{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
    }

    /// The range of days as Plausible resolves it (`datetime_range.ex`).
    fn range(self, first: i64, days: i64) -> (i64, i64) {
        (self.instant(first, Pick::Later), self.instant(first + days * DAY - 1, Pick::Earlier))
    }

    /// The labels of hours (`time.ex`): those of newer versions, which count from the beginning of each day. Where
    /// midnight comes twice, that is the first one. The range begins at the second, and leaves out hours over by then.
    fn hours(self, first: i64, days: i64) -> Vec<String> {
        let (from, to) = self.range(first, days);
        let starts = |day: i64| {
            let (early, late) = (first + day * DAY - self.before, first + day * DAY - self.after);
            if early < self.moves { early } else { late.max(self.moves) }
        };
        let of_day = |day: i64| {
            let end = starts(day + 1);
            let in_range = move |hour: &i64| *hour <= to && from < end.min(hour + 3600);
            (starts(day)..end).step_by(3600).filter(in_range).map(|instant| label(self.local(instant)))
        };
        (0..days).flat_map(of_day).collect()
    }

    /// And those of older ones, which count from the first moment by a clock that does not move.
    fn older_hours(self, first: i64, days: i64) -> Vec<String> {
        let (from, to) = self.range(first, days);
        let begin = self.local(from).div_euclid(3600) * 3600;
        (0..=(to - from) / 3600).map(|hour| label(begin + hour * 3600)).collect()
    }

    /// Whether the range begins within an hour: midnight comes twice, and not a whole number of hours apart. Plausible
    /// calls that hour partial too. No zone has one: clocks that went back from after midnight to before it did so by
    /// whole hours (IANA time zone database 2025b).
    fn cuts_an_hour(self, first: i64) -> bool {
        let has_two_midnights = first - self.before < self.moves && self.moves < first - self.after;
        has_two_midnights && (self.before - self.after) % 3600 != 0
    }
}

fn date(local: i64) -> String {
    let julian = i32::try_from(local.div_euclid(DAY) + 2_440_588).unwrap();
    Date::from_julian_day(julian).unwrap().to_string()
}

fn label(local: i64) -> String {
    let second = local.rem_euclid(DAY);
    format!("{} {:02}:{:02}:{:02}", date(local), second / 3600, second / 60 % 60, second % 60)
}

fn answer(zone: Zone, (from, to): (i64, i64), time_labels: Vec<String>) -> Answer {
    Answer {
        rows: vec![],
        period: Some(Period { from: zone.written(from), to: zone.written(to) }),
        time_labels,
        total_rows: None,
        warnings: vec![],
        dimensions: vec![],
        given: None,
    }
}

/// Clocks that move by a quarter of an hour or more, at any quarter from a day before the range to a day after.
fn zones() -> impl Strategy<Value = (Zone, i64, i64)> {
    let offsets = (-48_i64..=56, prop_oneof![-12_i64..=-1, 1_i64..=12]);
    let zones = (offsets, 1_i64..=8, -96_i64..=96 * 9, 0_i64..2000).prop_map(|((offset, shift), days, moves, day)| {
        let first = MONDAY + day * DAY;
        let (before, after) = (offset * 900, (offset + shift) * 900);
        (Zone { moves: first + moves * 900 - before, before, after }, first, days)
    });
    zones.prop_filter("no zone cuts an hour at midnight", |(zone, first, _)| !zone.cuts_an_hour(*first))
}

fn has_whole_buckets_only(zone: Zone, first: i64, days: i64) -> Result<(), TestCaseError> {
    let range = DateRange::parse(&format!("{},{}", date(first), date(first + (days - 1) * DAY))).unwrap();
    let dates = (0..days).map(|day| date(first + day * DAY)).collect();
    let ends = zone.range(first, days);
    for (granularity, labels) in [
        (Granularity::Day, dates),
        (Granularity::Hour, zone.hours(first, days)),
        (Granularity::Hour, zone.older_hours(first, days)),
    ] {
        let answer = answer(zone, ends, labels);
        let period = answer.period.clone().unwrap();
        prop_assert!(period.is_of_whole_days(&range), "{:?}", period);
        prop_assert_eq!(period.length(&range), Some(days * DAY), "{:?}", period);
        let query = Query::new("shop.example".into(), vec![Metric::Visitors], range.clone());
        let query = Query { dimensions: vec![Dimension::Time(granularity)], ..query };
        let series = complete(&answer, &query, Timestamp(4_000_000_000_000));
        prop_assert_eq!(series.to_come, 0);
        prop_assert!(series.rows.len() >= usize::try_from(days).unwrap());
        let part = series.rows.iter().find(|(_, is_part)| *is_part);
        prop_assert!(part.is_none(), "{:?} {:?}", period, part);
    }
    Ok(())
}

#[test]
fn a_day_with_two_midnights_has_the_hours_since_the_second() {
    for (place, day, moves, before, after) in [
        ("St. John's, 2010-11-07, at 00:01 by an hour", 14_920, 60, -9_000, -12_600),
        ("Goose Bay, 1988-10-30, at 00:01 by two hours", 6_877, 60, -7_200, -14_400),
        ("Casey, 2010-03-05, at 02:00 by three hours", 14_673, 7_200, 39_600, 28_800),
    ] {
        let first = day * DAY;
        let zone = Zone { moves: first + moves - before, before, after };
        let hours: Vec<_> = (0..24).map(|hour| label(first + hour * 3600)).collect();
        assert_eq!(zone.hours(first, 1), hours, "{place}");
        for days in 1..=8 {
            has_whole_buckets_only(zone, first, days).expect(place);
        }
    }
}

proptest! {
    #[test]
    fn a_range_of_days_that_is_over_has_whole_buckets_only((zone, first, days) in zones()) {
        has_whole_buckets_only(zone, first, days)?;
    }

    #[test]
    fn whole_weeks_are_whole((zone, first, _) in zones(), weeks in 1_i64..4) {
        let first = first - (first - MONDAY).rem_euclid(7 * DAY);
        let range = DateRange::parse("7d").unwrap();
        let labels = (0..weeks).map(|week| date(first + week * 7 * DAY)).collect();
        let answer = answer(zone, zone.range(first, weeks * 7), labels);
        let query = Query::new("shop.example".into(), vec![Metric::Visitors], range);
        let query = Query { dimensions: vec![Dimension::Time(Granularity::Week)], ..query };
        let series = complete(&answer, &query, Timestamp(4_000_000_000_000));
        prop_assert!(series.rows.iter().all(|(_, is_part)| !is_part), "{:?}", series.rows);
    }
}

const DAY: i64 = 24 * 60 * 60;

/// 2020-01-06T00:00.
const MONDAY: i64 = 1_578_268_800;
