//! Plausible's answer: <https://plausible.io/docs/stats-api#response-structure>.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::date_range::{instant, local_and_offset};
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
        })
    }
}

impl Period {
    /// The part of the range that is over at `now`, in seconds of the site's clock since 1970-01-01T00:00, the end
    /// excluded. The clock is taken to be as far from UTC as at the end of the range.
    pub fn elapsed(&self, now: Timestamp) -> Option<Range<i64>> {
        let (from, _) = local_and_offset(&self.from)?;
        let (to, offset) = local_and_offset(&self.to)?;
        let clock = i64::try_from(now.seconds()).ok()?.saturating_add(offset);
        Some(from..to.min(clock).saturating_add(1))
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

    /// How many seconds clocks at the site count from the first moment to the last, both included.
    pub fn length(&self) -> Option<i64> {
        Some(local_and_offset(&self.to)?.0 - local_and_offset(&self.from)?.0 + 1)
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
    warnings
}

/// Ten thousand rows of all metrics have 200,000 values. The smallest object takes sixty times the memory that it takes
/// of the answer, and an instance has 64 MiB.
const MAX_VALUES: usize = 250_000;

/// How many seconds a range that ends with Plausible's now may seem to reach beyond ours.
const CLOCK_DIFFERENCE: i64 = 60;

/// There are 14 metrics and one note about imports.
const MAX_WARNINGS: usize = 15;
