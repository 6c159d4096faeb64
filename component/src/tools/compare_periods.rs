//! `compare_periods`: the same metrics in two periods, and the differences.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::arguments::Arguments;
use super::failure::Failure;
use super::schema::{self, Property};
use super::{READS_PLAUSIBLE, Tools, filters, report, table};
use crate::mcp::{ToolDefinition, ToolResult};
use crate::plausible::{Answer, Filter, LegalQuery, Metric, MetricValue, Period, Query, StatsApi};
use crate::ports::Timestamp;

/// The tool's name.
pub const NAME: &str = "compare_periods";

/// What `tools/list` shows.
pub fn definition(has_default_site: bool) -> ToolDefinition {
    let properties = [PERIOD_A, PERIOD_B, schema::METRICS, schema::PAGE, schema::GOAL, schema::PROPERTY_FILTERS];
    ToolDefinition {
        name: NAME,
        title: "Compare two periods",
        description: "Compares two periods of a site: each metric in period_a (before) and period_b (after), the \
difference b - a, and the change in percent of a. It is also the tool for totals of one whole period, without buckets or \
rows: visitors of 30 days, for example. Use it for questions such as whether a release, a campaign or a week \
changed traffic. Choose periods of the same length and the same weekdays, and leave today out: it is not over.\n\
Metrics: visitors, visits, pageviews, views_per_visit, bounce_rate, visit_duration, events; scroll_depth and \
time_on_page with page; conversion_rate with goal. views_per_visit not with page.\n\
Example: {\"period_a\":\"2026-07-01,2026-07-07\",\"period_b\":\"2026-07-08,2026-07-14\",\"page\":\"/pricing\"}",
        input_schema: schema::arguments(&properties, &["period_a", "period_b"], has_default_site),
        output_schema: output_schema(),
        annotations: READS_PLAUSIBLE,
    }
}

/// Calls the tool. Both queries are under way at the same time.
pub async fn call<A: StatsApi>(tools: &Tools<'_, A>, given: Map<String, Value>) -> Result<ToolResult, Failure> {
    let mut arguments = Arguments::new(NAME, EXAMPLE, given);
    let site_id = arguments.site(tools.sites);
    let range_a = arguments.date_range("period_a");
    let range_b = arguments.date_range("period_b");
    let metrics = arguments.metrics();
    let filters = filters::read(&mut arguments, site_id.as_deref());
    let warnings = arguments.finish()?;
    let (Some(site_id), Some(range_a), Some(range_b)) = (site_id, range_a, range_b) else {
        return Err(arguments.incomplete());
    };
    let metrics = metrics.unwrap_or_else(|| default_metrics(&filters).to_vec());
    let query_a = Query { filters, ..Query::new(site_id, metrics, range_a) };
    let query_b = Query { date_range: range_b, ..query_a.clone() };
    let query_a = report::legal(query_a, NAME, &arguments)?;
    let query_b = report::legal(query_b, NAME, &arguments)?;
    let (answer_a, answer_b) = futures_util::future::join(tools.ask(&query_a), tools.ask(&query_b)).await;
    let (a, b) = (answer_a?, answer_b?);
    let nothing_found = report::nothing_found(&query_a.query().filters, a.rows.iter().chain(&b.rows));
    let comparison = Comparison { query_a: &query_a, query_b: &query_b, a, b, warnings: Vec::new() };
    let warnings = warnings.into_iter().chain(comparison.doubts(tools.now)).chain(nothing_found).collect();
    Ok(Comparison { warnings, ..comparison }.result())
}

struct Comparison<'a> {
    query_a: &'a LegalQuery,
    query_b: &'a LegalQuery,
    a: Answer,
    b: Answer,
    warnings: Vec<String>,
}

/// The metrics of a call that names none. A goal that is no page view has only those of its conversions.
fn default_metrics(filters: &[Filter]) -> &'static [Metric] {
    if filters::have_goal(filters) {
        &[Metric::Visitors, Metric::Events, Metric::ConversionRate]
    } else {
        &[Metric::Visitors, Metric::Pageviews, Metric::BounceRate, Metric::VisitDuration]
    }
}

/// Whole days as days, anything else in hours, or in minutes below one.
fn duration(seconds: i64) -> String {
    let in_units = |unit: i64| (seconds + unit / 2).div_euclid(unit);
    let days = in_units(DAY);
    let (count, unit) = match seconds {
        _ if days > 0 && seconds.abs_diff(days * DAY) <= HOUR.unsigned_abs() => (days, "day"),
        HOUR.. => (in_units(HOUR), "hour"),
        _ => (in_units(MINUTE), "minute"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

impl Comparison<'_> {
    /// Why the difference may not mean what it seems to, and what Plausible warns of.
    fn doubts(&self, now: Timestamp) -> Vec<String> {
        let periods = [("period_a", &self.a), ("period_b", &self.b)];
        let unfinished =
            periods.map(|(name, answer)| report::unfinished(name, answer.period.as_ref(), answer.counted_until(now)));
        let mut doubts: Vec<String> = unfinished.into_iter().flatten().chain(self.different_lengths()).collect();
        for warning in self.a.warnings.iter().chain(&self.b.warnings) {
            if !doubts.contains(warning) {
                doubts.push(warning.clone());
            }
        }
        doubts
    }

    fn different_lengths(&self) -> Option<String> {
        let a = self.a.period.as_ref()?.length(&self.query_a.query().date_range)?;
        let b = self.b.period.as_ref()?.length(&self.query_b.query().date_range)?;
        // Hours that a change of the clock makes more or fewer are still as many by the clock.
        let tolerance = if a.max(b) < DAY - HOUR { MINUTE } else { HOUR };
        (a.abs_diff(b) > tolerance.unsigned_abs()).then(|| {
            format!(
                "period_a has {} and period_b {}: compare rates rather than counts, or choose periods of the same length.",
                duration(a),
                duration(b)
            )
        })
    }

    fn metrics(&self) -> &[Metric] {
        &self.query_a.query().metrics
    }

    fn result(&self) -> ToolResult {
        ToolResult { text: self.text(), structured: Some(self.structured()), is_error: false }
    }

    fn text(&self) -> String {
        let query = self.query_a.query();
        let mut text = format!(
            "{} | a: {} | b: {}{}\nmetric | a | b | change | change %\n",
            table::clean(&query.site_id),
            range(self.query_a, &self.a),
            range(self.query_b, &self.b),
            report::filter_note(&query.filters)
        );
        for (at, metric) in self.metrics().iter().enumerate() {
            let (a, b) = (value(&self.a, at), value(&self.b, at));
            let delta = Delta::between(a, b);
            let show = |number: Option<f64>| number.map_or("-".to_owned(), |number| format!("{number:+}"));
            text.push_str(&format!(
                "{} | {} | {} | {} | {}\n",
                metric.name(),
                table::value(a),
                table::value(b),
                show(delta.absolute),
                show(delta.percent)
            ));
        }
        report::push_notes(&mut text, &self.warnings);
        text
    }

    fn structured(&self) -> String {
        let query = self.query_a.query();
        report::json_text(&Content {
            site_id: &query.site_id,
            filters: query.filters.iter().map(Filter::describe).collect(),
            period_a: self.period(self.query_a, &self.a),
            period_b: self.period(self.query_b, &self.b),
            deltas: self.by_metric(|at| Delta::between(value(&self.a, at), value(&self.b, at)).content()),
            warnings: &self.warnings,
        })
    }

    fn period<'b>(&self, query: &LegalQuery, answer: &'b Answer) -> PeriodContent<'b> {
        let metrics = self.by_metric(|at| value(answer, at));
        PeriodContent { range: range(query, answer), date_range: answer.period.as_ref(), metrics }
    }

    fn by_metric<T>(&self, of: impl Fn(usize) -> T) -> BTreeMap<&'static str, T> {
        self.metrics().iter().enumerate().map(|(at, metric)| (metric.name(), of(at))).collect()
    }
}

/// The structured content, as the output schema describes it.
#[derive(Serialize)]
struct Content<'a> {
    site_id: &'a str,
    filters: Vec<String>,
    period_a: PeriodContent<'a>,
    period_b: PeriodContent<'a>,
    deltas: BTreeMap<&'static str, DeltaContent>,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct PeriodContent<'a> {
    range: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_range: Option<&'a Period>,
    metrics: BTreeMap<&'static str, &'a MetricValue>,
}

#[derive(Serialize)]
struct DeltaContent {
    absolute: Option<Value>,
    percent: Option<Value>,
}

/// A difference; `None` where a side has no value or the difference is beyond all numbers, and no percentage of zero.
#[derive(Debug, PartialEq)]
struct Delta {
    absolute: Option<f64>,
    percent: Option<f64>,
}

impl Delta {
    fn between(a: &MetricValue, b: &MetricValue) -> Delta {
        let (Some(a), Some(b)) = (a.number(), b.number()) else { return Delta { absolute: None, percent: None } };
        let finite = |number: &f64| number.is_finite();
        let percent = (a != 0.0).then(|| round((b - a) / a * 100.0)).filter(finite);
        Delta { absolute: Some(round(b - a)).filter(finite), percent }
    }
}

impl Delta {
    fn content(&self) -> DeltaContent {
        DeltaContent { absolute: self.absolute.map(report::number), percent: self.percent.map(report::number) }
    }
}

/// Two decimals, and no negative zero.
fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0 + 0.0
}

fn value(answer: &Answer, at: usize) -> &MetricValue {
    answer.rows.first().and_then(|row| row.metrics.get(at)).unwrap_or(&MetricValue::Null)
}

fn range(query: &LegalQuery, answer: &Answer) -> String {
    report::range(query.query(), answer.period.as_ref())
}

fn output_schema() -> String {
    schema::object(
        &[
            ("site_id", schema::SITE_ANSWERED),
            ("filters", schema::FILTERS_ANSWERED),
            ("period_a", PERIOD_ANSWERED),
            ("period_b", PERIOD_ANSWERED),
            ("deltas", DELTAS),
            ("warnings", schema::WARNINGS),
        ],
        &["site_id", "filters", "period_a", "period_b", "deltas", "warnings"],
    )
}

const PERIOD_A: Property = (
    "period_a",
    r#"{"type":"string","description":"The earlier period, written like a date_range.","examples":["2026-07-01,2026-07-07"]}"#,
);

const PERIOD_B: Property = (
    "period_b",
    r#"{"type":"string","description":"The later period, written like a date_range: \"7d\", \"month\", or two days, both included.","examples":["2026-07-08,2026-07-14"]}"#,
);

const PERIOD_ANSWERED: &str = r#"{"type":"object","properties":{"range":{"type":"string"},"date_range":{"type":"object","properties":{"from":{"type":"string"},"to":{"type":"string"}},"required":["from","to"],"additionalProperties":false},"metrics":{"type":"object","additionalProperties":{"type":["number","null","object"]}}},"required":["range","metrics"],"additionalProperties":false}"#;

const DELTAS: &str = r#"{"type":"object","description":"Per metric: b - a, and that in percent of a; null where a side has no value.","additionalProperties":{"type":"object","properties":{"absolute":{"type":["number","null"]},"percent":{"type":["number","null"]}},"required":["absolute","percent"],"additionalProperties":false}}"#;

const DAY: i64 = 24 * HOUR;

const HOUR: i64 = 60 * MINUTE;

const MINUTE: i64 = 60;

const EXAMPLE: &str =
    r#"{"site_id":"example.com","period_a":"2026-07-01,2026-07-07","period_b":"2026-07-08,2026-07-14"}"#;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(a: Value, b: Value, absolute: Option<f64>, percent: Option<f64>) {
        let metric = |value: Value| match value {
            Value::Number(number) => MetricValue::Number(number),
            Value::Object(money) => MetricValue::Money(money),
            _ => MetricValue::Null,
        };
        assert_eq!(Delta::between(&metric(a), &metric(b)), Delta { absolute, percent });
    }

    #[test]
    fn a_duration_is_in_days_where_it_is_whole_ones() {
        for (seconds, words) in [
            (7 * DAY, "7 days"),
            (DAY - HOUR, "1 day"),
            (DAY + 2 * HOUR, "26 hours"),
            (4 * HOUR + 1, "4 hours"),
            (HOUR, "1 hour"),
            (90 * MINUTE, "2 hours"),
            (20 * MINUTE, "20 minutes"),
        ] {
            assert_eq!(duration(seconds), words);
        }
    }

    #[test]
    fn deltas_are_rounded_and_survive_null_zero_and_money() {
        check(json!(100), json!(150), Some(50.0), Some(50.0));
        check(json!(3), json!(1), Some(-2.0), Some(-66.67));
        check(json!(0), json!(5), Some(5.0), None);
        check(Value::Null, json!(5), None, None);
        check(json!(5), Value::Null, None, None);
        check(json!(0.1), json!(0.3), Some(0.2), Some(200.0));
        check(
            json!({"value": 10.0, "currency": "EUR"}),
            json!({"value": 12.5, "currency": "EUR"}),
            Some(2.5),
            Some(25.0),
        );
        check(json!({"currency": "EUR"}), json!(1), None, None);
        check(json!(-1e308), json!(1e308), None, None);
        check(json!(1e-308), json!(1), Some(1.0), None);
    }
}
