//! Completes a series: Plausible returns no row for a bucket without data, and labels buckets that are yet to come.

use std::collections::BTreeSet;
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
    let Some(elapsed) = elapsed(answer, granularity, now) else {
        return Series { rows: rows.into_iter().map(|row| (row, false)).collect(), to_come: 0 };
    };
    let all = rows.len();
    let is_part = |bucket: Range<i64>| bucket.start < elapsed.start || elapsed.end < bucket.end;
    let begun = rows.into_iter().filter_map(|row| match granularity.bucket(row_label(&row)) {
        Some(bucket) if elapsed.end <= bucket.start => None,
        bucket => Some((row, bucket.is_some_and(is_part))),
    });
    let rows: Vec<(Row, bool)> = begun.collect();
    Series { to_come: all - rows.len(), rows }
}

/// A row per bucket. Labels are dates or dates with hours, which sort by their text.
fn filled(answer: &Answer, metrics: &[Metric]) -> Vec<Row> {
    let mut rows: Vec<Row> = answer.rows.clone();
    let present: BTreeSet<&str> = answer.rows.iter().map(row_label).collect();
    for label in answer.time_labels.iter().filter(|label| !present.contains(label.as_str())) {
        rows.push(Row { dimensions: vec![Label::Text(label.clone())], metrics: metrics.iter().map(empty).collect() });
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

/// The part of the range that is over. A bucket with data has begun, whatever the clock says: where clocks are put
/// forward or back within the range, the site's is known to the hour only.
fn elapsed(answer: &Answer, granularity: Granularity, now: Timestamp) -> Option<Range<i64>> {
    let elapsed = answer.period.as_ref()?.elapsed(now)?;
    let starts = answer.rows.iter().filter_map(|row| granularity.bucket(row_label(row))).map(|bucket| bucket.start);
    let end = starts.max().map_or(elapsed.end, |newest| elapsed.end.max(newest + 1));
    Some(elapsed.start..end)
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
        }
    }

    fn series(answer: &Answer, granularity: Granularity) -> Series {
        let metrics = vec![Metric::Visitors, Metric::BounceRate];
        let query = Query::new("shop.example".into(), metrics, DateRange::parse("7d").unwrap());
        complete(answer, &Query { dimensions: vec![Dimension::Time(granularity)], ..query }, NOW)
    }

    /// 2026-08-06T10:30:00Z, 12:30 at the site.
    const NOW: Timestamp = Timestamp(1_786_012_200_000);

    #[track_caller]
    fn check(answer: &Answer, granularity: Granularity, expected: &[(&str, u32, bool)], to_come: usize) {
        let series = series(answer, granularity);
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
        check(&day, Granularity::Hour, &[("2026-08-05 12:00:00", 1, true), ("2026-08-05 13:00:00", 2, true)], 0);
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
