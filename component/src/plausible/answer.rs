//! Plausible's answer: <https://plausible.io/docs/stats-api#response-structure>.

use serde_json::{Map, Value};

use super::date_range::{instant, local_and_offset};
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
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Strings, or integers for `visit:city`.
    pub dimensions: Vec<Value>,
    /// The metrics' values.
    pub metrics: Vec<MetricValue>,
}

/// A metric's value.
#[derive(Debug, Clone, PartialEq)]
pub enum MetricValue {
    /// There is none.
    Null,
    /// A number.
    Number(serde_json::Number),
    /// Money: an object with `value`, `currency`, `short` and `long`.
    Money(Map<String, Value>),
}

/// A resolved range: two points in time as Plausible writes them, with the site's offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// The first moment.
    pub from: String,
    /// The last.
    pub to: String,
}

/// A point in time as clocks at the site show it: `YYYY-MM-DD hh:mm:ss`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalTime(pub String);

impl Answer {
    /// Reads an answer. `None`: it does not have the documented shape.
    pub fn read(body: &[u8]) -> Option<Answer> {
        let mut value: Value = serde_json::from_slice(body).ok()?;
        let rows = match value.get_mut("results").map(Value::take)? {
            Value::Array(rows) => rows.into_iter().map(row).collect::<Option<Vec<_>>>()?,
            _ => return None,
        };
        let meta = value.get("meta");
        let query = value.get("query");
        Some(Answer {
            rows,
            period: query.and_then(|query| query.get("date_range")).and_then(period),
            time_labels: strings(meta.and_then(|meta| meta.get("time_labels"))),
            total_rows: meta.and_then(|meta| meta.get("total_rows")).and_then(Value::as_u64),
            warnings: meta.map(warnings).unwrap_or_default(),
            dimensions: strings(query.and_then(|query| query.get("dimensions"))),
        })
    }
}

impl MetricValue {
    /// The value as JSON.
    pub fn json(&self) -> Value {
        match self {
            MetricValue::Null => Value::Null,
            MetricValue::Number(number) => Value::Number(number.clone()),
            MetricValue::Money(money) => Value::Object(money.clone()),
        }
    }

    /// The value as a number; of money, its amount.
    pub fn number(&self) -> Option<f64> {
        match self {
            MetricValue::Null => None,
            MetricValue::Number(number) => number.as_f64(),
            MetricValue::Money(money) => money.get("value").and_then(Value::as_f64),
        }
    }
}

impl Period {
    /// What clocks at the site show at `now`, by the offset at the end of the range; `None` when the range is over.
    pub fn running_at(&self, now: Timestamp) -> Option<LocalTime> {
        let end = instant(&self.to)?;
        let seconds = i64::try_from(now.seconds()).ok()?;
        let (_, offset) = local_and_offset(&self.to)?;
        let local = time::OffsetDateTime::from_unix_timestamp(seconds + offset).ok()?;
        (seconds <= end).then(|| {
            LocalTime(format!(
                "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
                local.year(),
                u8::from(local.month()),
                local.day(),
                local.hour(),
                local.minute(),
                local.second()
            ))
        })
    }

    /// The first and the last day.
    pub fn days(&self) -> (&str, &str) {
        (self.from.get(..10).unwrap_or(&self.from), self.to.get(..10).unwrap_or(&self.to))
    }

    /// The length in whole days, rounded.
    pub fn length_in_days(&self) -> Option<i64> {
        let (start, end) = (local_and_offset(&self.from)?.0, local_and_offset(&self.to)?.0);
        Some((end - start + 43_200) / 86_400)
    }
}

fn row(value: Value) -> Option<Row> {
    let Value::Object(mut row) = value else { return None };
    let dimensions = match row.remove("dimensions") {
        Some(Value::Array(values)) if values.iter().all(is_label) => values,
        None => Vec::new(),
        Some(_) => return None,
    };
    let Some(Value::Array(metrics)) = row.remove("metrics") else { return None };
    Some(Row { dimensions, metrics: metrics.into_iter().map(metric).collect::<Option<_>>()? })
}

fn is_label(value: &Value) -> bool {
    value.is_string() || value.is_number() || value.is_null()
}

fn metric(value: Value) -> Option<MetricValue> {
    match value {
        Value::Null => Some(MetricValue::Null),
        Value::Number(number) => Some(MetricValue::Number(number)),
        Value::Object(money) => Some(MetricValue::Money(money)),
        Value::Bool(_) | Value::String(_) | Value::Array(_) => None,
    }
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

/// There are 14 metrics and one note about imports.
const MAX_WARNINGS: usize = 15;
