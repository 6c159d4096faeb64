//! Completes a series: Plausible returns no row for a bucket without data, and labels buckets that are yet to come.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Number;

use crate::plausible::{Answer, Dimension, Granularity, Label, Metric, MetricValue, Query, Row};
use crate::ports::Timestamp;

/// A complete series.
#[derive(Debug, PartialEq)]
pub struct Series {
    /// The buckets in order, and whether each is a part only: cut by an end of the range, or still running.
    pub rows: Vec<(Row, bool)>,
    /// How many buckets were left out because they begin after now.
    pub to_come: usize,
}

/// Fills empty buckets (counts with 0, everything else with null), drops those that begin after now, and marks those of
/// which only a part belongs to the range and is over.
pub fn complete(answer: &Answer, query: &Query, now: Timestamp) -> Series {
    let rows = filled(answer, &query.metrics);
    let granularity = granularity(answer, query);
    let Some((span, elapsed)) = elapsed(answer, query, granularity, now) else {
        return Series { rows: rows.into_iter().map(|row| (row, false)).collect(), to_come: 0 };
    };
    // No hour is cut where a range begins with a day. One may have a label of the day before: clocks were put back then.
    let may_be_cut = granularity != Granularity::Hour || !query.date_range.is_of_days();
    let is_part = |bucket: Range<i64>| (may_be_cut && bucket.start < elapsed.start) || elapsed.end < bucket.end;
    let mut to_come = 0;
    let begun = rows.into_iter().filter_map(|row| match granularity.bucket(row_label(&row)) {
        Some(bucket) if elapsed.end <= bucket.start => {
            // On a day of 25 hours older versions of Plausible label an hour of the next one too.
            to_come += usize::from(bucket.start < span.end);
            None
        }
        bucket => Some((row, bucket.is_some_and(is_part))),
    });
    let rows = begun.collect();
    Series { rows, to_come }
}

/// A row per bucket. Labels are dates or dates with hours, which sort by their text. Where clocks are put back, two
/// hours have one label; what has a row needs no other.
fn filled(answer: &Answer, metrics: &[Metric]) -> Vec<Row> {
    let mut rows: Vec<Row> = answer.rows.clone();
    let mut present: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &answer.rows {
        *present.entry(row_label(row)).or_default() += 1;
    }
    for label in &answer.time_labels {
        match present.get_mut(label.as_str()).filter(|count| **count > 0) {
            Some(count) => *count -= 1,
            None => rows.push(Row {
                dimensions: vec![Label::Text(label.clone())],
                metrics: metrics.iter().map(empty).collect(),
            }),
        }
    }
    rows.sort_by(|left, right| row_label(left).cmp(row_label(right)));
    rows
}

/// What Plausible chose, else what was asked for.
fn granularity(answer: &Answer, query: &Query) -> Granularity {
    let chosen = answer.dimensions.first();
    let chosen = chosen.and_then(|name| Granularity::ALL.into_iter().find(|(_, of)| of.dimension() == name));
    let asked = query.dimensions.iter().find_map(|dimension| match dimension {
        Dimension::Time(granularity) => Some(*granularity),
        _ => None,
    });
    chosen.map(|(_, granularity)| granularity).or(asked).unwrap_or(Granularity::Auto)
}

/// The range, and the part of it that is over. A bucket with data has begun, whatever the clock says: where clocks are
/// put forward or back within the range, the site's is known to the hour only.
fn elapsed(
    answer: &Answer,
    query: &Query,
    granularity: Granularity,
    now: Timestamp,
) -> Option<(Range<i64>, Range<i64>)> {
    let period = answer.period.as_ref()?;
    let (span, elapsed) = (period.span(&query.date_range)?, period.elapsed(&query.date_range, now)?);
    let starts = answer.rows.iter().filter_map(|row| granularity.bucket(row_label(row))).map(|bucket| bucket.start);
    let end = starts.max().map_or(elapsed.end, |newest| elapsed.end.max(newest + 1));
    Some((span, elapsed.start..end))
}

fn row_label(row: &Row) -> &str {
    match row.dimensions.first() {
        Some(Label::Text(label)) => label,
        _ => "",
    }
}

fn empty(metric: &Metric) -> MetricValue {
    if metric.is_count() { MetricValue::Number(Number::from(0)) } else { MetricValue::Null }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plausible::{DateRange, Period};

    /// An answer about a range from 2026-08-05 on, where the clock is two hours ahead of UTC.
    fn answer(rows: &[(&str, u32)], labels: &[&str], to: &str) -> Answer {
        Answer {
            rows: rows
                .iter()
                .map(|(label, visitors)| Row {
                    dimensions: vec![Label::Text((*label).to_owned())],
                    metrics: vec![MetricValue::Number(Number::from(*visitors)), MetricValue::Number(Number::from(50))],
                })
                .collect(),
            period: Some(Period { from: "2026-08-05T00:00:00+02:00".into(), to: to.into() }),
            time_labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            total_rows: None,
            warnings: vec![],
            dimensions: vec![],
            given: None,
        }
    }

    fn series_of(answer: &Answer, range: &str, granularity: Granularity) -> Series {
        let metrics = vec![Metric::Visitors, Metric::BounceRate];
        let query = Query::new("shop.example".into(), metrics, DateRange::parse(range).unwrap());
        complete(answer, &Query { dimensions: vec![Dimension::Time(granularity)], ..query }, NOW)
    }

    fn series(answer: &Answer, granularity: Granularity) -> Series {
        series_of(answer, "7d", granularity)
    }

    /// 2026-08-06T10:30:00Z, 12:30 at the site.
    const NOW: Timestamp = Timestamp(1_786_012_200_000);

    #[track_caller]
    fn check(answer: &Answer, granularity: Granularity, expected: &[(&str, u32, bool)], to_come: usize) {
        check_series(&series(answer, granularity), expected, to_come);
    }

    #[track_caller]
    fn check_series(series: &Series, expected: &[(&str, u32, bool)], to_come: usize) {
        let number = |row: &Row| row.metrics[0].number().expect("a count") as u32;
        let shown: Vec<_> = series.rows.iter().map(|(row, part)| (row_label(row), number(row), *part)).collect();
        assert_eq!(shown, expected);
        assert_eq!(series.to_come, to_come);
    }

    #[test]
    fn empty_buckets_are_zero_for_counts_and_null_for_rates() {
        let answer = answer(&[("2026-08-06", 7)], &["2026-08-05", "2026-08-06"], "2026-08-05T23:59:59+02:00");
        let series = series(&answer, Granularity::Day);
        let metrics: Vec<_> =
            series.rows.iter().map(|(row, _)| (row.metrics[0].number(), row.metrics[1].number())).collect();
        assert_eq!(metrics, [(Some(0.0), None), (Some(7.0), Some(50.0))]);
    }

    #[test]
    fn buckets_to_come_are_dropped_and_the_running_one_is_marked() {
        let answer =
            answer(&[("2026-08-05", 7)], &["2026-08-05", "2026-08-06", "2026-08-07"], "2026-08-31T23:59:59+02:00");
        check(&answer, Granularity::Day, &[("2026-08-05", 7, false), ("2026-08-06", 0, true)], 1);
    }

    #[test]
    fn hours_follow_the_clock_at_the_site() {
        let labels = ["2026-08-06 11:00:00", "2026-08-06 12:00:00", "2026-08-06 13:00:00"];
        let answer = answer(&[], &labels, "2026-08-06T23:59:59+02:00");
        let expected = [("2026-08-06 11:00:00", 0, false), ("2026-08-06 12:00:00", 0, true)];
        check(&answer, Granularity::Hour, &expected, 1);
    }

    #[test]
    fn a_range_that_is_over_has_no_running_bucket() {
        let answer = answer(&[("2026-08-05", 7)], &["2026-08-05"], "2026-08-05T23:59:59+02:00");
        check(&answer, Granularity::Day, &[("2026-08-05", 7, false)], 0);
    }

    #[test]
    fn buckets_that_an_end_of_the_range_cuts_are_marked() {
        let mut weeks =
            answer(&[("2026-07-15", 1), ("2026-07-20", 2), ("2026-07-27", 3)], &[], "2026-07-28T23:59:59+02:00");
        weeks.period.as_mut().unwrap().from = "2026-07-15T00:00:00+02:00".into();
        let expected = [("2026-07-15", 1, true), ("2026-07-20", 2, false), ("2026-07-27", 3, true)];
        check(&weeks, Granularity::Week, &expected, 0);

        let mut months = answer(&[("2026-06-01", 1), ("2026-07-01", 2)], &[], "2026-07-31T23:59:59+02:00");
        months.period.as_mut().unwrap().from = "2026-06-15T00:00:00+02:00".into();
        check(&months, Granularity::Month, &[("2026-06-01", 1, true), ("2026-07-01", 2, false)], 0);

        let mut day =
            answer(&[("2026-08-05 12:00:00", 1), ("2026-08-05 13:00:00", 2)], &[], "2026-08-05T13:29:59+02:00");
        day.period.as_mut().unwrap().from = "2026-08-05T12:30:00+02:00".into();
        let expected = [("2026-08-05 12:00:00", 1, true), ("2026-08-05 13:00:00", 2, true)];
        check_series(&series_of(&day, "24h", Granularity::Hour), &expected, 0);
    }

    /// Buckets of a range of days that is over, where all are whole.
    #[track_caller]
    fn all_whole(place: &str, from: &str, to: &str, granularity: Granularity, labels: &[&str]) {
        let mut answer = answer(&[], labels, to);
        answer.period.as_mut().unwrap().from = from.into();
        let series = series(&answer, granularity);
        assert_eq!((series.rows.len(), series.to_come), (labels.len(), 0), "{place}");
        assert!(series.rows.iter().all(|(_, is_part)| !is_part), "{place}: {:?}", series.rows);
    }

    #[test]
    fn a_bucket_is_whole_wherever_clocks_move_within_it_or_at_its_ends() {
        use Granularity::{Day, Hour, Month, Week};
        let (first, last) = ("2025-09-07T01:00:00-03:00", "2025-09-07T23:59:59-03:00");
        all_whole("Santiago, forward at midnight", first, last, Day, &["2025-09-07"]);
        let hours = ["2025-09-07 01:00:00", "2025-09-07 02:00:00", "2025-09-07 23:00:00"];
        all_whole("Santiago, forward at midnight", first, last, Hour, &hours);
        let (first, last) = ("2025-04-05T00:00:00-03:00", "2025-04-05T23:59:59-03:00");
        all_whole("Santiago, back at midnight", first, last, Day, &["2025-04-05"]);
        let twice = ["2025-04-05 22:00:00", "2025-04-05 23:00:00", "2025-04-05 23:00:00"];
        all_whole("Santiago, back at midnight", first, last, Hour, &twice);
        let (first, last) = ("2024-04-26T01:00:00+03:00", "2024-05-02T23:59:59+03:00");
        all_whole("Cairo, forward at midnight of a Friday", first, last, Day, &["2024-04-26", "2024-05-02"]);
        let (first, last) = ("1990-10-01T01:00:00-03:00", "1990-10-31T23:59:59-03:00");
        all_whole("forward as a month begins", first, last, Month, &["1990-10-01"]);
        let (first, last) = ("2018-10-01T01:00:00-03:00", "2018-10-14T23:59:59-03:00");
        all_whole("forward as a week begins", first, last, Week, &["2018-10-01", "2018-10-08"]);
        let (first, last) = ("2025-10-05T00:00:00+10:30", "2025-10-05T23:59:59+11:00");
        all_whole("Lord Howe, forward by half an hour", first, last, Day, &["2025-10-05"]);
        let halves = ["2025-10-05 01:00:00", "2025-10-05 02:30:00", "2025-10-05 22:30:00", "2025-10-05 23:30:00"];
        all_whole("Lord Howe, forward by half an hour", first, last, Hour, &halves);
        let (first, last) = ("2025-04-06T00:00:00+11:00", "2025-04-06T23:59:59+10:30");
        let halves = ["2025-04-06 01:00:00", "2025-04-06 01:30:00", "2025-04-06 23:30:00"];
        all_whole("Lord Howe, back by half an hour", first, last, Hour, &halves);
        let (first, last) = ("2020-01-06T00:00:00-01:15", "2020-01-06T23:59:59-01:15");
        let over_midnight = ["2020-01-06 00:00:00", "2020-01-05 23:45:00", "2020-01-06 00:45:00"];
        all_whole("back over midnight by an hour and a quarter", first, last, Hour, &over_midnight);
        let (first, last) = ("2011-12-26T00:00:00-10:00", "2012-01-01T23:59:59+14:00");
        all_whole("Samoa, a day left out", first, last, Day, &["2011-12-29", "2011-12-30", "2011-12-31"]);
        all_whole("Samoa, a day left out", first, last, Week, &["2011-12-26"]);
        let (first, last) = ("2011-12-31T00:00:00+14:00", "2012-01-01T23:59:59+14:00");
        all_whole("Samoa, a day left out first", first, last, Day, &["2011-12-31", "2012-01-01"]);
    }

    #[test]
    fn an_hour_beyond_the_range_is_not_one_to_come() {
        let labels = ["2025-10-26 23:00:00", "2025-10-27 00:00:00"];
        let mut answer = answer(&[], &labels, "2025-10-26T23:59:59+01:00");
        answer.period.as_mut().unwrap().from = "2025-10-26T00:00:00+02:00".into();
        check(&answer, Granularity::Hour, &[("2025-10-26 23:00:00", 0, false)], 0);
    }

    #[test]
    fn an_hour_that_comes_twice_is_filled_as_often_as_it_is_missing() {
        let twice = ["2026-08-05 02:00:00", "2026-08-05 02:00:00"];
        let answer = answer(&[("2026-08-05 02:00:00", 7)], &twice, "2026-08-05T23:59:59+02:00");
        let expected = [("2026-08-05 02:00:00", 7, false), ("2026-08-05 02:00:00", 0, false)];
        check(&answer, Granularity::Hour, &expected, 0);
    }

    #[test]
    fn the_granularity_is_the_one_that_plausible_chose() {
        let mut chosen = answer(&[("2026-08-05", 7)], &[], "2026-08-08T23:59:59+02:00");
        chosen.dimensions = vec!["time:week".into()];
        check(&chosen, Granularity::Auto, &[("2026-08-05", 7, true)], 0);
    }

    #[test]
    fn a_bucket_with_data_has_begun_although_clocks_are_put_back_before_the_range_ends() {
        let rows = [("2026-08-06 11:00:00", 5), ("2026-08-06 12:00:00", 6)];
        let answer = answer(&rows, &["2026-08-06 13:00:00"], "2026-08-31T23:59:59+01:00");
        let expected = [("2026-08-06 11:00:00", 5, false), ("2026-08-06 12:00:00", 6, true)];
        check(&answer, Granularity::Hour, &expected, 1);
    }
}
