//! Completes a series: Plausible returns no row for a bucket without data, and labels buckets that are yet to come.

use std::collections::BTreeSet;

use serde_json::Number;

use crate::plausible::{Answer, Label, LocalTime, Metric, MetricValue, Row};
use crate::ports::Timestamp;

/// A complete series.
#[derive(Debug, PartialEq)]
pub struct Series {
    /// The buckets in order, and whether each is the one that is still running.
    pub rows: Vec<(Row, bool)>,
    /// How many buckets were left out because they begin after now.
    pub to_come: usize,
}

/// Fills empty buckets (counts with 0, everything else with null), drops those that begin after now, and marks the
/// running one. Labels are dates or dates with hours at the site, which sort by their text.
pub fn complete(answer: &Answer, metrics: &[Metric], now: Timestamp) -> Series {
    let clock = answer.period.as_ref().and_then(|period| period.running_at(now));
    let mut rows: Vec<Row> = answer.rows.clone();
    let present: BTreeSet<&str> = answer.rows.iter().map(row_label).collect();
    for label in answer.time_labels.iter().filter(|label| !present.contains(label.as_str())) {
        rows.push(Row { dimensions: vec![Label::Text(label.clone())], metrics: metrics.iter().map(empty).collect() });
    }
    rows.sort_by(|left, right| row_label(left).cmp(row_label(right)));
    let Some(LocalTime(clock)) = clock else {
        return Series { rows: rows.into_iter().map(|row| (row, false)).collect(), to_come: 0 };
    };
    let all = rows.len();
    rows.retain(|row| row_label(row) <= clock.as_str());
    let to_come = all - rows.len();
    let last = rows.len();
    let rows = rows.into_iter().enumerate().map(|(at, row)| (row, at + 1 == last)).collect();
    Series { rows, to_come }
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
    use crate::plausible::Period;

    const METRICS: [Metric; 2] = [Metric::Visitors, Metric::BounceRate];

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

    /// 2026-08-06T10:30:00Z, 12:30 at the site.
    const NOW: Timestamp = Timestamp(1_786_012_200_000);

    #[track_caller]
    fn check(answer: &Answer, expected: &[(&str, Option<u32>, bool)], to_come: usize) {
        let series = complete(answer, &METRICS, NOW);
        let shown: Vec<_> = series
            .rows
            .iter()
            .map(|(row, partial)| (row_label(row), row.metrics[0].number().map(|n| n as u32), *partial))
            .collect();
        assert_eq!(shown, expected);
        assert_eq!(series.to_come, to_come);
    }

    #[test]
    fn empty_buckets_are_zero_for_counts_and_null_for_rates() {
        let answer = answer(&[("2026-08-02", 7)], &["2026-08-01", "2026-08-02"], "2026-08-02T23:59:59+02:00");
        check(&answer, &[("2026-08-01", Some(0), false), ("2026-08-02", Some(7), false)], 0);
        let series = complete(&answer, &METRICS, NOW);
        assert_eq!(series.rows[0].0.metrics[1], MetricValue::Null);
    }

    #[test]
    fn buckets_to_come_are_dropped_and_the_running_one_is_marked() {
        let answer =
            answer(&[("2026-08-05", 7)], &["2026-08-05", "2026-08-06", "2026-08-07"], "2026-08-31T23:59:59+02:00");
        check(&answer, &[("2026-08-05", Some(7), false), ("2026-08-06", Some(0), true)], 1);
    }

    #[test]
    fn hours_follow_the_clock_at_the_site() {
        let labels = ["2026-08-06 11:00:00", "2026-08-06 12:00:00", "2026-08-06 13:00:00"];
        let answer = answer(&[], &labels, "2026-08-06T23:59:59+02:00");
        check(&answer, &[("2026-08-06 11:00:00", Some(0), false), ("2026-08-06 12:00:00", Some(0), true)], 1);
    }

    #[test]
    fn a_range_that_is_over_has_no_running_bucket() {
        let answer = answer(&[("2026-08-03", 7)], &["2026-08-03"], "2026-08-05T23:59:59+02:00");
        check(&answer, &[("2026-08-03", Some(7), false)], 0);
    }
}
