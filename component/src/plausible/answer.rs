//! Plausible's answer: <https://plausible.io/docs/stats-api#response-structure>.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::one_line;
use super::date_range::{DAY_SECONDS, DateRange, instant, local_and_offset};
use super::value::{Label, MetricValue};
use crate::ports::Timestamp;

/// A query's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The rows, in Plausible's order.
    pub rows: Vec<Row>,
    /// The range that Plausible resolved the query's to.
    pub period: Option<Period>,
    /// The labels of all buckets, where they were asked for.
    pub time_labels: Vec<String>,
    /// The number of rows of all pages together, where it was asked for.
    pub total_rows: Option<u64>,
    /// What Plausible warns of, as sentences.
    pub warnings: Vec<String>,
    /// The dimensions that Plausible resolved the query's to.
    pub dimensions: Vec<String>,
    /// When Plausible gave it, where that is longer ago than answers are used for.
    pub given: Option<Timestamp>,
}

/// One row: the values of the query's dimensions and metrics, in the query's order.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Row {
    /// The dimensions' values.
    #[serde(default)]
    pub dimensions: Vec<Label>,
    /// The metrics' values.
    pub metrics: Vec<MetricValue>,
}

/// A resolved range: two points in time as Plausible writes them, with the site's offset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Period {
    /// The first moment.
    pub from: String,
    /// The last.
    pub to: String,
}

/// The documented shape, as it is read: rows by their types, so that no tree is built for thousands of them.
#[derive(Deserialize)]
struct Document {
    results: Vec<Row>,
    #[serde(default)]
    meta: Value,
    #[serde(default)]
    query: Value,
}

impl Answer {
    /// Reads an answer. `None`: it does not have the documented shape, or far more values than any that has it.
    pub fn read(body: &[u8]) -> Option<Answer> {
        if values_at_most(body) > MAX_VALUES {
            return None;
        }
        let Document { results, meta, query } = serde_json::from_slice(body).ok()?;
        Some(Answer {
            rows: results,
            period: query.get("date_range").and_then(period),
            time_labels: strings(meta.get("time_labels")),
            total_rows: meta.get("total_rows").and_then(Value::as_u64),
            warnings: warnings(&meta),
            dimensions: strings(query.get("dimensions")),
            given: None,
        })
    }

    /// The time until which things are counted in it.
    pub fn counted_until(&self, now: Timestamp) -> Timestamp {
        self.given.unwrap_or(now)
    }
}

impl Period {
    /// The range as clocks at the site show it, in seconds since 1970-01-01T00:00, the end excluded. Of a range of whole
    /// days the ends are midnights, whatever Plausible names as the first and last moment: where clocks are put forward
    /// at midnight, a day begins at 01:00, and it is whole.
    pub fn span(&self, asked: &DateRange) -> Option<Range<i64>> {
        let (from, _) = local_and_offset(&self.from)?;
        let end = local_and_offset(&self.to)?.0 + 1;
        if !asked.is_of_days() {
            return Some(from..end);
        }
        // A day that is left out altogether (Samoa's 30 December 2011) has no ends: Plausible names those of the others.
        let since_midnight = from.rem_euclid(DAY_SECONDS);
        let from = if since_midnight < HALF_A_DAY { from - since_midnight } else { from };
        let to_midnight = (-end).rem_euclid(DAY_SECONDS);
        let end = if to_midnight < HALF_A_DAY { end + to_midnight } else { end };
        Some(from..end)
    }

    /// The part of [`Period::span`] that is over at `now`.
    ///
    /// How far the site's clock is from UTC is known at both ends only. Where they differ, clocks move within the range,
    /// and the slower reading is taken: what is taken for running is marked, what is taken for over would pass for whole.
    /// But within one day they have moved when a few hours of it have gone, since they do so at night.
    pub fn elapsed(&self, asked: &DateRange, now: Timestamp) -> Option<Range<i64>> {
        let span = self.span(asked)?;
        let now = i64::try_from(now.seconds()).ok()?;
        let (from, to) = (local_and_offset(&self.from)?, local_and_offset(&self.to)?);
        let [began, ends] = [from, to].map(|(local, offset)| local - offset);
        if now >= ends {
            return Some(span);
        }
        let is_one_day = span.end - span.start <= DAY_SECONDS;
        let have_moved = is_one_day && now - began > NIGHT_SECONDS;
        let offset = if have_moved { to.1 } else { from.1.min(to.1) };
        Some(span.start..span.end.min(now.saturating_add(offset).saturating_add(1)))
    }

    /// Whether the range reaches beyond `now` by more than clocks differ.
    pub fn is_unfinished(&self, now: Timestamp) -> bool {
        self.seconds_since_end(now).is_some_and(|seconds| seconds < -CLOCK_DIFFERENCE)
    }

    /// How many seconds ago the range ended, by its own offset; negative while it runs.
    pub fn seconds_since_end(&self, now: Timestamp) -> Option<i64> {
        let now = i64::try_from(now.seconds()).ok()?;
        Some(now - instant(&self.to)?)
    }

    /// The first and the last day.
    pub fn days(&self) -> (&str, &str) {
        (self.from.get(..10).unwrap_or(&self.from), self.to.get(..10).unwrap_or(&self.to))
    }

    /// Whether it begins and ends with a day.
    pub fn is_of_whole_days(&self, asked: &DateRange) -> bool {
        let is_midnight = |second: i64| second.rem_euclid(DAY_SECONDS) == 0;
        self.span(asked).is_some_and(|span| is_midnight(span.start) && is_midnight(span.end))
    }

    /// How many seconds it lasts. A day counts as one, however long a change of the clock makes it; parts of days are
    /// measured by the clocks at the site.
    pub fn length(&self, asked: &DateRange) -> Option<i64> {
        if !self.is_of_whole_days(asked) {
            return Some(local_and_offset(&self.to)?.0 - local_and_offset(&self.from)?.0 + 1);
        }
        let seconds = instant(&self.to)? - instant(&self.from)? + 1;
        Some((seconds + HALF_A_DAY).div_euclid(DAY_SECONDS) * DAY_SECONDS)
    }
}

/// At least as many as a JSON text has values: each but the first follows one of these characters.
fn values_at_most(body: &[u8]) -> usize {
    body.iter().filter(|byte| matches!(byte, b'[' | b'{' | b',' | b':')).count() + 1
}

fn period(value: &Value) -> Option<Period> {
    let ends = strings(Some(value));
    match ends.as_slice() {
        [from, to] => Some(Period { from: from.clone(), to: to.clone() }),
        _ => None,
    }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let values = value.and_then(Value::as_array);
    values.map(|values| values.iter().filter_map(Value::as_str).map(str::to_owned).collect()).unwrap_or_default()
}

/// Imports that were left out, and metrics that are not what they seem. The documentation writes `metric_warning`, the
/// source `metric_warnings`.
fn warnings(meta: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(reason) = meta.get("imports_skip_reason").and_then(Value::as_str) {
        let detail = meta.get("imports_warning").and_then(Value::as_str).unwrap_or_default();
        warnings.push(format!("Imported data is not included ({reason}). {detail}").trim_end().to_owned());
    }
    for key in ["metric_warnings", "metric_warning"] {
        for (metric, warning) in meta.get(key).and_then(Value::as_object).into_iter().flatten() {
            let member = |name: &str| warning.get(name).and_then(Value::as_str);
            let text = member("warning").or_else(|| member("message")).or_else(|| member("code"));
            warnings.push(format!("{metric}: {}", text.unwrap_or("Plausible warns about this metric")));
        }
    }
    warnings.truncate(MAX_WARNINGS);
    warnings.iter().map(|warning| one_line(warning)).collect()
}

/// Ten thousand rows of all metrics have 200,000 values. The smallest object takes sixty times the memory that it takes
/// of the answer, and an instance has 64 MiB.
const MAX_VALUES: usize = 250_000;

/// How many seconds a range that ends with Plausible's now may seem to reach beyond ours.
const CLOCK_DIFFERENCE: i64 = 60;

/// What tells a day that begins late or ends early from one that is not there.
const HALF_A_DAY: i64 = DAY_SECONDS / 2;

/// Clocks are put forward and back between midnight and 04:00 (IANA time zone database, 2000 to 2026).
const NIGHT_SECONDS: i64 = 6 * 60 * 60;

/// There are 14 metrics and one note about imports.
const MAX_WARNINGS: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    fn period(from: &str, to: &str) -> Period {
        Period { from: from.to_owned(), to: to.to_owned() }
    }

    fn days() -> DateRange {
        DateRange::parse("2026-07-01,2026-07-02").unwrap()
    }

    fn hours() -> DateRange {
        DateRange::parse("24h").unwrap()
    }

    #[test]
    fn whole_days_are_whole_wherever_clocks_move() {
        const DAY: i64 = DAY_SECONDS;
        for (place, from, to, count) in [
            ("Santiago, forward at midnight", "2026-09-06T01:00:00-03:00", "2026-09-06T23:59:59-03:00", 1),
            ("Santiago, back at midnight", "2026-04-04T00:00:00-03:00", "2026-04-04T23:59:59-03:00", 1),
            ("Santiago, the week", "2026-09-06T01:00:00-03:00", "2026-09-12T23:59:59-03:00", 7),
            ("Havana, back at 01:00", "2026-11-01T00:00:00-05:00", "2026-11-01T23:59:59-05:00", 1),
            ("Lord Howe, forward by half an hour", "2026-10-04T00:00:00+10:30", "2026-10-04T23:59:59+11:00", 1),
            ("Lord Howe, back by half an hour", "2026-04-05T00:00:00+11:00", "2026-04-05T23:59:59+10:30", 1),
            ("Berlin, forward", "2026-03-29T00:00:00+01:00", "2026-03-29T23:59:59+02:00", 1),
            ("Berlin, the year", "2026-01-01T00:00:00+01:00", "2026-12-31T23:59:59+01:00", 365),
            ("Troll, by two hours", "2026-03-01T00:00:00+00:00", "2026-03-31T23:59:59+02:00", 31),
            ("by half an hour at midnight", "1987-10-25T00:30:00+11:00", "1987-10-25T23:59:59+11:00", 1),
            ("forward before midnight", "2026-03-20T00:00:00-02:00", "2026-03-20T22:59:59-02:00", 1),
            ("Samoa, a day left out within", "2011-12-26T00:00:00-10:00", "2012-01-01T23:59:59+14:00", 6),
            ("Samoa, a day left out first", "2011-12-31T00:00:00+14:00", "2012-01-01T23:59:59+14:00", 2),
            ("UTC", "2026-07-01T00:00:00Z", "2026-07-02T23:59:59Z", 2),
        ] {
            let period = period(from, to);
            assert!(period.is_of_whole_days(&days()), "{place}");
            assert_eq!(period.length(&days()), Some(count * DAY), "{place}");
            let span = period.span(&days()).unwrap();
            assert_eq!((span.start.rem_euclid(DAY), span.end.rem_euclid(DAY)), (0, 0), "{place}");
        }
    }

    #[test]
    fn points_in_time_are_as_they_are() {
        let part = period("2026-09-06T01:00:00-03:00", "2026-09-06T23:59:59-03:00");
        assert!(!part.is_of_whole_days(&hours()));
        assert_eq!(part.length(&hours()), Some(23 * 3600));
        assert!(period("2026-09-06T00:00:00-03:00", "2026-09-06T23:59:59-03:00").is_of_whole_days(&hours()));
        let nothing = period("2011-12-29T23:59:59-10:00", "2011-12-31T00:00:00+14:00");
        assert!(!nothing.is_of_whole_days(&days()), "a day that was left out");
    }

    #[test]
    fn what_is_over_ends_with_its_last_day_and_what_runs_with_the_slower_clock() {
        let at = |text: &str| Timestamp(u64::try_from(instant(text).unwrap()).unwrap() * 1000);
        let local = |text: &str| local_and_offset(&format!("{text}Z")).unwrap().0;
        for (from, to, now, end) in [
            (
                "2026-03-01T00:00:00+01:00",
                "2026-03-31T23:59:59+02:00",
                "2026-04-01T00:00:00+02:00",
                "2026-04-01T00:00:00",
            ),
            (
                "2026-03-01T00:00:00+01:00",
                "2026-03-31T23:59:59+02:00",
                "2026-03-10T12:00:00+01:00",
                "2026-03-10T12:00:01",
            ),
            (
                "2026-10-01T00:00:00+02:00",
                "2026-10-31T23:59:59+01:00",
                "2026-10-30T12:00:00+01:00",
                "2026-10-30T12:00:01",
            ),
            (
                "2026-03-29T00:00:00+01:00",
                "2026-03-29T23:59:59+02:00",
                "2026-03-29T15:00:00+02:00",
                "2026-03-29T15:00:01",
            ),
            (
                "2026-10-25T00:00:00+02:00",
                "2026-10-25T23:59:59+01:00",
                "2026-10-25T15:00:00+01:00",
                "2026-10-25T15:00:01",
            ),
            (
                "2026-09-06T01:00:00-03:00",
                "2026-09-06T23:59:59-03:00",
                "2026-09-06T15:00:00-03:00",
                "2026-09-06T15:00:01",
            ),
        ] {
            let elapsed = period(from, to).elapsed(&days(), at(now)).unwrap();
            assert_eq!(elapsed.end, local(end), "{from} {now}");
        }
    }
}
