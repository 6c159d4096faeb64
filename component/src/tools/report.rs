//! What rows become: words for the model and structured content for programs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter};
use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::failure::Failure;
use super::table;
use crate::legible::{is_invisible, legible};
use crate::mcp::ToolResult;
use crate::plausible::{
    Answer, Clauses, DateRange, Dimension, Filter, Label, LegalQuery, Metric, MetricValue, Operator, Page, Period,
    Query, Row, Violation, is_literal,
};
use crate::ports::Timestamp;

/// Rows and what belongs to them.
pub struct Report<'a> {
    /// The query that was asked.
    pub query: &'a Query,
    /// The range that Plausible resolved.
    pub period: Option<Period>,
    /// The rows, and whether each is of a part of its bucket only.
    pub rows: Vec<(Row, bool)>,
    /// How many rows there are in all, where that is known.
    pub total_rows: Option<u64>,
    /// Whether there are more rows.
    pub truncated: bool,
    /// What the model should know.
    pub warnings: Vec<String>,
}

impl<'a> Report<'a> {
    /// A report of an answer's rows as they are. Whether there are more follows from the page that was asked for.
    pub fn of_page(query: &'a LegalQuery, answer: Answer, warnings: Vec<String>, now: Timestamp) -> Self {
        let (query, now) = (query.query(), answer.counted_until(now));
        let shown = answer.rows.len() as u64;
        let truncated = query.page.is_some_and(|page| match answer.total_rows {
            Some(total) => u64::from(page.offset) + shown < total,
            None => shown >= u64::from(page.limit),
        });
        let unfinished = unfinished("The range", answer.period.as_ref(), now);
        let is_first = query.page.is_none_or(|page| page.offset == 0);
        let nothing_found = nothing_found(&query.filters, &answer.rows).filter(|_| is_first);
        let notes = nothing_found.into_iter().chain(replaced(&answer.rows));
        let warnings = warnings.into_iter().chain(unfinished).chain(answer.warnings).chain(notes).collect();
        Report {
            query,
            period: answer.period,
            rows: answer.rows.into_iter().map(|row| (row, false)).collect(),
            total_rows: answer.total_rows,
            truncated,
            warnings,
        }
    }

    /// The tool's result.
    pub fn result(&self) -> ToolResult {
        ToolResult { text: self.text(), structured: Some(self.structured()), is_error: false }
    }

    fn next_offset(&self) -> Option<u64> {
        let page: Page = self.query.page.filter(|_| self.truncated)?;
        Some(u64::from(page.offset) + self.rows.len() as u64)
    }

    /// Sums of what adds up, when every row is there and every event belongs to one row. A sum beyond all numbers, which
    /// no site's counts come to, is none.
    fn totals(&self) -> Vec<(Metric, f64)> {
        let complete = !self.truncated && self.query.page.is_none_or(|page| page.offset == 0) && self.rows.len() > 1;
        if !complete || !self.query.dimensions.iter().all(Dimension::partitions_events) {
            return Vec::new();
        }
        let metrics = self.query.metrics.iter().enumerate().filter(|(_, metric)| metric.is_additive());
        let sum = |at: usize| self.rows.iter().filter_map(|(row, _)| row.metrics.get(at)?.number()).sum();
        metrics.map(|(at, metric)| (*metric, sum(at))).filter(|(_, total): &(_, f64)| total.is_finite()).collect()
    }

    fn text(&self) -> String {
        let mut text = heading(self.query, self.period.as_ref());
        let offset = self.query.page.map_or(0, |page| page.offset);
        if self.rows.is_empty() && offset > 0 {
            text.push_str(&format!("No rows from offset {offset} on; a smaller offset may have some.\n"));
        } else if self.rows.is_empty() {
            text.push_str("No data in this range with these filters.\n");
        } else {
            text.push_str(&table::rows(self.query, &self.rows));
        }
        for (metric, total) in self.totals() {
            text.push_str(&format!("Total {}: {total}\n", metric.name()));
        }
        if let Some(next) = self.next_offset() {
            let of = self.total_rows.map(|total| format!(" of {total}")).unwrap_or_default();
            text.push_str(&format!(
                "truncated: {}{of} rows are shown; the next begin at offset {next}.\n",
                self.rows.len()
            ));
        }
        push_notes(&mut text, &self.warnings);
        push_notes(&mut text, &table::notes(self.rows.iter().map(|(row, _)| row)));
        text
    }

    fn structured(&self) -> String {
        let content = RowsContent {
            site_id: &self.query.site_id,
            date_range: self.period.as_ref(),
            metrics: self.query.metrics.iter().map(|metric| metric.name()).collect(),
            dimensions: self.query.dimensions.iter().map(Dimension::name).collect(),
            filters: self.query.filters.iter().map(Filter::describe).collect(),
            results: self.rows.iter().map(row_content).collect(),
            totals: self.totals().into_iter().map(|(metric, total)| (metric.name(), number(total))).collect(),
            truncated: self.truncated,
            next_offset: self.next_offset(),
            total_rows: self.total_rows,
            warnings: &self.warnings,
        };
        json_text(&content)
    }
}

/// The structured content, as `schema::rows` describes it.
#[derive(Serialize)]
struct RowsContent<'a> {
    site_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_range: Option<&'a Period>,
    metrics: Vec<&'static str>,
    dimensions: Vec<String>,
    filters: Vec<String>,
    results: Vec<RowContent<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    totals: BTreeMap<&'static str, Value>,
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_rows: Option<u64>,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct RowContent<'a> {
    dimensions: &'a [Label],
    metrics: &'a [MetricValue],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
}

fn row_content((row, partial): &(Row, bool)) -> RowContent<'_> {
    RowContent { dimensions: &row.dimensions, metrics: &row.metrics, partial: *partial }
}

/// A value of ours as JSON, with every text in it [legible]: whatever visitors and callers wrote is cleaned here, and no
/// member that is added later can be forgotten. It cannot fail: every map has text for keys.
pub fn json_text(value: &impl Serialize) -> String {
    let mut json = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut json, Legible);
    match value.serialize(&mut serializer) {
        Ok(()) => String::from_utf8(json).unwrap_or_default(),
        Err(_) => String::new(),
    }
}

/// Writes JSON without anything that is not seen.
struct Legible;

impl Formatter for Legible {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        writer.write_all(legible(fragment).as_bytes())
    }

    /// A control character is not written as an escape either: whoever reads the JSON would have it again.
    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            CharEscape::Quote => writer.write_all(b"\\\""),
            CharEscape::ReverseSolidus => writer.write_all(b"\\\\"),
            CharEscape::Solidus => writer.write_all(b"/"),
            _ => writer.write_all("\u{fffd}".as_bytes()),
        }
    }
}

/// What to know about values that are not shown as they are.
pub fn replaced<'r>(rows: impl IntoIterator<Item = &'r Row>) -> Option<String> {
    let is_replaced = table::texts(rows).any(|text| matches!(legible(text), Cow::Owned(_)));
    is_replaced.then(|| {
        "In values, \u{fffd} stands for a character that is not seen. Such a value cannot be used in a filter as shown."
            .to_owned()
    })
}

/// The first line: the site, the resolved range, the filters.
pub fn heading(query: &Query, period: Option<&Period>) -> String {
    let (site, range) = (table::clean(&query.site_id), range(query, period));
    format!("{site} | {range}{}\n", filter_note(&query.filters))
}

/// The resolved range for people, else the one that was asked for: days, or points in time when it does not begin and
/// end with one.
pub fn range(query: &Query, period: Option<&Period>) -> String {
    let Some(period) = period else { return requested(&query.date_range) };
    let whole_days = period.is_of_whole_days(&query.date_range);
    let (from, to) = if whole_days { period.days() } else { (period.from.as_str(), period.to.as_str()) };
    format!("{} to {}", table::clean(from), table::clean(to))
}

/// The filters, for people.
pub fn filter_note(filters: &[Filter]) -> String {
    if filters.is_empty() {
        return String::new();
    }
    let filters: Vec<_> = filters.iter().map(|filter| table::clean(&filter.describe()).into_owned()).collect();
    format!(" | filters: {}", filters.join("; "))
}

/// A computed number as JSON: whole numbers without a fraction, as Plausible writes them.
pub fn number(number: f64) -> Value {
    let whole =
        Some(number).filter(|number| number.fract() == 0.0).and_then(|number| format!("{number:.0}").parse().ok());
    whole.map_or_else(|| json!(number), |whole: i64| json!(whole))
}

/// Adds a line per note.
pub fn push_notes(text: &mut String, notes: &[impl AsRef<str>]) {
    for note in notes {
        text.push_str(&format!("Note: {}\n", legible(note.as_ref())));
    }
}

/// What to know about a range that is not over; `subject` is what the words call it.
pub fn unfinished(subject: &str, period: Option<&Period>, now: Timestamp) -> Option<String> {
    let period = period.filter(|period| period.is_unfinished(now))?;
    Some(format!(
        "{subject} is not over: it lasts until {}, and only what happened until now is in it.",
        period.days().1
    ))
}

/// What to know of filters with which nothing was counted.
pub fn nothing_found<'r>(filters: &[Filter], rows: impl IntoIterator<Item = &'r Row>) -> Option<String> {
    let is_nothing = |value: &MetricValue| value.number().is_none_or(|number| number == 0.0);
    let found_nothing = rows.into_iter().flat_map(|row| &row.metrics).all(is_nothing);
    let is_one_page = |filter: &Filter| matches!(filter, Filter::Compare { operator: Operator::Is, dimension, .. } if dimension.is_path());
    let slash = if filters.iter().any(is_one_page) {
        " A slash at the end counts: /about and /about/ are two pages."
    } else {
        ""
    };
    (found_nothing && !filters.is_empty()).then(|| {
        format!(
            "Nothing was counted with these filters. Values compare exactly, upper and lower case included: get_breakdown \
             by that dimension lists those that the site has.{slash}"
        )
    })
}

/// Proves a query legal; if it is not, mends the call for the error.
pub fn legal(query: Query, tool: &'static str, arguments: &Arguments) -> Result<LegalQuery, Failure> {
    let attempt = query.clone();
    attempt.check().map_err(|violation| {
        let instead = mend(query, arguments.given().clone());
        Failure::Illegal { tool, violation, instead: visible_json(&Value::Object(instead)) }
    })
}

/// JSON in which everything that is not seen is escaped: a call is offered as it has to be sent.
fn visible_json(value: &Value) -> String {
    let json = value.to_string();
    let mut visible = String::with_capacity(json.len());
    for character in json.chars() {
        if is_invisible(character) {
            let units =
                character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            visible.push_str(&units);
        } else {
            visible.push(character);
        }
    }
    visible
}

/// The arguments, with everything mended that a rule is against, so that the call that is offered works.
fn mend(mut query: Query, mut given: Map<String, Value>) -> Map<String, Value> {
    given.retain(|_, value| !value.is_null());
    if let Some(Value::Array(entries)) = given.get_mut("property_filters") {
        // They are the last of the query's filters, in their order.
        let others = query.filters.len().saturating_sub(entries.len());
        let mended: Vec<_> = query.filters.split_off(others).iter().map(|filter| mend_filter(filter, &query)).collect();
        *entries =
            entries.drain(..).zip(&mended).filter_map(|(entry, filter)| rewritten(entry, filter.as_ref()?)).collect();
        query.filters.extend(mended.into_iter().flatten());
    }
    given.retain(|name, value| name != "property_filters" || *value != json!([]));
    // Where the metrics are left to the tool, they fit the mended call by themselves.
    if given.contains_key("metrics") && query.clone().check().is_err() {
        given.remove("metrics");
        let legal = query.legal_metrics();
        if !legal.is_empty() {
            given.insert("metrics".to_owned(), legal.iter().map(|metric| metric.name()).collect());
        }
    }
    given
}

/// The filter that Plausible takes and that asks the same, if there is one.
fn mend_filter(filter: &Filter, query: &Query) -> Option<Filter> {
    let alone = Query::new(query.site_id.clone(), vec![Metric::Visitors], query.date_range.clone());
    let violation = Query { filters: vec![filter.clone()], ..alone }.check().err();
    let Filter::Compare { operator, dimension, clauses } = filter.clone() else { return Some(filter.clone()) };
    match (violation, operator) {
        (None, _) => Some(filter.clone()),
        (Some(Violation::GoalOperator(_)), Operator::Matches) if are_literal(&clauses) => {
            Some(Filter::Compare { operator: Operator::Contains, dimension, clauses })
        }
        (Some(Violation::CountryCode(_)), _) => {
            Some(Filter::Compare { operator, dimension: Dimension::BuiltIn("visit:country_name"), clauses })
        }
        _ => None,
    }
}

fn are_literal(clauses: &Clauses) -> bool {
    matches!(clauses, Clauses::Text(texts) if texts.iter().all(|text| is_literal(text)))
}

/// An entry of `property_filters` that says what the filter says. Values stay as they are.
fn rewritten(mut entry: Value, filter: &Filter) -> Option<Value> {
    let Filter::Compare { operator, dimension, .. } = filter else { return Some(entry) };
    let object = entry.as_object_mut()?;
    object.insert("property".to_owned(), json!(dimension.name()));
    object.insert("operator".to_owned(), json!(operator.name()));
    Some(entry)
}

/// A range as it was asked for.
pub fn requested(range: &DateRange) -> String {
    match range.json() {
        Value::String(name) => name,
        ends => ends.to_string(),
    }
}
